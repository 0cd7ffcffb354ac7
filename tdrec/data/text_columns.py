"""Columns of a text by pyarrow: the one place that calls its reader of text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

BLOCK = 1 << 23
"""Of how many bytes a thread parses at once: in smaller ones words are counted again and again."""


def parsed(
    data: Any,
    names: Sequence[str],
    types: Mapping[str, Any],
    separator: str,
    *,
    wanted: Sequence[str] = (),
    skip: int = 0,
    encoding: str = "utf-8",
    quotes: bool = False,
    newlines: bool = False,
    missing: Sequence[str] = ("",),
    threads: bool = True,
) -> Any:
    """Reads columns of lines of fields.

    Args:
        data: The text, as bytes or a buffer of them.
        names: Of all columns.
        types: A pyarrow type for each column that is not to be guessed.
        separator: What stands between fields: one letter, or the same one several times.
        wanted: The columns to read. Default all.
        skip: How many lines come before the rows. Default 0.
        encoding: Of the text. Default "utf-8".
        quotes: Whether a field may stand in quotes. Default False.
        newlines: Whether a field in quotes may hold ends of lines. Default False.
        missing: What stands where there is nothing. Default "" alone.
        threads: Whether to parse with all cores. Default True; else with this thread alone, of
            those of whoever calls.

    Returns:
        A pyarrow `Table`.

    Raises:
        pyarrow.ArrowInvalid: If a line has too few or too many fields, or a field is not of its
            type.
    """
    import pyarrow as pa
    from pyarrow import csv

    # Between the letters of a longer separator there are columns of nothing.
    gaps = [[f"{name}\0{i}" for i in range(1, len(separator))] for name in names[:-1]]
    columns = [each for name, gap in zip(names, [*gaps, []], strict=True) for each in (name, *gap)]
    nothing = {each: pa.null() for gap in gaps for each in gap}
    return csv.read_csv(
        pa.BufferReader(data),
        csv.ReadOptions(
            use_threads=threads,
            block_size=BLOCK,
            column_names=columns,
            skip_rows=skip,
            encoding=encoding,
        ),
        csv.ParseOptions(
            delimiter=separator[0], quote_char='"' if quotes else False, newlines_in_values=newlines
        ),
        csv.ConvertOptions(
            include_columns=[*(wanted or names), *nothing],
            column_types={**types, **nothing},
            null_values=list(missing),
            strings_can_be_null=True,
        ),
    ).select(list(wanted or names))
