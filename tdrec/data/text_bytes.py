"""A look at all bytes of a text, for what pyarrow does not say."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

PIECE = 1 << 20
"""Of how many bytes a thread looks at once: what it makes of them stays in a core's cache."""

_OVERLAP = 3  # bytes that are looked at with the next piece
_ZERO, _MINUS, _SPACE, _QUOTE = b'0- "'
_FEED, _RETURN = b"\n\r", b"\r\n"  # an end of a line, and the other
_POINT, _NINE = b".9"  # from one to the other there are digits and a slash
_AFTER_ZERO = np.zeros(256, bool)
_AFTER_ZERO[list(b"0123456789xX")] = True

T = TypeVar("T")


class Look(NamedTuple):
    """What the bytes of a text, or some of them, hold.

    Attributes:
        has_zero_byte: Whether there is a byte 0.
        has_quotes: Whether there is a quote.
        has_zeros_first: Whether a field may begin as 007 or 0x7 do.
    """

    has_zero_byte: bool
    has_quotes: bool
    has_zeros_first: bool


def is_of_bytes(encoding: str) -> bool:
    """Whether a plain letter is one byte in an encoding, as in UTF-8, and unlike in UTF-16."""
    return "a,".encode(encoding).endswith(b"a,")


def look_at(data: Any, separator: str, encoding: str, for_zeros: bool = True) -> Look:
    """Looks at all bytes, with a thread for each core.

    Args:
        data: The text, as bytes or a buffer of them.
        separator: What stands between fields.
        encoding: Of the text; of one whose letters are not of bytes it is said that there may be
            anything but a byte 0.
        for_zeros: Whether to look for zeros that fields begin with. Default True; else it is said
            that there may be some.
    """
    if not is_of_bytes(encoding):
        return Look(False, True, True)
    starts = np.zeros(256, bool)  # what may stand before a field
    starts[list(b'\r\n"' + separator.encode(encoding, "replace")[-1:])] = True

    def look(window: NDArray[np.uint8]) -> Look:
        return Look(
            not window.all(),
            bool((window == _QUOTE).any()),
            for_zeros and _zeros_first(window, starts),
        )

    found = _of_windows(data, look)
    return Look(
        any(each.has_zero_byte for each in found),
        any(each.has_quotes for each in found),
        any(each.has_zeros_first for each in found) or not for_zeros,
    )


def lines_in(data: Any) -> int:
    """How many lines there are that are not empty, in a text whose letters are of bytes."""
    found = _of_windows(data, lambda window: (_ends(window, *_FEED), _ends(window, *_RETURN)))
    feeds, returns = (sum(each[i] for each in found) for i in (0, 1))
    return (feeds or returns) + (bytes(data[-1:]) not in (b"", b"\n", b"\r"))


def _of_windows(data: Any, of: Callable[[NDArray[np.uint8]], T]) -> list[T]:
    """What threads find of each piece, before which are the last bytes of the one before."""
    whole = np.frombuffer(data, np.uint8)
    first = np.concatenate([np.full(_OVERLAP, ord("\n"), np.uint8), whole[:PIECE]])
    later = (whole[at - _OVERLAP : at + PIECE] for at in range(PIECE, whole.size, PIECE))
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        return list(pool.map(of, chain([first], later)))


def _zeros_first(data: NDArray[np.uint8], starts: NDArray[np.bool_]) -> bool:
    """Whether a field may begin as 007 or 0x7 do."""
    # Of each 0 the byte before it, and the byte after it; before a sign or a space, the field.
    beyond = data[1:-2] - np.uint8(_POINT) > _NINE - _POINT  # unsigned: below is beyond, too
    at = np.flatnonzero((data[2:-1] == _ZERO) & beyond) + 2
    at = at[_AFTER_ZERO[data[at + 1]]]
    first = data[at - 1]
    signed = (first == _MINUS) | (first == _SPACE)
    return bool((starts[first] | (signed & starts[data[at - 2]])).any())


def _ends(data: NDArray[np.uint8], end: int, other: int) -> int:
    """How many bytes, but for those of the piece before, end a line that is not empty."""
    at = np.flatnonzero(data[_OVERLAP:] == end) + _OVERLAP
    is_end = (data == end) | (data == other)
    empty = (data[at - 1] == end) | ((data[at - 1] == other) & is_end[at - 2])
    return int(at.size - np.count_nonzero(empty))
