from dataclasses import replace

import keras
import numpy as np
import pytest

import small_movielens
from tdrec import teacher_training
from tdrec.data import FeatureEncoder, load
from tdrec.evaluation import BiasModel
from tdrec.models.id_dropout import id_variants
from tdrec.teacher_training import (
    adam,
    cached_teacher,
    predict,
    restart,
    targets_of,
    train_teacher,
)
from test_experiment import SMALL


@pytest.fixture(scope="module")
def train(tmp_path_factory):
    return load(str(small_movielens.write(tmp_path_factory.mktemp("data"), 1000)))


def test_targets_repeat_for_each_variant(train):
    targets = targets_of(train, 3)
    assert targets.shape == (3 * len(train), 1)
    np.testing.assert_array_equal(targets.reshape(3, -1), [train.values] * 3)


def test_it_is_made_once_and_read_afterwards(train, tmp_path, monkeypatch):
    path = tmp_path / "cache" / "teacher.keras"
    first = cached_teacher(train, SMALL, path)
    monkeypatch.setattr("tdrec.teacher_training.train_teacher", None)
    again = cached_teacher(train, SMALL, path)
    for a, b in zip(first.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert {file.name for file in path.parent.iterdir()} <= {"teacher.keras", "teacher.lock"}


def test_noise_is_of_the_ratings_and_seeded(train):
    noisy = replace(SMALL, teacher_noise=1.0)
    plain, one, two = (train_teacher(train, c).get_weights() for c in (SMALL, noisy, noisy))
    for a, b in zip(one, two, strict=True):
        np.testing.assert_array_equal(a, b)
    assert any((a != b).any() for a, b in zip(plain, one, strict=True))


def test_the_teacher_learns_the_mean_of_its_members(train, monkeypatch):
    # Its members have the seeds 6 and 7.
    config = replace(SMALL, teacher_members=2, teacher_seed=3, teacher_epochs=1)
    learned = []
    fit = teacher_training._Trainer.fit

    def spy(self, targets, *arguments, **options):
        learned.append(targets)
        return fit(self, targets, *arguments, **options)

    monkeypatch.setattr(teacher_training._Trainer, "fit", spy)
    train_teacher(train, config)
    monkeypatch.undo()
    alone = [replace(config, teacher_members=1, teacher_seed=seed) for seed in (6, 7)]
    x = id_variants(FeatureEncoder.fit(train).encode(train), config.teacher_id_dropout)
    members = [predict(train_teacher(train, one), x) for one in alone]
    assert np.abs(members[0] - members[1]).max() > 1e-3
    np.testing.assert_allclose(learned[-1], (members[0] + members[1]) / 2, rtol=1e-6)


def test_a_target_is_between_rating_and_bias_model(train, monkeypatch):
    config = replace(SMALL, teacher_bias_weight=3.0, teacher_id_dropout={"user": 0.5})
    fit, learned = teacher_training._Trainer.fit, []

    def spy(self, targets, *arguments, **options):
        learned.append(targets)
        return fit(self, targets, *arguments, **options)

    monkeypatch.setattr(teacher_training._Trainer, "fit", spy)
    train_teacher(train, config)
    bias = BiasModel.fit(train)
    movie = np.array([bias.movie_bias[list(bias.movie_ids).index(one)] for one in train.movie_ids])
    stranger = bias.mean + movie + np.mean(train.values - bias.mean - movie)
    for targets, known in zip(np.split(learned[-1][:, 0], 2), (True, False), strict=True):
        predicted = bias.predict(train) if known else stranger
        np.testing.assert_allclose(targets, (train.values + 3 * predicted) / 4, rtol=1e-5)


def test_what_is_compiled_starts_again_as_if_it_were_new():
    x, y = np.ones((8, 2), np.float32), np.arange(8, dtype=np.float32)[:, None]
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile(adam(0.1, 0.9), loss="mse")
    initial = [np.array(v) for v in model.variables]
    first = model.fit(x, y, epochs=3, verbose=0, shuffle=False).history["loss"]
    restart(model.variables, model.optimizer, initial)
    assert model.fit(x, y, epochs=3, verbose=0, shuffle=False).history["loss"] == first
