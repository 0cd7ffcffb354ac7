"""What outputs are taken for is said, and values that contradict it are found."""

import keras
import numpy as np
import pytest
from keras import layers, losses, ops
from scipy import special

from tdrec.diagnostics.finding import FAIL, OK, WARN
from tdrec.diagnostics.kind_checks import as_students, check_kinds, looks_like_probabilities
from tdrec.distill.distiller import Distiller
from tdrec.distill.method import Method
from tdrec.distill.methods import LabelDistillation, Scratch
from tdrec.distill.predictor import Predictor

LOGITS = np.random.default_rng(0).normal(0, 3, (40, 3)).astype("float32")
CLASSES = special.softmax(LOGITS, axis=-1)
CLICKS = special.expit(LOGITS[:, :1])
CROSS = losses.SparseCategoricalCrossentropy
CROSS_OF_CLICKS = losses.BinaryCrossentropy


class Comparing(Method):
    """Of one's own: it compares predictions as they are."""

    teacher_fields, terms = ("prediction",), ("own_loss",)

    def compute_loss(self, student, teacher, **_):
        return {"own_loss": ops.mean(ops.abs(student.prediction - teacher.prediction))}


def of_the_end(labels, outputs):
    return ops.mean(ops.square(outputs), axis=-1)


def model(activation=None, units=3, hidden=None):
    """A model whose `hidden` function of the output no last layer tells."""
    inputs = keras.Input((2,))
    x = layers.Dense(units, activation)(inputs)
    return keras.Model(inputs, layers.Lambda(hidden)(x) if hidden else x)


def found(student, teacher, loss, method, own, its):
    distiller = Distiller(Predictor(student), Predictor(teacher), method)
    distiller.compile("sgd", loss=loss)
    outputs = {"student": {"prediction": own}, "teacher": {"prediction": its}}
    return list(check_kinds(distiller, outputs))


def one(*given):
    (finding,) = found(*given)
    assert finding.check == "kind" and (finding.remedy is None) == (finding.status == OK)
    return finding


def test_numbers():
    finding = one(model(), model(), "mse", LabelDistillation(), LOGITS, CLASSES)
    assert finding.status == OK
    assert finding.text.startswith("Taken for numbers: a student with the loss 'mse'")
    assert finding.figures["teacher"]["values"] == [CLASSES.min(), CLASSES.max()]


@pytest.mark.parametrize("end", ["softmax", None])
def test_what_is_told_is_said(end):
    values = CLASSES if end else LOGITS
    given = (model(end), model(), CROSS(from_logits=end is None), LabelDistillation())
    finding = one(*given, values, LOGITS)
    assert finding.status == OK
    form = "probabilities" if end else "logits"
    assert f"Taken for classes, as {form}: a student with the loss" in finding.text
    assert f"from_logits={end is None} and {end or 'linear'} as its last layer" in finding.text
    assert "Taken for classes, as logits: a teacher with no loss and linear" in finding.text
    assert finding.figures["student"]["from_logits"] is (end is None)


def test_a_loss_of_ones_own_tells_nothing_but_the_method_does():
    method = LabelDistillation(task="classes", from_logits=False)
    opaque = {"hidden": ops.abs}
    finding = one(model(**opaque), model(**opaque), of_the_end, method, CLASSES, CLASSES)
    assert finding.status == OK
    assert finding.text.count("Taken for classes, as probabilities") == 2
    assert finding.text.count("as the method has it") == 2
    finding = one(model(**opaque), model(**opaque), of_the_end, Scratch(), CLASSES, LOGITS)
    assert finding.status == OK
    assert "something that nothing tells, as logits or probabilities" in finding.text


def test_logits_under_a_loss_of_probabilities():
    student = model(hidden=ops.abs)
    finding = one(student, model("softmax"), CROSS(), Scratch(), LOGITS, CLASSES)
    assert finding.status == FAIL
    assert f"between {LOGITS.min():.4g} and {LOGITS.max():.4g}" in finding.text
    assert "the student's values" in finding.text and "the teacher's values" not in finding.text


@pytest.mark.parametrize("method", [LabelDistillation, Scratch])
def test_a_softmax_that_no_layer_shows(method):
    student = model(hidden=ops.softmax)
    given = (student, model(), CROSS(from_logits=True), method())
    finding = one(*given, CLASSES, LOGITS)
    assert finding.status == FAIL
    assert "the student's values look like probabilities" in finding.text
    assert "those of a row sum to 1" in finding.text
    # The teacher's, which is taken for logits since the student's is.
    finding = one(model(), student, CROSS(from_logits=True), LabelDistillation(), LOGITS, CLASSES)
    assert finding.status == FAIL
    assert "the teacher's values look like probabilities" in finding.text


def test_clicks():
    own = (model(units=1), model(units=1), CROSS_OF_CLICKS(from_logits=True))
    finding = one(*own, LabelDistillation(), CLICKS, LOGITS[:, :1])
    assert finding.status == WARN and "Taken for clicks, as logits" in finding.text
    finding = one(*own, LabelDistillation(), np.zeros_like(CLICKS), LOGITS[:, :1])
    assert finding.status == OK, "a student that predicts 0 for all says nothing of its kind"


def test_classes_that_do_not_sum_to_1():
    student = model(hidden=ops.sigmoid)
    values = special.expit(LOGITS)
    finding = one(student, model("softmax"), CROSS(), Scratch(), values, CLASSES)
    assert finding.status == WARN
    sums = values.sum(-1)
    assert f"sum to {sums.min():.4g} to {sums.max():.4g}" in finding.text


def test_loss_and_last_layer_that_contradict_each_other():
    given = (model("softmax"), model("softmax"), CROSS(from_logits=True), Scratch())
    finding = one(*given, CLASSES, CLASSES)
    assert finding.status == FAIL
    assert "loss and the last layer of the student's output contradict" in finding.text


@pytest.mark.parametrize(("method", "status"), [(Comparing, WARN), (Scratch, OK)])
def test_a_method_of_ones_own_that_compares_what_is_unlike(method, status):
    opaque = model(hidden=ops.abs)
    finding = one(opaque, opaque, of_the_end, method(), LOGITS, CLASSES)
    assert finding.status == status
    assert ("the teacher's values look like probabilities" in finding.text) == (status == WARN)
    assert one(opaque, opaque, of_the_end, method(), LOGITS, LOGITS).status == OK
    assert one(opaque, opaque, of_the_end, method(), CLASSES, CLASSES).status == OK
    # Numbers may lie anywhere.
    assert one(model(), model(), "mse", method(), LOGITS, CLASSES).status == OK


def test_rounding_is_no_contradiction():
    rounded = (model("softmax"), model("softmax"), CROSS(), LabelDistillation())
    half = CLASSES.astype("float16")
    assert one(*rounded, half, half).status == OK


@pytest.mark.parametrize(
    ("values", "task", "looks"),
    [
        (CLASSES, "classes", True),
        (CLASSES, None, True),
        (LOGITS, None, False),
        (special.expit(LOGITS), "classes", False),
        (special.expit(LOGITS), "binary", True),
        (CLICKS[:, 0], None, True),
        (np.full((4, 3), 1 / 3), "classes", False),
    ],
)
def test_looks_like_probabilities(values, task, looks):
    assert looks_like_probabilities(values, task) is looks


def test_the_teachers_prediction_is_judged_in_the_students_form():
    def converted(own, its, loss, values):
        distiller = Distiller(Predictor(model(own)), Predictor(model(its)), LabelDistillation())
        distiller.compile("sgd", loss=loss)
        return as_students(distiller, values)

    probabilities, logits = CROSS(), CROSS(from_logits=True)
    found = converted("softmax", None, probabilities, LOGITS)
    np.testing.assert_allclose(found, CLASSES, rtol=1e-5)
    found = converted(None, "softmax", logits, CLASSES)
    np.testing.assert_allclose(special.softmax(found, axis=-1), CLASSES, rtol=1e-4, atol=1e-6)
    assert converted(None, None, logits, LOGITS) is LOGITS
    assert converted(None, None, "mse", LOGITS) is LOGITS
    found = converted("sigmoid", None, CROSS_OF_CLICKS(), LOGITS)
    np.testing.assert_allclose(found, special.expit(LOGITS), rtol=1e-5)
