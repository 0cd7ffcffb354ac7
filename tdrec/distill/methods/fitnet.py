"""FitNet: a decoding of the teacher's states is what the student's are to be.

Source: "Talking Models", arXiv 2310.03188, section 3.2.
"""

from typing import Any

import keras

from tdrec.distill.method import Tensor
from tdrec.distill.model_split import Trace
from tdrec.distill.state_method import MatchingMethod, join, refuse_unequal, states
from tdrec.distill.term_weight import TermWeight


@keras.saving.register_keras_serializable(package="tdrec")
class FitNet(MatchingMethod):
    r"""FitNet: the student's states follow what a learned decoder makes of the teacher's.

    $L_{fitnet} = w\, d(\{s_g; e_g\}, D_g(\{s_h; e_h\}))$: the teacher's states are the message, so
    its encoder is the identity.

    Args:
        weight: $w > 0$. Default 1.
        codec: Of the decoder; there is no message whose width it could decide. Default `Codec()`.
        distance: `"l2"`, `"cosine"` or `"pearson"`. Default `"l2"`.
        identity: No decoder: the states are compared as they are, and the two models must have the
            same widths. Default False.
        **kwargs: The codec's arguments but `message_dim` in its place, and those of
            `keras.layers.Layer`.

    Raises:
        ValueError: If an argument is out of its range; the rule is named.

    Example:
        >>> distiller = Distiller(student_split, teacher_split, FitNet(weight=3.0))

    Source:
        Romero et al., 2014; section 3.2 of the paper, $L_{fitnet}$.
    """

    terms = ("hint_loss",)
    weight = TermWeight("hint_loss")
    unused = ("message_dim",)

    def build(self, student: Trace, teacher: Trace) -> None:
        self.student_decoder: Any = None
        if self.identity:
            refuse_unequal(student, teacher)
        else:
            message_shape = (*teacher.low[:-1], teacher.low[-1] + teacher.high[-1])
            self.student_decoder = self.codec.decoder(
                student, message_shape, name="student_decoder", dtype=self.dtype_policy
            )

    def compute_loss(
        self,
        student: Trace,
        teacher: Trace,
        *,
        sample_weight: Tensor | None = None,
        training: bool = False,
        **_: Any,
    ) -> dict[str, Tensor]:
        decoded = states(teacher)
        if self.student_decoder is not None:
            decoded = self.student_decoder(join(*decoded), training=training)
        return self.weighted({"hint_loss": self.between(states(student), decoded, sample_weight)})
