"""A student's training, by a distiller that is compiled once and taken back to its start.

Runs that differ by seed, learning rate, steps, rates of id dropout or weights of the losses share
what TensorFlow compiled, which takes longer than training.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from tdrec.callbacks import RampUp
from tdrec.config import LOG_EVERY, ExperimentConfig
from tdrec.distiller import PARTS, Distiller
from tdrec.evaluation import Scores, score
from tdrec.models.id_dropout import variant_shares
from tdrec.segment import Segment
from tdrec.teacher_targets import batches
from tdrec.teacher_training import adam, predict, restart

Watch = Callable[[int, Scores], bool]
WATCH_EVERY = 2 * LOG_EVERY
"""Steps between two looks at a student that is watched."""


def structure(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments that a method is built with: what a weight is, if any, is set by `prepare`.

    Args:
        arguments: The method's.
    """
    return {k: float(v > 0) if k.endswith("weight") else v for k, v in arguments.items()}


def compile_student(distiller: Distiller, config: ExperimentConfig) -> None:
    """Compiles a distiller as all students of an experiment are.

    By XLA, if no units are dropped: its random numbers take longer than a step on a CPU.
    """
    distiller.compile(
        adam(config.learning_rate, config.ema),
        loss="mse",
        metrics=[keras.metrics.RootMeanSquaredError(name="rmse")],
        jit_compile=not config.student.dropout,
        steps_per_execution=LOG_EVERY,
    )


def initial_values(distiller: Distiller) -> list[np.ndarray]:
    """The values of a distiller that was not trained, for `prepare`."""
    return [np.array(variable) for variable in _variables(distiller)]


def prepare(
    distiller: Distiller,
    initial: Sequence[np.ndarray],
    learning_rate: float,
    arguments: Mapping[str, Any],
) -> None:
    """Takes a compiled distiller to the start of a run, whatever run came before.

    Args:
        distiller: Of a method that was built with the `structure` of the arguments.
        initial: What `initial_values` gave of a distiller of the run's seed.
        learning_rate: The run's.
        arguments: The method's; its weights become the factors of the method's terms.
    """
    distiller.learning = PARTS  # a ramp-up that was interrupted leaves another
    restart(_variables(distiller), distiller.optimizer, initial)
    distiller.optimizer.learning_rate = learning_rate
    for term, factor in distiller.term_weights.items():
        own = f"{term.split('_loss')[0]}_weight"
        factor.assign(arguments.get(own, arguments.get("weight", 1.0)))


def train_student(
    distiller: Distiller,
    rows: tuple[Any, Any],
    segment: Segment,
    config: ExperimentConfig,
    seed: int,
    watch: Watch | None = None,
) -> list[dict[str, float]]:
    """Trains the student of a distiller that `prepare` has prepared.

    Args:
        distiller: The distiller.
        rows: Inputs and targets, in all variants of id dropout, as of `training_rows`.
        segment: The genre's rows.
        config: Steps, ramp-up, batch size and rates of id dropout.
        seed: Decides the order of the rows and the dropped ids.
        watch: As of `Experiment.run`.

    Returns:
        The learning curve: a point for each `LOG_EVERY` steps, with the losses and the RMSE on
        training rows.
    """
    # The order of rows depends on the global seed too, which another run may have left.
    keras.utils.set_random_seed(seed)
    data = batches(
        rows,
        min(config.batch_size, len(segment.train)),
        shares=variant_shares(config.id_dropout),
        shuffle=True,
        seed=seed,
        drop_remainder=True,
    )
    ramp_up = config.ramp_up or (0, 0)
    callbacks = [RampUp(*ramp_up)] if config.ramp_up else []
    if watch is not None:
        callbacks.append(_watching(distiller, segment, sum(ramp_up), watch))
    history = distiller.fit(
        data.repeat(),
        steps_per_epoch=LOG_EVERY,
        epochs=(sum(ramp_up) + config.steps) // LOG_EVERY,
        verbose=0,
        shuffle=False,
        callbacks=callbacks,
    ).history
    return [
        {"step": (i + 1) * LOG_EVERY, **{term: values[i] for term, values in history.items()}}
        for i in range(len(history["loss"]))
    ]


def _watching(
    distiller: Distiller, segment: Segment, before: int, watch: Watch
) -> keras.callbacks.Callback:
    """Shows `watch` the scores of the student that would be used, from the step `before` on."""

    def look(epoch: int, logs: Any = None) -> None:
        step = (epoch + 1) * LOG_EVERY - before
        if step <= 0 or step % WATCH_EVERY:
            return
        weights = distiller.trainable_variables
        current = [keras.ops.copy(v) for v in weights]
        distiller.optimizer.finalize_variable_values(weights)  # their moving averages
        predictions = predict(distiller.student_layers[0], segment.student_test)
        for variable, value in zip(weights, current, strict=True):
            variable.assign(value)
        if not watch(step, score(predictions, segment.test, segment.train)):
            distiller.stop_training = True

    return keras.callbacks.LambdaCallback(on_epoch_end=look)


def _variables(distiller: Distiller) -> list[Any]:
    return [*distiller.student_layers[0].variables, *distiller.method.variables]
