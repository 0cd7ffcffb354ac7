"""FD, feature distillation: both models' states are encoded, and the messages compared.

Source: "Talking Models", arXiv 2310.03188, section 3.2.
"""

from typing import Any

import keras

from tdrec.distill import losses
from tdrec.distill.method import Tensor
from tdrec.distill.model_split import Trace
from tdrec.distill.state_method import MatchingMethod, join, refuse_unequal, states
from tdrec.distill.term_weight import TermWeight


@keras.saving.register_keras_serializable(package="tdrec")
class FeatureDistillation(MatchingMethod):
    r"""FD: both models encode their states, and the student pulls the two messages together.

    $L_{feature} = w\, d(E_g(\{s_g; e_g\}), E_h(\{s_h; e_h\}))$, both encoders learned. Nothing but
    the task's own gradient keeps the encoders from agreeing on a constant.

    Args:
        weight: $w > 0$. Default 1.
        codec: Of the encoders. Default `Codec()`.
        distance: `"l2"`, `"cosine"` or `"pearson"`. Default `"l2"`.
        identity: No encoders: the joined states themselves are compared, and the two models must
            have the same widths. Default False.
        **kwargs: The codec's arguments in its place, and those of `keras.layers.Layer`.

    Raises:
        ValueError: If an argument is out of its range; the rule is named.

    Example:
        >>> distiller = Distiller(student_split, teacher_split, FeatureDistillation(weight=3.0))

    Source:
        Heo et al., 2019; section 3.2 of the paper, $L_{feature}$.
    """

    terms = ("feature_loss",)
    weight = TermWeight("feature_loss")

    def build(self, student: Trace, teacher: Trace) -> None:
        self.student_encoder: Any = join
        self.teacher_encoder: Any = join
        if self.identity:
            refuse_unequal(student, teacher)
        else:
            kind = {"dtype": self.dtype_policy}
            self.student_encoder = self.codec.encoder(student, name="student_encoder", **kind)
            self.teacher_encoder = self.codec.encoder(teacher, name="teacher_encoder", **kind)

    def compute_loss(
        self,
        student: Trace,
        teacher: Trace,
        *,
        sample_weight: Tensor | None = None,
        training: bool = False,
        **_: Any,
    ) -> dict[str, Tensor]:
        values = self.distance_of(
            self.student_encoder(*states(student), training=training),
            self.teacher_encoder(*states(teacher), training=training),
        )
        return self.weighted({"feature_loss": losses.mean(values, sample_weight)})
