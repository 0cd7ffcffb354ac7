"""Read the movie files of MovieLens, one reader for each of its three formats."""

from __future__ import annotations

import csv
import functools
import io
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from tdrec.data.error import DataError
from tdrec.data.ratings import Movies
from tdrec.data.raw_text import checked_bytes, decoded, shortened

NO_GENRE = "(no genres listed)"
_HEADER = ["movieId", "title", "genres"]

_Row = tuple[int, str, str, tuple[str, ...], str]  # line number, id, title, genres, the line

MovieReader = Callable[[Callable[[str], bytes]], Movies]
"""Takes a function from the name of a file to its content, and returns the catalogue."""


def read_100k_movies(read: Callable[[str], bytes]) -> Movies:
    """Reads `u.item` and `u.genre`.

    A line of `u.item` is `id|title|date|video date|address|flag|...|flag`, with a flag 0 or 1 for
    each genre; a line of `u.genre` is `name|index`.

    Raises:
        DataError: If a line breaks a rule; it is quoted.
    """
    names = _genres_100k(decoded(checked_bytes(read("u.genre"), "u.genre"), "u.genre", "latin-1"))

    def genres_of(number: int, line: str) -> tuple[str, ...]:
        flags = line.split("|")[5:]
        if len(flags) != len(names):
            raise _fault("u.item", number, f"a line has {5 + len(names)} fields", line)
        if not set(flags) <= {"0", "1"}:
            raise _fault("u.item", number, "the genre flags are 0 or 1", line)
        return tuple(name for name, flag in zip(names, flags, strict=True) if flag == "1")

    def rows() -> Iterator[_Row]:
        genres: dict[
            str, tuple[str, ...]
        ] = {}  # of flags that were seen: many movies have the same
        text = decoded(checked_bytes(read("u.item"), "u.item"), "u.item", "latin-1")
        for number, line in _lines(text):
            fields = line.split("|", 5)
            flags = "".join(fields[5:])
            if flags not in genres:
                genres[flags] = genres_of(number, line)
            yield number, fields[0], fields[1], genres[flags], line

    return _catalogue("u.item", rows(), names)


def read_1m_movies(read: Callable[[str], bytes]) -> Movies:
    """Reads `movies.dat` (`id::title::genre|genre|...`).

    Raises:
        DataError: If a line breaks a rule; it is quoted.
    """

    def rows() -> Iterator[_Row]:
        text = decoded(checked_bytes(read("movies.dat"), "movies.dat"), "movies.dat", "latin-1")
        for number, line in _lines(text):
            fields = line.split("::")
            if len(fields) != 3:
                raise _fault("movies.dat", number, "a line has 3 fields separated by '::'", line)
            yield number, fields[0], fields[1], _genre_list(fields[2]), line

    return _catalogue("movies.dat", rows())


def read_csv_movies(read: Callable[[str], bytes]) -> Movies:
    """Reads `movies.csv` (`movieId,title,genres` with genres as `genre|genre|...`).

    A quote within quotes is doubled, or has a backslash before it.

    Raises:
        DataError: If a line breaks a rule; it is quoted.
    """

    def rows() -> Iterator[_Row]:
        text = decoded(checked_bytes(read("movies.csv"), "movies.csv"), "movies.csv", "utf-8")
        for number, fields in _csv_lines(text):
            line = ",".join(fields)
            if number == 1:
                if fields != _HEADER:
                    raise _fault("movies.csv", 1, f"the header is {','.join(_HEADER)!r}", line)
            elif len(fields) == 3:
                yield number, fields[0], fields[1], _genre_list(fields[2]), line
            elif fields:
                raise _fault("movies.csv", number, "a line has 3 fields", line)

    return _catalogue("movies.csv", rows())


def _csv_lines(text: str) -> Iterable[tuple[int, list[str]]]:
    """The fields of each line, with its number.

    A backslash may be a letter like any other. It is taken to escape quotes where the text cannot
    be read otherwise, or where it would still stand before a quote.
    """
    if '\\"' in text:
        doubled = _strict_csv_lines(text)
        if doubled is None or any('\\"' in field for _, fields in doubled for field in fields):
            return _strict_csv_lines(text, escapechar="\\") or _lenient_csv_lines(text)
    return _lenient_csv_lines(text)


def _strict_csv_lines(text: str, **dialect: Any) -> list[tuple[int, list[str]]] | None:
    """All lines; None if one of them has other fields than a movie."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True, **dialect)
    try:
        lines = [(reader.line_num, fields) for fields in reader]
    except csv.Error:
        return None
    return lines if all(len(fields) in (0, 3) for _, fields in lines) else None


def _lenient_csv_lines(text: str) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(io.StringIO(text, newline=""))
    try:
        for fields in reader:
            yield reader.line_num, fields
    except csv.Error as error:
        raise DataError(
            f"movies.csv, line {reader.line_num}, must be readable as csv. Received: {error}. Look "
            "for a quote that is not closed, or take the original file."
        ) from error


def _genres_100k(text: str) -> tuple[str, ...]:
    names: list[str] = []
    for number, line in _lines(text):
        name, bar, index = line.partition("|")
        if not (bar and name and index.strip() == str(len(names))):
            raise _fault("u.genre", number, "a line is `name|index`, counted from 0", line)
        names.append(name)
    return tuple(names)


@functools.lru_cache(10_000)  # many movies have the same
def _genre_list(field: str) -> tuple[str, ...]:
    genres = [name.strip() for name in field.split("|")]
    return tuple(name for name in genres if name and name != NO_GENRE)


def _catalogue(
    file: str,
    rows: Iterable[_Row],
    names: tuple[str, ...] | None = None,
) -> Movies:
    """Collects the rows; without `names` the genres are those that occur, sorted."""
    ids: dict[int, int] = {}
    titles: list[str] = []
    genres: list[tuple[str, ...]] = []
    for number, text, title, chosen, line in rows:
        if not text.strip().isdecimal() or not 1 <= (movie_id := int(text)) < 2**63:
            raise _fault(file, number, "the movie id is a positive whole number", line)
        if movie_id in ids:
            raise _fault(
                file, number, f"a movie id occurs once; line {ids[movie_id]} has it too", line
            )
        ids[movie_id] = number
        titles.append(title)
        genres.append(chosen)
    if not ids:
        raise DataError(f"{file} must list at least one movie. Received: none.")
    sets = {chosen: position for position, chosen in enumerate(dict.fromkeys(genres))}
    if names is None:
        names = tuple(sorted({name for chosen in sets for name in chosen}))
    flags = np.array([[name in chosen for name in names] for chosen in sets], bool)
    flags = flags.reshape(len(sets), len(names))[[sets[chosen] for chosen in genres]]
    return Movies(np.array(list(ids), np.int64), tuple(titles), flags, names)


def _lines(text: str) -> Iterator[tuple[int, str]]:
    # Not `splitlines`, which also cuts at characters that Latin-1 titles may contain.
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            yield number, line.rstrip("\r")


def _fault(file: str, number: int, rule: str, line: str) -> DataError:
    return DataError(
        f"{file}, line {number}: {rule}. Received: {shortened(line)}. "
        "Correct the line or take the original file."
    )
