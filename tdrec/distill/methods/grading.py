"""Grading: the teacher judges what it understood of the student's message."""

from typing import Any

import keras
from keras import ops

from tdrec.distill import losses
from tdrec.distill.check import check_not_negative
from tdrec.distill.codec import Codec
from tdrec.distill.masks import first_mask, masked
from tdrec.distill.method import Tensor
from tdrec.distill.model_split import Middle, ModelSplit, Trace
from tdrec.distill.output_kind import OutputKind, compared_kinds, known_outputs
from tdrec.distill.state_method import StateMethod, states
from tdrec.distill.term_weight import TermWeight


@keras.saving.register_keras_serializable(package="tdrec")
class Grading(StateMethod):
    r"""Grading: the student learns to say what the teacher's own layers judge as x itself.

    In each round the teacher decodes the student's message, interprets it with its middle and
    judges it with its head, both frozen, and what comes of it is compared with what the teacher
    has on x:

    $s'_h = D_h(m_g^i)$, $\tilde e_h = H_h(s'_h)$, $\tilde y_h = head_h(\tilde e_h)$, and the loss
    $w\, [nd(\tilde e_h, e_h) + nd(\tilde y_h, y_h)]$,

    where $nd$ is the squared distance in units of the target's own spread (`losses.relative`). Its
    targets are constants, so that to say nothing is no way out, as it is where the student's own
    state is target and variable; and the label may be another than the teacher's. In more than one
    round the teacher answers, $m_h = E_h(\{s'_h; \tilde e_h\})$, and the student's next message is
    of what it decodes of that and interprets. The terms are `grade_loss_1` to `_k`.

    With `ask_weight` the student also asks what the data do not say. Its question is a mixture of
    the states of two rows, $s_q = \lambda s_g + (1 - \lambda) s_g'$, of which it sends a message as
    of any other; the teacher's answer is what it judges of that, and the student learns to predict
    it: `answer_loss`, $w_{ask}\, d(head_g(H_g(s_q)), sg\, \tilde y_h)$, with the distance of label
    distillation.

    Args:
        rounds: $k \ge 1$. Default 1.
        weight: $w > 0$. Default 1.
        ask_weight: $w_{ask} \ge 0$. With it student and teacher are to predict the same. Default 0:
            nothing is asked.
        codec: Of encoders and decoders. Default `Codec()`.
        task: What the teacher's output is: `"regression"` (numbers), `"binary"` (clicks) or
            `"classes"`. Clicks and classes are compared by their logits, those of classes without
            their mean, which says nothing. Default None: as the teacher's loss or last layer tells,
            else numbers.
        from_logits: Whether the teacher's clicks or classes are logits, and not probabilities.
            Default None: as its loss or last layer tells, else logits.
        **kwargs: The codec's arguments in its place, and those of `keras.layers.Layer`.

    Raises:
        ValueError: If an argument is out of its range; when it is built, if the teacher has several
            outputs and its split names none.

    Example:
        >>> distiller = Distiller(student_split, teacher_split, Grading(weight=3.0))

    Source:
        An extension of section 3.3 of the paper. Near to it: Liu et al., "Function-Consistent
        Feature Distillation", 2023, and Chen et al., "Knowledge Distillation with the Reused
        Teacher Classifier", 2022, where the student's features pass through the teacher's layers.
    """

    teacher_fields = ("low", "high", "prediction")
    interprets = True
    weight = TermWeight("grade_loss_*")
    ask_weight = TermWeight("answer_loss", check_not_negative)

    def __init__(
        self,
        rounds: int = 1,
        *,
        weight: float = 1.0,
        ask_weight: float = 0.0,
        codec: Codec | None = None,
        task: str | None = None,
        from_logits: bool | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__("l2", codec, **kwargs)
        if not isinstance(rounds, int) or rounds < 1:
            raise ValueError(f"`rounds` must be an integer of at least 1. Received: {rounds!r}.")
        self.rounds = rounds
        self.weight = weight
        self.task = None if task is None else losses.check_task(task)
        self.from_logits = from_logits
        self.ask_weight = ask_weight
        self.round_terms = tuple(f"grade_loss_{i}" for i in range(1, rounds + 1))
        self.terms = (*self.round_terms, *(("answer_loss",) if ask_weight > 0 else ()))
        if ask_weight:
            self.seed_generator = keras.random.SeedGenerator()
        self.kind = OutputKind(self.task or "regression", from_logits is not False)
        self.student_logits = True

    def settle(self, loss: Any, student: ModelSplit, teacher: ModelSplit | None) -> None:
        known = known_outputs(None, loss, student, teacher)[1].checked()
        from_logits = known.from_logits if self.from_logits is None else self.from_logits
        self.kind = OutputKind(
            self.task or known.task or known.hint or "regression",
            from_logits is not False,
        )
        if self.ask_weight:
            kinds = compared_kinds(self.kind.task, None, None, loss, student, teacher)
            self.student_logits = kinds.student_logits

    def check_shapes(self, student: Trace, teacher: Trace) -> None:
        if not (isinstance(teacher.prediction, tuple) and _is_shape(teacher.prediction)):
            raise ValueError(
                "Grading compares one output of the teacher. Received: several. Name one: "
                "tdrec.split_model(teacher, low=..., high=..., output=...)."
            )
        super().check_shapes(student, teacher)

    def build(self, student: Trace, teacher: Trace) -> None:
        kind, codec = {"dtype": self.dtype_policy}, self.codec
        self.student_encoder = codec.encoder(student, name="student_encoder", **kind)
        message = self.student_encoder.compute_output_shape(*states(student))
        self.teacher_decoder = codec.decoder(teacher, message, name="teacher_decoder", **kind)
        if self.rounds > 1:
            self.teacher_encoder = codec.encoder(teacher, name="teacher_encoder", **kind)
            self.student_decoder = codec.decoder(student, message, name="student_decoder", **kind)

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
        mask = first_mask(*states(student))
        low, high = states(student)
        expected = (teacher.high, self._comparable(teacher.prediction))
        terms: dict[str, Tensor] = {}
        for i, name in enumerate(self.round_terms):
            message = self.student_encoder(low, high, training=training)
            heard, _ = self.teacher_decoder(message, training=training)
            understood, judged = teacher_middle.judge(heard)
            found = (understood, self._comparable(judged))
            values = (
                losses.relative(masked(a, mask), b) for a, b in zip(found, expected, strict=True)
            )
            terms[name] = sum(losses.mean(value, sample_weight) for value in values)
            if i + 1 < self.rounds:
                answer = self.teacher_encoder(heard, understood, training=training)
                low, _ = self.student_decoder(answer, training=training)
                high = student_middle(low)
        if "answer_loss" in self.terms:
            values = self._asked(student, student_middle, teacher_middle, training)
            terms["answer_loss"] = losses.mean(values, sample_weight)
        return self.weighted(terms)

    def _asked(
        self, student: Trace, student_middle: Middle, teacher_middle: Middle, training: bool
    ) -> Tensor:
        """How far the student's answers to questions of its own are from the teacher's."""
        low = student.low
        shape = (ops.shape(low)[0], *[1] * (len(low.shape) - 1))
        share: Any = 0.5
        if training:
            share = keras.random.uniform(shape, dtype=low.dtype, seed=self.seed_generator)
        question = share * low + (1 - share) * ops.roll(low, 1, axis=0)
        high, own = student_middle.judge(question)
        message = self.student_encoder(question, high, training=training)
        heard, _ = self.teacher_decoder(message, training=training)
        _, judged = teacher_middle.judge(heard)
        answer = self._logits(ops.stop_gradient(judged), self.kind.from_logits)
        own = self._logits(own, self.student_logits)
        mask = first_mask(*states(student))
        if mask is not None:
            mask = ops.logical_and(mask, ops.roll(mask, 1, axis=0))
        return masked(losses.logit_loss(answer, own, self.kind.task), mask)

    def _comparable(self, prediction: Tensor) -> Tensor:
        """Numbers whose squared distance means something: of classes centred logits."""
        logits = self._logits(prediction, self.kind.from_logits)
        if self.kind.task == "classes":
            logits = logits - ops.mean(logits, axis=-1, keepdims=True)
        return logits

    def _logits(self, prediction: Tensor, from_logits: bool) -> Tensor:
        """A prediction as numbers or logits, with an axis of its own where it is one a row."""
        if len(prediction.shape) == 1:
            prediction = ops.expand_dims(prediction, -1)
        is_number = self.kind.task == "regression"
        return prediction if from_logits or is_number else losses.logits(prediction, self.kind.task)


def _is_shape(shape: tuple[Any, ...]) -> bool:
    return all(size is None or isinstance(size, int) for size in shape)
