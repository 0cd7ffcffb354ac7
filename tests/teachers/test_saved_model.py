import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from small_models import inputs_and_ratings, numpy_trace, small_model, student_and_teacher
from tdrec.distill.cut import split_model
from tdrec.distill.distiller import Distiller
from tdrec.distill.methods import FitNet, LabelDistillation, TalkingModels
from tdrec.distill.model_split import ModelSplit
from tdrec.distill.predictor import Predictor
from tdrec.distill.teacher_targets import TeacherTargets
from tdrec.teachers.saved_model import load_saved_model, load_saved_split, save_split

X, Y = inputs_and_ratings(rows=30)


@pytest.fixture(scope="module")
def model():
    return small_model(7, 6, seed=50, name="teacher")


@pytest.fixture(scope="module")
def folder(model, tmp_path_factory):
    """A SavedModel of the model, cut into rooms."""
    path = tmp_path_factory.mktemp("saved") / "teacher"
    save_split(split_model(model, "low", "high"), path, model.input)
    return path


def numbers(layer):
    return [variable.numpy() for variable in layer.variables]


def talking():
    return TalkingModels(1, message_dim=6, linear=True)


def fit(teacher, method, **compiling):
    keras.utils.set_random_seed(0)
    student = student_and_teacher()[0]
    distiller = Distiller(student, teacher, method)
    distiller.compile(keras.optimizers.SGD(0.05), loss="mse", **compiling)
    distiller.fit(X, Y, batch_size=15, shuffle=False, verbose=0)
    return distiller


# Three rooms


def test_rooms_are_those_of_the_model(model, folder):
    teacher = load_saved_split(folder)
    for field, expected in zip(teacher(X), numpy_trace(model, X), strict=True):
        np.testing.assert_allclose(field, expected, rtol=1e-5, atol=1e-6)
    assert tuple(load_saved_split(folder).shapes) == ((None, 7), (None, 6), (None, 1))


def test_gradient_flows_through_the_middle(model, folder):
    low = tf.constant(np.random.default_rng(0).normal(size=(5, 7)), "float32")
    with tf.GradientTape() as tape:
        tape.watch(low)
        high = load_saved_split(folder).interpret(low)
    found = tape.gradient(high, low)
    with tf.GradientTape() as tape:
        tape.watch(low)
        high = model.get_layer("high")(low)
    np.testing.assert_allclose(found, tape.gradient(high, low), rtol=1e-5, atol=1e-7)
    kernel = model.get_layer("high").kernel.numpy()  # d tanh(x W + b) / dx, by hand
    np.testing.assert_allclose(found, (1 - high.numpy() ** 2) @ kernel.T, rtol=1e-4, atol=1e-6)


def test_it_teaches_as_the_model_does_and_stays_as_it_was(model, folder):
    teacher = load_saved_split(folder)
    before = numbers(teacher.layers[0])
    assert len(before) == len(model.variables)
    ends = []
    for split, compiling in (
        (teacher, {"jit_compile": True}),
        (split_model(model, "low", "high"), {"run_eagerly": True}),
    ):
        distiller = fit(split, talking(), **compiling)
        ends.append(numbers(distiller.student.layers[0]) + numbers(distiller.method))
    for one, other in zip(*ends, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)
    for old, now in zip(before, numbers(teacher.layers[0]), strict=True):
        np.testing.assert_array_equal(old, now)


def test_its_weights_are_neither_trained_nor_saved(folder, tmp_path):
    teacher = load_saved_split(folder)
    assert teacher.layers[0].trainable_variables == []
    distiller = fit(teacher, FitNet(hidden_dim=9), run_eagerly=True)
    own = {id(v.value) for v in distiller.variables}
    assert not own & {id(v.value) for v in teacher.layers[0].variables}
    distiller.save(tmp_path / "distiller.keras")
    loaded = keras.models.load_model(tmp_path / "distiller.keras")
    assert loaded.teacher is None
    assert len(loaded.weights) == len(distiller.weights)
    np.testing.assert_allclose(loaded.predict(X, verbose=0), distiller.predict(X, verbose=0))


def test_states_in_half_precision_are_understood(model, folder):
    teacher = load_saved_split(folder)
    low = np.random.default_rng(0).normal(size=(5, 7)).astype("float16")
    found = teacher.interpret(tf.constant(low))
    assert found.dtype == tf.float32
    np.testing.assert_allclose(found, model.get_layer("high")(low.astype("float32")), rtol=1e-5)


def test_rooms_may_have_other_names_and_layers_of_keras_do_too(model, folder):
    class Rooms(tf.Module):
        def __init__(self):
            self.low, self.high, self.out = (
                tf.Variable(model.get_layer(name).kernel.value) for name in ("low", "high", "out")
            )

        @tf.function(input_signature=[tf.TensorSpec((None, 3), name="x")])
        def embed(self, x):
            return tf.tanh(x @ self.low)

        @tf.function(input_signature=[tf.TensorSpec((None, 7), name="s")])
        def body(self, s):
            return tf.tanh(s @ self.high)

        @tf.function(input_signature=[tf.TensorSpec((None, 6), name="e")])
        def score(self, e):
            return {"rating": e @ self.out}

    rooms, path = Rooms(), folder.parent / "module"
    signatures = {"one": rooms.embed, "two": rooms.body, "three": rooms.score}
    tf.saved_model.save(rooms, path, signatures=signatures)
    expected = rooms.score(rooms.body(rooms.embed(X)))["rating"]
    by_attribute = load_saved_split(path, lower="embed", middle="body", head="score")
    by_signature = load_saved_split(path, lower="one", middle="two", head="three")
    by_keras = ModelSplit(
        *(layers.TFSMLayer(str(path), call_endpoint=name) for name in ("embed", "body", "score")),
        output="rating",
    )
    for teacher in (by_attribute, by_signature, by_keras):
        before = [v for layer in teacher.layers for v in numbers(layer)]
        assert len(before) == 3
        prediction = teacher.distilled(teacher(X)).prediction
        np.testing.assert_allclose(prediction, expected, rtol=1e-5, atol=1e-6)
        fit(teacher, talking(), run_eagerly=True)
        after = [v for layer in teacher.layers for v in numbers(layer)]
        for old, now in zip(before, after, strict=True):
            np.testing.assert_array_equal(old, now)


def test_targets_are_kept_by_weights_and_rows(folder):
    targets = TeacherTargets()
    first = targets(load_saved_split(folder), X)
    assert targets(load_saved_split(folder), X) is first
    other = X.copy()
    other[29, 2] += 1
    assert abs(targets(load_saved_split(folder), other).low[29] - first.low[29]).max() > 1e-3


def test_a_change_of_weights_that_the_first_rows_do_not_show_is_seen(tmp_path):
    table = layers.Embedding(30, 4, name="low")
    users = keras.Input((), dtype="int32")
    high = layers.Dense(3, name="high")(table(users))
    model = keras.Model(users, layers.Dense(1)(high))
    split, ids, targets = split_model(model, "low", "high"), np.arange(30), TeacherTargets()
    save_split(split, tmp_path / "before", model.input)
    table.embeddings.assign(table.embeddings.numpy() + (np.arange(30) == 29)[:, None])
    save_split(split, tmp_path / "after", model.input)
    before, after = (targets(load_saved_split(tmp_path / n), ids) for n in ("before", "after"))
    np.testing.assert_array_equal(before.low[:29], after.low[:29])
    np.testing.assert_allclose(after.low[29], before.low[29] + 1, rtol=1e-5)


# One endpoint


@pytest.mark.parametrize("endpoint", ["serve", "serving_default"])
def test_one_endpoint_is_enough_for_label_distillation(model, folder, endpoint):
    teacher = load_saved_model(folder, endpoint)
    assert tuple(teacher.shapes) == (None, None, (None, 1))
    np.testing.assert_allclose(teacher(X).prediction, numpy_trace(model, X)[2], rtol=1e-5)
    before = numbers(teacher.layers[0])
    assert len(before) == len(model.variables)
    ends = []
    for split, compiling in (
        (teacher, {"jit_compile": True}),
        (split_model(model, "low", "high"), {"run_eagerly": True}),
    ):
        distiller = fit(split, LabelDistillation(), **compiling)
        ends.append(numbers(distiller.student.layers[0]))
    for one, other in zip(*ends, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)
    for old, now in zip(before, numbers(teacher.layers[0]), strict=True):
        np.testing.assert_array_equal(old, now)


def test_a_layer_of_keras_predicts_too(model, folder):
    teacher = Predictor(layers.TFSMLayer(str(folder), call_endpoint="serve"))
    before = numbers(teacher.layers[0])
    distiller = fit(teacher, LabelDistillation(), run_eagerly=True)
    own = {id(v.value) for v in distiller.variables}
    assert not own & {id(v.value) for v in teacher.layers[0].variables}
    for old, now in zip(before, numbers(teacher.layers[0]), strict=True):
        np.testing.assert_array_equal(old, now)


@pytest.fixture(scope="module")
def recommender(tmp_path_factory):
    """A model of strings and integers with two outputs, and where it is exported."""
    user = keras.Input((), dtype="string", name="user")
    movie = keras.Input((), dtype="int32", name="movie")
    known = layers.StringLookup(vocabulary=["ann", "bob"])(user)
    both = [layers.Embedding(3, 4)(known), layers.Embedding(9, 4)(movie)]
    x = layers.Dense(5, name="high")(layers.Concatenate(name="low")(both))
    outputs = {"stars": layers.Dense(1)(x), "click": layers.Dense(2)(x)}
    model = keras.Model({"user": user, "movie": movie}, outputs)
    path = tmp_path_factory.mktemp("saved") / "recommender"
    split = split_model(model, "low", "high", output="stars")
    save_split(split, path, {"user": np.array(["ann"]), "movie": np.array([1], "int32")})
    return model, path


ROWS = {
    "user": np.array(["ann", "bob", "eve"]),
    "movie": np.array([1, 8, 0], "int64"),
    "not asked for": np.zeros(3),
}


@pytest.mark.parametrize("endpoint", ["serve", "serving_default"])
def test_inputs_go_by_name_and_one_of_several_outputs_is_distilled(recommender, endpoint):
    model, path = recommender
    expected = model({"user": tf.constant(ROWS["user"]), "movie": tf.constant(ROWS["movie"])})
    for output in ("stars", "click"):
        teacher = load_saved_model(path, endpoint, output=output)
        found = teacher.distilled(teacher(ROWS)).prediction
        np.testing.assert_allclose(found, expected[output], rtol=1e-5)
        assert teacher.shapes.prediction == (None, expected[output].shape[1])
    split = load_saved_split(path, output="click")
    np.testing.assert_allclose(
        split.distilled(split(ROWS)).prediction, expected["click"], rtol=1e-5
    )
    assert TeacherTargets()(split, ROWS).prediction.shape == (3, 2)


def test_saved_split_keeps_its_input_map(model, tmp_path):
    split = split_model(model, "low", "high", input_map=lambda x: x["big"])
    save_split(split, tmp_path / "mapped", {"big": X, "small": Y})
    teacher = load_saved_split(tmp_path / "mapped")
    found = teacher({"big": X, "small": Y})
    np.testing.assert_allclose(found.prediction, split({"big": X}).prediction, rtol=1e-5)


# What is refused


@pytest.mark.parametrize("load", [load_saved_model, load_saved_split])
def test_no_saved_model(model, tmp_path, load):
    with pytest.raises(FileNotFoundError, match="Received: '.*nothing', where there is nothing"):
        load(tmp_path / "nothing")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=r"with a file saved_model.pb. Received: '.*empty'"):
        load(tmp_path / "empty")
    model.save(tmp_path / "model.keras")
    with pytest.raises(ValueError, match=r"Load a .keras file with keras.models.load_model"):
        load(tmp_path / "model.keras")


def test_unknown_endpoint(folder):
    present = "'serve', 'serving_default', 'lower', 'middle', 'head'"
    with pytest.raises(ValueError, match="Received: 'score' for .* whose endpoints are:") as error:
        load_saved_model(folder, "score")
    assert set(str(error.value).split("are: ")[1].rstrip(".").split(", ")) == set(
        present.split(", ")
    )
    with pytest.raises(ValueError, match="Received: 'embed', 'body' for "):
        load_saved_split(folder, lower="embed", middle="body")


@pytest.mark.parametrize("endpoint", ["serve", "serving_default"])
def test_output_that_is_not_named(recommender, endpoint):
    _, path = recommender
    with pytest.raises(ValueError, match="output=None .* which has the outputs ") as error:
        load_saved_model(path, endpoint)
    assert "'stars'" in str(error.value)
    assert "'click'" in str(error.value)
    with pytest.raises(ValueError, match="`output` must be the key .* Received: 'score'"):
        load_saved_model(path, endpoint, output="score")


def test_inputs_that_lack_one(recommender):
    teacher = load_saved_model(recommender[1], output="stars")
    with pytest.raises(ValueError, match=r"takes the inputs \['movie', 'user'\]. Received: \['us"):
        teacher({"user": ROWS["user"]})
    with pytest.raises(ValueError, match=r"Received: ndarray, without .* Pass input_map=..."):
        teacher(ROWS["user"])


def test_outputs_of_unknown_shape(tmp_path):
    class Free(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec(None, name="x")])
        def double(self, x):
            return 2 * x

        @tf.function(input_signature=[tf.TensorSpec((None, None), name="x")])
        def triple(self, x):
            return 3 * x

    tf.saved_model.save(Free(), tmp_path / "free")
    with pytest.raises(ValueError, match="number of axes of an output must be known.*'double'"):
        load_saved_model(tmp_path / "free", "double")
    names = dict.fromkeys(("lower", "middle", "head"), "triple")
    with pytest.raises(ValueError, match="A state must be one tensor whose last axis is known"):
        load_saved_split(tmp_path / "free", **names)
    teacher = load_saved_model(tmp_path / "free", "triple")
    np.testing.assert_allclose(teacher(X).prediction, 3 * X, rtol=1e-6)


@pytest.mark.parametrize("method", [TalkingModels(1), FitNet()])
def test_method_that_reads_states_of_one_endpoint(folder, method):
    teacher = load_saved_model(folder)
    with pytest.raises(ValueError, match=f"{type(method).__name__} reads .*low, high"):
        Distiller(student_and_teacher()[0], teacher, method)


@pytest.mark.parametrize("load", [load_saved_model, load_saved_split])
def test_another_backend_is_refused(folder, load, monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(RuntimeError, match="Received: the backend 'jax'. Set KERAS_BACKEND=ten"):
        load(folder)


def test_nothing_is_overwritten(model, folder):
    with pytest.raises(FileExistsError, match="written to a new folder. Received: '.*teacher'"):
        save_split(split_model(model, "low", "high"), folder, X)


def test_only_rooms_are_saved(model, tmp_path):
    with pytest.raises(ValueError, match=r"Received: a tdrec.Predictor. Export its model"):
        save_split(Predictor(model), tmp_path / "teacher", X)


def test_nothing_is_left_behind_when_writing_fails(model, tmp_path):
    # A table that no layer owns cannot be saved.
    table = tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer([1], [2]), 0)
    split = ModelSplit(
        lambda x: x + tf.cast(table[tf.cast(x, "int32")], "float32"),
        lambda low: low,
        lambda high: high,
        model=model,
    )
    with pytest.raises(AssertionError, match="'untracked' resource"):
        save_split(split, tmp_path / "teacher", X)
    assert list(tmp_path.iterdir()) == []
