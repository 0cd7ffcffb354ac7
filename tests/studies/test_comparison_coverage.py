"""Tests of comparisons by simulation: intervals hold the truth as often as they say."""

import math

import numpy as np
import pytest

from small_scores import scores
from tdrec.studies.comparison import compare, recovered
from tdrec.studies.metric import RMSE

SCENARIOS = {  # variances of one seed's difference: of users, of the seed, of users at the seed
    "users alone": (1, 0, 0),
    "users dominate": (1, 0.05, 0.1),
    "seeds dominate": (0.05, 1, 0.05),
    "users over seeds": (1, 0.3, 0),
    "mixed": (1, 1, 1),
    "seeds over users": (1, 12, 0),
    "interaction": (0, 0, 1),
    "users and interaction": (1, 0, 1),
    "seeds and interaction": (0, 1, 1),
}
SKEWED = {
    "geometric": lambda generator, users: generator.geometric(0.1, users),
    "log-normal": lambda generator, users: np.ceil(generator.lognormal(2, 1, users)),
}


def study(generator, users, seeds, shares, rows="geometric", tasks=1, gains=(0.0,)):
    """For each task a side for each gain, and the side that they are gains over.

    A row's squared error is the user's difficulty times factors of mean 1, of the user, of the user
    at the seed, and the square of one of the seed. In the population a side's RMSE is the last
    side's times 1 minus its gain. Tasks share most of their users, and 60% of what users and seeds
    do.
    """
    of_users, of_seeds, of_both = np.sqrt(np.array(shares) / sum(shares))

    def partly(common):
        own = generator.normal(size=len(common))
        return math.sqrt(0.6) * common + math.sqrt(0.4) * own

    def factor(size, normal):
        return np.exp(size * normal - size**2 / 2)

    hard = generator.gamma(4, 1 / 4, users)
    suit = generator.normal(size=(len(gains), users))
    seeds_suit = generator.normal(size=(len(gains), seeds))
    found = []
    for task in range(tasks):
        ids = np.sort(generator.choice(users, int(users * (1 - 0.1 * task)), replace=False))
        counts = SKEWED[rows](generator, len(ids))
        base = (counts * hard[ids] * generator.gamma(8, 1 / 8, len(ids)))[:, None]
        # of a difference of root mean squared errors, what users of size 0.35 make it vary
        deviation = 0.5 * 0.35 * math.sqrt((base**2).sum()) / base.sum()
        level = 1 + generator.normal(0, 0.01, seeds)
        sides = []
        for gain, users_own, seeds_own in zip(gains, suit, seeds_suit, strict=True):
            own = factor(0.35 * of_users, partly(users_own[ids]))[:, None]
            noise = factor(0.35 * of_both, generator.normal(size=(len(ids), seeds)))
            moved = (1 - gain) * (level + deviation * of_seeds * partly(seeds_own))
            sides.append(scores(base * own * noise * moved**2, counts, ids))
        found.append((*sides, scores(base * level**2, counts, ids)))
    return found


def coverage(repetitions, interval, truth, **design):
    """How often the interval holds the truth, in percent."""
    generator = np.random.default_rng(0)
    found = (interval(study(generator, **design)) for _ in range(repetitions))
    return 100 * np.mean([each.low <= truth <= each.high for each in found])


def difference(pairs):
    return compare(pairs, RMSE).difference


def in_bounds(share, repetitions, errors=2):
    """Whether it may be 93% to 97%, with standard errors of a simulated 95% to each side."""
    error = errors * 100 * math.sqrt(0.95 * 0.05 / repetitions)
    return 93 - error <= share <= 97 + error


@pytest.mark.parametrize("seeds", [2, 3, 5])
@pytest.mark.parametrize("scenario", ["users dominate", "seeds dominate", "mixed", "interaction"])
def test_intervals_hold_the_truth_as_often_as_they_say(few_resamples, scenario, seeds):
    share = coverage(1000, difference, 0, users=60, seeds=seeds, shares=SCENARIOS[scenario])
    assert in_bounds(share, 1000)


def test_intervals_of_means_over_tasks_hold_the_truth(few_resamples):
    shares = SCENARIOS["mixed"]
    share = coverage(1000, difference, 0, users=60, seeds=3, shares=shares, tasks=3)
    assert in_bounds(share, 1000)


@pytest.mark.parametrize(
    ("gains", "truth", "interval"),
    [
        ((0.05,), 5, lambda pairs: compare(pairs, RMSE).improvement),
        # a gap so wide that it is always shown
        ((0.2, 0.4), 0.5, lambda tasks: recovered([(a, c, b) for a, b, c in tasks], RMSE)),
    ],
)
def test_intervals_of_ratios_hold_the_truth(few_resamples, gains, truth, interval):
    design = {"users": 60, "seeds": 3, "shares": SCENARIOS["mixed"], "gains": gains}
    assert in_bounds(coverage(1000, interval, truth, **design), 1000)


@pytest.mark.long
@pytest.mark.parametrize(
    ("users", "rows", "tasks"), [(60, "geometric", 1), (60, "log-normal", 3), (400, "geometric", 1)]
)
@pytest.mark.parametrize("seeds", [2, 3, 5, 10])
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_intervals_hold_the_truth_everywhere(scenario, seeds, users, rows, tasks):
    design = {"users": users, "rows": rows, "tasks": tasks, "seeds": seeds}
    share = coverage(3000, difference, 0, shares=SCENARIOS[scenario], **design)
    assert in_bounds(share, 3000, errors=3)  # of 108 some are two errors off by chance
