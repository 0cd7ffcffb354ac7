"""The distiller: a Keras model that teaches a student while it is fitted."""

import os
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf
from keras import ops

from tdrec.distill.check import check_metric_names, check_type
from tdrec.distill.data_with_targets import with_targets
from tdrec.distill.method import Method
from tdrec.distill.model_split import ModelSplit, Trace
from tdrec.distill.own_training import OwnTraining
from tdrec.distill.predictor import as_split
from tdrec.distill.row_order import following
from tdrec.distill.sample_weights import Labels, apart, of_task, weights_of
from tdrec.distill.saving import SavedDistiller
from tdrec.distill.several_teachers import as_source, as_teacher
from tdrec.distill.target_form import TargetForm
from tdrec.distill.teacher_reference import Paths, Reference, check_path
from tdrec.distill.teacher_targets import TeacherTargets, attach, detach
from tdrec.distill.teaching import Teaching, check_weights
from tdrec.distill.trainers.training_step import StepLosses

Tensor = Any


@keras.saving.register_keras_serializable(package="tdrec")
class Distiller(SavedDistiller):
    r"""Trains a student on its labels and on what a method makes of a teacher.

    Each step makes one student forward, takes the teacher's trace (computed, or stored with the
    batch: `with_teacher_targets`), and minimises

    $L(y, y_g) + \sum_t c_t L_t + \Omega$: the compiled loss, the method's weighted losses, and the
    student's regularisation losses. The factors $c_t$ are 1 until somebody changes them while
    training (`term_weights`). Keras may run on TensorFlow or on JAX.

    The student is the caller's own object; after `fit` it is the plain model that it was, to save,
    export and serve. The teacher is only read: it is not among the distiller's weights, and its
    `trainable` flags are not touched.

    A distiller that was saved in the middle (`distiller.keras`, by `ModelCheckpoint` for one) goes
    on training as if nothing had been. The teacher is not stored in it but referred to, by
    `fingerprint` and, if it is given, by path: from there it is loaded again with the distiller.
    Otherwise set `distiller.teacher`. Another teacher than before is refused; to learn from one,
    make a new distiller around the student, `Distiller(distiller.student, teacher, method)`.

    The task's loss is the compiled one, or the student's own where its model defines
    `compute_loss`; so are its metrics.

    Args:
        student: The split of the student; for a method that reads no states, a Keras model will do.
        teacher: The split of the teacher; for such a method, any function of a batch's inputs, as
            a model is one. For `MultiTeacher` a list of them. None where the method reads none.
        method: What to learn from the teacher.
        teacher_path: The `.keras` file that holds the teacher's model, or a list of them. A
            relative path is looked up from where a program runs. Default None: a loaded distiller
            has no teacher until one is set.
        **kwargs: Those of `keras.Model`.

    Attributes:
        student: The student's split.
        teacher: The teacher's split, or several as one; None if there is none yet.
        method: The method.
        term_weights: A factor of each of the method's terms by its name, variables that start at 1
            and are not trained; callbacks in `tdrec.distill.callbacks` schedule or balance them.

    Raises:
        RuntimeError: If Keras runs on another backend than TensorFlow or JAX.
        TypeError: If an argument is of another type.
        ValueError: If the student's weights cannot be found, or its model has a `train_step` of its
            own; if the method is for more teachers or fewer; if `teacher_path` is given for a
            teacher that a file cannot restore; if another teacher is set than there was; in `fit`,
            if the method reads one and there is none.
        FileNotFoundError: If there is nothing at `teacher_path`.

    Example:
        >>> student_split = split_model(student, low="low", high="high")
        >>> teacher_split = split_model(teacher, low="low", high="high")
        >>> distiller = Distiller(student_split, teacher_split, TalkingModels(rounds=2))
        >>> distiller.compile("adam", loss="mse", metrics=[keras.metrics.RootMeanSquaredError()])
        >>> history = distiller.fit(dataset)

    Source:
        Algorithm 1 of the paper.
    """

    def __init__(
        self,
        student: ModelSplit | keras.Model,
        teacher: ModelSplit | Callable[..., Any] | Sequence[ModelSplit | Callable[..., Any]] | None,
        method: Method,
        *,
        teacher_path: Paths | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if keras.backend.backend() not in ("tensorflow", "jax"):
            raise RuntimeError(
                "A Distiller's training step is written for Keras's backends TensorFlow and JAX. "
                f"Received: {keras.backend.backend()!r}. Set KERAS_BACKEND=tensorflow or "
                "KERAS_BACKEND=jax, or use `Method.compute_loss` or `tdrec.communicate`, which "
                "run on any backend, in a training loop of your own."
            )
        check_type("method", method, Method, "tdrec.TalkingModels(rounds=2)")
        student = as_split("student", student)
        if not student.layers:
            raise ValueError(
                "The student's weights must be known, to be trained. Received: a split made of "
                "plain functions. Name their model: tdrec.ModelSplit(..., model=model)."
            )
        self.student = student
        self.method = method
        self.own_training = OwnTraining(student)
        self._task_loss: Any = None
        self.teaching = Teaching(student, None, method)
        self.saved_teacher: Reference | None = None
        if teacher is not None:
            self.teacher = as_teacher(teacher)
        path = teacher_path
        self.teacher_path = None if path is None else check_path(self.teacher, path)
        # The splits are views, which Keras does not track: the student's layers are listed here
        # to be trained and saved, and the teacher's are not.
        self.student_layers = list(student.layers)
        logged = ("task_loss", *method.terms)
        self.term_trackers = {name: keras.metrics.Mean(name=name) for name in logged}
        self.term_weights = {
            name: self.add_weight((), "ones", trainable=False, name=f"{name}_weight")
            for name in method.terms
        }
        self.built = self.teaching.build()

    def compile(self, optimizer: Any = "rmsprop", loss: Any = None, **kwargs: Any) -> None:
        """As `keras.Model.compile`.

        Args:
            optimizer: Of the student and of what the method learns. Default `"rmsprop"`.
            loss: The task's. It tells label distillation what the outputs are. Default None: the
                student's own, or none, of rows without labels.
            **kwargs: Those of `keras.Model.compile`.

        Raises:
            ValueError: If the loss contradicts the method or the models; if a metric has the name
                of what is logged already.
        """
        given = [kwargs.get(key) or [] for key in ("metrics", "weighted_metrics")]
        check_metric_names(given, {"loss", *self.term_trackers})
        self._task_loss = None if self.own_training.loss else loss
        self.method.settle(self._task_loss, self.student, self.teacher)
        super().compile(optimizer, loss, **kwargs)
        if self.jit_compile and self.method.interprets and not self.teaching.compiles:
            if kwargs.get("jit_compile") is True:
                warnings.warn(
                    f"{type(self.method).__name__} runs the teacher's middle in each step, which "
                    "XLA cannot compile here. Proceeding with jit_compile=False.",
                    stacklevel=2,
                )
            self.jit_compile = False
        self.own_training.compile(optimizer=optimizer, loss=loss, **kwargs)

    def compile_from_config(self, config: dict[str, Any]) -> None:
        self.compile(**keras.saving.deserialize_keras_object(config))
        if self.built:
            self.optimizer.build(self.trainable_variables)

    def call(self, inputs: Any, training: bool = False) -> Tensor:
        """The student's prediction.

        Args:
            inputs: What the student takes, with or without the teacher's targets.
            training: Whether dropout and batch statistics act. Default False.

        Returns:
            Its prediction, shape `(batch, ...)`.
        """
        inputs, targets = detach(inputs)
        self.own_training.see(inputs)
        prediction = self.student(inputs, training=training).prediction
        self._build(inputs, targets)
        return prediction

    def compute_losses(
        self, data: Any, learning: tuple[str, ...] = ()
    ) -> tuple[Trace, Tensor, dict[str, Tensor]]:
        """What a training step adds up.

        Args:
            data: A batch, as `fit` takes it from its data.
            learning: The parts in which dropout, noise and batch statistics act: "student",
                "method". Default none of them. Where the student learns alone, the method's terms
                are left out.

        Returns:
            The student's trace, the task's loss with the student's regularisation losses, and the
            method's terms, before the factors of `term_weights`.
        """
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        inputs, targets = detach(x)
        weights = weights_of(sample_weight, x)
        self.own_training.see(inputs)
        training = "student" in learning
        student, student_middle = self.student.run(inputs, training=training)
        self._build(inputs, targets)
        task_loss = self.compute_loss(inputs, y, student.prediction, weights.task, training)
        if learning == ("student",):
            return student, task_loss, {}
        terms = self.teaching.terms(
            student,
            student_middle,
            inputs,
            targets,
            weights.distillation,
            "method" in learning,
            Labels(y, weights.task),
        )
        return student, task_loss, {name: self.of_replica(term) for name, term in terms.items()}

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Tensor:
        """The task's loss: the compiled one, or the student's own.

        Args:
            x: The student's inputs.
            y: The labels.
            y_pred: The student's prediction.
            sample_weight: The rows' weights for the task.
            training: Whether the student is trained.

        Returns:
            A scalar.

        Raises:
            ValueError: If there are labels and no loss.
        """
        sample_weight = weights_of(sample_weight).task
        if self.own_training.loss:
            return self.own_training.compute_loss(x, y, y_pred, sample_weight, training)
        if self._task_loss is None:
            if y is not None:
                raise ValueError(
                    "Labels are learned by a loss. Received: labels, and a distiller that is "
                    'compiled without one. Call distiller.compile("adam", loss=...), or leave the '
                    "labels out to learn from the teacher alone."
                )
            added = [ops.sum(loss) for loss in self.losses]
            return self.of_replica(sum(added)) if added else ops.zeros(())
        return super().compute_loss(x, y, y_pred, sample_weight, training)

    def compute_metrics(
        self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None
    ) -> dict[str, Tensor]:
        """Brings metrics up to date: the compiled ones, or the student's own.

        Args:
            x: The student's inputs.
            y: The labels.
            y_pred: The student's prediction.
            sample_weight: The rows' weights.

        Returns:
            What all metrics say, by name.
        """
        weight = weights_of(sample_weight).task
        if not self.own_training.metrics:
            return super().compute_metrics(x, y, y_pred, weight)
        own = self.own_training.compute_metrics(x, y, y_pred, weight)
        return self.get_metrics_result() | own

    @property
    def metrics(self) -> list[keras.Metric]:
        own = self.own_training
        compiled = self._compile_metrics if own.metrics else None  # the student's are in its place
        return [*(m for m in super().metrics if m is not compiled), *own.own_metrics()]

    def __setattr__(self, name: str, value: Any) -> None:
        # Before Keras sees a model, which it would train and save with the distiller.
        super().__setattr__(name, as_teacher(value) if name == "teacher" else value)

    @property
    def teacher(self) -> ModelSplit | None:
        return self.teaching.teacher

    @teacher.setter
    def teacher(self, split: ModelSplit) -> None:
        if split is self.teacher:
            return
        self.method.check_teacher(split)
        if before := self.teacher_reference:
            before.check(split)
        if self.compiled:
            self.method.settle(self._task_loss, self.student, split)
        self.teaching.teacher = split
        self.trace_anew()

    def step_losses(self, data: Any) -> StepLosses:
        student, task_loss, terms = self.compute_losses(data, self.learning)
        terms = {
            name: ops.cast(self.term_weights[name], term.dtype) * term
            for name, term in terms.items()
        }
        loss = task_loss + sum(terms.values())
        return StepLosses(loss, {"task_loss": task_loss, **terms}, student)

    def step_logs(self, data: Any, losses: StepLosses) -> dict[str, Tensor]:
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        inputs, _ = detach(x)
        rows = ops.shape(keras.tree.flatten(inputs)[0])[0]
        self._loss_tracker.update_state(self.of_all(losses.total), sample_weight=rows)
        for name, value in losses.parts.items():
            self.term_trackers[name].update_state(self.of_all(value), sample_weight=rows)
        return self.compute_metrics(inputs, y, losses.student.prediction, sample_weight)

    def test_logs(self, logs: dict[str, Tensor]) -> dict[str, Tensor]:
        # The terms of distillation are of no meaning without a teacher, so only the task's loss
        # and the user's metrics are reported of a test.
        return {name: value for name, value in logs.items() if name not in self.term_trackers}

    def layers_of(self, part: str) -> list[keras.Layer]:
        return {"student": self.student_layers, "method": [self.method]}[part]

    def read_variables(self) -> list[keras.Variable]:
        own = {id(v) for v in self.variables}
        layers = self.teacher.layers if self.teacher else ()
        of_teacher = [v for layer in layers for v in layer.variables if id(v) not in own]
        return [*of_teacher, *self.method.weight_variables()]

    @property
    def teacher_outside(self) -> bool:
        return not self.teaching.compiles

    def taught(self, data: Any) -> Any:
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        inputs, targets = detach(x)
        if targets is None and (fields := self.method.teacher_fields):
            weights = weights_of(sample_weight, x)
            return attach(inputs, self.teaching.taught(inputs, None)[0], fields), y, weights
        return data

    def _build(self, inputs: Any, targets: dict[str, Tensor] | None) -> None:
        if self.teaching.build(inputs, targets):
            self.built = True  # all weights exist, which Keras asks for to save or to load them

    def fit(self, *args: Any, **kwargs: Any) -> keras.callbacks.History:
        """As `keras.Model.fit`; data of `with_teacher_targets` goes on in its order.

        Args:
            *args: Those of `keras.Model.fit`.
            **kwargs: Those of `keras.Model.fit`.

        Returns:
            The history.

        Raises:
            ValueError: If the teacher's weights are not finite; what Keras refuses.
        """
        check_weights(self.teacher, self.method)
        return super().fit(**apart(following(self, super().fit, *args, **kwargs)))

    def evaluate(self, *args: Any, **kwargs: Any) -> Any:
        """As `keras.Model.evaluate`, of the task alone.

        Args:
            *args: Those of `keras.Model.evaluate`.
            **kwargs: Those of `keras.Model.evaluate`.

        Returns:
            The task's loss and the metrics.
        """
        given = of_task(super().evaluate, *args, **kwargs)
        return super().evaluate(*given.args, **given.kwargs)

    def with_teacher_targets(
        self,
        data: Any,
        *,
        batch_size: int | None = None,
        shuffle: bool = False,
        seed: int | None = None,
        drop_remainder: bool = False,
        steps: int | None = None,
        cache: TeacherTargets | None = None,
        stored: Callable[[Any], Trace] | Sequence[Callable[[Any], Trace]] | None = None,
        folder: str | os.PathLike[str] | None = None,
        dtype: str = "float32",
        top_k: int | None = None,
        buffer_rows: int | None = None,
    ) -> tf.data.Dataset:
        """The data with the teacher's targets computed once, so that `fit` never runs it on x.

        Rows and targets are held in memory, 4 bytes for each unit of the states that the method
        reads; or, with `folder`, they are written to Parquet files and read from there, whatever
        their size.

        Where the method has a `trust`, the predictions are replaced by what `Trust` makes of them,
        fitted on these rows and their labels.

        Shuffle here, not in `data`: what was shuffled there is read in one order for good. The
        order of an epoch depends on the seed and on how many steps were made before, which is saved
        with a distiller's optimizer, so that a training which is resumed (`BackupAndRestore`, or
        `initial_epoch`) sees the rows that it would have seen.

        Args:
            data: Batches `(x, y)` or `(x, y, sample_weight)`: a `tf.data.Dataset`, a
                `keras.utils.PyDataset`, or a generator, for which `steps` is needed. Or such a
                tuple of arrays, tensors or pandas columns.
            batch_size: Rows a batch. Default None: as `data` has them, 256 for arrays.
            shuffle: Whether each epoch has an order of its own. Default False.
            seed: Makes the orders repeatable. Default None.
            drop_remainder: Whether to leave out a last batch that is not full, whose other shape
                would cost one more compilation. Default False.
            steps: Batches to read of `data`, at most. Default None: all. Needed of data that has
                no end, or may have none.
            cache: Where to look targets up and keep them. Default None: computed for this call.
            stored: A function of the inputs that returns their targets, such as a table that was
                read (`StoredTargets`); of several teachers a list. Default None: the teacher
                computes them.
            folder: A new or empty folder to keep rows and targets in. One that was written before
                is used again for the same teacher and the same rows in the same order; any other
                is refused. Default None: in memory.
            dtype: How targets are kept in the folder: `"float32"` or `"float16"`. The method gets
                float32. Default `"float32"`.
            top_k: With a folder and label distillation on classes: keep the k largest logits of a
                row. The other classes share what probability they have together, evenly
                (`TargetForm`). Default None: all.
            buffer_rows: With a folder and `shuffle`: its files, of up to 8192 rows, are read in a
                shuffled order, and these many rows are mixed at a time. Default None: as many as
                take 256 MiB.

        Returns:
            A `tf.data.Dataset` for this distiller's `fit`.

        Raises:
            ValueError: If the data is endless, empty, of unequal lengths, or of another kind; if
                the method reads a teacher and there is none, or reads what the teacher or the table
                lacks; if a target is NaN or infinite; if the folder holds something else.

        Example:
            >>> targets = distiller.with_teacher_targets(dataset, shuffle=True, seed=0)
            >>> history = distiller.fit(targets)
        """
        reads = bool(self.method.teacher_fields)
        return with_targets(
            data,
            as_source(stored) or (self.teaching.required_teacher() if reads else None),
            self.method,
            form=TargetForm(dtype, top_k),
            steps=steps,
            cache=cache,
            folder=folder,
            batch_size=batch_size,
            buffer_rows=buffer_rows,
            shuffle=shuffle,
            seed=seed,
            drop_remainder=drop_remainder,
        )
