"""Pairs of a user and an item that nobody has rated: there a student has its teacher alone."""

from __future__ import annotations

from typing import TypeVar

import numpy as np

from tdrec.data.interactions import Interactions

Rows = TypeVar("Rows", bound=Interactions)

_SEED = 0


def unrated_pairs(ratings: Rows, number: int) -> Rows:
    """Draws pairs of a user and an item of the rows that are not among them.

    All such pairs are equally likely, and the draw is the same in every call.

    Args:
        ratings: The rows whose users and items are paired.
        number: How many pairs, or all that there are if those are fewer.

    Returns:
        The pairs as rows of the same catalogue. What else rows say, such as a country, is that of
        the user's first row. Nobody has rated them: each row has the lowest value of the scale, the
        timestamp 0 and the weight 1, which mean nothing.

    Raises:
        ValueError: If `number` is negative.

    Example:
        >>> pairs = unrated_pairs(train.of_genre("War"), 1_000)
        >>> opinions = teacher(encoder.encode(pairs))
        >>> keras.ops.shape(opinions)
        (1000, 1)

    Source:
        Tang and Wang, "Ranking Distillation", 2018: a recommender's student learns from the
        teacher's opinion of what a user has not rated.
    """
    if number < 0:
        raise ValueError(f"`number` must not be negative. Received: {number}.")
    users, first, user_of_row = np.unique(ratings.user_ids, return_index=True, return_inverse=True)
    items, item_of_row = np.unique(ratings.item_ids, return_inverse=True)
    rated = np.unique(user_of_row * len(items) + item_of_row)
    every = len(users) * len(items)
    # So many different pairs that, with every rated one among them, there are enough others.
    drawn = np.random.default_rng(_SEED).choice(
        every, min(every, number + len(rated)), replace=False
    )
    pairs = drawn[~np.isin(drawn, rated)][:number]
    low = ratings.scale[0] if ratings.scale else 0.0
    return ratings.take(first[pairs // max(len(items), 1)]).changed(
        item_ids=items[pairs % max(len(items), 1)],
        values=np.full(len(pairs), low, np.float32),
        timestamps=None if ratings.timestamps is None else np.zeros(len(pairs), np.int64),
        weights=None if ratings.weights is None else np.ones(len(pairs), np.float32),
    )
