import numpy as np
import pytest

from tdrec.diagnostics import checks
from tdrec.diagnostics.embedding_ids import IdRange
from tdrec.diagnostics.finding import FAIL, OK, WARN


def states(rows=40, width=8, seed=0, scale=1.0):
    return scale * np.random.default_rng(seed).normal(size=(rows, width))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_rows_with_values_that_are_no_numbers_are_counted(bad):
    x, y = states(), states(width=1)
    x[[3, 7], 2] = bad
    y[5] = bad
    ids = np.arange(40)
    finding = checks.check_rows({"inputs 'x'": x, "inputs 'id'": ids, "labels": y})
    assert finding.status == FAIL
    assert finding.figures["not_finite"] == {"inputs 'x'": 2, "labels": 1}
    assert "2 rows of inputs 'x', 1 rows of labels" in finding.text
    assert checks.check_rows({"inputs": states(), "labels": ids}).status == OK
    words = np.array([["a"]] * 40)
    assert checks.check_rows({"inputs": words, "labels": ids}).status == OK


def test_labels_that_are_all_the_same():
    finding = checks.check_rows({"inputs": states(), "labels": np.full(40, 3.0)})
    assert finding.status == WARN
    assert "3.0" in finding.text


@pytest.mark.parametrize(("least", "greatest", "status"), [(0, 4, OK), (-1, 4, FAIL), (0, 5, FAIL)])
def test_ids(least, greatest, status):
    sound = IdRange("teacher", "item", 10, 0, 9)
    (finding,) = checks.check_ids([sound, IdRange("student", "user", 5, least, greatest)], 40)
    assert finding.status == status
    if status == FAIL:
        assert f"the student's 'user' has rows 0 to 4 and was asked for {least}" in finding.text
        assert "item" not in finding.text
    assert checks.check_ids([], 40) == []


def test_of_a_table_that_was_not_asked_nothing_is_said():
    sound, unseen = IdRange("student", "item", 10, 0, 9), IdRange("student", "user", 5, 5, -1)
    assert checks.check_ids([unseen], 40) == []
    (finding,) = checks.check_ids([sound, unseen], 40)
    assert finding.status == OK
    assert "in 1 embedding tables" in finding.text and set(finding.figures) == {"student/item"}


def test_outputs_that_are_no_numbers():
    sick = states()
    sick[4, 4] = np.inf
    assert checks.check_finite({"student": {"low": states()}, "teacher": {}}).status == OK
    finding = checks.check_finite({"student": {"low": states()}, "teacher": {"high": sick}})
    assert finding.status == FAIL
    assert "the teacher's high (1 rows)" in finding.text


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
    (finding,) = checks.check_range({"student": prediction[:, None]}, labels)
    assert finding.status == status


def test_classes_set_no_range():
    assert checks.check_range({"student": states(40, 1) * 50}, np.resize([0, 1], (40, 1))) == []
    assert checks.check_range({"student": states()}, None) == []
    (finding,) = checks.check_range({"student": states(40, 7) * 50}, np.arange(40))
    assert finding.status == OK and set(finding.figures) == {"labels"}


def test_states_of_very_different_size():
    for scale, status in ((1.0, OK), (50.0, OK), (200.0, WARN), (1 / 200, WARN), (0.0, WARN)):
        teacher = {"low": states(seed=1), "high": states(seed=2, scale=scale)}
        student = {"low": states(seed=3), "high": states(seed=4)}
        scaled, _ = checks.check_states(student, teacher)
        assert scaled.status == status, scale
        if status == WARN:
            assert "The high state" in scaled.text
    squares = scaled.figures["mean_square"]
    assert squares["student's low"] == pytest.approx(np.mean(student["low"] ** 2))


@pytest.mark.parametrize(("dead", "status"), [(0, OK), (4, OK), (5, WARN), (8, FAIL)])
def test_dead_units(dead, status):
    low = states()
    low[:, :dead] = 0.3
    _, units = checks.check_states({"low": low, "high": states()}, {})
    assert units.status == status
    assert units.figures["dead_share"] == {"student's low": dead / 8, "student's high": 0.0}


def test_messages_that_collapse():
    line = np.outer(np.linspace(-1, 1, 40), np.ones(8))
    for messages, status in (
        (states(), OK),
        (states(width=2), OK),
        (line, WARN),
        (states(scale=1e-3) + 1, WARN),
        (np.full((40, 8), 0.7), FAIL),
        (np.full((40, 8), np.nan), FAIL),
    ):
        (finding,) = checks.check_messages({"student's": states(seed=5), "teacher's": messages})
        assert finding.status == status
    assert checks.check_messages({}) == []


@pytest.mark.parametrize(
    ("norms", "expected", "words"),
    [
        ({"task_loss": 1.0, "a": 0.1}, [OK], "a 0.1"),
        ({"task_loss": 1.0, "a": 0.0, "b": 1.0}, [WARN], "from a."),
        ({"task_loss": 0.0, "a": 1.0}, [WARN], "from task_loss."),
        ({"task_loss": 1e5, "a": 1.0}, [WARN], "Very large: task_loss."),
        ({"task_loss": 1e-2, "a": 20.0}, [WARN], "Very large: a."),
        ({"task_loss": 1.0, "a": np.nan}, [FAIL], "Not finite: a."),
        ({"task_loss": 1.0, "a": 0.0, "b": 1e5}, [WARN, WARN], "from a."),
    ],
)
def test_gradients(norms, expected, words):
    findings = checks.check_gradients(norms)
    assert [finding.status for finding in findings] == expected
    assert words in findings[0].text


def test_training_that_diverges():
    assert checks.check_training(1.5, 20).status == OK
    assert checks.check_training(np.nan, 20).status == FAIL


def test_targets_that_do_not_fit_into_memory():
    costs = {
        **dict.fromkeys(("epochs", "run_seconds", "compile_seconds", "targets_seconds"), 1.0),
        **dict.fromkeys(("rows", "steps", "student_params", "method_params", "optimizer_slots"), 1),
        "step_seconds": 0.01,
    }
    small = checks.check_cost({**costs, "targets_bytes": 10})
    assert small.status == OK
    assert 0 < small.figures["peak_bytes"] < small.figures["memory_bytes"]
    large = checks.check_cost({**costs, "targets_bytes": small.figures["memory_bytes"]})
    assert large.status == WARN


def test_alignment_is_reported():
    table = {("low", "low"): 0.25, ("low", "high"): 0.5, ("high", "high"): 0.75}
    (finding,) = checks.check_alignment(table)
    assert finding.figures == {"low/low": 0.25, "low/high": 0.5, "high/high": 0.75}
    assert "low 0.25, high 0.75" in finding.text
    assert checks.check_alignment({}) == []
