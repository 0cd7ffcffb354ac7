"""The last step of every MovieLens loader: drop repeated rows, name what is odd, check."""

from __future__ import annotations

from collections.abc import Sequence

from tdrec.data.rating_table import RatingColumns
from tdrec.data.ratings import Movies, Ratings
from tdrec.data.repeated import repeated_rows


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
    repeated = repeated_rows(columns.user_ids, columns.movie_ids, columns.timestamps)
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
