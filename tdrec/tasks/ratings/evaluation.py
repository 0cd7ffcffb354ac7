"""How good predictions are, and the baseline that anybody would try first."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit
from scipy.stats import rankdata

from tdrec.data import Interactions, Vocabulary
from tdrec.data.interactions import Target
from tdrec.studies.metric import LOG_LOSS, RMSE, Metric
from tdrec.studies.row import Units
from tdrec.studies.task import DivergedError, Score

METRICS: Mapping[Target, Metric] = {"regression": RMSE, "binary": LOG_LOSS}
"""What targets are judged by."""

SURE = 1e-7
"""How near to 0 and 1 a probability counts, as in Keras's cross-entropy."""


def is_cold(test: Interactions, train: Interactions) -> NDArray[np.bool_]:
    """Which rows of `test` are of users that have no row in `train`; shape `(rows,)`."""
    return ~np.isin(test.user_ids, train.user_ids)


def score(predictions: ArrayLike, test: Interactions, train: Interactions) -> Score:
    r"""Compares predictions with the targets.

    Of numbers it is the RMSE, $\sqrt{\frac{1}{n} \sum (clip(\hat y) - y)^2}$ in the target's own
    unit; of a binary target the log loss, $-\frac{1}{n} \sum y \ln \hat y + (1 - y) \ln (1 - \hat
    y)$.

    Args:
        predictions: Predicted targets, shape `(rows,)` or `(rows, 1)`, in the unit of the rows;
            clipped to the scale.
        test: The evaluation rows. Each counts as much, whatever its weight in training.
        train: The rows that the model was trained on, which decide who is cold.

    Returns:
        The `Score`: the metric, its sums by user, and in `details` the metric on the rows of users
        without a training row (`rmse_cold`) and of the others (`rmse_warm`), None if there are
        none; of a binary target also `auc`, the area under the ROC curve, None of one class.

    Raises:
        ValueError: If there is not one prediction for each row.
        DivergedError: If a prediction is not finite.

    Example:
        >>> constant = np.full(len(test), train.values.mean())
        >>> round(score(constant, test, train).value, 3)
        1.122
    """
    values = np.asarray(predictions, np.float64).reshape(-1)
    if len(values) != len(test) or not np.isfinite(values).all():
        error = DivergedError if len(values) == len(test) else ValueError
        raise error(
            f"There must be one finite prediction for each of the {len(test)} evaluation rows. "
            f"Received: {len(values)}, {int(np.isfinite(values).sum())} of them finite. "
            "Values that are not finite mean that training diverged: lower the learning rate."
        )
    metric, parts = METRICS[test.target], dict[str, float | None]()
    clipped = np.clip(values, *test.scale) if test.scale else values
    if test.target == "binary":
        inside = np.clip(clipped, SURE, 1 - SURE)
        losses = -np.where(test.values > 0, np.log(inside), np.log1p(-inside))
        parts["auc"] = auc(values, test.values)
    else:
        losses = np.square(clipped - test.values) * test.unit**2
    cold = is_cold(test, train)

    def mean(rows: NDArray[np.bool_]) -> float | None:
        of_rows = float(losses[rows].mean()) if rows.any() else None
        return float(np.sqrt(of_rows)) if metric.root and of_rows is not None else of_rows

    users, user = np.unique(test.user_ids, return_inverse=True)
    units = Units(
        ids=users.tolist(),
        rows=np.bincount(user).tolist(),
        sums=np.bincount(user, losses).round(6).tolist(),
    )
    parts = {f"{metric.name}_cold": mean(cold), f"{metric.name}_warm": mean(~cold), **parts}
    whole = losses.mean()
    return Score(float(np.sqrt(whole) if metric.root else whole), units, parts)


def auc(predictions: ArrayLike, targets: ArrayLike) -> float | None:
    """The area under the ROC curve: how often a row of 1 is predicted above a row of 0.

    Args:
        predictions: Shape `(rows,)`; ties count half.
        targets: 0 and 1, shape `(rows,)`.

    Returns:
        A share; None if all targets are the same.

    Example:
        >>> auc([0.1, 0.4, 0.4, 0.8], [0, 0, 1, 1])
        0.875
    """
    positive = np.asarray(targets) > 0
    ones, zeros = int(positive.sum()), int((~positive).sum())
    if not ones or not zeros:
        return None
    above = rankdata(predictions)[positive].sum() - ones * (ones + 1) / 2
    return float(above / (ones * zeros))


@dataclass(frozen=True)
class BiasModel:
    r"""The regularised bias model: $\hat y = \mu + b_u + b_i$, 0 for who was never seen.

    $b_i = \frac{\sum (y - \mu - b_u)}{n_i + \lambda}$ and $b_u = \frac{\sum (y - \mu - b_i)}{n_u +
    \lambda}$, alternated from zero; where rows have weights, sums and counts are weighted. A
    distilled student that loses to it is of no use to anybody. Of a binary target the sum of biases
    is the logit, and each step of the alternation one of Newton's, with $\lambda$ rows of variance
    1/4.

    Attributes:
        mean: $\mu$, the mean training target, or its logit.
        users: The known users.
        user_bias: $b_u$ by the users' indices, 0 of who was never seen.
        items: The known items.
        item_bias: $b_i$ by theirs.
        target: What is predicted. Default "regression".

    Example:
        >>> round(score(BiasModel.fit(train).predict(test), test, train).value, 3)
        1.055

    Source:
        Koren, "Factorization Meets the Neighborhood", 2008, section 2.1.
    """

    mean: float
    users: Vocabulary
    user_bias: NDArray[np.float64]
    items: Vocabulary
    item_bias: NDArray[np.float64]
    target: Target = "regression"

    @classmethod
    def fit(cls, train: Interactions, damping: float = 5.0, iterations: int = 10) -> "BiasModel":
        """Fits the biases, the items' first.

        Args:
            train: The training rows.
            damping: $\\lambda$, the weight of an imaginary row without bias, above 0. Default 5.
            iterations: How often both are fitted. Default 10.
        """
        users, items = Vocabulary.fit(train.user_ids), Vocabulary.fit(train.item_ids)
        user, item = users.lookup(train.user_ids), items.lookup(train.item_ids)
        of_user, of_item = np.zeros(users.size), np.zeros(items.size)
        w = train.weights
        if train.target == "binary":
            weights = np.ones(len(train)) if w is None else w.astype(np.float64)
            start = float(np.average(train.values.astype(np.float64), weights=weights))
            inside = min(max(start, SURE), 1 - SURE)
            mean = float(np.log(inside / (1 - inside)))
            for _ in range(iterations):
                for index, bias in ((item, of_item), (user, of_user)):
                    p = expit(mean + of_user[user] + of_item[item])
                    slope = np.bincount(index, weights * (train.values - p), len(bias))
                    curve = np.bincount(index, weights * p * (1 - p), len(bias))
                    bias += (slope - damping / 4 * bias) / (curve + damping / 4)
            return cls(mean, users, of_user, items, of_item, "binary")
        mean = float(
            train.values.mean(dtype=np.float64)
            if w is None
            else np.average(train.values.astype(np.float64), weights=w)
        )
        left = train.values - mean
        user_rows = np.bincount(user, w) + damping
        item_rows = np.bincount(item, w) + damping
        factor: Any = np.float32(1) if w is None else w
        for _ in range(iterations):
            of_item = np.bincount(item, factor * (left - of_user[user])) / item_rows
            of_user = np.bincount(user, factor * (left - of_item[item])) / user_rows
        return cls(mean, users, of_user, items, of_item)

    def predict(self, rows: Interactions) -> NDArray[np.float64]:
        """Predicted targets, shape `(rows,)`, not clipped."""
        return self.of_indices(self.users.lookup(rows.user_ids), self.items.lookup(rows.item_ids))

    def of_indices(
        self, user: NDArray[Any], item: NDArray[Any], cold_user: float = 0.0
    ) -> NDArray[np.float64]:
        """Predicted targets of items by users, shape `(rows,)`, not clipped.

        Args:
            user: Indices in `users`, 0 of who was never seen; shape `(rows,)`.
            item: Indices in `items`; shape `(rows,)`.
            cold_user: The bias of a user who was never seen. Default 0.
        """
        of_users = np.where(user > 0, self.user_bias[user], cold_user)
        found = self.mean + of_users + self.item_bias[item]
        return expit(found) if self.target == "binary" else found

    def cold_user(self, train: Interactions) -> float:
        """The one bias for all users that fits the rows best: who has many differs from who has
        few.

        Args:
            train: The training rows.
        """
        item = self.items.lookup(train.item_ids)
        nobody = np.zeros(len(train), np.int32)
        if self.target == "regression":
            left = train.values - self.of_indices(nobody, item)
            return float(
                left.mean() if train.weights is None else np.average(left, weights=train.weights)
            )
        bias = 0.0
        for _ in range(10):  # Newton's steps
            p = self.of_indices(nobody, item, cold_user=bias)
            bias += float(np.average(train.values - p, weights=train.weights)) / max(
                float(np.average(p * (1 - p), weights=train.weights)), SURE
            )
        return bias

    @property
    def params(self) -> int:
        """How many numbers the model holds."""
        return 1 + len(self.users.values) + len(self.items.values)
