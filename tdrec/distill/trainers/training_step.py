"""What the training steps of all of Keras's backends have in common."""

from collections.abc import Iterable
from typing import Any, NamedTuple

import keras

from tdrec.distill.model_split import Trace

Tensor = Any
PARTS = ("student", "method")
"""The parts of a distiller that can learn."""


class StepLosses(NamedTuple):
    """What one training step minimises, and what it logs.

    Attributes:
        total: The loss.
        parts: What it is the sum of by name: the task's loss and the method's terms.
        student: The student's trace of the batch.
    """

    total: Tensor
    parts: dict[str, Tensor]
    student: Trace


class BaseTrainingStep(keras.Model):
    """A training step without its gradients, which each backend takes in a way of its own.

    A step takes the losses of a batch (`step_losses`), moves the weights that learn, leaves the
    others as they are (`learning_and_resting`), and says what it has seen (`step_logs`).
    """

    train_function: Any  # Keras's: the traced training step
    jit_compile: Any  # Keras's: whether XLA compiles it

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._learning: tuple[str, ...] = PARTS
        self._traced: dict[tuple[str, ...], Any] = {}  # training steps by the parts that learn

    def step_losses(self, data: Any) -> StepLosses:
        """The losses of a batch.

        Args:
            data: As `fit` takes it from its data.
        """
        raise NotImplementedError

    def step_logs(self, data: Any, losses: StepLosses) -> dict[str, Tensor]:
        """Brings the metrics up to date with a step, and returns what they say.

        Args:
            data: The batch.
            losses: What `step_losses` gave.
        """
        raise NotImplementedError

    def test_logs(self, logs: dict[str, Tensor]) -> dict[str, Tensor]:
        """What is said of a test, of all that Keras would say."""
        raise NotImplementedError

    @property
    def teacher_outside(self) -> bool:
        """Whether the teacher is run before the compiled step, which could not run it."""
        return False

    def taught(self, data: Any) -> Any:
        """A batch with what the teacher makes of it."""
        raise NotImplementedError

    def of_replica(self, loss: Tensor) -> Tensor:
        """A loss of a replica's rows as its share of the loss of all: replicas are added up."""
        return loss

    def of_all(self, loss: Tensor) -> Tensor:
        """The loss of a replica's rows that has this share: `of_replica` taken back."""
        return loss

    def layers_of(self, part: str) -> Iterable[keras.Layer]:
        """The layers of one of `PARTS`."""
        raise NotImplementedError

    def read_variables(self) -> list[keras.Variable]:
        """What a step reads and is not the distiller's own: the teacher, the terms' weights."""
        raise NotImplementedError

    @property
    def learning(self) -> tuple[str, ...]:
        """The parts that learn: "student", "method" (its encoders and decoders), or both.

        Both unless it is set, as `tdrec.RampUp` does. A part that does not learn is frozen: no
        weight of it moves, whatever the optimizer does, and it runs as when it is served, so that
        batch statistics rest. Where the student learns alone, the task's loss is all; where the
        method does, the task's loss is only logged. Setting it costs one tracing of the training
        step, which is kept until the distiller is compiled again or gets another teacher.
        """
        return self._learning

    @learning.setter
    def learning(self, parts: tuple[str, ...]) -> None:
        if parts not in (PARTS, PARTS[:1], PARTS[1:]):
            raise ValueError(
                f"`learning` must be {PARTS}, {PARTS[:1]} or {PARTS[1:]}. Received: {parts!r}."
            )
        if parts == self._learning:
            return
        traced = {**self._traced, self._learning: self.train_function}
        self._learning = parts
        if self.train_function is not None:
            self.train_function = traced.get(parts)
            self.make_train_function()
            self._traced = traced

    def learning_and_resting(self) -> tuple[list[keras.Variable], list[keras.Variable]]:
        """The trainable weights of the parts that learn, and of those that do not.

        Raises:
            ValueError: If there is nothing to learn.
        """
        resting = [
            variable
            for part in PARTS
            if part not in self.learning
            for layer in self.layers_of(part)
            for variable in layer.trainable_variables
        ]
        frozen = {id(v) for v in resting}
        learning = [v for v in self.trainable_variables if id(v) not in frozen]
        if not learning:
            raise ValueError(
                f"There must be something to learn. Received: learning={self.learning!r}, which "
                "has no trainable weights. Let the other part learn too."
            )
        return learning, resting

    def trace_anew(self) -> None:
        """Lets the training step be traced again, which has read what is now another value."""
        if self.train_function is not None:
            self.make_train_function(force=True)

    def make_train_function(self, force: bool = False) -> None:
        if force or self.train_function is None:  # of a new teacher, or compiled anew
            self._traced = {}
        if self.built and not self.optimizer.built:
            # Variables that are made while the step is traced have it traced once more.
            self.optimizer.build(self.trainable_variables)
        self.make_step(force)

    def make_step(self, force: bool) -> None:
        """Makes `train_function`, if there is none yet or `force` says so: Keras's own."""
        super().make_train_function(force)
