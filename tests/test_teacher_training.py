from dataclasses import replace

import numpy as np
import pytest

import small_movielens
from tdrec.data import load
from tdrec.teacher_training import cached_teacher, targets_of, train_teacher
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
