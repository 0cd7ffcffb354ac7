"""Distillation as layers, for models that keep their own training loop."""

from collections.abc import Callable, Sequence
from typing import Any

import keras

from tdrec.distill.check import check_type
from tdrec.distill.method import Method
from tdrec.distill.model_split import ModelSplit, Trace
from tdrec.distill.predictor import as_split
from tdrec.distill.sample_weights import Labels
from tdrec.distill.several_teachers import as_teacher
from tdrec.distill.teacher_targets import detach
from tdrec.distill.teaching import Teaching, check_weights

Tensor = Any


class Interpreter(keras.layers.Layer):
    r"""A model's own frozen middle layers, run on a state that another model has described.

    $\tilde e_h = H_h(s'_h)$. With `MessageEncoder` and `MessageDecoder` it is all that a round of
    communication needs. The model is only read: its weights are none of this layer's, and
    gradients flow through them to the state.

    Args:
        split: Of the model.
        **kwargs: Those of `keras.layers.Layer`.

    Call arguments:
        low: A decoded lower state, shape `(batch, ..., low_dim)`.
        x: The rows' inputs, where something skips around the model's cut. Default None.

    Returns:
        The high state, shape `(batch, ..., high_dim)`.

    Raises:
        TypeError: If `split` is no split.

    Example:
        >>> low, high = MessageDecoder(16, 8)(keras.ops.ones((4, 32)))
        >>> keras.ops.shape(Interpreter(teacher_split)(low))
        (4, 8)

    Source:
        Section 3.3 of the paper.
    """

    def __init__(self, split: ModelSplit, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        check_type("split", split, ModelSplit, "tdrec.split_model(model, low=..., high=...)")
        self.split = split

    def call(self, low: Tensor, x: Any = None) -> Tensor:
        interpret = self.split.interpret if x is None else self.split.interpreter(x)
        return interpret(low)


class DistillationTerms(keras.layers.Layer):
    r"""A method's terms of a batch, as a layer of the student or of a model around it.

    The terms $L_t$ are returned by name, for a `compute_loss` or a `train_step` of one's own; with
    `add` their sum is also added to the loss of whoever calls the layer, in a `call`. The
    encoders and decoders of the method are the layer's, trained with the model; the teacher is
    only read. On JAX its weights are written into the compiled step as numbers.

    Args:
        student: The student's split. Its model may be the one that owns this layer.
        teacher: The teacher's split; for label distillation any function of a batch's inputs; for
            `MultiTeacher` a list of them.
        method: What to learn from the teacher. Label distillation must name its `task`.
        add: Whether the terms are added by `add_loss` while training. Default False: they are
            returned alone, for a loss of one's own.
        **kwargs: Those of `keras.layers.Layer`.

    Call arguments:
        x: A batch's inputs, from which the teacher takes its own, with or without its targets.
        trace: The student's trace of them, `student(x, training=training)`.
        sample_weight: None, the rows' weights, shape `(batch,)`, or `SampleWeights`, of which those
            for the distillation count. Default None.
        training: Whether dropout and noise of the method act, and the terms are added. Default
            False.
        labels: The batch's, for methods that read them. Default None.

    Returns:
        A scalar for each name in the method's `terms`.

    Raises:
        TypeError: If an argument is of another type.
        ValueError: If the method reads what the teacher does not show, or is for more teachers or
            fewer; if a weight of the teacher is not finite.

    Example:
        >>> terms = DistillationTerms(student_split, teacher_split, TalkingModels(rounds=1))
        >>> sorted(terms(x, student_split(x)))
        ['interaction_loss_1', 'message_loss', 'state_loss']

    Source:
        Algorithm 1 of the paper.
    """

    def __init__(
        self,
        student: ModelSplit | keras.Model,
        teacher: ModelSplit | Callable[..., Any] | Sequence[ModelSplit | Callable[..., Any]],
        method: Method,
        add: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_type("method", method, Method, "tdrec.TalkingModels(rounds=2)")
        teacher = as_teacher(teacher)
        method.check_teacher(teacher)
        self.method = method
        self.teaching = Teaching(as_split("student", student), teacher, method)
        check_weights(teacher, method)
        self.add = add
        if self.teaching.build():
            self.built = True

    def call(
        self,
        x: Any,
        trace: Trace,
        sample_weight: Any = None,
        training: bool = False,
        labels: Any = None,
    ) -> dict[str, Tensor]:
        inputs, targets = detach(x)
        student = self.teaching.student
        terms = self.teaching.terms(
            trace,
            student.interpreter(inputs),
            inputs,
            targets,
            sample_weight,
            training,
            Labels(labels),
        )
        if self.add and training:
            self.add_loss(sum(terms.values()))
        return terms
