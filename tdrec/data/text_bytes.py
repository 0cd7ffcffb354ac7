"""A look at all bytes of a text, for what pyarrow does not say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_PIECE = 1 << 20
_OVERLAP = 3  # bytes that are looked at with the next piece
_ZERO, _MINUS, _SPACE = b"0- "
_AFTER_ZERO = b"0123456789xX"


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


def look_at(stream: Any, separator: str, encoding: str) -> Look:
    """Looks at all bytes.

    Args:
        stream: Where they are read from.
        separator: What stands between fields.
        encoding: Of the text.
    """
    if not is_of_bytes(encoding):
        return Look(-1, True)
    before = np.zeros(256, bool)  # what may stand before a field
    before[list(b'\r\n"' + separator.encode(encoding, "replace")[-1:])] = True
    after = np.zeros(256, bool)
    after[list(_AFTER_ZERO)] = True
    feeds = returns = past = 0
    has_zeros, ending = False, b"\n" * _OVERLAP
    while piece := stream.read(_PIECE):
        if b"\0" in piece:
            text = piece[: piece.index(b"\0")]
            return Look(-1, True, past + text.count(b"\n") + 1)
        data = np.frombuffer(ending + piece, np.uint8)
        past += piece.count(b"\n")
        feeds += _ends(data, ord("\n"), ord("\r"))
        returns += _ends(data, ord("\r"), ord("\n"))
        has_zeros = has_zeros or _zeros_first(data, before, after)
        ending = (ending + piece)[-_OVERLAP:]
    lines = feeds if past else returns
    return Look(lines + (ending[-1:] not in (b"\n", b"\r")), has_zeros)


def _ends(data: NDArray[np.uint8], end: int, other: int) -> int:
    """How many bytes, but for those of the piece before, end a line that is not empty."""
    at = np.flatnonzero(data[_OVERLAP:] == end) + _OVERLAP
    is_end = (data == end) | (data == other)
    empty = (data[at - 1] == end) | ((data[at - 1] == other) & is_end[at - 2])
    return int(at.size - np.count_nonzero(empty))


def _zeros_first(
    data: NDArray[np.uint8], before: NDArray[np.bool_], after: NDArray[np.bool_]
) -> bool:
    at = np.flatnonzero(data[1:-1] == _ZERO) + 1
    at = at[after[data[at + 1]]]
    first = data[at - 1]
    is_signed = (first == _MINUS) | (first == _SPACE)
    return bool((before[first] | (is_signed & before[data[np.maximum(at - 2, 0)]])).any())
