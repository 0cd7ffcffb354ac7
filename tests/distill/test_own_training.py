"""A student's own loss, metrics and steps: they count, or are refused before training."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from small_distillers import X, Y
from small_models import student_and_teacher
from tdrec.distill.distiller import Distiller
from tdrec.distill.methods import LabelDistillation, Scratch, TalkingModels
from tdrec.distill.model_split import ModelSplit


class Rater(keras.Model):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.first, self.second = layers.Dense(5, "tanh"), layers.Dense(4, "tanh")
        self.last = layers.Dense(1)

    def embed(self, x):
        return self.first(x)

    def body(self, low):
        return self.second(low)

    def rate(self, high):
        return self.last(high)

    def call(self, x):
        return self.rate(self.body(self.embed(x)))


class OwnLoss(Rater):
    def compute_loss(self, x, y, y_pred, sample_weight=None, training=True):
        loss = super().compute_loss(x, y, y_pred, sample_weight, training)
        return loss + 0.1 * ops.mean(ops.abs(y_pred))


class OwnLossOfItsInputs(Rater):
    def compute_loss(self, x, y, y_pred, sample_weight=None, training=True):
        return ops.mean(ops.abs(y_pred - x[:, :1]))


class OwnMetrics(Rater):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.largest = keras.metrics.Mean(name="largest")

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        logs = super().compute_metrics(x, y, y_pred, sample_weight)
        self.largest.update_state(ops.max(y_pred))
        return {**logs, "largest": self.largest.result()}


class OwnStep(Rater):
    def train_step(self, data):
        return {}


class Adding(Rater):
    def call(self, x):
        prediction = super().call(x)
        self.add_loss(ops.mean(prediction))
        return prediction


def rooms(model):
    return ModelSplit(lower=model.embed, middle=model.body, head=model.rate)


def teacher():
    return student_and_teacher()[1]


@pytest.mark.parametrize("kind", [Rater, OwnLoss, OwnMetrics])
def test_scratch_is_plain_fit(kind):
    def trained(distil):
        keras.utils.set_random_seed(0)
        student = kind()
        model = Distiller(rooms(student), None, Scratch()) if distil else student
        model.compile("adam", loss="mse", metrics=["mae"])
        history = model.fit(X, Y, epochs=2, batch_size=5, shuffle=False, verbose=0).history
        return student.get_weights(), history

    (mine, logs), (plain, expected) = trained(True), trained(False)
    for a, b in zip(mine, plain, strict=True):
        np.testing.assert_array_equal(a, b)
    for name, values in expected.items():
        np.testing.assert_allclose(logs[name], values, rtol=1e-6, err_msg=name)


def test_its_own_compiled_loss_stays():
    student = OwnLoss()
    student.compile("sgd", loss="mae")
    distiller = Distiller(rooms(student), None, Scratch())
    distiller.compile("sgd", loss="mse")
    loss = distiller.compute_losses((X, Y))[1]
    prediction = np.asarray(student(X))
    expected = np.abs(prediction - Y).mean() + 0.1 * np.abs(prediction).mean()
    np.testing.assert_allclose(loss, expected, rtol=1e-5)


@pytest.mark.parametrize("method", [Scratch, lambda: TalkingModels(1, message_dim=5, hidden_dim=6)])
def test_a_subclassed_student_is_saved_as_it_was_trained(tmp_path, method):
    student = Rater()
    distiller = Distiller(rooms(student), teacher(), method())
    assert distiller.student.model is student
    distiller.compile("adam", loss="mse")
    distiller.fit(X, Y, verbose=0)
    assert student.built
    student.save(tmp_path / "student.keras")
    loaded = keras.saving.load_model(
        tmp_path / "student.keras", custom_objects={"Rater": Rater}, compile=False
    )
    np.testing.assert_array_equal(loaded(X), student(X))
    student.save_weights(tmp_path / "student.weights.h5")


def test_the_model_of_plain_functions_is_named():
    student = Rater()
    split = ModelSplit(
        lower=lambda x: student.first(x),
        middle=lambda low: student.second(low),
        head=lambda high: student.last(high),
        model=student,
    )
    distiller = Distiller(split, None, Scratch())
    distiller.compile("sgd", loss="mse")
    distiller.fit(X, Y, verbose=0)
    assert student.built
    with pytest.raises(TypeError, match="`model` must be the Keras model"):
        ModelSplit(lambda x: x, lambda x: x, lambda x: x, model="student")


@pytest.mark.parametrize("weight", [None, np.ones(len(X), "float32")])
def test_its_own_loss_is_given_its_inputs(weight):
    student = OwnLossOfItsInputs()
    distiller = Distiller(student, teacher(), LabelDistillation(task="regression"))
    distiller.compile("sgd", run_eagerly=True)
    expected = np.abs(np.asarray(student(X)) - X[:, :1]).mean()
    data = (X, Y) if weight is None else (X, Y, weight)
    stored = distiller.with_teacher_targets(data)
    logs = distiller.fit(*data[:2], sample_weight=weight, batch_size=12, verbose=0).history
    np.testing.assert_allclose(logs["task_loss"], [expected], rtol=1e-5)
    after = np.abs(np.asarray(student(X)) - X[:, :1]).mean()
    np.testing.assert_allclose(distiller.evaluate(stored, verbose=0), after, rtol=1e-5)


def test_a_step_of_its_own_is_refused_with_the_layer_form():
    with pytest.raises(ValueError, match=r"has a train_step. .*tdrec.DistillationTerms\("):
        Distiller(rooms(OwnStep()), None, Scratch())


def test_losses_that_the_rooms_pass_by_are_refused():
    distiller = Distiller(rooms(Adding()), None, Scratch())
    distiller.compile("sgd", loss="mse", run_eagerly=True)
    for _ in range(2):  # a second try is refused as the first was
        with pytest.raises(ValueError, match="Adding, whose `call` uses add_loss"):
            distiller.fit(X, Y, verbose=0)


def test_a_model_that_is_run_whole_adds_its_losses():
    student = Adding()
    distiller = Distiller(student, teacher(), LabelDistillation())
    distiller.compile("sgd", loss="mse")
    task_loss = distiller.compute_losses((X, Y))[1]
    prediction = np.asarray(student(X))
    expected = ((prediction - Y) ** 2).mean() + prediction.mean()
    np.testing.assert_allclose(task_loss, expected, rtol=1e-5)


def test_labels_need_a_loss_and_a_loss_needs_none():
    distiller = Distiller(*student_and_teacher(), LabelDistillation(task="regression"))
    distiller.compile("sgd", run_eagerly=True)
    assert distiller.fit(X, verbose=0).history["task_loss"] == [0.0]
    with pytest.raises(ValueError, match="Received: labels, and a distiller that is compiled with"):
        distiller.fit(X, Y, verbose=0)
