"""A short training of a student that leaves no trace: timed, and undone afterwards."""

import contextlib
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from tdrec.distill.distiller import Distiller
from tdrec.distill.method import Method
from tdrec.distill.teacher_targets import batches, detach


@dataclass(frozen=True)
class Trial:
    """How a short training went.

    Attributes:
        compile_seconds: What the first step took beyond one of the others: tracing and compiling.
        step_seconds: The median of the later steps.
        targets_seconds_a_row: What the teacher's targets took, for each row.
        loss: The mean loss of its last tenth of steps; not finite once training has diverged.
        slots: Numbers that the optimizer keeps.
    """

    compile_seconds: float
    step_seconds: float
    targets_seconds_a_row: float
    loss: float
    slots: int


@contextlib.contextmanager
def trial(
    distiller: Distiller,
    method: Method,
    rows: tuple,
    *,
    steps: int,
    batch_size: int,
    seed: int,
) -> Iterator[Trial]:
    """Trains the distiller's student by a method, and puts all weights back on leaving.

    The optimizer is a new one like the distiller's own, which is not touched; so are the steps'
    compilation and the metrics.

    Args:
        distiller: Compiled. Its student and teacher are used, its own training state is not.
        method: What to train the student by.
        rows: `(x, y)` or `(x, y, sample_weight)`, arrays of shape `(rows, ...)`.
        steps: How many steps to train, at least 3.
        batch_size: Rows of a step; all of them where there are fewer.
        seed: Decides the order of the rows.

    Yields:
        The `Trial`, while the student and the method are trained.

    Example:
        >>> with trial(distiller, Scratch(), (x, y), steps=5, batch_size=32, seed=0) as result:
        ...     predictions = distiller(x)
        >>> math.isfinite(result.loss)
        True
    """
    copy = Distiller(distiller.student, distiller.teacher, method)
    optimizer = distiller.optimizer
    copy.compile(
        type(optimizer).from_config(optimizer.get_config()),
        loss=distiller.loss,
        jit_compile=distiller.jit_compile,
        run_eagerly=distiller.run_eagerly,
    )
    for name, factor in copy.term_weights.items():
        if name in distiller.term_weights:
            factor.assign(float(distiller.term_weights[name]))
    count = len(keras.tree.flatten(rows)[0])
    batch_size = min(batch_size, count)
    start = time.perf_counter()
    how: dict[str, Any] = {"shuffle": True, "seed": seed, "drop_remainder": True}
    if distiller.teacher is None or detach(rows[0])[1] is not None:
        dataset = batches(rows, batch_size, **how)
    else:
        dataset = copy.with_teacher_targets(rows, batch_size=batch_size, **how)
    targets_seconds = time.perf_counter() - start
    clock = _Clock()
    with restored(distiller.student.layers, (method,)):
        copy.fit(
            dataset.repeat(), steps_per_epoch=steps, verbose=0, shuffle=False, callbacks=[clock]
        )
        step = float(np.median(clock.seconds[1:]))
        yield Trial(
            compile_seconds=max(0.0, clock.seconds[0] - step),
            step_seconds=step,
            targets_seconds_a_row=targets_seconds / count,
            loss=clock.last_loss(),
            slots=sum(math.prod(v.shape) for v in copy.optimizer.variables),
        )


@contextlib.contextmanager
def restored(*groups: Any) -> Iterator[None]:
    """Keeps the variables of layers, random states among them, and puts them back on leaving."""
    variables = {id(v): v for layers in groups for layer in layers for v in layer.variables}
    kept = [(v, keras.ops.convert_to_numpy(v).copy()) for v in variables.values()]
    try:
        yield
    finally:
        for variable, value in kept:
            variable.assign(value)


class _Clock(keras.callbacks.Callback):
    """Seconds of each step, and the sum of the losses so far."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds: list[float] = []
        self.losses: list[float] = []

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        self._start = time.perf_counter()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.seconds.append(time.perf_counter() - self._start)
        self.losses.append(float(logs["loss"]) * (batch + 1))  # it is a mean since the start

    def last_loss(self) -> float:
        last = max(1, len(self.losses) // 10)
        first = self.losses[-last - 1] if len(self.losses) > last else 0.0
        return (self.losses[-1] - first) / last
