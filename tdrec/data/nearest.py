"""What somebody may have meant by a name that there is not."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

_LOOKED_AT = 10_000
"""More names take seconds to compare."""


def nearest(name: str, names: Sequence[str]) -> str:
    """ "Did you mean ...?", or what there is to choose from."""
    lower = [each.lower() for each in names[:_LOOKED_AT]]
    close = difflib.get_close_matches(name.lower(), lower, 1, 0.5)
    if close:
        found = next(each for each in names if each.lower() == close[0])
        return f"Did you mean {found!r}?"
    shown = ", ".join(names[:20]) + (", ..." if len(names) > 20 else "")
    return f"Choose from: {shown}."
