"""Read a file of ratings fast, and where something is wrong, name the line."""

from __future__ import annotations

import io
import os
import re
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tdrec.data.error import DataError
from tdrec.data.raw_text import UTF8_MARK, checked_bytes, shortened
from tdrec.data.text_columns import parsed

CSV_HEADER = "userId,movieId,rating,timestamp"
PIECE = 1 << 22
"""Of how many bytes a piece of a file is that a thread reads at once, but for the end of a line."""

_SHORTEST_LINE = 8  # four digits, what separates them, and the end
_WHOLE = re.compile(r"\s*\+?\d{1,19}\s*", re.ASCII)
_DECIMAL = re.compile(r"\s*\+?(\d+\.?\d*|\.\d+)(e\d+)?\s*", re.ASCII | re.IGNORECASE)


class RatingColumns(NamedTuple):
    """The four columns of a ratings file, each of shape `(rows,)`, in the order of the file."""

    user_ids: NDArray[np.int64]
    movie_ids: NDArray[np.int64]
    values: NDArray[Any]
    timestamps: NDArray[np.int64]


@dataclass(frozen=True)
class RatingTable:
    """How a ratings file is written and what it may hold.

    Each line is `user, movie, rating, timestamp`.

    Args:
        file: Name of the file, for messages.
        separator: What stands between the fields.
        has_header: Whether the first line is `userId,movieId,rating,timestamp`.
        scale: Lowest and highest rating.
    """

    file: str
    separator: str
    has_header: bool
    scale: tuple[float, float]

    def read(self, stream: BinaryIO, movie_ids: NDArray[np.int64]) -> RatingColumns:
        """Reads the whole file.

        Args:
            stream: The file, at its start.
            movie_ids: The movies of the catalogue.

        Raises:
            DataError: If the file has no rows, or a line breaks a rule; the first such line is
                quoted.
        """
        columns = self._read_fast(stream, movie_ids)
        if columns is None:
            stream.seek(0)
            data = self._with_rows(stream.read())
            columns = self._read_lines(data, set(movie_ids.tolist()))
        return columns

    def _read_fast(self, stream: BinaryIO, movie_ids: NDArray[np.int64]) -> RatingColumns | None:
        """What a reader of columns makes of the file; None where it meets what it does not know."""
        if stream.read(len(UTF8_MARK)) != UTF8_MARK:
            stream.seek(0)
        if self.has_header and stream.readline().strip() != CSV_HEADER.encode():
            return None
        start = stream.tell()
        most = (stream.seek(0, os.SEEK_END) - start) // _SHORTEST_LINE + 1
        stream.seek(start)
        # Memory is only taken where it is written to, and what is left over is given back.
        users, movies, times = (np.empty(most, np.int64) for _ in range(3))
        columns = RatingColumns(users, movies, np.empty(most), times)
        rows = 0
        for part in self._parts(stream, movie_ids):
            if part is None:
                return None
            end = rows + part.user_ids.size
            for column, of_part in zip(columns, part, strict=True):
                column[rows:end] = of_part
            rows = end
        for column in columns:
            column.resize(rows, refcheck=False)
            column.setflags(write=False)  # so that nobody need copy it
        return columns if rows else None

    def _parts(
        self, stream: BinaryIO, movie_ids: NDArray[np.int64]
    ) -> Iterator[RatingColumns | None]:
        """Of each piece its rows, in their order; threads read no more than a few pieces ahead."""
        threads = os.cpu_count() or 1
        reads: deque[Future[RatingColumns | None]] = deque()
        with ThreadPoolExecutor(threads) as pool:
            for piece in _pieces(stream):
                reads.append(pool.submit(self._read_piece, piece, movie_ids))
                if len(reads) > 2 * threads:
                    yield reads.popleft().result()
            while reads:
                yield reads.popleft().result()

    def _read_piece(self, piece: bytes, movie_ids: NDArray[np.int64]) -> RatingColumns | None:
        import pyarrow as pa

        # It reads 0x1f as a number, and takes the start of a piece for the start of a file.
        if b"x" in piece or b"X" in piece or piece.startswith(UTF8_MARK):
            return None
        kinds = {"user": pa.int64(), "movie": pa.int64(), "value": pa.float64(), "time": pa.int64()}
        try:
            table = parsed(piece, list(kinds), kinds, self.separator, threads=False)
        except pa.ArrowInvalid:
            return None
        if any(table[name].null_count for name in kinds):
            return None
        columns = RatingColumns(*(table[name].to_numpy() for name in kinds))
        return columns if self._is_sound(columns, movie_ids) else None

    def _is_sound(self, columns: RatingColumns, movie_ids: NDArray[np.int64]) -> bool:
        low, high = self.scale
        return bool(
            columns.user_ids.min(initial=1) >= 1
            and columns.movie_ids.min(initial=1) >= 1
            and columns.timestamps.min(initial=0) >= 0
            and ((columns.values >= low) & (columns.values <= high)).all()
            and np.isin(columns.movie_ids, movie_ids).all()
        )

    def _with_rows(self, data: bytes) -> bytes:
        """The text of the file, with its header, once it is one of ratings."""
        data = checked_bytes(data, self.file)
        if self.has_header:
            end = data.find(b"\n") + 1 or len(data)
            header = data[:end].decode("utf-8", "replace").strip()
            if header != CSV_HEADER:
                raise DataError(
                    f"{self.file}, line 1, must be the header {CSV_HEADER!r}. "
                    f"Received: {shortened(header)}. Take the original file."
                )
            if not data[end:].strip():
                raise DataError(f"{self.file} must have at least one row. Received: a header only.")
        return data

    def _read_lines(self, data: bytes, known_movies: set[int]) -> RatingColumns:
        """The same line by line, which says what is wrong, and where."""
        rows = []
        for number, line in enumerate(io.StringIO(data.decode("latin-1")), start=1):
            if (number == 1 and self.has_header) or not line.strip(" \r\n"):
                continue
            if fault := self._fault_of(line, known_movies):
                raise DataError(
                    f"{self.file}, line {number}: {fault}. Received: {shortened(line)}. "
                    "Correct or remove the line, or take the original file."
                )
            rows.append(line.rstrip("\r\n").split(self.separator))
        user, movie, value, time = zip(*rows, strict=True)
        whole = (np.array([int(text) for text in column]) for column in (user, movie, time))
        users, movies, times = whole
        return RatingColumns(users, movies, np.array([float(text) for text in value]), times)

    def _fault_of(self, line: str, known_movies: set[int]) -> str | None:
        fields = line.rstrip("\r\n").split(self.separator)
        if len(fields) != 4:
            return f"a line has 4 fields separated by {self.separator!r}, this one {len(fields)}"
        user, movie, value, time = fields
        for name, text in (("user id", user), ("movie id", movie)):
            if not (_is_whole(text) and int(text) >= 1):
                return f"the {name} must be a positive whole number"
        if not _DECIMAL.fullmatch(value):
            return "the rating must be a plain number"
        if not self.scale[0] <= float(value) <= self.scale[1]:
            return (
                f"the rating must be within the scale {self.scale[0]:g} to {self.scale[1]:g}, "
                f"not {float(value):g}"
            )
        if not _is_whole(time):
            return "the timestamp must be a whole number of seconds"
        if int(movie) not in known_movies:
            return f"the movie id must be in the file of movies, and {int(movie)} is not"
        return None


def _pieces(stream: BinaryIO) -> Iterator[bytes]:
    """Whole lines, some megabytes of them at a time."""
    while piece := stream.read(PIECE):
        yield piece + stream.readline()


def _is_whole(text: str) -> bool:
    return bool(_WHOLE.fullmatch(text)) and int(text) < 2**63
