import numpy as np
import tensorflow as tf

from tdrec.models.id_dropout import drop_ids

X = {"user": tf.range(1, 10_001), "movie": tf.range(1, 10_001), "title": tf.ones((10_000, 2))}


def test_replaces_the_share_asked_for_and_nothing_else():
    dropped = drop_ids(X, {"user": 0.3, "movie": 0.05}, tf.constant(7, tf.int64))
    for name, rate in (("user", 0.3), ("movie", 0.05)):
        ids, gone = np.array(dropped[name]), np.array(dropped[name]) == 0
        assert abs(gone.mean() - rate) < 0.02
        np.testing.assert_array_equal(ids[~gone], np.array(X[name])[~gone])
    assert dropped["title"] is X["title"]


def test_inputs_are_dropped_independently():
    dropped = drop_ids(X, {"user": 0.5, "movie": 0.5}, tf.constant(7, tf.int64))
    both = (np.array(dropped["user"]) == 0) & (np.array(dropped["movie"]) == 0)
    assert abs(both.mean() - 0.25) < 0.02


def test_a_seed_decides():
    def draw(seed):
        return np.array(drop_ids(X, {"user": 0.5}, tf.constant(seed, tf.int64))["user"])

    np.testing.assert_array_equal(draw(1), draw(1))
    assert (draw(1) != draw(2)).any()
