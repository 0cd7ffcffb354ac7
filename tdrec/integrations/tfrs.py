"""TD, or any other method, as a task of a TensorFlow Recommenders model.

TFRS 0.7 is written for Keras 2. With the environment variable `TF_USE_LEGACY_KERAS=1`, `tf.keras`
is Keras 2 while `import keras` stays Keras 3, so the two live in one process: the student is of
Keras 2, the methods of this library are of Keras 3, and the teacher may be of either.
"""

import importlib.util
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from tdrec.distill.check import check_type
from tdrec.distill.method import NOTHING, Method
from tdrec.distill.model_split import Middle, ModelSplit, Trace, shapes_of
from tdrec.distill.sample_weights import weights_of
from tdrec.distill.teaching import check_weights
from tdrec.distill.trusted_targets import trust_of

Tensor = Any


def _check_keras_2() -> None:
    needed = {"tensorflow_recommenders": "tensorflow-recommenders", "tf_keras": "tf_keras"}
    missing = [name for name in needed if importlib.util.find_spec(name) is None]
    if missing:
        raise ImportError(
            "tdrec.integrations.tfrs needs TensorFlow Recommenders and Keras 2. Missing: "
            f"{', '.join(missing)}. Install: pip install {' '.join(needed.values())}"
        )
    if version := getattr(tf.keras, "__version__", None):  # which Keras 2 does not tell
        raise ImportError(
            f"TensorFlow Recommenders needs tf.keras to be Keras 2. Received: Keras {version}. "
            "Set TF_USE_LEGACY_KERAS=1 before TensorFlow is imported, in the shell or at the very "
            'start of the program: import os; os.environ["TF_USE_LEGACY_KERAS"] = "1"'
        )


_check_keras_2()

import keras  # noqa: E402
from tensorflow_recommenders.tasks import Task  # noqa: E402


class Distillation(tf.keras.layers.Layer, Task):
    r"""A task of a `tfrs.Model`, beside `tfrs.tasks.Ranking`: what a method makes of a teacher.

    Added to the loss that `compute_loss` returns, $\sum_t L_t$, the method's weighted losses. The
    encoders and decoders of the method are trained with the model, and each term is logged as a
    metric under its own name, as a mean over rows.

    The teacher is only read: its weights are no part of this task, are not trained and not saved.
    Hand its split to the model, and make neither the teacher nor its layers an attribute of the
    `tfrs.Model`, which trains all that it finds.

    A SavedModel of the `tfrs.Model` serves what it served without this task: none of its operations
    is stored, though its encoders' and decoders' weights are. The student's own layers, saved
    alone, have nothing of it.

    In a step the student's `middle` also runs on decoded states. An activity regulariser in it
    would weigh those instead of the data's: keep such regularisers out of it. Regularisers of
    weights are not concerned.

    Args:
        student: The split of the student, of Keras 2 layers: `tdrec.ModelSplit` of callables, or
            this module's `split_model`. The layers must be attributes of the `tfrs.Model`, to be
            trained. A function gets `training` if it has an argument of that name.
        teacher: The split of the teacher: of a Keras 3 model (`tdrec.split_model`) or, as the
            student's, of Keras 2. Its `input_map` takes its inputs from the features.
        method: What to learn from the teacher, such as `tdrec.TalkingModels(rounds=2)`. Label
            distillation must name its `task`, since no loss tells it here.
        name: The layer's name. Default `"distillation"`.

    Call arguments:
        features: A batch's features, from which the teacher takes its inputs.
        trace: The student's trace of the batch, made by `trace(features)`.
        sample_weight: None, or the rows' weights, shape `(batch,)` or `(batch, 1)`; or
            `tdrec.SampleWeights`. Default None.
        training: Whether dropout and noise of the method act. Default False.

    Returns:
        The sum of the terms, a scalar. Added only `if training`, evaluation runs no teacher.

    Raises:
        TypeError: If an argument is of another type, or the student is a Keras 3 model.
        ValueError: If the method reads what the teacher does not show; if a weight of a
            Keras 3 teacher is not finite.

    Example:
        >>> import tensorflow_recommenders as tfrs
        >>> class Ranker(tfrs.Model):
        ...     def __init__(self, teacher_split):
        ...         super().__init__()
        ...         self.embed, self.body, self.score = ...  # Keras 2 layers
        ...         self.rating_task = tfrs.tasks.Ranking(loss=tf.keras.losses.MeanSquaredError())
        ...         student_split = tdrec.ModelSplit(self.embed, self.body, self.score)
        ...         method = tdrec.TalkingModels(rounds=2)
        ...         self.distillation = Distillation(student_split, teacher_split, method)
        ...
        ...     def call(self, features):
        ...         return self.score(self.body(self.embed(features)))
        ...
        ...     def compute_loss(self, features, training=False):
        ...         features = dict(features)
        ...         rating = features.pop("rating")
        ...         trace = self.distillation.trace(features, training=training)
        ...         return self.rating_task(rating, trace.prediction) + self.distillation(
        ...             features, trace, training=training
        ...         )

    Source:
        Algorithm 1 of "Talking Models", arXiv 2310.03188.
    """

    student: ModelSplit
    teacher: ModelSplit
    method: Method

    def __init__(
        self, student: ModelSplit, teacher: ModelSplit, method: Method, name: str = "distillation"
    ) -> None:
        super().__init__(name=name)
        rooms = "tdrec.ModelSplit(lower=..., middle=..., head=...)"
        check_type("student", student, ModelSplit, rooms)
        check_type("teacher", teacher, ModelSplit, rooms)
        check_type("method", method, Method, "tdrec.TalkingModels(rounds=2)")
        method.check_teacher(teacher)
        if trust_of(method):
            raise ValueError(
                "How far a teacher is to be trusted is found out of all rows, which a task of a "
                "batch does not have. Received: a method with `trust`. Train a tdrec.Distiller, or "
                "take away `trust`."
            )
        if any(isinstance(layer, keras.Layer) for layer in student.layers):
            raise TypeError(
                "The student of a tfrs.Model must be made of Keras 2 layers, tf.keras.layers.*, "
                "since Keras 2 trains no others. Received: layers of Keras 3, "
                f"{[layer.name for layer in student.layers]}. Teach a Keras 3 student with "
                "tdrec.Distiller."
            )
        check_weights(teacher, method)
        self.student = student
        self.teacher = teacher
        # Set past Keras 2, which would take the Keras 3 layers for its own. It gets their variables
        # instead, when they are made.
        object.__setattr__(self, "method", method)
        self.term_metrics = [tf.keras.metrics.Mean(name) for name in method.terms]
        self.built = True

    def trace(self, features: Any, training: bool = False) -> Trace:
        """Runs the student on a batch, once for the task's loss and for the distillation.

        Args:
            features: What the student takes.
            training: Whether its dropout and batch statistics act. Default False.

        Returns:
            The `Trace`; its `prediction` is for the other tasks.
        """
        return self.student(features, training=training)

    # Not `call`: inside of Keras 2's own `__call__`, layers that nobody tells otherwise act as in
    # training, and would drop units of decoded states.
    def __call__(
        self,
        features: Any,
        trace: Trace,
        sample_weight: Tensor | None = None,
        training: bool = False,
    ) -> Tensor:
        check_type("trace", trace, Trace, "self.distillation.trace(features)")
        student = self.student.distilled(trace)
        teacher, teacher_middle = self._taught(features)
        self._build_method(student, teacher)
        terms = self.method.compute_loss(
            student,
            teacher,
            student_middle=self.student.interpreter(features),
            teacher_middle=teacher_middle,
            sample_weight=weights_of(sample_weight).distillation,
            training=training,
        )
        rows = tf.shape(tf.nest.flatten(features)[0])[0]
        for metric in self.term_metrics:
            metric.update_state(terms[metric.name], sample_weight=rows)
        return sum(terms.values())

    def _taught(self, features: Any) -> tuple[Trace, Middle]:
        """The teacher's trace of a batch, constants, in the fields that the method reads.

        With it what interprets for the teacher.
        """
        if not self.method.teacher_fields:
            return NOTHING, self.teacher.interpreter(features)
        trace, middle = self.teacher.run(features)
        trace = self.method.reads(self.teacher.distilled(trace))
        constants = (
            field if field is None else tf.nest.map_structure(tf.stop_gradient, field)
            for field in trace
        )
        return Trace(*constants), middle

    def _build_method(self, student: Trace, teacher: Trace) -> None:
        if not self.method.built:
            shapes = shapes_of(student), shapes_of(teacher)
            self.method.check_shapes(*shapes)
            self.method.build(*shapes)
        if not hasattr(self, "method_variables"):
            self.method_variables = [variable.value for variable in self.method.variables]


def split_model(
    model: Any, low: str, high: str, *, input_map: Callable[[Any], Any] | None = None
) -> ModelSplit:
    """Cuts a functional or built Sequential Keras 2 model at the outputs of two named layers.

    The rooms share the model's layers. For a Keras 3 model, see `tdrec.split_model`.

    Args:
        model: The `tf.keras.Model`.
        low: Name of the layer whose output is the lower hidden state `s`.
        high: Name of the layer whose output is the higher hidden state `e`, above `low`.
        input_map: Takes what this model sees from a batch's features. Default None: all of them.

    Returns:
        The `ModelSplit`.

    Raises:
        TypeError: If the model is no Keras 2 model with a graph.
        ValueError: If there is no layer of that name, or a connection skips around a cut.

    Example:
        >>> low, high = (tf.keras.layers.Dense(8, name=name) for name in ("low", "high"))
        >>> model = tf.keras.Sequential([tf.keras.Input((3,)), low, high, tf.keras.layers.Dense(1)])
        >>> split = split_model(model, low="low", high="high")
    """
    if not isinstance(model, tf.keras.Model) or not getattr(model, "inputs", None):
        raise TypeError(
            "This `split_model` cuts functional and built Sequential models of Keras 2. Received: "
            f"{model!r}. Give a subclassed model's rooms as callables: "
            "tdrec.ModelSplit(lower=..., middle=..., head=...); cut a Keras 3 model with "
            "tdrec.split_model."
        )
    s, e = (model.get_layer(name).output for name in (low, high))
    try:
        rooms = [tf.keras.Model(*ends) for ends in ((model.input, s), (s, e), (e, model.output))]
    except ValueError as error:
        raise ValueError(
            "Each stretch of a cut model must depend on the state at its start alone, in the order "
            f"lower, middle, head. Received: low={low!r} and high={high!r}, where a connection "
            "skips around a cut, or they are in the other order. Name two layers through which "
            "all of the model passes."
        ) from error
    return ModelSplit(*rooms, input_map=input_map)
