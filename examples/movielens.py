"""MovieLens for the examples: rows, features, batches, and the error of predicted ratings.

`TDREC_DATA` names a MovieLens folder or zip; `tdrec.data.load` says what happens without it.
"""

from typing import Any

import numpy as np
import tensorflow as tf

from tdrec.data import FeatureEncoder, Ratings, load


def load_ratings() -> Ratings:
    """All ratings; what a reader of the figures must know about them is printed."""
    ratings = load()
    for warning in ratings.warnings:
        print(warning)
    return ratings


def features(encoder: FeatureEncoder, ratings: Ratings, *names: str) -> dict[str, np.ndarray]:
    """The named features of all rows: "user", "movie", "title" or "genres"."""
    encoded = encoder.encode(ratings)
    return {name: encoded[name] for name in names}


def shuffled(*parts: Any, batch_size: int = 256) -> tf.data.Dataset:
    """Batches of arrays `(rows, ...)`, in a new order each epoch.

    All batches have one size, so that a training step is compiled once. Give `shuffle=False` to
    `fit`, which cannot shuffle them a second time.
    """
    dataset = tf.data.Dataset.from_tensor_slices(parts).shuffle(100_000, seed=0)
    return dataset.batch(batch_size, drop_remainder=True).prefetch(2)


def rmse(predictions: np.ndarray, ratings: Ratings) -> float:
    """The root of the mean squared error of predicted ratings, shape `(rows, 1)`."""
    errors = predictions[:, 0] - ratings.values
    return float(np.sqrt(np.mean(errors**2, dtype="float64")))
