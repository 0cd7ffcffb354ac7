"""Rows that are in a table twice, as those of files that were joined to themselves."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray


def repeated_rows(
    users: NDArray[np.int64], items: NDArray[np.int64], *others: NDArray[Any]
) -> NDArray[np.bool_]:
    """Which rows have the user, the item and all else of an earlier row.

    Args:
        users: Shape `(rows,)`.
        items: Not negative, shape `(rows,)`.
        others: What else must be the same, each of shape `(rows,)`.

    Returns:
        A mask of shape `(rows,)`.
    """
    import pandas as pd

    repeated = np.zeros(len(users), bool)
    suspects = _of_repeated_pairs(users, items)
    if suspects.size:  # of most tables there are none, and looking at all columns is slow
        columns = enumerate((users, items, *others))
        repeated[suspects] = pd.DataFrame({i: x[suspects] for i, x in columns}).duplicated()
    return repeated


def _of_repeated_pairs(users: NDArray[np.int64], items: NDArray[np.int64]) -> NDArray[np.intp]:
    """Rows of a user and an item that occur together more than once."""
    width = int(items.max(initial=0)) + 1
    first = min(int(users.min(initial=0)), 0)
    if int(users.max(initial=0)) - first >= 2**63 // width - 1:  # a pair is no number of 64 bits
        return np.arange(len(users))
    from_zero = users - first if first else users
    pairs = from_zero * width
    pairs += items  # in its place: memory that is new costs more than the sum
    if not (pairs[1:] > pairs[:-1]).all():
        # Stable sorting is fast where rows come in the order of users, as they mostly do.
        sort = partial(np.ndarray.sort, kind="stable")
        with ThreadPoolExecutor(threads := os.cpu_count() or 1) as pool:
            list(pool.map(sort, np.array_split(pairs, threads)))
        sort(pairs)
    repeated = pairs[1:][pairs[1:] == pairs[:-1]]
    if not repeated.size:
        return np.empty(0, np.intp)
    return np.flatnonzero(np.isin(from_zero * width + items, repeated))
