"""Provenance: the versions and the revision of the code that made a row."""

import os
import platform
import subprocess
from functools import cache
from importlib.metadata import version
from pathlib import Path

import tdrec


def versions(threads: int | None) -> dict[str, str]:
    """The versions of what figures depend on, and the threads of the process.

    Args:
        threads: Of the process; None for the machine's.

    Example:
        >>> sorted(versions(1))
        ['keras', 'python', 'tdrec', 'tensorflow', 'threads']
    """
    return {
        "python": platform.python_version(),
        "tensorflow": version("tensorflow"),
        "keras": version("keras"),
        "tdrec": tdrec.__version__,
        "threads": str(threads or os.cpu_count()),
    }


@cache
def git_revision() -> str | None:
    """The commit of the code, marked `-dirty` if it was changed; None outside of a checkout."""
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=5, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
