"""Tests of the teacher's training: what it learns from, and that nothing else decides it."""

from dataclasses import replace

import numpy as np
import pytest

import small_movielens
from small_movielens import SMALL
from tdrec.data import FeatureEncoder, load
from tdrec.models.id_dropout import id_variants
from tdrec.studies.task import DivergedError
from tdrec.tasks.ratings import teacher
from tdrec.tasks.ratings.evaluation import BiasModel
from tdrec.tasks.ratings.teacher import predict, targets_of, train_teacher

CONFIG = SMALL.teacher


@pytest.fixture(scope="module")
def train(tmp_path_factory):
    return load(str(small_movielens.write(tmp_path_factory.mktemp("data"), 1000)))


@pytest.fixture
def learned(monkeypatch):
    """The targets of each training, in the order of the trainings."""
    batches, found = teacher.batches, []

    def spy(data, *arguments, **options):
        found.append(data[1])
        return batches(data, *arguments, **options)

    monkeypatch.setattr(teacher, "batches", spy)
    return found


def test_targets_repeat_for_each_variant(train):
    targets = targets_of(train, 3)
    assert targets.shape == (3 * len(train), 1)
    np.testing.assert_array_equal(targets.reshape(3, -1), [train.values] * 3)


def test_predictions_of_many_rows_are_those_of_few(train):
    model = teacher.rating_model(CONFIG.model, FeatureEncoder.fit(train), train, "model")
    x = FeatureEncoder.fit(train).encode(train)
    many = {name: np.concatenate([values] * 9) for name, values in x.items()}
    found = predict(model, many)
    assert found.shape == (9 * len(train), 1) and len(found) > 8192
    np.testing.assert_allclose(found[-len(train) :], predict(model, x), atol=1e-5)


@pytest.mark.long
def test_noise_is_of_the_ratings_and_seeded(train):
    noisy = replace(CONFIG, noise=1.0)
    plain, one, two = (train_teacher(train, c).get_weights() for c in (CONFIG, noisy, noisy))
    for a, b in zip(one, two, strict=True):
        np.testing.assert_array_equal(a, b)
    assert any((a != b).any() for a, b in zip(plain, one, strict=True))


def test_noise_turns_some_of_the_clicks(train, learned):
    likes = (train.values > 3).astype(np.float32)
    clicks = train.changed(values=likes, scale=(0.0, 1.0), target="binary")
    train_teacher(clicks, replace(CONFIG, noise=1.0, bias_weight=0.0, epochs=1, id_dropout={}))
    targets = learned[-1][:, 0]
    assert set(targets.tolist()) == {0.0, 1.0}
    assert 0.2 < np.mean(targets != likes) < 0.45  # a normal draw is above 0.5 in 31% of them


@pytest.mark.long
def test_the_teacher_learns_the_mean_of_its_members(train, learned):
    # Its members have the seeds 6 and 7.
    config = replace(CONFIG, members=2, seed=3, epochs=1)
    train_teacher(train, config)
    taught = learned[-1]
    x = id_variants(FeatureEncoder.fit(train).encode(train), ["user", "movie"])
    alone = [replace(config, members=1, seed=seed) for seed in (6, 7)]
    members = [predict(train_teacher(train, one), x) for one in alone]
    assert np.abs(members[0] - members[1]).max() > 1e-3
    np.testing.assert_allclose(taught, (members[0] + members[1]) / 2, rtol=1e-6)


def test_a_target_is_between_rating_and_bias_model(train, learned):
    train_teacher(train, replace(CONFIG, bias_weight=3.0, id_dropout={"user": 0.5}))
    bias = BiasModel.fit(train)
    movie = bias.item_bias[bias.items.lookup(train.movie_ids)]
    cold_user = bias.mean + movie + np.mean(train.values - bias.mean - movie)
    for targets, known in zip(np.split(learned[-1][:, 0], 2), (True, False), strict=True):
        predicted = bias.predict(train) if known else cold_user
        np.testing.assert_allclose(targets, (train.values + 3 * predicted) / 4, rtol=1e-5)


def test_user_and_item_are_called_as_in_the_rows(train):
    assert teacher.id_names(CONFIG.id_dropout, train) == ["user", "movie"]
    assert teacher.id_names({"item": 0.5}, train) == ["movie"]


def test_weights_have_a_mean_of_one_and_repeat_for_each_variant(train):
    x = {"user": np.arange(2 * 4)}
    few = train.take(np.arange(3)).changed(weights=[1.0, 2.0, 6.0])
    y = np.zeros((2 * 4, 1))  # a fourth row that nobody rated
    assert teacher.with_weights(x, y, train, 2) == (x, y)
    weights = teacher.with_weights(x, y, few, 2)[2]
    np.testing.assert_allclose(weights, [1 / 3, 2 / 3, 2, 1] * 2, rtol=1e-6)


@pytest.mark.parametrize(("share", "expected"), [(0.25, 0.5623), (0.0, 0.0)])
def test_the_best_constant_of_a_binary_target_is_its_share(train, share, expected):
    values = np.where(np.arange(len(train)) < share * len(train), 1.0, 0.0)
    clicks = train.changed(values=values, scale=(0.0, 1.0), target="binary")
    assert teacher.constant_loss(clicks) == pytest.approx(expected, abs=1e-3)
    assert teacher.loss_of("binary") == "binary_crossentropy"
    assert teacher.metric_of("binary").name == "log_loss"


def test_a_teacher_that_diverges_is_no_teacher(train):
    with pytest.raises(DivergedError, match="a loss was not finite|10 times that of the best"):
        train_teacher(train, replace(CONFIG, learning_rate=1e6))
