"""What a distillation method is: traces of student and teacher in, named losses out."""

import inspect
from collections.abc import Mapping
from typing import Any

import keras

from tdrec.distill.model_split import Middle, ModelSplit, Trace
from tdrec.distill.sample_weights import Labels
from tdrec.distill.several_teachers import Teachers
from tdrec.distill.term_weight import OwnWeights, TermWeight

Tensor = Any

NOTHING = Trace(None, None, None)
"""The trace of a teacher that is not read."""
NO_LABELS = Labels(None)


class Method(keras.layers.Layer):
    """The base of all methods: what a `Distiller` asks of one.

    A subclass names its loss terms and the fields of the teacher's trace that they read, declares
    the arguments that are weights of terms (`TermWeight`), makes its layers in `build`, and writes
    `compute_loss`. It keeps each of its arguments as an attribute of the same name.

    Args:
        **kwargs: Those of `keras.layers.Layer`.

    Attributes:
        terms: Names of the losses that `compute_loss` returns.
        teacher_fields: The fields of the teacher's `Trace` that it reads; none means that the
            teacher is not run.
        own_weights: The weights that its class declares.

    Example:
        >>> class Rounded(Method):
        ...     teacher_fields, terms = ("prediction",), ("rounded_loss",)
        ...     weight = TermWeight("rounded_loss")
        ...
        ...     def __init__(self, weight=1.0, **kwargs):
        ...         super().__init__(**kwargs)
        ...         self.weight = weight
        ...
        ...     def compute_loss(self, student, teacher, **_):
        ...         error = student.prediction - keras.ops.round(teacher.prediction)
        ...         return self.weighted({"rounded_loss": keras.ops.mean(error**2)})
        >>> Rounded(weight=3.0).weight
        3.0
    """

    teacher_fields: tuple[str, ...] = ()
    terms: tuple[str, ...] = ()
    interprets = False
    """Whether its terms run the teacher's middle, and not only read the teacher's trace."""
    reads_labels = False
    """Whether `compute_loss` takes `labels`: `Labels`, the task's in a batch."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.own_weights = OwnWeights(self.declared_weights(), self.variable_dtype)

    @classmethod
    def declared_weights(cls) -> dict[str, TermWeight]:
        """The arguments that are weights of terms, by name."""
        own = ((name, inspect.getattr_static(cls, name)) for name in dir(cls))
        return {name: value for name, value in own if isinstance(value, TermWeight)}

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

    def losses_of(
        self, *traces: Trace, labels: Labels = NO_LABELS, **context: Any
    ) -> dict[str, Tensor]:
        """`compute_loss` for whoever has labels and does not know whether it takes them.

        Args:
            *traces: The student's and the teacher's.
            labels: The batch's. Default none.
            **context: The other arguments of `compute_loss`.
        """
        if self.reads_labels:
            context["labels"] = labels
        return self.compute_loss(*traces, **context)

    def check_teacher(self, teacher: ModelSplit) -> None:
        """Refuses a teacher that the method is not for.

        Args:
            teacher: The teacher's split, or several as one.

        Raises:
            ValueError: If it is several, and the method is for one; or the other way.
        """
        if isinstance(teacher, Teachers):
            raise ValueError(
                f"{type(self).__name__} learns from one teacher. Received: a list of "
                f"{len(teacher.splits)}. Give each a method of its own: tdrec.MultiTeacher("
                "[tdrec.LabelDistillation(), tdrec.LabelDistillation()])."
            )
        for method in self.parts():
            method.check_teacher(teacher)

    def settle(self, loss: Any, student: ModelSplit, teacher: ModelSplit | None) -> None:
        """Takes note of what a distiller is compiled with, before it trains.

        Args:
            loss: The task's, as `compile` takes it; None if it is the student's own.
            student: The student's split.
            teacher: The teacher's, if there is one.

        Raises:
            ValueError: If they do not fit the method.
        """
        for method in self.parts():
            method.settle(loss, student, teacher)

    def check_shapes(self, student: Trace, teacher: Trace) -> None:
        """Refuses traces that the method cannot compare, before it is built.

        Args:
            student: The shapes of the student's trace.
            teacher: The shapes of the teacher's; None in the fields that are not read.

        Raises:
            ValueError: If they do not fit each other.
        """
        for method in self.parts():
            method.check_shapes(student, teacher)

    def parts(self) -> list["Method"]:
        """The methods that this one is made of; none of most."""
        inner = self._flatten_layers(include_self=False, recursive=False)
        return [layer for layer in inner if isinstance(layer, Method)]

    def weight_variables(self) -> list[keras.Variable]:
        """What the step reads of this method's weights and of those inside it."""
        methods = (layer for layer in self._flatten_layers() if isinstance(layer, Method))
        return [v for method in methods for v in method.own_weights.variables.values()]

    def weighted(self, losses: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Losses times the weights that are declared for them, for `compute_loss` to return.

        Args:
            losses: Scalars by the name of their term.
        """
        return self.own_weights.weighted(losses)

    def reads(self, trace: Trace) -> Trace:
        """What the method reads of a teacher's trace, or of the shapes of one.

        Args:
            trace: The teacher's.

        Returns:
            The same, with None in the fields that are not in `teacher_fields`.

        Raises:
            ValueError: If a field is missing that it reads.
        """
        fields = self.teacher_fields
        if missing := [field for field in fields if getattr(trace, field) is None]:
            raise ValueError(
                f"{type(self).__name__} reads the teacher's {', '.join(fields)}. Received: "
                f"a teacher, or stored targets, without {', '.join(missing)}. States are known of "
                "a teacher that is split into rooms (tdrec.split_model, tdrec.load_saved_split), "
                "or stored; of several outputs name one (output=...); and "
                "tdrec.LabelDistillation() reads the prediction alone."
            )
        return NOTHING._replace(**{field: getattr(trace, field) for field in fields})

    def build_from_config(self, config: dict[str, Any]) -> None:
        # A stored build holds plain lists where `build` was given traces.
        shapes = config["shapes_dict"]
        self.build(Trace(*_tuples(shapes["student"])), Trace(*_tuples(shapes["teacher"])))

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        for name in inspect.signature(type(self).__init__).parameters:
            if name not in ("self", "kwargs"):
                config[name] = getattr(self, name)
        return config


def unbuilt(method: Method) -> dict[str, Any]:
    """A method as Keras serialises it, to be built by the method that it is a part of.

    Args:
        method: The method.
    """
    serialised = keras.saving.serialize_keras_object(method)
    return {key: value for key, value in serialised.items() if key != "build_config"}


def _tuples(stored: Any) -> Any:
    """Shapes, in any structure, that were stored as lists."""
    if isinstance(stored, dict):
        return {key: _tuples(value) for key, value in stored.items()}
    if not isinstance(stored, (list, tuple)):
        return stored
    inner = [_tuples(item) for item in stored]
    return tuple(inner) if all(i is None or isinstance(i, int) for i in inner) else inner
