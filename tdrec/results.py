"""Result rows on disk: one JSON object a line, so that an interrupted study loses one run at most.

Example:

    write_rows("runs/results.jsonl", rows)
    rows = read_rows("runs/results.jsonl")
"""

import hashlib
import json
import os
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

Row = Mapping[str, Any]


def read_rows(path: str | os.PathLike[str]) -> list[dict[str, Any]]:
    """Reads `results.jsonl`; blank lines are passed over.

    A last line without a line end that does not parse was cut off when its process was killed: it
    is left out with a warning, since its run is simply not finished.

    Raises:
        ValueError: any other line is not a JSON object; the message names the file and the line.
    """
    lines = Path(path).read_bytes().split(b"\n")
    rows = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError:  # of JSON, or of UTF-8 cut inside a character
            if number == len(lines):
                warnings.warn(
                    f"{path}, line {number}: the last line is cut off (its run was interrupted) "
                    "and is left out. Run the study again to finish that run.",
                    stacklevel=2,
                )
                continue
            row = None
        if not isinstance(row, dict):
            shown = line[:80].decode("utf-8", errors="replace")
            raise ValueError(
                f"{path}, line {number}: every line must be one JSON object. Received: {shown!r}. "
                "Delete the line and run the study again: only that run is repeated."
            )
        rows.append(row)
    return rows


def add_row(path: str | os.PathLike[str], row: Row) -> None:
    """Adds a row to a file of JSON lines, which is made if need be; the old file stays until the
    new one is complete."""
    write_rows(path, [*read_if_there(path), row])


def read_if_there(path: str | os.PathLike[str]) -> list[dict[str, Any]]:
    """As `read_rows`; no rows where there is no file."""
    return read_rows(path) if Path(path).exists() else []


def key_of(*parts: Any) -> str:
    """A hash of what decides a run, by which its row is known.

    Args:
        parts: anything that JSON can write.

    Returns:
        16 hexadecimal digits.
    """
    text = json.dumps(parts, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def write_rows(path: str | os.PathLike[str], rows: Iterable[Row]) -> None:
    """Writes the rows as JSON lines; the old file stays until the new one is complete."""
    replace_file(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def replace_file(path: str | os.PathLike[str], text: str) -> None:
    """Writes a text file in one step: whatever fails, the old file or the new one is there."""
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with open(temporary, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
