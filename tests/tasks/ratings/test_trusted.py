"""What ratings bear out of a teacher, in each variant of id dropout."""

import numpy as np
import pytest

from tdrec.data import simulate, split_by_time
from tdrec.distill.trust import Trust
from tdrec.tasks.ratings.trusted import trusted_predictions


@pytest.fixture(scope="module")
def train():
    return split_by_time(simulate()).train.of_segment("Drama")


def test_each_variant_is_trusted_by_itself(train):
    draw = np.random.default_rng(0)
    right = train.values + 0.5 * draw.normal(size=len(train))
    wrong = 6.0 - right
    others = np.concatenate([train.item_ids, train.item_ids[:7]])  # and 7 that nobody rated
    said = np.concatenate([np.append(v, v[:7]) for v in (right, wrong, wrong)])
    found = trusted_predictions(said[:, None], train, others, [False, False, True])
    found = found.reshape(3, -1)
    np.testing.assert_allclose(found[0], said[: len(others)], rtol=1e-6)  # plain distillation
    trust = Trust.fit(wrong, train.values, train.item_ids, train.user_ids)
    assert trust.share == 0
    np.testing.assert_allclose(found[1], trust.targets(said[-len(others) :], others), rtol=1e-6)
    np.testing.assert_allclose(found[2], train.values.mean(), rtol=5e-3)


def test_the_wrong_teachers_error_is_gone(train):
    said = np.full(len(train), 1.0)
    found = trusted_predictions(said, train, train.item_ids, [False])
    assert found.shape == (len(train), 1) and found.dtype == np.float32
    assert np.mean((found[:, 0] - train.values) ** 2) < train.values.var()
