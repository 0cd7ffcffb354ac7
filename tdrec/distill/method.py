"""What a distillation method is: traces of student and teacher in, named losses out."""

import inspect
from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from tdrec.distill import losses
from tdrec.distill.communication import State
from tdrec.distill.messages import MessageDecoder, MessageEncoder
from tdrec.distill.model_split import Trace

Tensor = Any
Middle = Callable[[Tensor], Tensor]


class Method(keras.layers.Layer):
    """The base of all methods: what a `Distiller` asks of one.

    A subclass names its loss terms and the fields of the teacher's trace that they read, makes its
    layers in `build`, and writes `compute_loss`.

    Attributes:
        terms: Names of the losses that `compute_loss` returns.
        teacher_fields: The fields of the teacher's `Trace` that it reads; none means that the
            teacher is not run.
    """

    teacher_fields: tuple[str, ...] = ()
    terms: tuple[str, ...] = ()

    def build(self, student: Trace, teacher: Trace) -> None:
        """Makes the layers that the losses need.

        Args:
            student: The shapes of the student's trace.
            teacher: The shapes of the teacher's; None in the fields that are not read.
        """

    def compute_loss(
        self,
        student: Trace,
        teacher: Trace,
        *,
        student_middle: Middle,
        teacher_middle: Middle,
        sample_weight: Tensor | None = None,
        training: bool = False,
    ) -> dict[str, Tensor]:
        """The method's losses of one batch, weighted: their sum is added to the task's loss.

        Args:
            student: The student's trace of the batch.
            teacher: The teacher's, constants; None in the fields that are not read.
            student_middle: The student's `middle(low) -> high`, to interpret with.
            teacher_middle: The teacher's. Its weights are frozen; gradients flow through it.
            sample_weight: None, or shape `(batch,)`.
            training: Whether dropout and noise act. Default False.

        Returns:
            A scalar for each name in `terms`.
        """
        return {}

    def build_from_config(self, config: dict[str, Any]) -> None:
        # A stored build holds plain lists where `build` was given traces.
        shapes = config["shapes_dict"]
        self.build(Trace(*shapes["student"]), Trace(*shapes["teacher"]))

    def get_config(self) -> dict[str, Any]:
        # Every argument of a method is kept under its own name, so one line serves them all.
        names = inspect.signature(type(self).__init__).parameters
        own = {name: getattr(self, name) for name in names if name not in ("self", "kwargs")}
        return {**super().get_config(), **own}


def check_not_negative(name: str, value: float) -> float:
    if not value >= 0:
        raise ValueError(f"`{name}` must be at least 0. Received: {value!r}.")
    return value


def check_positive(name: str, value: float) -> float:
    if not value > 0:
        raise ValueError(f"`{name}` must be positive. Received: {value!r}.")
    return value


def make_encoder(method: Any, name: str, shapes: Trace) -> MessageEncoder:
    encoder = MessageEncoder(
        method.message_dim,
        method.hidden_dim,
        method.dropout,
        method.linear,
        name=name,
        dtype=method.dtype_policy,
    )
    encoder.build(shapes.low, shapes.high)
    return encoder


def make_decoder(method: Any, name: str, shapes: Trace, message_shape: tuple) -> MessageDecoder:
    decoder = MessageDecoder(
        shapes.low[-1],
        shapes.high[-1],
        method.hidden_dim,
        method.dropout,
        method.linear,
        name=name,
        dtype=method.dtype_policy,
    )
    decoder.build(message_shape)
    return decoder


def between_states(
    distance: losses.Distance, a: State, b: State, sample_weight: Tensor | None
) -> Tensor:
    """A distance between two models' states: of the low ones plus of the high ones."""
    return sum(losses.mean(distance(m, n), sample_weight) for m, n in zip(a, b, strict=True))


def join(low: Tensor, high: Tensor, training: bool = False) -> Tensor:
    """A message of the states as they are, as an encoder makes one."""
    return ops.concatenate([low, high], axis=-1)


def refuse_unequal(student: Trace, teacher: Trace) -> None:
    """Refuses shapes that only something learned could make alike."""
    if student[:2] != teacher[:2]:
        raise ValueError(
            "With `identity=True` the states of student and teacher must have the same shapes. "
            f"Received: low {student.low} and {teacher.low}, high {student.high} and "
            f"{teacher.high}. Leave `identity` out: what is learned in between makes them alike."
        )
