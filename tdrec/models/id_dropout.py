"""Id dropout: training a model for the users and movies that it has never seen."""

from collections.abc import Mapping
from typing import Any

import tensorflow as tf

OUT_OF_VOCABULARY = 0


def drop_ids(x: Mapping[str, Any], rates: Mapping[str, float], seed: Any) -> dict[str, Any]:
    """Replaces a random share of the ids in a batch by the out-of-vocabulary id.

    So its embedding is learned, and with it what the model says of a stranger: in MovieLens 100K
    split by time 71% of the evaluation rows are of users without a training row. It is a step of
    the input pipeline, not a layer: the model stays one of stock layers, and XLA's random numbers,
    slow on a CPU, are kept out of the training step.

    Args:
        x: A batch's inputs; ids are integers of shape `(batch,)`.
        rates: The share of rows to replace, by the name of the input, such as `{"user": 0.3}`.
        seed: An integer scalar; the same one drops the same rows.

    Returns:
        The inputs, with some ids replaced.

    Example:
        >>> seeds = tf.data.Dataset.random(seed=0, rerandomize_each_iteration=True)
        >>> dataset = tf.data.Dataset.zip(dataset, seeds).map(
        ...     lambda xy, seed: (drop_ids(xy[0], {"user": 0.3}, seed), xy[1])
        ... )

    Source:
        Volkovs et al., "DropoutNet: Addressing Cold Start in Recommender Systems", 2017.
    """
    dropped = dict(x)
    for i, (name, rate) in enumerate(sorted(rates.items())):
        draws = tf.random.stateless_uniform(tf.shape(x[name]), seed=tf.stack([seed, i]))
        dropped[name] = tf.where(draws < rate, OUT_OF_VOCABULARY, x[name])
    return dropped
