"""Paths as people write them; files and folders replaced in one step, so that whatever fails, the
old one or the new one is there."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

TEMPORARY = ".{}.tmp"
"""The name of what is being written; what is left of a process that was killed has it too."""


def user_path(path: str | os.PathLike[str]) -> Path:
    """A path that a person wrote: a `~` at its beginning is the home directory.

    A shell replaces it only where a word begins with it, so not in `--out=~/results`, and not in a
    configuration file. Where there is no such user, the path stays as it is.

    Args:
        path: The path.

    Returns:
        The path of the file.

    Example:
        >>> user_path("~/results") == Path.home() / "results"
        True
    """
    return Path(os.path.expanduser(path))


@contextlib.contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Gives a place to write to, and puts what was written there in the place of `path`.

    That is done at the end of the `with` block, once all is on the disk; after an error `path` is
    as it was. Several processes and threads may write the same path: the last one counts.

    A folder is replaced in two steps, the old one being moved aside and the new one put in its
    place; a process that is killed between them leaves the old one in a folder named as `TEMPORARY`
    says.

    Args:
        path: A file or a folder, of which a leading `~` is the home directory; the folder around it
            is made if need be.

    Yields:
        A path of the same name in a folder of its own, where there is nothing yet.

    Example:
        >>> with replacing("model.keras") as temporary:
        ...     student.save(temporary)
    """
    path = user_path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    before, _, after = TEMPORARY.partition("{}")
    scratch = tempfile.mkdtemp(prefix=f"{before}{path.name}.", suffix=after, dir=path.parent)
    try:
        temporary = Path(scratch, path.name)
        yield temporary
        for file in (temporary, *temporary.rglob("*")):
            if file.is_file():
                with open(file, "rb") as written:
                    os.fsync(written.fileno())
        _put(temporary, path, aside=Path(scratch, "old"))
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _put(new: Path, path: Path, aside: Path) -> None:
    if not (new.is_dir() and path.is_dir()):
        os.replace(new, path)
        return
    os.replace(path, aside)  # a folder cannot be replaced where it is
    try:
        os.replace(new, path)
    except OSError:
        os.replace(aside, path)
        raise


def replace_file(path: str | os.PathLike[str], content: str | bytes) -> Path:
    """Writes a file in one step, as `replacing` does; its folder is made if need be.

    Args:
        path: The file.
        content: Its text, which is written as UTF-8, or its bytes.

    Returns:
        The path.

    Example:
        >>> replace_file("notes/today.txt", "text").read_text()
        'text'
    """
    with replacing(path) as temporary:
        temporary.write_bytes(content.encode() if isinstance(content, str) else content)
    return user_path(path)


def remove_temporary(folder: str | os.PathLike[str]) -> None:
    """Removes what processes that were killed had begun to write in a folder and below it.

    Args:
        folder: That no other process writes to.
    """
    for path in list(user_path(folder).rglob(TEMPORARY.format("*"))):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def safe_name(text: str) -> str:
    """A text as a part of a file's name: what is no letter, digit or one of -_=.+ is a dash.

    Args:
        text: Of any letters and length; 80 are kept.
    """
    return "".join(c if c.isalnum() or c in "-_=.+" else "-" for c in text)[:80]
