"""Keras's own callbacks and schedules work with a distiller."""

import csv

import keras
import numpy as np
import pytest

from small_distillers import (
    TD_TERMS,
    X,
    Y,
    assert_all_close,
    fit,
    make_distiller,
    numbers,
    student_of,
)
from tdrec.distill.methods import FitNet


def test_learning_rate_schedule():
    schedule = keras.optimizers.schedules.PiecewiseConstantDecay([0], [0.01, 0.0])
    distiller = make_distiller(optimizer=keras.optimizers.SGD(schedule))
    start = numbers(student_of(distiller))
    fit(distiller)
    before = numbers(student_of(distiller))
    assert all(abs(a - b).max() > 0 for a, b in zip(before, start, strict=True))
    fit(distiller, epochs=2)
    assert_all_close(numbers(student_of(distiller)), before, rtol=0)


def test_learning_rate_scheduler():
    distiller = make_distiller()
    schedule = keras.callbacks.LearningRateScheduler(lambda epoch, rate: 0.1 / (epoch + 1))
    fit(distiller, epochs=2, callbacks=[schedule])
    np.testing.assert_allclose(float(distiller.optimizer.learning_rate), 0.05)


def test_early_stopping_and_logs_by_epoch(tmp_path):
    callbacks = [
        keras.callbacks.EarlyStopping("val_root_mean_squared_error", min_delta=1e9, patience=1),
        keras.callbacks.ReduceLROnPlateau("val_loss", min_delta=1e9, factor=0.5, patience=1),
        keras.callbacks.CSVLogger(tmp_path / "log.csv"),
    ]
    distiller = make_distiller(metrics=[keras.metrics.RootMeanSquaredError()])
    history = fit(distiller, epochs=9, validation_data=(X, Y), callbacks=callbacks)
    assert len(history["loss"]) == 2
    np.testing.assert_allclose(float(distiller.optimizer.learning_rate), 0.0005)
    with open(tmp_path / "log.csv") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2
    expected = {"epoch", "learning_rate", "loss", "task_loss", *TD_TERMS}
    expected |= {"root_mean_squared_error", "val_loss", "val_root_mean_squared_error"}
    assert set(rows[0]) == expected
    for name in TD_TERMS:
        assert float(rows[1][name]) == pytest.approx(history[name][1], rel=1e-5)
    predicted = distiller.predict(X, verbose=0)
    error = np.sqrt(np.mean((predicted - Y) ** 2))
    np.testing.assert_allclose(history["val_root_mean_squared_error"][1], error, rtol=1e-5)


def test_terminate_on_nan():
    broken = Y.copy()
    broken[5] = np.nan
    distiller = make_distiller()
    seen = []
    watch = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: seen.append(batch)
    )
    fit(
        distiller,
        y=broken,
        batch_size=4,
        epochs=3,
        callbacks=[keras.callbacks.TerminateOnNaN(), watch],
    )
    assert seen == [0, 1]  # rows 4 to 7 are the second batch


def test_backup_and_restore(tmp_path):
    class Interrupted(Exception):
        pass

    class Interrupt(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 2:
                raise Interrupted

    def backup():
        return keras.callbacks.BackupAndRestore(tmp_path / "backup")

    whole = fit(make_distiller(FitNet(hidden_dim=9)), epochs=4)
    with pytest.raises(Interrupted):
        fit(make_distiller(FitNet(hidden_dim=9)), epochs=4, callbacks=[backup(), Interrupt()])
    resumed = fit(make_distiller(FitNet(hidden_dim=9), seed=7), epochs=4, callbacks=[backup()])
    np.testing.assert_allclose(resumed["loss"], whole["loss"][2:], rtol=1e-4)
