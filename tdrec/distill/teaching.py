"""What a method makes of a teacher for a student: shared by the distiller and its layer form."""

from typing import Any

import keras
import numpy as np
from keras import ops

from tdrec.distill.method import NO_LABELS, NOTHING, Method
from tdrec.distill.model_split import Middle, ModelSplit, Trace, shapes_of
from tdrec.distill.sample_weights import Labels, weights_of
from tdrec.distill.several_teachers import each_of
from tdrec.distill.trusted_targets import trust_of

Tensor = Any


class Teaching:
    """A student, a teacher and a method.

    Args:
        student: The student's split.
        teacher: The teacher's, or several as one; None if there is none yet.
        method: The method.

    Attributes:
        teacher: May be set.
        known: What is known of a teacher that is not here, for people. Default nothing.
    """

    def __init__(self, student: ModelSplit, teacher: ModelSplit | None, method: Method) -> None:
        self.student = student
        self.teacher = teacher
        self.method = method
        self.known = ""

    def terms(
        self,
        student: Trace,
        student_middle: Middle,
        inputs: Any,
        targets: dict[str, Tensor] | None,
        sample_weight: Any,
        training: bool,
        labels: Labels = NO_LABELS,
    ) -> dict[str, Tensor]:
        """The method's terms of a batch.

        Args:
            student: The student's trace.
            student_middle: What interprets for the student.
            inputs: The batch's.
            targets: The teacher's trace of them, if it is known already.
            sample_weight: The rows' weights, or `SampleWeights`.
            training: Whether dropout and noise of the method act.
            labels: The task's. Default none.
        """
        self.build(inputs, targets)
        teacher, teacher_middle = self.taught(inputs, targets)
        return self.method.losses_of(
            self.student.distilled(student),
            teacher,
            student_middle=student_middle,
            teacher_middle=teacher_middle,
            sample_weight=weights_of(sample_weight).distillation,
            training=training,
            labels=labels,
        )

    def taught(self, inputs: Any, targets: dict[str, Tensor] | None) -> tuple[Trace, Middle]:
        """The teacher's targets of a batch, constants, in the fields that the method reads.

        With them what interprets decoded states of these rows.
        """
        if not self.method.teacher_fields:
            return NOTHING, _Absent(self)
        if targets is not None:
            trace = NOTHING._replace(**targets)
            middle = self.teacher.interpreter(inputs) if self.teacher else _Absent(self)
        else:
            if trust_of(self.method):
                raise ValueError(
                    "How far a teacher is to be trusted is found out of all rows. Received: a "
                    "batch without targets. Make them ahead: distiller.fit(distiller."
                    "with_teacher_targets((x, y)))."
                )
            trace, middle = self.required_teacher().run(inputs)
            trace = self.required_teacher().distilled(trace)
        low, high, prediction = (
            f if f is None else keras.tree.map_structure(ops.stop_gradient, f)
            for f in self.method.reads(trace)
        )
        return Trace(low, high, prediction), middle

    @property
    def compiles(self) -> bool:
        """Whether XLA can compile the teacher, as far as that is known.

        Lookups, and layers that Keras runs by cuDNN, cannot be; of a plain function nobody knows.
        """
        if self.teacher is None or not self.method.teacher_fields:
            return True
        return all(map(_compiles, each_of(self.teacher)))

    def required_teacher(self) -> ModelSplit:
        """The teacher.

        Raises:
            ValueError: If there is none.
        """
        if self.teacher is None:
            raise ValueError(
                f"{type(self.method).__name__} learns from a teacher. Received: teacher=None"
                f"{self.known}. Pass the teacher's split to tdrec.Distiller, or set "
                "`distiller.teacher` after loading one."
            )
        return self.teacher

    def build(self, inputs: Any = None, targets: dict[str, Tensor] | None = None) -> bool:
        """Builds the method once the shapes of both traces are known, if need be from a batch.

        Returns:
            Whether all is built.
        """
        if not self.method.built:
            teacher = self._teacher_shapes(inputs, targets)
            if self.student.shapes and teacher:
                self.method.check_shapes(self.student.shapes, teacher)
                self.method.build(self.student.shapes, teacher)
        return bool(self.method.built and self.student.shapes)

    def _teacher_shapes(self, inputs: Any, targets: dict[str, Tensor] | None) -> Trace | None:
        if not self.method.teacher_fields:
            return NOTHING
        if targets is not None:
            return self.method.reads(shapes_of(NOTHING._replace(**targets)))
        if self.teacher and self.teacher.shapes is None and inputs is not None:
            self.teacher(inputs)
        shapes = self.teacher.shapes if self.teacher else None
        return self.method.reads(shapes) if shapes else None


class _Absent(Middle):
    """In the place of what a teacher interprets with, where none is known to be needed."""

    def __init__(self, teaching: Teaching) -> None:
        self.teaching = teaching

    def __call__(self, low: Tensor) -> Tensor:
        return self.teaching.required_teacher().interpret(low)

    def judge(self, low: Tensor) -> tuple[Tensor, Tensor]:
        return self.teaching.required_teacher().judge(low)

    def of(self, name: str) -> Middle:
        """The same for one of several teachers."""
        return self


def _compiles(split: ModelSplit) -> bool:
    parts = [part for layer in split.layers for part in layer._flatten_layers()]
    if not parts:
        return not split.whole
    return all(p.supports_jit and not isinstance(p, keras.layers.TFSMLayer) for p in parts)


def check_weights(teacher: ModelSplit | None, method: Method) -> None:
    """Looks whether a teacher can teach anything.

    Args:
        teacher: Its split, None if there is none.
        method: What reads it.

    Raises:
        ValueError: If the method reads the teacher, and a weight of it is NaN or infinite.
    """
    layers = teacher.layers if teacher and method.teacher_fields else ()
    for weight in [weight for layer in layers for weight in layer.weights]:
        values = np.asarray(weight)
        if bad := int(values.size - np.isfinite(values).sum()):
            raise ValueError(
                "The teacher's weights must be finite, or the student learns NaN. Received: "
                f"{bad} of {values.size} numbers of {getattr(weight, 'path', weight.name)} are NaN "
                "or infinite. Load a sound checkpoint, or train it at a lower learning rate."
            )
