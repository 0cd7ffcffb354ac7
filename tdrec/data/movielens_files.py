"""Read MovieLens from a folder or a zip, as GroupLens distributes it or as somebody unpacked it."""

from __future__ import annotations

import contextlib
import hashlib
import io
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import numpy as np

from tdrec.data.assemble import assemble
from tdrec.data.error import DataError
from tdrec.data.movie_tables import (
    MovieReader,
    read_1m_movies,
    read_100k_movies,
    read_csv_movies,
)
from tdrec.data.rating_table import RatingTable
from tdrec.data.ratings import Ratings
from tdrec.runtime.files import user_path

ACCEPTED = (
    "a folder or zip with u.data, u.item and u.genre (MovieLens 100K), "
    "ratings.dat and movies.dat (1M, 10M), or ratings.csv and movies.csv (latest-small, 20M, 25M, "
    "32M)"
)


@dataclass(frozen=True)
class _Format:
    """One of the three ways in which MovieLens is written."""

    ratings: RatingTable
    movie_files: tuple[str, ...]
    read_movies: MovieReader
    name: str | None = None  # None: the name of the folder
    of_whole_stars: tuple[str, tuple[float, float]] | None = None  # name and scale, without halves
    originals: Mapping[str, tuple[str, int]] = field(default_factory=dict)
    """Of files as GroupLens published them the MD5, and how many rows there are."""

    @property
    def files(self) -> tuple[str, ...]:
        return (self.ratings.file, *self.movie_files)


_FORMATS = (
    _Format(
        RatingTable("u.data", "\t", has_header=False, scale=(1.0, 5.0)),
        movie_files=("u.item", "u.genre"),
        read_movies=read_100k_movies,
        name="movielens-100k",
        originals={
            "u.data": ("6e47046882bad158b0efbb84cd5cb987", 100_000),
            "u.item": ("c9e7f390115d79079537301d5204f3f7", 1_682),
        },
    ),
    _Format(
        RatingTable("ratings.dat", "::", has_header=False, scale=(0.5, 5.0)),
        movie_files=("movies.dat",),
        read_movies=read_1m_movies,
        name="movielens-10m",
        of_whole_stars=("movielens-1m", (1.0, 5.0)),
    ),
    _Format(
        RatingTable("ratings.csv", ",", has_header=True, scale=(0.5, 5.0)),
        movie_files=("movies.csv",),
        read_movies=read_csv_movies,
    ),
)


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
    path = user_path(path)
    layout, folder = _locate(path, _names(path))

    def read(file: str) -> bytes:
        with _opened(path, folder + file) as stream:
            return stream.read()

    movies = layout.read_movies(read)
    table = layout.ratings
    with _opened(path, folder + table.file) as stream:
        columns = table.read(stream, movies.ids)
    own = path.resolve()
    label = folder.rstrip("/").rpartition("/")[2] or (own.name if own.is_dir() else own.stem)
    rows = {table.file: columns.user_ids.size, layout.movie_files[0]: len(movies)}
    name, scale = layout.name, table.scale
    if layout.of_whole_stars and (columns.values == np.floor(columns.values)).all():
        name, scale = layout.of_whole_stars
    return assemble(
        columns,
        movies=movies,
        scale=scale,
        name=name or f"movielens-{label.removeprefix('ml-')}",
        warnings=[
            warning
            for file, original in layout.originals.items()
            if (warning := _changed(file, read, rows[file], *original))
        ],
        source=table.file,
    )


def _names(path: Path) -> list[str]:
    """The files of a folder or zip, two folders deep."""
    if not path.exists():
        raise DataError(f"The data must exist. Received: {path}, which does not. Give {ACCEPTED}.")
    if path.is_dir():
        wanted = {file for layout in _FORMATS for file in layout.files}
        deep = [file for name in wanted for file in path.glob(f"*/*/{name}")]
        files = [*path.glob("*"), *path.glob("*/*"), *deep]
        return sorted(file.relative_to(path).as_posix() for file in files if file.is_file())
    with _sound(path), zipfile.ZipFile(path) as archive:
        names = archive.namelist()
    return sorted(
        n for n in names if n.count("/") < 3 and not n.endswith("/") and "__MACOSX" not in n
    )


@contextlib.contextmanager
def _opened(path: Path, name: str) -> Iterator[BinaryIO]:
    with _sound(path, name):
        if path.is_dir():
            with (path / name).open("rb") as stream:
                yield stream
        else:
            with zipfile.ZipFile(path) as archive:
                data = archive.read(name)  # all of it, since its checksum comes at its end
            yield io.BytesIO(data)


@contextlib.contextmanager
def _sound(path: Path, name: str = "") -> Iterator[None]:
    """Says of an error what cannot be read."""
    try:
        yield
    # An encrypted member is a RuntimeError, an unknown compression a NotImplementedError, which is
    # one.
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError) as error:
        if path.is_dir():
            raise DataError(f"{path / name} must be readable. Received: {error}.") from error
        raise DataError(
            f"{path} must be a sound zip file. Received: {error}. "
            f"Download it again, or give {ACCEPTED}."
        ) from error


def _locate(path: Path, names: list[str]) -> tuple[_Format, str]:
    """Finds the format and the sub-folder ("" for the root), on the first level that has one."""
    present = set(names)
    prefixes = sorted({name[: name.rfind("/") + 1] for name in names})
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
        places = ", ".join(prefix + layout.ratings.file for layout, prefix in found)
        raise DataError(
            f"{path} must hold one data set. Received: {places}. Give the folder of one of them."
        )
    shown = ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")
    raise DataError(
        f"{path} must be {ACCEPTED}, at the root or up to two folders deep. "
        f"Received: {shown or 'no files'}. Give the right folder or zip."
    )


def _changed(file: str, read: Callable[[str], bytes], rows: int, md5: str, expected: int) -> str:
    """What to say of a file that is not as it was published; nothing of one that is."""
    if rows != expected:
        how = f"{rows:,} rows instead of {expected:,}"
    else:
        found = hashlib.md5(read(file), usedforsecurity=False).hexdigest()
        if found == md5:
            return ""
        how = f"md5 {found} instead of {md5}, {rows:,} rows, as expected"
    return (
        f"CHANGED FILE: {file} is not the original of MovieLens 100K: {how}. It was read as it is; "
        "figures may differ from published ones."
    )
