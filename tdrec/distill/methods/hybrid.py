"""Hybrid: label distillation and feature distillation together.

Source: "Talking Models", arXiv 2310.03188, section 3.2.
"""

from typing import Any

import keras

from tdrec.distill.method import Method, Tensor
from tdrec.distill.methods.feature_distillation import FeatureDistillation
from tdrec.distill.methods.label_distillation import LabelDistillation
from tdrec.distill.model_split import Trace


@keras.saving.register_keras_serializable(package="tdrec")
class Hybrid(Method):
    r"""Hybrid: label distillation and feature distillation together.

    $w_{label}\, L_{logit} + w_{feature}\, L_{feature}$.

    Args:
        label_weight: Positive. Default 1.
        feature_weight: Positive. Default 1.
        task: As in `LabelDistillation`. Default `"regression"`.
        temperature: As in `LabelDistillation`. Default 1.
        message_dim: As in `FeatureDistillation`. Default 128.
        hidden_dim: As in `FeatureDistillation`. Default 256.
        dropout: As in `FeatureDistillation`. Default 0.
        linear: As in `FeatureDistillation`. Default False.
        distance: As in `FeatureDistillation`. Default `"l2"`.
        **kwargs: Those of `keras.layers.Layer`.

    Raises:
        ValueError: If an argument is out of its range; the rule is named.

    Example:
        >>> Distiller(student_split, teacher_split, Hybrid(label_weight=1.0, feature_weight=3.0))

    Source:
        Zhu and Wang, 2021; section 4.1 of the paper.
    """

    teacher_fields = ("low", "high", "prediction")
    terms = (*LabelDistillation.terms, *FeatureDistillation.terms)

    def __init__(
        self,
        label_weight: float = 1.0,
        feature_weight: float = 1.0,
        task: str = "regression",
        temperature: float = 1.0,
        message_dim: int = 128,
        hidden_dim: int = 256,
        dropout: float = 0.0,
        linear: bool = False,
        distance: str = "l2",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.label_weight = label_weight
        self.feature_weight = feature_weight
        self.task = task
        self.temperature = temperature
        self.message_dim = message_dim
        self.hidden_dim = hidden_dim
        self.dropout = dropout
        self.linear = linear
        self.distance = distance
        self.parts: list[Method] = [
            LabelDistillation(label_weight, task, temperature, dtype=self.dtype_policy),
            FeatureDistillation(
                feature_weight,
                message_dim,
                hidden_dim,
                dropout,
                linear,
                distance,
                dtype=self.dtype_policy,
            ),
        ]

    def build(self, student: Trace, teacher: Trace) -> None:
        for part in self.parts:
            part.build(student, teacher)

    def compute_loss(self, student: Trace, teacher: Trace, **context: Any) -> dict[str, Tensor]:
        label, feature = (part.compute_loss(student, teacher, **context) for part in self.parts)
        return {**label, **feature}
