"""LD, label distillation: the student fits the teacher's predictions.

Source: Hinton et al., 2015; "Talking Models", arXiv 2310.03188, section 3.2.
"""

from typing import Any

import keras
from keras import ops

from tdrec.distill import losses
from tdrec.distill.check import check_positive
from tdrec.distill.method import Method, Tensor
from tdrec.distill.model_split import Trace
from tdrec.distill.term_weight import TermWeight


@keras.saving.register_keras_serializable(package="tdrec")
class LabelDistillation(Method):
    r"""LD: the student also fits the teacher's predictions.

    $w\, d(y_g, y_h)$, with a distance for the kind of output (see `losses.logit_loss`).

    Args:
        weight: $w > 0$. Default 1.
        task: What the outputs are: `"regression"`, `"binary"` (logits of a sigmoid) or
            `"classes"` (logits of a softmax). Default `"regression"`.
        temperature: Softens the two kinds of logits. Default 1.
        **kwargs: Those of `keras.layers.Layer`.

    Raises:
        ValueError: If an argument is out of its range; when it is built, if a model has several
            outputs, or one where classes are compared; the rule is named.

    Example:
        >>> distiller = Distiller(student_split, teacher_split, LabelDistillation(weight=0.5))

    Source:
        Hinton et al., 2015; section 3.2 of the paper, $L_{logit}$.
    """

    teacher_fields = ("prediction",)
    terms = ("label_loss",)
    weight = TermWeight("label_loss")

    def __init__(
        self,
        weight: float = 1.0,
        task: str = "regression",
        temperature: float = 1.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.weight = weight
        self.task = losses.check_task(task)
        self.temperature = check_positive("temperature", temperature)

    def build(self, student: Trace, teacher: Trace) -> None:
        for name, shapes in (("student", student), ("teacher", teacher)):
            if shapes.prediction is None:
                raise ValueError(
                    f"Label distillation compares one output. Received: a {name} with several. "
                    "Name the one in its split: split_model(..., output=KEY)."
                )
            if self.task == "classes" and (*shapes.prediction, 1)[1] == 1:
                raise ValueError(
                    "With task='classes' label distillation compares logits of two classes or "
                    f"more. Received: a {name} with outputs of shape {shapes.prediction}. For one "
                    "logit a row use task='binary', for a number task='regression'."
                )

    def compute_loss(
        self, student: Trace, teacher: Trace, *, sample_weight: Tensor | None = None, **_: Any
    ) -> dict[str, Tensor]:
        # One number a row, whether a model writes it as (batch,) or as (batch, 1).
        y_teacher, y_student = (
            ops.expand_dims(y, -1) if len(y.shape) == 1 else y
            for y in (teacher.prediction, student.prediction)
        )
        values = losses.logit_loss(y_teacher, y_student, self.task, self.temperature)
        return self.weighted({"label_loss": losses.mean(values, sample_weight)})
