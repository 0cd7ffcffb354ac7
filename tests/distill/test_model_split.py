"""A split gives what the model gives, and leaves the model as it is."""

import keras
import numpy as np
import pytest
from keras import layers

from small_models import (
    Subclassed,
    inputs_and_ratings,
    nested,
    numpy_trace,
    sequential,
    small_model,
    two_inputs,
    with_skip,
)
from tdrec.distill.cut import split_model
from tdrec.distill.model_split import ModelSplit

X, Y = inputs_and_ratings()


def assert_trace_is_that_of(split, model, low, high, x=X):
    """The prediction is the model's, and the states are what its layers give."""
    trace = split(x)
    np.testing.assert_allclose(trace.prediction, model(x), rtol=1e-6)
    between = keras.Model(model.input, [low.output, high.output])
    for state, expected in zip(trace[:2], between(x), strict=True):
        np.testing.assert_allclose(state, expected, rtol=1e-6)
    understood, judged = split.interpreter(x).judge(trace.low)
    np.testing.assert_allclose(understood, trace.high, rtol=1e-6)
    np.testing.assert_allclose(judged, trace.prediction, rtol=1e-6)
    shapes = [(None, *tensor.shape[1:]) for tensor in trace]
    assert [tuple(shape) for shape in split.shapes] == shapes


def test_functional_model():
    model = small_model()
    split = split_model(model, "low", "high")
    for tensor, expected in zip(split(X), numpy_trace(model, X), strict=True):
        np.testing.assert_allclose(tensor, expected, rtol=1e-5, atol=1e-6)
    assert split.cut == ("low", "high", False)
    assert split.layers == (model,)
    assert split.shapes == ((None, 5), (None, 4), (None, 1))


def test_sequential_model():
    model = sequential()
    split = split_model(model, "a", "b")
    trace = split(X)
    low = model.get_layer("a")(X)
    np.testing.assert_allclose(trace.low, low, rtol=1e-6)
    np.testing.assert_allclose(trace.high, model.get_layer("b")(low), rtol=1e-6)
    np.testing.assert_allclose(trace.prediction, model(X), rtol=1e-6)
    assert split.shapes == ((None, 5), (None, 4), (None, 1))
    assert split.layers == (model,)


def test_states_need_not_be_neighbours():
    model = with_skip("b", "d")
    # The connection from b to d lies within the middle.
    split = split_model(model, "a", "d")
    x = np.ones((2, 4), "float32")
    assert_trace_is_that_of(split, model, model.get_layer("a"), model.get_layer("d"), x)


@pytest.mark.parametrize(
    ("low", "high"),
    [("backbone/block_1", "backbone/block_2"), ("stem", "backbone/block_3"), ("stem", "backbone")],
)
def test_path_into_a_nested_model(low, high):
    model = nested()
    split = split_model(model, low, high)
    trace = split(X)
    np.testing.assert_allclose(trace.prediction, model(X), rtol=1e-6)
    x = model.get_layer("stem")(X)
    states = {"stem": x}
    for layer in model.get_layer("backbone").layers[1:]:
        x = states[f"backbone/{layer.name}"] = layer(x)
    states["backbone"] = x
    np.testing.assert_allclose(trace.low, states[low], rtol=1e-6)
    np.testing.assert_allclose(trace.high, states[high], rtol=1e-6)


def test_path_into_a_nested_sequential_model():
    inner = keras.Sequential(
        [keras.Input((5,)), layers.Dense(5, name="block_1"), layers.Dense(5, name="block_2")],
        name="backbone",
    )
    model = nested(inner)
    trace = split_model(model, "backbone/block_1", "backbone/block_2")(X)
    expected = inner.layers[0](model.get_layer("stem")(X))
    np.testing.assert_allclose(trace.low, expected, rtol=1e-6)
    np.testing.assert_allclose(trace.prediction, model(X), rtol=1e-6)


def test_path_into_a_model_nested_twice():
    inputs = keras.Input((3,))
    outer = keras.Model(inputs, nested()(inputs), name="outer")
    split = split_model(outer, "whole/backbone/block_0", "whole/backbone/block_2")
    trace = split(X)
    backbone = outer.get_layer("whole").get_layer("backbone")
    x = backbone.get_layer("block_0")(outer.get_layer("whole").get_layer("stem")(X))
    np.testing.assert_allclose(trace.low, x, rtol=1e-6)
    for name in ("block_1", "block_2"):
        x = backbone.get_layer(name)(x)
    np.testing.assert_allclose(trace.high, x, rtol=1e-6)
    np.testing.assert_allclose(trace.prediction, outer(X), rtol=1e-6)


def test_dict_of_inputs():
    model = two_inputs(late=False)
    split = split_model(model, "low", "high")
    x = {"user": X, "movie": X[:, :2]}
    assert_trace_is_that_of(split, model, model.get_layer("low"), model.get_layer("high"), x)


def test_input_map_takes_the_models_part_of_the_inputs():
    model = small_model()
    split = split_model(model, "low", "high", input_map=lambda x: x["mine"])
    batch = {"mine": X, "of the other model": np.ones((12, 9))}
    np.testing.assert_array_equal(split(batch).prediction, split_model(model, "low", "high")(X)[2])
    rooms = (model.get_layer(name) for name in ("low", "high", "out"))
    split = ModelSplit(*rooms, input_map=lambda x: x["mine"])
    np.testing.assert_allclose(split(batch).prediction, model(X), rtol=1e-6)


def test_output_names_what_is_distilled():
    inputs = keras.Input((3,))
    low = keras.layers.Dense(5, name="low")(inputs)
    high = keras.layers.Dense(4, name="high")(low)
    heads = {n: keras.layers.Dense(i + 1, name=n)(high) for i, n in enumerate(("rating", "click"))}
    model = keras.Model(inputs, heads)
    split = split_model(model, "low", "high", output="click")
    assert split.shapes.prediction == (None, 2)
    trace = split(X)
    assert set(trace.prediction) == {"rating", "click"}
    distilled = split.distilled(trace)
    assert distilled.low is trace.low
    np.testing.assert_array_equal(distilled.prediction, model(X)["click"])
    unnamed = split_model(model, "low", "high")
    assert unnamed.shapes.prediction == {"rating": (None, 1), "click": (None, 2)}
    assert unnamed.distilled(trace).prediction is trace.prediction


def test_subclassed_model_by_layers():
    model = Subclassed()
    model(X)
    middle = keras.Sequential([model.second, model.norm])
    split = ModelSplit(lower=model.first, middle=middle, head=model.last)
    assert split.layers == (model.first, middle, model.last)
    np.testing.assert_allclose(split(X).prediction, model(X), rtol=1e-6)


def test_subclassed_model_by_bound_methods():
    model = Subclassed()
    model(X)
    split = ModelSplit(lower=model.embed, middle=model.body, head=model.last)
    assert split.layers == (model,)
    assert split.shapes is None
    trace = split(X)
    assert split.shapes == ((None, 5), (None, 4), (None, 1))
    np.testing.assert_allclose(trace.low, model.first(X), rtol=1e-6)
    np.testing.assert_allclose(trace.high, model.body(model.first(X)), rtol=1e-6)
    np.testing.assert_allclose(trace.prediction, model(X), rtol=1e-6)


def test_subclassed_model_by_functions_needs_an_owner_to_be_trained():
    model = Subclassed()
    model(X)
    functions = {
        "lower": lambda x: model.first(x),
        "middle": lambda low: model.body(low),
        "head": lambda high: model.last(high),
    }
    assert ModelSplit(**functions).layers == ()
    split = ModelSplit(**functions, model=model)
    assert split.layers == (model,)
    np.testing.assert_allclose(split(X).prediction, model(X), rtol=1e-6)


def test_training_reaches_the_rooms_that_take_it():
    seen = []

    def middle(low, training):
        seen.append(training)
        return low

    model = small_model()
    split = ModelSplit(lower=lambda x: x, middle=middle, head=lambda e: e, model=model)
    split(X, training=True)
    split(X)
    split.interpret(X)
    assert seen == [True, False, False]


def test_the_rooms_train_the_model_itself():
    model = small_model()
    before = [v.numpy() for v in model.variables]
    split = split_model(model, "low", "high")
    inputs = keras.Input((3,))
    again = keras.Model(inputs, split(inputs).prediction)
    assert {id(v) for v in again.variables} == {id(v) for v in model.variables}
    again.compile("sgd", loss="mse")
    again.fit(X, Y, verbose=0)
    for variable, value in zip(model.variables, before, strict=True):
        assert abs(variable.numpy() - value).max() > 0
    np.testing.assert_allclose(split(X).prediction, model(X), rtol=1e-6)


@pytest.mark.parametrize(
    ("make", "cuts"),
    [
        (lambda: with_skip("a", "b"), [("b", "c"), ("b", "d")]),
        (sequential, [("a", "b"), ("b", "c")]),
        (nested, [("backbone/block_0", "backbone/block_1"), ("stem", "backbone/block_2")]),
    ],
)
def test_model_is_split_twice_and_saved_afterwards(make, cuts, tmp_path):
    model = make()
    x = np.ones((2, *model.input_shape[1:]), "float32")
    config, before = model.get_config(), np.array(model(x))
    first, second = (split_model(model, *cut) for cut in cuts)
    np.testing.assert_allclose(first(x).prediction, before, rtol=1e-6)
    np.testing.assert_allclose(second(x).prediction, before, rtol=1e-6)
    assert model.get_config() == config
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded(x), before)
    assert [v.shape for v in loaded.variables] == [v.shape for v in model.variables]
    np.testing.assert_allclose(split_model(loaded, *cuts[0])(x).low, first(x).low, rtol=1e-6)


def test_splitting_a_trained_model_keeps_its_predictions():
    model = small_model()
    model.compile("sgd", loss="mse")
    split = split_model(model, "low", "high")
    model.fit(X, Y, verbose=0)
    np.testing.assert_allclose(split(X).prediction, model.predict(X, verbose=0), rtol=1e-5)


def test_interpreting_is_running_the_middle():
    model = small_model()
    split = split_model(model, "low", "high")
    low = np.random.default_rng(1).normal(size=(4, 5)).astype("float32")
    np.testing.assert_allclose(split.interpret(low), model.get_layer("high")(low), rtol=1e-6)


def test_interpreting_moves_no_statistics_and_drops_nothing():
    inputs = keras.Input((3,))
    x = layers.Dense(5, name="low")(inputs)
    x = layers.Dropout(0.5)(layers.BatchNormalization(name="norm")(x))
    x = layers.Dense(4, name="high")(x)
    split = split_model(keras.Model(inputs, layers.Dense(1)(x)), "low", "high")
    norm = split.layers[0].get_layer("norm")
    low = 5 + np.ones((8, 5), "float32")
    before = norm.moving_mean.numpy()
    first, second = np.array(split.interpret(low)), np.array(split.interpret(low))
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(norm.moving_mean.numpy(), before)
    split(X)
    np.testing.assert_array_equal(norm.moving_mean.numpy(), before)
    split(X, training=True)
    assert abs(norm.moving_mean.numpy() - before).max() > 0


@pytest.mark.filterwarnings("error:The structure of `inputs`")
@pytest.mark.parametrize("make", [sequential, small_model, nested])
def test_running_a_split_warns_of_nothing(make):
    model = make()
    cut = {"small": ("low", "high"), "whole": ("stem", "backbone/block_1")}.get(model.name)
    assert split_model(model, *(cut or ("a", "b")))(X).prediction.shape == (12, 1)


def test_layer_that_also_serves_another_model_is_a_cut():
    model = small_model()
    other = keras.Input((3,))
    keras.Model(other, model.get_layer("low")(other))
    np.testing.assert_allclose(split_model(model, "low", "high")(X).prediction, model(X), rtol=1e-6)
