"""From ratings to the numbers that a model reads: vocabularies and an encoder."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tdrec.data.ratings import Ratings

_FORMAT = "tdrec.FeatureEncoder/1"
# Latin letters with accents cut a word, as they always did; letters of other scripts make one.
_WORD = re.compile(r"[a-z0-9]+|[^\W\u0000-\u02ff\u1e00-\u1eff]+")


@dataclass(frozen=True)
class Vocabulary:
    """A fixed list of known values, each with an index.

    The known values have the indices 1 to n in the order given. Index 0 stands for every other
    value ("out of vocabulary"), so a lookup never fails and never leaves the embedding table.

    Args:
        values: Different integers, or different strings.

    Raises:
        ValueError: If a value is repeated, or the values are not all integers or all strings.

    Example:
        >>> Vocabulary((10, 30)).lookup([30, 20, 10])
        array([2, 0, 1], dtype=int32)
    """

    values: tuple[int, ...] | tuple[str, ...]

    def __post_init__(self) -> None:
        kinds = {type(value) for value in self.values}
        if len(kinds) > 1 or not kinds <= {int, str}:
            raise ValueError(
                "A vocabulary holds integers only or strings only. "
                f"Received: {sorted(kind.__name__ for kind in kinds)}."
            )
        if len(set(self.values)) != len(self.values):
            repeated = next(v for i, v in enumerate(self.values) if v in self.values[:i])
            raise ValueError(
                f"The values of a vocabulary must differ. Received: {repeated!r} more than once. "
                "Use `Vocabulary.fit` to collect different values from data."
            )

    @classmethod
    def fit(cls, values: ArrayLike, min_count: int = 1) -> Vocabulary:
        """Collects the different values that occur, sorted: the order of the data has no influence.

        Args:
            values: Integers or strings, shape `(rows,)`.
            min_count: How often a value must occur to be kept.

        Raises:
            ValueError: If `min_count` is below 1 or the values are neither integers nor strings.
        """
        if min_count < 1:
            raise ValueError(f"`min_count` must be at least 1. Received: {min_count}.")
        array = np.asarray(values)
        if array.size and array.dtype.kind not in "iuU":
            raise ValueError(
                f"A vocabulary is fitted on integers or strings. Received: {array.dtype}."
            )
        different, counts = np.unique(array, return_counts=True)
        return cls.from_list(different[counts >= min_count].tolist())

    @classmethod
    def from_list(cls, values: Iterable[int] | Iterable[str]) -> Vocabulary:
        """Makes the vocabulary whose `to_list()` was `values`."""
        return cls(tuple(values))  # type: ignore[arg-type]

    def to_list(self) -> list[int] | list[str]:
        """The known values in the order of their indices, without the out-of-vocabulary entry."""
        return list(self.values)  # type: ignore[return-value]

    @property
    def size(self) -> int:
        """How many indices there are, the out-of-vocabulary one included."""
        return len(self.values) + 1

    def lookup(self, values: ArrayLike) -> NDArray[np.int32]:
        """Looks up the index of each value.

        Args:
            values: Integers or strings, whichever the vocabulary holds, of any shape.

        Returns:
            int32 of the same shape; 0 for what is not known, negative and huge integers included.

        Raises:
            ValueError: If the values are of another kind than the vocabulary's.
        """
        array = np.asarray(values)
        if array.size == 0 or not self.values:
            return np.zeros(array.shape, np.int32)
        holds_text = isinstance(self.values[0], str)
        if array.dtype.kind not in ("UO" if holds_text else "iuO"):
            raise ValueError(
                f"This vocabulary holds {'strings' if holds_text else 'integers'}. "
                f"Received: {array.dtype}. Convert the values first."
            )
        return (self._index.get_indexer(array.ravel()) + 1).astype(np.int32).reshape(array.shape)

    @cached_property
    def _index(self) -> Any:
        import pandas as pd

        return pd.Index(self.values)


@dataclass(frozen=True)
class FeatureEncoder:
    """Turns rows of ratings into the features of a model.

    Everything it knows comes from the training rows, so that nothing of the evaluation rows leaks
    in. It is plain text in JSON, to be shipped beside a saved model: the model itself takes indices
    only, which lets it be exported.

    Args:
        users: The known user ids.
        movies: The known movie ids.
        words: The known words of titles.
        genre_names: The genres, in the order of the multi-hot feature.
        title_words: How many words of a title are kept.

    Example:
        >>> encoder = FeatureEncoder.fit(train)
        >>> sorted(encoder.encode(test))
        ['genres', 'movie', 'title', 'user']
        >>> FeatureEncoder.from_json(encoder.to_json()) == encoder
        True
    """

    users: Vocabulary
    movies: Vocabulary
    words: Vocabulary
    genre_names: tuple[str, ...]
    title_words: int = 8

    def __post_init__(self) -> None:
        if self.title_words < 1:
            raise ValueError(f"`title_words` must be at least 1. Received: {self.title_words}.")

    @classmethod
    def fit(cls, train: Ratings, title_words: int = 8) -> FeatureEncoder:
        """Learns the vocabularies from training rows.

        A word is known if the titles of at least two of the rated movies have it: a word of one
        movie says no more than the movie's id. A release year, as in "Dawn (1995)", is a word like
        any other.

        Args:
            train: The training rows, at least one.
            title_words: How many words of a title are kept.

        Raises:
            ValueError: If there are no rows or `title_words` is below 1.
        """
        if len(train) == 0:
            raise ValueError(
                "An encoder is fitted on at least one row. Received: no rows. "
                "Check the filter or the split that made the training rows."
            )
        rated = np.unique(train.movie_rows)
        words = [word for row in rated for word in set(_words_of(train.movies.titles[row]))]
        return cls(
            users=Vocabulary.fit(train.user_ids),
            movies=Vocabulary.fit(train.movie_ids),
            words=Vocabulary.fit(words, min_count=2),
            genre_names=train.movies.genre_names,
            title_words=title_words,
        )

    def encode(self, ratings: Ratings) -> dict[str, NDArray[Any]]:
        """Encodes rows.

        A user or movie that was not in the training rows gets index 0; such a movie keeps the words
        of its title and its genres.

        Args:
            ratings: Rows with the genres of the training rows.

        Returns:
            `"user"` and `"movie"`: int32 of shape `(rows,)`; `"title"`: the known words in their
            order, then zeros, int32 of shape `(rows, title_words)`; `"genres"`: 1 for each genre of
            the movie, float32 of shape `(rows, genres)`.

        Raises:
            ValueError: If the genres differ from those of the training rows.
        """
        if ratings.movies.genre_names != self.genre_names:
            raise ValueError(
                "The genres must be those of the training rows, in their order: "
                f"{self.genre_names}. Received: {ratings.movies.genre_names}. "
                "Encode data of one source only."
            )
        # Titles are read once for each movie, then gathered for each row.
        movies, movie_of_row = np.unique(ratings.movie_rows, return_inverse=True)
        index = {word: i for i, word in enumerate(self.words.values, start=1)}
        titles = np.zeros((movies.size, self.title_words), np.int32)
        for position, row in enumerate(movies):
            words = _words_of(ratings.movies.titles[row])
            known = [index[word] for word in words if word in index][: self.title_words]
            titles[position, : len(known)] = known
        genres = ratings.movies.genres[movies].astype(np.float32)
        return {
            "user": self.users.lookup(ratings.user_ids),
            "movie": self.movies.lookup(ratings.movie_ids),
            "title": titles[movie_of_row],
            "genres": genres[movie_of_row],
        }

    def to_json(self) -> str:
        """The encoder as JSON text."""
        return json.dumps(
            {
                "format": _FORMAT,
                "title_words": self.title_words,
                "genre_names": list(self.genre_names),
                "users": self.users.to_list(),
                "movies": self.movies.to_list(),
                "words": self.words.to_list(),
            }
        )

    @classmethod
    def from_json(cls, text: str) -> FeatureEncoder:
        """Makes the encoder whose `to_json()` was `text`.

        Raises:
            ValueError: If the text is not the JSON of an encoder.
        """
        try:
            fields = json.loads(text)
        except json.JSONDecodeError as error:
            raise ValueError(f"An encoder is read from JSON text. Received: {error}.") from error
        found = fields.get("format") if isinstance(fields, dict) else type(fields).__name__
        if found != _FORMAT:
            raise ValueError(
                f"The JSON of an encoder has the format {_FORMAT!r}. Received: {found!r}. "
                "Give the text that `FeatureEncoder.to_json` wrote."
            )
        needed = {"users", "movies", "words", "genre_names", "title_words"}
        if missing := sorted(needed - fields.keys()):
            raise ValueError(
                f"The JSON of an encoder has the fields {sorted(needed)}. Missing: {missing}. "
                "Write the file again with `FeatureEncoder.to_json`."
            )
        kinds = ("users", "movies", "words")
        users, movies, words = (Vocabulary.from_list(fields[kind]) for kind in kinds)
        return cls(users, movies, words, tuple(fields["genre_names"]), fields["title_words"])


def _words_of(title: str) -> Sequence[str]:
    return _WORD.findall(title.lower())
