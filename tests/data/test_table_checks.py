"""What values must be, beside what each is read as."""

import numpy as np
import pytest

from own_tables import source
from tdrec.data.error import DataError
from tdrec.data.table_checks import check_targets, check_weights, is_finite, note_times
from tdrec.data.table_ids import Notes

ALL = np.ones(3, bool)


def test_numbers_are_finite_in_32_bits():
    values = np.array([0, 3e38, -3e38, 1e39, np.inf, np.nan])
    assert is_finite(values).tolist() == [True, True, True, False, False, False]


@pytest.mark.parametrize(
    ("values", "scale", "message"),
    [
        ([1, np.inf, 2], None, "row 2: rating must be a finite number of 32 bits. Received: inf"),
        ([1, 2, 6], (1.0, 5.0), "row 3: rating must be within 1 to 5. Received: 6"),
        ([2, 2, 2], None, "rating must vary.* Received: 2 in each row"),
    ],
)
def test_targets_that_cannot_be_predicted_are_refused(values, scale, message):
    with pytest.raises(DataError, match=message):
        check_targets(np.array(values, float), ALL, source("rows.csv", scale=scale))


def test_rows_that_are_dropped_anyway_may_hold_anything():
    whole = np.array([True, False, True])
    check_targets(np.array([1, np.inf, 2]), whole, source("rows.csv", scale=(1.0, 2.0)))
    check_weights(np.array([1, -1, 0]), whole, source("rows.csv", weight="weight"))


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1, -1, 0], "row 2: weight must be .*not negative. Received: -1"),
        ([1, 0, 1e39], r"row 3: weight must be a finite .*Received: 1e\+39"),
        ([0, 0, 1e-60], "weight must be above 0 in some row"),
    ],
)
def test_weights_that_cannot_be_trained_with_are_refused(weights, message):
    with pytest.raises(DataError, match=message):
        check_weights(np.array(weights, float), ALL, source("rows.csv", weight="weight"))


@pytest.mark.parametrize(
    ("first", "last", "said"),
    [
        (0, 200, ""),
        (800_000_000, 1_700_000_000, ""),
        (19991231, 20001231, "days"),
        (19991331, 20001231, ""),
        (1_600_000_000_000, 1_700_000_000_000, "milliseconds"),
    ],
)
def test_times_that_are_hardly_seconds_are_said(first, last, said):
    notes = Notes()
    note_times(np.array([last, first]), source("rows.csv", time="time"), notes)
    assert [said in each for each in notes.warnings] == [True] * bool(said)
