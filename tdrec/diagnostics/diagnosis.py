"""Looks a distiller and its data over before much is trained, and says what is wrong and why."""

import math
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import keras
import numpy as np

from tdrec.diagnostics import (
    kind_checks,
    mask_checks,
    state_checks,
    training_checks,
    value_checks,
)
from tdrec.diagnostics.cka import cka_table
from tdrec.diagnostics.embedding_ids import watched_ids
from tdrec.diagnostics.finding import FAIL, STATUSES, WARN, Finding
from tdrec.diagnostics.masks_seen import masks_seen
from tdrec.diagnostics.states import States, hidden_states
from tdrec.diagnostics.teacher_verdict import (
    check_scratch,
    check_teacher,
    columns,
    constant_prediction,
    row_losses,
)
from tdrec.diagnostics.trial import Trial, restored, trial
from tdrec.distill.data_with_targets import attached
from tdrec.distill.distiller import Distiller
from tdrec.distill.gradient_norms import gradient_norms
from tdrec.distill.methods.scratch import Scratch
from tdrec.distill.teacher_targets import batches, detach, in_memory
from tdrec.distill.trusted_targets import trust_of

COMPARED_ROWS = 1024
"""Rows on which states are compared by CKA, and messages by their effective rank."""

MIN_ROWS = 20
"""Rows below which nothing can be said."""


@dataclass(frozen=True)
class Diagnosis:
    """What `diagnose` found.

    Attributes:
        findings: The outcomes of the checks, in the order in which they were made.

    Example:
        >>> scale = Finding("scale", "OK", "Mean squares: student's low 0.41, teacher's low 1.3.")
        >>> teacher = Finding("teacher", "FAIL", "It is worse.", "Train it longer.")
        >>> print(Diagnosis((scale, teacher)))
        OK    scale      Mean squares: student's low 0.41, teacher's low 1.3.
        FAIL  teacher    It is worse.
                         -> Train it longer.
        <BLANKLINE>
        FAIL: 1 OK, 0 WARN, 1 FAIL
    """

    findings: tuple[Finding, ...]

    @property
    def status(self) -> str:
        """The worst status of all: `"OK"`, `"WARN"` or `"FAIL"`."""
        return max((finding.status for finding in self.findings), key=STATUSES.index)

    def of(self, check: str) -> list[Finding]:
        """The findings of one check."""
        return [finding for finding in self.findings if finding.check == check]

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON; None for a number that is not finite."""
        findings = [asdict(finding) for finding in self.findings]
        plain: dict[str, Any] = _plain({"status": self.status, "findings": findings})
        return plain

    def __str__(self) -> str:
        counts = [sum(f.status == status for f in self.findings) for status in STATUSES]
        head = ", ".join(f"{n} {status}" for n, status in zip(counts, STATUSES, strict=True))
        return "\n".join([*map(str, self.findings), "", f"{self.status}: {head}"])


def diagnose(
    distiller: Distiller,
    data: Any,
    *,
    validation: Any = None,
    scratch: Callable[[Any], Any] | None = None,
    epochs: float = 10.0,
    batch_size: int | None = None,
    steps: int = 50,
    scratch_steps: int = 300,
    max_rows: int = 10_000,
    seed: int = 0,
) -> Diagnosis:
    """Answers what one asks before distilling: will it help, is all sound, what does it cost?

    The checks, by name: `data` and `ids` (NaN; ids without a row in their table), `shapes` (labels
    that do not belong to the predictions), `outputs` (NaN in states and predictions); these four
    end the diagnosis where they fail. Then `kind` (are outputs numbers, clicks or classes, logits
    or probabilities, and do their values agree?), `masks` and `padding` (of sequences), `range`,
    `scale` and `units` (predictions against labels, the student's states against the teacher's),
    `gradients` (of each loss), `teacher` and `scratch` (is the teacher better than a student
    trained without it, and that one better than a constant?), `training` and `messages` (after a
    few steps), `alignment` (CKA) and `cost`. Their thresholds are constants of the modules of the
    checks, with their reasons.

    Weights, optimizer and random states of the distiller, the student and the method are afterwards
    what they were, to the bit; layers that had not been built are built.

    Args:
        distiller: Compiled, before training or after. A student from scratch starts from the
            student's present weights: for a trained one, hand over `scratch`.
        data: Training rows in the order of time: `(x, y)` or `(x, y, sample_weight)`, arrays or
            nested arrays of shape `(rows, ...)`; or a finite `tf.data.Dataset` of such batches.
            Never evaluation rows.
        validation: Rows to judge teacher and student on, in the same form. Default None: the last
            tenth of `data`, on which a teacher that was trained on them looks better than it is.
        scratch: A student that was trained without a teacher, as a function from inputs to
            predictions, such as a model. Default None: trained here, for `scratch_steps`.
        epochs: Of the run whose cost is foretold. Default 10.
        batch_size: Rows of a step. Default None: as `data` has them, 256 for arrays.
        steps: Of the method's short training, which is timed. Default 50.
        scratch_steps: Of the student from scratch. Default 300.
        max_rows: Rows, evenly spaced, that models are run on to look at their outputs. Default
            10,000.
        seed: Decides the order of rows in training. Default 0.

    Returns:
        The `Diagnosis`. All of it but the times in `cost` is the same every time.

    Raises:
        ValueError: If the distiller is not compiled, a number is too small, there are too few rows,
            or the method lacks its teacher.

    Example:
        >>> diagnosis = diagnose(distiller, (x, y), steps=3, scratch_steps=5)
        >>> print(diagnosis)
        OK    data       All values of 230 rows are finite.
        ...
    """
    if not distiller.compiled:
        raise ValueError(
            "A diagnosis needs the task's loss. Received: a distiller that is not compiled. "
            'Call distiller.compile("adam", loss="mse") first, with your own loss.'
        )
    for name, value, least in (
        ("steps", steps, 3),
        ("scratch_steps", scratch_steps, 3),
        ("max_rows", max_rows, MIN_ROWS),
    ):
        if value < least:
            raise ValueError(f"`{name}` must be at least {least}. Received: {value!r}.")
    train, judged, found = _training_and_validation(data, validation)
    if trust_of(distiller.method) and detach(train[0])[1] is None:  # which takes all rows
        x = attached(train[0], train[1:], distiller.teacher, distiller.method)
        train = (x, *train[1:])
    training = {"batch_size": batch_size or found, "seed": seed}
    findings = [value_checks.check_rows({**_named(train), **_named(judged, "validation ")})]
    if findings[0].status == FAIL:
        return Diagnosis(tuple(findings))
    with restored(distiller.student.layers, (distiller.method,)):
        seen, judged = _spaced(train, max_rows), _spaced(judged, max_rows)
        teachers = distiller.teacher.layers if distiller.teacher else ()
        with watched_ids({"student": distiller.student.layers, "teacher": teachers}) as ids:
            distiller(_take(seen[0], slice(1)))  # builds what is not built yet
            student, teacher = hidden_states(distiller, seen[0])
        outputs = {"student": student, "teacher": teacher}
        labels = _distilled(seen[1], distiller)
        findings += [
            *value_checks.check_ids(ids, len(_first(seen))),
            *value_checks.check_shapes(student.get("prediction"), labels, len(train) > 2),
            value_checks.check_finite(outputs),
        ]
        if any(finding.status == FAIL for finding in findings):
            return Diagnosis(tuple(findings))
        norms = gradient_norms(distiller, _spaced(train, training["batch_size"]))
        few = _spaced(seen, COMPARED_ROWS)[0]
        findings += [
            *kind_checks.check_kinds(distiller, outputs),
            *_check_sequences(distiller, few),
            *value_checks.check_range(_each(outputs, "prediction"), labels),
            *state_checks.check_states(student, teacher),
            *training_checks.check_gradients(norms),
        ]
        if scratch is None:
            with trial(distiller, Scratch(), train, steps=scratch_steps, **training):
                own = _predictions(distiller, distiller, judged[0])
        else:
            own = _predictions(distiller, scratch, judged[0])
        findings += _judge(distiller, train, judged, own)
        now = hidden_states(distiller, few)
        enough = _spaced(train, steps * training["batch_size"])
        with trial(distiller, distiller.method, enough, steps=steps, **training) as result:
            then = hidden_states(distiller, few)
        messages = {
            f"{who}'s {when}": states["message"]
            for when, both in (("now", now), (f"after {steps} steps", then))
            for who, states in zip(("student", "teacher"), both, strict=True)
            if "message" in states
        }
        findings += [
            training_checks.check_training(result.loss, steps),
            *state_checks.check_messages(messages),
            *state_checks.check_alignment(cka_table(_hidden(now[0]), _hidden(now[1]))),
            training_checks.check_cost(
                _costs(distiller, result, teacher, len(_first(train)), epochs, **training)
            ),
        ]
    return Diagnosis(tuple(findings))


def _check_sequences(distiller: Distiller, x: Any) -> Iterator[Finding]:
    """Masks and padding in what the method and the loss compare."""
    models = {"student": distiller.student, "teacher": distiller.teacher}
    seen = {name: masks_seen(split, detach(x)[0]) for name, split in models.items() if split}
    read = distiller.method.teacher_fields
    fields = (*(name for name in ("low", "high") if name in read), "prediction")
    yield from mask_checks.check_masks(seen, fields)
    yield from mask_checks.check_padding(seen, fields)


def _judge(distiller: Distiller, train: tuple, judged: tuple, own: Any) -> Iterator[Finding]:
    """The teacher and a student from scratch, whose predictions are given, on validation rows."""
    loss, labels = _distilled(distiller.loss, distiller), _distilled(judged[1], distiller)
    its = hidden_states(distiller, judged[0])[1].get("prediction")
    if loss is None or labels is None or own is None:
        yield Finding(
            "teacher",
            WARN,
            "Of several outputs none is named, so that teacher and student are not compared.",
            "Name the one to distil: split_model(..., output=KEY).",
        )
        return
    own = columns(own)
    its = None if its is None else columns(kind_checks.as_students(distiller, its))
    predictions = {"scratch": own}
    if its is not None and its.shape == own.shape:
        predictions["teacher"] = its
    constant = constant_prediction(loss, _distilled(train[1], distiller), own)
    predictions["constant"] = np.repeat(constant, len(own), axis=0)
    losses = {who: row_losses(loss, labels, values) for who, values in predictions.items()}
    weight = judged[2] if len(judged) > 2 else None
    name = str(getattr(keras.losses.get(loss), "name", None) or keras.losses.get(loss).__name__)
    if "teacher" in losses:
        yield check_teacher(losses, name, weight)
    elif its is not None:
        yield Finding(
            "teacher",
            WARN,
            f"The teacher predicts {its.shape[1:]} a row and the student {own.shape[1:]}, so that "
            "they are not compared.",
            "Give both the same outputs, or choose a method that reads states alone.",
        )
    yield check_scratch(losses, name, weight)


def _costs(
    distiller: Distiller,
    result: Trial,
    teacher: States,
    rows: int,
    epochs: float,
    batch_size: int,
    seed: int,
) -> dict[str, float]:
    """Time and memory of a run, from those of a short one."""
    read = [teacher[field] for field in distiller.method.teacher_fields if field in teacher]
    steps = math.ceil(epochs * rows / min(batch_size, rows))
    targets = rows * result.targets_seconds_a_row
    return {
        "rows": rows,
        "epochs": epochs,
        "steps": steps,
        "compile_seconds": result.compile_seconds,
        "step_seconds": result.step_seconds,
        "targets_seconds": targets,
        "run_seconds": result.compile_seconds + targets + steps * result.step_seconds,
        "student_params": _size(v for layer in distiller.student.layers for v in layer.weights),
        "method_params": _size(distiller.method.weights),
        "optimizer_slots": result.slots,
        "targets_bytes": sum(4 * rows * values[0].size for values in read),
    }


def _training_and_validation(data: Any, validation: Any) -> tuple[tuple, tuple, int]:
    """Rows to train and to judge on, and the batch size that they came in."""
    rows, batch_size = in_memory(data)
    if validation is None:
        cut = len(_first(rows)) * 9 // 10
        train, judged = _take(rows, slice(cut)), _take(rows, slice(cut, None))
    else:
        train, judged = rows, in_memory(validation)[0]
    for name, part in (("training", train), ("validation", judged)):
        if len(part) < 2 or len(_first(part)) < MIN_ROWS:
            raise ValueError(
                f"A diagnosis needs inputs and labels, of at least {MIN_ROWS} rows to train and as "
                f"many to judge on. Received: {len(_first(part))} rows for {name}, of "
                f"{'(x, y)' if len(part) > 1 else 'x alone'}."
            )
    return train, judged, batch_size


def _predictions(distiller: Distiller, model: Callable[[Any], Any], x: Any) -> Any:
    """A student's distilled output of every row; None where it has several and none is named."""
    parts = [_distilled(model(batch), distiller) for batch in batches(detach(x)[0], 1024)]
    if parts[0] is None:
        return None
    return np.concatenate([keras.ops.convert_to_numpy(part) for part in parts])


def _distilled(structure: Any, distiller: Distiller) -> Any:
    """The part of labels, losses or predictions that belongs to the output that is distilled."""
    if not keras.tree.is_nested(structure):
        return structure
    return None if distiller.student.output is None else structure[distiller.student.output]


def _hidden(states: States) -> States:
    return {name: values for name, values in states.items() if name != "prediction"}


def _each(outputs: dict[str, States], name: str) -> States:
    return {who: states[name] for who, states in outputs.items() if name in states}


def _named(rows: tuple, prefix: str = "") -> States:
    """Every array by a name for people."""
    named = {}
    for part, structure in zip(("inputs", "labels", "weights"), rows, strict=False):
        for path, values in keras.tree.flatten_with_path(structure):
            named[" ".join([prefix + part, *(repr(key) for key in path)])] = values
    return named


def _first(rows: Any) -> Any:
    return keras.tree.flatten(rows)[0]


def _take(rows: Any, index: Any) -> Any:
    return keras.tree.map_structure(lambda values: values[index], rows)


def _spaced(rows: tuple, count: int) -> tuple:
    """At most so many rows, evenly spaced, so that they keep the order of time."""
    total = len(_first(rows))
    if total <= count:
        return rows
    taken: tuple = _take(rows, np.linspace(0, total - 1, count).astype(int))
    return taken


def _size(variables: Any) -> int:
    return sum(math.prod(variable.shape) for variable in variables)


def _plain(value: Any) -> Any:
    """Without numbers that JSON does not know."""
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
