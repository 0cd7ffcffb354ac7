"""The methods: label, feature and hybrid distillation, FitNet, none, and TD, by their names.

All are interchangeable Keras layers that own what they have to learn (encoders and decoders), and
build only what their losses use. Source: "Talking Models", arXiv 2310.03188, section 3.2.
"""

import contextlib
import importlib
from typing import Any

import keras
from keras import ops

from tdrec import losses
from tdrec.label_distillation import LabelDistillation
from tdrec.method import (
    Method,
    Tensor,
    between_states,
    check_positive,
    make_decoder,
    make_encoder,
)
from tdrec.model_split import Trace
from tdrec.talking_models import TalkingModels


@keras.saving.register_keras_serializable(package="tdrec")
class Scratch(Method):
    """No distillation: the student learns from the labels alone.

    Args:
        **kwargs: Those of `keras.layers.Layer`.

    Example:
        >>> Distiller(student_split, None, Scratch())
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)


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
        self.student_encoder: Any = _join
        self.teacher_encoder: Any = _join
        if self.identity:
            _refuse_unequal(student, teacher)
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
            _refuse_unequal(student, teacher)
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
            decoded = self.student_decoder(_join(*decoded), training=training)
        distance = between_states(
            self._distance, (student.low, student.high), decoded, sample_weight
        )
        return {"hint_loss": self.weight * distance}


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


def _join(low: Tensor, high: Tensor, training: bool = False) -> Tensor:
    """A message of the states as they are."""
    return ops.concatenate([low, high], axis=-1)


def _refuse_unequal(student: Trace, teacher: Trace) -> None:
    if student[:2] != teacher[:2]:
        raise ValueError(
            "With `identity=True` the states of student and teacher must have the same shapes. "
            f"Received: low {student.low} and {teacher.low}, high {student.high} and "
            f"{teacher.high}. Leave `identity` out: what is learned in between makes them alike."
        )


METHODS: dict[str, type[Method]] = {
    "scratch": Scratch,
    "ld": LabelDistillation,
    "fd": FeatureDistillation,
    "fitnet": FitNet,
    "hybrid": Hybrid,
    "td": TalkingModels,
}


def find(name: str) -> type[Method]:
    """The class of a method.

    Args:
        name: `"scratch"`, `"ld"`, `"fd"`, `"fitnet"`, `"hybrid"` or `"td"`; or `"module:Class"`, a
            `Method` of one's own.

    Raises:
        ValueError: If there is no such method; the valid names are listed.

    Example:
        >>> find("ld").__name__
        'LabelDistillation'
    """
    if name in METHODS:
        return METHODS[name]
    module, _, attribute = name.partition(":")
    found = None
    with contextlib.suppress(ImportError):
        found = getattr(importlib.import_module(module), attribute, None) if attribute else None
    if not (isinstance(found, type) and issubclass(found, Method)):
        raise ValueError(
            f"`method` must be one of {', '.join(METHODS)}, or 'module:Class' of a tdrec.Method. "
            f"Received: {name!r}."
        )
    return found


def get(name: str, /, **arguments: Any) -> Method:
    """The method of this name.

    Args:
        name: As of `find`.
        **arguments: Those of the method.

    Returns:
        A new `Method`.

    Raises:
        ValueError: If there is no such method; the valid names are listed.

    Example:
        >>> get("td", rounds=2).rounds
        2
    """
    return find(name)(**arguments)
