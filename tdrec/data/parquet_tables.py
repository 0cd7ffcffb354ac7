"""Read a table of Parquet."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tdrec.data.error import DataError
from tdrec.data.raw_text import shortened
from tdrec.data.table_values import RULES, As, converted, fits


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
    return DataError(
        f"{file.name} must be a sound Parquet file. Received: {shortened(str(error))}. Write or "
        "copy it again."
    )


def read_parquet(file: Path, columns: Mapping[str, As]) -> dict[str, Any]:
    """Reads columns, as `TableFiles.read` does.

    Args:
        file: The file.
        columns: How each is read, by its name.

    Raises:
        DataError: If it is damaged, has no row, or a row that cannot be read as it is to be.
    """
    import pyarrow as pa

    try:
        table = parquet_file(file).read(columns=list(columns))
    except (pa.ArrowException, OSError) as error:
        raise _damaged(file, error) from error
    if not len(table):
        raise DataError(f"{file.name} must have at least one row. Received: none.")
    found = {}
    for name, kind in columns.items():
        try:
            found[name] = _read_as(table[name], kind)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise _row_fault(file, name, table[name], kind) from error
    return found


def _read_as(column: Any, kind: As) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if kind in ("time", "auto"):
        return converted(kind, column)
    if kind == "number":
        return pc.cast(column, pa.float64(), safe=False)
    if kind == "id" and pa.types.is_floating(column.type):
        column = pc.cast(column, pa.int64())  # refuses what is no whole number
    if kind == "id" and pa.types.is_integer(column.type) and column.type != pa.uint64():
        return column.cast(pa.int64())
    return pc.cast(column, pa.string()).dictionary_encode()


def _row_fault(file: Path, name: str, column: Any, kind: As) -> DataError:
    """The first row that cannot be read as it is to be."""
    wanted = RULES.get(kind, "a word")
    for row, value in enumerate(column.to_pylist(), start=1):
        is_odd = isinstance(value, float) and value % 1 != 0 if kind == "id" else True
        if value is not None and is_odd and not (kind != "id" and fits(str(value), kind)):
            return DataError(
                f"{file.name}, row {row}: {name} must be {wanted}. Received: "
                f"{shortened(str(value))}. Correct or remove the row."
            )
    return DataError(
        f"{file.name}: {name} must hold {wanted} in each row. Received: a column of {column.type}. "
        "Write it as one."
    )
