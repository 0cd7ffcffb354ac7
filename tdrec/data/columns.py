"""Columns: what is known of rows or of items beside their ids, each kind a type of its own.

The idea: a column of words holds each different value once and, for each row, the number of its
value, so that millions of rows cost what numbers cost, and what is done to values is done once for
each of them.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tdrec.data.error import DataError

MISSING = -1
"""The number of a value that is not there."""

Kind = Literal["categorical", "text", "numeric"]


@dataclass(frozen=True, eq=False)
class _Coded:
    """Different values, and the number of its value for each row.

    Args:
        codes: Positions in `values`, or `MISSING`; of shape `(rows,)`.
        values: Different strings.

    Raises:
        DataError: If a code is no position, or the values are not different strings.
    """

    codes: NDArray[np.int32]
    values: tuple[str, ...]

    def __post_init__(self) -> None:
        codes, values = np.asarray(self.codes), tuple(self.values)
        if len(set(values)) != len(values) or not all(isinstance(v, str) for v in values):
            raise DataError(
                f"A column's values must be different strings. Received: {len(values)} of which "
                f"{len(set(values))} differ."
            )
        if codes.ndim != 1 or (codes.size and codes.dtype.kind not in "iu"):
            raise DataError(
                "A column's codes must be whole numbers, one for each row. "
                f"Received: {codes.dtype} of shape {codes.shape}."
            )
        if codes.size and not MISSING <= codes.min() <= codes.max() < len(values):
            raise DataError(
                f"A column's codes must be positions of its {len(values)} values, or {MISSING}. "
                f"Received: {codes.min()} to {codes.max()}."
            )
        object.__setattr__(self, "codes", sealed(codes.astype(np.int32, copy=False)))
        object.__setattr__(self, "values", values)

    def __len__(self) -> int:
        return int(self.codes.size)

    def take(self, rows: Any) -> Any:
        """The same column of other rows: positions, or a mask."""
        return replace(self, codes=self.codes[rows])

    def missing(self, rows: NDArray[np.int64] | None = None) -> int:
        """How many rows, or entries of `rows`, have no value."""
        return _how_many(self.codes == MISSING, rows)

    @property
    def distinct(self) -> int:
        """How many different values occur."""
        return int(np.unique(self.codes[self.codes != MISSING]).size)

    def parts(self) -> list[Any]:
        """What decides it, for a hash."""
        return [type(self).__name__, self.values, self.codes]


@dataclass(frozen=True, eq=False)
class Categories(_Coded):
    """One word or number of a kind for each row, such as a country.

    Example:
        >>> Categories.of(["NL", "BE", "NL", ""]).codes
        array([ 1,  0,  1, -1], dtype=int32)
    """

    @classmethod
    def of(cls, values: Sequence[Any]) -> Categories:
        """A column of values, where "", None and NaN stand for none."""
        words = ["" if value is None or value != value else str(value) for value in values]
        different = sorted(set(words) - {""})
        code = {word: position for position, word in enumerate(different)} | {"": MISSING}
        return cls(np.array([code[word] for word in words], np.int32), tuple(different))

    @property
    def names(self) -> tuple[str, ...]:
        """What a row can belong to."""
        return self.values

    def has(self, name: str) -> NDArray[np.bool_]:
        """Which rows have a name."""
        found: NDArray[np.bool_] = self.codes == self.values.index(name)
        return found

    def counts(self, rows: NDArray[np.int64] | None = None) -> NDArray[np.int64]:
        """How many rows, or entries of `rows`, have each name."""
        codes = self.codes if rows is None else self.codes[rows]
        return np.bincount(codes[codes >= 0], minlength=len(self.values))


@dataclass(frozen=True, eq=False)
class Text(_Coded):
    """Words of a language for each row, such as a title.

    Example:
        >>> Text.of(["Dawn (1990)", "Dusk (1991)"]).take([1]).strings()
        ('Dusk (1991)',)
    """

    @classmethod
    def of(cls, strings: Sequence[str]) -> Text:
        """A column of strings."""
        different = dict.fromkeys(strings)
        code = {string: position for position, string in enumerate(different)}
        return cls(np.array([code[string] for string in strings], np.int32), tuple(different))

    def strings(self) -> tuple[str, ...]:
        """The string of each row, "" where there is none."""
        return tuple(self.values[code] if code >= 0 else "" for code in self.codes.tolist())


@dataclass(frozen=True, eq=False)
class Labels:
    """Any number of names of a kind for each row, such as genres.

    Args:
        codes: Positions in `flags`, of shape `(rows,)`.
        flags: Which names a set of them has, bool of shape `(sets, names)`.
        names: Different, non-empty strings.

    Raises:
        DataError: If they do not fit together.

    Example:
        >>> labels = Labels.of(["Drama|War", "", "War"], "|")
        >>> labels.names, labels.flags[labels.codes].tolist()
        (('Drama', 'War'), [[True, True], [False, False], [False, True]])
    """

    codes: NDArray[np.int32]
    flags: NDArray[np.bool_]
    names: tuple[str, ...]

    def __post_init__(self) -> None:
        codes, flags, names = np.asarray(self.codes), np.asarray(self.flags), tuple(self.names)
        if len(set(names)) != len(names) or not all(isinstance(n, str) and n for n in names):
            raise DataError(f"Labels must have different, non-empty names. Received: {names}.")
        if flags.dtype != bool or flags.ndim != 2 or flags.shape[1] != len(names):
            raise DataError(
                f"Labels must have bool flags of shape [sets, {len(names)} names]. "
                f"Received: {flags.dtype} of shape {flags.shape}."
            )
        is_whole = codes.ndim == 1 and (not codes.size or codes.dtype.kind in "iu")
        if not is_whole or (codes.size and not 0 <= codes.min() <= codes.max() < len(flags)):
            raise DataError(
                f"Labels must have codes that are positions of {len(flags)} sets. Received: "
                f"{codes.dtype} of shape {codes.shape}."
            )
        object.__setattr__(self, "codes", sealed(codes.astype(np.int32, copy=False)))
        object.__setattr__(self, "flags", sealed(flags))
        object.__setattr__(self, "names", names)

    @classmethod
    def of(cls, texts: Sequence[str], separator: str) -> Labels:
        """A column of names that are joined by a separator.

        Args:
            texts: Of each row; "" for no name.
            separator: What stands between names.
        """
        return cls.of_coded(Text.of(texts), separator)

    @classmethod
    def of_coded(cls, column: _Coded, separator: str) -> Labels:
        """The same of a column that is read."""
        sets = [[part.strip() for part in text.split(separator)] for text in (*column.values, "")]
        names = tuple(sorted({name for each in sets for name in each if name}))
        place = {name: position for position, name in enumerate(names)}
        flags = np.zeros((len(sets), len(names)), bool)
        for row, each in enumerate(sets):
            flags[row, [place[name] for name in each if name]] = True
        # What is missing has the last set, which is empty.
        return cls(np.where(column.codes < 0, len(sets) - 1, column.codes), flags, names)

    def __len__(self) -> int:
        return int(self.codes.size)

    def take(self, rows: Any) -> Labels:
        """The same column of other rows: positions, or a mask."""
        return replace(self, codes=self.codes[rows])

    def missing(self, rows: NDArray[np.int64] | None = None) -> int:
        """How many rows, or entries of `rows`, have no name."""
        return _how_many(self.flags.sum(axis=1)[self.codes] == 0, rows)

    @property
    def distinct(self) -> int:
        """How many different sets occur."""
        return int(np.unique(self.codes).size)

    def has(self, name: str) -> NDArray[np.bool_]:
        """Which rows have a name."""
        found: NDArray[np.bool_] = self.flags[:, self.names.index(name)][self.codes]
        return found

    def counts(self, rows: NDArray[np.int64] | None = None) -> NDArray[np.int64]:
        """How many rows, or entries of `rows`, have each name."""
        codes = self.codes if rows is None else self.codes[rows]
        counts: NDArray[np.int64] = np.bincount(codes, minlength=len(self.flags)) @ self.flags
        return counts

    def parts(self) -> list[Any]:
        """What decides it, for a hash."""
        return ["Labels", self.names, self.flags, self.codes]


@dataclass(frozen=True, eq=False)
class Numbers:
    """One number for each row, such as a price; NaN where there is none.

    Args:
        values: Of shape `(rows,)`.

    Raises:
        DataError: If one is infinite.
    """

    values: NDArray[np.float32]

    def __post_init__(self) -> None:
        given = numbers_of("values", self.values, "iufb", "numbers. Received: {}.")
        with np.errstate(over="ignore"):
            values = given.astype(np.float32)
        if np.isinf(values).any():
            row = int(np.argmax(np.isinf(values)))
            raise DataError(
                "A numeric column must have one finite number of 32 bits for each row. Received: "
                f"{given[row]:g} at row {row}. Drop the row, or take the column's logarithm."
            )
        object.__setattr__(self, "values", sealed(values))

    def __len__(self) -> int:
        return int(self.values.size)

    def take(self, rows: Any) -> Numbers:
        """The same column of other rows: positions, or a mask."""
        return Numbers(self.values[rows])

    def missing(self, rows: NDArray[np.int64] | None = None) -> int:
        """How many rows, or entries of `rows`, have no value."""
        return _how_many(np.isnan(self.values), rows)

    @property
    def distinct(self) -> int:
        """How many different values occur."""
        return int(np.unique(self.values[~np.isnan(self.values)]).size)

    def parts(self) -> list[Any]:
        """What decides it, for a hash."""
        return ["Numbers", self.values]


Column = Categories | Text | Labels | Numbers


def sealed(array: NDArray[Any], given: Any = None) -> NDArray[Any]:
    """The array, or a copy of it, that nobody can write to.

    Args:
        array: The array.
        given: What it was made of, if somebody else may hold that. One that somebody could still
            write to is copied; one that is sealed is shared, and so is one that was made here.
            Default None: nothing.
    """
    is_own = given is None or (
        isinstance(given, np.ndarray) and not np.may_share_memory(array, given)
    )
    is_open = array.flags.writeable and not is_own
    if is_open or array.base is not None or not array.flags.c_contiguous:
        array = np.array(array, order="C")
    array.setflags(write=False)
    return array


def digest_parts(parts: Sequence[Any]) -> list[bytes]:
    """Texts and arrays as bytes that are the same on every machine."""
    found: list[bytes] = []
    for part in parts:
        if isinstance(part, np.ndarray):
            # Little-endian and row by row, so that neither machine nor memory layout shows.
            plain = np.ascontiguousarray(part, part.dtype.newbyteorder("<"))
            found += [f"{plain.dtype.str}{plain.shape}".encode(), bytes(plain.data)]
        else:
            encoded = json.dumps(part).encode()
            found.append(len(encoded).to_bytes(8, "little") + encoded)
    return found


def numbers_of(name: str, values: ArrayLike, kinds: str, rule: str) -> NDArray[Any]:
    """A column of numbers of a kind.

    Raises:
        DataError: If it is not 1-D or of another type.
    """
    array = np.asarray(values)
    if array.ndim != 1:
        raise DataError(
            f"`{name}` must be 1-D, with one entry for each row. Received: shape {array.shape}."
        )
    if array.size and array.dtype.kind not in kinds:
        raise DataError(f"`{name}` must be {rule.format(array.dtype)}")
    return array


def whole_numbers(name: str, values: ArrayLike) -> NDArray[np.int64]:
    """A column of int64.

    Raises:
        DataError: If it is of no integer dtype.
    """
    rule = (
        "whole numbers of an integer dtype. Received: {}. "
        "Convert them, once you know that nothing is lost: `.astype('int64')`."
    )
    return numbers_of(name, values, "iu", rule).astype(np.int64, copy=False)


def _how_many(mask: NDArray[np.bool_], rows: NDArray[np.int64] | None) -> int:
    return int(np.count_nonzero(mask if rows is None else mask[rows]))
