"""TD, the paper's method: the losses of an interactive communication.

Source: "Talking Models", arXiv 2310.03188, sections 3.3 and 3.4.
"""

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from tdrec.distill import losses
from tdrec.distill.check import check_not_negative
from tdrec.distill.codec import Codec
from tdrec.distill.communication import State, communicate
from tdrec.distill.method import Tensor
from tdrec.distill.methods.label_distillation import LabelDistillation
from tdrec.distill.model_split import Middle, Trace
from tdrec.distill.state_method import StateMethod, states
from tdrec.distill.term_weight import TermWeight


@keras.saving.register_keras_serializable(package="tdrec")
class TalkingModels(StateMethod):
    r"""TD: student and teacher talk for k rounds, and the student learns from the answers.

    $w_1 L_{interact} + w_2 L_{MC} + w_3 L_{SC}$ with

    - $L_{interact} = \sum_{i=1}^{k} d(\{s_g; e_g\}_i, D_g(m_h^i))$ over the rounds;
    - $L_{MC} = d(m_g^0, m_h^0)$, the consistency of the messages that both models encode from x;
    - $L_{SC} = d(\{s_g; e_g\}, D_g(m_h^0)) + d(\{s_h; e_h\}, D_h(m_g^0))$, that of the states.

    $d$ is a mean over a state's features, summed over the two states. With `rounds=0` only the two
    consistency losses are left ("No interactions" in the paper's tables). A weight of 0 drops a
    loss and all that only it needs. The terms are `interaction_loss_1` to `_k`, one a round,
    `message_loss` and `state_loss`. The paper's TD does without the teacher's predictions; with
    `label_weight` it is `Sum([TalkingModels(...), LabelDistillation(...)])`.

    Args:
        rounds: $k \ge 0$. Default 2.
        codec: Of the four encoders and decoders. Default `Codec()`.
        interaction_weight: $w_1 \ge 0$. Default 1.
        message_weight: $w_2 \ge 0$. Default 1.
        state_weight: $w_3 \ge 0$. Default 1.
        distance: `"l2"`, `"cosine"` or `"pearson"`. Default `"l2"`, the paper's.
        noise: Standard deviation of the Gaussian noise on the state that the teacher interprets,
            while training (Table 8). Default 0.
        target: What a round's answer is compared with: `"latest"`, the student's state after the
            round before, as Algorithm 1 prints it (line 17), or `"original"`, its state from x.
            Default `"latest"`.
        interpret: Whether the teacher's own middle is run on what the teacher decoded. With False,
            a control, it answers with the decoded states as they are. Default True.
        label_weight: At least 0, of label distillation. Default 0: none.
        task: As in `LabelDistillation`. Default None.
        temperature: As in `LabelDistillation`. Default 1.
        from_logits: As in `LabelDistillation`. Default None.
        trust: As in `LabelDistillation`. Default None.
        **kwargs: The codec's arguments in its place, and those of `keras.layers.Layer`.

    Raises:
        ValueError: If an argument is out of its range, or no loss is left; the rule is named.

    Example:
        >>> method = TalkingModels(rounds=2, codec=Codec(message_dim=32))
        >>> distiller = Distiller(student_split, teacher_split, method)

    Source:
        Sections 3.3 and 3.4 and Algorithm 1 of the paper. Line 9 of the algorithm gives $w_2$ to
        $L_{SC}$ and $w_3$ to $L_{MC}$; the weights here follow section 3.4.
    """

    interaction_weight = TermWeight("interaction_loss_*", check_not_negative)
    message_weight = TermWeight("message_loss", check_not_negative)
    state_weight = TermWeight("state_loss", check_not_negative)
    label_weight = TermWeight("label_loss", check_not_negative)
    student_encoder: Any = None
    student_decoder: Any = None
    """Those of another `TalkingModels` where the student learns from several teachers."""

    def __init__(
        self,
        rounds: int = 2,
        *,
        codec: Codec | None = None,
        interaction_weight: float = 1.0,
        message_weight: float = 1.0,
        state_weight: float = 1.0,
        distance: str = "l2",
        noise: float = 0.0,
        target: str = "latest",
        interpret: bool = True,
        label_weight: float = 0.0,
        task: str | None = None,
        temperature: float = 1.0,
        from_logits: bool | None = None,
        trust: tuple[str, str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(distance, codec, **kwargs)
        if not isinstance(rounds, int) or rounds < 0:
            raise ValueError(f"`rounds` must be an integer of at least 0. Received: {rounds!r}.")
        if target not in ("latest", "original"):
            raise ValueError(f"`target` must be 'latest' or 'original'. Received: {target!r}.")
        self.rounds = rounds
        self.interaction_weight = interaction_weight
        self.message_weight = message_weight
        self.state_weight = state_weight
        self.noise = check_not_negative("noise", noise)
        self.target = target
        self.interpret = interpret
        self.label_weight = label_weight
        self.task = task
        self.temperature = temperature
        self.from_logits = from_logits
        labels = LabelDistillation(
            1.0, task, temperature, from_logits, trust=trust, dtype=self.dtype_policy
        )
        self.labels = labels if label_weight > 0 else None
        self.trust = labels.trust if self.labels else None
        self.round_terms = tuple(
            f"interaction_loss_{i}" for i in range(1, rounds + 1) if interaction_weight > 0
        )
        self.terms = (
            *self.round_terms,
            *(("message_loss",) if message_weight > 0 else ()),
            *(("state_loss",) if state_weight > 0 else ()),
        )
        if not self.terms:
            raise ValueError(
                "TalkingModels must keep at least one loss of its own. Received: "
                f"rounds={rounds}, interaction_weight={interaction_weight}, "
                f"message_weight={message_weight}, state_weight={state_weight}. "
                "Use Scratch() for no distillation, LabelDistillation() for that alone."
            )
        if self.labels:
            self.terms += labels.terms
            self.teacher_fields += labels.teacher_fields
        self.interprets = interpret and bool(self.round_terms)
        if noise:
            self.seed_generator = keras.random.SeedGenerator()

    def build(self, student: Trace, teacher: Trace) -> None:
        if self.labels:
            self.labels.build(student, teacher)
        kind, codec = {"dtype": self.dtype_policy}, self.codec
        if self.student_encoder is None:
            self.student_encoder = codec.encoder(student, name="student_encoder", **kind)
        self.teacher_encoder = codec.encoder(teacher, name="teacher_encoder", **kind)
        self.teacher_decoder: Any = None
        if self.round_terms or self.state_weight:
            message_shape = self.student_encoder.compute_output_shape(*states(student))
            for name, shapes in (("student_decoder", student), ("teacher_decoder", teacher)):
                if getattr(self, name) is None:
                    setattr(self, name, codec.decoder(shapes, message_shape, name=name, **kind))

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
            return self.between(a, b, sample_weight)

        def acting(layer: Any) -> Callable[..., Any]:
            return lambda *inputs: layer(*inputs, training=training)

        of_student, of_teacher = states(student), states(teacher)
        talk = communicate(
            of_student,
            student_middle=student_middle,
            teacher_middle=teacher_middle if self.interpret else None,
            student_encoder=acting(self.student_encoder),
            student_decoder=acting(self.student_decoder),
            teacher_encoder=acting(self.teacher_encoder),
            teacher_decoder=acting(self.teacher_decoder),
            rounds=len(self.round_terms),
            perturb=self.add_noise if self.noise and training else None,
        )
        terms: dict[str, Tensor] = {}
        for name, target, state in zip(self.round_terms, talk.targets, talk.states, strict=True):
            answered = target if self.target == "latest" else of_student
            terms[name] = between(answered, state)
        if "message_loss" in self.terms or "state_loss" in self.terms:
            opening, answer = talk.messages[0], self.teacher_encoder(*of_teacher, training=training)
        if "message_loss" in self.terms:
            values = self.distance_of(opening, answer)
            terms["message_loss"] = losses.mean(values, sample_weight)
        if "state_loss" in self.terms:
            # The teacher's first decoding is D_h(m_g^0) itself: not computed twice.
            decoded = talk.teacher_states or (self.teacher_decoder(opening, training=training),)
            back = self.student_decoder(answer, training=training)
            terms["state_loss"] = between(of_student, back) + between(of_teacher, decoded[0])
        if self.labels:
            terms |= self.labels.compute_loss(student, teacher, sample_weight=sample_weight)
        return self.weighted(terms)

    def add_noise(self, state: Tensor) -> Tensor:
        """A state with the noise of training."""
        noise = keras.random.normal(ops.shape(state), dtype=state.dtype, seed=self.seed_generator)
        return state + self.noise * noise
