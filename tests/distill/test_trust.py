"""Trust: how far rows bear a teacher out, against loops in plain Python."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tdrec.distill.trust import Trust

USERS, ITEMS, ROWS = 200, 50, 4_000


@pytest.fixture(scope="module")
def rows():
    """Users, items, labels, and what a perfect teacher predicts."""
    random = np.random.default_rng(0)
    user, item = random.integers(0, USERS, ROWS), random.integers(0, ITEMS, ROWS)
    truth = random.normal(0, 0.5, USERS)[user] + random.normal(0, 0.5, ITEMS)[item]
    return user, item, truth + random.normal(0, 0.8, ROWS), truth


def by_hand(t, y, groups, share, damping, other_label=False):
    """Targets of the rows, in loops."""
    if other_label:
        slope, start = np.polyfit(t, y, 1)
        t = start + slope * t
    mean = sum(y) / len(y)
    f = [(1 - share) * mean + share * x for x in t]
    targets = []
    for prediction, group in zip(f, groups, strict=True):
        left = [y[i] - f[i] for i in range(len(y)) if groups[i] == group]
        targets.append(prediction + sum(left) / (len(left) + damping))
    return np.array(targets)


@pytest.mark.parametrize("other_label", [False, True])
@pytest.mark.parametrize("names", [int, str])
def test_targets_are_those_of_the_equations(rows, other_label, names):
    user, item, y, truth = (array[:300] for array in rows)
    groups = np.array([names(i) for i in item])
    t = 3 * truth + 4
    trust = Trust.fit(t, y, groups, user, other_label=other_label, dampings=[5.0])
    assert trust.damping in (5.0, math.inf)
    expected = by_hand(t, y, groups, trust.share, trust.damping, other_label)
    np.testing.assert_allclose(trust.targets(t, groups), expected, atol=1e-9)


def test_a_good_teacher_is_left_as_it_is(rows):
    user, item, y, truth = rows
    trust = Trust.fit(truth, y, item, user)
    assert (trust.share, trust.damping) == (1.0, math.inf)
    np.testing.assert_array_equal(trust.targets(truth, item), truth)


@pytest.mark.parametrize("wrong", ["shifted", "without items", "inverted"])
def test_a_wrong_teacher_is_set_right(rows, wrong):
    user, item, y, truth = rows
    of_users = np.bincount(user, truth)[user] / np.bincount(user)[user]
    t = {"shifted": truth + 1, "without items": of_users, "inverted": -truth}[wrong]
    trust = Trust.fit(t, y, item, user)
    error = np.square(trust.targets(t, item) - truth).mean()
    assert trust.damping < math.inf and error < 0.75 * np.square(t - truth).mean()


def test_a_teacher_that_knows_nothing_is_refused(rows):
    user, item, y, truth = rows
    t = np.random.default_rng(1).permutation(truth)
    trust = Trust.fit(t, y, item, user)
    assert trust.share == 0 and trust.damping < math.inf
    # What it says makes no difference any more.
    np.testing.assert_array_equal(trust.targets(t, item), trust.targets(t[::-1], item))
    assert np.square(trust.targets(t, item) - truth).mean() < 1.1 * truth.var() / 2


def test_a_row_of_no_known_group_gets_the_mean_correction(rows):
    user, item, y, truth = rows
    trust = Trust.fit(truth + 1, y, item, user)
    shift = np.mean(trust.targets(truth + 1, item) - (truth + 1))
    assert trust.unknown == pytest.approx(shift)
    for unknown in (trust.targets([2.0], [10_000]), trust.targets([2.0], None)):
        assert unknown == pytest.approx(2.0 + shift)


def test_another_label_is_fitted_and_targets_stay_probabilities(rows):
    user, item, y, truth = rows
    clicks = (y > 0.5).astype(float)
    stars = 3 + truth
    trust = Trust.fit(stars, clicks, item, user, other_label=True, bounds=(0, 1))
    targets = trust.targets(stars, item)
    assert targets.min() >= 0 and targets.max() <= 1 and trust.slope > 0
    assert np.square(targets - clicks).mean() < 0.9 * clicks.var()


@settings(max_examples=25, deadline=None)
@given(
    shift=st.integers(-3, 3),
    scale=st.sampled_from([0.5, 2.0]),
    order=st.randoms(use_true_random=False),
)
def test_units_and_names_decide_nothing(shift, scale, order):
    random = np.random.default_rng(order.randint(0, 99))
    user, item = random.integers(0, 20, 200), random.integers(0, 8, 200)
    y = random.normal(size=200) + item / 4
    t = y + random.normal(size=200)
    plain = Trust.fit(t, y, item, user)
    moved = Trust.fit(scale * t + shift, scale * y + shift, item * 7 - 3, user)
    assert (moved.share, moved.damping) == (plain.share, plain.damping)
    np.testing.assert_allclose(
        moved.targets(scale * t + shift, item * 7 - 3),
        scale * plain.targets(t, item) + shift,
        atol=1e-9,
    )


def test_it_is_the_same_for_a_seed(rows):
    user, item, y, truth = rows
    found = [Trust.fit(truth + 1, y, item, user, seed=seed) for seed in (3, 3)]
    np.testing.assert_array_equal(found[0].offsets, found[1].offsets)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"labels": [1.0, 2.0]}, "on rows, at least one. Received: .*'labels': 2"),
        ({"teacher": [1.0, np.nan, 2.0]}, "`teacher` must be finite. Received: nan at row 1"),
        ({"users": [4, 4, 4]}, "rows of two users or more.*Received: 1"),
        ({"groups": np.ones((3, 2))}, r"`groups` must have one entry.*Received: shape \(3, 2\)"),
        ({name: [] for name in ("teacher", "labels", "groups", "users")}, "at least one"),
    ],
)
def test_what_cannot_be_fitted_is_refused(changes, message):
    given_rows = {
        "teacher": np.array([[1.0], [2.0], [3.0]]),
        "labels": [1.0, 2.0, 2.0],
        "groups": ["a", "b", "a"],
        "users": [1, 1, 2],
    }
    Trust.fit(**given_rows)
    with pytest.raises(ValueError, match=message):
        Trust.fit(**{**given_rows, **changes})
