"""Read columns of somebody's own table: csv and its kin, Parquet, or a folder of parts.

The engine is pyarrow's, which reads in columns. Where it stumbles, the file is gone through line by
line to say where, and what is wrong.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tdrec.data.error import DataError
from tdrec.data.nearest import nearest
from tdrec.data.parquet_tables import parquet_file, read_parquet
from tdrec.data.table_values import As, without_gaps
from tdrec.data.text_files import TextFile
from tdrec.data.text_tables import read_text
from tdrec.runtime.files import user_path

TEXT = (".csv", ".tsv", ".dat", ".txt")
PARQUET = (".parquet", ".pq")


@dataclass(frozen=True)
class TableFiles:
    """The files of a table, and how they are written.

    Args:
        path: A file named as `.csv`, `.tsv`, `.dat`, `.txt` (each maybe with `.gz` after it) or
            `.parquet`, or a folder of parts of one of these kinds, of which some may have no row.
        separator: What stands between fields of text. Default None: what the first line has most
            of, which is a comma in `.csv` and a tab in `.tsv` if there are as many of another.
        encoding: Of text. Default "utf-8".

    Raises:
        DataError: If there is no such file, or a folder with files of none or of several kinds.
    """

    path: str
    separator: str | None = None
    encoding: str = "utf-8"

    @property
    def files(self) -> list[Path]:
        """The file, or the parts in the order of their names."""
        path = user_path(self.path)
        if not path.exists():
            raise DataError(
                f"A table must exist. Received: {self.path!r}, which does not. Give a file of "
                f"{', '.join((*TEXT, *PARQUET))}, or a folder of parts."
            )
        if not path.is_dir():
            _kind(path)
            return [path]
        parts = [
            each
            for each in sorted(path.rglob("*"))
            if each.is_file() and not any(p.startswith((".", "_")) for p in _below(path, each))
        ]
        kinds = {_kind(each) for each in parts}
        if len(kinds) != 1:
            raise DataError(
                "A folder of a table must hold parts of one kind, csv or Parquet. Received: "
                f"{path} with {', '.join(sorted(kinds)) or 'no files'}. Name a file, or a folder "
                "of parts alone."
            )
        return parts

    def header(self) -> list[str]:
        """The names of the columns, of the first part.

        Raises:
            DataError: If they cannot be read.
        """
        return self._header(self.files[0])

    def read(self, columns: Mapping[str, As]) -> dict[str, Any]:
        """Reads columns, of all parts one after the other.

        Args:
            columns: How each is read, by its name; by its number from 1 where a text has no header,
                if all of them are numbers.

        Returns:
            By name a pyarrow `ChunkedArray`: of int64 or of strings in a dictionary for "id", of
            strings in a dictionary for "word", of float64 for "number", of int64 seconds for
            "time", and of float64 or strings in a dictionary for "auto". What is missing is null;
            in text that is an empty field, or one of `MISSING_WORDS`.

        Raises:
            DataError: If a column is missing, or a line cannot be read as it is to be.
        """
        import pyarrow as pa

        files = self.files
        parts = [self._read(file, columns) for file in files]
        types = {name: {part[name].type for part in parts} - {pa.null()} for name in columns}
        if mixed := [name for name in columns if len(types[name]) > 1]:  # numbers here, words there
            columns = {**columns, **dict.fromkeys(mixed, "word")}
            parts = [self._read(file, columns) for file in files]
        found = {}
        for name in columns:
            of_parts = without_gaps([part[name] for part in parts], columns[name])
            chunks = [chunk for each in of_parts for chunk in each.chunks]
            found[name] = pa.chunked_array(chunks, of_parts[0].type).unify_dictionaries()
            if not len(found[name]):
                raise DataError(
                    f"{self.path} must have at least one row. Received: a header only. Name "
                    "another file."
                )
        return found

    def _text(self, file: Path) -> TextFile:
        return TextFile(file, self.separator, self.encoding)

    def _header(self, file: Path) -> list[str]:
        if _kind(file) == "parquet":
            if self.separator is not None:
                raise DataError(
                    f"A separator is of text. Received: {self.separator!r} beside {file.name}. "
                    "Leave out --separator."
                )
            return list(parquet_file(file).schema_arrow.names)
        return self._text(file).header()

    def _read(self, file: Path, columns: Mapping[str, As]) -> dict[str, Any]:
        header, is_text = self._header(file), _kind(file) == "text"
        numbered = [str(place) for place in range(1, len(header) + 1)]
        by_number = is_text and all(name.isdecimal() for name in columns)
        has_header = not by_number or header == numbered
        header = numbered if by_number else header
        for name in columns:
            if header.count(name) != 1:
                is_there = name in header
                raise DataError(
                    f"{file.name} must have the column {name!r} "
                    f"{'once, not several times' if is_there else 'in its header'}. "
                    f"Received: {', '.join(map(repr, header[:20]))}. "
                    f"{'Rename one of them.' if is_there else nearest(name, header)}"
                )
        if not is_text:
            return read_parquet(file, columns)
        return read_text(self._text(file), columns, header, has_header)


def is_table(path: Path) -> bool:
    """Whether a file is one of a table of one's own, by its name."""
    return path.is_file() and path.name.lower().removesuffix(".gz").endswith((*TEXT, *PARQUET))


def _below(folder: Path, file: Path) -> tuple[str, ...]:
    return file.relative_to(folder).parts


def _kind(file: Path) -> Literal["text", "parquet"]:
    name = file.name.lower().removesuffix(".gz")
    if name.endswith(TEXT):
        return "text"
    if name.endswith(PARQUET):
        return "parquet"
    raise DataError(
        f"A table must be a file of {', '.join((*TEXT, *PARQUET))}, or a folder of them alone. "
        f"Received: {file}. Rename it, or write it as one of these."
    )
