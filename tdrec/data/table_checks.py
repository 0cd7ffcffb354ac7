"""What the values of a table must be beside what each is read as; and what is only odd is said."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tdrec.data.columns import Categories
from tdrec.data.error import DataError
from tdrec.data.interactions import Interactions
from tdrec.data.table_ids import Notes
from tdrec.data.table_source import TableSource

_IN_MILLISECONDS = 10**11  # of seconds, the year 5138


def is_finite(numbers: NDArray[Any]) -> NDArray[np.bool_]:
    """Which are finite as numbers of 32 bits, which models compute with."""
    with np.errstate(over="ignore"):
        return np.isfinite(numbers.astype(np.float32))


def check_weights(weights: NDArray[Any], whole: NDArray[np.bool_], source: TableSource) -> None:
    """Refuses weights that are negative, infinite, or all 0.

    Args:
        weights: Of all rows of the table.
        whole: Which rows lack nothing.
        source: Where they are.

    Raises:
        DataError: If a row has such a weight.
    """
    wrong = whole & ((weights < 0) | ~is_finite(weights))
    if wrong.any():
        row = int(np.argmax(wrong))
        raise DataError(
            f"{source.rows}, row {row + 1}: {source.weight} must be a finite number of 32 bits, "
            f"and not negative. Received: {weights[row]:g}. Correct or remove the row."
        )
    if not weights[whole].astype(np.float32).any():
        raise DataError(
            f"{source.weight} must be above 0 in some row, to train on. Received: 0 in each row of "
            f"{source.rows}. Name another column as weight, or none."
        )


def check_targets(values: NDArray[Any], whole: NDArray[np.bool_], source: TableSource) -> None:
    """Refuses targets that are infinite, outside of their range, or all the same.

    Args:
        values: Of all rows of the table.
        whole: Which rows lack nothing.
        source: Where they are.

    Raises:
        DataError: If a row has such a target.
    """
    wrong = whole & ~is_finite(values)
    rule = "a finite number of 32 bits"
    if source.scale is not None and not wrong.any():
        low, high = source.scale
        wrong, rule = whole & ~((values >= low) & (values <= high)), f"within {low:g} to {high:g}"
    if wrong.any():
        row = int(np.argmax(wrong))
        raise DataError(
            f"{source.rows}, row {row + 1}: {source.target} must be {rule}. "
            f"Received: {values[row]:g}. Correct or remove the row, or give the right range."
        )
    usable = values if whole.all() else values[whole]
    if usable.min() == usable.max():
        raise DataError(
            f"{source.target} must vary, to be predicted. Received: {usable[0]:g} in each "
            f"row of {source.rows}. Name another column as target."
        )


def note_segments(data: Interactions, source: TableSource, notes: Notes) -> None:
    """Says how many rows have no segment, and where values look like lists of segments.

    Raises:
        DataError: If there is no segment at all.
    """
    column: Any = {**data.items.columns, **data.columns}[source.segment]
    if not data.segment_names:
        raise DataError(
            f"The column {source.segment!r} must name segments. Received: no value in any row. "
            "Name another --segment_column."
        )
    if isinstance(column, Categories):
        for separator in (", ", "|", ";", ","):
            lists = [name for name in data.segment_names if separator in name]
            if len(lists) > 0.2 * len(data.segment_names):
                notes.warnings.append(
                    f"LISTS AS SEGMENTS: {len(lists):,} of {len(data.segment_names):,} values of "
                    f"{source.segment} hold {separator!r}, such as {lists[0]!r}. To take each "
                    f"part as a segment, write --segment_separator={separator!r}."
                )
                break
    if none := column.missing(None if source.segment in data.columns else data.item_rows):
        notes.facts["Rows of no segment"] = f"{none:,}"


def note_times(times: NDArray[np.int64], source: TableSource, notes: Notes) -> None:
    """Says so where times are hardly seconds since 1970."""
    first, last = int(times.min()), int(times.max())
    if first > _IN_MILLISECONDS:
        what = "milliseconds or less"
    elif len(str(first)) == len(str(last)) == 8 and all(
        1 <= each // 100 % 100 <= 12 and 1 <= each % 100 <= 31 for each in (first, last)
    ):
        what = "days, as 20240131 is"
    else:
        return
    notes.warnings.append(
        f"ODD TIMES: {source.time} goes from {first} to {last}, which look like {what}, and were "
        "read as seconds since 1970. Their order is right; for days and hours write ISO dates."
    )
