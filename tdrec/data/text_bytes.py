"""A look at all bytes of a text, for what pyarrow does not say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_PIECE = 1 << 20
_OVERLAP = 3  # bytes that are looked at with the next piece
_ZERO, _MINUS, _SPACE, _X, _FEED, _RETURN = b"0- x\n\r"


@dataclass(frozen=True)
class Look:
    """What the bytes of a text say.

    Args:
        lines: How many lines there are that are not empty; -1 if that is not known.
        has_zeros_first: Whether a field may begin as 007 or 0x7 do.
        zero_in: The line, from 1, with the first byte 0. None if there is none.
    """

    lines: int
    has_zeros_first: bool
    zero_in: int | None = None


def is_of_bytes(encoding: str) -> bool:
    """Whether a plain letter is one byte in an encoding, as in UTF-8, and unlike in UTF-16."""
    return "a,".encode(encoding).endswith(b"a,")


def look_at(stream: Any, separator: str, encoding: str, for_zeros: bool = True) -> Look:
    """Looks at all bytes.

    Args:
        stream: Where they are read from.
        separator: What stands between fields.
        encoding: Of the text.
        for_zeros: Whether to look for zeros that fields begin with. Default True; else it is said
            that there may be some.
    """
    if not is_of_bytes(encoding):
        return Look(-1, True)
    before = [*b'\r\n"', *separator.encode(encoding, "replace")[-1:]]  # a field
    feeds = returns = past = 0
    has_zeros, ending = not for_zeros, b"\n" * _OVERLAP
    while piece := stream.read(_PIECE):
        if b"\0" in piece:
            text = piece[: piece.index(b"\0")]
            return Look(-1, True, past + text.count(b"\n") + 1)
        data = np.frombuffer(ending + piece, np.uint8)
        past += int(np.count_nonzero(data[_OVERLAP:] == _FEED))
        feeds += _ends(data, _FEED, _RETURN)
        returns += _ends(data, _RETURN, _FEED)
        has_zeros = has_zeros or _zeros_first(data, before)
        ending = (ending + piece)[-_OVERLAP:]
    lines = feeds if past else returns
    return Look(lines + (ending[-1:] not in (b"\n", b"\r")), has_zeros)


def _ends(data: NDArray[np.uint8], end: int, other: int) -> int:
    """How many bytes, but for those of the piece before, end a line that is not empty."""
    is_end, is_other = data == end, data == other
    last, middle, first = (slice(_OVERLAP - i, len(data) - i) for i in range(3))
    empty = is_end[last] & is_end[middle]
    if is_other.any():
        empty |= is_end[last] & is_other[middle] & (is_end[first] | is_other[first])
    return int(np.count_nonzero(is_end[last]) - np.count_nonzero(empty))


def _zeros_first(data: NDArray[np.uint8], before: list[int]) -> bool:
    after = data[2:]
    is_more = (after - np.uint8(_ZERO) <= 9) | ((after | 32) == _X)
    at = np.flatnonzero((data[1:-1] == _ZERO) & is_more) + 1
    begins = np.zeros(256, bool)
    begins[before] = True
    first = data[at - 1]
    is_signed = (first == _MINUS) | (first == _SPACE)
    return bool((begins[first] | (is_signed & begins[data[np.maximum(at - 2, 0)]])).any())
