"""Tests of teachers on disk: made once, and never tried again where they diverge."""

import threading
import time

import keras
import numpy as np
import pytest

from tdrec.distill.fingerprint import hash_arrays
from tdrec.studies.task import DivergedError
from tdrec.tasks.cached import Teachers, model_bytes


def model(weight):
    made = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False)])
    made.set_weights([np.array([[weight]], np.float32)])
    return made


def weight_of(found):
    return float(found.get_weights()[0][0, 0])


@pytest.fixture
def made():
    return []


@pytest.fixture
def make(made):
    def make():
        made.append(model(3.0))
        return made[-1]

    return make


def test_a_model_is_made_once_and_loaded_both_times(tmp_path, make, made):
    teachers = Teachers(tmp_path / "cache")
    first = teachers.get("teacher.keras", make)
    assert teachers.get("teacher.keras", make) is first and first is not made[0]
    second = Teachers(tmp_path / "cache").get("teacher.keras", make)
    assert len(made) == 1 and second is not first
    assert weight_of(first) == weight_of(second) == 3.0
    files = {file.name for file in (tmp_path / "cache").iterdir()}
    assert files <= {"teacher.keras", "teacher.lock"}
    assert Teachers(tmp_path / "cache").get("another.keras", lambda: model(4.0)) is not second


def test_whoever_needs_it_meanwhile_waits_for_it(tmp_path, make, made):
    def slowly():
        time.sleep(0.3)
        return make()

    found = []
    threads = [
        threading.Thread(
            target=lambda: found.append(Teachers(tmp_path).get("teacher.keras", slowly))
        )
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1 and [weight_of(each) for each in found] == [3.0] * 3


def test_a_teacher_that_diverged_is_not_tried_twice(tmp_path, make):
    tries = []

    def fail():
        tries.append(1)
        raise DivergedError("a loss was not finite")

    teachers = Teachers(tmp_path)
    for _ in range(2):
        with pytest.raises(DivergedError, match="^its teacher: a loss was not finite$"):
            teachers.get("teacher.keras", fail)
    assert len(tries) == 1 and not list(tmp_path.glob("*.keras"))
    assert weight_of(teachers.get("another.keras", make)) == 3.0


def test_a_teacher_that_cannot_be_made_leaves_nothing(tmp_path, make, made):
    def fail():
        raise OSError("the disk is full")

    teachers = Teachers(tmp_path)
    with pytest.raises(OSError, match="full"):
        teachers.get("teacher.keras", fail)
    assert weight_of(teachers.get("teacher.keras", make)) == 3.0 and len(made) == 1


def test_the_hash_is_of_the_weights(tmp_path):
    teachers = Teachers(tmp_path)
    first, other = model(3.0), model(4.0)
    assert teachers.hash("a", lambda: first) == hash_arrays(first.get_weights())
    equal = {teachers.hash("a", lambda: first), teachers.hash("c", lambda: model(3.0))}
    assert len(equal) == 1 and teachers.hash("b", lambda: other) not in equal


def test_a_models_bytes_are_its_file(tmp_path):
    path = tmp_path / "model.keras"
    path.write_bytes(model_bytes(model(2.0)))
    assert weight_of(keras.models.load_model(path)) == 2.0
    assert model_bytes(None, lambda _, file: file.write_text("by another")) == b"by another"
