"""Rows and targets in a folder, which is whole, of one teacher and of these rows, or refused."""

import shutil

import keras
import numpy as np
import pytest
import tensorflow as tf

from small_distillers import fit, make_distiller, numbers, student_of, talking
from small_models import student_and_teacher
from tdrec.distill import target_files
from tdrec.distill.methods import LabelDistillation, Scratch
from tdrec.distill.methods.multi_teacher import MultiTeacher
from tdrec.distill.teacher_targets import TeacherTargets

ROWS = 40
X = np.random.default_rng(0).normal(size=(ROWS, 3)).astype("float32")
Y = np.arange(ROWS, dtype="float32")[:, None]


@pytest.fixture(autouse=True)
def small_files(monkeypatch):
    monkeypatch.setattr(target_files, "SHARD_ROWS", 7)


def parts(dataset):
    """Inputs, labels and targets of all batches."""
    found = [(x.inputs, y, x.targets) for x, y in dataset.as_numpy_iterator()]
    return keras.tree.map_structure(lambda *arrays: np.concatenate(arrays), *found)


def test_what_is_read_is_what_memory_would_have_held(tmp_path):
    distiller = make_distiller(talking())
    kept = distiller.with_teacher_targets((X, Y), batch_size=6, folder=tmp_path / "targets")
    assert len(kept) == 7
    for mine, its in zip(
        keras.tree.flatten(parts(kept)),
        keras.tree.flatten(parts(distiller.with_teacher_targets((X, Y), batch_size=6))),
        strict=True,
    ):
        np.testing.assert_allclose(mine, its, rtol=1e-5, atol=1e-6)
    assert len(list((tmp_path / "targets").glob("*.parquet"))) == 6


def test_training_from_a_folder_is_training_from_memory(tmp_path):
    weights = []
    for folder in (None, tmp_path / "targets"):
        distiller = make_distiller(talking())
        data = distiller.with_teacher_targets((X, Y), batch_size=10, folder=folder)
        fit(distiller, data)
        weights.append(numbers(student_of(distiller)))
    for mine, its in zip(*weights, strict=True):
        np.testing.assert_allclose(mine, its, rtol=1e-4, atol=1e-6)


def test_inputs_of_every_kind_come_back(tmp_path):
    x = {
        "name": np.array([f"u{i}ж" for i in range(ROWS)], object),
        "item": np.arange(ROWS, dtype="int32"),
        "seen": np.arange(ROWS) % 2 == 0,
        "image": np.arange(ROWS * 12, dtype="uint8").reshape(ROWS, 2, 3, 2),
        "tags": np.array([[f"a{i}", ""] for i in range(ROWS)]),
    }
    rows = (x, {"like": Y, "buy": None}, np.ones(ROWS))
    distiller = make_distiller(Scratch())
    (batch,) = distiller.with_teacher_targets(rows, batch_size=ROWS, folder=tmp_path / "targets")
    (same,) = distiller.with_teacher_targets(rows, batch_size=ROWS)
    for mine, its in zip(keras.tree.flatten(batch), keras.tree.flatten(same), strict=True):
        if its is None:
            assert mine is None
        else:
            assert (mine.dtype, mine.shape) == (its.dtype, its.shape)
            np.testing.assert_array_equal(mine.numpy(), its.numpy())


def test_orders_are_seeded_and_rows_keep_their_targets(tmp_path):
    distiller = make_distiller(LabelDistillation())
    teacher = distiller.teacher.layers[0]

    def order(**arguments):
        data = distiller.with_teacher_targets(
            (X, Y), batch_size=6, shuffle=True, folder=tmp_path / "targets", **arguments
        )
        passes = [parts(data), parts(data)]
        for inputs, y, targets in passes:
            np.testing.assert_array_equal(inputs, X[y[:, 0].astype(int)])
            expected = teacher(inputs)
            np.testing.assert_allclose(targets["prediction"], expected, rtol=1e-5, atol=1e-6)
        return [y[:, 0].tolist() for _, y, _ in passes]

    first, second = order(seed=0)
    assert sorted(first) == sorted(second) == Y[:, 0].tolist()
    assert first != second
    assert order(seed=0) == [first, second]
    assert order(seed=1) != [first, second]
    # With a buffer of one file the rows of each stay together, in an order of the files.
    near = order(seed=0, buffer_rows=7)[0]
    assert [{int(row) // 7 for row in near[i : i + 7]} for i in range(0, 7, 7)] != [{0}]
    assert near[:7] != sorted(near[:7])


def test_last_batch_can_be_left_out(tmp_path):
    distiller = make_distiller(LabelDistillation())
    data = distiller.with_teacher_targets(
        (X, Y), batch_size=6, folder=tmp_path / "targets", drop_remainder=True, shuffle=True
    )
    assert [len(y) for _, y in data] == [6] * 6
    assert data.element_spec[1].shape == (6, 1)


def test_data_that_comes_in_batches_is_streamed(tmp_path):
    distiller = make_distiller(LabelDistillation())
    batches = ((X[i : i + 9], Y[i : i + 9]) for i in range(0, ROWS, 9))
    data = distiller.with_teacher_targets(batches, steps=3, folder=tmp_path / "targets")
    assert [len(y) for _, y in data] == [9, 9, 9]


def test_half_precision_and_top_k(tmp_path):
    splits = student_and_teacher(outputs=5)
    method = LabelDistillation(task="classes")
    loss = keras.losses.CategoricalCrossentropy(from_logits=True)
    distiller = make_distiller(method, student=splits[0], teacher=splits[1], loss=loss)
    data = (X, np.ones((ROWS, 5), "float32"))
    whole, half, top = (
        parts(distiller.with_teacher_targets(data, folder=tmp_path / name, **form))[2]["prediction"]
        for name, form in {
            "whole": {},
            "half": {"dtype": "float16"},
            "top": {"top_k": 2},
        }.items()
    )
    assert whole.dtype == half.dtype == top.dtype == np.float32
    assert 0 < abs(half - whole).max() < 1e-3
    assert (np.isclose(top, whole).sum(-1) >= 2).all()
    np.testing.assert_array_equal(top.argmax(-1), whole.argmax(-1))
    with pytest.raises(ValueError, match="targets of another form"):
        distiller.with_teacher_targets(data, folder=tmp_path / "top", top_k=3)


def test_outputs_of_several_teachers_are_kept_by_name(tmp_path):
    def classes(name, units):
        x = inputs = keras.Input((3,))
        heads = {"next": keras.layers.Dense(units)(x), "shelf": keras.layers.Dense(4)(x)}
        return keras.Model(inputs, heads, name=name)

    def learning(output):
        return LabelDistillation(task="classes", output=output)

    models = [classes(name, 5) for name in ("student", "first", "second")]
    method = MultiTeacher([learning("next"), learning("shelf")])
    distiller = make_distiller(method, student=models[0], teacher=models[1:], loss=None)
    kept, largest = (
        parts(distiller.with_teacher_targets((X, Y), folder=tmp_path / name, **form))[2]
        for name, form in {"whole": {}, "top": {"top_k": 2}}.items()
    )
    for i, model in enumerate(models[1:], 1):
        for output, expected in model.predict(X, verbose=0).items():
            found, few = (t["prediction"][f"teacher_{i}"][output] for t in (kept, largest))
            np.testing.assert_allclose(found, expected, rtol=1e-5)
            np.testing.assert_array_equal(few.argmax(-1), expected.argmax(-1))
            assert (np.isclose(few, expected).sum(-1) >= 2).all()


class Counted:
    """A teacher's targets by a function that counts its rows."""

    def __init__(self, split):
        self.split, self.rows = split, 0

    def __call__(self, x):
        self.rows += len(x)
        return TeacherTargets()(self.split, x)


def test_a_whole_folder_is_used_again(tmp_path):
    distiller = make_distiller(LabelDistillation())
    counted = Counted(distiller.teacher)
    orders = []
    for size in (16, 11):  # whatever batches the same rows come in
        data = tf.data.Dataset.from_tensor_slices((X, Y)).batch(size)
        kept = distiller.with_teacher_targets(data, stored=counted, folder=tmp_path / "targets")
        orders.append(parts(kept)[1])
        assert counted.rows <= ROWS + 8 + 8 * (size == 11)
    np.testing.assert_array_equal(*orders)


def test_fields_that_are_kept_serve_methods_that_read_fewer(tmp_path):
    splits = student_and_teacher()
    td = make_distiller(talking(), teacher=splits[1])
    td.with_teacher_targets((X, Y), folder=tmp_path / "targets")
    assert set(td.method.teacher_fields) == {"low", "high"}
    with pytest.raises(ValueError, match="targets of another fields"):
        make_distiller(LabelDistillation(), teacher=splits[1]).with_teacher_targets(
            (X, Y), folder=tmp_path / "targets"
        )
    scratch = make_distiller(Scratch(), teacher=splits[1])
    with pytest.raises(ValueError, match="targets of another teacher"):
        scratch.with_teacher_targets((X, Y), folder=tmp_path / "targets")


def another_teacher(folder):
    return student_and_teacher(seed=7)[1], (X, Y)


def other_rows(folder):
    changed = X.copy()
    changed[39] += 1
    return None, (changed, Y)


def another_order(folder):
    return None, (np.concatenate([X[:20], X[:19:-1]]), np.concatenate([Y[:20], Y[:19:-1]]))


def a_file_lost(folder):
    (folder / "part-000003.parquet").unlink()


def a_file_cut(folder):
    file = folder / "part-000003.parquet"
    file.write_bytes(file.read_bytes()[:-9])


def no_manifest(folder):
    (folder / "manifest.json").unlink()


def a_damaged_manifest(folder):
    (folder / "manifest.json").write_text('{"rows": 40}')


def foreign_files(folder):
    shutil.rmtree(folder)
    folder.mkdir()
    (folder / "thesis.tex").write_text("precious")


@pytest.mark.parametrize(
    ("change", "received"),
    [
        (another_teacher, "targets of another teacher"),
        (other_rows, "targets of other rows"),
        (another_order, "these rows in another order"),
        (a_file_lost, "no whole part-000003.parquet"),
        (a_file_cut, "no whole part-000003.parquet"),
        (no_manifest, "files without a manifest.json"),
        (a_damaged_manifest, "a manifest.json that cannot be read"),
        (foreign_files, "files without a manifest.json"),
    ],
)
def test_another_folder_is_refused_and_left_as_it_is(tmp_path, change, received):
    folder = tmp_path / "targets"
    distiller = make_distiller(LabelDistillation())
    distiller.with_teacher_targets((X, Y), folder=folder)
    teacher, rows = change(folder) or (None, (X, Y))
    before = {file: file.stat().st_mtime_ns for file in folder.iterdir()}
    again = make_distiller(LabelDistillation(), teacher=teacher or distiller.teacher)
    with pytest.raises(ValueError, match=f"new or empty, or hold .* {received}.* another folder"):
        again.with_teacher_targets(rows, folder=folder)
    assert {file: file.stat().st_mtime_ns for file in folder.iterdir()} == before


def test_a_file_in_the_folders_place(tmp_path):
    (tmp_path / "targets").write_text("precious")
    with pytest.raises(ValueError, match="must be new or empty"):
        make_distiller().with_teacher_targets((X, Y), folder=tmp_path / "targets")


def test_nothing_is_left_of_a_writing_that_fails(tmp_path):
    distiller = make_distiller(LabelDistillation())
    bad = X.copy()
    bad[[33, 34], 0] = np.nan
    batches = tf.data.Dataset.from_tensor_slices((bad, Y)).batch(8)
    received = "prediction must be finite.* 2 of 8 rows of batch 4 .* the first is row 33"
    with pytest.raises(ValueError, match=received):
        distiller.with_teacher_targets(batches, folder=tmp_path / "targets")
    assert list((tmp_path / "targets").iterdir()) == []
    distiller.with_teacher_targets((X, Y), folder=tmp_path / "targets")


def test_batches_that_are_not_alike(tmp_path):
    for other, received in (
        (np.zeros((4, 2), "float32"), r"x with \[\[2\], 'float32'\] in batch 1"),
        (np.zeros((4, 3), "int64"), r"x with \[\[3\], 'int64'\] in batch 1"),
        ({"a": np.zeros((4, 3), "float32")}, "x with nothing in batch 1"),
    ):
        batches = ((rows, Y[:4]) for rows in (X[:4], other))
        with pytest.raises(ValueError, match=f"Batches must be alike.* Received: {received}"):
            make_distiller(Scratch()).with_teacher_targets(
                batches, steps=2, folder=tmp_path / "targets"
            )
