"""Names that every format can hold: those of the student where they can, else others near them."""

import keyword
import re
import unicodedata
from collections.abc import Iterable

_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_OF_TENSORFLOW = {"self"}  # what the function behind a signature has as an argument of its own


def served_names(names: Iterable[str], taken: Iterable[str] = ()) -> dict[str, str]:
    """The names under which inputs or outputs are in the files.

    A SavedModel's signature is a Python function whose arguments a TensorFlow graph names: blanks,
    letters beyond ASCII, Python's keywords, and names that differ by case, `-`, `.` and `_` only
    have no place there.

    Args:
        names: Different ones, as the student has them.
        taken: What they must differ from too. Default: nothing.

    Returns:
        By the student's name, the one in the files: the same wherever it can be.

    Example:
        >>> served_names(["user id", "class", "movie", "Movie"])
        {'user id': 'user_id', 'class': 'class_', 'movie': 'movie', 'Movie': 'Movie_2'}
    """
    names = list(names)
    used = {_as_one(name) for name in taken}
    kept = set()
    for name in names:
        if _PLAIN.fullmatch(name) and not _reserved(name) and _as_one(name) not in used:
            kept.add(name)
            used.add(_as_one(name))
    found = {}
    for name in names:
        found[name] = name if name in kept else _free(_near(name), used)
        used.add(_as_one(found[name]))
    return found


def _reserved(name: str) -> bool:
    return keyword.iskeyword(name) or name in _OF_TENSORFLOW


def _as_one(name: str) -> str:
    """What names have in common that TensorFlow takes for one."""
    return re.sub("[.-]", "_", name.lower())


def _near(name: str) -> str:
    """A plain name like this one."""
    letters = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    plain = re.sub("[^A-Za-z0-9_.-]+", "_", letters).strip("_.-") or "unnamed"
    return f"{plain}_" if _reserved(plain) else plain


def _free(name: str, used: set[str]) -> str:
    free, number = name, 2
    while _as_one(free) in used:
        free, number = f"{name}_{number}", number + 1
    return free
