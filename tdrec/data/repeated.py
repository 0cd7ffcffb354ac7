"""Rows that are in a table twice, as those of files that were joined to themselves."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tdrec.data.interactions import Interactions


def repeated_rows(data: Interactions) -> NDArray[np.bool_]:
    """Which rows have user, item, target and time of an earlier row, bool of shape `(rows,)`."""
    import pandas as pd

    repeated = np.zeros(len(data), bool)
    suspects = of_repeated_pairs(data.user_ids, data.item_rows)
    if suspects.size:  # of most tables there are none, and looking at all columns is slow
        key: dict[str, NDArray[Any]] = {
            "user": data.user_ids,
            "item": data.item_rows,
            "target": data.values,
        }
        if data.timestamps is not None:
            key["time"] = data.timestamps
        of_suspects = {name: values[suspects] for name, values in key.items()}
        repeated[suspects] = pd.DataFrame(of_suspects).duplicated()
    return repeated


def of_repeated_pairs(users: NDArray[np.int64], movies: NDArray[np.int64]) -> NDArray[np.intp]:
    """Rows of a user and a movie that occur together more than once."""
    width = int(movies.max(initial=0)) + 1
    if int(users.max(initial=0)) >= 2**63 // width - 1:  # a pair is no number of 64 bits
        return np.arange(len(users))
    pairs = users * width + movies
    ordered = np.sort(pairs)
    repeated = ordered[1:][ordered[1:] == ordered[:-1]]
    return np.flatnonzero(np.isin(pairs, repeated)) if repeated.size else np.empty(0, np.intp)
