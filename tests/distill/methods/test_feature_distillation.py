import numpy as np
import pytest

import numpy_reference as reference
from lessons import SAMPLE_WEIGHT, SIZES, Lesson, assert_terms
from tdrec.distill.methods import (
    FeatureDistillation,
)


@pytest.mark.parametrize("weight", [None, SAMPLE_WEIGHT], ids=["plain", "weighted"])
@pytest.mark.parametrize("distance", ["l2", "cosine", "pearson"])
def test_feature_distillation_equals_numpy(distance, weight):
    lesson = Lesson(FeatureDistillation(0.7, **SIZES, distance=distance))
    messages = (
        reference.codec(encoder, np.concatenate(trace[:2], -1))
        for encoder, trace in zip(
            (lesson.method.student_encoder, lesson.method.teacher_encoder),
            lesson.numpy_traces(),
            strict=True,
        )
    )
    values = reference.DISTANCES[distance](*messages)
    expected = {"feature_loss": 0.7 * reference.mean(values, weight)}
    assert_terms(lesson.terms(sample_weight=weight), expected)
