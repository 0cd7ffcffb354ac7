import pytest

import numpy_reference as reference
from lessons import SAMPLE_WEIGHT, Lesson, assert_terms
from tdrec.distill.methods import (
    LabelDistillation,
)


@pytest.mark.parametrize("weight", [None, SAMPLE_WEIGHT], ids=["plain", "weighted"])
@pytest.mark.parametrize("task", ["regression", "binary", "classes"])
def test_label_distillation_equals_numpy(task, weight):
    lesson = Lesson(LabelDistillation(0.7, task, temperature=2.0), outputs=3)
    student, teacher = (trace[2] for trace in lesson.numpy_traces())
    values = {
        "regression": lambda: reference.l2(student, teacher),
        "binary": lambda: reference.binary_kl(teacher, student, 2.0),
        "classes": lambda: reference.kl(teacher, student, 2.0),
    }[task]()
    expected = {"label_loss": 0.7 * reference.mean(values, weight)}
    assert_terms(lesson.terms(sample_weight=weight), expected)
