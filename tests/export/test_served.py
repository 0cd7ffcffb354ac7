import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from tdrec.data import Vocabulary
from tdrec.export.served import ServedStudent

ITEMS = Vocabulary((30, 10, 2**40))
SAMPLE = {"item": np.array([30, 99]), "x": np.array([[1, 2, 3], [4, 5, 6]], "float32")}


def functional(as_list=False, seed=0):
    item = keras.Input((), dtype="int32", name="item")
    x = keras.Input((3,), name="x")
    start = keras.initializers.RandomUniform(seed=seed)
    row = keras.layers.Embedding(ITEMS.size, 2, embeddings_initializer=start)(item)
    y = keras.layers.Dense(1, kernel_initializer=start)(ops.concatenate([row, x], -1))
    return keras.Model([x, item] if as_list else {"item": item, "x": x}, y, name="student")


@keras.saving.register_keras_serializable("test_export_served")
class Subclassed(keras.Model):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.rows = keras.layers.Embedding(ITEMS.size, 2)
        self.out = keras.layers.Dense(1)

    def call(self, inputs, training=False):
        return self.out(ops.concatenate([self.rows(inputs["item"]), inputs["x"]], -1))


def subclassed():
    model = Subclassed(name="student")
    model({"item": np.array([0]), "x": np.ones((1, 3), "float32")})
    return model


MODELS = {
    "dict": functional,
    "list": lambda: functional(as_list=True),
    "subclassed": subclassed,
}


@pytest.mark.parametrize("kind", MODELS)
def test_inputs_have_names_shapes_and_types(kind):
    served = ServedStudent.of(MODELS[kind](), SAMPLE, {"item": ITEMS})
    assert served.specs == {
        "item": tf.TensorSpec((None,), tf.int32, "item"),
        "x": tf.TensorSpec((None, 3), tf.float32, "x"),
    }
    assert served.raw_specs == {**served.specs, "item": tf.TensorSpec((None,), tf.int64, "item")}


def test_strings_arrive_as_strings():
    served = ServedStudent.of(functional(), SAMPLE, {"item": Vocabulary(("a", "b"))})
    assert served.raw_specs["item"].dtype == tf.string


def test_numbers_of_a_subclassed_student_arrive_in_the_types_of_keras():
    sample = {"item": [1], "x": [[0.5] * 3], "flag": [True]}
    sample = {name: np.array(values) for name, values in sample.items()}
    specs = ServedStudent.of(subclassed(), sample, {}).specs
    assert [specs[name].dtype for name in sample] == [tf.int32, tf.float32, tf.bool]


def test_other_inputs_are_refused():
    with pytest.raises(ValueError, match="inputs \\['item', 'x'\\]. Received: \\['item'\\]"):
        ServedStudent.of(functional(), {"item": SAMPLE["item"]}, {})


def test_sequential_has_one_input_by_its_name():
    model = keras.Sequential([keras.Input((3,), name="features"), keras.layers.Dense(1)])
    served = ServedStudent.of(model, SAMPLE["x"], {})
    assert list(served.specs) == ["features"]
    found = served.predictions({"features": SAMPLE["x"]})
    np.testing.assert_array_equal(found["prediction"], np.array(model(SAMPLE["x"])))


def test_inputs_reach_a_list_in_its_order():
    by_place = functional(as_list=True)
    x = {"item": np.array([1, 3], np.int32), "x": SAMPLE["x"]}
    found = ServedStudent.of(by_place, SAMPLE, {"item": ITEMS}).call(x)
    np.testing.assert_array_equal(np.array(found), np.array(by_place([x["x"], x["item"]])))


@pytest.mark.parametrize("kind", MODELS)
def test_guarded_model_reads_other_indices_as_0(kind):
    model = MODELS[kind]()
    served = ServedStudent.of(model, SAMPLE, {"item": ITEMS})
    item = np.array([0, 3, 1, 4, -1, 2**31 - 1, -(2**31)], np.int32)
    x = np.ones((7, 3), "float32")
    expected = served.call({"item": np.array([0, 3, 1, 0, 0, 0, 0]), "x": x})
    found = served.guarded({"item": item, "x": x})
    assert list(found) == ["prediction"]
    np.testing.assert_array_equal(np.array(found["prediction"]), np.array(expected))


class Several(keras.Model):
    def call(self, x):
        return [x, {"double": x * 2}]


def outputs_of(model, sample=SAMPLE["x"]):
    return ServedStudent.of(model, sample, {}).outputs


def test_outputs_have_the_names_that_keras_has_for_them():
    x = keras.Input((3,), name="x")
    rating, click = (keras.layers.Dense(1, name=name)(x) for name in ("rating", "click"))
    twice = keras.layers.Dense(1, name="twice")
    assert outputs_of(keras.Model(x, rating)) == ("prediction",)
    assert outputs_of(keras.Model(x, [rating])) == ("prediction",)
    assert outputs_of(keras.Model(x, {"r": rating})) == ("r",)
    assert outputs_of(keras.Model(x, [rating, click])) == ("rating", "click")
    assert outputs_of(keras.Model(x, [twice(x), twice(x + 1)])) == ("twice", "twice_2")
    assert outputs_of(keras.Model(x, {"my click": click, "r": rating})) == ("my_click", "r")
    several = Several()
    several(SAMPLE["x"])
    assert outputs_of(several) == ("output_0", "1_double")


def test_an_input_is_not_named_as_an_output():
    x = keras.Input((3,), name="prediction")
    specs = ServedStudent.of(keras.Model(x, x * 2), SAMPLE["x"], {}).specs
    assert specs == {"prediction": tf.TensorSpec((None, 3), tf.float32, "prediction_2")}


def test_predictions_are_finite_and_a_row_for_each_row():
    x = keras.Input((3,), name="x")
    broken = ServedStudent.of(keras.Model(x, ops.log(x - 2)), SAMPLE["x"], {})
    with pytest.raises(ValueError, match="must be finite to be compared. Received: 2 that"):
        broken.predictions({"x": SAMPLE["x"][:1]})
    total = ServedStudent.of(keras.Model(x, ops.sum(x)), SAMPLE["x"], {})
    with pytest.raises(ValueError, match="as many rows .* shape \\(\\) for 2 rows"):
        total.predictions({"x": SAMPLE["x"]})


def test_a_vocabulary_of_an_input_that_the_student_looks_up_is_refused():
    name = keras.Input((), dtype="string", name="name")
    y = keras.layers.StringLookup(vocabulary=["ann"], output_mode="one_hot")(name)
    with pytest.raises(ValueError, match="of 'name', which the student takes as strings and looks"):
        ServedStudent.of(
            keras.Model({"name": name}, y), {"name": ["ann"]}, {"name": Vocabulary(("ann",))}
        )
