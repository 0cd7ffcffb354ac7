"""Ids of a table's columns, as numbers; and the catalogue of a table of items."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tdrec.data.columns import MISSING, Column
from tdrec.data.error import DataError
from tdrec.data.items import Items
from tdrec.data.table_values import as_words, read_numbers

_WHOLE = re.compile(r"([+-]?(?:0|[1-9]\d{0,18}))(?:\.0*)?", re.ASCII)
_LARGEST = 2**63 - 1
FEW = 0.1
"""A share below which what is unlike the rest is more likely wrong than meant."""


@dataclass
class Notes:
    """What was read, what was left out, and what a reader must know of it."""

    facts: dict[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Ids:
    """Ids of a column: numbers, and the words that they stand for, if any; -1 of none."""

    numbers: NDArray[np.int64]
    present: NDArray[np.bool_]
    words: tuple[str, ...] | None


def read_ids(column: Any, name: str, notes: Notes) -> Ids:
    """Ids of a column: whole numbers where all of them are, else words.

    Args:
        column: A pyarrow `ChunkedArray` of int64, or of strings in a dictionary.
        name: The column's.
        notes: Where it is said if there are both.
    """
    import pyarrow as pa

    if not pa.types.is_dictionary(column.type):
        numbers, present = read_numbers(column, np.int64)
        return Ids(numbers, present, None)
    codes, words = coded(column)
    present = codes >= 0
    numbers_of_words = [_whole(word) for word in words]
    known = [number for number in numbers_of_words if number is not None]
    numeric = len(known)
    if words and numeric == len(words):
        table = np.array(known, np.int64)
        return Ids(np.where(present, table[codes], MISSING), present, None)
    if numeric and (len(words) - numeric) / len(words) <= FEW:
        odd = next(w for w, x in zip(words, numbers_of_words, strict=True) if x is None)
        notes.warnings.append(
            f"MIXED IDS: {numeric:,} different ids of {name} are whole numbers and "
            f"{len(words) - numeric:,} are not, such as {odd!r}. All were read as words."
        )
    return Ids(codes.astype(np.int64), present, words)


def _whole(word: str) -> int | None:
    """The whole number that a word is, as 12 or 12.0, unless there is more in it, as in 012."""
    match = _WHOLE.fullmatch(word)
    number = int(match.group(1)) if match else _LARGEST + 1
    return number if -_LARGEST <= number <= _LARGEST else None


def coded(column: Any) -> tuple[NDArray[np.int32], tuple[str, ...]]:
    """Positions among the different words, in the order of the alphabet; "" is none."""
    import pyarrow as pa

    column = as_words(column)
    if not column.num_chunks:
        return np.zeros(0, np.int32), ()
    words = [word.strip() for word in column.chunk(0).dictionary.to_pylist()]
    indices = [c.indices.fill_null(-1).cast(pa.int32()).to_numpy() for c in column.chunks]
    codes = np.concatenate(indices)
    different = sorted(set(words) - {""})
    place = {word: position for position, word in enumerate(different)} | {"": MISSING}
    table = np.array([*(place[word] for word in words), MISSING], np.int32)  # the last: of null
    return table[codes], tuple(different)


def catalogue(
    table: tuple[str, str, Any, Mapping[str, Column]] | None,
    rows: tuple[str, str, Ids],
    notes: Notes,
) -> tuple[Items, NDArray[np.int64]]:
    """The items, and the number among them of each row's item.

    Args:
        table: Of the table of items, if there is one, its name, that of its column of ids, this
            column, and the others by name.
        rows: Of the table of rows its name, that of its column of items, and this column.
        notes: Where it is said how many items there are.

    Raises:
        DataError: If an id is not once in the table of items.
    """
    import pandas as pd

    of_rows, present = rows[2], rows[2].present
    if table is None:
        if of_rows.words is None:
            found = of_rows.numbers if present.all() else of_rows.numbers[present]
            return Items(np.sort(pd.unique(found))), of_rows.numbers
        ids = np.arange(len(of_rows.words))
        return Items(ids, names=of_rows.words), np.maximum(of_rows.numbers, 0)
    file, key, column, columns = table
    of_table = read_ids(column, key, notes)
    if not of_table.present.all():
        row = int(np.argmin(of_table.present)) + 1
        raise DataError(f"{file}, row {row}: {key} must be there. Received: none. Remove the row.")
    are_words = of_rows.words is not None or of_table.words is not None
    known: NDArray[Any] = _spelled(of_table) if are_words else of_table.numbers
    different, counts = np.unique(known, return_counts=True)
    if different.size != known.size:
        raise DataError(
            f"{file}: {key} must hold each id once. Received: {str(different[counts > 1][0])!r} "
            f"{counts[counts > 1][0]} times. Keep one row for each item."
        )
    if known.dtype.kind == "i":
        items, numbers = Items(of_table.numbers, columns), of_rows.numbers
        unknown = present & ~items.has(numbers)
        spelled: Any = numbers
    else:
        place = {word: position for position, word in enumerate(known.tolist())}
        spelled = _spelled(of_rows)
        numbers = np.array([place.get(word, MISSING) for word in spelled.tolist()], np.int64)
        items = Items(np.arange(known.size), columns, names=tuple(known.tolist()))
        unknown = present & (numbers < 0)
    if unknown.any():
        first = int(np.argmax(unknown))
        missing = np.unique(spelled[unknown])
        raise DataError(
            f"{rows[0]}, row {first + 1}: each {rows[1]} must be in {file}, whose ids are such as "
            f"{str(known[0])!r}. Received: {str(spelled[first])!r}, and {missing.size - 1:,} other "
            f"ids that are not, of {int(unknown.sum()):,} rows. Add them to it, or remove the rows."
        )
    notes.facts["Items known, with or without rows"] = f"{len(items):,}"
    return items, np.where(present, numbers, items.ids[0])


def _spelled(ids: Ids) -> NDArray[np.str_]:
    if ids.words is None:
        return ids.numbers.astype(np.str_)
    return np.array([*ids.words, ""])[ids.numbers]
