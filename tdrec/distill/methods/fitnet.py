"""FitNet: a decoding of the teacher's states is what the student's are to be.

Source: "Talking Models", arXiv 2310.03188, section 3.2.
"""

from typing import Any

import keras

from tdrec.distill import losses
from tdrec.distill.method import (
    Method,
    Tensor,
    between_states,
    check_positive,
    join,
    make_decoder,
    refuse_unequal,
)
from tdrec.distill.model_split import Trace


@keras.saving.register_keras_serializable(package="tdrec")
class FitNet(Method):
    r"""FitNet: the student's states follow what a learned decoder makes of the teacher's.

    $L_{fitnet} = w\, d(\{s_g; e_g\}, D_g(\{s_h; e_h\}))$: the teacher's states are the message, so
    its encoder is the identity.

    Args:
        weight: $w > 0$. Default 1.
        hidden_dim: Units of the decoder's relu layer. Default 256.
        dropout: Rate in the decoder. Default 0.
        linear: A dense decoder. Default False.
        distance: `"l2"`, `"cosine"` or `"pearson"`. Default `"l2"`.
        identity: No decoder: the states are compared as they are, and the two models must have the
            same widths. Default False.
        **kwargs: Those of `keras.layers.Layer`.

    Raises:
        ValueError: If an argument is out of its range; the rule is named.

    Example:
        >>> Distiller(student_split, teacher_split, FitNet(weight=3.0))

    Source:
        Romero et al., 2014; section 3.2 of the paper, $L_{fitnet}$.
    """

    teacher_fields = ("low", "high")
    terms = ("hint_loss",)

    def __init__(
        self,
        weight: float = 1.0,
        hidden_dim: int = 256,
        dropout: float = 0.0,
        linear: bool = False,
        distance: str = "l2",
        identity: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.weight = check_positive("weight", weight)
        self.hidden_dim = hidden_dim
        self.dropout = dropout
        self.linear = linear
        self.identity = identity
        self.distance = distance
        self._distance = losses.get(distance)

    def build(self, student: Trace, teacher: Trace) -> None:
        self.student_decoder: Any = None
        if self.identity:
            refuse_unequal(student, teacher)
        else:
            message_shape = (*teacher.low[:-1], teacher.low[-1] + teacher.high[-1])
            self.student_decoder = make_decoder(self, "student_decoder", student, message_shape)

    def compute_loss(
        self,
        student: Trace,
        teacher: Trace,
        *,
        sample_weight: Tensor | None = None,
        training: bool = False,
        **_: Any,
    ) -> dict[str, Tensor]:
        decoded = (teacher.low, teacher.high)
        if self.student_decoder is not None:
            decoded = self.student_decoder(join(*decoded), training=training)
        distance = between_states(
            self._distance, (student.low, student.high), decoded, sample_weight
        )
        return {"hint_loss": self.weight * distance}
