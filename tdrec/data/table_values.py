"""What the values of a column that was read are made of: numbers, words, moments."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

As = Literal["id", "word", "number", "time", "auto"]
"""How a column is read: whole numbers or strings, strings, numbers, a moment, or numbers if all
are."""

RULES = {
    "number": "a number",
    "time": "a number of seconds or an ISO date",
    "id": "a whole number or a word",
    "word": "a word",
    "auto": "a number or a word",
}
"""What messages call what a column must hold."""

MISSING_WORDS = (
    *("", "NA", "N/A", "n/a", "#N/A", "<NA>", "NaN", "nan", "NULL", "null", "None", "\\N"),
)
"""What stands in text where there is nothing."""

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?|[+-]?(nan|inf|infinity)", re.I | re.A)
_LATEST = 2.0**53
"""Seconds beyond which a number of 64 bits is no moment any more."""


class WrongValue(ValueError):
    """A value that cannot be read as it is to be.

    Args:
        row: Where it stands, from 0.
    """

    def __init__(self, row: int) -> None:
        super().__init__(f"row {row}")
        self.row = row


def converted(kind: As, column: Any) -> Any:
    """A column as it is to be: moments as seconds, and "auto" as numbers or words.

    Args:
        kind: How it is to be read.
        column: A pyarrow `ChunkedArray`.

    Returns:
        The same of another type; of a column of nothing, of the type of nothing.

    Raises:
        WrongValue: If a moment is no number and no date.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_null(column.type):
        return column
    if kind == "time":
        return seconds(column)
    if kind == "auto":
        if column.null_count == len(column):
            return pa.chunked_array([pa.nulls(len(column))])
        if is_number(column.type):
            return pc.cast(column, pa.float64(), safe=False)
        return as_words(column)
    return column


def seconds(column: Any) -> Any:
    """Moments as whole seconds since 1970; those of no time zone are taken to be UTC.

    Raises:
        WrongValue: If one is no number and no date.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = column.type
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return pc.cast(column, pa.timestamp("s"), safe=False).cast(pa.int64())
    if pa.types.is_integer(kind):
        ends = pc.min_max(column).as_py()
        if all(value is None or abs(value) <= _LATEST for value in ends.values()):
            return column.cast(pa.int64())
    if is_number(kind):
        numbers = without_nan(pc.cast(column, pa.float64(), safe=False))
        refuse_where(pc.greater(pc.abs(numbers), _LATEST))
        return _floor(numbers)
    if not is_text(kind):
        refuse_where(pc.is_valid(column))
    return pa.chunked_array([_moments(as_words(column).combine_chunks())])


def _moments(column: Any) -> Any:
    """The moments of an array of words: all as numbers, or all as dates."""
    import pyarrow as pa

    words = [word.strip() for word in column.dictionary.to_pylist()]
    present = [word for word in words if word not in MISSING_WORDS]
    are_dates = any(_iso(word) is not None for word in present if not _NUMBER.fullmatch(word))
    found: list[int | None] = []
    for code, word in enumerate(words):
        if word in MISSING_WORDS:
            found.append(None)
            continue
        moment = _iso(word) if are_dates else _number(word)
        if moment is None or not abs(moment) <= _LATEST:
            raise WrongValue(int(np.argmax(column.indices.fill_null(-1).to_numpy() == code)))
        found.append(int(moment // 1))
    return pa.array(found, pa.int64()).take(column.indices)


def _number(word: str) -> float | None:
    return float(word) if _NUMBER.fullmatch(word) else None


def _iso(word: str) -> float | None:
    try:
        moment = datetime.fromisoformat(word)
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _floor(numbers: Any) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    return pc.floor(numbers).cast(pa.int64())


def refuse_where(wrong: Any) -> None:
    """Refuses the first row of which something holds.

    Raises:
        WrongValue: If there is one.
    """
    found = np.asarray(wrong.fill_null(False))
    if found.any():
        raise WrongValue(int(np.argmax(found)))


def is_number(kind: Any) -> bool:
    """Whether a type of pyarrow is one of numbers."""
    import pyarrow as pa

    types = pa.types
    return bool(types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind))


def is_text(kind: Any) -> bool:
    """Whether a type of pyarrow is one of strings, in a dictionary or not."""
    import pyarrow as pa

    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    types = pa.types
    return bool(types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind))


def without_nan(column: Any) -> Any:
    """A column of floating point in which what is no number is missing."""
    import pyarrow as pa
    import pyarrow.compute as pc

    return pc.if_else(pc.is_nan(column), pa.scalar(None, column.type), column)


def as_words(column: Any) -> Any:
    """A column as strings in a dictionary."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_dictionary(column.type):
        return column
    if pa.types.is_floating(column.type):  # 1.0, as text has it
        coded = without_nan(column).dictionary_encode().unify_dictionaries()
        return pa.chunked_array([_in_words(chunk) for chunk in coded.chunks], _words_type())
    return pc.cast(column, pa.string()).dictionary_encode()


def _in_words(chunk: Any) -> Any:
    import pyarrow as pa

    words = pa.array(map(str, chunk.dictionary.to_numpy()), pa.string())
    return pa.DictionaryArray.from_arrays(chunk.indices, words)


def _words_type() -> Any:
    import pyarrow as pa

    return pa.dictionary(pa.int32(), pa.string())


def without_gaps(columns: Sequence[Any], kind: As) -> list[Any]:
    """Columns of one type, where those of nothing have the others' type."""
    import pyarrow as pa

    types = [each.type for each in columns if not pa.types.is_null(each.type)]
    usual = {"number": pa.float64(), "time": pa.int64()}
    of = types[0] if types else usual.get(kind, _words_type())
    return [
        pa.chunked_array([pa.nulls(len(each), of)]) if pa.types.is_null(each.type) else each
        for each in columns
    ]


def fits(text: str, kind: As) -> bool:
    """Whether a text can be read so, as far as one can say of it alone."""
    return kind != "number" or _NUMBER.fullmatch(text) is not None


def read_numbers(column: Any, dtype: Any) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Numbers, 0 where there is none, and where there is one."""
    import pyarrow.compute as pc

    if column.null_count:
        present = pc.is_valid(column).to_numpy()
        column = column.fill_null(0)
    else:
        present = np.ones(len(column), bool)
    numbers = np.empty(len(column), dtype)
    end = 0
    for chunk in column.chunks:
        start, end = end, end + len(chunk)
        numbers[start:end] = chunk.to_numpy()
    numbers.setflags(write=False)  # so that nobody copies it to be sure of it
    if numbers.dtype.kind == "f" and (odd := np.isnan(numbers)).any():
        present = present & ~odd
    return numbers, present
