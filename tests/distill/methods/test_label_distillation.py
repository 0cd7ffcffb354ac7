import keras
import numpy as np
import pytest

import numpy_reference as reference
from lessons import SAMPLE_WEIGHT, Lesson, assert_terms
from tdrec.distill.masks import masked
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


@pytest.mark.parametrize("task", ["regression", "binary"])
@pytest.mark.parametrize("by_mask", [False, True])
def test_the_scores_of_a_list_are_weighed_one_by_one(task, by_mask):
    y = np.random.default_rng(0).normal(size=(2, 12, 4)).astype("float32")
    there = (np.arange(4) < np.arange(1, 13)[:, None] % 4 + 1).astype("float32")
    distance = {"regression": reference.l2, "binary": reference.binary_kl}[task]
    values = distance(y[1][..., None], y[0][..., None])
    student, teacher = (Trace(None, None, keras.ops.convert_to_tensor(each)) for each in y)
    method = LabelDistillation(0.7, task)
    method.build(Trace(None, None, (None, 4)), Trace(None, None, (None, 4)))
    if by_mask:
        masked(student.prediction, keras.ops.convert_to_tensor(there > 0))
    found = method.compute_loss(student, teacher, sample_weight=None if by_mask else there)
    count = there.sum() if by_mask else there.size
    assert_terms(found, {"label_loss": 0.7 * (values * there).sum() / count})


def test_the_classes_of_a_row_have_one_weight():
    y = np.zeros((12, 4), "float32")
    method = LabelDistillation(task="classes")
    with pytest.raises(ValueError, match=r"shape \(12, 4\) for values of shape .*SampleWeights"):
        method.compute_loss(Trace(None, None, y), Trace(None, None, y), sample_weight=y + 1)
