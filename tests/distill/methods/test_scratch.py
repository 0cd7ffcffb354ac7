from lessons import Lesson
from tdrec.distill.methods import (
    Scratch,
)


def test_scratch_asks_for_nothing():
    lesson = Lesson(Scratch())
    assert lesson.terms() == {}
    assert lesson.method.teacher_fields == ()
    assert lesson.method.variables == []
