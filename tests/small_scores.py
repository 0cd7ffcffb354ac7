"""Scores of made-up users and seeds, and whether two estimates are close."""

import numpy as np
import pytest

from tdrec.studies.comparison import Scores
from tdrec.studies.metric import Metric

RECALL = Metric("recall", "Recall@10", better="higher", unit="user")


def simulate(generator, users=40, seeds=3, gain=0.0, first=0, root=True):
    """Two labels on the same users: what users, seeds, and users at a seed do to their errors."""
    rows = generator.integers(1, 12, users)
    hard = rows * generator.gamma(4, 1 / 4, users)
    sides = []
    for factor in (1 - gain, 1.0):
        own, at_seed = generator.normal(0, 0.1, (users, 1)), generator.normal(0, 0.1, seeds)
        noise = generator.normal(0, 0.1, (users, seeds))
        sums = hard[:, None] * factor**2 * np.exp(own + at_seed / 10 + noise)
        sides.append(scores(sums, rows, first + np.arange(users), root))
    return tuple(sides)


def scores(sums, rows, ids=None, root=True, seeds=None):
    values = sums.sum(0) / rows.sum()
    return Scores(
        tuple(range(sums.shape[1])) if seeds is None else seeds,
        np.sqrt(values) if root else values,
        np.arange(len(rows)) if ids is None else ids,
        rows,
        sums,
    )


def accuracies(*values, seeds=None):
    return Scores(tuple(range(len(values))) if seeds is None else seeds, np.array(values))


def close(one, other, tolerance=1e-11):
    return parts(one) == pytest.approx(parts(other), abs=tolerance)


def parts(estimate):
    return [estimate.value, estimate.low, estimate.high]
