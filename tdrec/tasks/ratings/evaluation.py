"""How good predictions of ratings are, and the baseline that anybody would try first."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tdrec.data import Ratings, Vocabulary
from tdrec.studies.row import Units
from tdrec.studies.task import DivergedError, Score


def is_cold(test: Ratings, train: Ratings) -> NDArray[np.bool_]:
    """Which rows of `test` are of users that have no row in `train`; shape `(rows,)`."""
    return ~np.isin(test.user_ids, train.user_ids)


def score(predictions: ArrayLike, test: Ratings, train: Ratings) -> Score:
    r"""Compares predictions with the ratings: $\sqrt{\frac{1}{n} \sum (clip(\hat y) - y)^2}$.

    Args:
        predictions: Predicted ratings, shape `(rows,)` or `(rows, 1)`; clipped to the scale.
        test: The evaluation rows.
        train: The rows that the model was trained on, which decide who is cold.

    Returns:
        The `Score`: the RMSE, the squared errors by user, and in `details` the RMSE on the rows of
        users without a training row (`rmse_cold`) and of the others (`rmse_warm`), None if there
        are none.

    Raises:
        ValueError: If there is not one prediction for each row.
        DivergedError: If a prediction is not finite.

    Example:
        >>> constant = np.full(len(test), train.values.mean())
        >>> round(score(constant, test, train).value, 3)
        1.122
    """
    values = np.asarray(predictions, np.float64).reshape(-1)
    if len(values) != len(test) or not np.isfinite(values).all():
        error = DivergedError if len(values) == len(test) else ValueError
        raise error(
            f"There must be one finite prediction for each of the {len(test)} evaluation rows. "
            f"Received: {len(values)}, {int(np.isfinite(values).sum())} of them finite. "
            "Values that are not finite mean that training diverged: lower the learning rate."
        )
    squared = np.square(np.clip(values, *test.scale) - test.values)
    cold = is_cold(test, train)

    def root(rows: NDArray[np.bool_]) -> float | None:
        return float(np.sqrt(squared[rows].mean())) if rows.any() else None

    users, user = np.unique(test.user_ids, return_inverse=True)
    units = Units(
        ids=users.tolist(),
        rows=np.bincount(user).tolist(),
        sums=np.bincount(user, squared).round(6).tolist(),
    )
    parts = {"rmse_cold": root(cold), "rmse_warm": root(~cold)}
    return Score(float(np.sqrt(squared.mean())), units, parts)


@dataclass(frozen=True)
class BiasModel:
    r"""The regularised bias model: $\hat y = \mu + b_u + b_i$, 0 for who was never seen.

    $b_i = \frac{\sum (y - \mu - b_u)}{n_i + \lambda}$ and $b_u = \frac{\sum (y - \mu - b_i)}{n_u +
    \lambda}$, alternated from zero. A distilled student that loses to it is of no use to anybody.

    Attributes:
        mean: $\mu$, the mean training rating.
        users: The known users.
        user_bias: $b_u$ by the users' indices, 0 of who was never seen.
        movies: The known movies.
        movie_bias: $b_i$ by theirs.

    Example:
        >>> round(score(BiasModel.fit(train).predict(test), test, train).value, 3)
        1.055

    Source:
        Koren, "Factorization Meets the Neighborhood", 2008, section 2.1.
    """

    mean: float
    users: Vocabulary
    user_bias: NDArray[np.float64]
    movies: Vocabulary
    movie_bias: NDArray[np.float64]

    @classmethod
    def fit(cls, train: Ratings, damping: float = 5.0, iterations: int = 10) -> "BiasModel":
        """Fits the biases, the movies' first.

        Args:
            train: The training rows.
            damping: $\\lambda$, the weight of an imaginary row without bias, above 0. Default 5.
            iterations: How often both are fitted. Default 10.
        """
        users, movies = Vocabulary.fit(train.user_ids), Vocabulary.fit(train.movie_ids)
        user, movie = users.lookup(train.user_ids), movies.lookup(train.movie_ids)
        mean = float(train.values.mean(dtype=np.float64))
        left = train.values - mean
        user_bias, movie_bias = np.zeros(users.size), np.zeros(movies.size)
        user_rows, movie_rows = np.bincount(user) + damping, np.bincount(movie) + damping
        for _ in range(iterations):
            movie_bias = np.bincount(movie, left - user_bias[user]) / movie_rows
            user_bias = np.bincount(user, left - movie_bias[movie]) / user_rows
        return cls(mean, users, user_bias, movies, movie_bias)

    def predict(self, ratings: Ratings) -> NDArray[np.float64]:
        """Predicted ratings, shape `(rows,)`, not clipped."""
        return self.predict_ids(ratings.user_ids, ratings.movie_ids)

    def predict_ids(
        self, user_ids: ArrayLike, movie_ids: ArrayLike, cold_user: float = 0.0
    ) -> NDArray[np.float64]:
        """Predicted ratings of movies by users, shape `(rows,)`, not clipped.

        Args:
            user_ids: Shape `(rows,)`.
            movie_ids: Shape `(rows,)`.
            cold_user: The bias of a user who was never seen. Default 0.
        """
        user, movie = self.users.lookup(user_ids), self.movies.lookup(movie_ids)
        of_users = np.where(user > 0, self.user_bias[user], cold_user)
        return self.mean + of_users + self.movie_bias[movie]

    @property
    def params(self) -> int:
        """How many numbers the model holds."""
        return 1 + len(self.users.values) + len(self.movies.values)
