import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from tdrec.data import Vocabulary
from tdrec.export.formats import FORMATS, ServedStudent, call, prediction

ITEMS = Vocabulary((30, 10, 2**40))
SAMPLE = {"item": np.array([30, 99]), "x": np.array([[1, 2, 3], [4, 5, 6]], "float32")}


def functional(as_list=False, seed=0):
    item = keras.Input((), dtype="int32", name="item")
    x = keras.Input((3,), name="x")
    start = keras.initializers.RandomUniform(seed=seed)
    row = keras.layers.Embedding(ITEMS.size, 2, embeddings_initializer=start)(item)
    y = keras.layers.Dense(1, kernel_initializer=start)(ops.concatenate([row, x], -1))
    return keras.Model([x, item] if as_list else {"item": item, "x": x}, y, name="student")


@keras.saving.register_keras_serializable("test_export_formats")
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
    x = {"features": SAMPLE["x"]}
    assert list(ServedStudent.of(model, x, {}).specs) == ["features"]
    np.testing.assert_array_equal(prediction(model, x), np.array(model(SAMPLE["x"])))


def test_inputs_reach_a_list_in_its_order():
    by_name, by_place = functional(), functional(as_list=True)
    x = {"item": np.array([1, 3], np.int32), "x": SAMPLE["x"]}
    np.testing.assert_array_equal(
        np.array(call(by_place, x)), np.array(by_place([x["x"], x["item"]]))
    )
    np.testing.assert_array_equal(np.array(call(by_place, x)), np.array(by_name(x)))


@pytest.mark.parametrize("kind", MODELS)
def test_guarded_model_reads_other_indices_as_0(kind):
    model = MODELS[kind]()
    guarded = ServedStudent.of(model, SAMPLE, {"item": ITEMS}).guarded
    item = np.array([0, 3, 1, 4, -1, 2**31 - 1, -(2**31)], np.int32)
    x = np.ones((7, 3), "float32")
    expected = call(model, {"item": np.array([0, 3, 1, 0, 0, 0, 0]), "x": x})
    found = guarded({"item": item, "x": x})
    assert list(found) == ["prediction"]
    np.testing.assert_array_equal(np.array(found["prediction"]), np.array(expected))


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("kind", ["list", "subclassed"])
def test_every_format_of_every_kind_of_model(tmp_path, kind, name):
    model, form = MODELS[kind](), FORMATS[name]
    served = ServedStudent.of(model, SAMPLE, {"item": ITEMS})
    form.write(served, tmp_path / form.file)
    indices = np.array([2, 0, 3], np.int32)
    item = np.array([10, 77, 2**40]) if form.takes == "raw_values" else indices
    x = np.array([[1, 2, 3], [4, 5, 6], [7, 8, 9]], "float32")
    expected = call(model, {"item": indices, "x": x})
    np.testing.assert_allclose(
        form.predict(tmp_path / form.file, {"item": item, "x": x}), np.array(expected), atol=1e-5
    )


def test_one_finite_output():
    x = keras.Input((3,), name="x")
    several = keras.Model(x, {"a": x, "b": x})
    with pytest.raises(ValueError, match="has one output. Received: {'a': \\(2, 3\\), 'b'"):
        prediction(several, {"x": SAMPLE["x"]})
    broken = keras.Model(x, ops.log(x - 2))
    with pytest.raises(ValueError, match="must be finite to be compared. Received: 2 that"):
        prediction(broken, {"x": SAMPLE["x"][:1]})
