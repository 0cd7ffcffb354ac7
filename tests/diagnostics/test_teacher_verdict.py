import keras
import numpy as np
import pytest

from tdrec.diagnostics.finding import FAIL, OK, WARN
from tdrec.diagnostics.teacher_verdict import (
    belong_together,
    check_scratch,
    check_teacher,
    columns,
    compare,
    constant_prediction,
    row_losses,
)


def mean_of_all(labels, prediction):
    return keras.ops.mean(keras.ops.square(labels - prediction))


@pytest.mark.parametrize("labels_shape", [(3,), (3, 1)])
@pytest.mark.parametrize("shape", [(3,), (3, 1)])
@pytest.mark.parametrize(
    "loss",
    ["mse", keras.losses.MeanSquaredError(), keras.losses.mean_squared_error, mean_of_all],
    ids=["name", "loss", "function", "mean"],
)
def test_losses_of_rows(loss, shape, labels_shape):
    labels = np.reshape([1.0, 2.0, 3.0], labels_shape)
    prediction = np.reshape([1.0, 4.0, 2.5], shape)
    np.testing.assert_allclose(row_losses(loss, labels, prediction), [0, 4, 0.25])


def test_losses_of_rows_of_several_values_are_means():
    labels = np.arange(12.0).reshape(2, 2, 3)
    np.testing.assert_allclose(
        row_losses("mae", labels, labels + np.array([[[1.0]], [[3.0]]])), [1, 3]
    )


@pytest.mark.parametrize(
    ("labels", "prediction", "expected"),
    [
        (np.zeros(5), np.zeros(5), True),
        (np.zeros(5), np.zeros((5, 1)), True),
        (np.zeros((5, 1)), np.zeros(5), True),
        (np.zeros((5, 3)), np.zeros((5, 3)), True),
        (np.array([0, 2, 1]), np.zeros((3, 3)), True),
        (np.array([[0.0], [2.0], [1.0]]), np.zeros((3, 3)), True),
        (np.zeros((5, 7)), np.zeros((5, 7, 3)), True),
        (np.array([0, 3, 1]), np.zeros((3, 3)), False),
        (np.array([0.5, 0.0, 1.0]), np.zeros((3, 3)), False),
        (np.zeros((5, 3)), np.zeros(5), False),
        (np.zeros((5, 3)), np.zeros((5, 1)), False),
        (np.zeros((3, 3)), np.zeros(3), False),
    ],
)
def test_which_labels_belong_to_predictions(labels, prediction, expected):
    assert belong_together(labels, prediction) is expected


def test_rows_of_one_number_get_an_axis():
    np.testing.assert_array_equal(columns([1, 2]), [[1], [2]])
    assert columns(np.zeros((2, 1))).shape == (2, 1)


def entropy(share):
    return -np.sum(share * np.log(share))


@pytest.mark.parametrize(
    ("loss", "labels", "expected"),
    [
        ("mse", np.array([[1.0], [5.0], [3.0], [3.5]]), 3.125),
        ("mse", np.array([1.0, 5.0, 3.0, 3.5]), 3.125),
        (keras.losses.BinaryCrossentropy(from_logits=True), np.array([1, 0, 0, 0]), -np.log(3)),
        ("binary_crossentropy", np.array([1, 0, 0, 0]), 0.25),
    ],
)
def test_the_constant_fits_values_logits_and_probabilities(loss, labels, expected):
    for shape in ((7, 1), (7,)):
        constant = constant_prediction(loss, labels, np.zeros(shape, "float32"))
        np.testing.assert_allclose(constant, np.full((1, *shape[1:]), expected), rtol=1e-5)


@pytest.mark.parametrize("from_logits", [False, True])
def test_the_constant_of_classes_is_their_share(from_logits):
    labels = np.array([0, 2, 2, 1, 2, 2])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=from_logits)
    for given in (labels, labels[:, None]):
        constant = constant_prediction(loss, given, np.zeros((4, 3), "float32"))
        repeated = np.repeat(constant, 6, axis=0)
        least = entropy(np.array([1, 1, 4]) / 6)
        assert row_losses(loss, given, repeated).mean() == pytest.approx(least, rel=1e-5)


def test_differences_have_the_standard_error_of_paired_rows():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=50), rng.normal(size=50)
    mean, error = compare(a, b)
    assert mean == pytest.approx((a - b).mean())
    assert error == pytest.approx((a - b).std() / np.sqrt(50))
    # A weight of 2 counts like a row that is there twice, in the mean.
    weight = rng.integers(1, 3, 50)
    assert compare(a, b, weight)[0] == pytest.approx(np.repeat(a - b, weight).mean())
    assert compare(a, b, np.stack([weight, weight], axis=1)) == compare(a, b, weight)


@pytest.mark.parametrize(
    ("shift", "status", "words"),
    [
        (0.5, FAIL, "worse than a student from scratch on this segment, by 0.5"),
        (-0.5, OK, "better than a student from scratch on this segment, by 0.5"),
        (0.01, WARN, "not shown to be better"),
    ],
)
def test_the_verdict(shift, status, words):
    rng = np.random.default_rng(0)
    scratch = rng.normal(size=200) ** 2
    noise = rng.normal(size=200)
    teacher = scratch + shift + 0.3 * (noise - noise.mean())
    finding = check_teacher({"scratch": scratch, "teacher": teacher}, "mse")
    assert finding.status == status
    assert words in finding.text
    assert finding.figures["difference"] == pytest.approx(shift)
    assert (finding.remedy is None) == (status == OK)


def test_a_student_no_better_than_a_constant_is_named():
    good, bad = np.full(30, 1.0), np.full(30, 2.0)
    assert check_scratch({"scratch": good, "constant": bad}, "mse").status == OK
    for scratch in (good, bad, np.full(30, np.nan)):
        assert check_scratch({"scratch": scratch, "constant": good}, "mse").status == WARN
