"""Inputs of a rating model may have any names."""

import keras
import numpy as np

from tdrec.models.rating_mlp import Ids, Number, rating_mlp

NAMES = [
    "a b",
    "a/b",
    "a_b",
    "größe",
    "名前",
    "low",
    "prediction",
    "features",
    "new\nline",
    "",
    "..",
]


def test_columns_of_any_name_are_inputs(tmp_path):
    inputs = {"user": Ids(5), **{name: Number() for name in [*NAMES, "user_embedding"]}}
    model = rating_mlp(inputs, units=(3, 2), id_dim=2, dropout=0.1)
    x = {name: np.ones(4, "int32" if name == "user" else "float32") for name in inputs}
    model.compile(loss="mse", run_eagerly=False, jit_compile=False)
    model.fit(x, np.ones((4, 1)), verbose=0)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again.predict(x, verbose=0), model.predict(x, verbose=0))


def test_names_that_layers_can_have_stay_as_they_are():
    model = rating_mlp({name: Ids(5) for name in ("user", "movie")}, units=(3, 2), id_dim=2)
    assert {"user", "user_embedding", "movie"} <= {layer.name for layer in model.layers}
