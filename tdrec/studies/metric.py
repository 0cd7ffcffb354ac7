"""Metric: what a task is judged by, in which direction, and over what intervals are drawn."""

import math
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Metric:
    r"""How good a model is, as one number made of sums over units.

    With $q_u$ the sum over the evaluation rows of unit $u$ and $n_u$ their number, the value is
    $m = \sum_u q_u / \sum_u n_u$, or $\sqrt m$ where the metric is a `root`.

    Args:
        name: How rows call it: "rmse".
        title: How reports call it: "RMSE".
        better: Whether the "lower" or the "higher" value is the better one.
        unit: Over what intervals are drawn: "user", which a run's sums are kept for, or "seed",
            where a seed draws the data and each run has its value alone.
        root: Whether the value is the root of the mean. Default False.
        digits: Decimals that reports show. Default 4.

    Example:
        >>> RMSE.improvement(0.75, 1.0)
        25.0
        >>> Metric("recall", "Recall@10", better="higher", unit="user").is_better(0.3, 0.2)
        True
    """

    name: str
    title: str
    better: Literal["lower", "higher"]
    unit: Literal["user", "seed"]
    root: bool = False
    digits: int = 4

    @property
    def sign(self) -> int:
        """1 where a higher value is better, else -1: this times a difference is a gain."""
        return 1 if self.better == "higher" else -1

    def is_better(self, value: float, other: float) -> bool:
        """Whether a value is the better one of two; NaN is never better."""
        return self.sign * (value - other) > 0

    def improvement(self, value: float, other: float) -> float:
        """By how many percent of the other value a value is better; NaN where that is 0."""
        return 100 * self.sign * (value - other) / other if other else math.nan


RMSE = Metric("rmse", "RMSE", better="lower", unit="user", root=True)
LOG_LOSS = Metric("log_loss", "log loss", better="lower", unit="user")
ACCURACY = Metric("accuracy", "accuracy", better="higher", unit="seed")
