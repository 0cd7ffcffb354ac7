"""TD as layers, in a model that keeps its own training loop."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from small_distillers import X, Y, talking
from small_models import student_and_teacher
from tdrec.distill.distiller import Distiller
from tdrec.distill.layers import DistillationTerms, Interpreter
from tdrec.distill.methods import LabelDistillation
from tdrec.distill.model_split import ModelSplit
from tdrec.distill.sample_weights import SampleWeights


def test_an_interpreter_runs_the_middle_and_owns_no_weight():
    teacher = student_and_teacher()[1]
    interpreter = Interpreter(teacher)
    low = teacher(X).low
    np.testing.assert_array_equal(interpreter(low), teacher.interpret(low))
    assert interpreter.variables == []


def test_the_terms_are_those_of_a_distiller():
    splits = student_and_teacher()
    method = talking(2)
    distiller = Distiller(*splits, method)
    distiller.compile("sgd", loss="mse")
    expected = distiller.compute_losses((X, Y))[2]
    layer = DistillationTerms(*splits, method)
    found = layer(X, splits[0](X))
    assert list(found) == list(expected)
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-6)
    assert {id(v) for v in layer.trainable_variables} == {id(v) for v in method.trainable_variables}


def test_a_teacher_with_weights_of_nan_is_refused():
    student, teacher = student_and_teacher()
    teacher.layers[0].get_layer("low").bias.assign([np.nan] * 7)
    with pytest.raises(ValueError, match="7 of 7 numbers of .*low/bias are NaN"):
        DistillationTerms(student, teacher, talking())


def test_weights_for_the_distillation_alone():
    splits = student_and_teacher()
    layer = DistillationTerms(*splits, talking())
    weight = np.linspace(0, 1, len(X)).astype("float32")
    trace = splits[0](X)
    expected = layer(X, trace, weight)
    assert layer(X, trace, SampleWeights(None, weight)) == expected != layer(X, trace)


class Own(keras.Model):
    """A recommender that adds the terms inside of its own call."""

    def __init__(self, teacher, **kwargs):
        super().__init__(**kwargs)
        self.first, self.second = layers.Dense(5, "tanh"), layers.Dense(4, "tanh")
        self.last = layers.Dense(1)
        self.split = ModelSplit(self.embed, self.second, self.last)
        self.terms = DistillationTerms(self.split, teacher, talking(), add=True)

    def embed(self, x):
        return self.first(x)

    def call(self, x, training=False):
        trace = self.split(x, training=training)
        self.terms(x, trace, training=training)
        return trace.prediction


def test_a_model_adds_the_terms_in_its_own_call(tmp_path):
    teacher = student_and_teacher()[1]
    before = [np.asarray(v) for layer in teacher.layers for v in layer.variables]
    model = Own(teacher)
    model.compile("adam", loss="mse")
    history = model.fit(X, Y, epochs=3, verbose=0, shuffle=False).history["loss"]
    plain = float(model.evaluate(X, Y, verbose=0))
    np.testing.assert_allclose(plain, ((np.asarray(model(X)) - Y) ** 2).mean(), rtol=1e-5)
    assert history[0] > history[-1]
    terms = model.terms(X, model.split(X), training=True)
    np.testing.assert_allclose(sum(model.terms.losses), sum(terms.values()), rtol=1e-6)
    after = [np.asarray(v) for layer in teacher.layers for v in layer.variables]
    for a, b in zip(before, after, strict=True):
        np.testing.assert_array_equal(a, b)
    model.save_weights(tmp_path / "own.weights.h5")


class OwnStep(keras.Model):
    def __init__(self, student, teacher):
        super().__init__()
        self.student = student.model
        self.split = student
        self.terms = DistillationTerms(student, teacher, LabelDistillation(task="regression"))

    def call(self, x, training=False):
        return self.student(x, training=training)

    def compute_loss(self, x, y, y_pred, sample_weight=None, training=True):
        terms = self.terms(x, self.split(x, training=training), training=training)
        return ops.mean((y_pred - y) ** 2) + sum(terms.values())


def test_terms_in_a_loss_of_ones_own():
    student, teacher = student_and_teacher()
    model = OwnStep(student, teacher)
    model.compile("sgd")
    found = float(model.fit(X, Y, verbose=0, batch_size=len(X)).history["loss"][0])
    again, _ = student_and_teacher()
    mine, its = np.asarray(again(X).prediction), np.asarray(teacher(X).prediction)
    np.testing.assert_allclose(
        found, ((mine - Y) ** 2).mean() + ((mine - its) ** 2).mean(), rtol=1e-5
    )
