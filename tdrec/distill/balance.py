"""Balancing a method's terms against the task by the lengths of their gradients."""

import math
import warnings
from typing import Any

import tensorflow as tf

from tdrec.distill.backend import number
from tdrec.distill.callbacks import DistillerCallback
from tdrec.distill.check import check_positive
from tdrec.distill.gradient_norms import compiled_norms


class BalanceTerms(DistillerCallback):
    r"""Makes each term pull on the student as strongly as the task does, times a ratio.

    Every few steps the gradients of the task's loss and of each term are measured on one fixed
    batch (`gradient_norms`), and each factor in `distiller.term_weights` goes towards the value
    that makes the term's norm `ratio` times the task's:

    $c_t \leftarrow c_t^{\,m} \left(r\, \frac{\lVert\nabla_W L_{task}\rVert}
    {\lVert\nabla_W L_t\rVert}\right)^{1-m}$

    The mean is geometric since factors multiply: ten times too strong and ten times too weak take
    equally long to mend. The factors stay between `1 / limit` and `limit`, since a term that nears
    its minimum would have an ever larger one. A factor that was set to 0 stays 0, so that a term
    can be left out. A term whose gradient is 0 or not finite keeps its factor, with a warning,
    once.

    List the callback before loggers: at the end of each epoch the factors are logged as
    `NAME_weight`. They are saved with the distiller, so a run that goes on from a checkpoint goes
    on with them. A measurement costs about as much as a training step, and its tracing once more.

    GradNorm learns the factors by a gradient step towards norms that also depend on how fast each
    loss falls. Here the task is what counts and the terms serve it, so its factor stays 1 and the
    norms' ratio is known: the factors that give it are set outright, without a learning rate.

    Args:
        data: The batch to measure on: `(x, y)` or `(x, y, sample_weight)`, as `fit` takes them, or
            a dataset whose first batch it is. A few hundred rows do.
        every: Steps between two measurements. Default 100.
        ratio: $r > 0$. Default 1.
        momentum: $0 \le m < 1$, the share of the old factor. Default 0.5.
        limit: The largest factor, more than 1. Default 1000.

    Raises:
        ValueError: If an argument is out of its range; the rule is named.

    Example:
        >>> balance = BalanceTerms((x, y), every=100, ratio=0.5)
        >>> history = distiller.fit(dataset, callbacks=[balance])
        >>> "message_loss_weight" in history.history
        True

    Source:
        Chen et al., GradNorm, 2018, with its $\alpha = 0$ (equal norms) and in closed form.
    """

    def __init__(
        self,
        data: Any,
        every: int = 100,
        ratio: float = 1.0,
        momentum: float = 0.5,
        limit: float = 1000.0,
    ) -> None:
        super().__init__()
        if not isinstance(every, int) or every < 1:
            raise ValueError(f"`every` must be an integer of at least 1. Received: {every!r}.")
        if not 0 <= momentum < 1:
            raise ValueError(f"`momentum` must be in [0, 1). Received: {momentum!r}.")
        if not limit > 1:
            raise ValueError(f"`limit` must be more than 1. Received: {limit!r}.")
        self.batch = next(iter(data)) if isinstance(data, tf.data.Dataset) else data
        self.every = every
        self.ratio = check_positive("ratio", ratio)
        self.momentum = momentum
        self.limit = limit
        self._due: int | None = None
        self._warned: set[str] = set()

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        super().on_train_begin(logs)
        self._due = None
        self._warned = set()
        self._measure = compiled_norms(self.model, self.batch)

    def act(self, step: int) -> None:
        if self._due is None:  # a run that goes on measures at the steps of one that never stopped
            self._due = -(-step // self.every) * self.every
        if step >= self._due:
            self._due = (step // self.every + 1) * self.every
            self._balance()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.log_term_weights(logs, self.model.method.terms)

    def _balance(self) -> None:
        norms = {name: float(norm) for name, norm in self._measure().items()}
        task = norms.pop("task_loss")
        if not self._usable("task_loss", task):
            return
        for name, norm in norms.items():
            factor = number(self.model.term_weights[name])
            if factor > 0 and self._usable(name, norm):
                wanted = self.ratio * task / norm
                factor = factor**self.momentum * wanted ** (1 - self.momentum)
                factor = min(max(factor, 1 / self.limit), self.limit)
                self.model.term_weights[name].assign(factor)

    def _usable(self, name: str, norm: float) -> bool:
        usable = math.isfinite(norm) and norm > 0
        if not usable and name not in self._warned:
            self._warned.add(name)
            kept = "all factors stay" if name == "task_loss" else "its factor stays"
            warnings.warn(
                f"{name} cannot be balanced: the norm of its gradient for the student is {norm}, "
                f"so {kept} as before. Look at the batch and at the term.",
                stacklevel=2,
            )
        return usable
