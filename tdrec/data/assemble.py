"""The last step of every MovieLens loader: drop repeated rows, name what is odd, check."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
from numpy.typing import NDArray

from tdrec.data.rating_table import RatingColumns
from tdrec.data.ratings import Movies, Ratings


def assemble(
    columns: RatingColumns,
    *,
    movies: Movies,
    scale: tuple[float, float],
    name: str,
    warnings: Sequence[str],
    source: str,
) -> Ratings:
    """Makes checked ratings of the columns of a source.

    Of rows of the same user, movie and timestamp the first is kept. Such rows, and movies without a
    genre, are counted in a warning.

    Args:
        columns: User ids, movie ids, ratings and timestamps, each of shape `(rows,)`.
        movies: The catalogue.
        scale: Lowest and highest rating.
        name: What the data are.
        warnings: What the loader already has to say.
        source: Name of the file or data set, for the warnings.

    Raises:
        DataError: If the columns break a rule of `Ratings`.
    """
    notes = list(warnings)
    repeated = _repeated(columns)
    if dropped := int(repeated.sum()):
        notes.append(
            f"REPEATED ROWS: {dropped:,} rows of {source} repeat the user, movie and timestamp of "
            "an earlier row and were dropped."
        )
        columns = RatingColumns(*(column[~repeated] for column in columns))
    if bare := int((~movies.genres.any(axis=1)).sum()):
        notes.append(
            f"NO GENRE: {bare:,} of {len(movies):,} movies have no genre and belong to no "
            "student's data."
        )
    return Ratings(*columns, movies, scale, name, tuple(notes))


def _repeated(columns: RatingColumns) -> NDArray[np.bool_]:
    """Which rows have user, movie and timestamp of an earlier row."""
    import pandas as pd

    repeated = np.zeros(len(columns.user_ids), bool)
    suspects = _of_repeated_pairs(columns.user_ids, columns.movie_ids)
    if suspects.size:  # of most files there are none, and looking at all of three columns is slow
        of_suspects = {name: values[suspects] for name, values in columns._asdict().items()}
        key = ["user_ids", "movie_ids", "timestamps"]
        repeated[suspects] = pd.DataFrame(of_suspects).duplicated(key)
    return repeated


def _of_repeated_pairs(users: NDArray[np.int64], movies: NDArray[np.int64]) -> NDArray[np.intp]:
    """Rows of a user and a movie that occur together more than once."""
    width = int(movies.max(initial=0)) + 1
    if int(users.max(initial=0)) >= 2**63 // width - 1:  # a pair is no number of 64 bits
        return np.arange(len(users))
    pairs = users * width + movies
    if not (pairs[1:] > pairs[:-1]).all():
        # Stable sorting is fast where rows come in the order of users, as they mostly do.
        sort = partial(np.ndarray.sort, kind="stable")
        with ThreadPoolExecutor(threads := os.cpu_count() or 1) as pool:
            list(pool.map(sort, np.array_split(pairs, threads)))
        sort(pairs)
    repeated = pairs[1:][pairs[1:] == pairs[:-1]]
    if not repeated.size:
        return np.empty(0, np.intp)
    return np.flatnonzero(np.isin(users * width + movies, repeated))
