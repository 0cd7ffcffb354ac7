"""FD, feature distillation: both models' states are encoded, and the messages compared.

Source: "Talking Models", arXiv 2310.03188, section 3.2.
"""

from typing import Any

import keras

from tdrec.distill import losses
from tdrec.distill.method import (
    Method,
    Tensor,
    check_positive,
    join,
    make_encoder,
    refuse_unequal,
)
from tdrec.distill.model_split import Trace


@keras.saving.register_keras_serializable(package="tdrec")
class FeatureDistillation(Method):
    r"""FD: both models encode their states, and the student pulls the two messages together.

    $L_{feature} = w\, d(E_g(\{s_g; e_g\}), E_h(\{s_h; e_h\}))$, both encoders learned. Nothing but
    the task's own gradient keeps the encoders from agreeing on a constant.

    Args:
        weight: $w > 0$. Default 1.
        message_dim: Width of the message. Default 128.
        hidden_dim: Units of an encoder's relu layer. Default 256.
        dropout: Rate in the encoders. Default 0.
        linear: Dense encoders. Default False.
        distance: `"l2"`, `"cosine"` or `"pearson"`. Default `"l2"`.
        identity: No encoders: the joined states themselves are compared, and the two models must
            have the same widths. Default False.
        **kwargs: Those of `keras.layers.Layer`.

    Raises:
        ValueError: If an argument is out of its range; the rule is named.

    Example:
        >>> Distiller(student_split, teacher_split, FeatureDistillation(weight=3.0))

    Source:
        Heo et al., 2019; section 3.2 of the paper, $L_{feature}$.
    """

    teacher_fields = ("low", "high")
    terms = ("feature_loss",)

    def __init__(
        self,
        weight: float = 1.0,
        message_dim: int = 128,
        hidden_dim: int = 256,
        dropout: float = 0.0,
        linear: bool = False,
        distance: str = "l2",
        identity: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.weight = check_positive("weight", weight)
        self.message_dim = message_dim
        self.hidden_dim = hidden_dim
        self.dropout = dropout
        self.linear = linear
        self.identity = identity
        self.distance = distance
        self._distance = losses.get(distance)

    def build(self, student: Trace, teacher: Trace) -> None:
        self.student_encoder: Any = join
        self.teacher_encoder: Any = join
        if self.identity:
            refuse_unequal(student, teacher)
        else:
            self.student_encoder = make_encoder(self, "student_encoder", student)
            self.teacher_encoder = make_encoder(self, "teacher_encoder", teacher)

    def compute_loss(
        self,
        student: Trace,
        teacher: Trace,
        *,
        sample_weight: Tensor | None = None,
        training: bool = False,
        **_: Any,
    ) -> dict[str, Tensor]:
        values = self._distance(
            self.student_encoder(student.low, student.high, training=training),
            self.teacher_encoder(teacher.low, teacher.high, training=training),
        )
        return {"feature_loss": self.weight * losses.mean(values, sample_weight)}
