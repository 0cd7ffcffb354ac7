import keras
import numpy as np
import pytest

from tdrec.models.rating_mlp import HIGH, LOW, Category, Flags, Ids, Number, Words, rating_mlp

KINDS = {"user": Ids(6), "movie": Ids(7), "title": Words(9, 4), "genres": Flags(3)}
X = {
    "user": np.array([0, 5, 2], np.int32),
    "movie": np.array([1, 0, 6], np.int32),
    "title": np.array([[1, 8, 0, 0], [0, 0, 0, 0], [3, 3, 4, 5]], np.int32),
    "genres": np.array([[1, 0, 1], [0, 0, 0], [0, 1, 0]], np.float32),
}


def small(**options):
    keras.utils.set_random_seed(0)
    return rating_mlp(KINDS, units=(5, 4), id_dim=3, text_dim=2, mean=3.5, **options)


def test_prediction_equals_numpy():
    model = small()
    w = {v.path: v.numpy().astype(np.float64) for v in model.variables}
    words = np.zeros((3, 2))
    for i, title in enumerate(X["title"]):
        known = [w["title_embedding/embeddings"][t] for t in title if t]
        words[i] = np.mean(known, axis=0) if known else 0
    joined = np.concatenate(
        [
            w["user_embedding/embeddings"][X["user"]],
            w["movie_embedding/embeddings"][X["movie"]],
            words,
            X["genres"] @ w["genres_embedding/kernel"],
        ],
        axis=1,
    )
    low = np.maximum(joined @ w["low/kernel"] + w["low/bias"], 0)
    high = np.maximum(low @ w["high/kernel"] + w["high/bias"], 0)
    expected = high @ w["prediction/kernel"] + w["prediction/bias"]
    np.testing.assert_allclose(np.array(model(X)), expected, atol=1e-5)


def test_sizes_are_those_of_the_paper():
    ids = {"user": Ids(944), "movie": Ids(1683)}
    teacher = rating_mlp({**ids, "title": Words(500, 8), "genres": Flags(19)})
    assert teacher.get_layer("features").output.shape == (None, 300)
    assert teacher.get_layer(LOW).units == 512
    assert teacher.get_layer(HIGH).units == 256
    embeddings = 100 * (944 + 1683) + 50 * (500 + 19)
    assert teacher.count_params() == embeddings + 301 * 512 + 513 * 256 + 257


def test_output_starts_at_the_mean():
    assert np.abs(np.array(small()(X)) - 3.5).max() < 0.2


def test_dropout_acts_in_training_only():
    model = small(dropout=0.5)
    np.testing.assert_array_equal(np.array(model(X)), np.array(model(X)))
    assert not np.allclose(np.array(model(X, training=True)), np.array(model(X)))


def test_is_made_of_stock_layers_and_reloads(tmp_path):
    model = small()
    assert all(type(layer).__module__.startswith("keras.") for layer in model.layers)
    model.save(tmp_path / "m.keras")
    again = keras.models.load_model(tmp_path / "m.keras")
    np.testing.assert_array_equal(np.array(again(X)), np.array(model(X)))


def test_categories_and_numbers_are_read_beside_ids():
    keras.utils.set_random_seed(0)
    kinds = {"user": Ids(6), "item": Ids(7), "shop": Category(4), "price": Number()}
    model = rating_mlp(kinds, units=(5, 4), id_dim=9)
    x = {"user": X["user"], "item": X["movie"], "shop": np.array([3, 0, 1], np.int32)}
    x["price"] = np.array([0.5, -2, 0], np.float32)
    w = {v.path: v.numpy() for v in model.variables}
    names = ("user", "item", "shop")
    tables = [w[f"{name}_embedding/embeddings"][x[name]] for name in names]
    assert [table.shape[1] for table in tables] == [9, 9, 3]  # 1.6 * 4**0.56 = 3.5, which is less
    joined = np.concatenate([*tables, x["price"][:, None]], axis=1)
    low = np.maximum(joined @ w["low/kernel"] + w["low/bias"], 0)
    high = np.maximum(low @ w["high/kernel"] + w["high/bias"], 0)
    expected = high @ w["prediction/kernel"] + w["prediction/bias"]
    np.testing.assert_allclose(np.array(model(x)), expected, atol=1e-5)


def test_a_probability_starts_at_the_share_of_ones():
    model = rating_mlp({"user": Ids(6)}, units=(5, 4), id_dim=3, mean=0.2, output="probability")
    found = np.array(model({"user": X["user"]}))
    assert np.abs(found - 0.2).max() < 0.02 and found.shape == (3, 1)
    for share in (0.0, 1.0):
        sure = rating_mlp({"user": Ids(6)}, units=(5, 4), mean=share, output="probability")
        np.testing.assert_allclose(np.array(sure({"user": X["user"]})), share, atol=1e-4)


@pytest.mark.filterwarnings("ignore:When providing `inputs` as a dict")
def test_columns_may_be_called_as_layers_are(tmp_path):
    plain = small(dropout=0.5)
    names = [part.name for part in plain.operations if part.name not in KINDS]
    columns = {name: Category(3) for name in (*names, "a/b", "a_b", "title_number")}
    model = rating_mlp({**KINDS, **columns}, units=(5, 4), id_dim=3, text_dim=2)
    assert {LOW, HIGH, "prediction"} < {layer.name for layer in model.layers}
    x = {**X, **dict.fromkeys(columns, np.ones(3, np.int32))}
    model.save(tmp_path / "m.keras")
    again = keras.models.load_model(tmp_path / "m.keras")
    np.testing.assert_array_equal(np.array(again(x)), np.array(model(x)))
