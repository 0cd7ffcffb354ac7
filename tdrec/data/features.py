"""From interactions to the numbers that a model reads: vocabularies and an encoder."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from tdrec.data.columns import Categories, Column, Labels, Numbers, Text
from tdrec.data.interactions import Interactions
from tdrec.data.vocabulary import Vocabulary

_FORMAT = "tdrec.FeatureEncoder/2"
# Latin letters with accents cut a word, as they always did; letters of other scripts make one.
_WORD = re.compile(r"[a-z0-9]+|[^\W\u0000-\u02ff\u1e00-\u1eff]+")


@dataclass(frozen=True)
class IdFeature:
    """An id as its index in a vocabulary: int32 of shape `(rows,)`, 0 for one that is not known."""

    kind: ClassVar[str] = "id"
    name: str
    vocabulary: Vocabulary

    @classmethod
    def fit(cls, name: str, ids: NDArray[np.int64], words: Sequence[str] | None) -> IdFeature:
        """Learns the ids that occur, or the words that stand for them."""
        if words is None:
            return cls(name, Vocabulary.fit(ids))
        return cls(name, Vocabulary(tuple(sorted(words[i] for i in np.unique(ids).tolist()))))

    def encode(self, ids: NDArray[np.int64], words: Sequence[str] | None) -> NDArray[Any]:
        """The index of each id."""
        if words is None:
            return self.vocabulary.lookup(ids)
        known, place = np.unique(ids, return_inverse=True)
        return self.vocabulary.lookup([words[i] for i in known.tolist()])[place]


@dataclass(frozen=True)
class CategoryFeature:
    """A word as its index in a vocabulary: int32 of shape `(rows,)`, 0 for what is not known."""

    kind: ClassVar[str] = "categorical"
    name: str
    vocabulary: Vocabulary

    @classmethod
    def fit(cls, name: str, column: Categories) -> CategoryFeature:
        """Learns the words that occur."""
        present = np.unique(column.codes[column.codes >= 0])
        return cls(name, Vocabulary(tuple(sorted(column.values[i] for i in present.tolist()))))

    def encode(self, column: Categories) -> NDArray[Any]:
        """The index of each word."""
        of_values = self.vocabulary.lookup(np.array(column.values, dtype=np.str_))
        return np.append(of_values, np.int32(0))[column.codes]  # the last is that of none


@dataclass(frozen=True)
class TextFeature:
    """The first known words of a text, then zeros: int32 of shape `(rows, length)`."""

    kind: ClassVar[str] = "text"
    name: str
    vocabulary: Vocabulary
    length: int

    @classmethod
    def fit(cls, name: str, column: Text, length: int) -> TextFeature:
        """Learns the words that at least two of the entries have: a word of one item says no more
        than the item's id."""
        words = [word for text in column.strings() for word in set(_words_of(text))]
        return cls(name, Vocabulary.fit(words, min_count=2), length)

    def encode(self, column: Text) -> NDArray[Any]:
        """The indices of the words of each text; each different text is read once."""
        present, place = np.unique(column.codes, return_inverse=True)
        index = {word: i for i, word in enumerate(self.vocabulary.values, start=1)}
        found = np.zeros((present.size, self.length), np.int32)
        for row, code in enumerate(present.tolist()):
            words = _words_of(column.values[code]) if code >= 0 else ()
            known = [index[word] for word in words if word in index][: self.length]
            found[row, : len(known)] = known
        return found[place]


@dataclass(frozen=True)
class LabelFeature:
    """1 for each name that a row has: float32 of shape `(rows, names)`."""

    kind: ClassVar[str] = "labels"
    name: str
    names: tuple[str, ...]

    @classmethod
    def fit(cls, name: str, column: Labels) -> LabelFeature:
        """Takes the names as they are."""
        return cls(name, column.names)

    def encode(self, column: Labels) -> NDArray[Any]:
        """The flags of each row.

        Raises:
            ValueError: If the names are others.
        """
        if column.names != self.names:
            raise ValueError(
                f"The {self.name} must be those of the training rows, in their order: "
                f"{self.names}. Received: {column.names}. Encode data of one source only."
            )
        return column.flags.astype(np.float32)[column.codes]


@dataclass(frozen=True)
class NumberFeature:
    """A number less its mean, over its standard deviation: float32 of shape `(rows,)`.

    One that is missing stands at the mean, 0.
    """

    kind: ClassVar[str] = "numeric"
    name: str
    mean: float
    std: float

    @classmethod
    def fit(cls, name: str, column: Numbers) -> NumberFeature:
        """Learns mean and standard deviation of the numbers that are there."""
        known = column.values[~np.isnan(column.values)].astype(np.float64)
        mean, std = (float(known.mean()), float(known.std())) if known.size else (0.0, 0.0)
        return cls(name, mean, std or 1.0)

    def encode(self, column: Numbers) -> NDArray[Any]:
        """The standardised numbers."""
        scaled = (column.values.astype(np.float64) - self.mean) / self.std
        return np.nan_to_num(scaled, nan=0.0).astype(np.float32)


Feature = IdFeature | CategoryFeature | TextFeature | LabelFeature | NumberFeature
_KINDS: Mapping[str, Any] = {
    each.kind: each
    for each in (IdFeature, CategoryFeature, TextFeature, LabelFeature, NumberFeature)
}


@dataclass(frozen=True)
class FeatureEncoder:
    """Turns rows into the features of a model.

    Everything it knows comes from the training rows, so that nothing of the evaluation rows leaks
    in. It is plain text in JSON, to be shipped beside a saved model: the model itself takes indices
    only, which lets it be exported.

    Args:
        features: The user's id, the item's, and one for each column of the items and of the rows.

    Example:
        >>> encoder = FeatureEncoder.fit(train)
        >>> sorted(encoder.encode(test))
        ['genres', 'movie', 'title', 'user']
        >>> FeatureEncoder.from_json(encoder.to_json()) == encoder
        True
    """

    features: tuple[Feature, ...]

    @classmethod
    def fit(
        cls, train: Interactions, title_words: int = 8, columns: Sequence[str] | None = None
    ) -> FeatureEncoder:
        """Learns the vocabularies from training rows.

        A word of a text is known if at least two of the items that have a row have it. A release
        year, as in "Dawn (1995)", is a word like any other.

        Args:
            train: The training rows, at least one.
            title_words: How many words of a text are kept.
            columns: Which columns to read. Default None: all.

        Raises:
            ValueError: If there are no rows, `title_words` is below 1, or there is no such column.
        """
        if len(train) == 0:
            raise ValueError(
                "An encoder is fitted on at least one row. Received: no rows. "
                "Check the filter or the split that made the training rows."
            )
        if title_words < 1:
            raise ValueError(f"`title_words` must be at least 1. Received: {title_words}.")
        known = (*train.items.columns, *train.columns)
        if unknown := [name for name in columns or () if name not in known]:
            raise ValueError(
                f"`columns` must be of {', '.join(known)}. Received: {', '.join(unknown)}."
            )
        user, item = train.names
        features: list[Feature] = [
            IdFeature.fit(user, train.user_ids, train.user_names),
            IdFeature.fit(item, train.item_ids, train.items.names),
        ]
        present = np.unique(train.item_rows)
        for name in known:
            if columns is None or name in columns:
                column: Column
                if name in train.items.columns:
                    column = train.items.columns[name].take(present)
                else:
                    column = _different(train.columns[name])
                features.append(_fit(name, column, title_words))
        return cls(tuple(features))

    def encode(self, rows: Interactions) -> dict[str, NDArray[Any]]:
        """Encodes rows.

        A user or item that was not in the training rows gets index 0; such an item keeps what else
        is known of it.

        Args:
            rows: Rows with the columns of the training rows.

        Returns:
            By feature, in the order of `features`: ids and categories as int32 of shape `(rows,)`;
            texts as the known words in their order, then zeros, int32 of shape
            `(rows, title_words)`; labels as 1 for each that a row has, float32 of shape
            `(rows, names)`; numbers standardised, float32 of shape `(rows,)`.

        Raises:
            ValueError: If labels differ from those of the training rows, or a column is missing.
        """
        user, item, *others = self.features
        assert isinstance(user, IdFeature) and isinstance(item, IdFeature)
        encoded = {
            user.name: user.encode(rows.user_ids, rows.user_names),
            item.name: item.encode(rows.item_ids, rows.items.names),
        }
        for feature in others:
            if feature.name not in (*rows.items.columns, *rows.columns):
                raise ValueError(
                    f"Rows must have the columns of the training rows. Received: no "
                    f"{feature.name!r}. Read them with the same columns."
                )
            column: Any = rows.of_rows(feature.name)
            encoded[feature.name] = feature.encode(column)  # type: ignore[call-arg]
        return encoded

    def vocabularies(self) -> dict[str, Vocabulary]:
        """The vocabularies of ids and categories by feature, as `export_student` takes them."""
        kinds = IdFeature | CategoryFeature
        return {each.name: each.vocabulary for each in self.features if isinstance(each, kinds)}

    @property
    def users(self) -> Vocabulary:
        """The known users."""
        return self._of(0).vocabulary

    @property
    def movies(self) -> Vocabulary:
        """The known items."""
        return self._of(1).vocabulary

    @property
    def words(self) -> Vocabulary:
        """The known words of titles, of movies."""
        return self._named("title").vocabulary

    @property
    def title_words(self) -> int:
        """How many words of a title are kept, of movies."""
        return self._named("title").length

    @property
    def genre_names(self) -> tuple[str, ...]:
        """The genres, of movies, in the order of the feature."""
        return self._named("genres").names

    def _of(self, position: int) -> Any:
        return self.features[position]

    def _named(self, name: str) -> Any:
        return next(each for each in self.features if each.name == name)

    def to_json(self) -> str:
        """Writes the encoder as JSON text."""
        features = [{"kind": each.kind, **asdict(each)} for each in self.features]
        for each in features:
            if "vocabulary" in each:
                each["vocabulary"] = list(each["vocabulary"]["values"])
        return json.dumps({"format": _FORMAT, "features": features})

    @classmethod
    def from_json(cls, text: str) -> FeatureEncoder:
        """Makes the encoder whose `to_json()` was `text`.

        Raises:
            ValueError: If the text is not the JSON of an encoder.
        """
        try:
            found = json.loads(text)
        except json.JSONDecodeError as error:
            raise ValueError(f"An encoder is read from JSON text. Received: {error}.") from error
        version = found.get("format") if isinstance(found, dict) else type(found).__name__
        if version != _FORMAT:
            raise ValueError(
                f"The JSON of an encoder has the format {_FORMAT!r}. Received: {version!r}. "
                "Give the text that `FeatureEncoder.to_json` wrote."
            )
        try:
            features = tuple(_read(dict(each)) for each in found["features"])
            ids = [each.kind for each in features[:2]]
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(
                f"The JSON of an encoder has features, each with its fields. Received: {error!r}. "
                "Write the file again with `FeatureEncoder.to_json`."
            ) from error
        if ids != ["id", "id"]:
            raise ValueError(
                f"The first features of an encoder are two ids. Received: {ids}. "
                "Write the file again with `FeatureEncoder.to_json`."
            )
        return cls(features)


def _different(column: Column) -> Column:
    """A text that many rows have is one text, as that of an item is."""
    if not isinstance(column, Text):
        return column
    return Text(np.unique(column.codes[column.codes >= 0]), column.values)


def _fit(name: str, column: Column, length: int) -> Feature:
    if isinstance(column, Categories):
        return CategoryFeature.fit(name, column)
    if isinstance(column, Labels):
        return LabelFeature.fit(name, column)
    if isinstance(column, Numbers):
        return NumberFeature.fit(name, column)
    return TextFeature.fit(name, column, length)


def _read(fields: dict[str, Any]) -> Feature:
    kind = _KINDS[fields.pop("kind")]
    if "vocabulary" in fields:
        fields["vocabulary"] = Vocabulary.from_list(fields["vocabulary"])
    if "names" in fields:
        fields["names"] = tuple(fields["names"])
    feature: Feature = kind(**fields)
    return feature


def _words_of(title: str) -> Sequence[str]:
    return _WORD.findall(title.lower())
