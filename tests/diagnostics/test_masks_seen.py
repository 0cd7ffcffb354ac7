"""Where a model's masks get to is seen, in models with a graph and without."""

import keras
import numpy as np
import pytest
from keras import layers

from tdrec.diagnostics.masks_seen import masks_seen
from tdrec.distill.cut import split_model
from tdrec.distill.model_split import ModelSplit

IDS = np.array([[3, 4, 0, 0], [5, 0, 0, 0], [1, 2, 3, 0]], "int32")


class Doubling(layers.Layer):
    """A layer that says nothing of masks, and so drops them."""

    def call(self, x):
        return 2 * x


def sequence_model(between=None, mask_zero=True, pooled=False, above=None):
    inputs = keras.Input((4,), dtype="int32")
    x = layers.Embedding(6, 3, mask_zero=mask_zero, name="ids")(inputs)
    x = between(x) if between else x
    x = layers.Dense(3, name="low")(x)
    x = layers.Dense(3, name="high")(above(x) if above else x)
    x = layers.GlobalAveragePooling1D(name="pool")(x) if pooled else x
    return keras.Model(inputs, layers.Dense(1, name="out")(x))


def seen_in(*given, **named):
    return masks_seen(split_model(sequence_model(*given, **named), "low", "high"), IDS)


def test_a_mask_that_gets_everywhere():
    seen = seen_in()
    assert seen.makers == ("ids",) and seen.last == "out" and seen.are_made
    assert seen.tokens == {"low": 4, "high": 4, "prediction": 4}
    for mask in (seen.masks["low"], seen.masks["high"], seen.masks["prediction"]):
        np.testing.assert_array_equal(mask, IDS != 0)
    np.testing.assert_array_equal(seen.ids, [IDS])


def test_where_a_mask_is_dropped():
    with pytest.warns(UserWarning, match="does not support mask"):
        seen = seen_in(Doubling(name="twice"))
    assert seen.makers == ("ids",) and seen.last == "twice"
    assert not seen.masks and set(seen.tokens) == {"low", "high", "prediction"}


def test_where_a_mask_is_dropped_above_a_cut():
    with pytest.warns(UserWarning, match="does not support mask"):
        seen = seen_in(above=Doubling(name="twice"))
    assert seen.last == "twice" and set(seen.masks) == {"low"}


def test_no_mask_and_no_time_axis():
    seen = seen_in(mask_zero=False)
    assert not seen.are_made and not seen.masks and seen.last is None
    seen = seen_in(pooled=True)
    assert set(seen.tokens) == set(seen.masks) == {"low", "high"}, "pooling takes the mask up"


def test_a_subclassed_model_and_all_is_left_as_it_was():
    class Reader(keras.Model):
        def __init__(self):
            super().__init__()
            self.ids = layers.Embedding(6, 3, mask_zero=True, name="ids")
            self.twice = Doubling(name="twice")
            self.dense = layers.Dense(2)

        def lower(self, x):
            return self.twice(self.ids(x))

        def middle(self, low):
            return self.dense(low)

        def call(self, x):
            return self.middle(self.lower(x))

    reader = Reader()
    split = ModelSplit(reader.lower, reader.middle, lambda high: high, model=reader)
    with pytest.warns(UserWarning, match="does not support mask"):
        seen = masks_seen(split, IDS)
    assert seen.makers == ("ids",) and seen.last == "twice"
    assert all("call" not in vars(layer) for layer in (reader.ids, reader.twice, reader.dense))
