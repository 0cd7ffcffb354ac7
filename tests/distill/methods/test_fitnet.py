import numpy as np
import pytest

import numpy_reference as reference
from lessons import SAMPLE_WEIGHT, Lesson, assert_terms
from tdrec.distill.methods import (
    FitNet,
)


@pytest.mark.parametrize("weight", [None, SAMPLE_WEIGHT], ids=["plain", "weighted"])
@pytest.mark.parametrize("distance", ["l2", "cosine", "pearson"])
def test_fitnet_equals_numpy(distance, weight):
    lesson = Lesson(FitNet(0.7, hidden_dim=9, distance=distance))
    student, teacher = lesson.numpy_traces()
    decoded = reference.codec(lesson.method.student_decoder, np.concatenate(teacher[:2], -1))
    states = decoded[:, :5], decoded[:, 5:]
    expected = {"hint_loss": 0.7 * reference.between(distance, student[:2], states, weight)}
    assert_terms(lesson.terms(sample_weight=weight), expected)
