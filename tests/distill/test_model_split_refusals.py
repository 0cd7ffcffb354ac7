"""Cuts that make no three rooms are refused, with the layers that are in the way."""

import keras
import pytest
from keras import layers

from small_models import Subclassed, nested, small_model, two_inputs, with_skip
from tdrec.distill.cut import split_model
from tdrec.distill.model_split import ModelSplit


@pytest.mark.parametrize("output", ["likes", 0])
def test_unknown_output_lists_the_outputs(output):
    inputs = keras.Input((3,))
    low = keras.layers.Dense(5, name="low")(inputs)
    high = keras.layers.Dense(4, name="high")(low)
    model = keras.Model(inputs, {n: keras.layers.Dense(1, name=n)(high) for n in ("rating", "b")})
    with pytest.raises(ValueError, match=rf"Received: {output!r}, for the outputs .*'rating'"):
        split_model(model, "low", "high", output=output)


def test_unknown_layer_lists_the_layers():
    with pytest.raises(ValueError, match="no layer 'dense' in the model 'small'") as error:
        split_model(small_model(), "dense", "high")
    assert "x, low, high, out" in str(error.value)
    with pytest.raises(ValueError, match="no layer 'backbone/block_9'") as error:
        split_model(nested(), "backbone/block_0", "backbone/block_9")
    assert "'backbone/block_3'" in str(error.value)


def test_path_into_an_unknown_or_childless_layer_is_refused():
    with pytest.raises(ValueError, match="no layer 'trunk/block_1'"):
        split_model(nested(), "trunk/block_1", "top")
    with pytest.raises((ValueError, TypeError), match="stem"):
        split_model(nested(), "stem/block_1", "top")


@pytest.mark.parametrize("cut", [("high", "low"), ("out", "low"), ("low", "low")])
def test_low_must_come_before_high(cut):
    with pytest.raises(ValueError, match="order lower, middle, head") as error:
        split_model(small_model(), *cut)
    assert f"from `low` ({cut[0]!r}) to `high` ({cut[1]!r})" in str(error.value)
    assert "Name as `low` the layer nearer to the input" in str(error.value)


def test_high_must_come_before_the_output():
    with pytest.raises(ValueError, match=r"from `high` \('out'\) to the output. Name as"):
        split_model(small_model(), "low", "out")


@pytest.mark.parametrize(
    ("skip", "cut", "names"),
    [
        (("in", "c"), ("b", "c"), "'in' feeds 'add_c'"),
        (("a", "c"), ("b", "d"), "'a' feeds 'add_c'"),
        (("b", "d"), ("b", "c"), "'b' feeds 'add_d'"),
        (("in", "d"), ("a", "c"), "'in' feeds 'add_d'"),
    ],
)
def test_skip_connection_around_a_cut_names_both_layers(skip, cut, names):
    with pytest.raises(ValueError, match="skips around the cut") as error:
        split_model(with_skip(*skip), *cut)
    assert names in str(error.value)
    assert "Cut outside of the skip connection" in str(error.value)


def test_input_that_enters_above_the_cut_is_refused():
    with pytest.raises(ValueError, match="'movie' feeds 'late'"):
        split_model(two_inputs(late=True), "low", "high")


def test_layer_that_is_called_twice_is_no_cut():
    inputs = keras.Input((4,))
    shared = layers.Dense(4, name="shared")
    model = keras.Model(inputs, layers.Dense(1, name="out")(shared(shared(inputs))))
    with pytest.raises(ValueError, match="'shared' must have one output .*it is shared"):
        split_model(model, "shared", "out")


def test_layer_with_several_outputs_is_no_cut():
    inputs = keras.Input((4,))
    both = layers.LSTM(3, return_state=True, name="lstm")(layers.Reshape((2, 2))(inputs))
    out = layers.Dense(1, name="out")(layers.Concatenate(name="join")(both))
    with pytest.raises(ValueError, match="'lstm' must have one output"):
        split_model(keras.Model(inputs, out), "lstm", "join")


@pytest.mark.parametrize("model", [Subclassed(), keras.Sequential([layers.Dense(2)])])
def test_model_without_a_graph_is_refused_with_the_remedy(model):
    with pytest.raises(TypeError, match="which have a graph. Received: ") as error:
        split_model(model, "first", "second")
    assert "tdrec.ModelSplit(lower=..., middle=..., head=...)" in str(error.value)


def test_rooms_must_be_callable():
    with pytest.raises(TypeError, match="`middle` must be callable. Received: 'dense_1'"):
        ModelSplit(lower=len, middle="dense_1", head=len)
