"""A training that was cut sees the rows that it would have seen."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from small_distillers import assert_all_close, fit, make_distiller, numbers, student_of
from tdrec.distill.methods import LabelDistillation
from tdrec.distill.row_order import RowOrder, shuffled
from tdrec.distill.teacher_targets import batches

X = np.random.default_rng(0).normal(size=(10, 3)).astype("float32")
Y = X[:, :1]
ROWS = np.arange(20)


def made():
    return make_distiller(LabelDistillation(), optimizer=keras.optimizers.SGD(0.1, momentum=0.9))


def data_of(distiller, folder=None):
    return distiller.with_teacher_targets((X, Y), batch_size=3, shuffle=True, seed=3, folder=folder)


def assert_bit_equal(mine, its):
    for a, b in zip(mine, its, strict=True):
        assert a.tobytes() == b.tobytes()


# Keras reads a dataset anew each epoch, or goes on in one iterator; an epoch may be one pass, part
# of one or more.
WAYS = {
    "an epoch a pass": (lambda data: data, {}),
    "steps of a pass": (lambda data: data.repeat(), {"steps_per_epoch": 4}),
    "steps within a pass": (lambda data: data.repeat(), {"steps_per_epoch": 3}),
    "steps over passes": (
        lambda data: data.map(lambda *rows: rows).repeat(),
        {"steps_per_epoch": 5},
    ),
}


@pytest.mark.parametrize(
    ("way", "in_folder"), [*((way, False) for way in WAYS), ("steps within a pass", True)]
)
def test_a_run_cut_in_two_is_one_run(tmp_path, way, in_folder):
    wrap, arguments = WAYS[way]
    folder = tmp_path / "targets" if in_folder else None
    whole, first = made(), made()
    fit(whole, wrap(data_of(whole, folder)), epochs=2, **arguments)
    fit(first, wrap(data_of(first, folder)), epochs=1, **arguments)
    first.save(tmp_path / "first.keras")
    second = keras.saving.load_model(tmp_path / "first.keras")
    second.teacher = first.teacher
    keras.utils.set_random_seed(99)  # the order is the seed's of the data alone
    fit(second, wrap(data_of(second, folder)), epochs=2, initial_epoch=1, **arguments)
    assert_bit_equal(numbers(student_of(second)), numbers(student_of(whole)))


@pytest.mark.parametrize("way", ["an epoch a pass", "steps within a pass"])
def test_fits_one_after_the_other_are_one_fit(way):
    wrap, arguments = WAYS[way]
    whole, parts = made(), made()
    fit(whole, wrap(data_of(whole)), epochs=2, **arguments)
    data = wrap(data_of(parts))
    for _ in range(2):
        fit(parts, data, epochs=1, **arguments)
    assert_bit_equal(numbers(student_of(parts)), numbers(student_of(whole)))


class Stopped(Exception):
    pass


def test_backup_and_restore_goes_on_in_order(tmp_path):
    def stop(epoch, logs):
        if epoch == 1:
            raise Stopped

    whole = made()
    fit(whole, data_of(whole), epochs=3)
    killed = keras.callbacks.LambdaCallback(on_epoch_begin=stop)
    runs = [made(), made()]
    for distiller, callbacks in zip(runs, ([killed], []), strict=True):
        backup = keras.callbacks.BackupAndRestore(str(tmp_path / "backup"))
        try:
            fit(distiller, data_of(distiller), epochs=3, callbacks=[backup, *callbacks])
        except Stopped:
            assert distiller is runs[0]
    assert_bit_equal(numbers(student_of(runs[1])), numbers(student_of(whole)))


def test_an_optimizer_that_counts_anew_goes_on_by_the_epoch():
    def sgd():
        return make_distiller(LabelDistillation(), optimizer="sgd")

    whole = sgd()
    fit(whole, data_of(whole), epochs=2)
    first, second = sgd(), sgd()
    fit(first, data_of(first), epochs=1)
    student_of(second).set_weights(student_of(first).get_weights())
    fit(second, data_of(second), epochs=2, initial_epoch=1)
    assert_bit_equal(numbers(student_of(second)), numbers(student_of(whole)))


def test_what_else_reads_the_data_changes_nothing():
    plain, read = made(), made()
    fit(plain, data_of(plain), epochs=2)
    data = data_of(read)
    for _ in data.take(2):
        pass
    reader = keras.callbacks.LambdaCallback(on_epoch_end=lambda *_: next(iter(data)))
    fit(read, data, epochs=2, validation_data=data, callbacks=reader)
    assert_bit_equal(numbers(student_of(read)), numbers(student_of(plain)))


def test_a_list_of_callbacks_may_serve_several_fits():
    plain, listed = made(), made()
    fit(plain, data_of(plain), epochs=2)
    callbacks = keras.callbacks.CallbackList([], add_history=True, model=listed, epochs=2, steps=4)
    data = data_of(listed)
    listed.fit(data, epochs=1, callbacks=callbacks)
    listed.fit(data, epochs=2, initial_epoch=1, callbacks=callbacks)
    assert_bit_equal(numbers(student_of(listed)), numbers(student_of(plain)))
    assert len(callbacks.callbacks) == 2  # its history, and one that follows


def test_other_fits_are_keras_own():
    plain = made()
    history = plain.fit(X, Y, 3, 2, 0, [keras.callbacks.TerminateOnNaN()], shuffle=False)
    named = made()
    fit(named, batch_size=3, x=X, y=Y, epochs=2)
    assert len(history.history["loss"]) == 2
    assert_all_close(numbers(student_of(plain)), numbers(student_of(named)), rtol=0)


def rows_in(dataset):
    return [row for batch in dataset.as_numpy_iterator() for row in batch.tolist()]


def shuffled_batches(seed=0, **arguments):
    return batches(ROWS, 6, shuffle=True, seed=seed, resumable=True, **arguments)


def test_each_pass_has_every_row_once_in_an_order_of_its_own():
    dataset = shuffled_batches()
    passes = [rows_in(dataset) for _ in range(20)]
    assert all(sorted(rows) == ROWS.tolist() for rows in passes)
    assert len({tuple(rows) for rows in passes}) == 20
    assert [rows_in(d) for d in (shuffled_batches(), shuffled_batches(1))] != [passes[0]] * 2
    assert rows_in(shuffled_batches()) == passes[0]
    assert rows_in(shuffled_batches().repeat(2)) == passes[0] + passes[1]


def test_size_and_shapes_are_known():
    dataset = shuffled_batches(drop_remainder=True)
    assert len(dataset) == 3
    assert dataset.element_spec.shape == (6,)
    assert [len(batch) for batch in dataset] == [6, 6, 6]
    assert len(shuffled_batches()) == 4
    with pytest.raises(ValueError, match="A pass must have a batch. Received: fewer rows"):
        batches(ROWS, 30, shuffle=True, resumable=True, drop_remainder=True)


def test_without_a_seed_the_global_one_decides():
    orders = []
    for seed in (5, 5, 6):
        keras.utils.set_random_seed(seed)
        orders.append(rows_in(shuffled_batches(seed=None)))
    assert orders[0] == orders[1] != orders[2]


@pytest.mark.parametrize(
    ("step", "epoch", "steps_per_epoch", "place"),
    [
        (0, 0, None, 0),
        (8, 2, None, 8),
        (0, 2, None, 8),  # an optimizer that counts anew
        (11, 2, None, 8),  # steps on other data before: an epoch begins with a pass
        (11, 0, 8, 8),
        (6, 2, 3, 6),  # epochs that cut passes go on in the stream
        (0, 2, 3, 6),
    ],
)
def test_place_in_the_stream(step, epoch, steps_per_epoch, place):
    order = RowOrder(steps=4, seed=0)
    order.follow(step, epoch, steps_per_epoch)
    assert order.place == place
    assert [order.next_iteration() for _ in range(2)] == [place, place + 4]


def test_any_seed_makes_an_order():
    orders = {
        seed: tuple(shuffled(20, RowOrder(1, seed).seed, tf.constant(0, tf.int64)).numpy())
        for seed in (0, 1, -1, 2**31, 2**63 - 1)
    }
    assert len(set(orders.values())) == len(orders)


def test_first_rows_of_passes_are_evenly_drawn():
    first = [int(shuffled(4, 0, tf.constant(i, tf.int64))[0]) for i in range(400)]
    assert np.bincount(first, minlength=4).min() > 70  # 100 are expected, a deviation is 9
