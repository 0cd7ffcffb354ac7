"""Tests of scores and of the bias model, by hand and by loops."""

import os

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tdrec.data import (
    Categories,
    Interactions,
    Items,
    Movies,
    Ratings,
    load,
    split_by_time,
)
from tdrec.studies.row import Units
from tdrec.studies.task import DivergedError
from tdrec.tasks.ratings.evaluation import BiasModel, auc, is_cold, score

NOTES = {
    "Drama": 0.9906,
    "Comedy": 1.0352,
    "Action": 1.0486,
    "Thriller": 1.0141,
    "Romance": 1.0112,
    "Adventure": 1.0546,
    "Sci-Fi": 1.0411,
    "War": 0.9966,
}


def ratings(users, movies, values):
    ids = np.array([10, 20, 30])
    catalogue = Movies(ids, ("A (1990)", "B (1991)", "C"), np.ones((3, 1), bool), ("Drama",))
    times = np.arange(len(users)) + 1
    return Ratings(
        np.array(users),
        np.array(movies),
        np.array(values, np.float32),
        times,
        catalogue,
        (1.0, 5.0),
        "t",
    )


TRAIN = ratings([1, 1, 2, 2, 3], [10, 20, 10, 30, 20], [5, 3, 4, 2, 3])
TEST = ratings([1, 3, 9, 9], [30, 10, 10, 20], [4, 2, 5, 1])


def test_score_equals_the_formula_by_hand():
    predictions = [3.5, 7.0, 0.0, 2.0]  # the second and the third leave the scale
    found = score(predictions, TEST, TRAIN)
    squares = [0.25, 9.0, 16.0, 1.0]
    assert found.value == pytest.approx(np.sqrt(np.mean(squares)))
    assert found.details["rmse_warm"] == pytest.approx(np.sqrt(np.mean(squares[:2])))
    assert found.details["rmse_cold"] == pytest.approx(np.sqrt(np.mean(squares[2:])))
    assert found.units == Units(ids=[1, 3, 9], rows=[1, 1, 2], sums=[0.25, 9.0, 17.0])
    assert is_cold(TEST, TRAIN).tolist() == [False, False, True, True]


def test_score_takes_a_column_and_knows_empty_groups():
    found = score(np.full((2, 1), 3.0), TEST.take([2, 3]), TRAIN)
    assert found.details["rmse_warm"] is None
    assert found.value == found.details["rmse_cold"] == pytest.approx(2.0)
    warm = score(np.full(2, 3.0), TEST.take([0, 1]), TRAIN)
    assert warm.details["rmse_cold"] is None


@given(st.lists(st.floats(-1e6, 1e6), min_size=4, max_size=4))
def test_the_sums_by_user_give_the_rmse(predictions):
    found = score(predictions, TEST, TRAIN)
    assert sum(found.units.rows) == len(TEST)
    by_users = np.sqrt(sum(found.units.sums) / len(TEST))
    assert by_users == pytest.approx(found.value, abs=1e-5)
    assert found.value <= 4  # what leaves the scale is clipped


@pytest.mark.parametrize("predictions", [[1.0, 2.0], [1.0, 2.0, np.nan, 1.0], [1, 2, np.inf, 1]])
def test_score_refuses_what_is_not_one_finite_prediction_a_row(predictions):
    error = DivergedError if len(predictions) == 4 else ValueError
    with pytest.raises(error, match="one finite prediction for each of the 4 evaluation rows"):
        score(predictions, TEST, TRAIN)


def test_bias_model_equals_loops():
    model = BiasModel.fit(TRAIN, damping=2.0, iterations=3)
    rows = list(zip(TRAIN.user_ids, TRAIN.movie_ids, TRAIN.values, strict=True))
    mean = np.mean([float(v) for _, _, v in rows])
    user, movie = dict.fromkeys((1, 2, 3), 0.0), dict.fromkeys((10, 20, 30), 0.0)
    for _ in range(3):
        for m in movie:
            left = [v - mean - user[u] for u, n, v in rows if n == m]
            movie[m] = sum(left) / (len(left) + 2.0)
        for u in user:
            left = [v - mean - movie[m] for w, m, v in rows if w == u]
            user[u] = sum(left) / (len(left) + 2.0)
    expected = [mean + user[1] + movie[30], mean + user[3] + movie[10], mean + movie[10]]
    np.testing.assert_allclose(model.predict(TEST)[:3], expected, rtol=1e-6)
    assert model.params == 7


def test_bias_model_says_the_mean_of_what_it_never_saw():
    model = BiasModel.fit(TRAIN.take([0, 1, 4]))  # movie 30 is unseen
    cold_user = ratings([99], [30], [3])
    assert model.predict(cold_user)[0] == pytest.approx(model.mean)


def clicks(users, items, values, **more):
    shops = Categories.of(["NL"] * len(users))
    return Interactions(
        **{"user_ids": users, "item_ids": items, "values": values, "target": "binary", **more},
        **{"items": Items([10, 20, 30]), "columns": {"shop": shops}, "segment_column": "shop"},
    )


CLICKS = clicks([1, 1, 2, 2, 3, 3], [10, 20, 10, 30, 20, 30], [1, 0, 1, 0, 0, 1])


def test_score_of_a_binary_target_equals_the_formula_by_hand():
    test = clicks([1, 9, 9], [30, 10, 10], [1, 1, 0])
    found = score([0.8, 1.0, 0.25], test, CLICKS)
    losses = [-np.log(0.8), 0.0, -np.log(0.75)]  # a prediction of 1 counts as nearly 1
    assert found.value == pytest.approx(np.mean(losses), abs=1e-6)
    assert found.details["log_loss_warm"] == pytest.approx(losses[0])
    assert found.details["log_loss_cold"] == pytest.approx(np.mean(losses[1:]), abs=1e-6)
    assert found.details["auc"] == 1
    assert (found.units.ids, found.units.rows) == ([1, 9], [1, 2])
    assert sum(found.units.sums) / 3 == pytest.approx(found.value, abs=1e-5)
    wrong = score([0.0, 1.0, 0.0], test, CLICKS)
    assert wrong.value == pytest.approx(-np.log(1e-7) / 3, rel=1e-3)


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), max_size=12))
def test_the_area_under_the_curve_equals_pairs(rows):
    predictions, targets = [p for p, _ in rows], [float(y) for _, y in rows]
    ones = [p for p, y in rows if y]
    zeros = [p for p, y in rows if not y]
    found = auc(predictions, targets)
    if not ones or not zeros:
        assert found is None
    else:
        above = np.mean([(one > zero) + (one == zero) / 2 for one in ones for zero in zeros])
        assert found == pytest.approx(above)


def test_the_rmse_is_in_the_targets_own_unit():
    train, test = (part.in_units(0.25) for part in (TRAIN, TEST))
    predictions = np.array([3.5, 7.0, 0.0, 2.0])
    assert score(4 * predictions, test, train) == score(predictions, TEST, TRAIN)


def test_the_bias_model_of_a_binary_target_is_where_the_gradient_is_zero():
    model = BiasModel.fit(CLICKS, damping=2.0, iterations=200)
    left = CLICKS.values - model.predict(CLICKS)
    for ids, known, biases in (
        (CLICKS.user_ids, model.users, model.user_bias),
        (CLICKS.item_ids, model.items, model.item_bias),
    ):
        for index, value in enumerate(known.values, start=1):
            gradient = left[ids == value].sum() - 2.0 / 4 * biases[index]
            assert gradient == pytest.approx(0, abs=1e-6)
    assert model.predict(clicks([99], [30], [1]))[0] == pytest.approx(
        1 / (1 + np.exp(-model.mean - model.item_bias[3]))
    )
    assert model.params == 7


@pytest.mark.parametrize("target", ["binary", "regression"])
def test_a_weight_of_the_bias_model_counts_as_so_many_rows(target):
    weights, order = [2.0, 1, 3, 1, 1, 2], np.repeat(np.arange(6), [2, 1, 3, 1, 1, 2])
    plain = CLICKS.changed(target=target)
    weighted, repeated = plain.changed(weights=weights), plain.take(order)
    one, other = (BiasModel.fit(rows) for rows in (weighted, repeated))
    np.testing.assert_allclose(one.predict(plain), other.predict(plain), rtol=1e-6)
    assert one.cold_user(weighted) == pytest.approx(other.cold_user(repeated), rel=1e-6)
    assert np.abs(one.predict(plain) - BiasModel.fit(plain).predict(plain)).max() > 0.01


def test_one_bias_for_all_users_leaves_a_mean_of_zero():
    model = BiasModel.fit(CLICKS)
    cold, nobody = model.cold_user(CLICKS), np.zeros(6, np.int32)
    predicted = model.of_indices(nobody, model.items.lookup(CLICKS.item_ids), cold_user=cold)
    assert (CLICKS.values - predicted).sum() == pytest.approx(0, abs=1e-6)


@pytest.mark.skipif("TDREC_DATA" not in os.environ, reason="TDREC_DATA is not set")
def test_bias_model_on_movielens_100k():
    holdout = split_by_time(load(os.environ["TDREC_DATA"]))
    for genre, expected in NOTES.items():
        train, test = holdout.train.of_genre(genre), holdout.test.of_genre(genre)
        found = score(BiasModel.fit(train).predict(test), test, train).value
        assert found == pytest.approx(expected, abs=5e-4), genre
    predictions = BiasModel.fit(holdout.train).predict(holdout.test)
    assert score(predictions, holdout.test, holdout.train).value == pytest.approx(1.0225, abs=5e-4)
