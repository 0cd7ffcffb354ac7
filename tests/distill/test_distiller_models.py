"""Students and teachers of other kinds, and what a distiller gives as its student's."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from small_distillers import (
    TD_TERMS,
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
from tdrec.distill.cut import split_model
from tdrec.distill.distiller import Distiller
from tdrec.distill.methods import LabelDistillation


def test_evaluating_and_predicting_are_the_students():
    distiller = make_distiller(metrics=["mae"])
    fit(distiller)
    student = student_of(distiller)
    student.compile(loss="mse", metrics=["mae"])
    expected = student.evaluate(X, Y, verbose=0, return_dict=True)
    found = distiller.evaluate(X, Y, verbose=0, return_dict=True)
    assert set(found) == {"loss", "mae"}
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-5)
    np.testing.assert_allclose(
        distiller.predict(X, verbose=0), student.predict(X, verbose=0), rtol=1e-5, atol=1e-6
    )
    np.testing.assert_allclose(distiller(X), student(X), rtol=1e-5, atol=1e-6)
    stored = distiller.with_teacher_targets((X, Y), batch_size=5)
    for name, value in distiller.evaluate(stored, verbose=0, return_dict=True).items():
        np.testing.assert_allclose(found[name], value, rtol=1e-5)
    np.testing.assert_allclose(
        distiller.predict(stored, verbose=0), student.predict(X, verbose=0), rtol=1e-5, atol=1e-6
    )


def with_batch_norm(name):
    inputs = keras.Input((3,))
    x = layers.BatchNormalization(name="norm")(layers.Dense(5, name="low")(inputs))
    x = layers.Dropout(0.5)(layers.Dense(4, name="high")(x))
    return keras.Model(inputs, layers.Dense(1)(x), name=name)


def test_batch_statistics_move_once_a_step_and_not_in_evaluation():
    student, teacher = with_batch_norm("student"), with_batch_norm("teacher")
    distiller = make_distiller(
        talking(3),
        student=split_model(student, "low", "high"),
        teacher=split_model(teacher, "low", "high"),
        optimizer=keras.optimizers.SGD(0.0),
    )
    its = numbers(teacher)
    norm = student.get_layer("norm")
    low = X @ student.get_layer("low").kernel.numpy()
    fit(distiller)
    # Keras's momentum is 0.99: one step towards the batch's mean, from 0.
    np.testing.assert_allclose(norm.moving_mean.numpy(), 0.01 * low.mean(0), rtol=1e-4, atol=1e-7)
    moved = numbers(student)
    distiller.evaluate(X, Y, verbose=0)
    distiller.predict(X, verbose=0)
    distiller.with_teacher_targets((X, Y))
    for before, after in ((moved, numbers(student)), (its, numbers(teacher))):
        for value, now in zip(before, after, strict=True):
            np.testing.assert_array_equal(value, now)


@pytest.mark.parametrize(
    ("stored", "compiling"),
    [
        (False, {"run_eagerly": True}),
        (False, {"jit_compile": True}),
        (True, {"jit_compile": False}),
    ],
    ids=["on the fly, eager", "on the fly, jit", "stored, graph"],
)
def test_subclassed_models(stored, compiling):
    keras.utils.set_random_seed(0)
    student, teacher = Rater(5, 4), Rater(7, 6)
    teacher(X)
    distiller = make_distiller(
        talking(2),
        optimizer=keras.optimizers.SGD(0.05),
        student=student.split(),
        teacher=teacher.split(),
        **{"run_eagerly": False, **compiling},
    )
    data = distiller.with_teacher_targets((X, Y), batch_size=12) if stored else X
    fit(distiller, data)
    weights = numbers(student) + numbers(distiller.method)
    # E_g, D_g, E_h and D_h: a dense layer each; the student: three.
    assert len(distiller.method.trainable_variables) == 4 * 2
    assert len(distiller.trainable_variables) == 4 * 2 + 3 * 2
    its = numbers(teacher)
    history = fit(distiller, data, epochs=4)
    assert set(history) == {"loss", "task_loss", "interaction_loss_2", *TD_TERMS}
    assert np.isfinite([*history.values()]).all()
    moved = numbers(student) + numbers(distiller.method)
    kinds = [v for v in zip(weights, moved, strict=True) if v[0].dtype.kind == "f"]
    assert all(abs(before - after).max() > 0 for before, after in kinds)
    assert_all_close(numbers(teacher), its, rtol=0)
    np.testing.assert_allclose(distiller.predict(X, verbose=0), student(X), rtol=1e-4)


def test_a_method_that_was_not_built_waits_for_the_first_batch():
    student, teacher = Rater(5, 4), Rater(7, 6)
    distiller = make_distiller(student=student.split(), teacher=teacher.split())
    assert not distiller.method.built
    distiller(X)
    assert distiller.method.built
    assert student.first.built


def two_heads(low, high, name):
    """A model with the outputs "rating" and "click"."""
    x = inputs = keras.Input((X.shape[1],))
    x = keras.layers.Dense(low, "tanh", name="low")(x)
    x = keras.layers.Dense(high, "tanh", name="high")(x)
    heads = {n: keras.layers.Dense(1, name=n)(x) for n in ("rating", "click")}
    return keras.Model(inputs, heads, name=name)


@pytest.mark.parametrize("stored", [False, True])
def test_one_output_of_several_is_distilled(stored):
    keras.utils.set_random_seed(0)
    student, teacher = two_heads(5, 4, "student"), two_heads(7, 6, "teacher")
    distiller = Distiller(
        split_model(student, "low", "high", output="rating"),
        split_model(teacher, "low", "high", output="rating"),
        LabelDistillation(weight=2.0),
    )
    distiller.compile(keras.optimizers.SGD(0.05), loss={"rating": "mse", "click": "mse"})
    y = {"rating": Y, "click": 0.5 * Y}
    own, its = student.predict(X, verbose=0), teacher.predict(X, verbose=0)
    expected = {
        "task_loss": sum(np.mean((own[n] - y[n]) ** 2) for n in y),
        "label_loss": 2.0 * np.mean((own["rating"] - its["rating"]) ** 2),
    }
    data = distiller.with_teacher_targets((X, y), batch_size=12) if stored else (X, y)
    if not stored:
        data = tf.data.Dataset.from_tensors(data)
    history = distiller.fit(data, verbose=0, shuffle=False).history
    for name, value in expected.items():
        np.testing.assert_allclose(history[name], [value], rtol=1e-5, err_msg=name)
    assert set(distiller.predict(X, verbose=0)) == {"rating", "click"}


def test_several_outputs_and_none_named():
    student, teacher = two_heads(5, 4, "student"), two_heads(7, 6, "teacher")
    splits = split_model(student, "low", "high"), split_model(teacher, "low", "high")
    with pytest.raises(
        ValueError, match=r"a student with the outputs 'rating', 'click'.*output='rating'"
    ):
        Distiller(*splits, LabelDistillation())
    distiller = Distiller(*splits, talking())  # states alone: no output is compared
    distiller.compile("sgd", loss={"rating": "mse", "click": "mse"})
    data = distiller.with_teacher_targets((X, {"rating": Y, "click": Y}))
    assert np.isfinite(distiller.fit(data, verbose=0, shuffle=False).history["loss"]).all()
