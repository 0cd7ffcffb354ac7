"""The last step of every MovieLens loader: drop repeated rows, name what is odd, check."""

from __future__ import annotations

from collections.abc import Sequence

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
    keep = _first_of_each(columns)
    if dropped := int(keep.size - keep.sum()):
        notes.append(
            f"REPEATED ROWS: {dropped:,} rows of {source} repeat the user, movie and timestamp of "
            "an earlier row and were dropped."
        )
        columns = RatingColumns(
            columns.user_ids[keep],
            columns.movie_ids[keep],
            columns.values[keep],
            columns.timestamps[keep],
        )
    if bare := int((~movies.genres.any(axis=1)).sum()):
        notes.append(
            f"NO GENRE: {bare:,} of {len(movies):,} movies have no genre and belong to no "
            "student's data."
        )
    return Ratings(
        user_ids=columns.user_ids,
        movie_ids=columns.movie_ids,
        values=columns.values.astype(np.float32),
        timestamps=columns.timestamps,
        movies=movies,
        scale=scale,
        name=name,
        warnings=tuple(notes),
    )


def _first_of_each(columns: RatingColumns) -> NDArray[np.bool_]:
    import pandas as pd

    key = pd.DataFrame(
        {"user": columns.user_ids, "movie": columns.movie_ids, "time": columns.timestamps}
    )
    return ~np.asarray(key.duplicated(keep="first"), dtype=np.bool_)
