import keras
import numpy as np

from tdrec.models.rating_mlp import HIGH, LOW, rating_mlp

SIZES = {"user": 6, "movie": 7, "word": 9, "genre": 3, "title": 4}
X = {
    "user": np.array([0, 5, 2], np.int32),
    "movie": np.array([1, 0, 6], np.int32),
    "title": np.array([[1, 8, 0, 0], [0, 0, 0, 0], [3, 3, 4, 5]], np.int32),
    "genres": np.array([[1, 0, 1], [0, 0, 0], [0, 1, 0]], np.float32),
}


def small(**options):
    keras.utils.set_random_seed(0)
    return rating_mlp(SIZES, units=(5, 4), id_dim=3, text_dim=2, mean_rating=3.5, **options)


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
    expected = high @ w["rating/kernel"] + w["rating/bias"]
    np.testing.assert_allclose(np.array(model(X)), expected, atol=1e-5)


def test_sizes_are_those_of_the_paper():
    sizes = {"user": 944, "movie": 1683, "word": 500, "genre": 19, "title": 8}
    teacher = rating_mlp(sizes)
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
