"""Where somebody's own tables are and what their columns mean, as plain data and as TOML."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, get_args

from tdrec.data.columns import Kind
from tdrec.data.error import DataError
from tdrec.data.holdout import Split
from tdrec.data.interactions import Target
from tdrec.data.nearest import nearest
from tdrec.runtime.files import user_path

ROLES = ("user", "item", "target", "time", "weight")
"""What a column of the rows can be, beside a feature."""

KINDS: tuple[str, ...] = get_args(Kind)

_LARGEST = 3e38  # of numbers of 32 bits


@dataclass(frozen=True)
class TableSource:
    """Tables of rows and of items, and the meaning of their columns.

    Args:
        rows: The table of rows: a file or folder, as `TableFiles` takes it.
        user: Its column of the user's id, a whole number or a string.
        item: Of the item's id.
        target: Of what is predicted.
        segment: The column, of the rows or of the items, that says which segments a row belongs to.
        time: Of when it was: seconds since 1970 or a date. Default None: not known.
        weight: Of how much a row counts in training. Default None: each as much.
        items: The table of items. Default None: there is none.
        item_id: Its column of the item's id. Default None: of the name that it has in the rows.
        segment_separator: What stands between the segments of one row. Default None: a row has one.
        features: Further columns, of either table, that models read: pairs of a name and a kind,
            "categorical", "text" or "numeric", or None for numeric where it is of numbers and
            categorical otherwise.
        kind: "regression", or "binary" for a target of 0 and 1.
        scale: Lowest and highest target, which predictions are clipped to. Default None: those of
            the training rows.
        split: How rows are held out. Default None: by time where there is a time, else at random.
        separator: What stands between the fields of text. Default None: it is found.
        encoding: Of text. Default "utf-8".
        name: What the data are called. Default None: as the file.

    Raises:
        DataError: If something that must be named is not, or a value is out of its range.

    Example:
        >>> source = TableSource("clicks.parquet", "member", "offer", "clicked", "country")
        >>> TableSource.from_toml(source.to_toml()) == source
        True
    """

    rows: str
    user: str
    item: str
    target: str
    segment: str
    time: str | None = None
    weight: str | None = None
    items: str | None = None
    item_id: str | None = None
    segment_separator: str | None = None
    features: tuple[tuple[str, str | None], ...] = ()
    kind: Target = "regression"
    scale: tuple[float, float] | None = None
    split: Split | None = None
    separator: str | None = None
    encoding: str = "utf-8"
    name: str | None = None

    def __post_init__(self) -> None:
        for name in ("rows", "user", "item", "target", "segment"):
            if not (isinstance(getattr(self, name), str) and getattr(self, name).strip()):
                raise DataError(
                    f"A table's {name} must be named. Received: {getattr(self, name)!r}. Write "
                    "--data=FILE --columns=user=COLUMN,item=COLUMN,target=COLUMN "
                    "--segment_column=COLUMN."
                )
        if self.item_id is not None and self.items is None:
            raise DataError("Columns of items need a table of items. Received: none: --items=FILE.")
        if self.kind not in get_args(Target):
            raise DataError(
                f"A target is one of {', '.join(get_args(Target))}. Received: {self.kind!r}. "
                f"{nearest(str(self.kind), get_args(Target))}"
            )
        for name, kind in self.features:
            if kind not in (*KINDS, None):
                raise DataError(
                    f"A feature's kind is one of {', '.join(KINDS)}. Received: {name}:{kind}. "
                    f"{nearest(str(kind), KINDS)}"
                )
        self._check_words()
        self._check_once()

    def _check_words(self) -> None:
        """Separators, the range and the encoding must mean something."""
        if "" in (self.separator, self.segment_separator):
            raise DataError("A separator must have a letter. Received: ''. Leave it out.")
        if self.separator and re.search(r'["\r\n]|^\w$', self.separator):
            raise DataError(
                "A separator must be a sign that is no quote and no line end, such as ';'. "
                f"Received: {self.separator!r}. Leave --separator out, to have it found."
            )
        if self.scale is not None:
            low, high = self.scale
            if not -_LARGEST <= low < high <= _LARGEST:
                raise DataError(
                    "A range of targets must be two numbers, the lowest and the highest, such as "
                    f"1,5. Received: {low:g},{high:g}."
                )
            if self.kind == "binary":
                raise DataError(
                    f"A binary target is 0 or 1. Received: a range of {low:g},{high:g} beside it. "
                    "Leave out the range, --target_range."
                )
        try:
            "".encode(self.encoding)
        except LookupError as error:
            raise DataError(
                f"An encoding must be known. Received: {self.encoding!r}. Write utf-8 or latin-1."
            ) from error

    def _check_once(self) -> None:
        """A column is one thing: the target must not be what it is predicted from."""
        roles = {role: getattr(self, role) for role in ROLES if getattr(self, role) is not None}
        if self.split and self.split.column:
            roles["split"] = self.split.column
        for role, column in roles.items():
            for other, same in roles.items():
                if column == same and role != other:
                    raise DataError(
                        f"A column must be one thing. Received: {column!r} as {role} and {other}."
                    )
        for role in ("target", "time", "weight"):
            if self.segment == roles.get(role):
                raise DataError(
                    f"A segment must be known before the {role} is. Received: {self.segment!r} as "
                    "both. Name another --segment_column."
                )
        if (kind := dict(self.features).get(self.segment)) not in (None, "categorical"):
            raise DataError(
                f"The column of segments is categorical. Received: {self.segment!r} as {kind}. "
                "Leave it out of the features: models read it all the same."
            )
        roles |= {"item's id": self.item_id} if self.item_id else {}
        chosen = [name for name, _ in self.features]
        if repeated := [name for name in chosen if chosen.count(name) > 1]:
            raise DataError(f"A feature must be named once. Received: {repeated[0]!r} twice.")
        for name in chosen:
            if name in roles.values():
                role = next(role for role, column in roles.items() if column == name)
                raise DataError(
                    f"A feature must be a column of its own. Received: {name!r}, which is the "
                    f"{role}. Leave it out."
                )

    @property
    def label(self) -> str:
        """What reports call the data."""
        file = Path(self.rows).resolve().name
        return self.name or file.split(".")[0] or file or "table"

    def changed(self, **changes: Any) -> TableSource:
        """The same with other values of some fields; None keeps what there is."""
        return replace(self, **{name: v for name, v in changes.items() if v is not None})

    def to_toml(self) -> str:
        """The same as TOML, with a word on each field."""
        lines = ["# Where the tables are, and what their columns mean: tdrec.run --data=THIS.toml"]
        for name, about in _ABOUT.items():
            value = getattr(self, name)
            text = "" if value is None or value == () else _toml(value)
            if name == "features" and value:
                kinds = (f"{_toml(column)} = {_toml(kind or 'auto')}" for column, kind in value)
                text = "{" + ", ".join(kinds) + "}"
            lines += ["", f"# {about}", f"{name} = {text}" if text else f"# {name} ="]
        return "\n".join([*lines, ""])

    @classmethod
    def from_toml(cls, text: str, folder: Path | None = None, file: str = "TOML") -> TableSource:
        """Reads what `to_toml` wrote.

        Args:
            text: TOML.
            folder: What paths in it are relative to. Default None: where the program runs.
            file: Its name, for messages.

        Raises:
            DataError: If it is no TOML, or a field is not known, missing, or of another type.
        """
        try:
            found = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise DataError(f"{file} must be TOML. Received: {error}.") from error
        known = [each.name for each in fields(cls)]
        for name, value in found.items():
            if name not in known:
                raise DataError(
                    f"{file} must have fields of a table. Received: {name!r}. "
                    f"{nearest(name, known)}"
                )
            _check_type(file, name, value)
        if missing := [name for name in known[:5] if name not in found]:
            raise DataError(
                f"{file} must name {', '.join(known[:5])}. Received: no {', no '.join(missing)}."
            )
        for name in ("rows", "items"):
            if folder is not None and name in found:
                found[name] = str(folder / user_path(found[name]))
        if "features" in found:
            pairs = found["features"].items()
            found["features"] = tuple((n, None if k == "auto" else k) for n, k in pairs)
        if "scale" in found:
            found["scale"] = tuple(map(float, found["scale"]))
        if "split" in found:
            try:
                found["split"] = Split.parse(found["split"])
            except ValueError as error:
                raise DataError(f"{file}: {error}") from error
        return cls(**found)


def read_toml(path: str) -> TableSource:
    """The source that a TOML file describes; paths in it are relative to its folder.

    Raises:
        DataError: If it is not there, or as `TableSource.from_toml`.
    """
    file = user_path(path)
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        what = error.strerror if isinstance(error, OSError) else "bytes that are no UTF-8"
        raise DataError(
            f"{path} must be readable TOML. Received: {str(what).lower()}. Check the path, or save "
            "it as UTF-8."
        ) from error
    return TableSource.from_toml(text, file.resolve().parent, file.name)


def roles_of(text: str, roles: Sequence[str], flag: str) -> dict[str, str]:
    """Reads `role=COLUMN,role=COLUMN`.

    Args:
        text: Of the command line.
        roles: Which there are.
        flag: Its name, for messages.

    Raises:
        DataError: If it is not so written.
    """
    found: dict[str, str] = {}
    for part in text.split(","):
        role, equals, column = (each.strip() for each in part.partition("="))
        if not (equals and column) or role not in roles or role in found:
            hint = nearest(role, roles)
            if role in roles:
                hint = "Name it once." if role in found else f"Write {role}=COLUMN."
            elif not equals and found:
                hint = "Names with commas go into a file: --data=FILE.toml."
            raise DataError(
                f"--{flag} is a list of role=COLUMN, of {', '.join(roles)}, each once. Received: "
                f"{part.strip()!r}. {hint}"
            )
        found[role] = column
    return found


def features_of(text: str) -> tuple[tuple[str, str | None], ...]:
    """Reads `COLUMN,COLUMN:KIND`, where the kind may be "auto"."""
    parts = (part.strip().rpartition(":") for part in text.split(",") if part.strip())
    kinds = ((name or kind, kind if name else None) for name, _, kind in parts)
    return tuple((name, None if kind == "auto" else kind) for name, kind in kinds)


_ABOUT: Mapping[str, str] = {
    "rows": "The table of rows: a csv, tsv, dat or Parquet file, or a folder of parts.",
    "user": "Its columns. A user's id, a number or a string;",
    "item": "an item's id;",
    "target": "and what is predicted.",
    "kind": '"regression", or "binary" for a target of 0 and 1.',
    "scale": "Lowest and highest target, [1, 5]; else those of the training rows.",
    "time": "When it was: seconds since 1970, or a date.",
    "weight": "How much a row counts in training.",
    "items": "The table of items, if there is one,",
    "item_id": "and its column of ids, if it has another name than in the rows.",
    "segment": "The column, of either table, whose values are the segments;",
    "segment_separator": "and what stands between several values of one row.",
    "features": 'Columns that models read as well: {price = "numeric", name = "text"}; '
    '"categorical", or "auto".',
    "split": '"time", "time:0.9", "random", "user" (cold users), "column:NAME"; '
    "else by time where there is one, or at random.",
    "separator": "Between fields of text; else it is found.",
    "encoding": "Of text.",
    "name": "What reports call the data.",
}


def _toml(value: Any) -> str:
    if isinstance(value, Split):
        value = value.text
    if isinstance(value, tuple):
        return "[" + ", ".join(map(_toml, value)) + "]"
    if not isinstance(value, str):
        return repr(value)
    # A string of JSON is one of TOML but for DEL, and a lone surrogate, which no name needs.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _check_type(file: str, name: str, value: Any) -> None:
    if name == "features":
        fits = isinstance(value, dict) and all(isinstance(each, str) for each in value.values())
        rule = 'a table of kinds, such as {price = "numeric"}'
    elif name == "scale":
        numbers = isinstance(value, list) and len(value) == 2
        fits = numbers and all(
            type(each) in (int, float) and -_LARGEST <= each <= _LARGEST for each in value
        )
        rule = "two numbers, such as [1, 5]"
    else:
        fits, rule = isinstance(value, str), "a string"
    if not fits:
        raise DataError(f"{file}: {name} must be {rule}. Received: {value!r}.")
