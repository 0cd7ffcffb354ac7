"""Ratings of movies: interactions in the words of MovieLens, and with its stricter rules."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tdrec.data.columns import Labels, Text, numbers_of, whole_numbers
from tdrec.data.error import DataError
from tdrec.data.interactions import Interactions
from tdrec.data.items import Items

TITLE, GENRES = "title", "genres"
"""The columns of a catalogue of movies."""


class Movies(Items):
    """A catalogue of movies with their titles and genres.

    A movie may have several genres, one, or none. The arrays are read-only.

    Args:
        ids: Unique and positive, int64 of shape `(movies,)`.
        titles: M strings.
        genres: `genres[m, g]` says whether movie `m` has genre `g`.
        genre_names: G different names.

    Raises:
        DataError: If the fields do not fit together.

    Example:
        >>> movies = Movies([7, 9], ("Dawn (1990)", "Dusk (1991)"), [[True], [False]], ("Drama",))
        >>> movies.rows([9, 7, 9])
        array([1, 0, 1])
    """

    noun = "movie"

    def __init__(
        self,
        ids: ArrayLike,
        titles: Sequence[str],
        genres: ArrayLike,
        genre_names: Sequence[str],
    ) -> None:
        numbers = whole_numbers("ids", ids)
        titles, names, flags = tuple(titles), tuple(genre_names), np.asarray(genres)
        if numbers.size and numbers.min() < 1:
            raise DataError(
                f"Movie ids must be positive. Received: {numbers.min()}. Number the movies from 1."
            )
        if len(titles) != numbers.size or not all(isinstance(title, str) for title in titles):
            raise DataError(
                f"`titles` must hold one string for each of the {numbers.size} ids. "
                f"Received: {len(titles)} entries of types "
                f"{sorted({type(title).__name__ for title in titles})}."
            )
        if len(set(names)) != len(names) or not all(isinstance(n, str) and n for n in names):
            raise DataError(
                f"`genre_names` must be different, non-empty strings. Received: {names}."
            )
        if flags.size == 0 and numbers.size * len(names) == 0:
            flags = np.zeros((numbers.size, len(names)), bool)
        if flags.dtype != bool or flags.shape != (numbers.size, len(names)):
            raise DataError(
                f"`genres` must be a bool array of shape [{numbers.size} movies, {len(names)} "
                f"genres]. Received: {flags.dtype} of shape {flags.shape}."
            )
        own = np.array(flags) if isinstance(genres, np.ndarray) else flags
        columns = {
            TITLE: Text.of(titles),
            GENRES: Labels(np.arange(len(own), dtype=np.int32), own, names),
        }
        object.__setattr__(self, "names", None)
        object.__setattr__(self, "columns", columns)
        object.__setattr__(self, "ids", ids)
        self.__post_init__()

    @property
    def titles(self) -> tuple[str, ...]:
        """The title of each movie."""
        column: Any = self.columns[TITLE]
        return column.strings()

    @property
    def genres(self) -> NDArray[np.bool_]:
        """Which genres each movie has, bool of shape `(movies, genres)`."""
        return self._genres.flags

    @property
    def genre_names(self) -> tuple[str, ...]:
        """The genres' names."""
        return self._genres.names

    @property
    def _genres(self) -> Labels:
        column: Any = self.columns[GENRES]
        return column


class Ratings(Interactions):
    """Ratings of movies by users, one row each, with the catalogue they refer to.

    They are `Interactions`, whose segments are the movies' genres, with stricter rules.

    Args:
        user_ids: Positive, int64 of shape `(rows,)`.
        movie_ids: Each in `movies`, int64 of shape `(rows,)`.
        values: The ratings, finite and within `scale`, float32 of shape `(rows,)`.
        timestamps: Whole seconds since 1970, int64 of shape `(rows,)`.
        movies: The catalogue.
        scale: Lowest and highest possible rating.
        name: What the data are, for reports.
        warnings: What a reader of the results must know about the data, one sentence each.
        simulated: Whether they are generated, and say nothing of real data.

    Raises:
        DataError: If a rule is broken.

    Example:
        >>> movies = Movies([7], ("Dawn (1990)",), [[True]], ("Drama",))
        >>> ratings = Ratings([1, 2], [7, 7], [4.0, 3.0], [100, 90], movies, (1.0, 5.0), "example")
        >>> len(ratings.of_genre("Drama"))
        2
    """

    items: Movies
    timestamps: NDArray[np.int64]
    scale: tuple[float, float]

    def __init__(
        self,
        user_ids: ArrayLike,
        movie_ids: ArrayLike,
        values: ArrayLike,
        timestamps: ArrayLike,
        movies: Movies,
        scale: tuple[float, float],
        name: str,
        warnings: Sequence[str] = (),
        simulated: bool = False,
    ) -> None:
        fields: dict[str, Any] = {
            "user_ids": user_ids,
            "item_ids": movie_ids,
            "values": values,
            "timestamps": timestamps,
            "items": movies,
            "scale": scale,
            "name": name,
            "warnings": warnings,
            "simulated": simulated,
            "segment_column": GENRES,
            "names": ("user", "movie"),
            "columns": {},
            "notes": {},
        }
        for field, value in fields.items():
            object.__setattr__(self, field, value)
        self.__post_init__()

    def __post_init__(self) -> None:
        _check_within(self.values, self.scale)
        ids = {"user_ids": self.user_ids, "movie_ids": self.item_ids}
        for name, given in ids.items():
            column = whole_numbers(name, given)
            if column.size and column.min() < 1:
                raise DataError(
                    f"`{name}` must be positive. Received: {column.min()} at row "
                    f"{int(column.argmin())}. Number them from 1."
                )
        super().__post_init__()

    @property
    def movie_ids(self) -> NDArray[np.int64]:
        """`item_ids`."""
        return self.item_ids

    @property
    def movies(self) -> Movies:
        """`items`."""
        return self.items

    @property
    def movie_rows(self) -> NDArray[np.int64]:
        """`item_rows`."""
        return self.item_rows

    def of_genre(self, name: str) -> Ratings:
        """`of_segment`."""
        return self.of_segment(name)

    def genre_counts(self) -> dict[str, int]:
        """`segment_counts`."""
        return self.segment_counts()

    def _parts(self) -> list[Any]:
        # In the order, and of the parts, that published fingerprints are of.
        movies = self.movies
        arrays = [movies.ids, movies.genres, self.user_ids, self.movie_ids]
        of_rows = [self.values, self.timestamps]
        return [movies.titles, movies.genre_names, *arrays, *of_rows]


def _check_within(values: ArrayLike, scale: Sequence[float]) -> None:
    if len(scale) != 2 or not np.isfinite(scale).all() or not scale[0] < scale[1]:
        raise DataError(
            "`scale` must be the lowest and the highest rating, such as (1.0, 5.0). "
            f"Received: {scale}."
        )
    array = numbers_of("values", values, "iuf", "numbers. Received: {}.")
    low, high = float(scale[0]), float(scale[1])
    outside = ~((array >= low) & (array <= high))  # true for NaN as well
    if outside.any():
        first = int(np.argmax(outside))
        raise DataError(
            f"`values` must be finite and within the scale {low:g} to {high:g}. "
            f"Received: {array[first]} at row {first}. Drop the row or give the right scale."
        )
