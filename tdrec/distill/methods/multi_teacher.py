"""MultiTeacher: several teachers at once, each with a method of its own.

Source: Zhang, Chen and Wang, "Confidence-Aware Multi-Teacher Knowledge Distillation", arXiv
2201.00007, and Liu et al., "Wisdom of Committee" (DiverseDistill), arXiv 2402.14035.
"""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import keras
from keras import ops

from tdrec.distill import losses
from tdrec.distill.check import check_positive, check_type
from tdrec.distill.masks import mask_of
from tdrec.distill.method import NO_LABELS, Method, Tensor, unbuilt
from tdrec.distill.methods.talking_models import TalkingModels
from tdrec.distill.model_split import ModelSplit, Trace
from tdrec.distill.output_kind import ComparedKinds, compared_kinds
from tdrec.distill.sample_weights import Labels, of_output, spread, times
from tdrec.distill.several_teachers import Teachers, joined, names, of_teacher


@keras.saving.register_keras_serializable(package="tdrec")
class MultiTeacher(Method):
    r"""Several teachers at once, each with a method of its own.

    $\sum_t w_t L_t$, with $L_t$ the terms of the method of teacher $t$, and $w_t$ a number; or,
    with `weights="row"`, a weight of each row $i$ in the terms of each teacher,

    $w_{ti} = \frac{\exp(-\ell(y_i, y_{ti}) / T)}{\sum_u \exp(-\ell(y_i, y_{ui}) / T)}$:

    a teacher counts in a row as much as it is right on it, by what its prediction $y_{ti}$ loses on
    the label (`losses.on_labels`). The weights of a row add up to 1; all are equal where a row has
    no label, or a task weight of 0 (`SampleWeights`). Teachers that are mixed evenly may teach
    worse than the best of them alone.

    Terms are named by the teacher: `teacher_1_label_loss`. Methods that are `TalkingModels`, or
    hold one, talk in one message space: the student has one encoder and one decoder, which the
    codec of the first describes, and each teacher its own.

    Args:
        methods: One for each teacher, in their order.
        weights: A number of at least 0 for each teacher, as they are; or `"row"`. Default None:
            equal ones that add up to 1.
        temperature: $T > 0$ of the weights by row. Larger makes them more alike. Default 1.
        task: What the outputs are, for the weights by row, as in `LabelDistillation`. Default None:
            as the loss tells.
        from_logits: As in `LabelDistillation`. Default None.
        **kwargs: Those of `keras.layers.Layer`.

    Raises:
        TypeError: If one is not a method.
        ValueError: If an argument is out of its range, two methods are one object or were built, or
            their messages have different widths; when it gets its teachers, if they are not as
            many.

    Example:
        >>> method = MultiTeacher([TalkingModels(), LabelDistillation()], weights=(0.7, 0.3))
        >>> distiller = Distiller(student_split, [teacher_split, teacher], method)
        >>> method.terms[-2:]
        ('teacher_1_state_loss', 'teacher_2_label_loss')

    Source:
        Zhang et al., 2022: weights of a row by what each teacher loses on its label. With two
        teachers and $T = 1$ these are theirs; of $n$ theirs are $(1 - softmax(\ell)) / (n - 1)$, at
        most $1 / (n - 1)$ for each. Liu et al., 2024: naive mixing can be worse than one teacher,
        and what a teacher is worth is a matter of the row. Their questions and answers are learned;
        here each teacher's codec is.
    """

    def __init__(
        self,
        methods: Sequence[Method],
        weights: Sequence[float] | str | None = None,
        *,
        temperature: float = 1.0,
        task: str | None = None,
        from_logits: bool | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        for method in methods:
            check_type("methods", method, Method, "[tdrec.LabelDistillation(), tdrec.FitNet()]")
        _check_methods(methods)
        self.methods = list(methods)
        self.by_row = isinstance(weights, str) and weights == "row"
        self.teacher_weights = None if self.by_row else _numbers(weights, len(methods))
        self.temperature = check_positive("temperature", temperature)
        self.task = None if task is None else losses.check_task(task)
        self.from_logits = from_logits
        self.terms = tuple(f"{name}_{t}" for name, method in self._each() for t in method.terms)
        read = {field for method in methods for field in method.teacher_fields}
        read |= {"prediction"} if self.by_row else set()
        self.teacher_fields = tuple(field for field in Trace._fields if field in read)
        self.interprets = any(method.interprets for method in methods)
        self.reads_labels = self.by_row or any(method.reads_labels for method in methods)
        self.kinds: dict[str, ComparedKinds] = {}
        self._output: str | int | None = None

    def _each(self) -> Iterator[tuple[str, Method]]:
        return zip(names(len(self.methods)), self.methods, strict=True)

    def check_teacher(self, teacher: ModelSplit) -> None:
        splits = teacher.splits if isinstance(teacher, Teachers) else {}
        if len(splits) != len(self.methods):
            raise ValueError(
                "MultiTeacher has a method for each teacher of a list. Received: "
                f"{len(self.methods)} methods, and "
                f"{f'a list of {len(splits)}' if splits else 'a teacher that is no list'}. Pass as "
                "many: tdrec.Distiller(student, [teacher_a, teacher_b], "
                "tdrec.MultiTeacher([method_a, method_b]))."
            )
        for name, method in self._each():
            method.check_teacher(splits[name])

    def settle(self, loss: Any, student: ModelSplit, teacher: ModelSplit | None) -> None:
        self._output = student.output
        for name, method in self._each():
            split = teacher.splits[name] if isinstance(teacher, Teachers) else None
            method.settle(loss, student, split)
            if self.by_row:
                self.kinds[name] = self._compared(loss, student, split)

    def _compared(self, *models: Any) -> ComparedKinds:
        return compared_kinds(self.task, self.from_logits, self._output, *models)

    def check_shapes(self, student: Trace, teacher: Trace) -> None:
        for name, method in self._each():
            method.check_shapes(student, method.reads(of_teacher(teacher, name)))

    def reads(self, trace: Trace) -> Trace:
        traces = {}
        for name, method in self._each():
            shown = of_teacher(trace, name)
            read = method.reads(shown)
            if self.by_row:
                if shown.prediction is None:
                    raise ValueError(
                        'MultiTeacher(weights="row") reads the prediction of each teacher. '
                        f"Received: {name} without one. Store it too, or give weights by hand."
                    )
                read = read._replace(prediction=shown.prediction)
            traces[name] = read
        return joined(traces)

    def build(self, student: Trace, teacher: Trace) -> None:
        encoder = decoder = None
        for name, method in self._each():
            for talking in (talkers := _talkers(method)):
                talking.student_encoder, talking.student_decoder = encoder, decoder
            method.build(student, method.reads(of_teacher(teacher, name)))
            for talking in talkers:
                encoder, decoder = talking.student_encoder, talking.student_decoder or decoder

    def compute_loss(
        self,
        student: Trace,
        teacher: Trace,
        *,
        teacher_middle: Any,
        sample_weight: Any = None,
        labels: Labels = NO_LABELS,
        **context: Any,
    ) -> dict[str, Tensor]:
        by_row = self.row_weights(student, teacher, labels) if self.by_row else {}
        terms: dict[str, Tensor] = {}
        for i, (name, method) in enumerate(self._each()):
            found = method.losses_of(
                student,
                method.reads(of_teacher(teacher, name)),
                teacher_middle=teacher_middle.of(name),
                sample_weight=times(sample_weight, by_row[name]) if by_row else sample_weight,
                labels=labels,
                **context,
            )
            weight = self.teacher_weights[i] if self.teacher_weights else 1.0
            terms |= {f"{name}_{term}": weight * loss for term, loss in found.items()}
        return terms

    def row_weights(self, student: Trace, teacher: Trace, labels: Labels) -> dict[str, Tensor]:
        """How much each teacher counts in each row, by how right it is there.

        Args:
            student: The student's trace, whose mask says which tokens are there.
            teacher: The teachers' traces.
            labels: The batch's.

        Returns:
            Weights of shape `(batch,)` by the name of the teacher, which add up to 1.
        """
        mask = mask_of(student.prediction)
        lost = []
        for name, _ in self._each():
            kinds = self.kinds.get(name) or self._compared(None, None, None)
            prediction = of_teacher(teacher, name).prediction
            if not kinds.teacher_logits:
                prediction = losses.logits(prediction, kinds.task)
            lost.append(_lost_by_row(labels, prediction, kinds.task, mask, self._output))
        # Keras warns of a softmax of one value, which a list of one teacher asks for.
        weights = ops.exp(ops.log_softmax(-ops.stack(lost, axis=-1) / self.temperature, axis=-1))
        return {name: weights[:, i] for i, name in enumerate(names(len(lost)))}

    def get_config(self) -> dict[str, Any]:
        weights = "row" if self.by_row else self.teacher_weights
        saved = [unbuilt(method) for method in self.methods]
        return {**super().get_config(), "methods": saved, "weights": weights}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "MultiTeacher":
        methods = map(keras.saving.deserialize_keras_object, config["methods"])
        return cls(**{**config, "methods": list(methods)})


def _lost_by_row(
    labels: Labels, prediction: Any, task: str, mask: Any, output: str | int | None
) -> Tensor:
    """What a prediction loses on the label of each row, on average over its tokens.

    0 for a row without a label: no teacher is better there than another.
    """
    y, weight = (
        of_output(
            given,
            output,
            lambda known: (
                'MultiTeacher(weights="row") reads the labels of one output. Received: several, '
                f"{known}, and a student's split with output={output!r}. Name one there, "
                "tdrec.split_model(..., output=...), or give weights by hand."
            ),
        )
        for given in labels
    )
    if y is None:
        return ops.zeros(ops.shape(prediction)[:1])
    values = losses.on_labels(ops.convert_to_tensor(y), prediction, task)
    counted = ops.ones_like(values)
    if mask is not None and len(mask.shape) > len(values.shape):
        mask = None  # of what was pooled
    for given in (weight, mask):
        if given is not None:
            there = ops.cast(ops.not_equal(given, 0), values.dtype)
            counted = counted * spread(there, values)
    values = ops.where(counted > 0, values, 0.0)  # what stands in the place of a label may be NaN
    axes = tuple(range(1, len(values.shape)))
    return ops.sum(values, axes) / ops.maximum(ops.sum(counted, axes), 1.0) if axes else values


def _check_methods(methods: Sequence[Method]) -> None:
    if not methods:
        raise ValueError(
            "MultiTeacher needs a method for each teacher. Received: none. Give one: "
            "tdrec.MultiTeacher([tdrec.LabelDistillation(), tdrec.LabelDistillation()])."
        )
    if len({id(method) for method in methods}) < len(methods):
        raise ValueError(
            "Each teacher needs a method of its own, with its own encoders. Received: one object "
            "for several. Make one for each."
        )
    if any(method.built for method in methods):
        raise ValueError(
            "Methods of several teachers are built together. Received: one that was built by "
            "another distiller. Make a new one."
        )
    widths = {talking.codec.message_dim for method in methods for talking in _talkers(method)}
    if len(widths) > 1:
        raise ValueError(
            "Teachers that talk with one student do so in messages of one width. Received: "
            f"message_dim {', '.join(map(str, sorted(widths)))}. Give all the same."
        )


def _numbers(weights: Any, count: int) -> tuple[float, ...]:
    """A weight for each teacher."""
    if weights is None:
        return (1 / count,) * count
    numbers = () if isinstance(weights, str) else tuple(weights)
    if (
        len(numbers) != count
        or not all(math.isfinite(weight) and weight >= 0 for weight in numbers)
        or not any(numbers)
    ):
        raise ValueError(
            f"`weights` must be a finite number of at least 0 for each of the {count} teachers, "
            f'one above 0 at least, or "row". Received: {weights!r}.'
        )
    return numbers


def _talkers(method: Method) -> list[TalkingModels]:
    return [layer for layer in method._flatten_layers() if isinstance(layer, TalkingModels)]
