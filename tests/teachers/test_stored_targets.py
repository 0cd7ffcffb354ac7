import keras
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tensorflow as tf

from small_models import inputs_and_ratings, numpy_trace, small_model, student_and_teacher
from tdrec.distill.cut import split_model
from tdrec.distill.distiller import Distiller
from tdrec.distill.methods import (
    FeatureDistillation,
    FitNet,
    Hybrid,
    LabelDistillation,
    TalkingModels,
)
from tdrec.distill.model_split import Trace
from tdrec.distill.predictor import Predictor
from tdrec.teachers.stored_targets import StoredTargets

ROWS = 40
X, Y = inputs_and_ratings(rows=ROWS)
USERS, MOVIES = np.divmod(np.arange(ROWS), 7)  # each pair once
INPUTS = {"user": USERS, "movie": MOVIES, "features": X}
KEYS = ["user", "movie"]
SUFFIXES = (".parquet", ".tfrecord")
SIZES = {"message_dim": 6, "hidden_dim": 9}


def by_features(split):
    split.input_map = lambda x: x["features"]
    return split


@pytest.fixture
def splits():
    student, teacher = student_and_teacher()
    return by_features(student), by_features(teacher)


def table_of(teacher, rows=slice(None), fields=("prediction",)):
    x = {name: values[rows] for name, values in INPUTS.items()}
    return StoredTargets.from_teacher(teacher, x, KEYS, fields=fields)


def scores(rows=ROWS):
    return np.arange(rows, dtype="float32") / 8


# The join


def test_rows_find_their_own_targets():
    rng = np.random.default_rng(0)
    stored = rng.permutation(ROWS)
    table = StoredTargets(
        {"user": USERS[stored], "movie": MOVIES[stored]},
        Trace(np.stack([stored, -stored], 1), None, stored / 8),
    )
    assert len(table) == ROWS
    assert table.keys == ("user", "movie")
    assert table.fields == ("low", "prediction")
    wanted = rng.integers(0, ROWS, 100)  # in another order, and some more than once
    trace = table({"user": USERS[wanted], "movie": MOVIES[wanted], "other": wanted})
    np.testing.assert_array_equal(trace.prediction, wanted[:, None] / 8)
    np.testing.assert_array_equal(trace.low, np.stack([wanted, -wanted], 1))
    assert trace.high is None
    assert trace.low.dtype == trace.prediction.dtype == np.float32


def test_one_key_and_the_order_of_keys():
    table = StoredTargets({"row": np.arange(ROWS)}, Trace(None, None, scores()))
    np.testing.assert_array_equal(table({"row": [3, 1]}).prediction, [[3 / 8], [1 / 8]])
    turned = StoredTargets({"movie": MOVIES, "user": USERS}, Trace(None, None, scores()))
    np.testing.assert_array_equal(turned(INPUTS).prediction[:, 0], scores())


@pytest.mark.parametrize(
    "ids",
    [
        np.array([3, 2**62, 5]),
        np.array([3, 4, 5], "int32"),
        np.array([3, 2**64 - 1, 5], "uint64"),
        np.array(["a", "ж", ""]),
        np.array([b"a", "ж".encode(), b"c"], object),
        np.array([b"a", b"bb", b"c"]),
        pd.Series(["a", "b", "c"]),
        [["a"], ["b"], ["c"]],
        tf.constant(["a", "b", "c"]),
        tf.constant([[3], [4], [5]]),
    ],
    ids=lambda ids: f"{type(ids).__name__} {getattr(ids, 'dtype', '')}",
)
def test_kinds_of_ids(ids):
    table = StoredTargets({"id": ids}, Trace(None, None, scores(3)))
    np.testing.assert_array_equal(table({"id": ids}).prediction[:, 0], scores(3))
    turned = np.asarray(ids)[::-1]
    np.testing.assert_array_equal(table({"id": turned}).prediction[:, 0], scores(3)[::-1])


def test_strings_and_bytes_of_the_same_text_are_the_same_id():
    table = StoredTargets({"id": ["a", "ж"]}, Trace(None, None, scores(2)))
    found = table({"id": np.array(["ж".encode(), b"a"], object)})
    np.testing.assert_array_equal(found.prediction, [[1 / 8], [0]])


def test_ids_may_come_apart():
    table = StoredTargets({"row": np.arange(ROWS)}, Trace(None, None, scores()))
    carried = table.attach(X, ids={"row": np.arange(ROWS)[::-1]})
    assert carried.inputs is X
    assert set(carried.targets) == {"prediction"}
    np.testing.assert_array_equal(carried.targets["prediction"][:, 0], scores()[::-1])


def test_rows_that_are_not_stored_are_found():
    table = StoredTargets({"row": [5, 3]}, Trace(None, None, scores(2)))
    np.testing.assert_array_equal(table.find({"row": [3, 4, 5]}), [1, -1, 0])


def test_a_key_twice_with_the_same_values_counts_once():
    values = np.array([1.0, 2.0, 1.0 + 1e-6, 3.0])
    table = StoredTargets({"row": [7, 8, 7, 9]}, Trace(None, None, values))
    assert len(table) == 3
    found = table({"row": [9, 7, 8]}).prediction
    np.testing.assert_array_equal(found, np.array([[3.0], [1.0], [2.0]]))


# Files


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_written_table_is_the_same(splits, tmp_path, suffix):
    fields = ("low", "high", "prediction")
    table = table_of(splits[1], fields=fields)
    table.write(tmp_path / f"t{suffix}")
    again = StoredTargets.read(tmp_path / f"t{suffix}", KEYS, low="low", high="high")
    assert (again.keys, again.fields) == (table.keys, fields)
    expected = numpy_trace(splits[1].layers[0], X)
    for mine, its, values in zip(again(INPUTS), table(INPUTS), expected, strict=True):
        np.testing.assert_array_equal(mine, its)
        np.testing.assert_allclose(mine, values, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_string_keys_are_written(tmp_path, suffix):
    names = np.array(["a", "ж", ""])
    StoredTargets({"id": names}, Trace(None, None, scores(3))).write(tmp_path / f"t{suffix}")
    table = StoredTargets.read(tmp_path / f"t{suffix}", ["id"])
    np.testing.assert_array_equal(table({"id": names}).prediction[:, 0], scores(3))


def test_columns_of_others(tmp_path):
    columns = {"user": USERS, "movie": MOVIES, "stars": scores().astype("float64")}
    states = pa.array(list(np.outer(scores(), [1, 2])), pa.list_(pa.float32()))
    pq.write_table(pa.table({**columns, "state": states}), tmp_path / "t.parquet")
    table = StoredTargets.read(tmp_path / "t.parquet", KEYS, prediction="stars")
    np.testing.assert_array_equal(table(INPUTS).prediction[:, 0], scores())
    states = StoredTargets.read(tmp_path / "t.parquet", KEYS, prediction=None, high="state")
    assert states.fields == ("high",)
    np.testing.assert_array_equal(states(INPUTS).high, np.outer(scores(), [1, 2]))


def test_one_column_may_be_of_several_uses(tmp_path):
    pq.write_table(pa.table({"row": [1, 2], "state": [[1.0], [2.0]]}), tmp_path / "t.parquet")
    names = {"prediction": "state", "low": "state"}
    trace = StoredTargets.read(tmp_path / "t.parquet", ["row"], **names)({"row": [2]})
    assert trace.prediction == trace.low == [[2.0]]


# Training without a teacher


def train(student, teacher, method, data, **compiling):
    keras.utils.set_random_seed(0)
    distiller = Distiller(student, teacher, method)
    distiller.compile(keras.optimizers.SGD(0.05), loss="mse", **compiling)
    history = distiller.fit(
        data(distiller), batch_size=None, epochs=2, shuffle=False, verbose=0
    ).history
    return history, [v.numpy() for v in distiller.trainable_variables]


METHODS = {
    "ld": LabelDistillation,
    "fd": lambda: FeatureDistillation(**SIZES),
    "fitnet": lambda: FitNet(hidden_dim=9),
    "hybrid": lambda: Hybrid(**SIZES),
}


@pytest.mark.parametrize(
    ("name", "compiling"),
    [
        ("ld", {"jit_compile": True}),
        ("ld", {"run_eagerly": True}),
        ("fd", {"jit_compile": True}),
        ("fitnet", {"run_eagerly": True}),
        ("hybrid", {"run_eagerly": True}),
    ],
    ids=lambda value: value if isinstance(value, str) else next(iter(value)),
)
def test_a_table_teaches_as_its_teacher_does(splits, name, compiling):
    student, teacher = splits
    fields = METHODS[name]().teacher_fields
    table = table_of(teacher, fields=fields)
    weights = student.layers[0].get_weights()
    with_teacher = train(
        student,
        teacher,
        METHODS[name](),
        lambda d: d.with_teacher_targets((INPUTS, Y), batch_size=20),
        run_eagerly=True,
    )
    student.layers[0].set_weights(weights)
    without = train(
        student,
        None,
        METHODS[name](),
        lambda d: d.with_teacher_targets((INPUTS, Y), batch_size=20, stored=table),
        **compiling,
    )
    assert set(without[0]) == set(with_teacher[0])
    for term, values in without[0].items():
        np.testing.assert_allclose(values, with_teacher[0][term], rtol=1e-4, err_msg=term)
    for one, other in zip(without[1], with_teacher[1], strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("shapes_known", [True, False], ids=["cut", "callables"])
def test_arrays_with_targets_go_into_fit(splits, shapes_known):
    student, teacher = splits
    if not shapes_known:
        student.shapes = None  # as of a split made of callables that was not run yet
    table = table_of(teacher, fields=("low", "high"))
    distiller = Distiller(student, None, FeatureDistillation(**SIZES))
    distiller.compile("adam", loss="mse")
    assert not distiller.method.built
    carried = table.attach(INPUTS)
    history = distiller.fit(carried, Y, batch_size=20, epochs=3, verbose=0).history
    assert distiller.method.built
    assert np.isfinite(history["feature_loss"]).all()
    np.testing.assert_allclose(
        distiller.predict(INPUTS, verbose=0), distiller.predict(carried, verbose=0), rtol=1e-6
    )


def test_datasets_are_joined_too(splits):
    student, teacher = splits
    table = table_of(teacher)
    distiller = Distiller(student, None, LabelDistillation())
    data = tf.data.Dataset.from_tensor_slices((INPUTS, Y)).batch(16)
    joined = distiller.with_teacher_targets(data, stored=table, shuffle=True, seed=0)
    sizes = []
    for x, y in joined:
        sizes.append(len(y))
        found = x.targets["prediction"]
        expected = numpy_trace(teacher.layers[0], x.inputs["features"])[2]
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    assert sizes == [16, 16, 8]


def test_talking_models_takes_stored_states_and_a_teacher_to_interpret_with(splits):
    student, teacher = splits
    table = table_of(teacher, fields=("low", "high"))
    method = TalkingModels(1, message_dim=6, linear=True)
    distiller = Distiller(student, teacher, method)
    distiller.compile("adam", loss="mse", run_eagerly=True)
    history = distiller.fit(table.attach(INPUTS), Y, verbose=0).history
    assert np.isfinite(history["interaction_loss_1"]).all()
    alone = Distiller(student, None, TalkingModels(1, message_dim=6, linear=True))
    alone.compile("adam", loss="mse")
    with pytest.raises(
        ValueError, match=r"TalkingModels learns from a teacher. Received: teacher="
    ):
        alone.fit(table.attach(INPUTS), Y, verbose=0)


# What is refused


@pytest.mark.parametrize("run_eagerly", [True, False])
def test_method_that_reads_what_is_not_stored(splits, run_eagerly):
    student, teacher = splits
    table = table_of(teacher)
    distiller = Distiller(student, None, FitNet(hidden_dim=9))
    distiller.compile("adam", loss="mse", run_eagerly=run_eagerly)
    rule = "FitNet reads the teacher's low, high. Received: .* without low, high"
    before = student.layers[0].get_weights()
    with pytest.raises(ValueError, match=rule):
        distiller.fit(table.attach(INPUTS), Y, verbose=0)
    with pytest.raises(ValueError, match=rule):
        distiller.with_teacher_targets((INPUTS, Y), stored=table)
    for one, other in zip(before, student.layers[0].get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_rows_without_targets(splits):
    table = table_of(splits[1], slice(0, 30))
    rule = (
        r"in the table of 30 keys. Received: 10 of 40 rows .* the first is row 30, user=4, movie=2"
    )
    with pytest.raises(ValueError, match=rule):
        table(INPUTS)
    with pytest.raises(ValueError, match=rule):
        table.attach(INPUTS)
    kept = table.find(INPUTS) >= 0
    assert kept.sum() == 30


def test_key_with_different_values():
    values = np.array([1.0, 2.0, 1.5, 2.0, 9.0])
    rule = "Received: 2 rows whose .* the first is row 2, user='a', movie=7, which is in row 0 too"
    with pytest.raises(ValueError, match=rule):
        StoredTargets(
            {"user": ["a", "b", "a", "b", "b"], "movie": [7, 7, 7, 7, 7]},
            Trace(None, None, values),
        )
    states = np.array([[1.0, 2.0], [1.0, 3.0]])
    with pytest.raises(ValueError, match="Received: 1 rows"):
        StoredTargets({"row": [1, 1]}, Trace(states, None, [1.0, 1.0]))


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e39])
def test_values_that_are_not_finite(bad):
    values = np.array([1.0, bad, 2.0, bad])
    with pytest.raises(ValueError, match="Received: 2 of 4 rows .* the first is row 1, row=8"):
        StoredTargets({"row": [7, 8, 9, 10]}, Trace(None, None, values))
    states = np.ones((2, 3))
    states[1, 2] = bad
    with pytest.raises(ValueError, match="'high' must be finite .* 1 of 2 rows"):
        StoredTargets({"row": [7, 8]}, Trace(None, states, None))


@pytest.mark.parametrize("bad", [["high", "low"], [True, False], [[], []]])
def test_values_that_are_no_numbers(bad):
    with pytest.raises(ValueError, match="'prediction' must be a number, or a list of them"):
        StoredTargets({"row": [7, 8]}, Trace(None, None, bad))


@pytest.mark.parametrize("bad", [[1.0, np.nan], [True, False]])
@pytest.mark.parametrize("kind", [None, object])
def test_ids_that_are_no_ids(bad, kind):
    with pytest.raises(ValueError, match="'row' must be integers or strings. Received: dtype"):
        StoredTargets({"row": np.array(bad, kind)}, Trace(None, None, [1.0, 2.0]))


@pytest.mark.parametrize(
    "bad",
    [
        np.array(["a", None], object),
        np.array(["a", 1], object),
        pd.Series([1, None], dtype="Int64"),
        pd.Series(["a", None], dtype="category"),
        pd.Series(["a", None], dtype="string"),
    ],
)
def test_ids_that_are_missing_or_mixed(bad):
    with pytest.raises(ValueError, match="Received: the ids of 'row' with .* in row 1"):
        StoredTargets({"row": bad}, Trace(None, None, [1.0, 2.0]))


INTEGERS = ["int8", "int32", "int64", "uint16", "Int32", "category", "object"]
TEXTS = ["str", "string", "category", "object", "bytes"]


def of_kind(values, kind):
    if kind == "bytes":
        return np.array([v.encode() for v in values], object)
    return pd.Series(values).astype(kind)


@pytest.mark.parametrize(("values", "kinds"), [([3, 4, 5], INTEGERS), (["a", "b", "ж"], TEXTS)])
def test_ids_meet_whatever_holds_them(values, kinds):
    for stored in kinds:
        table = StoredTargets({"id": of_kind(values, stored)}, Trace(None, None, scores(3)))
        for kind in kinds:
            np.testing.assert_array_equal(table.find({"id": of_kind(values, kind)}), [0, 1, 2])


def test_columns_of_unequal_lengths_are_named():
    table = StoredTargets({"user": USERS, "movie": MOVIES}, Trace(None, None, scores()))
    received = f"Received: user of {ROWS} rows, movie of 2 rows"
    with pytest.raises(ValueError, match=received):
        table({"user": USERS, "movie": MOVIES[:2]})
    table = StoredTargets({"row": np.arange(ROWS)}, Trace(None, None, scores()))
    with pytest.raises(ValueError, match=f"Received: x of {ROWS} rows, the targets of 3 rows"):
        table.attach(X, ids={"row": np.arange(3)})


def test_scores_whose_dtype_says_nothing_are_numbers():
    for kind in (object, "Float64"):
        table = StoredTargets({"row": [0, 1]}, Trace(None, None, pd.Series([0.5, 2], dtype=kind)))
        np.testing.assert_array_equal(table({"row": [1, 0]}).prediction, [[2], [0.5]])


def test_ids_of_another_shape_or_kind():
    with pytest.raises(
        ValueError, match=r"must have the shape \(rows,\). Received: shape \(2, 3\)"
    ):
        StoredTargets({"row": np.zeros((2, 3), "int32")}, Trace(None, None, [1.0, 2.0]))
    table = StoredTargets({"row": [7, 8]}, Trace(None, None, [1.0, 2.0]))
    rule = "Received: strings in the data, such as '7', and integers in the table, such as 7"
    with pytest.raises(ValueError, match=rule):
        table({"row": ["7", "8"]})


def test_columns_that_are_missing(splits):
    table = StoredTargets({"user": [7], "movie": [8]}, Trace(None, None, [1.0]))
    with pytest.raises(ValueError, match="must have .* 'user', 'movie'. Received: the columns 'us"):
        table({"user": [7]})
    with pytest.raises(ValueError, match="inputs without names, a ndarray. Hand them over apart"):
        table(X)
    with pytest.raises(ValueError, match="Received: the columns 'user', 'movie', 'features'"):
        StoredTargets.from_teacher(splits[1], INPUTS, ["timestamp"])


def test_table_that_holds_nothing():
    with pytest.raises(ValueError, match="Received: no key columns. Name at least one"):
        StoredTargets({}, Trace(None, None, [1.0]))
    with pytest.raises(ValueError, match="prediction, its states, or both. Received: neither"):
        StoredTargets({"row": [1]}, Trace(None, None, None))
    with pytest.raises(ValueError, match="equally long.*Received: {'row': 2, 'prediction': 1}"):
        StoredTargets({"row": [1, 2]}, Trace(None, None, [1.0]))


def test_arguments_of_reading_and_writing(tmp_path):
    table = StoredTargets({"prediction": [1]}, Trace(None, None, [1.0]))
    with pytest.raises(ValueError, match=r"different names. Received: \['prediction'\] as key and"):
        table.write(tmp_path / "t.parquet")
    with pytest.raises(ValueError, match=r"Received: 'row'. Write keys=\['row'\]"):
        StoredTargets.read(tmp_path / "t.parquet", "row")
    assert list(tmp_path.iterdir()) == []


def test_teacher_without_the_states_to_store():
    teacher = Predictor(small_model(), input_map=lambda x: x["features"])
    assert len(table_of(teacher)) == ROWS
    with pytest.raises(ValueError, match="of a teacher without low. Name others"):
        table_of(teacher, fields=("low", "prediction"))


def test_keys_that_do_not_identify_a_row():
    teacher = by_features(split_model(small_model(), "low", "high"))
    with pytest.raises(ValueError, match="A key must have one target. .* Add a column to the key"):
        StoredTargets.from_teacher(teacher, INPUTS, ["user"])
