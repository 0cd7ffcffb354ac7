"""Pairs of a user and a movie that nobody has rated: there a student has its teacher alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tdrec.data.ratings import Ratings

_SEED = 0


def unrated_pairs(ratings: Ratings, number: int) -> Ratings:
    """Draws pairs of a user and a movie of the ratings that are not among them.

    All such pairs are equally likely, and the draw is the same in every call.

    Args:
        ratings: The rows whose users and movies are paired.
        number: How many pairs, or all that there are if those are fewer.

    Returns:
        The pairs as rows of the same catalogue. Nobody has rated them: each row has the lowest
        rating of the scale and the timestamp 0, which mean nothing.

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
    users, user_of_row = np.unique(ratings.user_ids, return_inverse=True)
    movies, movie_of_row = np.unique(ratings.movie_ids, return_inverse=True)
    rated = np.unique(user_of_row * len(movies) + movie_of_row)
    every = len(users) * len(movies)
    # So many different pairs that, with every rated one among them, there are enough others.
    drawn = np.random.default_rng(_SEED).choice(
        every, min(every, number + len(rated)), replace=False
    )
    pairs = drawn[~np.isin(drawn, rated)][:number]
    return replace(
        ratings,
        user_ids=users[pairs // max(len(movies), 1)],
        movie_ids=movies[pairs % max(len(movies), 1)],
        values=np.full(len(pairs), ratings.scale[0], np.float32),
        timestamps=np.zeros(len(pairs), np.int64),
    )
