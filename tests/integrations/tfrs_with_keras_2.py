"""The tests of `tdrec.integrations.tfrs` that need Keras 2; `test_tfrs.py` runs them."""

import importlib
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_recommenders as tfrs

import numpy_reference as reference
import small_movielens
import tdrec
from small_models import inputs_and_ratings, numpy_layer, numpy_trace, randomise, small_model
from tdrec.data import load
from tdrec.distill.methods import METHODS
from tdrec.integrations.tfrs import Distillation, _check_keras_2, split_model
from test_docstrings import EXAMPLES, run

X, Y = inputs_and_ratings()
WEIGHT = np.arange(12, dtype="float32") / 4
ROWS = {"x": X, "y": Y}
SIZES = {"message_dim": 6, "hidden_dim": 9}
TD_TERMS = ["interaction_loss_1", "interaction_loss_2", "message_loss", "state_loss"]


def keras_2_model(low=5, high=4, seed=0):
    """The Keras 2 twin of `small_model`."""
    tf.keras.utils.set_random_seed(seed)

    def dense(units, name, activation=None):
        return tf.keras.layers.Dense(units, activation, name=name, bias_initializer="normal")

    inputs = tf.keras.Input((3,))
    x = dense(high, "high", "tanh")(dense(low, "low", "tanh")(inputs))
    return tf.keras.Model(inputs, dense(1, "out")(x))


def of_x(features):
    return features["x"]


def teacher_of(keras_version=3):
    """The split of a teacher, and its model."""
    if keras_version == 3:
        model = small_model(7, 6, seed=50)
        return tdrec.split_model(model, "low", "high", input_map=of_x), model
    model = keras_2_model(7, 6, seed=50)
    return split_model(model, "low", "high", input_map=of_x), model


class Ranker(tfrs.Model):
    def __init__(self, student, teacher, method):
        super().__init__()
        self.student = student
        self.task = tfrs.tasks.Ranking(
            loss=tf.keras.losses.MeanSquaredError(),
            metrics=[tf.keras.metrics.RootMeanSquaredError(name="rmse")],
        )
        rooms = (student.get_layer(name) for name in ("low", "high", "out"))
        self.distillation = Distillation(tdrec.ModelSplit(*rooms, input_map=of_x), teacher, method)

    def call(self, features):
        return self.student(features["x"])

    def compute_loss(self, features, training=False):
        features = dict(features)
        rating, weight = features.pop("y"), features.pop("weight", None)
        trace = self.distillation.trace(features, training=training)
        return self.task(rating, trace.prediction, weight) + self.distillation(
            features, trace, sample_weight=weight, training=training
        )


def make(method=None, teacher=None, seed=0, **compiling):
    """A compiled `Ranker` of small models; eager, since most tests take a few steps."""
    keras.utils.set_random_seed(seed)
    method = method or tdrec.TalkingModels(2, **SIZES)
    model = Ranker(keras_2_model(seed=seed), teacher or teacher_of()[0], method)
    model.compile(**{"optimizer": tf.keras.optimizers.SGD(0.1), "run_eagerly": True, **compiling})
    return model


def fit(model, rows=ROWS, batch_size=12, **arguments):
    data = tf.data.Dataset.from_tensor_slices(rows).batch(batch_size)
    return model.fit(data, verbose=0, **arguments).history


def numbers(layer):
    return [v.numpy() for v in layer.variables]


def results(model):
    return {metric.name: metric.result().numpy() for metric in model.metrics}


# The value


@pytest.mark.parametrize("keras_version", [2, 3])
@pytest.mark.parametrize("shape", [None, (12,), (12, 1)], ids=["plain", "weighted", "column"])
def test_the_loss_is_that_of_the_equations(shape, keras_version):
    teacher, teacher_model = teacher_of(keras_version)
    method = tdrec.TalkingModels(
        2, **SIZES, interaction_weight=2.0, message_weight=0.5, state_weight=3.0
    )
    model = make(method, teacher)
    weight = None if shape is None else WEIGHT.reshape(shape)
    rows = ROWS if weight is None else {**ROWS, "weight": weight}
    model.compute_loss(rows)  # makes the encoders and decoders
    randomise(method, 1)
    model.reset_metrics()
    own, its = numpy_trace(model.student, X), numpy_trace(teacher_model, X)
    speakers = (
        reference.speaker(
            getattr(method, f"{name}_encoder"),
            getattr(method, f"{name}_decoder"),
            numpy_layer(its_model, "high"),
        )
        for name, its_model in (("student", model.student), ("teacher", teacher_model))
    )
    raw = reference.talking_models(own[:2], its[:2], *speakers, 2, weight=weight)
    factors = {name: 2.0 for name in TD_TERMS[:2]} | {"message_loss": 0.5, "state_loss": 3.0}
    expected = {name: factors[name] * raw[name] for name in TD_TERMS}
    task_loss = reference.mean(reference.l2(own[2], Y), weight)
    loss = model.compute_loss(rows)
    np.testing.assert_allclose(loss, task_loss + sum(expected.values()), rtol=1e-5)
    found = results(model)
    assert set(found) == {"rmse", *TD_TERMS}
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-5, err_msg=name)


def test_how_far_a_teacher_is_trusted_is_not_known_in_a_batch():
    with pytest.raises(ValueError, match="of all rows, which a task .* Received: .*`trust`"):
        make(METHODS["trusted_ld"](task="regression"), teacher_of()[0])


@pytest.mark.parametrize("name", [n for n in METHODS if n != "trusted_ld"])
def test_each_method_gives_what_it_gives_by_itself(name):
    named = {"task": "regression"} if name in ("ld", "hybrid") else {}  # no loss is known here
    method = METHODS[name](**named)
    teacher, teacher_model = teacher_of()
    model = make(method, teacher)
    trace = model.distillation.trace(ROWS)
    found = model.distillation(ROWS, trace, sample_weight=WEIGHT)
    (low, high, prediction), its = trace, tdrec.Trace(*numpy_trace(teacher_model, X))
    terms = method.compute_loss(
        tdrec.Trace(low.numpy(), high.numpy(), prediction.numpy()),
        tdrec.Trace(*(tf.constant(t, "float32") for t in its)),
        student_middle=model.distillation.student.interpreter(ROWS),
        teacher_middle=teacher.interpreter(ROWS),
        sample_weight=WEIGHT,
    )
    np.testing.assert_allclose(found, sum(float(t) for t in terms.values()), rtol=1e-5)
    assert (found > 0) == (name != "scratch")


def test_terms_are_means_over_rows():
    model = make()
    whole = model.evaluate(tf.data.Dataset.from_tensors(ROWS), return_dict=True, verbose=0)
    batches = tf.data.Dataset.from_tensor_slices(ROWS).batch(5)  # of 5, 5 and 2 rows
    found = model.evaluate(batches, return_dict=True, verbose=0)
    for name in ("rmse", *TD_TERMS):
        np.testing.assert_allclose(found[name], whole[name], rtol=1e-5, err_msg=name)


# The step


@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
def test_a_step_is_that_of_the_distiller(weighted):
    teacher, _ = teacher_of()
    model = make(teacher=teacher)
    rows = {**ROWS, "weight": WEIGHT} if weighted else ROWS
    model.compute_loss(rows)
    twin = small_model()
    twin.set_weights(model.student.get_weights())
    student = tdrec.split_model(twin, "low", "high", input_map=of_x)
    distiller = tdrec.Distiller(student, teacher, tdrec.TalkingModels(2, **SIZES))
    distiller.method.set_weights(numbers(model.distillation.method))
    distiller.compile(keras.optimizers.SGD(0.1), loss="mse", run_eagerly=True)
    before = numbers(twin) + numbers(distiller.method)
    expected = distiller.fit(
        {"x": X}, Y, sample_weight=WEIGHT if weighted else None, batch_size=12, verbose=0
    ).history
    found = fit(model, rows)
    for name in ("loss", *TD_TERMS):
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-5, err_msg=name)
    mine = numbers(model.student) + numbers(model.distillation.method)
    its = numbers(twin) + numbers(distiller.method)
    assert len(mine) == 3 * 2 + 4 * 6
    for a, b, start in zip(mine, its, before, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)
        assert abs(a - start).max() > 0


@pytest.mark.parametrize(
    ("keras_version", "compiling"),
    [
        (2, {"run_eagerly": True}),
        (3, {"jit_compile": False}),
        (3, {"jit_compile": True}),
    ],
    ids=["Keras 2, eager", "Keras 3, graph", "Keras 3, jit"],
)
def test_student_encoders_and_decoders_learn_and_the_teacher_does_not(keras_version, compiling):
    teacher, teacher_model = teacher_of(keras_version)
    method = tdrec.TalkingModels(1, **SIZES, linear=True)
    model = make(method, teacher, **{"run_eagerly": False, **compiling})
    first = fit(model)
    before, its = numbers(model.student) + numbers(method), numbers(teacher_model)
    history = fit(model, epochs=3)
    terms = {"interaction_loss_1", "message_loss", "state_loss"}
    assert set(history) == {"rmse", "loss", "regularization_loss", "total_loss", *terms}
    for name in ("loss", *terms):
        assert history[name][-1] < first[name][0], name
    after = numbers(model.student) + numbers(method)
    assert all(abs(a - b).max() > 0 for a, b in zip(before, after, strict=True))
    assert len(model.trainable_variables) == len(after) == 3 * 2 + 4 * 2
    for value, now in zip(its, numbers(teacher_model), strict=True):
        assert value.tobytes() == now.tobytes()


def test_a_step_runs_each_model_once_on_the_data():
    calls = []

    def counted(who, model):
        def room(name):
            def run(x):
                calls.append(f"{who} {name}")
                return model.get_layer(name)(x)

            return run

        return tdrec.ModelSplit(room("low"), room("high"), room("out"), input_map=of_x)

    model = make(teacher=counted("teacher", teacher_of()[1]))
    model.distillation.student = counted("student", model.student)
    model.compute_loss(ROWS, training=True)
    # Twice interpreted by the teacher, and once by the student between the rounds.
    counts = {name: calls.count(name) for name in set(calls)}
    assert {name for name, n in counts.items() if n == 1} == {
        f"{who} {room}" for who in ("student", "teacher") for room in ("low", "out")
    }
    assert (counts["student high"], counts["teacher high"]) == (1 + 1, 1 + 2)


def test_a_teacher_that_the_method_does_not_read_is_not_run():
    broken = tdrec.ModelSplit(lambda x: 1 / 0, lambda low: 1 / 0, lambda high: 1 / 0)
    history = fit(make(tdrec.Scratch(), broken))
    expected = np.mean((numpy_trace(keras_2_model(), X)[2] - Y) ** 2)
    np.testing.assert_allclose(history["loss"], [expected], rtol=1e-5)


def test_noise_and_dropout_of_the_method_act_in_training_only():
    model = make(tdrec.TalkingModels(1, **SIZES, noise=1.0, dropout=0.5))
    trace = model.distillation.trace(ROWS)
    still = [float(model.distillation(ROWS, trace)) for _ in range(2)]
    moved = [float(model.distillation(ROWS, trace, training=True)) for _ in range(2)]
    assert still[0] == still[1]
    assert len({*still, *moved}) == 3
    fit(model)  # random states are no weights to train, and are kept
    states = [v for v in model.distillation.variables if not v.trainable]
    assert len(states) == len(model.distillation.method.non_trainable_variables) > 0


# Layers that act otherwise in training


class Rater(tf.keras.Model):
    """A subclassed student whose `training` reaches it in each of the ways there are."""

    def __init__(self):
        super().__init__()
        self.first = tf.keras.layers.Dense(5, "tanh")
        self.norm = tf.keras.layers.BatchNormalization()
        self.body = tf.keras.Sequential(
            [tf.keras.layers.Dense(40, "tanh"), tf.keras.layers.Dropout(0.5)]
        )
        self.out = tf.keras.layers.Dense(1)

    def lower(self, features, training=False):
        return self.norm(self.first(features["x"]), training=training)


def test_training_reaches_the_student_and_not_what_is_interpreted():
    student = Rater()
    split = tdrec.ModelSplit(student.lower, student.body, student.out)
    task = Distillation(split, teacher_of()[0], tdrec.TalkingModels(2, **SIZES))
    served = task.trace(ROWS)
    np.testing.assert_array_equal(served.low, student.lower(ROWS))
    np.testing.assert_array_equal(served.high, student.body(served.low))
    mean = student.norm.moving_mean.numpy()
    trained = task.trace(ROWS, training=True)
    task(ROWS, trained, training=True)
    assert np.mean(trained.high.numpy() == 0) > 0.3  # dropped
    # One step towards the batch's mean: Keras's momentum is 0.99.
    batch = student.first(X).numpy().mean(0)
    moved = student.norm.moving_mean.numpy()
    np.testing.assert_allclose(moved, 0.99 * mean + 0.01 * batch, rtol=1e-4, atol=1e-7)
    interpreted = task.student.interpret(served.low)
    np.testing.assert_array_equal(interpreted, served.high)


def test_rooms_that_take_no_training_act_as_when_served():
    model, drop = keras_2_model(), tf.keras.layers.Dropout(0.5)
    low, high, out = (model.get_layer(name) for name in ("low", "high", "out"))
    split = tdrec.ModelSplit(low, lambda state: drop(high(state)), out, input_map=of_x)
    task = Distillation(split, teacher_of()[0], tdrec.TalkingModels(2, **SIZES))
    trace = task.trace(ROWS, training=True)
    np.testing.assert_array_equal(trace.prediction, model(X))
    values = {float(task(ROWS, trace, training=training)) for training in (True, True, False)}
    assert len(values) == 1


# What is saved


def test_the_saved_model_serves_the_same_with_nothing_of_the_distillation(tmp_path):
    model = make()
    fit(model)
    expected = model.predict({"x": X}, verbose=0)
    model.save(tmp_path / "ranker")
    loaded = tf.saved_model.load(str(tmp_path / "ranker"))
    serve = loaded.signatures["serving_default"]
    inputs = {name: ROWS[name] for name in serve.structured_input_signature[1]}
    (found,) = serve(**inputs).values()
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    shapes = sorted(tuple(v.shape) for v in serve.variables)
    assert shapes == sorted(v.shape for v in model.student.get_weights())
    stored = tf.train.list_variables(str(tmp_path / "ranker" / "variables" / "variables"))
    assert not {(3, 7), (7, 6), (6, 1)} & {tuple(shape) for _, shape in stored}  # the teacher's
    reloaded = tf.keras.models.load_model(tmp_path / "ranker")
    np.testing.assert_allclose(
        reloaded.predict({"x": X}, verbose=0), expected, rtol=1e-5, atol=1e-6
    )


def test_the_student_alone_is_saved_without_a_trace_of_it(tmp_path):
    model = make()
    fit(model)
    tf.saved_model.save(model.student, str(tmp_path / "student"))
    stored = tf.train.list_variables(str(tmp_path / "student" / "variables" / "variables"))
    shapes = sorted(tuple(shape) for name, shape in stored if "/.ATTRIBUTES" in name)
    assert shapes == sorted(v.shape for v in model.student.get_weights())
    loaded = tf.saved_model.load(str(tmp_path / "student"))
    (found,) = loaded.signatures["serving_default"](tf.constant(X)).values()
    np.testing.assert_allclose(found, model.predict({"x": X}, verbose=0), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("file", ["checkpoint", "model.weights.h5"])
def test_weights_saved_and_loaded_go_on_as_if_nothing_had_been(tmp_path, file):
    model = make(tdrec.TalkingModels(1, **SIZES, linear=True))
    fit(model)
    model.save_weights(tmp_path / file)
    other = make(tdrec.TalkingModels(1, **SIZES, linear=True), seed=3)
    if file.endswith("h5"):  # which can only fill variables that exist
        other.compute_loss(ROWS)
    other.load_weights(tmp_path / file)
    other.compute_loss(ROWS)
    for a, b in zip(model.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    expected, found = fit(model, epochs=2), fit(other, epochs=2)
    np.testing.assert_allclose(found["loss"], expected["loss"], rtol=1e-5)


# Cuts of Keras 2 models


def test_split_model_makes_the_three_rooms():
    model = keras_2_model()
    split = split_model(model, "low", "high")
    for found, expected in zip(split(X), numpy_trace(model, X), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    again = split_model(model, "low", "high")  # a cut leaves the model as it was
    np.testing.assert_array_equal(again(X).prediction, model(X))
    assert len(model.trainable_variables) == 6


def test_split_model_of_a_sequential_model_passes_training_on():
    layers = tf.keras.layers
    model = tf.keras.Sequential(
        [layers.Dense(40, name="low"), layers.Dropout(0.5), layers.Dense(3, name="high")]
    )
    model.add(layers.Dense(1))
    with pytest.raises(TypeError, match="functional and built Sequential.*Received: <tf_keras"):
        split_model(model, "low", "high")
    served = model(X)
    split = split_model(model, "low", "high")
    np.testing.assert_array_equal(split(X).prediction, served)
    assert abs(split(X, training=True).prediction - served).numpy().max() > 0


def test_split_model_refuses_what_cannot_be_cut():
    inputs = tf.keras.Input((3,))
    low = tf.keras.layers.Dense(4, name="low")(inputs)
    high = tf.keras.layers.Dense(4, name="high")(low)
    model = tf.keras.Model(inputs, tf.keras.layers.Dense(1, name="out")(high + low))
    with pytest.raises(ValueError, match="Received: low='low' and high='high', where a connection"):
        split_model(model, "low", "high")
    with pytest.raises(ValueError, match="in the order lower, middle, head"):
        split_model(keras_2_model(), "high", "low")
    with pytest.raises(ValueError, match="No such layer: body. Existing layers are"):
        split_model(keras_2_model(), "body", "high")
    with pytest.raises(TypeError, match="cut a Keras 3 model with tdrec.split_model"):
        split_model(small_model(), "low", "high")


# What is refused


def test_wrong_types_are_refused():
    teacher = teacher_of()[0]
    student = split_model(keras_2_model(), "low", "high", input_map=of_x)
    method = tdrec.LabelDistillation(task="regression")
    with pytest.raises(TypeError, match="`student` must be a ModelSplit, such as .* Received: <tf"):
        Distillation(keras_2_model(), teacher, method)
    with pytest.raises(TypeError, match="`teacher` must be a ModelSplit.* Received: None"):
        Distillation(student, None, method)
    with pytest.raises(TypeError, match="`method` must be a Method.* Received: 'td'"):
        Distillation(student, teacher, "td")
    with pytest.raises(TypeError, match="layers of Keras 3, .'small'.. Teach a Keras 3 student"):
        Distillation(tdrec.split_model(small_model(), "low", "high"), teacher, method)
    task = Distillation(student, teacher, method)
    with pytest.raises(TypeError, match=r"`trace` must be a Trace, such as self.distillation.trac"):
        task(ROWS, task.trace(ROWS).prediction)


def test_a_keras_3_teacher_with_weights_of_nan_is_refused():
    split, model = teacher_of()
    model.get_layer("low").bias.assign([np.nan] * 7)
    with pytest.raises(ValueError, match="7 of 7 numbers of .*low/bias.* are NaN"):
        make(teacher=split)


def test_a_teacher_without_states_gives_labels_and_nothing_else():
    teacher_model = small_model(7, 6)
    teacher = tdrec.Predictor(teacher_model, input_map=of_x)
    model = make(tdrec.LabelDistillation(0.5, "regression"), teacher)
    model.compute_loss(ROWS)
    own, its = numpy_trace(model.student, X)[2], numpy_trace(teacher_model, X)[2]
    expected = 0.5 * np.mean((own - its) ** 2)
    np.testing.assert_allclose(results(model)["label_loss"], expected, rtol=1e-5)
    with pytest.raises(
        ValueError, match="TalkingModels reads .* a teacher, or .* without low, high"
    ):
        make(teacher=teacher).compute_loss(ROWS)


def carried_teacher():
    """A teacher of Keras 3 in which something skips around the cut."""
    inputs = keras.Input((3,))
    low = keras.layers.Dense(7, "tanh", name="low")(inputs)
    high = keras.layers.Dense(6, "tanh", name="high")(keras.layers.Concatenate()([low, inputs]))
    out = keras.layers.Dense(1)(keras.layers.Concatenate()([high, inputs]))
    model = keras.Model(inputs, out)
    return tdrec.split_model(model, "low", "high", carry=True, input_map=of_x)


def test_a_teacher_that_carries_interprets_with_what_its_rows_carry():
    history = fit(make(tdrec.TalkingModels(2, **SIZES), carried_teacher()), epochs=2)
    for name in TD_TERMS:
        assert np.isfinite(history[name]).all()


def test_a_student_that_is_not_cut_learns_labels():
    teacher, _ = teacher_of()
    model = make(tdrec.LabelDistillation(0.5, "regression"), teacher)
    model.compute_loss(ROWS)
    expected = results(model)["label_loss"]
    other = make(tdrec.LabelDistillation(0.5, "regression"), teacher)
    other.distillation.student = tdrec.Predictor(other.student, input_map=of_x)
    other.compute_loss(ROWS)
    assert results(other)["label_loss"] == expected


def test_weights_for_the_distillation_alone():
    model = make(tdrec.TalkingModels(1, **SIZES))
    trace = model.distillation.trace(ROWS)
    expected = float(model.distillation(ROWS, trace, WEIGHT))
    weights = tdrec.SampleWeights(task=None, distillation=WEIGHT)
    assert float(model.distillation(ROWS, trace, weights)) == expected


@pytest.mark.parametrize("package", ["tf_keras", "tensorflow_recommenders"])
def test_a_missing_package_is_named_with_the_line_that_installs_it(package, monkeypatch):
    _check_keras_2()
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(
        ImportError,
        match=f"Missing: {package}. Install: pip install tensorflow-recommenders tf_keras",
    ):
        _check_keras_2()


@pytest.mark.parametrize(
    "docstring",
    [each for each in EXAMPLES if each.module == "tdrec.integrations.tfrs"],
    ids=lambda docstring: docstring.name,
)
def test_docstrings_example(docstring):
    run(docstring)


# The examples, compiled by XLA and in mixed bfloat16, as the others are


@pytest.mark.parametrize("example", ["tfrs_ranking", "tfrs_ranking_td"])
def test_example(example, monkeypatch, capsys):
    module = importlib.import_module(example)
    few = small_movielens.of_some_users(4, load("simulated"))
    for owner in ("tfrs_ranking", "tfrs_ranking_td"):
        if hasattr(sys.modules.get(owner), "load"):
            monkeypatch.setattr(sys.modules[owner], "load", lambda source: few)
    tf.keras.mixed_precision.set_global_policy("mixed_bfloat16")
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        module.main(steps=20, jit_compile=True)
    finally:
        tf.keras.mixed_precision.set_global_policy("float32")
        keras.config.set_dtype_policy("float32")
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["simulated", lines[1]]
    assert "SIMULATED" in lines[1]
    assert 0.9 < float(lines[-1].removeprefix("RMSE ")) < 1.4
    (log,) = (line for line in lines if "rmse" in line)
    assert ("interaction_loss_2" in log) == example.endswith("_td")
