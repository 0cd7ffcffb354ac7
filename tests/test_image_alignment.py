import math

import numpy as np
import pytest

from image_rows import STATES, make_image_row, make_image_rows
from tdrec.image_summary import summarise_images


def table(value, states=STATES):
    return {own: {its: value for its in states} for own in states}


def test_alignments_are_means_over_the_runs_that_have_them():
    rows = [
        make_image_row(label="TD k=2", seed=0, cka={"cat": table(0.2), "dog": table(0.5)}),
        make_image_row(label="TD k=2", seed=1, cka={"cat": table(0.6)}),
        make_image_row(label="TD k=2", seed=2, cka=None),
        make_image_row(label="Scratch", seed=0),
    ]
    alignments = summarise_images(rows).alignments
    assert list(alignments) == ["cifar10"] and list(alignments["cifar10"]) == ["TD k=2"]
    found = alignments["cifar10"]["TD k=2"]
    assert found.student == found.teacher == STATES and list(found.classes) == ["cat", "dog"]
    np.testing.assert_allclose(found.classes["cat"], np.full((3, 3), 0.4))
    np.testing.assert_allclose(found.mean, np.full((3, 3), 0.45))


@pytest.mark.parametrize("unknown", [None, math.nan])
def test_states_that_are_not_known_are_nan(unknown):
    cka = {"cat": {"low": {"low": 0.9, "high": unknown}, "message": {"message": 0.3}}}
    alignments = summarise_images([make_image_row(cka=cka)]).alignments
    found = alignments["cifar10"]["Scratch"]
    assert (found.student, found.teacher) == (("low", "message"), ("low", "high", "message"))
    nan = math.nan
    expected = np.array([[0.9, nan, nan], [nan, nan, 0.3]])
    np.testing.assert_array_equal(found.classes["cat"], expected)
    assert found.diagonal == {"low": 0.9, "message": 0.3}
    selected = found.select(STATES, ("low",))
    np.testing.assert_array_equal(selected.classes["cat"], np.array([[0.9], [nan], [nan]]))


def test_tasks_without_states_have_no_alignments():
    assert summarise_images(make_image_rows(classes=())).alignments == {}
