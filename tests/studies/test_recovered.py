"""Tests of the share of a gap between student and teacher that is recovered."""

import numpy as np
import pytest
from scipy import stats

from small_scores import accuracies, close, scores, simulate
from tdrec.studies.comparison import Estimate, compare, recovered
from tdrec.studies.metric import ACCURACY, RMSE


def test_the_recovered_share_has_the_interval_of_the_linear_ratio():
    student, scratch = np.array([0.76, 0.75, 0.77, 0.74]), np.array([0.70, 0.71, 0.72, 0.69])
    found = recovered(
        [(accuracies(*student), accuracies(*scratch), accuracies(0.82, seeds=(None,)))], ACCURACY
    )
    part, whole = student - scratch, 0.82 - scratch
    ratio = part.mean() / whole.mean()
    interval = stats.ttest_rel(part, ratio * whole).confidence_interval(0.95)
    ends = (ratio + end / whole.mean() for end in (interval.low, interval.high))
    assert close(found, Estimate(ratio, *ends))


@pytest.mark.parametrize("teacher_has_seeds", [True, False])
def test_a_student_as_good_as_the_teacher_recovers_all_and_one_like_scratch_nothing(
    teacher_has_seeds,
):
    teacher, scratch = simulate(np.random.default_rng(2), users=80, gain=0.2)
    if not teacher_has_seeds:
        teacher = scores(teacher.sums[:, :1], teacher.rows, seeds=(None,))
    assert close(recovered([(teacher, scratch, teacher)], RMSE), Estimate(1, 1, 1))
    assert close(recovered([(scratch, scratch, teacher)], RMSE), Estimate(0, 0, 0))


def test_nothing_is_recovered_of_a_gap_that_is_not_shown():
    teacher, scratch = simulate(np.random.default_rng(2), users=80, gain=0.2)
    assert recovered([(scratch, teacher, scratch)], RMSE) is None  # the teacher is worse
    one, other = simulate(np.random.default_rng(3), users=10)
    assert compare([(one, other)], RMSE).verdict == "unclear"
    assert recovered([(other, other, one)], RMSE) is None
    single = [scores(x.sums[:, :1], x.rows) for x in (teacher, scratch)]
    assert recovered([(single[0], single[1], single[0])], RMSE) is None  # one seed
    late = scores(scratch.sums, scratch.rows, seeds=(7, 8, 9))
    assert recovered([(late, scratch, teacher)], RMSE) is None  # no seed in common
