"""What XLA compiles is kept on disk: a second run of a command need not compile its steps again."""

import hashlib
import os
import platform
from importlib.metadata import version
from pathlib import Path

from tdrec.runtime.files import user_path

LIMIT = 2**29
"""Bytes that are kept, 512 MiB. A compiled step of TD has 2.4 MB."""

_FLAG = "--tf_xla_persistent_cache_directory"


def keep_compiled(folder: str | Path) -> None:
    """Has TensorFlow's XLA keep what it compiles, and read it the next time.

    It is for a process of one's own: TensorFlow must not have been imported, since it reads
    `TF_XLA_FLAGS` then. If that variable already names a place, it is left as it is. Numbers do not
    depend on whether a step was read or compiled: it is the same machine code.

    Args:
        folder: Where to keep it, in a folder for each kind of processor, version of TensorFlow and
            set of XLA's flags. Of more than `LIMIT` bytes the oldest are removed.

    Raises:
        OSError: If the folder cannot be made.

    Example:
        >>> keep_compiled("cache")
        >>> os.environ["TF_XLA_FLAGS"]
        '--tf_xla_persistent_cache_directory="cache/xla-..."'
    """
    flags = os.environ.get("TF_XLA_FLAGS", "")
    if _FLAG in flags:
        return
    kind = "\n".join([version("tensorflow"), _processor(), os.environ.get("XLA_FLAGS", ""), flags])
    place = user_path(folder) / f"xla-{hashlib.sha256(kind.encode()).hexdigest()[:16]}"
    place.mkdir(parents=True, exist_ok=True)
    _remove_oldest(place)
    os.environ["TF_XLA_FLAGS"] = f'{flags} {_FLAG}="{place}"'.strip()


def _processor() -> str:
    """What code may be compiled for: code for one kind of processor can crash on another."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return f"{platform.machine()} {platform.processor()}"
    fields = ("model name", "flags", "Features")  # the last on ARM
    return "\n".join(sorted({line for line in lines if line.startswith(fields)}))


def _remove_oldest(place: Path) -> None:
    files = {file: file.stat() for file in place.iterdir()}
    kept = 0
    for file in sorted(files, key=lambda file: files[file].st_mtime, reverse=True):
        kept += files[file].st_size
        if kept > LIMIT:
            file.unlink(missing_ok=True)
