import numpy as np
import pytest

from tdrec.diagnostics.embedding_ids import IdRange
from tdrec.diagnostics.finding import FAIL, OK, WARN
from tdrec.diagnostics.value_checks import (
    check_finite,
    check_ids,
    check_range,
    check_rows,
    check_shapes,
)


def states(rows=40, width=8, seed=0, scale=1.0):
    return scale * np.random.default_rng(seed).normal(size=(rows, width))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_rows_with_values_that_are_no_numbers_are_counted(bad):
    x, y = states(), states(width=1)
    x[[3, 7], 2] = bad
    y[5] = bad
    ids = np.arange(40)
    finding = check_rows({"inputs 'x'": x, "inputs 'id'": ids, "labels": y})
    assert finding.status == FAIL
    assert finding.figures["not_finite"] == {"inputs 'x'": 2, "labels": 1}
    assert "2 rows of inputs 'x', 1 rows of labels" in finding.text
    assert check_rows({"inputs": states(), "labels": ids}).status == OK
    words = np.array([["a"]] * 40)
    assert check_rows({"inputs": words, "labels": ids}).status == OK


def test_labels_that_are_all_the_same():
    finding = check_rows({"inputs": states(), "labels": np.full(40, 3.0)})
    assert finding.status == WARN
    assert "3.0" in finding.text


@pytest.mark.parametrize(("least", "greatest", "status"), [(0, 4, OK), (-1, 4, FAIL), (0, 5, FAIL)])
def test_ids(least, greatest, status):
    sound = IdRange("teacher", "item", 10, 0, 9)
    (finding,) = check_ids([sound, IdRange("student", "user", 5, least, greatest)], 40)
    assert finding.status == status
    if status == FAIL:
        assert f"the student's 'user' has rows 0 to 4 and was asked for {least}" in finding.text
        assert "item" not in finding.text
    assert list(check_ids([], 40)) == []


def test_of_a_table_that_was_not_asked_nothing_is_said():
    sound, unseen = IdRange("student", "item", 10, 0, 9), IdRange("student", "user", 5, 5, -1)
    assert list(check_ids([unseen], 40)) == []
    (finding,) = check_ids([sound, unseen], 40)
    assert finding.status == OK
    assert "in 1 embedding tables" in finding.text and set(finding.figures) == {"student/item"}


def test_outputs_that_are_no_numbers():
    sick = states()
    sick[4, 4] = np.inf
    assert check_finite({"student": {"low": states()}, "teacher": {}}).status == OK
    finding = check_finite({"student": {"low": states()}, "teacher": {"high": sick}})
    assert finding.status == FAIL
    assert "the teacher's high (1 rows)" in finding.text


def test_labels_that_do_not_belong_to_predictions():
    row, column = np.zeros(40), np.zeros((40, 1))
    for prediction, labels in ((row, column), (column, row), (column, column), (row, None)):
        assert list(check_shapes(prediction, labels, True)) == []
    assert list(check_shapes(None, row, True)) == []
    assert list(check_shapes(row, row, False)) == []
    (finding,) = check_shapes(row, row, True)
    assert finding.status == WARN and "weights are lost" in finding.text
    (finding,) = check_shapes(column, np.zeros((40, 3)), False)
    assert finding.status == FAIL and "labels of shape (3,)" in finding.text


@pytest.mark.parametrize(
    ("prediction", "status"),
    [
        (np.linspace(1, 5, 100), OK),
        (np.linspace(-2, 8, 100), OK),
        (np.zeros(100), WARN),
        (np.append(np.full(97, 3.0), [20, 20, -20]), WARN),
    ],
)
def test_the_range_of_predictions(prediction, status):
    labels = np.resize([1.0, 2.0, 3.0, 4.0, 5.0], (100, 1))
    (finding,) = check_range({"student": prediction[:, None]}, labels)
    assert finding.status == status


def test_classes_set_no_range():
    assert list(check_range({"student": states(40, 1) * 50}, np.resize([0, 1], (40, 1)))) == []
    assert list(check_range({"student": states()}, None)) == []
    (finding,) = check_range({"student": states(40, 7) * 50}, np.arange(40))
    assert finding.status == OK and set(finding.figures) == {"labels"}
