"""Keys: hashes by which results and cached models are known, of the code that makes them too."""

import ast
import contextlib
import hashlib
import importlib.util
import json
from functools import cache
from pathlib import Path
from typing import Any

import tdrec

_ROOT = Path(tdrec.__file__).parent
_DECIDES_NOTHING = (
    *("cli", "report", "integrations"),
    *("run.py", "study.py", "doctor.py", "describe.py", "__main__.py"),
    *("export/export.py", "export/formats.py"),
    *("tasks/genre_report.py", "tasks/segment_report.py", "tasks/image_report.py"),
    "tasks/next_movie_report.py",
    "tasks/paper_tables.py",
)
"""What of tdrec no figure depends on: it comes after the runs, or is not part of them."""


def key_of(*parts: Any) -> str:
    """A hash of what decides something.

    Args:
        parts: Anything that JSON can write.

    Returns:
        16 hexadecimal digits.

    Example:
        >>> key_of("Drama", {"rounds": 2}) == key_of("Drama", {"rounds": 2})
        True
    """
    text = json.dumps(parts, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@cache
def code_version(*names: str) -> str:
    """A hash of tdrec's code, so that what older code has made is not taken for what this makes.

    Comments and docstrings have no part in it.

    Args:
        names: Files and packages below `tdrec/` that decide, such as `"data"`. Default: all but
            what shows and exports results.

    Returns:
        16 hexadecimal digits.
    """
    kept = []
    for path in sorted(_ROOT.rglob("*.py")):
        name = path.relative_to(_ROOT).as_posix()
        decides = not name.startswith(_DECIDES_NOTHING) if not names else name.startswith(names)
        if decides:
            kept.append([name, _bare(path.read_text(encoding="utf-8"))])
    return key_of(kept)


@cache
def own_code(module: str) -> str | None:
    """A hash of a module of one's own, as `code_version` makes them; None for tdrec's.

    Args:
        module: Its name.

    Raises:
        ValueError: If it cannot be found.
    """
    if module.split(".")[0] == "tdrec":
        return None
    spec = None
    with contextlib.suppress(ImportError, ValueError):
        spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        raise ValueError(
            "A method or task of one's own must be in a file that other processes can import. "
            f"Received: the module {module!r}. Put its folder on PYTHONPATH."
        )
    return key_of(_bare(Path(spec.origin).read_text(encoding="utf-8")))


def _bare(source: str) -> str:
    """The source without comments and docstrings."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [each for each in body if not _is_text(each)]  # type: ignore[attr-defined]
    return ast.dump(tree)


def _is_text(node: Any) -> bool:
    return isinstance(node, ast.Expr) and isinstance(getattr(node.value, "value", None), str)
