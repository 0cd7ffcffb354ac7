import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from tdrec.export.sample import by_name, in_shape, in_type, structure_of, type_of

A, B = keras.Input((3,), name="a"), keras.Input((2,), name="b")
X, Y = np.ones((4, 3)), np.zeros((4, 2))


class Subclassed(keras.Model):
    """May have an attribute of any name, which is no `keras.Input`."""

    def __init__(self, layers=()):
        super().__init__()
        self.inputs = ["user", "movie"]
        self.parts = list(layers)


@pytest.mark.parametrize(
    ("inputs", "sample", "structure"),
    [
        (A, X, "a"),
        (A, [X], "a"),
        (A, {"a": X}, "a"),
        ([A], [X], ["a"]),
        ([A, B], [X, Y], ["a", "b"]),
        ([A, B], (X, Y), ["a", "b"]),
        ([A, B], {"b": Y, "a": X}, ["a", "b"]),
        ({"a": A, "b": B}, {"b": Y, "a": X}, {"a": "a", "b": "b"}),
        (
            {"p": {"x": A}, "q": {"x": B}},
            {"p": {"x": X}, "q": {"x": Y}},
            {"p": {"x": "p_x"}, "q": {"x": "q_x"}},
        ),
    ],
)
def test_rows_by_name_or_as_the_model_takes_them(inputs, sample, structure):
    model = keras.Model(inputs, keras.ops.concatenate(keras.tree.flatten(inputs), -1))
    found, arrays = by_name(structure_of(model), sample)
    assert found == structure
    for name, rows in zip(keras.tree.flatten(structure), (X, Y), strict=False):
        np.testing.assert_array_equal(arrays[name], rows)


@pytest.mark.parametrize(
    ("sample", "structure"),
    [
        (X, "input"),
        ([[1, 2], [3, 4]], "input"),
        ([X, Y], ["input_0", "input_1"]),
        ((X, Y), ("input_0", "input_1")),
        ({"u": X, "v": [1, 2, 3, 4]}, {"u": "u", "v": "v"}),
    ],
)
def test_a_subclassed_model_takes_what_the_sample_is(sample, structure):
    assert structure_of(Subclassed()) is None
    found, arrays = by_name(None, sample)
    assert found == structure
    assert set(arrays) == set(keras.tree.flatten(structure))


@pytest.mark.parametrize(
    ("inputs", "sample", "error", "message"),
    [
        ({"a": A}, [X], TypeError, "must be a dict of arrays .* {'a': 'a'}. Received: a list"),
        ([A, B], [X], TypeError, "of the structure .*'a', 'b'.*Received: a list"),
        ([A, B], X, TypeError, "Received: a ndarray"),
        ({"a": A}, {"b": X}, ValueError, "inputs \\['a'\\]. Received: \\['b'\\]"),
        ([A, B], {"a": X}, ValueError, "inputs \\['a', 'b'\\]. Received: \\['a'\\]"),
        ([A, B], [X, Y[:2]], ValueError, "as many rows .* Received: {'a': 4, 'b': 2}"),
        (A, [[1, 2], [3]], ValueError, "rows of one shape for each input. .* for 'a'"),
    ],
)
def test_other_samples_are_refused(inputs, sample, error, message):
    model = keras.Model(inputs, keras.ops.concatenate(keras.tree.flatten(inputs), -1))
    with pytest.raises(error, match=message):
        by_name(structure_of(model), sample)


def test_numbers_that_are_objects_are_numbers():
    _, arrays = by_name(A, {"a": np.array([[1, 2, 3.5]], object)})
    assert arrays["a"].dtype == np.float64


def test_a_last_axis_of_one_is_added_or_taken_away():
    assert in_shape("a", np.ones(4), (1,)).shape == (4, 1)
    assert in_shape("a", np.ones((4, 1)), ()).shape == (4,)
    assert in_shape("a", np.ones((4, 7)), (None,)).shape == (4, 7)
    for values, shape in ((np.ones((4, 5)), (3,)), (np.ones(4), (3,)), (np.ones((4, 2)), ())):
        with pytest.raises(ValueError, match="for 'a'. Received: an array of shape \\(4"):
            in_shape("a", values, shape)


@pytest.mark.parametrize(
    "texts",
    [
        np.array(["ann", "é"]),
        np.array([b"ann", "é".encode()]),
        np.array(["ann", "é"], object),
        np.array(pd.Series(["ann", "é"], dtype="string")),
        np.array(tf.constant(["ann", "é"])),
    ],
)
def test_strings_of_every_type(texts):
    found = in_type("a", texts, tf.string)
    assert tf.constant(found).numpy().tolist() == [b"ann", "é".encode()]
    assert type_of(Subclassed(), texts) == tf.string


def test_values_that_are_others_in_the_type_of_the_student_are_refused():
    assert in_type("a", np.array([1.0, 2.0]), tf.int32).dtype == np.int32
    with pytest.raises(ValueError, match='as int32. .* such as 1099511627776. .*dtype="int64"'):
        in_type("a", np.array([1, 2**40]), tf.int32)
    with pytest.raises(ValueError, match="such as 2.5"):
        in_type("a", np.array([1, 2.5]), tf.int64)
    with pytest.raises(ValueError, match="'a' as strings. Received: None among"):
        in_type("a", np.array(["ann", None], object), tf.string)
    with pytest.raises(ValueError, match="holds numbers. Received: 'a' of type <U3. Give its voc"):
        in_type("a", np.array(["ann"]), tf.int32)


def test_ids_of_a_subclassed_model_are_as_wide_as_they_must_be():
    narrow, wide = np.array([1, 2]), np.array([1, 2**40])
    lookup = Subclassed([keras.layers.IntegerLookup(vocabulary=[1, 2])])
    assert type_of(Subclassed(), narrow) == tf.int32
    assert type_of(Subclassed(), wide) == tf.int64
    assert type_of(lookup, narrow) == tf.int64
    assert type_of(lookup, narrow.astype(np.int32)) == tf.int32
