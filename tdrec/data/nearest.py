"""What somebody may have meant by a name that there is not."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

_LOOKED_AT = 10_000
"""More names take seconds to compare."""


def meant(name: str, names: Sequence[str]) -> str:
    """ "Did you mean ...?"; "" where nothing is like it."""
    lower = [each.lower() for each in names[:_LOOKED_AT]]
    close = difflib.get_close_matches(name.lower(), lower, 1, 0.5)
    if close:
        found = next(each for each in names if each.lower() == close[0])
        return f"Did you mean {found!r}?"
    return ""


def nearest(name: str, names: Sequence[str]) -> str:
    """ "Did you mean ...?", or what there is to choose from."""
    if hint := meant(name, names):
        return hint
    shown = ", ".join(names[:20]) + (", ..." if len(names) > 20 else "")
    return f"Choose from: {shown}."
