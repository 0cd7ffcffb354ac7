"""What is common to the distiller and its layer form: the teacher is asked for, and is constant."""

import numpy as np
import pytest

from small_distillers import X, talking
from small_models import student_and_teacher
from tdrec.distill.method import NOTHING
from tdrec.distill.methods import LabelDistillation, Scratch
from tdrec.distill.teaching import Teaching


def test_it_is_built_once_the_shapes_are_known():
    student, teacher = student_and_teacher()
    assert Teaching(student, teacher, talking()).build()
    assert Teaching(student, None, Scratch()).build()
    assert not Teaching(student, None, talking()).build()


def test_a_missing_teacher_is_named_with_what_is_known_of_it():
    teaching = Teaching(student_and_teacher()[0], None, LabelDistillation())
    teaching.known = ", and it was saved with one"
    with pytest.raises(ValueError, match="teacher=None, and it was saved with one. Pass"):
        teaching.required_teacher()


def test_only_what_the_method_reads_is_taught():
    student, teacher = student_and_teacher()
    trace, _ = Teaching(student, teacher, LabelDistillation()).taught(X, None)
    assert trace.low is None and trace.high is None
    np.testing.assert_array_equal(trace.prediction, teacher(X).prediction)
    assert Teaching(student, teacher, Scratch()).taught(X, None)[0] == NOTHING
    trace, middle = Teaching(student, teacher, talking()).taught(X, None)
    np.testing.assert_array_equal(middle(trace.low), trace.high)
