"""Checks of sequences: whether masks reach what is compared, and whether padding is compared."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tdrec.diagnostics.finding import OK, WARN, Finding
from tdrec.diagnostics.masks_seen import MasksSeen

MOST_ROWS = 0.5
"""Share of the rows that must end, or begin, with a run of one id for it to count as padding."""

RUN = 2
"""Places of one id that make a run."""


def check_masks(models: Mapping[str, MasksSeen], fields: tuple[str, ...]) -> Iterator[Finding]:
    """Looks whether the masks that models make reach what is compared.

    Args:
        models: By the model's name.
        fields: What of them is compared, such as `("low", "high", "prediction")`.

    Yields:
        WARN for a model whose mask does not get there; OK where masks do; nothing where no model
        makes one, or what is compared has no time axis.
    """
    lost: list[str] = []
    reached: dict[str, NDArray[np.bool_]] = {}
    for who, seen in models.items():
        names = [name for name in fields if name in seen.tokens]
        if not seen.are_made or not names:
            continue
        reached |= {f"{who}'s {name}": seen.masks[name] for name in names if name in seen.masks}
        if without := [name for name in names if name not in seen.masks]:
            made = f" (made by {_quoted(seen.makers)})" if seen.makers else ""
            last = f"the last layer that it reaches is {seen.last!r}" if seen.last else ""
            lost.append(
                f"The {who}'s mask{made} does not reach its {' and its '.join(without)}: "
                f"{last or 'no layer is given it'}."
            )
    shares = {name: float(1 - mask.mean()) for name, mask in reached.items()}
    if lost:
        yield Finding(
            "masks",
            WARN,
            f"{' '.join(lost)} Padding counts there as tokens do.",
            "Give that layer `supports_masking = True`, or a `compute_mask` that returns the mask. "
            "An operation of keras.ops, or a Lambda, drops a mask too: put it into such a layer.",
            {"masked_share": shares},
        )
    elif shares:
        text = ", ".join(f"{name} {share:.0%}" for name, share in shares.items())
        yield Finding(
            "masks", OK, f"Masks reach what is compared. Left out: {text}.", None,
            {"masked_share": shares},
        )  # fmt: skip


class Padding(NamedTuple):
    """What inputs seem to be filled up with.

    Attributes:
        value: The id.
        place: `"end"` or `"begin"`, of the rows.
        rows: Share of the rows that have a run of it there.
        tokens: Share of all places that these runs are.
    """

    value: int
    place: str
    rows: float
    tokens: float


def padding_of(ids: NDArray[Any]) -> Padding | None:
    """The padding of rows of ids, if most of them end or begin with a run of one id.

    Args:
        ids: Shape `(rows, time)`.

    Returns:
        That with more tokens, of the two ends; None where there is none, and where all ids are one.

    Example:
        >>> padding_of(np.array([[4, 2, 0, 0], [7, 0, 0, 0], [1, 2, 3, 4]]))
        Padding(value=0, place='end', rows=0.66..., tokens=0.41...)
    """
    found = []
    for place, rows in (("end", ids[:, ::-1]), ("begin", ids)):
        values, counts = np.unique(rows[:, 0], return_counts=True)
        value = values[counts.argmax()]
        runs = np.cumprod(rows == value, axis=1).sum(axis=1)
        share = float((runs >= RUN).mean())
        if share > MOST_ROWS and (runs < ids.shape[1]).any():
            found.append(Padding(int(value), place, share, float(runs.mean() / ids.shape[1])))
    return max(found, key=lambda each: each.tokens, default=None)


def check_padding(models: Mapping[str, MasksSeen], fields: tuple[str, ...]) -> Iterator[Finding]:
    """Looks whether padding is compared as if it were tokens.

    Args:
        models: By the model's name.
        fields: As in `check_masks`.

    Yields:
        WARN where what is compared has a place for each id, has no mask, and most rows of the ids
        end or begin with a run of one.
    """
    parts, figures = [], {}
    for who, seen in models.items():
        for padding, ids in ((padding_of(ids), ids) for ids in seen.ids if ids.shape[1] >= RUN):
            names = [
                name
                for name in fields
                if seen.tokens.get(name) == ids.shape[1] and name not in seen.masks
            ]
            if padding is None or not names:
                continue
            figures[who] = {**padding._asdict(), "compared": names}
            parts.append(
                f"the {who}'s {' and '.join(names)} ({padding.tokens:.0%} of the tokens: "
                f"{padding.rows:.0%} of the rows {padding.place} with a run of id {padding.value})"
            )
    if parts:
        yield Finding(
            "padding",
            WARN,
            f"Padding is compared as if it were tokens, in {' and in '.join(parts)}.",
            "Have the model make a mask: Embedding(..., mask_zero=True) for id 0, or Masking; "
            "terms and losses then leave padding out. Or weigh it with 0: a sample_weight of "
            "shape (rows, time).",
            figures,
        )


def _quoted(names: tuple[str, ...]) -> str:
    return ", ".join(map(repr, names))
