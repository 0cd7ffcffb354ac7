"""Generated ratings in the shape of MovieLens 100K: for tests and a look without any download."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tdrec.data.ratings import Movies, Ratings

WARNING = (
    "SIMULATED DATA: these ratings are generated, not real; figures say nothing about MovieLens. "
    "Set --data or TDREC_DATA to a MovieLens folder or zip."
)

_USERS, _MOVIES, _RATINGS = 943, 1682, 100_000
_FEWEST, _MOST = 20, 730  # ratings of one user
_START, _DAYS, _DAY = 874_724_710, 215.0, 86_400


class _Genre(NamedTuple):
    movies: int  # how many movies have it
    pull: float  # how often its movies are rated, against the average movie
    kin: tuple[str, ...]  # genres that often come with it


# Totals counted on MovieLens 100K; no row of it is here.
_GENRES = {
    "unknown": _Genre(2, 0.1, ()),
    "Action": _Genre(251, 2.3, ("Adventure", "Sci-Fi", "Thriller", "War")),
    "Adventure": _Genre(135, 2.1, ("Action", "Children's", "Fantasy", "Sci-Fi")),
    "Animation": _Genre(42, 1.4, ("Children's", "Musical")),
    "Children's": _Genre(122, 1.0, ("Adventure", "Animation", "Fantasy", "Musical")),
    "Comedy": _Genre(505, 1.0, ("Children's", "Musical", "Romance")),
    "Crime": _Genre(109, 1.2, ("Drama", "Film-Noir", "Mystery", "Thriller")),
    "Documentary": _Genre(50, 0.3, ()),
    "Drama": _Genre(725, 0.9, ("Crime", "Romance", "War")),
    "Fantasy": _Genre(22, 1.0, ("Adventure", "Children's", "Sci-Fi")),
    "Film-Noir": _Genre(24, 1.2, ("Crime", "Mystery", "Thriller")),
    "Horror": _Genre(92, 1.0, ("Sci-Fi", "Thriller")),
    "Musical": _Genre(56, 1.5, ("Animation", "Children's", "Comedy", "Romance")),
    "Mystery": _Genre(61, 1.4, ("Crime", "Film-Noir", "Thriller")),
    "Romance": _Genre(247, 1.6, ("Comedy", "Drama", "Musical", "War")),
    "Sci-Fi": _Genre(101, 2.6, ("Action", "Adventure", "Fantasy", "Thriller")),
    "Thriller": _Genre(251, 1.8, ("Action", "Crime", "Mystery", "Sci-Fi")),
    "War": _Genre(71, 6.0, ("Action", "Drama", "Romance", "Sci-Fi")),
    "Western": _Genre(27, 1.2, ("Action", "Comedy")),
}
_KIN_LIFT = 5.0
_TRAITS = 4
_GENRES_PER_MOVIE = (833, 569, 215, 51, 11, 3)  # movies with 1, 2, ... genres

_ADJECTIVES = (
    "Amber Ancient Autumn Bitter Borrowed Brass Broken Burning Buried Careless Copper Crimson "
    "Crooked Distant Double Drifting Empty Endless Faded Fallen Final Forgotten Frozen Gentle "
    "Gilded Golden Hidden Hollow Idle Iron Last Lonely Lost Lucky Midnight Modern Narrow "
    "Northern Painted Pale Patient Paper Perfect Quiet Reckless Restless Rising Scarlet Second "
    "Secret Silent Silver Sleeping Southern Stolen Summer Tender Velvet Wandering Winter"
)
_NOUNS = (
    "Alibi Anchor Angel Avenue Bridge Brother Canyon Captain Carnival Castle Cipher Clockmaker "
    "Comet Compass Cottage Courier Dancer Daughter Detective Engine Escape Evening Farewell "
    "Ferry Fiddler Fortune Garden Gambler Harbor Harvest Heiress Hour Island Journey Kingdom "
    "Lantern Letter Lighthouse Machine Marriage Meadow Mirror Mountain Neighbor Orchard Outpost "
    "Passenger Piano Pilot Promise Railway River Season Shadow Signal Stranger Street Tailor "
    "Tide Violin Voyage Waltz Witness"
)


def simulate(seed: int = 0) -> Ratings:
    """Generates 100,000 ratings of 1,682 invented movies by 943 users.

    What makes MovieLens hard and a recommender worth training is there: a few movies have most of
    the ratings, a few users give most of them, users arrive one after another and mostly rate in
    one sitting (so that the users of the last tenth are mostly new), and new movies come out. A
    rating is the rounded sum of

        3.22 + user's bias + movie's bias + movie's drift + user's taste in the movie + noise.

    Much of it is the same in all genres, so that a model of all genres knows what one of a single
    genre has too few rows to see, as on MovieLens:

    - A user's bias is one for all genres, and who rates much rates lower. So users without
      training rows are not rated as those of bias 0.
    - A movie's bias depends on its year and on how often it is rated, beside its own part.
    - A movie has four traits. One goes with its year, the others with its genres, alike in genres
      that often come together; a large part of each is the movie's own. A user's taste weighs these
      traits, whatever the genre, and decides both what is rated and how.

    Args:
        seed: Another seed gives other data; the same seed the same data.

    Returns:
        Ratings from 1 to 5, with a warning that they are not real.

    Example:
        >>> len(simulate())
        100000
    """
    rng = np.random.Generator(np.random.PCG64(seed))
    genres = _draw_genres(rng)
    years = _draw_years(rng)
    taste = rng.normal(0.0, 1.0 / np.sqrt(_TRAITS), (_USERS, _TRAITS))
    affinity = taste @ _draw_traits(rng, genres, years).T

    arrival = (np.arange(_USERS) + rng.random(_USERS)) * (_DAYS / _USERS)  # in days
    release = np.where(rng.random(_MOVIES) < 0.17, rng.uniform(0.0, _DAYS, _MOVIES), -1.0)
    spread = rng.normal(0.0, 1.3, _MOVIES)
    pull = np.array([genre.pull for genre in _GENRES.values()])
    appeal = spread + (genres @ np.log(pull)) / np.sqrt(genres.sum(1))
    counts = _draw_activity(rng)
    user, movie = _choose_movies(rng, counts, arrival, release, appeal + 0.45 * affinity)
    day = _draw_days(rng, counts, arrival)

    activity = np.log(counts) - np.log(counts).mean()
    user_bias = rng.normal(0.0, 0.42, _USERS) - 0.08 * activity
    movie_bias = 0.16 * spread + 0.012 * (1994 - years) + rng.normal(0.0, 0.5, _MOVIES)
    movie_drift = rng.normal(0.0, 0.25, _MOVIES)
    late = day / _DAYS - 0.5
    score = (
        3.22
        + user_bias[user]
        + movie_bias[movie]
        + 0.6 * affinity[user, movie]
        + movie_drift[movie] * late
        + rng.normal(0.0, 0.88, _RATINGS)
    )
    public_user_ids = 1 + rng.permutation(_USERS)
    order = rng.permutation(_RATINGS)
    return Ratings(
        user_ids=public_user_ids[user][order],
        movie_ids=1 + movie[order],
        values=np.clip(np.rint(score), 1.0, 5.0)[order].astype(np.float32),
        timestamps=_START + np.floor(day[order] * _DAY).astype(np.int64),
        movies=Movies(
            ids=np.arange(1, _MOVIES + 1),
            titles=_draw_titles(rng, years),
            genres=genres,
            genre_names=tuple(_GENRES),
        ),
        scale=(1.0, 5.0),
        name="simulated",
        simulated=True,
        warnings=(WARNING,),
    )


def _draw_genres(rng: np.random.Generator) -> NDArray[np.bool_]:
    names = list(_GENRES)
    wanted = np.array([genre.movies for genre in _GENRES.values()], float)
    lift = np.where(_kin(), _KIN_LIFT, 1.0)
    unknown = names.index("unknown")
    genres = np.zeros((_MOVIES, len(names)), bool)
    how_many = np.repeat(np.arange(1, 1 + len(_GENRES_PER_MOVIE)), _GENRES_PER_MOVIE)
    how_many = np.sort(how_many)[::-1]  # movies of many genres first, while there is a choice
    left = wanted.copy()
    for movie, count in enumerate(how_many[: -int(wanted[unknown])]):
        weight = left.copy()
        weight[unknown] = 0.0
        for _ in range(count):
            if not weight.any():  # the totals are used up
                weight = np.where(genres[movie], 0.0, wanted)
            chosen = int(rng.choice(len(names), p=weight / weight.sum()))
            genres[movie, chosen] = True
            left[chosen] = max(left[chosen] - 1.0, 0.0)
            weight *= lift[chosen]
            weight[chosen] = 0.0
    genres[-int(wanted[unknown]) :, unknown] = True
    return genres[rng.permutation(_MOVIES)]


def _kin() -> NDArray[np.bool_]:
    """Which genres often come with which: bool [genres, genres]."""
    names = list(_GENRES)
    return np.array([[name in genre.kin for name in names] for genre in _GENRES.values()])


def _draw_traits(
    rng: np.random.Generator, genres: NDArray[np.bool_], years: NDArray[np.int64]
) -> NDArray[Any]:
    """What tastes weigh in a movie, of mean 0 and deviation 1 each: float [movies, traits]."""
    of_genres = (np.eye(len(_GENRES)) + 0.5 * _kin()) @ rng.normal(size=(len(_GENRES), _TRAITS))
    expected = genres @ of_genres / np.sqrt(genres.sum(1, keepdims=True))
    expected[:, 0] = years
    own = rng.normal(0.0, 1.5, expected.shape)
    return _standardised(_standardised(expected) + own)


def _standardised(values: NDArray[Any]) -> NDArray[Any]:
    return (values - values.mean(0)) / values.std(0)


def _draw_years(rng: np.random.Generator) -> NDArray[np.int64]:
    recent = rng.choice(np.arange(1993, 1999), _MOVIES, p=[0.10, 0.19, 0.24, 0.24, 0.19, 0.04])
    older = 1992 - np.floor(rng.exponential(16.0, _MOVIES)).astype(np.int64)
    return np.where(rng.random(_MOVIES) < 0.26, np.maximum(older, 1925), recent)


def _draw_titles(rng: np.random.Generator, years: NDArray[np.int64]) -> tuple[str, ...]:
    adjectives, nouns = _ADJECTIVES.split(), _NOUNS.split()
    pairs = rng.choice(len(adjectives) * len(nouns), _MOVIES, replace=False)
    article = np.where(rng.random(_MOVIES) < 0.6, "The ", "")
    return tuple(
        f"{the}{adjectives[pair // len(nouns)]} {nouns[pair % len(nouns)]} ({year})"
        for pair, the, year in zip(pairs, article, years, strict=True)
    )


def _draw_activity(rng: np.random.Generator) -> NDArray[np.int64]:
    """How many ratings each user gives: int64 [users], adding up exactly."""
    weight = np.exp(rng.normal(0.0, 1.15, _USERS))
    spare = _RATINGS - _FEWEST * _USERS
    for _ in range(20):  # what the cap cuts off goes to the others
        weight = np.minimum(weight * (spare / weight.sum()), _MOST - _FEWEST)
    extra = np.floor(weight).astype(np.int64)
    extra[np.argsort(extra)[: spare - extra.sum()]] += 1  # what rounding left over
    return _FEWEST + extra


def _choose_movies(
    rng: np.random.Generator,
    counts: NDArray[np.int64],
    arrival: NDArray[Any],
    release: NDArray[Any],
    appeal: NDArray[Any],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Draws each user's movies without repetition, by weight exp(appeal).

    Adding Gumbel noise and taking the largest is such a draw.
    """
    key = appeal + rng.gumbel(0.0, 1.0, appeal.shape)
    age = arrival[:, None] - release[None, :]
    key += np.where((release >= 0.0) & (age < 20.0), 1.0, 0.0)  # what is new is seen more
    key[age < 0.0] = -np.inf
    ranked = np.argsort(-key, axis=1, kind="stable")
    user = np.repeat(np.arange(_USERS), counts)
    movie = np.concatenate([ranked[u, :count] for u, count in enumerate(counts)])
    return user, movie


def _draw_days(
    rng: np.random.Generator, counts: NDArray[np.int64], arrival: NDArray[Any]
) -> NDArray[Any]:
    """The time of each rating in days: float [ratings], user after user."""
    days = []
    for user, (first, count) in enumerate(zip(arrival, counts, strict=True)):
        # A page of movies is rated at once, hence the many equal timestamps.
        pauses = np.where(rng.random(count) < 0.45, 0.0, rng.exponential(40.0, count)) / _DAY
        day = first + np.cumsum(pauses)
        if user % 7 < 3:  # comes back, for about half of the ratings
            visits = first + np.cumsum(rng.exponential(20.0, 6))
            visits = visits[visits < _DAYS]
            if visits.size:
                later = np.arange(count) >= count // 2
                day[later] += np.sort(rng.choice(visits, later.sum())) - first
        days.append(day)
    return np.concatenate(days)
