import gc

import keras
import numpy as np
import pytest

from small_models import inputs_and_ratings, numpy_trace, small_model
from tdrec.distill.cut import split_model
from tdrec.distill.distiller import Distiller
from tdrec.distill.methods import LabelDistillation
from tdrec.distill.model_split import ModelSplit, Trace
from tdrec.distill.predictor import Predictor
from tdrec.distill.teacher_targets import TeacherTargets, as_tensors, attach, batches, detach

X, Y = inputs_and_ratings(rows=30)


class Watched:
    """A teacher, and how many rows each of its passes had.

    To look targets up takes a pass of 8 rows; whatever is more computes them.
    """

    def __init__(self, seed=0):
        self.model = small_model(seed=seed)
        self.passes = []
        self.split = ModelSplit(
            self.lower, self.model.get_layer("high"), self.model.get_layer("out"), model=self.model
        )

    def lower(self, x):
        self.passes.append(x.shape[0])
        return self.model.get_layer("low")(x)

    @property
    def computed(self):
        return sum(rows not in (1, 2, 8) for rows in self.passes)  # those are looks at a few


def assert_same(trace, other):
    for mine, its in zip(trace, other, strict=True):
        np.testing.assert_array_equal(mine, its)


@pytest.mark.parametrize("batch_size", [7, 1024])
def test_targets_are_what_the_teacher_predicts(batch_size):
    model = small_model()
    trace = TeacherTargets(batch_size=batch_size)(split_model(model, "low", "high"), X)
    predicted = model.predict(X, verbose=0)
    np.testing.assert_allclose(trace.prediction, predicted, rtol=1e-5, atol=1e-6)
    for field, expected in zip(trace, numpy_trace(model, X), strict=True):
        assert isinstance(field, np.ndarray)
        assert field.dtype == np.float32
        np.testing.assert_allclose(field, expected, rtol=1e-5, atol=1e-6)


def test_targets_are_made_as_when_the_teacher_is_served():
    inputs = keras.Input((3,))
    x = keras.layers.Dropout(0.5)(keras.layers.Dense(4, name="low")(inputs))
    x = keras.layers.BatchNormalization(name="high")(x)
    model = keras.Model(inputs, keras.layers.Dense(1)(x))
    statistics = model.get_layer("high").moving_mean
    before = statistics.numpy()
    trace = TeacherTargets()(split_model(model, "low", "high"), X)
    np.testing.assert_allclose(trace.prediction, model.predict(X, verbose=0), rtol=1e-5)
    np.testing.assert_array_equal(statistics.numpy(), before)


def test_only_the_fields_that_are_asked_for_are_kept():
    teacher, targets = Watched(), TeacherTargets()
    every = targets(teacher.split, X)
    some = targets(teacher.split, X, ("prediction",))
    assert some.low is None and some.high is None
    np.testing.assert_array_equal(some.prediction, every.prediction)
    assert targets(teacher.split, X).low is every.low


def test_same_teacher_and_rows_are_computed_once():
    teacher, targets = Watched(), TeacherTargets()
    first = targets(teacher.split, X)
    assert teacher.computed == 1
    assert_same(targets(teacher.split, X.copy()), first)
    assert teacher.computed == 1


@pytest.mark.parametrize("folder", [None, "targets"])
def test_scores_of_all_items_of_a_batch_are_no_targets_of_a_row(tmp_path, folder):
    score = keras.layers.Dense(4)

    def scores(x):  # as a model of two towers gives them, (batch, batch)
        return keras.ops.matmul(score(x), keras.ops.transpose(score(x)))

    distiller = Distiller(
        keras.Sequential([keras.Input((3,)), keras.layers.Dense(12)]),
        Predictor(scores, model=score),
        LabelDistillation(task="classes"),
    )
    with pytest.raises(ValueError, match=r"a batch of one row.* fit on the data as it is"):
        distiller.with_teacher_targets((X,), folder=folder and tmp_path / folder)


def test_trained_teacher_makes_new_targets():
    model = small_model()
    split, targets = split_model(model, "low", "high"), TeacherTargets()
    stale = targets(split, X)
    model.compile("sgd", loss="mse")
    model.fit(X, Y, verbose=0)
    fresh = targets(split, X)
    assert abs(fresh.prediction - stale.prediction).max() > 1e-4
    expected = model.predict(X, verbose=0)
    np.testing.assert_allclose(fresh.prediction, expected, rtol=1e-5, atol=1e-6)


def test_a_change_that_the_first_rows_do_not_show_is_seen():
    model = keras.Sequential(
        [
            keras.Input((1,), dtype="int32"),
            keras.layers.Embedding(30, 4, name="low"),
            keras.layers.Flatten(name="high"),
            keras.layers.Dense(1),
        ]
    )
    split, targets = split_model(model, "low", "high"), TeacherTargets()
    users = np.arange(30, dtype="int32")[:, None]
    stale = targets(split, users)
    table = model.get_layer("low").embeddings
    changed = table.numpy()
    changed[29] += 1
    table.assign(changed)
    fresh = targets(split, users)
    np.testing.assert_allclose(fresh.high[:29], stale.high[:29])
    np.testing.assert_allclose(fresh.high[29], stale.high[29] + 1, rtol=1e-5)


def test_other_rows_make_other_targets():
    teacher, targets = Watched(), TeacherTargets()
    first = targets(teacher.split, X)
    changed = X.copy()
    changed[29, 2] += 1
    other = targets(teacher.split, changed)
    assert_same(Trace(*(field[:29] for field in other)), (field[:29] for field in first))
    assert abs(other.low[29] - first.low[29]).max() > 1e-3
    assert len(targets(teacher.split, X[:10]).low) == 10


def test_another_cut_makes_other_targets():
    inputs = keras.Input((3,))
    x = inputs
    for i in range(3):
        x = keras.layers.Dense(4, name=f"d{i}")(x)
    model = keras.Model(inputs, keras.layers.Dense(1)(x))
    targets = TeacherTargets()
    first = targets(split_model(model, "d0", "d1"), X)
    second = targets(split_model(model, "d1", "d2"), X)
    np.testing.assert_allclose(second.low, first.high, rtol=1e-6)
    assert abs(second.low - first.low).max() > 1e-3


def test_strings_are_told_apart_by_what_they_say(tmp_path):
    lookup = keras.layers.StringLookup(vocabulary=[f"u{i}" for i in range(30)])
    table = keras.layers.Embedding(31, 4)
    table.build()
    split = ModelSplit(lambda x: table(lookup(x)), lambda low: 2 * low, lambda e: e, model=table)
    targets = TeacherTargets(tmp_path)
    users = np.array([f"u{i}" for i in range(30)], object)
    first = targets(split, users)
    # The same array with other contents, and another array with the same.
    again = np.array([f"u{i}" for i in range(30)], object)
    assert_same(targets(split, again), first)
    assert len(list(tmp_path.iterdir())) == 1
    users[29] = "u0"
    np.testing.assert_array_equal(targets(split, users).low[29], first.low[0])


def test_targets_on_disk_are_reused(tmp_path):
    folder = tmp_path / "made" / "when needed"
    first = TeacherTargets(folder)(Watched().split, X)
    (file,) = folder.iterdir()
    written = file.stat().st_mtime_ns
    teacher = Watched()
    again = TeacherTargets(folder)(teacher.split, X)
    assert teacher.computed == 0
    assert_same(again, first)
    assert [f.name for f in folder.iterdir()] == [file.name]
    assert file.stat().st_mtime_ns == written


def test_another_teacher_finds_nothing_on_disk(tmp_path):
    TeacherTargets(tmp_path)(Watched(seed=0).split, X)
    other = Watched(seed=1)
    trace = TeacherTargets(tmp_path)(other.split, X)
    assert other.computed == 1
    expected = other.model.predict(X, verbose=0)
    np.testing.assert_allclose(trace.prediction, expected, rtol=1e-5, atol=1e-6)
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("kept", [0, 0.5, 0.98])
def test_damaged_file_is_computed_again(tmp_path, kept):
    first = TeacherTargets(tmp_path)(Watched().split, X)
    (file,) = tmp_path.iterdir()
    content = file.read_bytes()
    file.write_bytes(content[: int(kept * len(content))])
    teacher = Watched()
    assert_same(TeacherTargets(tmp_path)(teacher.split, X), first)
    assert teacher.computed == 1
    teacher = Watched()
    assert_same(TeacherTargets(tmp_path)(teacher.split, X), first)
    assert teacher.computed == 0


def test_file_with_changed_bytes_is_computed_again(tmp_path):
    first = TeacherTargets(tmp_path)(Watched().split, X)
    (file,) = tmp_path.iterdir()
    content = bytearray(file.read_bytes())
    content[300] ^= 255
    file.write_bytes(content)
    assert_same(TeacherTargets(tmp_path)(Watched().split, X), first)


def test_nothing_is_left_behind_when_writing_fails(tmp_path):
    (tmp_path / "file").write_text("where a folder should be")
    with pytest.raises(OSError, match="file"):
        TeacherTargets(tmp_path / "file")(Watched().split, X)
    assert [f.name for f in tmp_path.iterdir()] == ["file"]


def test_tensors_of_targets_are_no_copies():
    trace = TeacherTargets()(split_model(small_model(), "low", "high"), X, ("low", "prediction"))
    tensors = as_tensors(trace)
    assert tensors.high is None
    for field in ("low", "prediction"):
        array, tensor = getattr(trace, field), getattr(tensors, field)
        assert np.shares_memory(np.asarray(tensor), array)
        np.testing.assert_array_equal(tensor, array)
        (batch, *_) = batches(tensor, 10)
        np.testing.assert_array_equal(batch, array[:10])


def test_tensors_outlive_the_arrays_that_they_were_made_of():
    split = split_model(small_model(), "low", "high")
    expected = TeacherTargets()(split, X).low
    low = as_tensors(TeacherTargets()(split, X)).low
    gc.collect()
    np.testing.assert_array_equal(low, expected)


@pytest.mark.parametrize("skipped", range(4))
def test_arrays_that_lie_anywhere_become_the_same_tensors(skipped):
    memory = np.arange(31, dtype="float32")
    array = memory[skipped : skipped + 24].reshape(6, 4)
    tensors = as_tensors(Trace(array, None, array[:, :1]))
    np.testing.assert_array_equal(tensors.low, array)
    np.testing.assert_array_equal(tensors.prediction, array[:, :1])
    assert tensors.high is None


def rows_in(dataset):
    return [row for batch in dataset.as_numpy_iterator() for row in batch["row"].tolist()]


DATA = {"row": np.arange(23), "twice": 2 * np.arange(23)}


def test_batches_hold_every_row_once_in_order():
    dataset = batches(DATA, 5)
    assert [len(batch["row"]) for batch in dataset] == [5, 5, 5, 5, 3]
    assert rows_in(dataset) == list(range(23))
    for batch in dataset.as_numpy_iterator():
        np.testing.assert_array_equal(batch["twice"], 2 * batch["row"])


def test_shuffled_batches_have_an_order_of_their_own_each_epoch():
    dataset = batches(DATA, 5, shuffle=True, seed=1)
    first, second = rows_in(dataset), rows_in(dataset)
    assert sorted(first) == sorted(second) == list(range(23))
    assert first != second
    assert first != list(range(23))


def test_seeded_orders_repeat():
    orders = []
    for seed in (1, 1, 2):
        dataset = batches(DATA, 5, shuffle=True, seed=seed)
        orders.append([rows_in(dataset), rows_in(dataset)])
    assert orders[0] == orders[1]
    assert orders[0] != orders[2]


def test_rows_of_a_shuffled_batch_stay_together():
    for batch in batches(DATA, 5, shuffle=True, seed=0).as_numpy_iterator():
        np.testing.assert_array_equal(batch["twice"], 2 * batch["row"])


def test_last_batch_can_be_left_out():
    dataset = batches(DATA, 5, drop_remainder=True)
    assert [len(batch["row"]) for batch in dataset] == [5, 5, 5, 5]
    assert dataset.element_spec["row"].shape == (5,)
    shuffled = batches(DATA, 5, shuffle=True, seed=0, drop_remainder=True)
    assert len(set(rows_in(shuffled))) == 20


def test_batches_keep_any_structure():
    dataset = batches((DATA, np.ones((23, 2), "float32")), 5)
    x, y = next(iter(dataset))
    assert set(x) == {"row", "twice"}
    assert y.shape == (5, 2)


VARIANTS = {"row": np.tile(np.arange(2000), 3), "variant": np.repeat([0, 1, 2], 2000)}


def test_variants_are_drawn_by_their_shares_and_each_row_once():
    dataset = batches(VARIANTS, 500, shares=[0.5, 0.3, 0.2], shuffle=True, seed=0)
    (rows, variants), again = ((np.concatenate(v) for v in parts(dataset)) for _ in range(2))
    assert sorted(rows) == list(range(2000))
    np.testing.assert_allclose(np.bincount(variants) / 2000, [0.5, 0.3, 0.2], atol=0.03)
    again_rows, again_variants = again
    assert (variants[np.argsort(rows)] != again_variants[np.argsort(again_rows)]).any()


def test_a_seed_repeats_the_variants():
    def drawn(seed):
        return np.concatenate(parts(batches(VARIANTS, 500, shares=[0.5, 0.3, 0.2], seed=seed))[1])

    np.testing.assert_array_equal(drawn(1), drawn(1))
    assert (drawn(1) != drawn(2)).any()


def parts(dataset):
    return tuple(zip(*[(b["row"], b["variant"]) for b in dataset.as_numpy_iterator()], strict=True))


def test_what_was_attached_is_detached():
    trace = Trace(X, 2 * X, Y)
    for x in (X, {"user": X, "movie": Y}, (X, Y)):
        inputs, targets = detach(attach(x, trace, ("low", "prediction")))
        assert inputs is x
        assert set(targets) == {"low", "prediction"}
        assert targets["low"] is X
        assert targets["prediction"] is Y


@pytest.mark.parametrize("x", [X, {"user": X}, (X, Y), {}])
def test_plain_inputs_carry_no_targets(x):
    inputs, targets = detach(x)
    assert inputs is x
    assert targets is None
