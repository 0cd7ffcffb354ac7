"""Hybrid: label distillation and feature distillation together.

Source: "Talking Models", arXiv 2310.03188, section 3.2.
"""

from typing import Any

import keras

from tdrec.distill.codec import Codec, arguments_of, take_codec
from tdrec.distill.method import Method, Tensor
from tdrec.distill.methods.feature_distillation import FeatureDistillation
from tdrec.distill.methods.label_distillation import LabelDistillation
from tdrec.distill.methods.sum import Sum
from tdrec.distill.term_weight import TermWeight


@keras.saving.register_keras_serializable(package="tdrec")
class Hybrid(Sum):
    r"""Hybrid: label distillation and feature distillation together.

    $w_{label}\, L_{logit} + w_{feature}\, L_{feature}$.

    Args:
        label_weight: Positive. Default 1.
        feature_weight: Positive. Default 1.
        task: As in `LabelDistillation`. Default None.
        temperature: As in `LabelDistillation`. Default 1.
        from_logits: As in `LabelDistillation`. Default None.
        codec: As in `FeatureDistillation`. Default `Codec()`.
        distance: As in `FeatureDistillation`. Default `"l2"`.
        trust: As in `LabelDistillation`. Default None.
        **kwargs: The codec's arguments in its place, and those of `keras.layers.Layer`.

    Raises:
        ValueError: If an argument is out of its range; the rule is named.

    Example:
        >>> method = Hybrid(label_weight=1.0, feature_weight=3.0)
        >>> method.terms
        ('label_loss', 'feature_loss')

    Source:
        Zhu and Wang, 2021; section 4.1 of the paper.
    """

    label_weight = TermWeight("label_loss")
    feature_weight = TermWeight("feature_loss")

    def __init__(
        self,
        label_weight: float = 1.0,
        feature_weight: float = 1.0,
        task: str | None = None,
        temperature: float = 1.0,
        *,
        from_logits: bool | None = None,
        codec: Codec | None = None,
        distance: str = "l2",
        trust: tuple[str, str] | None = None,
        **kwargs: Any,
    ) -> None:
        codec = take_codec(codec, kwargs)
        kind: dict[str, Any] = {"dtype": kwargs.get("dtype")}
        methods: list[Method] = [
            LabelDistillation(1.0, task, temperature, from_logits, trust=trust, **kind),
            FeatureDistillation(codec=codec, distance=distance, **kind),
        ]
        super().__init__(methods, **kwargs)
        self.label_weight = label_weight
        self.feature_weight = feature_weight
        self.task = task
        self.temperature = temperature
        self.from_logits = from_logits
        self.trust = methods[0].trust
        self.codec = codec
        self.distance = distance

    def compute_loss(self, *traces: Any, **context: Any) -> dict[str, Tensor]:
        return self.weighted(super().compute_loss(*traces, **context))

    def get_config(self) -> dict[str, Any]:
        config = Method.get_config(self)
        return config | arguments_of(config.pop("codec"))

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Hybrid":
        return cls(**config)
