"""Checks of states and messages: whether they say anything of a row, and how alike they are."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tdrec.diagnostics.effective_rank import effective_rank
from tdrec.diagnostics.finding import FAIL, OK, STATUSES, WARN, Finding
from tdrec.diagnostics.states import States

SCALE_RATIO = 1e4
"""Mean squares of two models' states further apart than this (100 times in size) warn: a distance
between states is then all of one model's."""

DEAD_SHARE = 0.5
"""Share of a state's units that are the same in all rows, beyond which a check warns. Some dead
units are usual after a relu."""

MIN_RANK = 2.0
"""Effective rank below which messages of more than two units count as collapsing: they vary along
one line only, and a decoder can recover no more than one number from them."""

MIN_VARIANCE = 1e-4
"""Share of the messages' mean square that varies over the rows, below which they count as
collapsing: a message is then a constant but for 1% of its size."""


def check_states(student: States, teacher: States) -> Iterator[Finding]:
    """Compares the size of both models' states, and counts units that never move.

    Args:
        student: By name, shape `(rows, ..., dim)`.
        teacher: The same; empty if there is none.

    Yields:
        A finding on size, and one on dead units.
    """
    both = {"student": student, "teacher": teacher}
    states = {
        f"{who}'s {name}": values
        for who, found in both.items()
        for name, values in found.items()
        if name in ("low", "high")
    }
    squares = {n: float(np.square(v, dtype=np.float64).mean()) for n, v in states.items()}
    apart = [
        name
        for name in ("low", "high")
        if name in student and name in teacher
        if not 1 / SCALE_RATIO
        <= (squares[f"student's {name}"] + 1e-300) / (squares[f"teacher's {name}"] + 1e-300)
        <= SCALE_RATIO
    ]
    text = f"Mean squares: {', '.join(f'{name} {s:.3g}' for name, s in squares.items())}."
    figures: dict[str, Any] = {"mean_square": squares}
    if apart:
        yield Finding(
            "scale",
            WARN,
            f"{text} The {' and the '.join(apart)} state of the two models differ more than "
            f"{SCALE_RATIO**0.5:g} times in size.",
            "Put a LayerNormalization at the cut of the larger one, or lower the weights of the "
            "losses between states.",
            figures,
        )
    else:
        yield Finding("scale", OK, text, None, figures)
    dead = {}
    for name, values in states.items():
        units = values.reshape(-1, values.shape[-1])
        dead[name] = float((units == units[:1]).all(axis=0).mean())
    worst = max(dead.values(), default=0.0)
    shares = ", ".join(f"{name} {share:.0%}" for name, share in dead.items())
    status, remedy = OK, None
    if worst > DEAD_SHARE:
        status = FAIL if worst == 1.0 else WARN
        remedy = (
            "Such units say nothing of a row. Lower the learning rate, take another activation "
            "than relu, or another cut."
        )
    text = f"Units that are the same in all rows: {shares}."
    yield Finding("units", status, text, remedy, {"dead_share": dead})


def check_messages(messages: Mapping[str, NDArray[Any]]) -> Iterator[Finding]:
    """Looks whether the encoders still tell rows apart.

    Args:
        messages: By what is said of them, such as `"student's, now"`, shape `(rows, ..., dim)`.

    Yields:
        WARN below `MIN_RANK` or `MIN_VARIANCE`, FAIL for messages that are all the same; none where
        the method has no messages.
    """
    if not messages:
        return
    status, figures, parts = OK, {}, []
    for name, values in messages.items():
        vectors = values.reshape(-1, values.shape[-1]).astype(np.float64)
        size = np.square(vectors).mean()
        variance = float(vectors.var(axis=0).mean())
        share = variance / size if size else 0.0
        rank = effective_rank(vectors) if np.isfinite(vectors).all() else float("nan")
        figures[name] = {"effective_rank": rank, "variance": variance, "variance_share": share}
        parts.append(f"{name} {rank:.1f} of {vectors.shape[1]} (variance {variance:.2g})")
        if not rank > 0:
            status = FAIL
        elif share < MIN_VARIANCE or (vectors.shape[1] > 2 and rank < MIN_RANK):
            status = max(status, WARN, key=STATUSES.index)
    text = f"Effective rank of the messages: {', '.join(parts)}."
    if status == OK:
        yield Finding("messages", OK, text, None, figures)
    else:
        yield Finding(
            "messages",
            status,
            f"{text} They are collapsing: rows are hardly told apart.",
            "Lower the weight of the message loss and raise that of the state loss, which only "
            "messages that carry the states can meet; or take distance='cosine'.",
            figures,
        )


def check_alignment(table: Mapping[tuple[str, str], float]) -> Iterator[Finding]:
    """Reports how alike both models' states are.

    Args:
        table: What `cka_table` gives.

    Yields:
        A finding for the reader, never a warning; none where nothing could be compared.
    """
    if not table:
        return
    same = {own: value for (own, its), value in table.items() if own == its}
    text = ", ".join(f"{name} {value:.2f}" for name, value in same.items())
    figures = {f"{own}/{its}": value for (own, its), value in table.items()}
    yield Finding("alignment", OK, f"CKA of student and teacher (1: alike): {text}.", None, figures)
