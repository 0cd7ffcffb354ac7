"""LD, label distillation: the student fits the teacher's predictions.

Source: Hinton et al., 2015; "Talking Models", arXiv 2310.03188, section 3.2.
"""

from typing import Any

import keras
from keras import ops

from tdrec.distill import losses
from tdrec.distill.check import check_names, check_positive
from tdrec.distill.masks import mask_of, masked
from tdrec.distill.method import Method, Tensor
from tdrec.distill.model_split import ModelSplit, Trace
from tdrec.distill.output_kind import ComparedKinds, compared_kinds
from tdrec.distill.sample_weights import one_weight
from tdrec.distill.term_weight import TermWeight


@keras.saving.register_keras_serializable(package="tdrec")
class LabelDistillation(Method):
    r"""LD: the student also fits the teacher's predictions.

    $w\, d(y_g, y_h)$, with a distance for the kind of output (see `losses.logit_loss`).

    Args:
        weight: $w > 0$. Default 1.
        task: What the outputs are: `"regression"` (numbers), `"binary"` (clicks) or `"classes"`.
            Default None: as the loss tells that the distiller is compiled with; where it is a loss
            of one's own, it must be named.
        temperature: Softens the two kinds of logits. Default 1.
        from_logits: Whether the student's clicks or classes are logits, and not probabilities.
            Default None: as the loss and the models' last layers tell, else logits. Probabilities
            $p$ are compared as the logits $\log p$ (classes) and $\log p/(1-p)$ (clicks).
        output: Key or index of the output, of models with several. Each output is distilled by a
            `LabelDistillation` of its own: see `Sum`. Default None: the only one.
        trust: Names of two inputs, of groups and of users, such as `("movie", "user")`: the student
            fits what `tdrec.Trust` makes of the predictions. That takes all rows and their labels,
            so the targets are to be made ahead, `Distiller.with_teacher_targets((x, y))`; those
            that were attached by hand are taken as they are. Default None: the predictions.
        **kwargs: Those of `keras.layers.Layer`.

    Raises:
        ValueError: If an argument is out of its range; when it is compiled, if the kind of output
            cannot be told, or the loss and the models contradict it; when it is built, if a model
            has several outputs and none is named, or one where classes are compared.

    Example:
        >>> distiller = Distiller(student_split, teacher_split, LabelDistillation(weight=0.5))

    Source:
        Hinton et al., 2015; section 3.2 of the paper, $L_{logit}$.
    """

    teacher_fields = ("prediction",)
    terms = ("label_loss",)
    weight = TermWeight("*label_loss")

    def __init__(
        self,
        weight: float = 1.0,
        task: str | None = None,
        temperature: float = 1.0,
        from_logits: bool | None = None,
        output: str | int | None = None,
        *,
        trust: tuple[str, str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.weight = weight
        self.task = None if task is None else losses.check_task(task)
        self.temperature = check_positive("temperature", temperature)
        self.from_logits = from_logits
        self._output = output
        self.trust = None if trust is None else check_names("trust", trust)
        if output is not None:
            self.terms = (f"{output}_label_loss",)
        self.kinds: ComparedKinds | None = None

    @property
    def output(self) -> str | int | None:
        """The output that is distilled; of other layers of Keras it is a tensor."""
        return self._output

    def settle(self, loss: Any, student: ModelSplit, teacher: ModelSplit | None) -> None:
        self.kinds = self._compared(loss, student, teacher)
        for name, split in (("student", student), ("teacher", teacher)):
            if split is not None and split.shapes is not None:
                self._check_shape(name, split.shapes)

    def _compared(self, *models: Any) -> ComparedKinds:
        return compared_kinds(self.task, self.from_logits, self.output, *models)

    def build(self, student: Trace, teacher: Trace) -> None:
        self._check_shape("student", student)
        self._check_shape("teacher", teacher)

    def _check_shape(self, name: str, shapes: Trace) -> None:
        shape = self._of(shapes.prediction, name)
        task = self.kinds.task if self.kinds else self.task
        if task == "classes" and (len(shape) == 1 or shape[-1] == 1):
            raise ValueError(
                "Label distillation of classes compares logits of two classes or more. Received: "
                f"a {name} with outputs of shape {shape}. For one logit a row use a loss of clicks "
                "or task='binary', for a number one of numbers or task='regression'."
            )

    def compute_loss(
        self, student: Trace, teacher: Trace, *, sample_weight: Any = None, **_: Any
    ) -> dict[str, Tensor]:
        kinds = self.kinds or self._compared(None, None, None)
        y_teacher = self._of(teacher.prediction, "teacher")
        y_student = self._of(student.prediction, "student")
        mask = mask_of(y_student)
        weight = one_weight(sample_weight, self.output)
        # One number a row, whether a model writes it as (batch,) or as (batch, 1).
        y_teacher, y_student = (
            ops.expand_dims(y, -1) if len(y.shape) == 1 else y for y in (y_teacher, y_student)
        )
        if kinds.task != "classes" and any(_of_each(y_student, t) for t in (weight, mask)):
            # The scores of a list, each with a weight of its own, are compared one by one.
            y_teacher, y_student = (ops.expand_dims(y, -1) for y in (y_teacher, y_student))
        if not kinds.teacher_logits:
            y_teacher = losses.logits(y_teacher, kinds.task)
        if not kinds.student_logits:
            y_student = losses.logits(y_student, kinds.task)
        values = losses.logit_loss(y_teacher, y_student, kinds.task, self.temperature)
        loss = losses.mean(masked(values, mask), weight)
        return self.weighted({self.terms[0]: loss})

    def _of(self, prediction: Any, name: str) -> Any:
        """The output of a model, or its shape, that is distilled."""
        if isinstance(prediction, dict) and self.output in prediction:
            return prediction[self.output]
        several = isinstance(prediction, list) or (
            isinstance(prediction, tuple) and isinstance(prediction[-1], tuple)
        )
        if several and isinstance(self.output, int) and self.output < len(prediction):
            return prediction[self.output]
        if several or isinstance(prediction, dict):
            known = prediction if isinstance(prediction, dict) else range(len(prediction))
            raise ValueError(
                f"Label distillation compares one output. Received: a {name} with the outputs "
                f"{', '.join(map(repr, known))}, and output={self.output!r}. Name one, "
                f"LabelDistillation(output={next(iter(known))!r}), and add one for each: "
                "tdrec.Sum([...])."
            )
        return prediction


def _of_each(numbers: Tensor, given: Any) -> bool:
    """Whether what is given, weights or a mask, has an entry for each of a row's numbers."""
    return given is not None and len(given.shape) == len(numbers.shape) and given.shape[-1] != 1
