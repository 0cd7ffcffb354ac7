"""Recommenders as people write them: trained, saved, read again in a new process, and exported."""

import json
import os
import subprocess
import sys
import warnings
from pathlib import Path

import keras
import numpy as np
import pytest

import tdrec
from recommenders.recommender import (
    NAMES,
    as_arrays,
    compiled_distiller,
    recommender,
    student_and_teacher,
)

FORMATS = {"keras", "savedmodel", "onnx", "litert"}
QUICKLY = {"run_eagerly": True}  # tracing takes longer than these few steps
RUN = [
    name for name in NAMES if keras.backend.backend() == "tensorflow" or recommender(name).on_jax
]


def plain(student, teacher, one):
    return student


def whole(student, teacher, one):
    return tdrec.Distiller(student, None, tdrec.Scratch())


def cut(student, teacher, one):
    return tdrec.Distiller(one.distiller(student, teacher).student, None, tdrec.Scratch())


def check_scratch_is_plain_fit(name, *kinds, **compiling):
    """Weights and logs are the same to the last bit."""
    one = recommender(name)

    def trained(kind):
        student, teacher = student_and_teacher(one)
        model = kind(student, teacher, one)
        model.compile(**one.compiled(), **compiling)
        return one.fit(model, epochs=2), student.get_weights()

    expected, by_plain_fit = trained(plain)
    for kind in kinds:
        logs, weights = trained(kind)
        assert {key: logs[key] for key in expected} == expected
        assert set(logs) == {*expected, "task_loss"}
        for found, weight in zip(weights, by_plain_fit, strict=True):
            np.testing.assert_array_equal(found, weight)


@pytest.mark.parametrize("name", RUN)
def test_scratch_is_plain_fit(name):
    check_scratch_is_plain_fit(name, cut, **QUICKLY)


@pytest.mark.long
@pytest.mark.parametrize("name", RUN)
def test_scratch_is_plain_fit_compiled_as_keras_does(name):
    check_scratch_is_plain_fit(name, whole, cut)


@pytest.mark.long
def test_scratch_is_plain_fit_on_jax():
    command = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "test_scratch_is_plain_fit"]
    environment = {**os.environ, "KERAS_BACKEND": "jax"}
    subprocess.run(
        [sys.executable, *command, "-m", "not long", __file__], check=True, env=environment
    )


@pytest.mark.parametrize("name", RUN)
def test_it_learns_from_its_teacher(name):
    one = recommender(name)
    student, teacher = student_and_teacher(one)
    distiller = compiled_distiller(one, student, teacher, **QUICKLY)
    x = one.inputs()
    student(x), teacher(x)
    before, its = student.get_weights(), teacher.get_weights()
    logs = one.fit(distiller)
    assert distiller.method.terms == one.terms
    parts = [logs[term] for term in ("task_loss", *one.terms)]
    assert np.isfinite(parts).all() and np.min(parts) > 0
    np.testing.assert_allclose(logs["loss"], np.sum(parts, axis=0), rtol=1e-5)
    learned = {id(variable) for variable in student.trainable_variables}
    for variable, value in zip(student.weights, before, strict=True):
        same = np.array_equal(variable, value)
        assert not same or id(variable) not in learned, variable.path
    for value, now in zip(its, teacher.get_weights(), strict=True):
        np.testing.assert_array_equal(value, now)


def write(name, folder):
    """Trains a student and writes what there is of it; returns what is to be read again."""
    one = recommender(name)
    folder.mkdir()
    student, teacher = student_and_teacher(one)
    x = one.inputs()
    teacher(x)
    teacher.save(folder / "teacher.keras")
    path = {"teacher_path": folder / "teacher.keras"} if one.saved_whole else {}
    distiller = compiled_distiller(one, student, teacher, jit_compile=False, **path)
    one.fit(distiller)
    student.save(folder / "student.keras")
    predictions = as_arrays(student(x))
    expected = {
        f"{file}/{n}": a for file in ("student", "distiller") for n, a in predictions.items()
    }
    if one.saved_whole:
        distiller.save(folder / "distiller.keras")
    else:
        with pytest.raises(ValueError, match="is saved whole only if .*save_weights"):
            distiller.save(folder / "distiller.keras")
        distiller.save_weights(folder / "distiller.weights.h5")
    served, raw = one.served(student), one.raw(x)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # what is refused is looked at
        export = tdrec.export_student(served, folder / "served", raw)
    assert set(export.files) == FORMATS - set(one.refused), export.refused
    for kind, why in one.refused.items():
        assert why in export.refused[kind]
    answers = as_arrays(served(raw))
    expected |= {f"{kind}/{n}": a for kind in export.files for n, a in answers.items()}
    logs = one.fit(distiller, initial_epoch=1, epochs=2)
    expected |= {f"resumed/{n}": a for n, a in as_arrays(student(x)).items()}
    return expected, logs


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_a_new_process_reads_what_was_written(tmp_path):
    written = {name: write(name, tmp_path / name) for name in NAMES}
    script = Path(__file__).with_name("read_again.py")
    path = os.pathsep.join([str(script.parents[1]), str(script.parents[2])])
    environment = {**os.environ, "PYTHONPATH": path}
    subprocess.run([sys.executable, script, tmp_path], check=True, env=environment)
    for name, (expected, logs) in written.items():
        found = np.load(tmp_path / name / "found.npz")
        assert set(found) == set(expected), name
        for key, value in expected.items():
            file = key.partition("/")[0]
            if file in FORMATS:
                np.testing.assert_allclose(found[key], value, 1e-5, 1e-5, err_msg=f"{name} {key}")
            else:
                np.testing.assert_array_equal(found[key], value, err_msg=f"{name} {key}")
        again = json.loads((tmp_path / name / "logs.json").read_text())
        assert set(again) == set(logs), name
        for key, value in logs.items():  # TensorFlow may add terms up in another order, to log them
            np.testing.assert_allclose(again[key], value, rtol=1e-6, err_msg=f"{name} {key}")
