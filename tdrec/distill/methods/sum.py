"""Sum: several methods at once.

Source: "Talking Models", arXiv 2310.03188, section 4.1, whose Hybrid is one.
"""

from collections.abc import Sequence
from typing import Any

import keras

from tdrec.distill.check import check_type
from tdrec.distill.method import Method, Tensor, unbuilt
from tdrec.distill.model_split import Trace


@keras.saving.register_keras_serializable(package="tdrec")
class Sum(Method):
    r"""Several methods at once: their losses are added up.

    $\sum_m L_m$, each method with its own weights, encoders and decoders.

    Args:
        methods: Two or more, whose terms have different names.
        **kwargs: Those of `keras.layers.Layer`.

    Raises:
        TypeError: If one is not a method.
        ValueError: If two have a term of the same name.

    Example:
        >>> method = Sum([LabelDistillation(weight=0.3), TalkingModels(rounds=1)])
        >>> method.terms
        ('label_loss', 'interaction_loss_1', 'message_loss', 'state_loss')
    """

    def __init__(self, methods: Sequence[Method], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        for method in methods:
            check_type("methods", method, Method, "[tdrec.LabelDistillation(), tdrec.FitNet()]")
        self.methods = list(methods)
        self.terms = tuple(term for method in methods for term in method.terms)
        read = {field for method in methods for field in method.teacher_fields}
        self.teacher_fields = tuple(field for field in Trace._fields if field in read)
        self.interprets = any(method.interprets for method in methods)
        self.reads_labels = any(method.reads_labels for method in methods)
        if len(set(self.terms)) < len(self.terms):
            raise ValueError(
                "The terms of methods that are added up must have different names. Received: "
                f"{', '.join(self.terms)}. Give one of them a weight that does for both."
            )

    def build(self, student: Trace, teacher: Trace) -> None:
        for method in self.methods:
            if not method.built:  # as it may be for another student
                method.build(student, teacher)

    def compute_loss(self, student: Trace, teacher: Trace, **context: Any) -> dict[str, Tensor]:
        losses: dict[str, Tensor] = {}
        for method in self.methods:
            losses |= method.losses_of(student, teacher, **context)
        return losses

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "methods": [unbuilt(method) for method in self.methods]}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Sum":
        methods = map(keras.saving.deserialize_keras_object, config["methods"])
        return cls(**{**config, "methods": list(methods)})
