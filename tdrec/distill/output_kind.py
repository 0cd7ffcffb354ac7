"""What a model's outputs are: numbers, or the logits or probabilities of clicks or classes."""

from typing import Any, NamedTuple

import keras

from tdrec.distill.model_split import ModelSplit, outputs_of

_LOSSES: dict[str, tuple[Any, ...]] = {
    "regression": (
        keras.losses.MeanSquaredError,
        keras.losses.mean_squared_error,
        keras.losses.MeanAbsoluteError,
        keras.losses.mean_absolute_error,
        keras.losses.MeanAbsolutePercentageError,
        keras.losses.mean_absolute_percentage_error,
        keras.losses.MeanSquaredLogarithmicError,
        keras.losses.mean_squared_logarithmic_error,
        keras.losses.Huber,
        keras.losses.huber,
        keras.losses.LogCosh,
        keras.losses.log_cosh,
    ),
    "binary": (
        keras.losses.BinaryCrossentropy,
        keras.losses.binary_crossentropy,
        keras.losses.BinaryFocalCrossentropy,
        keras.losses.binary_focal_crossentropy,
    ),
    "classes": (
        keras.losses.CategoricalCrossentropy,
        keras.losses.categorical_crossentropy,
        keras.losses.SparseCategoricalCrossentropy,
        keras.losses.sparse_categorical_crossentropy,
        keras.losses.CategoricalFocalCrossentropy,
        keras.losses.categorical_focal_crossentropy,
        keras.losses.KLDivergence,
        keras.losses.kl_divergence,
    ),
}
_ENDS = {"softmax": "classes", "sigmoid": "binary"}  # what makes probabilities, and of what
_SHAPING = ("Reshape", "Flatten", "Squeeze", "ExpandDims", "Identity", "Cast")


class OutputKind(NamedTuple):
    """What one output is.

    Attributes:
        task: `"regression"`, `"binary"` or `"classes"`.
        from_logits: Whether it is logits, and not probabilities; of numbers always True.
    """

    task: str
    from_logits: bool


class ComparedKinds(NamedTuple):
    """What label distillation compares.

    Attributes:
        task: `"regression"`, `"binary"` or `"classes"`.
        student_logits: Whether the student's output is logits, and not probabilities.
        teacher_logits: Whether the teacher's is.
    """

    task: str
    student_logits: bool = True
    teacher_logits: bool = True


def kind_of_loss(loss: Any, output: str | int | None = None) -> OutputKind | None:
    """What the output is that a loss is of.

    Args:
        loss: As `compile` takes it: a name, a function, a `keras.losses.Loss`, or several by the
            output. None: not known.
        output: The output, of a model with several. Default None.

    Returns:
        Its kind, or None if the loss does not tell.

    Example:
        >>> kind_of_loss(keras.losses.BinaryCrossentropy(from_logits=True))
        OutputKind(task='binary', from_logits=True)
    """
    if isinstance(loss, (dict, list, tuple)) and not _is_config(loss):
        loss = _of_output(loss, output)
    if isinstance(loss, str) or _is_config(loss):
        loss = keras.losses.get(loss)
    for task, kinds in _LOSSES.items():
        if any(isinstance(loss, k) if isinstance(k, type) else loss is k for k in kinds):
            return OutputKind(task, task == "regression" or getattr(loss, "from_logits", False))
    return None


def last_activation(split: ModelSplit, output: str | int | None = None) -> str | None:
    """What the output's last layer makes of it.

    Args:
        split: Of the model.
        output: The output, of a model with several. Default None.

    Returns:
        `"softmax"`, `"sigmoid"` or `"linear"`; None if it is another, or the model has no graph.
    """
    tensor = outputs_of(split.model)
    if keras.tree.is_nested(tensor):
        tensor = _of_output(tensor, output)
    if tensor is None:
        return None
    while True:
        operation, node, place = tensor._keras_history
        if isinstance(operation, keras.Model) and getattr(operation, "outputs", None):
            tensor = operation.outputs[place]
        elif type(operation).__name__ in _SHAPING:
            tensor = operation._inbound_nodes[node].input_tensors[0]
        else:
            break
    if type(operation).__name__ in ("Softmax", "Sigmoid"):
        return type(operation).__name__.lower()
    activation = getattr(operation, "activation", None)
    names = ("softmax", "sigmoid", "linear")
    return next((n for n in names if activation is keras.activations.get(n)), None)


def known_outputs(
    output: str | int | None, loss: Any, student: ModelSplit | None, teacher: ModelSplit | None
) -> "tuple[KnownOutput, KnownOutput]":
    """What is known of the student's and of the teacher's output.

    Args:
        output: The output that is distilled, of models with several.
        loss: The student's, as `compile` takes it; None if it is not known. The teacher's is that
            which its own model was compiled with.
        student: The student's split, if it is known.
        teacher: The teacher's split, if there is one.
    """
    own = getattr(teacher and teacher.model, "loss", None)
    return (
        KnownOutput.of("student", student, loss, output),
        KnownOutput.of("teacher", teacher, own, output),
    )


def compared_kinds(
    task: str | None,
    from_logits: bool | None,
    output: str | int | None,
    loss: Any,
    student: ModelSplit | None,
    teacher: ModelSplit | None,
) -> ComparedKinds:
    """What label distillation compares, read off the loss and the two models.

    Args:
        task: What the method says, or None.
        from_logits: What the method says, or None.
        output: The output that is distilled, of models with several.
        loss: The student's, as `compile` takes it; None if it is not known.
        student: The student's split, if it is known.
        teacher: The teacher's split, if there is one.

    Raises:
        ValueError: If nothing tells the kind, or two sources contradict each other.
    """
    of_student, of_teacher = (
        known.checked() for known in known_outputs(output, loss, student, teacher)
    )
    if task and of_student.task not in (None, task):
        raise ValueError(
            f"The kind of output is one for the task and the distillation. Received: task={task!r} "
            f"beside {of_student}. Leave `task` out."
        )
    task = task or of_student.task or of_student.hint
    if task is None:
        raise ValueError(
            "Label distillation must know what the outputs are: numbers, clicks or classes. Keras's"
            f" own losses tell. Received: {of_student}. Name it: LabelDistillation("
            'task="regression"), "binary" or "classes", with from_logits=False for probabilities.'
        )
    taught = of_teacher.task or (of_teacher.hint if of_teacher.end != of_student.end else None)
    if taught not in (None, task):
        raise ValueError(
            "Student and teacher must predict the same kind of output. Received: a student of "
            f"{task!r}, and {of_teacher}, which is of {taught!r}."
        )
    if task == "regression":
        return ComparedKinds(task)
    if from_logits is not None and of_student.from_logits not in (None, from_logits):
        raise ValueError(
            "`from_logits` is one for the task and the distillation. Received: "
            f"from_logits={from_logits} beside {of_student}. Leave `from_logits` out."
        )
    logits = _first(of_student.from_logits, from_logits, True)
    return ComparedKinds(task, logits, _first(of_teacher.from_logits, logits))


class KnownOutput(NamedTuple):
    """What is known of a model's output before it is run, and by what.

    Attributes:
        who: `"student"` or `"teacher"`.
        loss: What it is trained by, None if that is not known.
        end: As `last_activation`.
        task: What the loss tells it to be; None if it does not.
        hint: What the last layer tells it to be; None if it does not.
        from_logits: Whether it is logits, and not probabilities; None if nothing tells.
    """

    who: str
    loss: Any
    end: str | None
    task: str | None
    hint: str | None
    from_logits: bool | None

    @classmethod
    def of(
        cls, who: str, split: ModelSplit | None, loss: Any, output: str | int | None
    ) -> "KnownOutput":
        """Reads it off a loss and a model."""
        if split is not None and split.output is not None:
            output = split.output
        told = kind_of_loss(loss, output)
        end = None if split is None else last_activation(split, output)
        task, hint = told and told.task, _ENDS.get(end or "")
        from_logits = told.from_logits if told else None if end is None else end == "linear"
        return cls(who, loss, end, task, hint, from_logits)

    @property
    def fits(self) -> bool:
        """Whether the loss and the last layer take it for the same."""
        if self.task not in ("binary", "classes") or not self.end:
            return True
        return (self.hint or self.task, self.end == "linear") == (self.task, self.from_logits)

    def checked(self) -> "KnownOutput":
        """The same, if loss and last layer fit each other.

        Raises:
            ValueError: If they do not.
        """
        if not self.fits:
            raise ValueError(
                "The loss and the last layer must fit each other, or gradients are wrong. Received:"
                f" {self}. Softmax makes probabilities of classes, sigmoid of clicks "
                "(from_logits=False); no activation makes logits (from_logits=True)."
            )
        return self

    def __str__(self) -> str:
        known = ["no loss" if self.loss is None else f"the loss {_name(self.loss)}"]
        if self.task in ("binary", "classes"):
            known[0] += f" with from_logits={self.from_logits}"
        known += [f"{self.end} as its last layer's activation"] if self.end else []
        return f"a {self.who} with {' and '.join(known)}"


def _of_output(several: Any, output: str | int | None) -> Any:
    """The loss or the tensor of one output of several; None if there is none of it."""
    try:
        return several[output]
    except (KeyError, IndexError, TypeError):
        return None


def _first(*values: bool | None) -> bool:
    return next(value for value in values if value is not None)


def _is_config(loss: Any) -> bool:
    return isinstance(loss, dict) and "class_name" in loss


def _name(loss: Any) -> str:
    return repr(getattr(loss, "name", None) or getattr(loss, "__name__", None) or loss)
