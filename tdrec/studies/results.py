"""Results on disk: append-only JSON lines, one a run, written by one process at a time."""

import json
import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from filelock import FileLock, Timeout

from tdrec.runtime.files import remove_temporary, user_path
from tdrec.studies.row import Row

Line = TypeVar("Line")


@contextmanager
def only_writer(folder: str | os.PathLike[str]) -> Iterator[Path]:
    """Holds a folder of results for this process; it is made if need be.

    Args:
        folder: The folder. What earlier processes had begun to write in it is removed.

    Raises:
        ValueError: If another process holds it.
    """
    path = user_path(folder)
    path.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(path / ".lock", blocking=False):
            remove_temporary(path)
            yield path
    except Timeout as error:
        raise ValueError(
            f"One process at a time must write to a folder of results. Received: {path}, which "
            "another one is writing to. Wait for it, or name another folder by --out."
        ) from error


def read_lines(path: str | os.PathLike[str], read: Callable[[str], Line]) -> list[Line]:
    """Reads a file of JSON lines; blank ones are passed over, and no file has no lines.

    A last line without its end, and no whole row, was cut when its process was killed: it is left
    out with a warning, since its run is simply not finished.

    Args:
        path: The file.
        read: Makes something of a line, or raises ValueError.

    Raises:
        ValueError: If another line cannot be read; the message names the file and the line.
    """
    path = user_path(path)
    found = []
    lines = path.read_bytes().split(b"\n") if path.exists() else []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            found.append(read(line.decode("utf-8")))
        except ValueError as error:
            if number == len(lines):
                warnings.warn(
                    f"{path}, line {number}: the last line is cut off (its run was interrupted) "
                    "and is left out. The same command finishes that run.",
                    stacklevel=2,
                )
                continue
            raise ValueError(
                f"{path}, line {number}: {error}. Delete the line and run the same command again: "
                "only that run is repeated."
            ) from error
    return found


def read_rows(path: str | os.PathLike[str]) -> list[Row]:
    """The rows of a `results.jsonl`; none where there is no file. Raises as `read_lines` does."""
    return read_lines(path, Row.from_json)


@contextmanager
def appending(path: str | os.PathLike[str]) -> Iterator[Callable[[str], None]]:
    """Appends lines of JSON to a file, each on disk before the next; a cut last line is mended.

    Args:
        path: The file, which is made if need be.

    Yields:
        A function that appends one line.

    Example:
        >>> with appending("results.jsonl") as add:
        ...     add(row.to_json())
    """
    with open(user_path(path), "ab+") as file:
        file.seek(0)
        content = file.read()
        last = content[content.rfind(b"\n") + 1 :]
        try:
            json.loads(last or b"0")
            end = b"\n" if last else b""  # whole, but for its end
        except ValueError:
            file.truncate(len(content) - len(last))
            end = b""

        def add(line: str) -> None:
            nonlocal end
            file.write(end + line.encode("utf-8") + b"\n")
            file.flush()
            os.fsync(file.fileno())
            end = b""

        yield add
