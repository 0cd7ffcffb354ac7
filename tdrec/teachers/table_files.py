"""Which files a table is in: one, or the parts in a folder, or those in folders of it."""

import re
import warnings
from collections.abc import Iterable
from pathlib import Path

from tdrec.runtime.tfrecords import missing_parts

_NAME = re.compile(
    r"(?:^|[._-])(parquet|tfrecord)s?(?:-\d+-of-\d+)?(?:\.gz|\.gzip)?$", re.IGNORECASE
)


def kind_of(file: Path) -> str | None:
    """What a file holds, by its name.

    Args:
        file: Such as `scores.parquet`, or `scores.tfrecord-00000-of-00002`, as TFDS and Beam write.

    Returns:
        `"parquet"`, `"tfrecord"`, or None for any other.

    Example:
        >>> kind_of(Path("data_tfrecord-00000-of-00001.gz"))
        'tfrecord'
    """
    found = _NAME.search(file.name)
    return found[1].lower() if found else None


def checked_kind(file: Path) -> str:
    """As `kind_of`, for a file that must be one of the two. Raises ValueError for any other."""
    if kind := kind_of(file):
        return kind
    raise ValueError(
        f"A table is a file ending in .parquet or .tfrecord. Received: {str(file)!r}. Rename "
        "the file, or convert it to one of the two."
    )


def table_files(path: Path) -> tuple[str, list[Path]]:
    """The files of a table, in the order of their names.

    Args:
        path: A file, or a folder.

    Returns:
        Their kind, and the files.

    Raises:
        FileNotFoundError: If there is nothing.
        ValueError: If a folder has no tables, or some that do not belong together.
    """
    if not path.exists():
        raise FileNotFoundError(
            f"A table is read from a file. Received: {str(path)!r}, where there is nothing. Give "
            "a .parquet or .tfrecord file, or a folder of them."
        )
    if not path.is_dir():
        return checked_kind(path), [path]
    folders = sorted(p for p in path.iterdir() if p.is_dir() and not _is_hidden(p))
    files = _tables(path.iterdir())
    hive = _tables(file for f in folders if "=" in f.name for file in f.rglob("*"))
    if files and hive:
        raise ValueError(
            "The files of a table lie in one folder, or all of them in folders such as "
            f"genre=Drama. Received: {str(files[0])!r} and {str(hive[0])!r}. Name one of the "
            "folders, or move what is not of the table elsewhere."
        )
    kinds = {kind_of(file) for file in files or hive}
    if len(kinds) != 1:
        inside = [f.name for f in folders if not kinds and _tables(f.iterdir())]
        raise ValueError(
            "A folder must hold .parquet files or .tfrecord files. Received: "
            f"{'both' if kinds else 'neither'} in {str(path)!r}"
            f"{', but some in its folders ' + ', '.join(inside) if inside else ''}. "
            "Name a file, or another folder."
        )
    if hive and kinds != {"parquet"}:
        raise ValueError(
            "Folders such as genre=Drama are read of .parquet files. Received: "
            f"{str(hive[0])!r}. Name one of the folders, or write the table as Parquet."
        )
    if missing := missing_parts(file.name for file in files):
        warnings.warn(
            f"{str(path)!r} holds only some parts of a table. Missing: {', '.join(missing[:3])}"
            f"{', ...' if len(missing) > 3 else ''}. Their rows are not read.",
            stacklevel=3,
        )
    return checked_kind((files or hive)[0]), files or hive


def _tables(paths: Iterable[Path]) -> list[Path]:
    return sorted(p for p in paths if kind_of(p) and not _is_hidden(p) and p.is_file())


def _is_hidden(path: Path) -> bool:
    """Whether it is no data by its name, as `_SUCCESS` is, or was not finished."""
    return path.name.startswith((".", "_"))
