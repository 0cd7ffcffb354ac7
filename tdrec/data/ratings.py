"""Ratings as a checked type: what every loader returns and every later step reads."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

COLUMNS = ("user_ids", "movie_ids", "values", "timestamps")
"""Fields of `Ratings` with one entry for each row."""
_LARGEST_TABLE = 1 << 20


class DataError(ValueError):
    """Data that cannot be used.

    The message names the rule, what was received (with the file and the line where there is one)
    and the remedy.
    """


@dataclass(frozen=True, eq=False)
class Movies:
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

    ids: NDArray[np.int64]
    titles: tuple[str, ...]
    genres: NDArray[np.bool_]
    genre_names: tuple[str, ...]

    def __post_init__(self) -> None:
        ids = _whole_numbers("ids", self.ids)
        titles, names = tuple(self.titles), tuple(self.genre_names)
        genres = np.asarray(self.genres)
        if ids.size and ids.min() < 1:
            raise DataError(
                f"Movie ids must be positive. Received: {ids.min()}. Number the movies from 1."
            )
        values, counts = np.unique(ids, return_counts=True)
        if values.size != ids.size:
            raise DataError(
                f"Movie ids must be unique. Received: {values[counts > 1][0]} more than once. "
                "Keep one entry for each movie."
            )
        if len(titles) != ids.size or not all(isinstance(title, str) for title in titles):
            raise DataError(
                f"`titles` must hold one string for each of the {ids.size} ids. "
                f"Received: {len(titles)} entries of types "
                f"{sorted({type(title).__name__ for title in titles})}."
            )
        if len(set(names)) != len(names) or not all(isinstance(n, str) and n for n in names):
            raise DataError(
                f"`genre_names` must be different, non-empty strings. Received: {names}."
            )
        if genres.size == 0 and ids.size * len(names) == 0:
            genres = np.zeros((ids.size, len(names)), bool)
        if genres.dtype != bool or genres.shape != (ids.size, len(names)):
            raise DataError(
                f"`genres` must be a bool array of shape [{ids.size} movies, {len(names)} genres]. "
                f"Received: {genres.dtype} of shape {genres.shape}."
            )
        object.__setattr__(self, "ids", _read_only(ids, self.ids))
        object.__setattr__(self, "titles", titles)
        object.__setattr__(self, "genres", _read_only(genres, self.genres))
        object.__setattr__(self, "genre_names", names)

    def __len__(self) -> int:
        return int(self.ids.size)

    def rows(self, movie_ids: ArrayLike) -> NDArray[np.int64]:
        """Says where in the catalogue each movie stands.

        Args:
            movie_ids: Integers, shape `(rows,)`.

        Returns:
            Positions in `ids`, int64 of shape `(rows,)`.

        Raises:
            DataError: If an id is not in the catalogue.
        """
        wanted = _whole_numbers("movie_ids", movie_ids)
        found: NDArray[np.int64]
        if wanted.size and wanted.min() >= 0 and wanted.max() < self._positions.size:
            found = self._positions[wanted]
        else:
            found = self._index.get_indexer(wanted)
        if (found < 0).any():
            first = int(np.argmax(found < 0))
            raise DataError(
                f"Every movie id must be in the catalogue of {len(self)} movies. Received: "
                f"movie id {wanted[first]} at row {first}. Add the movie or drop the row."
            )
        return found

    @cached_property
    def _positions(self) -> NDArray[np.int64]:
        """The position of each id, or -1; of no ids where they are too large for an array."""
        size = int(self.ids.max(initial=0)) + 1
        if size > _LARGEST_TABLE:
            return np.empty(0, np.int64)
        positions = np.full(size, -1)
        positions[self.ids] = np.arange(len(self))
        return positions

    @cached_property
    def _index(self) -> Any:
        import pandas as pd

        return pd.Index(self.ids)


@dataclass(frozen=True, eq=False)
class Ratings:
    """Ratings of movies by users, one row each, with the catalogue they refer to.

    Whoever holds a `Ratings` may rely on the rules below: they are checked when it is made, and the
    arrays cannot be written to afterwards. It may be empty, as a genre nobody rated is.

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

    user_ids: NDArray[np.int64]
    movie_ids: NDArray[np.int64]
    values: NDArray[np.float32]
    timestamps: NDArray[np.int64]
    movies: Movies
    scale: tuple[float, float]
    name: str
    warnings: tuple[str, ...] = ()
    simulated: bool = False

    def __post_init__(self) -> None:
        columns: dict[str, NDArray[Any]] = {
            "user_ids": _whole_numbers("user_ids", self.user_ids),
            "movie_ids": _whole_numbers("movie_ids", self.movie_ids),
            "values": _ratings_within(self.values, self.scale),
            "timestamps": _whole_numbers("timestamps", self.timestamps),
        }
        lengths = {name: column.size for name, column in columns.items()}
        if len(set(lengths.values())) > 1:
            raise DataError(f"All columns must have one entry for each row. Received: {lengths}.")
        for name in ("user_ids", "movie_ids"):
            if columns[name].size and columns[name].min() < 1:
                raise DataError(
                    f"`{name}` must be positive. Received: {columns[name].min()} at row "
                    f"{int(columns[name].argmin())}. Number them from 1."
                )
        for name, column in columns.items():
            object.__setattr__(self, name, _read_only(column, getattr(self, name)))
        object.__setattr__(self, "scale", (float(self.scale[0]), float(self.scale[1])))
        object.__setattr__(self, "warnings", tuple(self.warnings))
        _ = self.movie_rows  # raises where a movie id is not in the catalogue

    def __len__(self) -> int:
        return int(self.user_ids.size)

    @cached_property
    def movie_rows(self) -> NDArray[np.int64]:
        """The position of each row's movie in `movies`: int64 of shape `(rows,)`."""
        return _read_only(self.movies.rows(self.movie_ids), None)

    def take(self, index_or_mask: ArrayLike) -> Ratings:
        """Selects rows.

        Args:
            index_or_mask: Integer positions in the order wanted, or a bool mask of shape `(rows,)`.

        Returns:
            The rows as `Ratings` with the same catalogue, name and warnings.

        Raises:
            IndexError: If a position is outside the rows or the mask has another length.
        """
        chosen = np.asarray(index_or_mask)
        if chosen.size == 0 and chosen.dtype != bool:
            chosen = chosen.astype(np.int64)
        if chosen.ndim != 1 or chosen.dtype.kind not in "biu":
            raise IndexError(
                "Rows are selected by a 1-D array of integers or a bool mask. "
                f"Received: {chosen.dtype} of shape {chosen.shape}."
            )
        return replace(self, **{name: getattr(self, name)[chosen] for name in COLUMNS})

    def of_genre(self, name: str) -> Ratings:
        """Selects the rows whose movie has the genre, whatever other genres it has.

        Raises:
            ValueError: If the catalogue has no genre of that name.
        """
        if name not in self.movies.genre_names:
            raise ValueError(
                "The genre must be one of the catalogue's. "
                f"Received: {name!r}. Choose from: {', '.join(self.movies.genre_names)}."
            )
        column = self.movies.genre_names.index(name)
        return self.take(self.movies.genres[self.movie_rows, column])

    def genre_counts(self) -> dict[str, int]:
        """Counts the rows of each genre. A row of a movie with two genres counts for both."""
        rows_of_movie = np.bincount(self.movie_rows, minlength=len(self.movies))
        counts = rows_of_movie @ self.movies.genres
        return {name: int(n) for name, n in zip(self.movies.genre_names, counts, strict=True)}

    @cached_property
    def fingerprint(self) -> str:
        """A SHA-256 of the rows, in their order, and the catalogue, as 64 hexadecimal digits.

        The same data give the same fingerprint on every machine; `name` and `warnings` do not
        count.
        """
        digest = hashlib.sha256()
        movies = self.movies
        for text in (movies.titles, movies.genre_names):
            encoded = json.dumps(text).encode()
            digest.update(len(encoded).to_bytes(8, "little") + encoded)
        columns: list[NDArray[Any]] = [movies.ids, movies.genres, self.user_ids, self.movie_ids]
        for column in [*columns, self.values, self.timestamps]:
            # Little-endian and row by row, so that neither machine nor memory layout shows.
            plain = np.ascontiguousarray(column, column.dtype.newbyteorder("<"))
            digest.update(f"{plain.dtype.str}{plain.shape}".encode())
            digest.update(plain.data)
        return digest.hexdigest()


def _column(name: str, values: ArrayLike, kinds: str, rule: str) -> NDArray[Any]:
    array = np.asarray(values)
    if array.ndim != 1:
        raise DataError(
            f"`{name}` must be 1-D, with one entry for each row. Received: shape {array.shape}."
        )
    if array.size and array.dtype.kind not in kinds:
        raise DataError(f"`{name}` must be {rule.format(array.dtype)}")
    return array


def _whole_numbers(name: str, values: ArrayLike) -> NDArray[np.int64]:
    rule = (
        "whole numbers of an integer dtype. Received: {}. "
        "Convert them, once you know that nothing is lost: `.astype('int64')`."
    )
    return _column(name, values, "iu", rule).astype(np.int64, copy=False)


def _ratings_within(values: ArrayLike, scale: Sequence[float]) -> NDArray[np.float32]:
    if len(scale) != 2 or not np.isfinite(scale).all() or not scale[0] < scale[1]:
        raise DataError(
            "`scale` must be the lowest and the highest rating, such as (1.0, 5.0). "
            f"Received: {scale}."
        )
    array = _column("values", values, "iuf", "numbers. Received: {}.")
    low, high = float(scale[0]), float(scale[1])
    outside = ~((array >= low) & (array <= high))  # true for NaN as well
    if outside.any():
        first = int(np.argmax(outside))
        raise DataError(
            f"`values` must be finite and within the scale {low:g} to {high:g}. "
            f"Received: {array[first]} at row {first}. Drop the row or give the right scale."
        )
    return array.astype(np.float32, copy=False)


def _read_only(array: NDArray[Any], given: Any) -> NDArray[Any]:
    # An array that someone else could still write to is copied; one that is already sealed is
    # shared, and so is one that was made here: of nothing that was given, or of another array.
    is_own = given is None or (
        isinstance(given, np.ndarray) and not np.may_share_memory(array, given)
    )
    is_open = array.flags.writeable and not is_own
    if is_open or array.base is not None or not array.flags.c_contiguous:
        array = np.array(array, order="C")
    array.setflags(write=False)
    return array
