"""Distillation methods: each turns the traces of student and teacher into named losses.

All are interchangeable Keras layers that own what they have to learn (encoders and decoders), and
build only what their losses use. Source: "Talking Models", arXiv 2310.03188, sections 3.2 to 3.4.
"""

import inspect
from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from tdrec import losses
from tdrec.communication import State, communicate
from tdrec.messages import MessageDecoder, MessageEncoder
from tdrec.model_split import Trace

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
class LabelDistillation(Method):
    r"""LD: the student also fits the teacher's predictions.

    $w\, d(y_g, y_h)$, with a distance for the kind of output (see `losses.logit_loss`).

    Args:
        weight: $w > 0$. Default 1.
        task: What the outputs are: `"regression"`, `"binary"` (logits of a sigmoid) or
            `"classes"` (logits of a softmax). Default `"regression"`.
        temperature: Softens the two kinds of logits. Default 1.
        **kwargs: Those of `keras.layers.Layer`.

    Raises:
        ValueError: If an argument is out of its range; the rule is named.

    Example:
        >>> Distiller(student_split, teacher_split, LabelDistillation(weight=0.5))

    Source:
        Hinton et al., 2015; section 3.2 of the paper, $L_{logit}$.
    """

    teacher_fields = ("prediction",)
    terms = ("label_loss",)

    def __init__(
        self,
        weight: float = 1.0,
        task: str = "regression",
        temperature: float = 1.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.weight = _positive("weight", weight)
        self.task = losses.check_task(task)
        self.temperature = _positive("temperature", temperature)

    def compute_loss(
        self, student: Trace, teacher: Trace, *, sample_weight: Tensor | None = None, **_: Any
    ) -> dict[str, Tensor]:
        values = losses.logit_loss(
            teacher.prediction, student.prediction, self.task, self.temperature
        )
        return {"label_loss": self.weight * losses.mean(values, sample_weight)}


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
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.weight = _positive("weight", weight)
        self.message_dim = message_dim
        self.hidden_dim = hidden_dim
        self.dropout = dropout
        self.linear = linear
        self.distance = distance
        self._distance = losses.get(distance)

    def build(self, student: Trace, teacher: Trace) -> None:
        self.student_encoder, self.teacher_encoder = (
            _encoder(self, name, shapes)
            for name, shapes in (("student_encoder", student), ("teacher_encoder", teacher))
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
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.weight = _positive("weight", weight)
        self.hidden_dim = hidden_dim
        self.dropout = dropout
        self.linear = linear
        self.distance = distance
        self._distance = losses.get(distance)

    def build(self, student: Trace, teacher: Trace) -> None:
        message_shape = (*teacher.low[:-1], teacher.low[-1] + teacher.high[-1])
        self.student_decoder = _decoder(self, "student_decoder", student, message_shape)

    def compute_loss(
        self,
        student: Trace,
        teacher: Trace,
        *,
        sample_weight: Tensor | None = None,
        training: bool = False,
        **_: Any,
    ) -> dict[str, Tensor]:
        message = ops.concatenate([teacher.low, teacher.high], axis=-1)
        decoded = self.student_decoder(message, training=training)
        distance = _between_states(
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


@keras.saving.register_keras_serializable(package="tdrec")
class TalkingModels(Method):
    r"""TD: student and teacher talk for k rounds, and the student learns from the answers.

    $w_1 L_{interact} + w_2 L_{MC} + w_3 L_{SC}$ with

    - $L_{interact} = \sum_{i=1}^{k} d(\{s_g; e_g\}_i, D_g(m_h^i))$ over the rounds;
    - $L_{MC} = d(m_g^0, m_h^0)$, the consistency of the messages that both models encode from x;
    - $L_{SC} = d(\{s_g; e_g\}, D_g(m_h^0)) + d(\{s_h; e_h\}, D_h(m_g^0))$, that of the states.

    $d$ is a mean over a state's features, summed over the two states. With `rounds=0` only the two
    consistency losses are left ("No interactions" in the paper's tables). A weight of 0 drops a
    loss and all that only it needs.

    Args:
        rounds: $k \ge 0$. Default 2.
        message_dim: Width of a message. Default 128, the paper's for MovieLens.
        hidden_dim: Units of a relu layer of the four encoders and decoders. Default 256.
        interaction_weight: $w_1 \ge 0$. Default 1.
        message_weight: $w_2 \ge 0$. Default 1.
        state_weight: $w_3 \ge 0$. Default 1.
        dropout: Rate in encoders and decoders. Default 0.
        linear: Dense encoders and decoders. Default False.
        distance: `"l2"`, `"cosine"` or `"pearson"`. Default `"l2"`, the paper's.
        noise: Standard deviation of the Gaussian noise on the state that the teacher interprets,
            while training (Table 8). Default 0.
        target: What a round's answer is compared with: `"latest"`, the student's state after the
            round before, as Algorithm 1 prints it (line 17), or `"original"`, its state from x.
            Default `"latest"`.
        **kwargs: Those of `keras.layers.Layer`.

    Raises:
        ValueError: If an argument is out of its range, or no loss is left; the rule is named.

    Example:
        >>> Distiller(student_split, teacher_split, TalkingModels(rounds=2, message_dim=128))

    Source:
        Sections 3.3 and 3.4 and Algorithm 1 of the paper. Line 9 of the algorithm gives $w_2$ to
        $L_{SC}$ and $w_3$ to $L_{MC}$; the weights here follow section 3.4.
    """

    teacher_fields = ("low", "high")

    def __init__(
        self,
        rounds: int = 2,
        message_dim: int = 128,
        hidden_dim: int = 256,
        interaction_weight: float = 1.0,
        message_weight: float = 1.0,
        state_weight: float = 1.0,
        dropout: float = 0.0,
        linear: bool = False,
        distance: str = "l2",
        noise: float = 0.0,
        target: str = "latest",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if not isinstance(rounds, int) or rounds < 0:
            raise ValueError(f"`rounds` must be an integer of at least 0. Received: {rounds!r}.")
        if target not in ("latest", "original"):
            raise ValueError(f"`target` must be 'latest' or 'original'. Received: {target!r}.")
        self.rounds = rounds
        self.message_dim = message_dim
        self.hidden_dim = hidden_dim
        self.interaction_weight = _not_negative("interaction_weight", interaction_weight)
        self.message_weight = _not_negative("message_weight", message_weight)
        self.state_weight = _not_negative("state_weight", state_weight)
        self.dropout = dropout
        self.linear = linear
        self.distance = distance
        self.noise = _not_negative("noise", noise)
        self.target = target
        self._distance = losses.get(distance)
        self._interacts = rounds > 0 and interaction_weight > 0
        self.terms = tuple(
            name
            for name, used in (
                ("interaction_loss", self._interacts),
                ("message_loss", message_weight > 0),
                ("state_loss", state_weight > 0),
            )
            if used
        )
        if not self.terms:
            raise ValueError(
                "TalkingModels must keep at least one loss. Received: "
                f"rounds={rounds}, interaction_weight={interaction_weight}, "
                f"message_weight={message_weight}, state_weight={state_weight}. "
                "Use Scratch() for no distillation."
            )
        if noise:
            self.seed_generator = keras.random.SeedGenerator()

    def build(self, student: Trace, teacher: Trace) -> None:
        self.student_encoder = _encoder(self, "student_encoder", student)
        self.teacher_encoder = _encoder(self, "teacher_encoder", teacher)
        self.student_decoder: Any = None
        self.teacher_decoder: Any = None
        if self._interacts or self.state_weight:
            message_shape = self.student_encoder.compute_output_shape(*student[:2])
            self.student_decoder = _decoder(self, "student_decoder", student, message_shape)
            self.teacher_decoder = _decoder(self, "teacher_decoder", teacher, message_shape)

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
        def between(a: State, b: State) -> Tensor:
            return _between_states(self._distance, a, b, sample_weight)

        def acting(layer: Any) -> Callable[..., Any]:
            return lambda *inputs: layer(*inputs, training=training)

        own, its = (student.low, student.high), (teacher.low, teacher.high)
        talk = communicate(
            own,
            student_middle=student_middle,
            teacher_middle=teacher_middle,
            student_encoder=acting(self.student_encoder),
            student_decoder=acting(self.student_decoder),
            teacher_encoder=acting(self.teacher_encoder),
            teacher_decoder=acting(self.teacher_decoder),
            rounds=self.rounds if self._interacts else 0,
            perturb=self._add_noise if self.noise and training else None,
        )
        terms = {}
        if "interaction_loss" in self.terms:
            targets = talk.targets if self.target == "latest" else (own,) * self.rounds
            terms["interaction_loss"] = self.interaction_weight * sum(
                between(target, state) for target, state in zip(targets, talk.states, strict=True)
            )
        if "message_loss" in self.terms or "state_loss" in self.terms:
            opening, answer = talk.messages[0], self.teacher_encoder(*its, training=training)
        if "message_loss" in self.terms:
            values = self._distance(opening, answer)
            terms["message_loss"] = self.message_weight * losses.mean(values, sample_weight)
        if "state_loss" in self.terms:
            # The teacher's first decoding is D_h(m_g^0) itself: not computed twice.
            decoded = talk.teacher_states or (self.teacher_decoder(opening, training=training),)
            terms["state_loss"] = self.state_weight * (
                between(own, self.student_decoder(answer, training=training))
                + between(its, decoded[0])
            )
        return terms

    def _add_noise(self, state: Tensor) -> Tensor:
        noise = keras.random.normal(ops.shape(state), dtype=state.dtype, seed=self.seed_generator)
        return state + self.noise * noise


METHODS: dict[str, type[Method]] = {
    "scratch": Scratch,
    "ld": LabelDistillation,
    "fd": FeatureDistillation,
    "fitnet": FitNet,
    "hybrid": Hybrid,
    "td": TalkingModels,
}


def get(name: str, /, **arguments: Any) -> Method:
    """The method of this short name.

    Args:
        name: `"scratch"`, `"ld"`, `"fd"`, `"fitnet"`, `"hybrid"` or `"td"`.
        **arguments: Those of the method.

    Returns:
        A new `Method`.

    Raises:
        ValueError: If there is no such method; the valid names are listed.

    Example:
        >>> get("td", rounds=2)
    """
    if name not in METHODS:
        raise ValueError(f"`method` must be one of {', '.join(METHODS)}. Received: {name!r}.")
    return METHODS[name](**arguments)


def _not_negative(name: str, value: float) -> float:
    if not value >= 0:
        raise ValueError(f"`{name}` must be at least 0. Received: {value!r}.")
    return value


def _positive(name: str, value: float) -> float:
    if not value > 0:
        raise ValueError(f"`{name}` must be positive. Received: {value!r}.")
    return value


def _encoder(method: Any, name: str, shapes: Trace) -> MessageEncoder:
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


def _decoder(method: Any, name: str, shapes: Trace, message_shape: tuple) -> MessageDecoder:
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


def _between_states(
    distance: losses.Distance, a: State, b: State, sample_weight: Tensor | None
) -> Tensor:
    """A distance between two models' states: of the low ones plus of the high ones."""
    return sum(losses.mean(distance(m, n), sample_weight) for m, n in zip(a, b, strict=True))
