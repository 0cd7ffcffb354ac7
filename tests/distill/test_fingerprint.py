import hashlib

import keras
import ml_dtypes
import numpy as np
import pytest
from keras import layers

from small_models import INPUTS, small_model
from tdrec.distill.cut import split_model
from tdrec.distill.fingerprint import fingerprint, hash_arrays
from tdrec.distill.model_split import ModelSplit


def deep_model():
    x = inputs = keras.Input((INPUTS,))
    for name in ("a", "b", "c"):
        x = layers.Dense(4, name=name)(x)
    x = layers.Dropout(0.5)(layers.BatchNormalization()(x))
    return keras.Model(inputs, layers.Dense(2)(x))


def test_a_saved_model_has_the_same_one(tmp_path):
    keras.utils.set_random_seed(0)
    model = deep_model()
    before = fingerprint(split_model(model, "a", "b"))
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert fingerprint(split_model(loaded, "a", "b")) == before
    # Neither using nor judging a model makes it another one.
    loaded.compile(loss="mse", metrics=["mae"])
    loaded.evaluate(np.ones((4, INPUTS)), np.ones((4, 2)), verbose=0)
    loaded.predict(np.ones((4, INPUTS)), verbose=0)
    assert fingerprint(split_model(loaded, "a", "b")) == before


def test_weights_cut_and_output_each_make_another_one():
    model = deep_model()
    found = {
        fingerprint(split_model(model, "a", "b")),
        fingerprint(split_model(model, "a", "c")),
        fingerprint(split_model(model, "a", "b", output=0)),
        fingerprint(ModelSplit(model.layers[1], model.layers[2], model.layers[3], model=model)),
    }
    model.layers[-1].bias.assign([0.0, 1e-7])
    found.add(fingerprint(split_model(model, "a", "b")))
    statistics = model.get_layer(index=4).moving_mean
    statistics.assign(statistics + 1.0)
    found.add(fingerprint(split_model(model, "a", "b")))
    assert len(found) == 6


def test_models_with_other_weights_of_the_same_shapes():
    one, again, other = (
        fingerprint(split_model(small_model(seed=seed), "low", "high")) for seed in (0, 0, 1)
    )
    assert one == again != other
    assert len(one) == 64


def test_arrays_are_hashed_with_dtype_and_shape():
    array = np.arange(6, dtype="int32").reshape(2, 3)
    expected = hashlib.sha256(b"ab" + b"int32(2, 3)" + array.tobytes()).hexdigest()
    assert hash_arrays([array], start="ab") == expected
    assert hash_arrays([array.T]) == hash_arrays([np.ascontiguousarray(array.T)])
    assert len({hash_arrays([a]) for a in (array, array.reshape(3, 2), array.view("uint32"))}) == 3
    assert len(hash_arrays([np.ones(3, ml_dtypes.bfloat16)])) == 64


@pytest.mark.parametrize("kind", [str, lambda text: text.encode()], ids=["text", "bytes"])
def test_strings_are_hashed_by_what_they_say(kind):
    def column(*texts):
        return np.array([kind(text) for text in texts], object)

    # Made anew, so that equal strings lie at other addresses.
    assert hash_arrays([column("Amélie", "Ran")]) == hash_arrays([column("Am" + "élie", "Ran")])
    assert hash_arrays([column("Amélie", "Ran")]) != hash_arrays([column("Amélie", "Run")])
    assert hash_arrays([column("ab", "c")]) != hash_arrays([column("a", "bc")])
