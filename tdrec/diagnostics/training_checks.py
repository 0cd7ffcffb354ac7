"""Checks of training: whether each loss reaches the student, whether it diverges, what it costs."""

import os
import resource
import sys
from collections.abc import Iterator, Mapping

import numpy as np

from tdrec.diagnostics.finding import FAIL, OK, WARN, Finding

EXPLODED = 1e4
"""Norm of a gradient beyond which a check warns."""

DROWNED = 1e3
"""Times the task's gradient beyond which that of a term warns: the labels are then not heard."""

VANISHED = 1e-7
"""Times the task's gradient below which that of a term counts as zero: it is lost in rounding."""

MEMORY_SHARE = 0.5
"""Share of the machine's memory beyond which stored targets warn: the rows need room as well."""


CALM = (
    "Lower the learning rate, clip gradients (`clipnorm=1.0` of the optimizer), and look at the "
    "scale of states and labels."
)
"""What to do about losses and gradients that are not finite."""


def check_gradients(norms: Mapping[str, float]) -> Iterator[Finding]:
    """Looks for losses that do not reach the student, or shake it.

    Args:
        norms: What `gradient_norms` gives.

    Yields:
        FAIL for a norm that is not finite, WARN for one that has vanished or exploded (`VANISHED`,
        `EXPLODED`, `DROWNED`), for the worst of the losses.
    """
    task = norms["task_loss"]
    text = f"Norms of gradients: {', '.join(f'{name} {n:.3g}' for name, n in norms.items())}."
    figures = {"norms": dict(norms)}
    terms = {name: norm for name, norm in norms.items() if name != "task_loss"}
    sick = [name for name, norm in norms.items() if not np.isfinite(norm)]
    if sick:
        bad = f"{text} Not finite: {', '.join(sick)}."
        yield Finding("gradients", FAIL, bad, CALM, figures)
        return
    zero = [name for name, norm in terms.items() if norm <= VANISHED * task]
    zero += ["task_loss"] if task == 0 else []
    if zero:
        yield Finding(
            "gradients",
            WARN,
            f"{text} No gradient reaches the student from {', '.join(zero)}.",
            "Such a loss teaches nothing: drop it (weight 0), or look for dead units, a "
            "stop_gradient, and layers that are not trainable.",
            figures,
        )
    large = [name for name, norm in norms.items() if norm > EXPLODED] or [
        name for name, norm in terms.items() if norm > DROWNED * task > 0
    ]
    if large:
        yield Finding(
            "gradients",
            WARN,
            f"{text} Very large: {', '.join(large)}.",
            "Lower the weight of that loss (`distiller.term_weights`, or the method's), clip "
            "gradients (`clipnorm=1.0` of the optimizer), and look at the scale of states.",
            figures,
        )
    if not zero and not large:
        yield Finding("gradients", OK, text, None, figures)


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
        text = f"After {steps} steps the loss is {loss:.4g}."
        return Finding("training", OK, text, None, figures)
    text = f"Training diverges within {steps} steps: the loss is {loss}."
    return Finding("training", FAIL, text, CALM, figures)


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
