"""A method in one file, of one's own: the student fits the teacher's rounded predictions."""

from typing import Any

import keras
from keras import ops

from tdrec.distill.method import Method, Tensor
from tdrec.distill.model_split import Trace
from tdrec.distill.term_weight import TermWeight


@keras.saving.register_keras_serializable(package="own")
class RoundedLabels(Method):
    """Mean squared error with the teacher's predictions, rounded to whole stars."""

    teacher_fields = ("prediction",)
    terms = ("rounded_loss",)
    weight = TermWeight("rounded_loss")

    def __init__(self, weight: float = 1.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.weight = weight

    def compute_loss(self, student: Trace, teacher: Trace, **_: Any) -> dict[str, Tensor]:
        error = student.prediction - ops.round(teacher.prediction)
        return self.weighted({"rounded_loss": ops.mean(ops.square(error))})
