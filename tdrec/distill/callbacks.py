"""Training plans of a distiller as Keras callbacks: factors of terms by step, and the ramp-up.

They count in steps of the optimizer, so that a run that goes on from a checkpoint goes on with its
plan. With `steps_per_execution` > 1 Keras calls back once an execution: what is due at a step then
happens at the next execution that starts.
"""

import fnmatch
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import keras

from tdrec.distill.backend import number
from tdrec.distill.check import check_not_negative
from tdrec.distill.distiller import Distiller
from tdrec.distill.trainers.training_step import PARTS

Schedule = Callable[[int], float]


class DistillerCallback(keras.callbacks.Callback):
    """A callback that acts on a `Distiller` before each batch.

    Subclasses write `act`.
    """

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        if not isinstance(self.model, Distiller):
            raise TypeError(
                f"tdrec.{type(self).__name__} is a callback of a tdrec.Distiller's `fit`. "
                f"Received: {self.model!r}."
            )

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self.act(int(number(self.model.optimizer.iterations)))

    def act(self, step: int) -> None:
        """Acts before a batch.

        Args:
            step: How many steps the optimizer has made.
        """
        raise NotImplementedError

    def log_term_weights(self, logs: dict[str, Any] | None, names: Iterable[str]) -> None:
        """Adds factors to an epoch's logs, for the history, TensorBoard and other loggers.

        Args:
            logs: The epoch's.
            names: Of the terms.
        """
        if logs is not None:
            logs |= {f"{name}_weight": number(self.model.term_weights[name]) for name in names}


class TermSchedule(DistillerCallback):
    r"""Sets the factors of terms by the step: `distiller.term_weights`.

    $L = L_{task} + \sum_t c_t(step)\, L_t$. At the end of each epoch the factors are logged as
    `NAME_weight`; list the callback before loggers. The factors stay when training ends.

    Args:
        schedules: A function of the step for each term: `message_loss`, `interaction_loss_1`, or a
            pattern such as `interaction_loss_*`. Any `f(step: int) -> float` of at least 0 will
            do; see `warm_up` and `switch_off`.

    Raises:
        TypeError: If a schedule is not callable.
        ValueError: If no schedule is given; in `fit`, if a name matches no term of the method, two
            match the same one, or a schedule returns a negative number or NaN.

    Example:
        >>> consistency = switch_off(2000)
        >>> plan = TermSchedule(
        ...     {
        ...         "interaction_loss_*": warm_up(500),
        ...         "message_loss": consistency,
        ...         "state_loss": consistency,
        ...     }
        ... )
        >>> history = distiller.fit(dataset, callbacks=[plan])
        >>> history.history["message_loss_weight"]
        [1.0]
    """

    def __init__(self, schedules: Mapping[str, Schedule]) -> None:
        super().__init__()
        if not schedules:
            raise ValueError(
                "`schedules` must name a term. Received: an empty mapping. Write, for example, "
                'TermSchedule({"message_loss": warm_up(1000)}).'
            )
        for name, schedule in schedules.items():
            if not callable(schedule):
                raise TypeError(
                    f"A schedule must be a function of the step. Received: {schedule!r} for "
                    f"{name!r}. Write, for example, warm_up(1000), or lambda step: 0.5."
                )
        self.schedules = dict(schedules)
        self._by_term: dict[str, Schedule] = {}

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        super().on_train_begin(logs)
        terms = self.model.method.terms
        self._by_term = {}
        for pattern, schedule in self.schedules.items():
            matching = fnmatch.filter(terms, pattern)
            if not matching:
                raise ValueError(
                    f"A schedule must name a term of {type(self.model.method).__name__}, which has "
                    f"{', '.join(terms) or 'none'}. Received: {pattern!r}."
                )
            if again := set(matching) & set(self._by_term):
                raise ValueError(
                    f"A term must have one schedule. Received: {pattern!r}, and another one for "
                    f"{', '.join(sorted(again))}. Name the terms one by one."
                )
            self._by_term |= dict.fromkeys(matching, schedule)

    def act(self, step: int) -> None:
        for name, schedule in self._by_term.items():
            factor = check_not_negative(f"schedule of {name}", schedule(step))
            self.model.term_weights[name].assign(factor)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.log_term_weights(logs, self._by_term)


def warm_up(steps: int) -> Schedule:
    r"""From 0 to 1 on a line: $c = \min(1, step / steps)$.

    Args:
        steps: At least 1.

    Returns:
        The schedule.

    Raises:
        ValueError: If there are no steps.

    Example:
        >>> warm_up(1000)(250)
        0.25
    """
    steps = _count("steps", steps, at_least=1)
    return lambda step: min(1.0, step / steps)


def switch_off(steps: int) -> Schedule:
    """1 for so many steps, then 0. The term is still computed, since its value is logged.

    Args:
        steps: At least 0.

    Returns:
        The schedule.

    Raises:
        ValueError: If `steps` is negative.

    Example:
        >>> switch_off(1000)(1000)
        0.0
    """
    steps = _count("steps", steps)
    return lambda step: float(step < steps)


class RampUp(DistillerCallback):
    """Lets the student learn alone, then encoders and decoders alone, then everything.

    - For `student_steps` the student learns from the task's loss. No term is computed, so their
      logs are 0, and the teacher is not run.
    - For `codec_steps` the student is frozen, as in `Distiller.learning`: no weight of it moves,
      and it runs as when it is served, so that its batch statistics rest and nothing is dropped.
      The method's encoders and decoders learn from its terms.
    - After that everything learns.

    Each stage costs one tracing of the training step, the first time. Steps are counted from the
    optimizer's first, so a second `fit` goes on in the stage where the first one ended. When `fit`
    ends everything may learn again.

    Args:
        student_steps: Steps of the first stage. Default 1000, the paper's for MovieLens.
        codec_steps: Steps of the second stage. Default 500; the paper also tries 1000.

    Raises:
        ValueError: If a number of steps is negative; in `fit`, if the method has nothing to learn.

    Example:
        >>> plan = RampUp(student_steps=1000, codec_steps=500)
        >>> history = distiller.fit(dataset, callbacks=[plan])
        >>> history.history["message_loss"]  # the student still learns alone
        [0.0]

    Source:
        Appendix of the paper, "Separate training of encoder/decoder", and Table 8, where it is
        better in two genres of eight.
    """

    def __init__(self, student_steps: int = 1000, codec_steps: int = 500) -> None:
        super().__init__()
        self.student_steps = _count("student_steps", student_steps)
        self.codec_steps = _count("codec_steps", codec_steps)

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        super().on_train_begin(logs)
        method = self.model.method
        if method.built and self.codec_steps and not method.trainable_variables:
            raise ValueError(
                "RampUp trains a method's encoders and decoders alone for a while. Received: "
                f"{type(method).__name__}, which has none. Use codec_steps=0."
            )

    def act(self, step: int) -> None:
        if step < self.student_steps:
            self.model.learning = ("student",)
        elif step < self.student_steps + self.codec_steps:
            self.model.learning = ("method",)
        else:
            self.model.learning = PARTS

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        self.model.learning = PARTS


def _count(name: str, value: int, at_least: int = 0) -> int:
    if not isinstance(value, int) or value < at_least:
        raise ValueError(
            f"`{name}` must be an integer of at least {at_least}. Received: {value!r}."
        )
    return value
