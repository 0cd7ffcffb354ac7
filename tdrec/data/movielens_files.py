"""Read MovieLens from a folder or a zip, as GroupLens distributes it or as somebody unpacked it."""

from __future__ import annotations

import hashlib
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tdrec.data.assemble import assemble
from tdrec.data.movie_tables import (
    MovieReader,
    read_1m_movies,
    read_100k_movies,
    read_csv_movies,
)
from tdrec.data.rating_table import RatingTable
from tdrec.data.ratings import DataError, Ratings
from tdrec.runtime.files import user_path

ACCEPTED = (
    "a folder or zip with u.data, u.item and u.genre (MovieLens 100K), "
    "ratings.dat and movies.dat (1M, 10M), or ratings.csv and movies.csv (latest-small, 20M, 25M, "
    "32M)"
)


@dataclass(frozen=True)
class _Original:
    """What is known of a file as GroupLens published it."""

    md5: str
    rows: int


@dataclass(frozen=True)
class _Format:
    """One of the three ways in which MovieLens is written."""

    ratings_file: str
    movie_files: tuple[str, ...]
    separator: str
    has_header: bool
    scale: tuple[float, float]
    read_movies: MovieReader
    name: str | None = None  # None: the name of the folder
    of_whole_stars: tuple[str, tuple[float, float]] | None = None  # name and scale, without halves
    originals: Mapping[str, _Original] = field(default_factory=dict)

    @property
    def files(self) -> tuple[str, ...]:
        return (self.ratings_file, *self.movie_files)


_FORMATS = (
    _Format(
        ratings_file="u.data",
        movie_files=("u.item", "u.genre"),
        separator="\t",
        has_header=False,
        scale=(1.0, 5.0),
        read_movies=read_100k_movies,
        name="movielens-100k",
        originals={
            "u.data": _Original("6e47046882bad158b0efbb84cd5cb987", 100_000),
            "u.item": _Original("c9e7f390115d79079537301d5204f3f7", 1_682),
        },
    ),
    _Format(
        ratings_file="ratings.dat",
        movie_files=("movies.dat",),
        separator="::",
        has_header=False,
        scale=(0.5, 5.0),
        read_movies=read_1m_movies,
        name="movielens-10m",
        of_whole_stars=("movielens-1m", (1.0, 5.0)),
    ),
    _Format(
        ratings_file="ratings.csv",
        movie_files=("movies.csv",),
        separator=",",
        has_header=True,
        scale=(0.5, 5.0),
        read_movies=read_csv_movies,
    ),
)


@dataclass(frozen=True)
class _Place:
    """A folder or zip: the names of its files, two folders deep, and a way to read one."""

    path: Path
    names: tuple[str, ...]
    read: Callable[[str], bytes]


def load_files(path: str | Path) -> Ratings:
    """Reads MovieLens from a folder or a zip.

    The files may lie at the root, or in one sub-folder, or in one of that. A file that is known but
    was changed is read all the same, and the result carries a warning.

    Args:
        path: The folder or zip.

    Returns:
        All ratings, in the order of the file.

    Raises:
        DataError: If the path is missing, holds no MovieLens files, or a file breaks a rule.

    Example:
        >>> ratings = load_files(movielens_folder)
        >>> ratings.scale
        (0.5, 5.0)
    """
    place = _open(user_path(path))
    layout, folder = _locate(place)
    contents: dict[str, bytes] = {}

    def read(file: str) -> bytes:
        contents[file] = place.read(folder + file)
        return contents[file]

    movies = layout.read_movies(read)
    table = RatingTable(
        file=layout.ratings_file,
        separator=layout.separator,
        has_header=layout.has_header,
        scale=layout.scale,
        movie_ids=movies.ids,
    )
    columns = table.read(read(layout.ratings_file))
    rows = {layout.ratings_file: columns.user_ids.size, layout.movie_files[0]: len(movies)}
    name, scale = layout.name, layout.scale
    if layout.of_whole_stars and not (columns.values % 1).any():
        name, scale = layout.of_whole_stars
    return assemble(
        columns,
        movies=movies,
        scale=scale,
        name=name or "movielens-" + _label(place, folder).removeprefix("ml-"),
        warnings=[
            _changed(file, contents[file], rows[file], original)
            for file, original in layout.originals.items()
            if _md5(contents[file]) != original.md5
        ],
        source=layout.ratings_file,
    )


def _open(path: Path) -> _Place:
    if path.is_dir():
        return _open_folder(path)
    if path.exists():
        return _open_zip(path)
    raise DataError(f"The data must exist. Received: {path}, which does not. Give {ACCEPTED}.")


def _open_folder(path: Path) -> _Place:
    def read(name: str) -> bytes:
        try:
            return (path / name).read_bytes()
        except OSError as error:
            raise DataError(f"{path / name} must be readable. Received: {error}.") from error

    wanted = {file for layout in _FORMATS for file in layout.files}
    deep = [file for name in wanted for file in path.glob(f"*/*/{name}")]
    files = [*path.glob("*"), *path.glob("*/*"), *deep]
    names = sorted(file.relative_to(path).as_posix() for file in files if file.is_file())
    return _Place(path, tuple(names), read)


def _open_zip(path: Path) -> _Place:
    def broken(error: Exception) -> DataError:
        return DataError(
            f"{path} must be a sound zip file. Received: {error}. "
            f"Download it again, or give {ACCEPTED}."
        )

    def read(name: str) -> bytes:
        try:
            with zipfile.ZipFile(path) as archive:
                return archive.read(name)
        # An encrypted member is a RuntimeError, an unknown compression a NotImplementedError, which
        # is one.
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError) as error:
            raise broken(error) from error

    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError) as error:
        raise broken(error) from error
    kept = [n for n in names if n.count("/") < 3 and not n.endswith("/") and "__MACOSX" not in n]
    return _Place(path, tuple(sorted(kept)), read)


def _locate(place: _Place) -> tuple[_Format, str]:
    """Finds the format and the sub-folder ("" for the root, else "name/"), the first level that has
    one."""
    present = set(place.names)
    folders = sorted({name.rpartition("/")[0] for name in present} | {""})
    prefixes = ["", *(folder + "/" for folder in folders if folder)]
    found = [
        (layout, prefix)
        for prefix in prefixes
        for layout in _FORMATS
        if all(prefix + file in present for file in layout.files)
    ]
    level = min((prefix.count("/") for _, prefix in found), default=0)
    found = [(layout, prefix) for layout, prefix in found if prefix.count("/") == level]
    if len(found) == 1:
        return found[0]
    if found:
        places = ", ".join(prefix + layout.ratings_file for layout, prefix in found)
        raise DataError(
            f"{place.path} must hold one data set. Received: {places}. "
            "Give the folder of one of them."
        )
    shown = ", ".join(place.names[:8]) + (", ..." if len(place.names) > 8 else "")
    raise DataError(
        f"{place.path} must be {ACCEPTED}, at the root or in one sub-folder. "
        f"Received: {shown or 'no files'}. Give the right folder or zip."
    )


def _label(place: _Place, folder: str) -> str:
    if folder:
        return folder.rstrip("/").rpartition("/")[2]
    path = place.path.resolve()
    return path.name if path.is_dir() else path.stem


def _md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def _changed(file: str, data: bytes, rows: int, original: _Original) -> str:
    count = (
        f"{rows:,} rows instead of {original.rows:,}"
        if rows != original.rows
        else f"{rows:,} rows, as expected"
    )
    return (
        f"CHANGED FILE: {file} is not the original of MovieLens 100K: md5 {_md5(data)} instead of "
        f"{original.md5}, {count}. It was read as it is; figures may differ from published ones."
    )
