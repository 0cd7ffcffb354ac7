"""Read a table of text: csv and its kin, by pyarrow, and where it stumbles line by line."""

from __future__ import annotations

import csv as lines_of
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

from tdrec.data.error import DataError
from tdrec.data.raw_text import checked_bytes, shortened
from tdrec.data.table_values import RULES, As, converted, fits

SEPARATORS = ("\t", "::", ",", ";", "|")
_MISSING = ("", "NA", "N/A", "NaN", "nan", "NULL", "null", "None")
_HEAD = 1 << 16
_LINES_OF_A_FIELD = 50


def _open(file: Path) -> Any:
    import pyarrow as pa

    return pa.input_stream(str(file), compression="detect")


@dataclass(frozen=True)
class TextTable:
    """One file of text, whose first line has the names of its columns.

    Args:
        file: The file, which may be compressed.
        separator: What stands between fields. Default None: a comma in `.csv`, a tab in `.tsv`,
            else what the first line has.
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
        if len(self.between) > 1:
            fields = self._first.split(self.between)
        else:
            fields = next(lines_of.reader([self._first], delimiter=self.between))
        return [name.strip() for name in fields]

    def read(
        self, columns: Mapping[str, As], header: Sequence[str], has_header: bool
    ) -> dict[str, Any]:
        """Reads columns, as `TableFiles.read` does.

        Args:
            columns: How each is read, by its name.
            header: The names of all columns.
            has_header: Whether the first line has them.
        """
        import pyarrow as pa

        reading = _Reading(self, columns, list(header), has_header)
        try:
            return reading.result()
        except OSError as error:
            raise DataError(f"{self.file} must be readable. Received: {error}.") from error
        except pa.ArrowInvalid as error:
            raise reading.fault(str(error)) from error

    @cached_property
    def _first(self) -> str:
        """The first line that is not empty."""
        try:
            with _open(self.file) as stream:
                data = stream.read(_HEAD)
        except OSError as error:
            raise DataError(f"{self.file} must be readable. Received: {error}.") from error
        if not self.encoding.lower().startswith("utf-16"):
            data = checked_bytes(data, self.file.name)
            data = data.lstrip(b"\r\n").split(b"\n", 1)[0]
        try:
            return data.decode(self.encoding).lstrip("\ufeff\r\n").split("\n", 1)[0].rstrip("\r")
        except UnicodeDecodeError as error:
            raise not_encoded(self.file, 1, data[error.start], self.encoding) from error

    @cached_property
    def between(self) -> str:
        """What stands between fields."""
        line, place = self._first, f"{self.file.name}, line 1, must have"
        found = [each for each in SEPARATORS if each in line]
        if self.separator is not None:
            if self.separator in line:
                return self.separator
            hint = f"Perhaps it is {found[0]!r}." if found else "It has none at all."
            raise DataError(
                f"{place} the separator {self.separator!r}. Received: {shortened(line)}. {hint}"
            )
        suffix = Path(self.file.name.lower().removesuffix(".gz")).suffix
        usual = {".csv": ",", ".tsv": "\t"}.get(suffix)
        if usual in found:
            return str(usual)
        if not found:
            raise DataError(
                f"{place} a separator between its columns. Received: {shortened(line)}. Name it "
                "by --separator."
            )
        return max(found, key=lambda each: (line.count(each), len(each)))

    def lines(self, has_header: bool) -> Iterator[tuple[int, int, list[str]]]:
        """Of each record its first line, its last, and its fields."""
        encoding = "utf-8-sig" if self.encoding.lower() in ("utf-8", "utf8") else self.encoding
        between = self.between
        with _open(self.file) as stream:
            text = io.TextIOWrapper(stream, encoding=encoding, errors="replace", newline="")
            if len(between) > 1:
                for number, line in enumerate(text, start=1):
                    if line.strip("\r\n") and number > int(has_header):
                        yield number, number, line.rstrip("\r\n").split(between)
                return
            reader, before = lines_of.reader(text, delimiter=between), 0
            try:
                for fields in reader:
                    if fields and before + 1 > int(has_header):
                        yield before + 1, reader.line_num, fields
                    before = reader.line_num
            except lines_of.Error as error:
                raise DataError(
                    f"{self.file.name}, line {before + 1}, must be readable. Received: {error}. "
                    "Look for a quote that is not closed."
                ) from error


@dataclass(frozen=True)
class _Reading:
    """Columns of one file, read in columns; and what is wrong where that fails."""

    table: TextTable
    columns: Mapping[str, As]
    header: list[str]
    has_header: bool

    def result(self) -> dict[str, Any]:
        import pyarrow as pa

        try:
            found = self._parsed(newlines=False)
        except pa.ArrowInvalid:
            found = self._parsed(newlines=True)
            self._check_quotes()
        if not len(found):
            raise DataError(
                f"{self.table.file.name} must have at least one row. Received: a header only."
            )
        return {name: converted(kind, found[name]) for name, kind in self.columns.items()}

    def _parsed(self, newlines: bool) -> Any:
        """The columns as pyarrow makes them; ids are strings if one is no whole number."""
        import pyarrow as pa

        types = {
            "word": pa.dictionary(pa.int32(), pa.string()),
            "number": pa.float64(),
            "id": pa.int64(),
        }
        wanted = {name: types[kind] for name, kind in self.columns.items() if kind in types}
        wanted |= dict.fromkeys(self._padded_ids(), types["word"])
        try:
            return self._table(wanted, newlines)
        except pa.ArrowInvalid:
            either = [name for name, kind in self.columns.items() if kind in ("id", "auto")]
            if all(wanted.get(name) == types["word"] for name in either):
                raise
            return self._table(wanted | dict.fromkeys(either, types["word"]), newlines)

    def _table(self, types: Mapping[str, Any], newlines: bool) -> Any:
        import pyarrow as pa
        from pyarrow import csv

        between = self.table.between
        is_long = len(between) > 1
        with _open(self.table.file) as stream:
            source = stream
            if is_long:  # a letter that no text has stands for it
                source = pa.BufferReader(stream.read().replace(between.encode(), b"\x1f"))
            return csv.read_csv(
                source,
                csv.ReadOptions(
                    column_names=self.header,
                    skip_rows=int(self.has_header),
                    encoding=self.table.encoding,
                ),
                csv.ParseOptions(
                    delimiter="\x1f" if is_long else between,
                    quote_char=False if is_long else '"',
                    newlines_in_values=newlines,
                ),
                csv.ConvertOptions(
                    include_columns=list(self.columns),
                    column_types=dict(types),
                    null_values=list(_MISSING),
                ),
            )

    def _padded_ids(self) -> set[str]:
        """Ids that begin with a zero, as those of one width do: words, though each is a number."""
        ids = {name: self.header.index(name) for name, kind in self.columns.items() if kind == "id"}
        found = set()
        for _, _, fields in islice(self.table.lines(self.has_header), 1000):
            for name, place in ids.items():
                text = fields[place].strip() if place < len(fields) else ""
                if len(text) > 1 and text[0] == "0" and text.isdecimal():
                    found.add(name)
        return found

    def _check_quotes(self) -> None:
        """Refuses a field of so many lines that its quote was hardly meant to be closed there."""
        for first, last, _ in self.table.lines(self.has_header):
            if last - first > _LINES_OF_A_FIELD:
                raise DataError(
                    f"{self.table.file.name}, line {first}: a field must not go over more than "
                    f"{_LINES_OF_A_FIELD} lines. Received: one that ends in line {last}. Look for "
                    "a quote that is not closed."
                )

    def fault(self, error: str) -> DataError:
        """What is wrong, and where: the first line that cannot be read as it is to be."""
        if found := self._undecodable():
            return found
        kinds = {name: (self.header.index(name), kind) for name, kind in self.columns.items()}
        file = self.table.file.name
        for first, _, fields in self.table.lines(self.has_header):
            if len(fields) != len(self.header):
                return DataError(
                    f"{file}, line {first}, must have {len(self.header)} fields, as the header "
                    f"has. Received: {len(fields)}: {shortened(' | '.join(fields))}. Correct or "
                    "remove the line; look for a quote that is not closed."
                )
            for name, (at, kind) in kinds.items():
                text = fields[at].strip()
                if text not in _MISSING and not fits(text, kind):
                    return DataError(
                        f"{file}, line {first}: {name} must be {RULES[kind]}. Received: "
                        f"{shortened(text)}. Correct or remove the line."
                    )
        return DataError(
            f"{file} must be readable as a table. Received: {shortened(error)}. Look for a quote "
            "that is not closed, or another separator: --separator."
        )

    def _undecodable(self) -> DataError | None:
        encoding = self.table.encoding
        if encoding.lower().startswith("utf-16"):
            return None
        with _open(self.table.file) as stream:
            for number, line in enumerate(io.BufferedReader(stream), start=1):
                try:
                    line.decode(encoding)
                except UnicodeDecodeError as error:
                    return not_encoded(self.table.file, number, line[error.start], encoding)
        return None


def not_encoded(file: Path, line: int, byte: int, encoding: str) -> DataError:
    """What to say of a byte that is no text of an encoding."""
    return DataError(
        f"{file.name}, line {line}, must be {encoding} text. Received: byte 0x{byte:02x}. Name its "
        f"encoding: --encoding=latin-1, or convert it: iconv -f LATIN1 -t UTF-8 {file.name}."
    )
