"""A distiller is saved, loaded and trained further, and finds its teacher again."""

from pathlib import Path

import keras
import numpy as np
import pytest

from small_distillers import (
    METHODS,
    Rater,
    X,
    Y,
    assert_all_close,
    fit,
    make_distiller,
    numbers,
    student_of,
    talking,
)
from small_models import randomise, small_model, student_and_teacher
from tdrec.distill.cut import split_model
from tdrec.distill.distiller import Distiller
from tdrec.distill.methods import LabelDistillation, Scratch
from tdrec.distill.model_split import ModelSplit


@pytest.mark.parametrize("name", ["scratch", *METHODS])
def test_distiller_saved_whole_goes_on_as_if_nothing_had_been(tmp_path, name):
    distiller = make_distiller(METHODS.get(name, Scratch)(), metrics=["mae"])
    file = tmp_path / "distiller.keras"
    fit(distiller, callbacks=[keras.callbacks.ModelCheckpoint(file)])
    loaded = keras.saving.load_model(file)
    assert loaded.method.get_config() == distiller.method.get_config()
    np.testing.assert_array_equal(loaded.predict(X, verbose=0), distiller.predict(X, verbose=0))
    assert loaded.evaluate(X, Y, verbose=0) == distiller.evaluate(X, Y, verbose=0)
    assert loaded.teacher is None
    if name != "scratch":
        with pytest.raises(ValueError, match="set `distiller.teacher` after loading one"):
            fit(loaded)
    loaded.teacher = distiller.teacher
    loaded.run_eagerly = True
    expected, found = fit(distiller, epochs=2), fit(loaded, epochs=2)
    for term, values in expected.items():
        np.testing.assert_allclose(found[term], values, rtol=1e-5, err_msg=term)


def resting_teacher(tmp_path):
    """A teacher's split, and the file that its model is in."""
    teacher = student_and_teacher()[1]
    teacher.layers[0].save(tmp_path / "teacher.keras")
    return teacher, tmp_path / "teacher.keras"


def with_dropout():
    """A student in which units are dropped, between its two states and above them."""
    x = inputs = keras.Input((3,))
    for name in ("low", "high"):
        x = keras.layers.Dropout(0.3)(keras.layers.Dense(5, "tanh", name=name)(x))
    return split_model(keras.Model(inputs, keras.layers.Dense(1)(x)), "low", "high")


def referring(teacher, file, **arguments):
    """A compiled distiller that knows its teacher's file, with an optimizer of much state."""
    keras.utils.set_random_seed(0)
    method = talking(linear=False, dropout=0.2, noise=0.1)
    distiller = Distiller(with_dropout(), teacher, method, teacher_path=file)
    optimizer = keras.optimizers.AdamW(0.01, use_ema=True, ema_overwrite_frequency=3)
    distiller.compile(optimizer, loss="mse", metrics=["mae"], **arguments)
    return distiller


def test_a_run_cut_in_two_is_one_run(tmp_path):
    teacher, file = resting_teacher(tmp_path)
    teacher.layers[0].get_layer("low").trainable = False
    teacher.layers[0].save(file)
    whole, first = (referring(teacher, file, run_eagerly=True) for _ in range(2))
    for distiller in (whole, first):
        distiller.term_weights["message_loss"].assign(0.25)
    expected = fit(whole, batch_size=4, epochs=4)
    found = fit(
        first,
        batch_size=4,
        epochs=2,
        callbacks=[keras.callbacks.ModelCheckpoint(tmp_path / "middle.keras")],
    )
    # The checkpoint is of before the averages replace the weights at the end of `fit`.
    loaded = keras.saving.load_model(tmp_path / "middle.keras")
    assert float(loaded.term_weights["message_loss"]) == 0.25
    assert loaded.teacher.cut == ("low", "high", False)
    assert loaded.teacher_path == str(file)
    flags = [layer.trainable for layer in loaded.teacher.layers[0].layers]
    assert flags == [layer.trainable for layer in teacher.layers[0].layers]
    rest = fit(loaded, batch_size=4, epochs=4, initial_epoch=2)
    for name, values in expected.items():
        np.testing.assert_array_equal(found[name] + rest[name], values, err_msg=name)
    mine = numbers(student_of(loaded)) + numbers(loaded.method)
    assert_all_close(mine, numbers(student_of(whole)) + numbers(whole.method), rtol=0)


class Linear(keras.Model):
    """Subclassed, so that it shows no shapes before it runs."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.out = keras.layers.Dense(1)

    def call(self, x):
        return self.out(x)


@pytest.mark.parametrize("method", [Scratch, LabelDistillation])
def test_a_subclassed_student_goes_on_with_its_optimizer(tmp_path, method):
    teacher = student_and_teacher()[1].model
    distiller = make_distiller(method(), student=Linear(), teacher=teacher)
    fit(distiller)
    distiller.save(tmp_path / "distiller.keras")
    loaded = keras.saving.load_model(tmp_path / "distiller.keras", {"Linear": Linear})
    loaded.run_eagerly, loaded.teacher = True, teacher
    assert fit(loaded, epochs=2) == fit(distiller, epochs=2)


def test_a_run_that_is_restored_from_its_backup_is_one_run(tmp_path):
    teacher, file = resting_teacher(tmp_path)

    class Cut(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 2:
                raise KeyboardInterrupt

    def backup():
        return keras.callbacks.BackupAndRestore(tmp_path / "backup")

    expected = referring(teacher, file, run_eagerly=True)
    fit(expected, batch_size=4, epochs=4)
    with pytest.raises(KeyboardInterrupt):
        cut = referring(teacher, file, run_eagerly=True)
        fit(cut, batch_size=4, epochs=4, callbacks=[backup(), Cut()])
    again = referring(teacher, file, run_eagerly=True)
    fit(again, batch_size=4, epochs=4, callbacks=[backup()])
    mine, whole = (numbers(student_of(d)) + numbers(d.method) for d in (again, expected))
    assert_all_close(mine, whole, rtol=0)


def test_a_saved_distiller_finds_its_teacher_or_waits_for_it(tmp_path):
    teacher, file = resting_teacher(tmp_path)
    referring(teacher, file).save(tmp_path / "d.keras")
    assert keras.saving.load_model(tmp_path / "d.keras").teacher is not None
    file.rename(tmp_path / "elsewhere.keras")
    loaded = keras.saving.load_model(tmp_path / "d.keras")
    assert loaded.teacher is None
    with pytest.raises(
        ValueError, match=r"teacher=None, and it was saved with the teacher '\w+', finger"
    ):
        fit(loaded)
    loaded.save(tmp_path / "again.keras")  # the reference is passed on
    for distiller in (loaded, keras.saving.load_model(tmp_path / "again.keras")):
        with pytest.raises(ValueError, match="in the file '.*teacher.keras'. Hand over that one"):
            distiller.teacher = split_model(small_model(7, 6), "low", "high")
        assert distiller.teacher is None
        distiller.teacher = teacher
        assert np.isfinite(fit(distiller)["loss"]).all()


def test_a_teacher_that_was_replaced_in_its_file_is_refused(tmp_path):
    teacher, file = resting_teacher(tmp_path)
    referring(teacher, file).save(tmp_path / "d.keras")
    small_model(7, 6, seed=1).save(file)
    with pytest.raises(ValueError, match="if its file was replaced, put it back, or move the new"):
        keras.saving.load_model(tmp_path / "d.keras")


def test_a_checkpoint_stays_when_writing_the_next_fails(tmp_path, monkeypatch):
    distiller, file = make_distiller(LabelDistillation()), tmp_path / "d.keras"
    distiller.save(file)
    before = file.read_bytes()

    def broken(model, path, **_):
        Path(path).write_bytes(before[:9])
        raise OSError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(keras.Model, "save", broken)
        with pytest.raises(OSError, match="the disk is full"):
            distiller.save(file)
    assert file.read_bytes() == before
    assert list(tmp_path.iterdir()) == [file]


def test_checkpoint_of_weights(tmp_path):
    distiller = make_distiller(talking(2), metrics=["mae"])
    file = tmp_path / "best.weights.h5"
    checkpoint = keras.callbacks.ModelCheckpoint(
        file, monitor="val_mae", save_best_only=True, save_weights_only=True
    )
    fit(distiller, validation_data=(X, Y), callbacks=[checkpoint])
    other = make_distiller(talking(2), seed=3, metrics=["mae"])
    randomise(other.method, 3)
    randomise(student_of(other), 4)
    distiller.term_weights["state_loss"].assign(0.5)
    distiller.save_weights(file)
    other.load_weights(file)
    assert float(other.term_weights["state_loss"]) == 0.5
    np.testing.assert_array_equal(other.predict(X, verbose=0), distiller.predict(X, verbose=0))
    assert_all_close(numbers(other.method), numbers(distiller.method), rtol=0)
    assert fit(other) == fit(distiller)  # with the optimizer's state, as a whole one


def test_weights_of_a_subclassed_student_are_saved_and_loaded(tmp_path):
    results = []
    for seed in (0, 1):
        keras.utils.set_random_seed(seed)
        student, teacher = Rater(5, 4), Rater(7, 6)
        distiller = make_distiller(seed=seed, student=student.split(), teacher=teacher.split())
        distiller(X)
        results.append(distiller)
    results[0].save_weights(tmp_path / "d.weights.h5")
    results[1].load_weights(tmp_path / "d.weights.h5")
    np.testing.assert_array_equal(results[0](X), results[1](X))
    assert_all_close(numbers(results[0].method), numbers(results[1].method), rtol=0)


def test_the_student_is_saved_as_the_plain_model_that_it_was(tmp_path):
    distiller = make_distiller()
    fit(distiller)
    student = student_of(distiller)
    student.save(tmp_path / "student.keras")
    loaded = keras.saving.load_model(tmp_path / "student.keras")
    assert type(loaded) is type(student)
    predicted = distiller.predict(X, verbose=0)
    np.testing.assert_allclose(loaded.predict(X, verbose=0), predicted, rtol=1e-5, atol=1e-6)


def test_student_of_callables_is_not_saved_whole(tmp_path):
    model = small_model()
    split = ModelSplit(*(model.get_layer(name) for name in ("low", "high", "out")))
    mapped = split_model(model, "low", "high", input_map=lambda x: x)
    for student in (split, mapped):
        distiller = make_distiller(Scratch(), student=student)
        with pytest.raises(
            ValueError, match="saved whole only if its student is a model that was cut by"
        ):
            distiller.save(tmp_path / "distiller.keras")
