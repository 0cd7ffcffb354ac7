"""A distiller's teacher: it is left alone, run only where it is read, and stays the same."""

import json
import zipfile

import h5py
import keras
import numpy as np
import pytest
from keras import layers

from small_distillers import (
    Rater,
    X,
    Y,
    assert_all_close,
    fit,
    make_distiller,
    numbers,
    student_of,
    talking,
)
from small_models import numpy_trace, small_model, student_and_teacher
from tdrec.distill.cut import split_model
from tdrec.distill.distiller import Distiller
from tdrec.distill.methods import LabelDistillation, Scratch
from tdrec.distill.model_split import ModelSplit


def test_the_teacher_is_left_alone(tmp_path):
    distiller = make_distiller(talking(2), optimizer="sgd")
    teacher = distiller.teacher.layers[0]
    teacher.get_layer("low").trainable = False
    flags = [layer.trainable for layer in teacher.layers]
    before = numbers(teacher)
    student_before = numbers(student_of(distiller))
    fit(distiller, epochs=2)
    for value, after in zip(before, numbers(teacher), strict=True):
        assert value.tobytes() == after.tobytes()
    assert [layer.trainable for layer in teacher.layers] == flags
    now = numbers(student_of(distiller))
    assert any(abs(a - b).max() > 0 for a, b in zip(student_before, now, strict=True))
    assert {id(v) for v in teacher.variables}.isdisjoint(id(v) for v in distiller.variables)
    mine = {id(v) for v in [*student_of(distiller).variables, *distiller.method.variables]}
    assert {id(v) for v in distiller.trainable_variables} == mine
    distiller.save_weights(tmp_path / "d.weights.h5")
    distiller.save(tmp_path / "d.keras")
    with zipfile.ZipFile(tmp_path / "d.keras") as archive:
        archive.extract("model.weights.h5", tmp_path)
        config = archive.read("config.json").decode()
    assert "teacher" not in json.dumps(json.loads(config)["config"]["student"])
    for file in ("d.weights.h5", "model.weights.h5"):
        shapes = []
        with h5py.File(tmp_path / file) as content:
            content.visititems(lambda _, item, s=shapes: s.append(getattr(item, "shape", None)))
        assert (5, 4) in shapes  # the student's layer "high"
        assert not {(3, 7), (7, 6), (6, 1)} & set(shapes)  # the teacher's layers


def test_the_teacher_is_not_run_where_the_method_reads_nothing_of_it():
    broken = ModelSplit(lambda x: 1 / 0, lambda low: 1 / 0, lambda high: 1 / 0)
    fit(make_distiller(Scratch(), teacher=broken))


def test_scratch_needs_no_teacher():
    keras.utils.set_random_seed(0)
    student = small_model()
    distiller = Distiller(split_model(student, "low", "high"), None, Scratch())
    distiller.compile(keras.optimizers.SGD(0.02), loss="mse", run_eagerly=True)
    twin = keras.models.clone_model(student)
    twin.set_weights(student.get_weights())
    twin.compile(keras.optimizers.SGD(0.02), loss="mse", run_eagerly=True)
    history = fit(distiller, epochs=2)
    assert set(history) == {"loss", "task_loss"}
    np.testing.assert_allclose(history["loss"], fit(twin, epochs=2)["loss"], rtol=1e-6)
    assert_all_close(numbers(student), numbers(twin), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("run_eagerly", [True, False])
@pytest.mark.parametrize("split", [True, False], ids=["split", "subclassed"])
def test_method_without_the_teacher_that_it_reads(run_eagerly, split):
    student = student_and_teacher()[0] if split else Rater(5, 4).split()
    distiller = Distiller(student, None, talking())
    distiller.compile("adam", loss="mse", run_eagerly=run_eagerly)
    with pytest.raises(ValueError, match="TalkingModels learns from a teacher. Received: teacher="):
        fit(distiller)
    with pytest.raises(ValueError, match="Pass the teacher's split to tdrec.Distiller"):
        distiller.with_teacher_targets((X, Y))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_teacher_with_weights_of_nan_is_refused_before_anything_is_trained(bad):
    distiller = make_distiller(LabelDistillation())
    kernel = distiller.teacher.layers[0].get_layer("high").kernel
    values = kernel.numpy()
    values[0, :2] = bad
    kernel.assign(values)
    before = numbers(distiller.student.model)
    with pytest.raises(ValueError, match=f"2 of {values.size} numbers of .*high/kernel are NaN"):
        fit(distiller)
    assert_all_close(numbers(distiller.student.model), before, rtol=0)
    student = distiller.student
    fit(make_distiller(Scratch(), student=student, teacher=distiller.teacher))  # which is not read


def test_a_layer_of_both_models_is_trained():
    shared = layers.Dense(5, name="shared")
    splits = []
    for name in ("student", "teacher"):
        inputs = keras.Input((3,))
        low = layers.Dense(4, name="low")(shared(inputs))
        high = layers.Dense(4, name="high")(low)
        model = keras.Model(inputs, layers.Dense(1)(high), name=name)
        splits.append(split_model(model, "low", "high"))
    distiller = make_distiller(student=splits[0], teacher=splits[1])
    before, frozen = shared.kernel.numpy(), splits[1].layers[0].get_layer("low").kernel.numpy()
    fit(distiller)
    assert abs(shared.kernel.numpy() - before).min() > 0
    np.testing.assert_array_equal(splits[1].layers[0].get_layer("low").kernel.numpy(), frozen)


def test_student_and_teacher_may_read_different_inputs():
    models = [small_model(), small_model(7, 6, seed=5)]
    student, teacher = (
        split_model(model, "low", "high", input_map=lambda x, name=name: x[name])
        for name, model in zip(("mine", "its"), models, strict=True)
    )
    x = {"mine": X, "its": 2 * X}
    distiller = make_distiller(
        LabelDistillation(), student=student, teacher=teacher, optimizer="sgd"
    )
    own, its = numpy_trace(models[0], X)[2], numpy_trace(models[1], 2 * X)[2]
    expected = np.mean((own - its) ** 2)
    history = fit(distiller, x)
    np.testing.assert_allclose(history["label_loss"], [expected], rtol=1e-5)
    own = numpy_trace(models[0], X)[2]
    stored = distiller.with_teacher_targets((x, Y))
    expected = np.mean((own - its) ** 2)
    np.testing.assert_allclose(fit(distiller, stored)["label_loss"], [expected], rtol=1e-5)
    np.testing.assert_allclose(
        distiller.predict(x, verbose=0), models[0].predict(X, verbose=0), rtol=1e-5
    )


def test_a_distiller_keeps_its_teacher_and_a_new_one_takes_another():
    distiller = make_distiller(LabelDistillation())
    model = distiller.teacher.layers[0]
    distiller.teacher = split_model(model, "low", "high")  # the same in another object
    other = split_model(small_model(7, 6, seed=9), "low", "high")
    for teacher in (other, split_model(model, "low", "high", output=0)):
        with pytest.raises(ValueError, match="A distiller goes on with the teacher that it had"):
            distiller.teacher = teacher
    with pytest.raises(TypeError, match="`teacher` must be a ModelSplit"):
        distiller.teacher = 3
    assert distiller.teacher.layers[0] is model
    replaced = Distiller(distiller.student, other, distiller.method)
    assert replaced.teacher is other
    late = Distiller(distiller.student, None, distiller.method)
    late.teacher = other
    assert late.teacher is other
