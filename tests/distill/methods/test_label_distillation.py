import numpy as np
import pytest

import numpy_reference as reference
from lessons import SAMPLE_WEIGHT, Lesson, assert_terms
from tdrec.distill.methods import LabelDistillation
from tdrec.distill.model_split import Trace


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


@pytest.mark.parametrize("task", ["regression", "binary"])
@pytest.mark.parametrize("flat", [(True, True), (True, False), (False, True)])
def test_one_number_a_row_may_be_written_without_its_axis(task, flat):
    y = np.random.default_rng(0).normal(size=(2, 12, 1)).astype("float32")
    student, teacher = (
        Trace(None, None, values[:, 0] if is_flat else values)
        for values, is_flat in zip(y, flat, strict=True)
    )
    method = LabelDistillation(0.7, task)
    method.build(*(Trace(None, None, (None, *t.prediction.shape[1:])) for t in (student, teacher)))
    distance = {"regression": reference.l2, "binary": reference.binary_kl}[task]
    for weight in (None, SAMPLE_WEIGHT):
        expected = 0.7 * reference.mean(distance(y[1], y[0]), weight)
        assert_terms(
            method.compute_loss(student, teacher, sample_weight=weight), {"label_loss": expected}
        )


@pytest.mark.parametrize("shape", [(None,), (None, 1)])
def test_one_class_is_none(shape):
    with pytest.raises(ValueError, match=r"two classes or more. Received: a teacher with .*binary"):
        LabelDistillation(task="classes").build(
            Trace(None, None, (None, 3)), Trace(None, None, shape)
        )
