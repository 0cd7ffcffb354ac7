import time

import numpy as np
import pytest

from tdrec.data import simulate, split_by_time
from tdrec.data.simulated import WARNING
from tdrec.tasks.genre import GenreTask
from tdrec.tasks.ratings.config import PRESETS
from tdrec.tasks.ratings.evaluation import BiasModel, score
from tdrec.tasks.ratings.session import RatingSession

DENSEST = {"Drama", "Comedy", "Action", "Thriller", "Romance", "Adventure", "Sci-Fi", "War"}


@pytest.fixture(scope="module")
def simulated():
    return simulate()


@pytest.fixture(scope="module")
def session(simulated, tmp_path_factory):
    return RatingSession(split_by_time(simulated), tmp_path_factory.mktemp("teachers"))


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
    assert 0.01 < holdout.unseen_item_share < 0.02


def test_every_dense_genre_has_enough_evaluation_rows(simulated):
    holdout = split_by_time(simulated)
    train, test = holdout.train.genre_counts(), holdout.test.genre_counts()
    densest = sorted(train, key=train.__getitem__, reverse=True)[:8]
    assert set(densest) == DENSEST
    assert all(test[name] > 500 for name in densest)


def test_biases_can_be_learned(simulated):
    holdout = split_by_time(simulated)
    train, test = holdout.train, holdout.test
    of_mean = score(np.full(len(test), train.values.mean()), test, train).value
    assert score(BiasModel.fit(train).predict(test), test, train).value < 0.93 * of_mean


def test_all_genres_say_more_of_a_rating_than_its_genre_alone(simulated):
    """Else a teacher of all genres would have nothing to teach, which is not so on MovieLens."""
    holdout = split_by_time(simulated)
    train, test = holdout.train, holdout.test
    bias = BiasModel.fit(train)
    of_cold = bias.cold_user(train)
    gains = {}
    for genre in sorted(DENSEST):
        rows, seen = test.of_genre(genre), train.of_genre(genre)
        users, movies = bias.users.lookup(rows.user_ids), bias.items.lookup(rows.movie_ids)
        of_all = bias.of_indices(users, movies, cold_user=of_cold)
        of_genre = BiasModel.fit(seen).predict(rows)
        gains[genre] = score(of_genre, rows, seen).value - score(of_all, rows, seen).value
    assert min(gains["Drama"], gains["War"], np.mean(list(gains.values()))) > 0.001
    # Tastes: what biases leave of the ratings has a few directions that foretell later ratings.
    left = np.zeros((944, 1683))
    left[train.user_ids, train.movie_ids] = train.values - bias.predict(train)
    directions = np.random.default_rng(0).normal(size=(1683, 4))
    for _ in range(10):
        directions, _ = np.linalg.qr(left.T @ (left @ directions))
    taste = left @ directions @ directions.T
    without, with_taste = (
        score(bias.predict(test) + more, test, train).details["rmse_warm"]
        for more in (0.0, taste[test.user_ids, test.movie_ids])
    )
    assert with_taste < 0.99 * without


@pytest.mark.long
@pytest.mark.parametrize("genre", ["Drama", "War"])
def test_models_come_in_the_order_that_they_have_on_movielens(session, genre):
    task, config = GenreTask(genre, "simulated"), PRESETS["strong"]
    bias, teacher, scratch, ld = (
        np.mean([session.run(task, config, method, seed).score.value for seed in seeds])
        for method, seeds in (("bias", [0]), ("teacher", [0]), ("scratch", [0, 1]), ("ld", [0, 1]))
    )
    assert teacher < ld < scratch
    assert bias - 0.03 < teacher < bias - 0.002
    assert ld < bias + 0.003
    assert bias - 0.002 < scratch < bias + 0.02


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
