import numpy as np
import pytest

from tdrec.diagnostics.finding import FAIL, OK, WARN
from tdrec.diagnostics.state_checks import check_alignment, check_messages, check_states


def states(rows=40, width=8, seed=0, scale=1.0):
    return scale * np.random.default_rng(seed).normal(size=(rows, width))


def test_states_of_very_different_size():
    for scale, status in ((1.0, OK), (50.0, OK), (200.0, WARN), (1 / 200, WARN), (0.0, WARN)):
        teacher = {"low": states(seed=1), "high": states(seed=2, scale=scale)}
        student = {"low": states(seed=3), "high": states(seed=4)}
        scaled, _ = check_states(student, teacher)
        assert scaled.status == status, scale
        if status == WARN:
            assert "The high state" in scaled.text
    squares = scaled.figures["mean_square"]
    assert squares["student's low"] == pytest.approx(np.mean(student["low"] ** 2))


@pytest.mark.parametrize(("dead", "status"), [(0, OK), (4, OK), (5, WARN), (8, FAIL)])
def test_dead_units(dead, status):
    low = states()
    low[:, :dead] = 0.3
    _, units = check_states({"low": low, "high": states()}, {})
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
        (finding,) = check_messages({"student's": states(seed=5), "teacher's": messages})
        assert finding.status == status
    assert list(check_messages({})) == []


def test_alignment_is_reported():
    table = {("low", "low"): 0.25, ("low", "high"): 0.5, ("high", "high"): 0.75}
    (finding,) = check_alignment(table)
    assert finding.figures == {"low/low": 0.25, "low/high": 0.5, "high/high": 0.75}
    assert "low 0.25, high 0.75" in finding.text
    assert list(check_alignment({})) == []
