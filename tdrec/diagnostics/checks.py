"""The checks of a diagnosis: arrays in, findings out.

Every threshold is a constant here, with its reason.
"""

import os
import resource
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tdrec.diagnostics.effective_rank import effective_rank
from tdrec.diagnostics.embedding_ids import IdRange
from tdrec.diagnostics.finding import FAIL, OK, STATUSES, WARN, Finding

States = Mapping[str, NDArray[Any]]

SCALE_RATIO = 1e4
"""Mean squares of two models' states further apart than this (100 times in size) warn: a distance
between states is then all of one model's."""

DEAD_SHARE = 0.5
"""Share of a state's units that are the same in all rows, beyond which a check warns. Some dead
units are usual after a relu."""

STRAY_SHARE = 0.01
"""Share of predictions that may be further from the labels' range than that range is wide."""

MIN_RANK = 2.0
"""Effective rank below which messages of more than two units count as collapsing: they vary along
one line only, and a decoder can recover no more than one number from them."""

MIN_VARIANCE = 1e-4
"""Share of the messages' mean square that varies over the rows, below which they count as
collapsing: a message is then a constant but for 1% of its size."""

EXPLODED = 1e4
"""Norm of a gradient beyond which a check warns."""

DROWNED = 1e3
"""Times the task's gradient beyond which that of a term warns: the labels are then not heard."""

VANISHED = 1e-7
"""Times the task's gradient below which that of a term counts as zero: it is lost in rounding."""

MEMORY_SHARE = 0.5
"""Share of the machine's memory beyond which stored targets warn: the rows need room as well."""


def check_rows(arrays: Mapping[str, NDArray[Any]]) -> Finding:
    """Looks for what is not a number in inputs, labels and sample weights.

    Args:
        arrays: By name, shape `(rows, ...)`; the labels' names begin with `"labels"`.

    Returns:
        FAIL for NaN or infinite values, WARN for labels that are all the same.
    """
    sick = {name: _sick_rows(values) for name, values in arrays.items()}
    rows = len(next(iter(arrays.values())))
    if any(sick.values()):
        where = ", ".join(f"{count:,} rows of {name}" for name, count in sick.items() if count)
        return Finding(
            "data",
            FAIL,
            f"There are NaN or infinite values in {where}, of {rows:,} rows.",
            "Drop these rows, or fill the values in, before training.",
            {"rows": rows, "not_finite": {k: v for k, v in sick.items() if v}},
        )
    for name, values in arrays.items():
        if name.startswith("labels") and (values == values[:1]).all():
            return Finding(
                "data",
                WARN,
                f"All {name} are the same: {values.flat[0]}.",
                "There is nothing to learn from them: check the column.",
                {"rows": rows},
            )
    return Finding("data", OK, f"All values of {rows:,} rows are finite.", None, {"rows": rows})


def check_ids(ranges: Sequence[IdRange], rows: int) -> list[Finding]:
    """Looks for ids without a row in their embedding table.

    Args:
        ranges: The ids seen.
        rows: How many rows were looked at.

    Returns:
        FAIL for an id below 0 or beyond a table's end; nothing where no table was asked.
    """
    ranges = [r for r in ranges if r.was_asked]
    if not ranges:
        return []
    figures = {f"{r.owner}/{r.table}": [r.least, r.greatest, r.size] for r in ranges}
    bad = "; ".join(
        f"the {r.owner}'s {r.table!r} has rows 0 to {r.size - 1} and was asked for {r.least} to "
        f"{r.greatest}"
        for r in ranges
        if not r.is_sound
    )
    if not bad:
        text = f"The ids of {rows:,} rows are in range, in {len(ranges)} embedding tables."
        return [Finding("ids", OK, text, None, figures)]
    return [
        Finding(
            "ids",
            FAIL,
            f"There are ids out of range: {bad}.",
            "Make the table larger, or map unknown ids to an out-of-vocabulary row. Nothing raises "
            "for -1, nor for any on a GPU.",
            figures,
        )
    ]


def check_finite(outputs: Mapping[str, States]) -> Finding:
    """Looks for what is not a number in the models' states, messages and predictions.

    Args:
        outputs: By the model's name, what `hidden_states` gives.
    """
    sick = {
        f"the {who}'s {name}": _sick_rows(values)
        for who, states in outputs.items()
        for name, values in states.items()
    }
    if any(sick.values()):
        where = ", ".join(f"{name} ({count:,} rows)" for name, count in sick.items() if count)
        return Finding(
            "outputs",
            FAIL,
            f"There are NaN or infinite values in {where}.",
            "The weights have exploded or were damaged: load a sound checkpoint. If it comes back, "
            "lower the learning rate and clip gradients (`clipnorm=1.0` of the optimizer).",
            {"not_finite": {k: v for k, v in sick.items() if v}},
        )
    return Finding("outputs", OK, "All states, messages and predictions are finite.")


def check_range(predictions: States, labels: NDArray[Any] | None) -> list[Finding]:
    """Compares the range of predictions with that of the labels.

    Args:
        predictions: By the model's name, shape `(rows, ...)`.
        labels: Of the same rows.

    Returns:
        WARN where a model's mean lies outside of the labels' range, or more than `STRAY_SHARE` of
        its predictions further from it than its own width. Nothing for labels of classes, or of 0
        and 1, which set no range for logits.
    """
    if labels is None or np.isin(labels, (0, 1)).all():
        return []
    low, high = float(labels.min()), float(labels.max())
    figures: dict[str, Any] = {"labels": [low, high]}
    far = []
    for who, values in predictions.items():
        if values.size != labels.size:
            continue
        figures[who] = [float(values.min()), float(values.max())]
        stray = (values < low - (high - low)) | (values > high + (high - low))
        if not low <= values.mean() <= high or stray.mean() > STRAY_SHARE:
            far.append(who)
    text = "; ".join(f"{name} {a:.4g} to {b:.4g}" for name, (a, b) in figures.items())
    if not far:
        return [Finding("range", OK, f"Ranges: {text}.", None, figures)]
    return [
        Finding(
            "range",
            WARN,
            f"Ranges: {text}. Predictions of the {' and the '.join(far)} are far from the labels.",
            "Check that labels and both models are on one scale. Let a new student start at the "
            "mean: bias_initializer=keras.initializers.Constant(mean label) in its last layer.",
            figures,
        )
    ]


def check_states(student: States, teacher: States) -> list[Finding]:
    """Compares the size of both models' states, and counts units that never move.

    Args:
        student: By name, shape `(rows, ..., dim)`.
        teacher: The same; empty if there is none.

    Returns:
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
    scale = Finding("scale", OK, text, None, {"mean_square": squares})
    if apart:
        scale = Finding(
            "scale",
            WARN,
            f"{text} The {' and the '.join(apart)} state of the two models differ more than "
            f"{SCALE_RATIO**0.5:g} times in size.",
            "Put a LayerNormalization at the cut of the larger one, or lower the weights of the "
            "losses between states.",
            scale.figures,
        )
    dead = {}
    for name, values in states.items():
        units = values.reshape(-1, values.shape[-1])
        dead[name] = float((units == units[:1]).all(axis=0).mean())
    worst = max(dead.values(), default=0.0)
    text = f"Units that are the same in all rows: {_shares(dead)}."
    if worst <= DEAD_SHARE:
        return [scale, Finding("units", OK, text, None, {"dead_share": dead})]
    return [
        scale,
        Finding(
            "units",
            FAIL if worst == 1.0 else WARN,
            text,
            "Such units say nothing of a row. Lower the learning rate, take another activation "
            "than relu, or another cut.",
            {"dead_share": dead},
        ),
    ]


def check_messages(messages: Mapping[str, NDArray[Any]]) -> list[Finding]:
    """Looks whether the encoders still tell rows apart.

    Args:
        messages: By what is said of them, such as `"student's, now"`, shape `(rows, ..., dim)`.

    Returns:
        WARN below `MIN_RANK` or `MIN_VARIANCE`, FAIL for messages that are all the same; none where
        the method has no messages.
    """
    if not messages:
        return []
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
        return [Finding("messages", OK, text, None, figures)]
    return [
        Finding(
            "messages",
            status,
            f"{text} They are collapsing: rows are hardly told apart.",
            "Lower the weight of the message loss and raise that of the state loss, which only "
            "messages that carry the states can meet; or take distance='cosine'.",
            figures,
        )
    ]


def check_gradients(norms: Mapping[str, float]) -> list[Finding]:
    """Looks for losses that do not reach the student, or shake it.

    Args:
        norms: What `gradient_norms` gives.

    Returns:
        FAIL for a norm that is not finite, WARN for one that has vanished or exploded (`VANISHED`,
        `EXPLODED`, `DROWNED`), for the worst of the losses.
    """
    task = norms["task_loss"]
    text = f"Norms of gradients: {', '.join(f'{name} {n:.3g}' for name, n in norms.items())}."
    figures = {"norms": dict(norms)}
    terms = {name: norm for name, norm in norms.items() if name != "task_loss"}
    sick = [name for name, norm in norms.items() if not np.isfinite(norm)]
    if sick:
        return [
            Finding(
                "gradients",
                FAIL,
                f"{text} Not finite: {', '.join(sick)}.",
                "Lower the learning rate, clip gradients (`clipnorm=1.0` of the optimizer), and "
                "look at the scale of states and labels.",
                figures,
            )
        ]
    found = []
    zero = [n for n, norm in terms.items() if norm <= VANISHED * task] + (
        ["task_loss"] if task == 0 else []
    )
    if zero:
        found.append(
            Finding(
                "gradients",
                WARN,
                f"{text} No gradient reaches the student from {', '.join(zero)}.",
                "Such a loss teaches nothing: drop it (weight 0), or look for dead units, a "
                "stop_gradient, and layers that are not trainable.",
                figures,
            )
        )
    large = [name for name, norm in norms.items() if norm > EXPLODED] or [
        name for name, norm in terms.items() if norm > DROWNED * task > 0
    ]
    if large:
        found.append(
            Finding(
                "gradients",
                WARN,
                f"{text} Very large: {', '.join(large)}.",
                "Lower the weight of that loss (`distiller.term_weights`, or the method's), clip "
                "gradients (`clipnorm=1.0` of the optimizer), and look at the scale of states.",
                figures,
            )
        )
    return found or [Finding("gradients", OK, text, None, figures)]


def check_training(loss: float, steps: int) -> Finding:
    """Looks whether a short training went well.

    Args:
        loss: At its end.
        steps: How long it was.

    Returns:
        FAIL for a loss that is not finite.
    """
    figures = {"loss": loss, "steps": steps}
    if np.isfinite(loss):
        return Finding(
            "training", OK, f"After {steps} steps the loss is {loss:.4g}.", None, figures
        )
    return Finding(
        "training",
        FAIL,
        f"Training diverges within {steps} steps: the loss is {loss}.",
        "Lower the learning rate, clip gradients (`clipnorm=1.0` of the optimizer), and look at "
        "the scale of states and labels.",
        figures,
    )


def check_cost(costs: Mapping[str, float]) -> Finding:
    """Says what a run takes.

    Args:
        costs: Counts, seconds and bytes by name.

    Returns:
        WARN where the teacher's stored targets need more than `MEMORY_SHARE` of the memory.
    """
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    # In KiB, and in bytes on a Mac.
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (
        1 if sys.platform == "darwin" else 1024
    )
    figures = {**costs, "peak_bytes": peak, "memory_bytes": memory}
    text = (
        f"A run of {costs['epochs']:.3g} epochs of {costs['rows']:,} rows takes about "
        f"{costs['run_seconds']:.0f} s: {costs['compile_seconds']:.1f} s to compile, "
        f"{costs['targets_seconds']:.1f} s for the teacher's targets, {costs['steps']:,} steps of "
        f"{costs['step_seconds'] * 1e3:.1f} ms. Weights: {costs['student_params']:,} of the "
        f"student, {costs['method_params']:,} of the method; {costs['optimizer_slots']:,} numbers "
        f"of the optimizer. Stored targets: {costs['targets_bytes'] / 2**20:,.0f} MiB. Memory of "
        f"this process: {peak / 2**20:,.0f} MiB at most."
    )
    if costs["targets_bytes"] > MEMORY_SHARE * memory:
        return Finding(
            "cost",
            WARN,
            f"{text} The targets need most of this machine's {memory / 2**20:,.0f} MiB.",
            "Fit on batches without stored targets, so that the teacher runs in each step, or on "
            "fewer rows.",
            figures,
        )
    return Finding("cost", OK, text, None, figures)


def check_alignment(table: Mapping[tuple[str, str], float]) -> list[Finding]:
    """Reports how alike both models' states are.

    Args:
        table: What `cka_table` gives.

    Returns:
        A finding for the reader, never a warning; none where nothing could be compared.
    """
    if not table:
        return []
    same = {own: value for (own, its), value in table.items() if own == its}
    text = ", ".join(f"{name} {value:.2f}" for name, value in same.items())
    figures = {f"{own}/{its}": value for (own, its), value in table.items()}
    return [
        Finding("alignment", OK, f"CKA of student and teacher (1: alike): {text}.", None, figures)
    ]


def _sick_rows(values: NDArray[Any]) -> int:
    """Rows with a value that is not finite; integers and strings have none."""
    if values.dtype.kind not in "fc" and not str(values.dtype).startswith(("bfloat", "float8")):
        return 0
    finite = np.isfinite(values).reshape(len(values), -1).all(axis=1)
    return int(len(values) - finite.sum())


def _shares(shares: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {share:.0%}" for name, share in shares.items())
