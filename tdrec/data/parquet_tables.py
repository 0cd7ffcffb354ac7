"""Read a table of Parquet."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tdrec.data.error import DataError
from tdrec.data.raw_text import shortened
from tdrec.data.table_values import (
    MISSING_WORDS,
    RULES,
    As,
    WrongValue,
    as_words,
    converted,
    fits,
    is_number,
    is_text,
    refuse_where,
    without_nan,
)

_WHOLE = 2.0**63
"""Above it a number of floating point is no whole number of 64 bits."""


def parquet_file(file: Path) -> Any:
    """The file, opened.

    Raises:
        DataError: If it is damaged, or no Parquet.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.ParquetFile(file)
    except (pa.ArrowException, OSError) as error:
        raise _damaged(file, error) from error


def _damaged(file: Path, error: Exception) -> DataError:
    what = "one that cannot be opened" if isinstance(error, PermissionError) else "another file"
    return DataError(
        f"{file.name} must be a sound Parquet file. Received: {what}, or a part of one. Write or "
        "copy it again."
    )


def read_parquet(file: Path, columns: Mapping[str, As]) -> dict[str, Any]:
    """Reads columns, as `TableFiles.read` does of one file.

    Args:
        file: The file.
        columns: How each is read, by its name.

    Raises:
        DataError: If it is damaged, or has a row that cannot be read as it is to be.
    """
    import pyarrow as pa

    try:
        table = parquet_file(file).read(columns=list(columns))
    except (pa.ArrowException, OSError) as error:
        raise _damaged(file, error) from error
    return {name: _column(file, name, table[name], kind) for name, kind in columns.items()}


def _column(file: Path, name: str, column: Any, kind: As) -> Any:
    import pyarrow as pa

    if pa.types.is_nested(column.type):
        are_mappings = pa.types.is_struct(column.type) or pa.types.is_map(column.type)
        what = "mappings" if are_mappings else "lists"
        raise DataError(
            f"{file.name}: {name} must have one value in each row. Received: {what}. Write them as "
            "text, such as 'a|b', and of segments --segment_separator='|'."
        )
    try:
        return _read_as(column, kind)
    except WrongValue as error:
        raise _row_fault(file, name, kind, error.row, column[error.row].as_py()) from error
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, UnicodeDecodeError) as error:
        raise DataError(
            f"{file.name}: {name} must hold {RULES[kind]} in each row. Received: a column of "
            f"{column.type}, which cannot be read as such. Write it as one."
        ) from error


def _row_fault(file: Path, name: str, kind: As, row: int, value: Any) -> DataError:
    return DataError(
        f"{file.name}, row {row + 1}: {name} must be {RULES[kind]}. Received: "
        f"{shortened(str(value))}. Correct or remove the row."
    )


def _read_as(column: Any, kind: As) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    types = pa.types
    if types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if types.is_floating(column.type):
        column = without_nan(column)
    if types.is_binary(column.type) or types.is_large_binary(column.type):
        column = column.cast(pa.string())
    if types.is_null(column.type) or kind in ("time", "auto"):
        return converted(kind, column)
    if kind == "number":
        return _numbers(column)
    if kind == "id" and types.is_floating(column.type):
        wrong = pc.or_(pc.not_equal(column, pc.floor(column)), pc.greater(pc.abs(column), _WHOLE))
        refuse_where(pc.or_(wrong, pc.is_inf(column)))
        return column.cast(pa.int64())
    if kind == "id" and types.is_integer(column.type) and column.type != pa.uint64():
        return column.cast(pa.int64())
    return as_words(column)


def _numbers(column: Any) -> Any:
    """A column of numbers, or of texts that are."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if is_text(column.type):
        text = pc.utf8_trim_whitespace(column.cast(pa.string()))
        known = pc.is_in(text, value_set=pa.array(MISSING_WORDS))
        text = pc.if_else(known, pa.scalar(None, pa.string()), text)
        try:
            return text.cast(pa.float64())
        except pa.ArrowInvalid:
            wrong = [v is not None and not fits(v, "number") for v in text.to_pylist()]
            refuse_where(pa.array(wrong))
            raise
    if not is_number(column.type):
        refuse_where(pc.is_valid(column))
    return pc.cast(column, pa.float64(), safe=False)
