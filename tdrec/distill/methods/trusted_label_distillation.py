"""Trusted LD: the student fits the teacher's predictions as far as its own rows bear them out."""

from typing import Any

import keras

from tdrec.distill.methods.label_distillation import LabelDistillation


@keras.saving.register_keras_serializable(package="tdrec")
class TrustedLabelDistillation(LabelDistillation):
    r"""Trusted LD: label distillation of what `tdrec.Trust` makes of the predictions.

    $w\, d(y_g, f + \frac{1}{n_m + \lambda} \sum_{rows\ of\ m} (y - f))$, where $f$ is the teacher's
    prediction, or the mean label where it knows nothing, and $m$ the row's movie. It is
    `LabelDistillation(trust=...)` by a name of its own: see there what it needs.

    Args:
        weight: $w > 0$. Default 1.
        trust: The inputs whose values are the groups and the users of `Trust.fit`. Default
            `("movie", "user")`.
        **kwargs: Those of `LabelDistillation`.

    Raises:
        ValueError: As `LabelDistillation`.

    Example:
        >>> TrustedLabelDistillation(weight=10.0, trust=("item", "user")).trust
        ('item', 'user')

    Source:
        See `tdrec.Trust`.
    """

    def __init__(
        self, weight: float = 1.0, *, trust: tuple[str, str] = ("movie", "user"), **kwargs: Any
    ) -> None:
        super().__init__(weight, trust=trust, **kwargs)

    def get_config(self) -> dict[str, Any]:
        names = ("task", "temperature", "from_logits", "output")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}
