import time

import numpy as np
import pytest

from tdrec.data import simulate, split_by_time
from tdrec.data.simulated import WARNING


@pytest.fixture(scope="module")
def simulated():
    return simulate()


def test_shape_of_movielens_100k(simulated):
    users, per_user = np.unique(simulated.user_ids, return_counts=True)
    assert len(simulated) == 100_000
    assert users.tolist() == list(range(1, 944))
    assert len(simulated.movies) == 1682
    assert per_user.min() >= 20
    assert per_user.max() < 800
    assert set(np.unique(simulated.values)) == {1, 2, 3, 4, 5}
    assert simulated.values.mean() == pytest.approx(3.53, abs=0.03)
    assert simulated.values.std() == pytest.approx(1.13, abs=0.03)
    pairs = simulated.user_ids * 10_000 + simulated.movie_ids
    assert np.unique(pairs).size == 100_000


def test_few_movies_have_most_of_the_ratings(simulated):
    counts = np.sort(np.bincount(simulated.movie_rows, minlength=1682))[::-1]
    assert counts[:168].sum() > 0.35 * counts.sum()
    assert counts[841:].sum() < 0.15 * counts.sum()


def test_genres_have_the_totals_of_movielens(simulated):
    totals = [2, 251, 135, 42, 122, 505, 109, 50, 725, 22, 24, 92, 56, 61, 247, 101, 251, 71, 27]
    assert simulated.movies.genres.sum(axis=0).tolist() == totals
    assert simulated.movies.genre_names[0] == "unknown"
    per_movie = np.bincount(simulated.movies.genres.sum(axis=1))
    assert per_movie.tolist() == [0, 833, 569, 215, 51, 11, 3]


def test_titles_are_invented_and_different(simulated):
    assert len(set(simulated.movies.titles)) == 1682
    assert all(title[-6] == "(" and title[-5:-1].isdigit() for title in simulated.movies.titles)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_split_by_time_is_mostly_cold_start(seed):
    holdout = split_by_time(simulate(seed))
    assert len(holdout.test) == pytest.approx(10_000, abs=20)
    assert 0.66 < holdout.cold_share < 0.76
    assert 0.01 < holdout.unseen_movie_share < 0.02


def test_every_dense_genre_has_enough_evaluation_rows(simulated):
    holdout = split_by_time(simulated)
    train, test = holdout.train.genre_counts(), holdout.test.genre_counts()
    densest = sorted(train, key=train.__getitem__, reverse=True)[:8]
    assert set(densest) == {
        "Drama", "Comedy", "Action", "Thriller", "Romance", "Adventure", "Sci-Fi", "War",
    }  # fmt: skip
    assert all(test[name] > 500 for name in densest)


def test_biases_can_be_learned(simulated):
    holdout = split_by_time(simulated)
    train, test = holdout.train, holdout.test
    mean, user, movie = train.values.mean(), np.zeros(944), np.zeros(1683)
    for _ in range(10):
        for bias, own, other, others in (
            (user, train.user_ids, movie, train.movie_ids),
            (movie, train.movie_ids, user, train.user_ids),
        ):
            left = train.values - mean - other[others]
            bias[:] = np.bincount(own, left, bias.size) / (
                np.bincount(own, minlength=bias.size) + 5
            )
    guess = np.clip(mean + user[test.user_ids] + movie[test.movie_ids], 1, 5)
    of_bias = np.sqrt(np.mean((guess - test.values) ** 2))
    of_mean = np.sqrt(np.mean((mean - test.values) ** 2))
    assert of_bias < 0.93 * of_mean
    # Tastes in genres: what the biases leave differs from user to user within one genre.
    left = train.values - mean - user[train.user_ids] - movie[train.movie_ids]
    drama = train.movies.genres[train.movie_rows, train.movies.genre_names.index("Drama")]
    count = np.bincount(train.user_ids[drama], minlength=944)
    average = np.bincount(train.user_ids[drama], left[drama], 944) / np.maximum(count, 1)
    much = count >= 50
    by_chance = left[drama].std() / np.sqrt(count[much].mean())
    assert average[much].std() > 1.5 * by_chance


def test_the_same_seed_gives_the_same_data(simulated):
    assert simulate().fingerprint == simulated.fingerprint
    assert simulate(1).fingerprint != simulated.fingerprint


def test_the_ratings_say_that_they_are_not_real(simulated):
    assert simulated.name == "simulated"
    assert simulated.warnings == (WARNING,)
    assert WARNING.startswith("SIMULATED DATA")
    assert split_by_time(simulated).test.of_genre("War").warnings == (WARNING,)


def test_it_is_fast():
    start = time.process_time()
    simulate()
    assert time.process_time() - start < 2.0
