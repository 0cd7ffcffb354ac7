import numpy as np
import pytest

from tdrec.diagnostics.finding import FAIL, OK, WARN
from tdrec.diagnostics.training_checks import check_cost, check_gradients, check_training


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
    findings = list(check_gradients(norms))
    assert [finding.status for finding in findings] == expected
    assert words in findings[0].text


def test_training_that_diverges():
    assert check_training(1.5, 20).status == OK
    assert check_training(np.nan, 20).status == FAIL


def test_targets_that_do_not_fit_into_memory():
    costs = {
        **dict.fromkeys(("epochs", "run_seconds", "compile_seconds", "targets_seconds"), 1.0),
        **dict.fromkeys(("rows", "steps", "student_params", "method_params", "optimizer_slots"), 1),
        "step_seconds": 0.01,
    }
    small = check_cost({**costs, "targets_bytes": 10})
    assert small.status == OK
    assert 0 < small.figures["peak_bytes"] < small.figures["memory_bytes"]
    large = check_cost({**costs, "targets_bytes": small.figures["memory_bytes"]})
    assert large.status == WARN
