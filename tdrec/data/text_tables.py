"""Read a table of text: csv and its kin, by pyarrow, and where it stumbles line by line."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import Any

from tdrec.data.error import DataError
from tdrec.data.raw_text import shortened
from tdrec.data.table_values import (
    MISSING_WORDS,
    RULES,
    As,
    WrongValue,
    converted,
    fits,
    is_number,
    is_text,
)
from tdrec.data.text_bytes import Look, is_of_bytes, lines_in, look_at
from tdrec.data.text_columns import parsed
from tdrec.data.text_files import Record, TextFile

_STAND_INS = (b"\x1f", b"\x1e", b"\x1d", b"\x1c", b"\x01", b"\x02")
"""Letters that texts hardly have, to stand for a separator of several."""


def read_text(
    file: TextFile, columns: Mapping[str, As], header: Sequence[str], has_header: bool
) -> dict[str, Any]:
    """Reads columns, as `TableFiles.read` does of one file.

    Args:
        file: The file.
        columns: How each is read, by its name.
        header: The names of all columns.
        has_header: Whether the first line has them.

    Raises:
        DataError: If a line cannot be read as it is to be.
    """
    import pyarrow as pa

    reading = _Reading(file, columns, list(header), has_header)
    try:
        return reading.result()
    except (pa.ArrowException, UnicodeDecodeError) as error:
        raise reading.fault() from error


@dataclass(frozen=True)
class _Reading:
    """Columns of one file, read in columns; and what is wrong where that fails."""

    file: TextFile
    columns: Mapping[str, As]
    header: list[str]
    has_header: bool

    @cached_property
    def _data(self) -> Any:
        return self.file.data()

    def result(self) -> dict[str, Any]:
        import pyarrow as pa

        first = next(self.file.rows(self.has_header), None)
        if first is None:
            return {name: pa.chunked_array([pa.nulls(0)]) for name in self.columns}
        ids = [name for name, kind in self.columns.items() if kind == "id"]
        as_words = [name for name in ids if self._is_word(first, name)]
        look = self._look(for_zeros=len(as_words) < len(ids))
        # A number would lose zeros that it begins with.
        as_words = ids if look.has_zeros_first else as_words
        try:
            found = self._parsed(as_words, newlines=False)
        except pa.ArrowInvalid:
            found = self._parsed(as_words, newlines=True)
        # Rows that are fewer than lines have fields of several lines, or a quote not closed.
        if look.has_quotes and len(found) != self._lines():
            self._check_quotes()
        return {name: self._converted(name, found[name]) for name in self.columns}

    def _check_quotes(self) -> None:
        for _ in self.file.records(strict=True):
            pass

    def _converted(self, name: str, column: Any) -> Any:
        kind = self.columns[name]
        try:
            return converted(kind, column)
        except WrongValue as error:
            record = next(islice(self.file.rows(self.has_header), error.row, None))
            raise self._wrong(record, name) from error

    def _look(self, for_zeros: bool) -> Look:
        look = look_at(self._data, self.file.between, self.file.encoding, for_zeros)
        if look.has_zero_byte:
            raise self.file.with_zero_byte()
        return look

    def _lines(self) -> int:
        """How many lines there are after the header; -1 where that is not known."""
        if not is_of_bytes(self.file.encoding):
            return -1
        head = self.file.head
        return lines_in(self._data) - (head.last - head.first + 1 if self.has_header else 0)

    def _parsed(self, as_words: Sequence[str], newlines: bool) -> Any:
        """The columns as pyarrow makes them; ids are strings if one is no whole number."""
        import pyarrow as pa

        types = {
            "word": pa.dictionary(pa.int32(), pa.string()),
            "number": pa.float64(),
            "id": pa.int64(),
        }
        wanted = {name: types[kind] for name, kind in self.columns.items() if kind in types}
        wanted |= dict.fromkeys(as_words, types["word"])
        try:
            found = self._table(wanted, newlines)
        except pa.ArrowInvalid:
            ids = [name for name, kind in self.columns.items() if kind == "id"]
            if all(wanted[name] == types["word"] for name in ids):
                raise
            wanted |= dict.fromkeys(ids, types["word"])
            found = self._table(wanted, newlines)
        # What was taken for a date or for true and false: as it is written.
        odd = [
            name
            for name, kind in self.columns.items()
            if (kind == "auto" and not _is_plain(found[name].type))
            or (kind == "time" and pa.types.is_time(found[name].type))
            or (kind == "time" and pa.types.is_boolean(found[name].type))
        ]
        return self._table(wanted | dict.fromkeys(odd, types["word"]), newlines) if odd else found

    def _is_word(self, record: Record, name: str) -> bool:
        """Whether an id is no whole number, as far as one row shows."""
        at = self.header.index(name)
        return at < len(record.fields) and re.search("[^0-9 -]", record.fields[at]) is not None

    def _table(self, types: Mapping[str, Any], newlines: bool) -> Any:
        head, is_long = self.file.head, self.file.is_long
        data, between = self._rewritten() if is_long else (self._data, self.file.between)
        return parsed(
            data,
            self.header,
            types,
            between,
            wanted=list(self.columns),
            skip=head.last if self.has_header else head.first - 1,
            encoding="utf-8" if is_long else self.file.encoding,
            quotes=not is_long,
            newlines=newlines,
            missing=MISSING_WORDS,
        )

    def _rewritten(self) -> tuple[bytes, str]:
        """The bytes in UTF-8 with one letter for the separator, and that letter."""
        data = self._data.to_pybytes()
        if self.file.encoding.lower() not in ("utf-8", "utf8"):
            data = data.decode(self.file.encoding).encode()
        letter = next((each for each in _STAND_INS if each not in data), None)
        if letter is None:
            raise DataError(
                f"{self.file.name} must be text. Received: bytes of all control codes. Write "
                "it with a separator of one letter."
            )
        data = data.replace(self.file.between.encode(), letter)
        return data, letter.decode()

    def _wrong(self, record: Record, name: str) -> DataError:
        return DataError(
            f"{self.file.name}, line {record.first}: {name} must be "
            f"{RULES[self.columns[name]]}. Received: "
            f"{shortened(record.fields[self.header.index(name)].strip())}. Correct or remove the "
            "line."
        )

    def fault(self) -> DataError:
        """What is wrong, and where: the first line that cannot be read as it is to be."""
        if found := self.file.undecodable():
            return found
        kinds = {name: (self.header.index(name), kind) for name, kind in self.columns.items()}
        file = self.file.name
        for record in self.file.rows(self.has_header):
            fields = record.fields
            if len(fields) != len(self.header):
                return DataError(
                    f"{file}, line {record.first}, must have {len(self.header)} fields, as the "
                    f"first line has. Received: {len(fields)}: {shortened(' | '.join(fields))}. "
                    "Correct or remove the line; look for a quote that is not closed."
                )
            for name, (at, kind) in kinds.items():
                text = fields[at].strip()
                if text not in MISSING_WORDS and not fits(text, kind):
                    return self._wrong(record, name)
        self._check_quotes()
        return DataError(
            f"{file} must be readable as a table. Received: lines that are not. Look for a quote "
            "that is not closed, or another separator: --separator."
        )


def _is_plain(kind: Any) -> bool:
    import pyarrow as pa

    return is_number(kind) or is_text(kind) or bool(pa.types.is_null(kind))
