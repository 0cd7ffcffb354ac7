"""A student's training, by a distiller that is compiled once and taken back to its start.

Runs that differ by seed, learning rate, steps, rates of id dropout or weights of the losses share
what TensorFlow compiled, which takes longer than training.
"""

from typing import Any

import keras

from tdrec.data.interactions import Target
from tdrec.distill.callbacks import RampUp
from tdrec.distill.distiller import Distiller
from tdrec.distill.teacher_targets import batches
from tdrec.models.id_dropout import variant_shares
from tdrec.studies.config import LOG_EVERY
from tdrec.studies.task import Watch
from tdrec.tasks.distilled import fit
from tdrec.tasks.ratings.config import RatingConfig
from tdrec.tasks.ratings.evaluation import score
from tdrec.tasks.ratings.segment import Segment
from tdrec.tasks.ratings.teacher import adam, constant_loss, loss_of, metric_of, predict

WATCH_EVERY = 2 * LOG_EVERY
"""Steps between two looks at a student that is watched."""


def compile_student(distiller: Distiller, config: RatingConfig, target: Target) -> None:
    """Compiles a distiller as all students of a target are.

    By XLA, if no units are dropped: its random numbers take longer than a step on a CPU.
    """
    distiller.compile(
        adam(config.learning_rate, config.ema),
        loss=loss_of(target),
        metrics=[metric_of(target)],
        jit_compile=not config.student.dropout,
        steps_per_execution=LOG_EVERY,
    )


def train_student(
    distiller: Distiller,
    rows: tuple[Any, ...],
    segment: Segment,
    config: RatingConfig,
    seed: int,
    watch: Watch | None = None,
) -> list[dict[str, float]]:
    """Trains the student of a distiller that `Compiled.restarted` gave.

    Args:
        distiller: The distiller.
        rows: Inputs, targets and maybe weights, as of `training_rows`.
        segment: Its rows.
        config: Steps, ramp-up, batch size and rates of id dropout.
        seed: Decides the order of the rows and the dropped ids.
        watch: As of `Session.run`.

    Returns:
        The learning curve: a point for each `LOG_EVERY` steps, with the losses and the metric on
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
    return fit(
        distiller,
        data.repeat(),
        sum(ramp_up) + config.steps,
        constant_loss(segment.train),
        callbacks,
    )


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
