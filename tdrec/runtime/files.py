"""Files that are replaced in one step: whatever fails, the old file or the new one is there."""

import os
import shutil
from pathlib import Path

TEMPORARY = ".{}.tmp"
"""The name of what is being written; what is left of a process that was killed has it too."""


def replace_file(path: str | os.PathLike[str], content: str | bytes) -> Path:
    """Writes a file in one step; its folder is made if need be.

    Args:
        path: The file.
        content: Its text, which is written as UTF-8, or its bytes.

    Returns:
        The path.

    Example:
        >>> replace_file("notes/today.txt", "text").read_text()
        'text'
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(TEMPORARY.format(path.name))
    try:
        with open(temporary, "wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    return path


def remove_temporary(folder: str | os.PathLike[str]) -> None:
    """Removes what processes that were killed had begun to write in a folder and below it.

    Args:
        folder: That no other process writes to.
    """
    for path in Path(folder).rglob(TEMPORARY.format("*")):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
