"""Checks of the kind of output: what it is taken for, what told that, and if its values agree."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
from keras import ops
from numpy.typing import NDArray

from tdrec.diagnostics.finding import FAIL, OK, STATUSES, WARN, Finding
from tdrec.diagnostics.states import States
from tdrec.distill import losses
from tdrec.distill.distiller import Distiller
from tdrec.distill.method import Method
from tdrec.distill.methods.label_distillation import LabelDistillation
from tdrec.distill.output_kind import KnownOutput, known_outputs

ROUNDING = 1e-2
"""How far probabilities may lie outside of [0, 1], or their sum from 1, as in half precision."""

KINDS = {
    "regression": "numbers",
    "binary": "clicks",
    "classes": "classes",
    None: "something that nothing tells",
}
FORMS = {True: "logits", False: "probabilities", None: "logits or probabilities"}


class TakenFor(NamedTuple):
    """What one model's output is taken for.

    Attributes:
        known: What is known of it, and by what.
        task: `"regression"`, `"binary"`, `"classes"` or None, where nothing tells.
        from_logits: Whether it is taken for logits; None where nothing tells.
        by_method: Whether the method's arguments, or the other model, told it, where loss and last
            layer do not.
    """

    known: KnownOutput
    task: str | None
    from_logits: bool | None
    by_method: bool = False

    def __str__(self) -> str:
        what = KINDS[self.task]
        if self.task != "regression":
            what += f", as {FORMS[self.from_logits]}"
        return f"Taken for {what}: {self.known}{', as the method has it' * self.by_method}."


def taken_for(
    distiller: Distiller, labels: LabelDistillation | None = None
) -> tuple[TakenFor, TakenFor]:
    """What the student's and the teacher's output are taken for.

    Args:
        distiller: Compiled.
        labels: The method that compares them. Default None: the first that the distiller's has.
    """
    labels = labels or next(iter(label_methods(distiller.method)), None)
    # A loss of the student's own tells nothing, as when the distiller was compiled.
    loss = None if distiller.own_training.loss else distiller.loss
    output = labels.output if labels else None
    student, teacher = known_outputs(output, loss, distiller.student, distiller.teacher)
    if labels is None or labels.kinds is None:
        return _alone(student), _alone(teacher)
    task, *logits = labels.kinds
    return _compared(student, task, logits[0]), _compared(teacher, task, logits[1])


def _alone(known: KnownOutput) -> TakenFor:
    return TakenFor(known, known.task or known.hint, known.from_logits)


def _compared(known: KnownOutput, task: str, from_logits: bool) -> TakenFor:
    by_method = _alone(known)[1:3] not in ((task, from_logits), (None, from_logits))
    return TakenFor(known, task, from_logits, by_method)


def label_methods(method: Method) -> list[LabelDistillation]:
    """What of a method distils labels: itself, or parts of it."""
    own = [method] if isinstance(method, LabelDistillation) else []
    return own + [found for part in method.parts() for found in label_methods(part)]


def as_students(distiller: Distiller, prediction: NDArray[Any]) -> NDArray[Any]:
    """The teacher's prediction in the form of the student's, so that one loss can judge both.

    Args:
        distiller: Compiled.
        prediction: The teacher's, logits or probabilities as `taken_for` has it.
    """
    student, teacher = taken_for(distiller)
    forms = (student.from_logits, teacher.from_logits)
    if student.task not in ("binary", "classes") or None in forms or len(set(forms)) == 1:
        return prediction
    if not teacher.from_logits:
        found = losses.logits(ops.convert_to_tensor(prediction), student.task)
    else:
        found = (ops.softmax if student.task == "classes" else ops.sigmoid)(prediction)
    converted: NDArray[Any] = ops.convert_to_numpy(found)
    return converted


def check_kinds(distiller: Distiller, outputs: Mapping[str, States]) -> Iterator[Finding]:
    """Says what outputs are taken for, and looks whether their values contradict it.

    Args:
        distiller: Compiled.
        outputs: By the model's name, what `hidden_states` gives; values of several outputs, of
            which none is distilled by name, are not looked at.

    Yields:
        A finding for each output that is distilled, and one where none is. FAIL where loss and
        last layer contradict each other, for probabilities outside of [0, 1], and for logits of
        classes that are positive and sum to 1 in each row. WARN for classes that are taken for
        probabilities and do not sum to 1, for logits of clicks that all lie in [0, 1], and for
        predictions of which only one model's look like probabilities, where nothing tells that
        they are to be converted.
    """
    values = {who: states.get("prediction") for who, states in outputs.items()}
    of_labels: list[LabelDistillation | None] = [*label_methods(distiller.method)]
    for labels in of_labels or [None]:
        models = [m for m in taken_for(distiller, labels) if outputs[m.known.who]]
        faults = [fault for model in models for fault in _faults(model, values[model.known.who])]
        is_open = labels is None and models[0].task != "regression"
        if is_open and "prediction" in distiller.method.teacher_fields:
            faults += _unlike(values)
        text = " ".join(map(str, models))
        figures = {model.known.who: _figures(model, values[model.known.who]) for model in models}
        if faults:
            status = max((status for status, _ in faults), key=STATUSES.index)
            yield Finding(
                "kind",
                status,
                f"{text} {' '.join(fault for _, fault in faults)}",
                "Let models end in logits (no activation) under a loss with from_logits=True, or "
                "in probabilities under one with from_logits=False; of a loss or a last layer of "
                "your own name it: LabelDistillation(task=..., from_logits=...).",
                figures,
            )
        else:
            yield Finding("kind", OK, text, None, figures)


def _faults(model: TakenFor, values: NDArray[Any] | None) -> Iterator[tuple[str, str]]:
    """What contradicts what a model's output is taken for, each with its status."""
    whose = f"the {model.known.who}'s"
    if not model.known.fits:
        yield FAIL, f"The loss and the last layer of {whose} output contradict each other."
    if values is None or model.task not in ("binary", "classes"):
        return
    low, high = float(values.min()), float(values.max())
    if model.from_logits is False and not -ROUNDING <= low <= high <= 1 + ROUNDING:
        yield (
            FAIL,
            f"But {whose} values lie between {low:.4g} and {high:.4g}: these are no probabilities.",
        )
    elif model.from_logits is False and model.task == "classes" and not _sum_to_1(values):
        sums = values.sum(axis=-1)
        yield (
            WARN,
            f"But {whose} values of a row sum to {sums.min():.4g} to {sums.max():.4g}, and not to "
            "1, as probabilities of classes do.",
        )
    elif model.from_logits and looks_like_probabilities(values, model.task):
        status = FAIL if model.task == "classes" else WARN
        yield (
            status,
            f"But {whose} values look like probabilities: all lie between {low:.4g} and {high:.4g}"
            f"{', and those of a row sum to 1' if model.task == 'classes' else ''}.",
        )


def looks_like_probabilities(values: NDArray[Any], task: str | None) -> bool:
    """Whether values could be a softmax's of classes, or a sigmoid's.

    Args:
        values: Shape `(rows, ...)`.
        task: As in `TakenFor`; of what is not known, rows of several values are classes.

    Returns:
        Whether all lie in [0, 1], are not all the same, and of classes sum to 1 in each row.
    """
    if values.min() < 0 or values.max() > 1 or (values == values.flat[0]).all():
        return False
    is_classes = task == "classes" or (task is None and values.ndim > 1 and values.shape[-1] > 1)
    return not is_classes or _sum_to_1(values)


def _sum_to_1(values: NDArray[Any]) -> bool:
    return bool(np.abs(values.sum(axis=-1, dtype=np.float64) - 1).max() <= ROUNDING)


def _unlike(values: Mapping[str, NDArray[Any] | None]) -> Iterator[tuple[str, str]]:
    """A method that compares predictions as they are, of which only one's are probabilities."""
    found = {who: each for who, each in values.items() if each is not None}
    looks = {who: looks_like_probabilities(each, None) for who, each in found.items()}
    if len(set(looks.values())) > 1:
        one, other = sorted(looks, key=lambda who: not looks[who])
        low, high = found[other].min(), found[other].max()
        yield (
            WARN,
            f"But the method compares the two, and the {one}'s values look like probabilities "
            f"where the {other}'s lie between {low:.4g} and {high:.4g}.",
        )


def _figures(model: TakenFor, values: NDArray[Any] | None) -> dict[str, Any]:
    ends = None if values is None else [float(values.min()), float(values.max())]
    return {"task": model.task, "from_logits": model.from_logits, "values": ends}
