"""A look at all bytes of a text, for what pyarrow does not say."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice, repeat
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

_PIECE = 1 << 22
_OVERLAP = 3  # bytes that are looked at with the next piece
_ZERO, _MINUS, _SPACE, _FEED, _RETURN = b"0- \n\r"
_POINT, _NINE = b".9"  # between them there are digits and a slash
_AFTER_ZERO = np.zeros(256, bool)
_AFTER_ZERO[list(b"0123456789xX")] = True


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
    """Looks at all bytes, with a thread for each core.

    Args:
        stream: Where they are read from.
        separator: What stands between fields.
        encoding: Of the text.
        for_zeros: Whether to look for zeros that fields begin with. Default True; else it is said
            that there may be some.
    """
    if not is_of_bytes(encoding):
        return Look(-1, True)
    starts = np.zeros(256, bool)  # what may stand before a field
    starts[list(b'\r\n"' + separator.encode(encoding, "replace")[-1:])] = True
    feeds = returns = past = 0
    has_zeros, ending = not for_zeros, b"\n" * _OVERLAP
    with ThreadPoolExecutor(threads := os.cpu_count() or 1) as pool:
        pieces = iter(lambda: stream.read(_PIECE), b"")
        while some := list(islice(pieces, 2 * threads)):
            windows = []
            for piece in some:
                windows.append(ending + piece)
                ending = windows[-1][-_OVERLAP:]
            for piece, found in zip(
                some, pool.map(_Counts.of, windows, repeat(starts), repeat(for_zeros)), strict=True
            ):
                if found.has_zero_byte:
                    text = piece[: piece.index(b"\0")]
                    return Look(-1, True, past + text.count(b"\n") + 1)
                past += found.newlines
                feeds, returns = feeds + found.feeds, returns + found.returns
                has_zeros = has_zeros or found.has_zeros_first
    lines = feeds if past else returns
    return Look(lines + (ending[-1:] not in (b"\n", b"\r")), has_zeros)


class _Counts(NamedTuple):
    """What is in a piece, after the last bytes of the one before."""

    has_zero_byte: bool
    newlines: int
    feeds: int
    returns: int
    has_zeros_first: bool

    @classmethod
    def of(cls, window: bytes, starts: NDArray[np.bool_], for_zeros: bool) -> _Counts:
        data = np.frombuffer(window, np.uint8)
        ends = data == _FEED
        newlines = int(np.count_nonzero(ends[_OVERLAP:]))
        if b"\r" in window or (ends[1:] & ends[:-1]).any():
            feeds, returns = (_ends(data, *pair) for pair in ((_FEED, _RETURN), (_RETURN, _FEED)))
        else:  # no line is empty
            feeds, returns = newlines, 0
        return cls(
            b"\0" in window, newlines, feeds, returns, for_zeros and _zeros_first(data, starts)
        )


def _zeros_first(data: NDArray[np.uint8], starts: NDArray[np.bool_]) -> bool:
    """Whether a field may begin as 007 or 0x7 do."""
    # Of each 0 the byte before it, and the byte after it; before a sign or a space, the field.
    left = data[1:-2]
    at = np.flatnonzero((data[2:-1] == _ZERO) & ((left < _POINT) | (left > _NINE))) + 2
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
