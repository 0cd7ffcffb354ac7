"""What methods have in common that compare the states of the two models."""

from collections.abc import Callable
from typing import Any

from keras import ops

from tdrec.distill import losses
from tdrec.distill.codec import Codec, arguments_of, take_codec
from tdrec.distill.communication import State
from tdrec.distill.method import Method, Tensor
from tdrec.distill.model_split import Trace
from tdrec.distill.term_weight import TermWeight


class StateMethod(Method):
    """The base of methods that compare the states of the two models, as they are or encoded.

    Args:
        distance: `"l2"`, `"cosine"` or `"pearson"`.
        codec: Of encoders and decoders.
        **kwargs: The codec's arguments, and those of `keras.layers.Layer`.

    Attributes:
        distance_of: `distance_of(a, b)` for each row.
    """

    teacher_fields: tuple[str, ...] = ("low", "high")
    unused: tuple[str, ...] = ()  # arguments of a codec that the method has no use for

    def __init__(self, distance: str, codec: Codec | None, **kwargs: Any) -> None:
        codec = take_codec(codec, kwargs, *self.unused)
        super().__init__(**kwargs)
        self.codec = codec
        self.distance = distance
        self.distance_of: Callable[[Tensor, Tensor], Tensor] = losses.get(distance)

    def check_shapes(self, student: Trace, teacher: Trace) -> None:
        for name in ("low", "high"):
            mine, its = getattr(student, name), getattr(teacher, name)
            if mine is None:
                raise ValueError(
                    f"{type(self).__name__} reads the student's states. Received: a student that "
                    "shows none. Cut it: tdrec.split_model(student, low=..., high=...)."
                )
            pairs = zip(mine[1:-1], its[1:-1], strict=False)
            if len(mine) != len(its) or any(None not in p and p[0] != p[1] for p in pairs):
                raise ValueError(
                    "States are compared place by place: they may differ in their last axis alone. "
                    f"Received: {name} states of shapes {mine} (student) and {its} (teacher). Cut "
                    "both where they have as many places, or pool one of them in a room of its own."
                )
        super().check_shapes(student, teacher)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        return config | arguments_of(config.pop("codec"), *self.unused)

    def between(self, a: State, b: State, sample_weight: Tensor | None) -> Tensor:
        """The distance between two models' states: of the low ones plus of the high ones."""
        values = (self.distance_of(m, n) for m, n in zip(a, b, strict=True))
        return sum(losses.mean(value, sample_weight) for value in values)


class MatchingMethod(StateMethod):
    """The base of methods that match the states, or what a codec makes of them, by one term.

    A subclass declares its `weight`.

    Args:
        weight: Positive. Default 1.
        codec: Default `Codec()`.
        distance: Default `"l2"`.
        identity: Whether the states are compared as they are. Default False.
        **kwargs: As in `StateMethod`.
    """

    weight: TermWeight

    def __init__(
        self,
        weight: float = 1.0,
        *,
        codec: Codec | None = None,
        distance: str = "l2",
        identity: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(distance, codec, **kwargs)
        self.weight = weight
        self.identity = identity


def states(trace: Trace) -> State:
    """The two states of a trace."""
    return trace.low, trace.high


def join(low: Tensor, high: Tensor, training: bool = False) -> Tensor:
    """A message of the states as they are, as an encoder makes one."""
    return ops.concatenate([low, high], axis=-1)


def refuse_unequal(student: Trace, teacher: Trace) -> None:
    """Refuses shapes that only something learned could make alike."""
    if states(student) != states(teacher):
        raise ValueError(
            "With `identity=True` the states of student and teacher must have the same shapes. "
            f"Received: low {student.low} and {teacher.low}, high {student.high} and "
            f"{teacher.high}. Leave `identity` out: what is learned in between makes them alike."
        )
