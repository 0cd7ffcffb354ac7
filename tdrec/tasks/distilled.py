"""What students of all kinds of tasks share: a distiller that is compiled once and begun anew."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from tdrec.distill.distiller import Distiller
from tdrec.distill.method import Method
from tdrec.distill.trainers.training_step import PARTS
from tdrec.export.model_cost import training_multiply_adds
from tdrec.studies.config import LOG_EVERY
from tdrec.studies.task import DivergedError

TIMES_THE_CONSTANT = 10
"""A last training loss above so many times that of the best constant has diverged."""


class Compiled:
    """Distillers by what TensorFlow compiles of them, which takes longer than training one.

    Runs that differ by seed, learning rate, steps, rates of id dropout or weights of the losses
    share one.
    """

    def __init__(self) -> None:
        self._distillers: dict[str, Distiller] = {}
        self._initial: dict[tuple[str, int], list[np.ndarray]] = {}
        self._costs: dict[str, dict[str, Any]] = {}

    def restarted(self, key: str, seed: int, make: Callable[[], Distiller]) -> Distiller:
        """A distiller at the start of a run, whatever run came before.

        Args:
            key: Hash of all that it is built and compiled of.
            seed: The run's.
            make: Makes and compiles one of this seed.
        """
        distiller = self._distillers.get(key)
        if distiller is None or (key, seed) not in self._initial:
            fresh = make()
            if distiller is None:
                while len(self._distillers) > 1:  # a search goes to and fro between two
                    self._distillers.pop(next(iter(self._distillers)))
                distiller = self._distillers[key] = fresh
            self._initial[key, seed] = [np.array(v) for v in variables_of(fresh)]
        distiller.learning = PARTS  # a ramp-up that was interrupted leaves another
        restart(variables_of(distiller), distiller.optimizer, self._initial[key, seed])
        return distiller

    def costs(self, key: str, distiller: Distiller, data: Any) -> dict[str, Any]:
        """What the method adds while training, counted once; multiplications on TensorFlow alone.

        Args:
            key: As of `restarted`.
            distiller: What it gave.
            data: A batch.
        """
        if key not in self._costs:
            weights = distiller.method.trainable_variables
            counted = keras.backend.backend() == "tensorflow"
            self._costs[key] = {
                "method_params": sum(int(np.prod(v.shape)) for v in weights),
                "train_multiply_adds": training_multiply_adds(distiller, data) if counted else None,
            }
        return self._costs[key]


def structure(method: type[Method], arguments: Mapping[str, Any]) -> dict[str, Any]:
    """What of a method's arguments decides what is compiled: of a weight, whether it is 0.

    Args:
        method: Its class.
        arguments: The method's.
    """
    weights = method.declared_weights()
    return {k: v > 0 if k in weights else v for k, v in arguments.items()}


def set_weights(method: Method, arguments: Mapping[str, Any]) -> None:
    """Gives a method that another run has built the weights of this one.

    Args:
        method: Built of arguments with the same `structure`.
        arguments: This run's.
    """
    for name in method.declared_weights().keys() & arguments.keys():
        setattr(method, name, arguments[name])


def restart(
    variables: Iterable[Any],
    optimizer: keras.optimizers.Optimizer,
    initial: Iterable[np.ndarray],
) -> None:
    """Takes what is compiled back to the start of training, with other initial values."""
    for variable, value in zip(variables, initial, strict=True):
        variable.assign(value)
    for variable in optimizer.variables:  # Adam's step number, moments and averages
        if variable is not optimizer.learning_rate:
            variable.assign(keras.ops.zeros(variable.shape, variable.dtype))


def variables_of(distiller: Distiller) -> list[Any]:
    """The student's variables and the method's."""
    return [*distiller.student_layers[0].variables, *distiller.method.variables]


def fit(
    distiller: Distiller,
    data: Any,
    steps: int,
    constant: float,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> list[dict[str, float]]:
    """Trains a distiller.

    Args:
        distiller: Compiled.
        data: Endless batches.
        steps: A multiple of `LOG_EVERY`.
        constant: The task's loss of the best constant.
        callbacks: Of Keras.

    Returns:
        The learning curve: a point for each `LOG_EVERY` steps, with the losses and metrics on
        training rows.

    Raises:
        DivergedError: As `check_training` does.
    """
    history = distiller.fit(
        data,
        steps_per_epoch=LOG_EVERY,
        epochs=steps // LOG_EVERY,
        verbose=0,
        shuffle=False,
        callbacks=list(callbacks),
    ).history
    losses = history.get("task_loss", history["loss"])
    check_training([*history["loss"], losses[-1]], constant, variables_of(distiller))
    return [
        {"step": (i + 1) * LOG_EVERY, **{k: float(values[i]) for k, values in history.items()}}
        for i in range(len(losses))
    ]


def check_training(losses: Sequence[float], constant: float, variables: Iterable[Any]) -> None:
    """Refuses training that gave nothing of use, which clipping or an argmax would hide.

    Args:
        losses: What was logged, the last one the task's own.
        constant: The task's loss of the best constant prediction on the training rows.
        variables: What was trained. A gradient that is not finite leaves them so.

    Raises:
        DivergedError: If a loss or a variable is not finite, or the last loss is above
            `TIMES_THE_CONSTANT` times the constant's.
    """
    if not np.isfinite(losses).all():
        raise DivergedError("a loss was not finite")
    arrays = (np.asarray(variable) for variable in variables)
    if not all(np.isfinite(a).all() for a in arrays if a.dtype.kind == "f"):
        raise DivergedError("a weight was not finite at the end of training")
    if losses[-1] > TIMES_THE_CONSTANT * constant:
        raise DivergedError(
            f"the last training loss, {losses[-1]:.3g}, was above {TIMES_THE_CONSTANT} times that "
            f"of the best constant, {constant:.3g}"
        )
