"""What the values of a column that was read are made of: numbers, words, moments."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

As = Literal["id", "word", "number", "time", "auto"]
"""How a column is read: whole numbers or strings, strings, numbers, a moment, or numbers if all
are."""

RULES = {
    "number": "a number",
    "time": "a number of seconds or an ISO date",
    "id": "a whole number",
}
"""What messages call what a column must hold."""


def converted(kind: As, column: Any) -> Any:
    """A column as it is to be: moments as seconds, and "auto" as numbers or words.

    Args:
        kind: How it is to be read.
        column: A pyarrow `ChunkedArray`.

    Raises:
        pyarrow.ArrowInvalid: If a moment is no number and no date.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    if kind == "time":
        return seconds(column)
    if kind == "auto":
        is_number = pa.types.is_integer(column.type) or pa.types.is_floating(column.type)
        if is_number or pa.types.is_decimal(column.type):
            return pc.cast(column, pa.float64(), safe=False)
        return as_words(column)
    return column


def seconds(column: Any) -> Any:
    """Moments as whole seconds since 1970.

    Raises:
        pyarrow.ArrowInvalid: If one is no number and no date.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pa.types.is_null(column.type):
        return column.cast(pa.int64())
    if pa.types.is_floating(column.type):
        return pc.floor(column).cast(pa.int64())
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        column = pc.cast(column, pa.timestamp("s"))
    if pa.types.is_temporal(column.type):
        column = pc.cast(column, pa.timestamp("s"), safe=False)
    return column.cast(pa.int64())


def as_words(column: Any) -> Any:
    """A column as strings in a dictionary."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_dictionary(column.type):
        return column
    return pc.cast(column, pa.string()).dictionary_encode()


def fits(text: str, kind: As) -> bool:
    """Whether a text can be read so."""
    try:
        float(text)
        return kind != "number" or "_" not in text
    except ValueError:
        pass
    if kind == "time":
        try:
            datetime.fromisoformat(text)
        except ValueError:
            return False
        return True
    return kind != "number"
