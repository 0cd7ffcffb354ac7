import numpy as np

import numpy_reference as reference
from lessons import SAMPLE_WEIGHT, SIZES, Lesson, assert_terms
from tdrec.distill.methods import (
    Hybrid,
)


def test_hybrid_is_label_plus_feature_distillation():
    lesson = Lesson(Hybrid(0.7, 0.3, "regression", **SIZES))
    student, teacher = lesson.numpy_traces()
    encoders = lesson.method.methods[1]
    messages = (
        reference.codec(encoders.student_encoder, np.concatenate(student[:2], -1)),
        reference.codec(encoders.teacher_encoder, np.concatenate(teacher[:2], -1)),
    )
    for weight in (None, SAMPLE_WEIGHT):
        expected = {
            "label_loss": 0.7 * reference.mean(reference.l2(student[2], teacher[2]), weight),
            "feature_loss": 0.3 * reference.mean(reference.l2(*messages), weight),
        }
        assert_terms(lesson.terms(sample_weight=weight), expected)
