"""A file of text as records of fields: how it is written, and where it is not as it should be."""

from __future__ import annotations

import csv as lines_of
import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from tdrec.data.error import DataError
from tdrec.data.raw_text import checked_bytes, shortened
from tdrec.data.text_bytes import is_of_bytes

SEPARATORS = ("\t", "::", ",", ";", "|")
_HEAD = 1 << 12
_LINE = 1 << 24
_MARKS = {
    b"PAR1": "what looks like Parquet: name it .parquet",
    b"\x1f\x8b": "what looks like gzip: name it .gz",
    b"PK": "what looks like a zip file or a spreadsheet: write it as csv",
}
"""What files begin with that are no text, and what to do about it."""


class Record(NamedTuple):
    """A row as it stands in the file: its first line, its last, both from 1, and its fields."""

    first: int
    last: int
    fields: list[str]


@dataclass(frozen=True)
class TextFile:
    """One file of text, whose first line has the names of its columns.

    Args:
        file: The file, which may be compressed.
        separator: What stands between fields. Default None: what the first line has most of, which
            is a comma in `.csv` and a tab in `.tsv` if there are as many of another.
        encoding: Of the text. Default "utf-8".
    """

    file: Path
    separator: str | None = None
    encoding: str = "utf-8"

    def header(self) -> list[str]:
        """The fields of the first line.

        Raises:
            DataError: If it cannot be read, or has no separator.
        """
        names = [name.strip() for name in self.head.fields]
        try:
            "".join(names).encode()
        except UnicodeEncodeError as error:
            raise self.undecodable() or self._not_text() from error
        return names

    @property
    def name(self) -> str:
        """Its name, for messages."""
        return self.file.name

    @contextmanager
    def opened(self) -> Iterator[Any]:
        """The bytes, no longer compressed.

        Raises:
            DataError: If they cannot be read.
        """
        import pyarrow as pa

        try:
            with pa.input_stream(str(self.file), compression="detect") as stream:
                yield stream
        except OSError as error:
            raise self._unreadable(error) from error

    def data(self) -> Any:
        """All bytes, no longer compressed, as a buffer.

        Raises:
            DataError: If they cannot be read.
        """
        with self.opened() as stream:
            return stream.read_buffer()

    def _unreadable(self, error: OSError) -> DataError:
        what = "a compressed file that is damaged, cut, or not compressed"
        what = os.strerror(error.errno) if error.errno else what
        return DataError(
            f"{self.name} must be readable. Received: {what.lower()}. Write or copy it again."
        )

    def _not_text(self) -> DataError:
        return DataError(
            f"{self.name} must be {self.encoding} text. Received: bytes that are not. Name "
            "its encoding: --encoding."
        )

    @cached_property
    def _first(self) -> tuple[int, str]:
        """How many empty lines there are first, and the line after them."""
        with self.opened() as stream:
            self._check_bytes(stream.read(_HEAD))
        before = 0
        with self.opened() as stream:
            text = self._text(stream)
            try:
                while (line := text.readline(_LINE)) and not line.strip():
                    before += 1
            except UnicodeError as error:
                raise self._not_text() from error
        if not line:
            raise DataError(f"{self.name} must have at least one row. Received: empty lines.")
        return before, line.rstrip("\r\n")

    def _check_bytes(self, data: bytes) -> None:
        for mark, what in _MARKS.items():
            if data.startswith(mark):
                raise DataError(f"{self.name} must be text. Received: {what}.")
        if not data or (is_of_bytes(self.encoding) and 4 * data.count(0) >= len(data)):
            checked_bytes(data, self.name)

    def _text(self, stream: Any) -> io.TextIOWrapper:
        is_utf8 = self.encoding.lower() in ("utf-8", "utf8")
        encoding = "utf-8-sig" if is_utf8 else self.encoding
        return io.TextIOWrapper(stream, encoding, errors="surrogateescape", newline="")

    @cached_property
    def between(self) -> str:
        """What stands between fields."""
        before, line = self._first
        place = f"{self.name}, line {before + 1}, must have"
        found = [each for each in SEPARATORS if each in line]
        if self.separator is not None:
            if self.separator in line:
                return self.separator
            hint = f"Perhaps it is {found[0]!r}." if found else "It has none at all."
            raise DataError(
                f"{place} the separator {self.separator!r}. Received: {shortened(line)}. {hint}"
            )
        if not found:
            raise DataError(
                f"{place} a separator between its columns. Received: {shortened(line)}. Name it "
                "by --separator."
            )
        suffix = Path(self.name.lower().removesuffix(".gz")).suffix
        usual = {".csv": ",", ".tsv": "\t"}.get(suffix)
        return max(found, key=lambda each: (line.count(each), each == usual, len(each)))

    @property
    def is_long(self) -> bool:
        """Whether the separator is more than one byte, so that no field has quotes."""
        return len(self.between.encode()) > 1

    @cached_property
    def head(self) -> Record:
        """The first record."""
        return next(self.records())

    def records(self, strict: bool = False) -> Iterator[Record]:
        """All records but empty lines.

        Args:
            strict: Whether to refuse what stands after a quote that is closed, and a quote that is
                not. Default False.

        Raises:
            DataError: If one cannot be read.
        """
        before, between = self._first[0], self.between
        with self.opened() as stream:
            text = self._text(stream)
            lines = islice(text, before, None)
            if self.is_long:
                for number, line in enumerate(lines, start=before + 1):
                    if line.strip("\r\n"):
                        yield Record(number, number, line.rstrip("\r\n").split(between))
                return
            reader, last = lines_of.reader(lines, delimiter=between, strict=strict), before
            try:
                for fields in reader:
                    if fields:
                        yield Record(last + 1, before + reader.line_num, fields)
                    last = before + reader.line_num
            except (lines_of.Error, UnicodeDecodeError) as error:
                raise DataError(
                    f"{self.name}, line {last + 1}, must be readable. Received: "
                    f"{shortened(str(error))}. Look for a quote that is not closed."
                ) from error

    def rows(self, has_header: bool) -> Iterator[Record]:
        """All records after the header."""
        return islice(self.records(), int(has_header), None)

    def undecodable(self) -> DataError | None:
        """What to say of the first line that is no text of the encoding."""
        if not is_of_bytes(self.encoding):
            return None
        with self.opened() as stream:
            for number, line in enumerate(io.BufferedReader(stream), start=1):
                try:
                    line.decode(self.encoding)
                except UnicodeDecodeError as error:
                    return DataError(
                        f"{self.name}, line {number}, must be {self.encoding} text. Received: "
                        f"byte 0x{line[error.start]:02x}. Name its encoding: --encoding=latin-1, "
                        f"or convert it: iconv -f LATIN1 -t UTF-8 {self.name}."
                    )
        return None

    def with_zero_byte(self) -> DataError:
        """What to say of the first line with a byte 0, which no text has."""
        with self.opened() as stream:
            lines = enumerate(io.BufferedReader(stream), start=1)
            number = next(number for number, line in lines if b"\0" in line)
        return DataError(
            f"{self.name}, line {number}, must be text. Received: a byte 0. Write or copy it again."
        )
