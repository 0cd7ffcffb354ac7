r"""How sure a difference between two methods is: paired bootstrap intervals over evaluation users.

The idea: both methods are evaluated on the same rows of the same users with the same seeds, so what
they share cancels in their difference. Rows of one user are alike and no independent observations;
users are. So users are resampled with replacement, the same resample for both sides. With $c_u$ the
number of times that user $u$ was drawn, $n_u$ its rows and $q_{us}$ its sum of squared errors at
seed $s$, one resample gives

$$r_s = \sqrt{\frac{\sum_u c_u q_{us}}{\sum_u c_u n_u}}, \qquad
d = \frac{1}{S} \sum_s (r^a_s - r^b_s), \qquad
i = 100 \, \frac{\sum_s (r^b_s - r^a_s)}{\sum_s r^b_s}$$

and the 2.5% and 97.5% quantiles of $d$, and of $i$, over the resamples are their 95% intervals. For
a mean over genres one resample of all users serves every genre, since users occur in several, and
$d$ and $i$ are averaged over the genres. The interval says how far a difference depends on the
users that happened to be evaluated, given the seeds; how far it depends on the seeds, their
standard error says.

Source: Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, chapters 8 and 13.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 2000
"""How often the users are drawn anew."""

LEVEL = 0.95
"""Of intervals."""


@dataclass(frozen=True, eq=False)
class UserErrors:
    """Squared errors of one method on one genre, by evaluation user.

    Attributes:
        ids: the users, each once; shape `(users,)`.
        rows: their evaluation rows, at least 1; shape `(users,)`.
        squared_error: sums of squared errors over these rows; shape `(users, seeds)`. A method that
            has no seeds has one column, which is compared with each seed of the other side.

    Raises:
        ValueError: if the shapes disagree, a user occurs twice or alone, or a number is impossible.

    Example:
        >>> UserErrors(ids=np.array([7, 9]), rows=np.array([3, 1]),
        ...            squared_error=np.array([[2.5, 2.7], [0.1, 0.2]])).rmse
        array([0.80622577, 0.85146932])
    """

    ids: NDArray[np.generic]
    rows: NDArray[np.int64]
    squared_error: NDArray[np.float64]

    def __post_init__(self) -> None:
        users = len(self.ids)
        shapes = (self.ids.shape, self.rows.shape, self.squared_error.shape)
        seeds = shapes[2][-1]
        if shapes != ((users,), (users,), (users, seeds)) or seeds < 1:
            raise ValueError(
                "ids and rows must have shape (users,) and squared_error (users, seeds). Received: "
                f"{', '.join(map(str, shapes))}. Put one user in a line and one seed in a column."
            )
        if users < 2 or len(np.unique(self.ids)) < users:
            raise ValueError(
                "Resampling takes at least 2 users, each of them once. Received: "
                f"{len(np.unique(self.ids))} different users in {users} lines. "
                "Add up the rows of a user, and take a genre that more users have rated."
            )
        if not (self.rows >= 1).all():
            raise ValueError(
                f"Every user must have at least 1 row. Received: {self.rows.min()}. "
                "Leave out users without evaluation rows."
            )
        if not (np.isfinite(self.squared_error) & (self.squared_error >= 0)).all():
            wrong = self.squared_error[~(self.squared_error >= 0) | np.isinf(self.squared_error)]
            raise ValueError(
                "Sums of squared errors must be finite and at least 0. Received: "
                f"{wrong[0]}. Leave out runs that diverged: they have no difference to show."
            )

    @classmethod
    def of(cls, *by_user: Mapping[str, Any]) -> "UserErrors":
        """From what runs record, one for each seed: `ids`, `rows` and `squared_error` as lists."""
        return cls(
            np.array(by_user[0]["ids"]),
            np.array(by_user[0]["rows"], int),
            np.array([each["squared_error"] for each in by_user], float).T,
        )

    @property
    def seeds(self) -> int:
        """How many runs there are."""
        return self.squared_error.shape[1]

    @property
    def rmse(self) -> NDArray[np.float64]:
        """RMSE over all rows, by seed; shape `(seeds,)`."""
        return np.sqrt(self.squared_error.sum(0) / self.rows.sum())


@dataclass(frozen=True)
class Interval:
    """An estimate and its interval, of 95% unless another level was asked for.

    Attributes:
        value: from the data as they are.
        low, high: the ends of the interval: of `compare`, quantiles over the resamples, for 95%
            the 2.5% and the 97.5% one.
    """

    value: float
    low: float
    high: float

    @property
    def side(self) -> str | None:
        """Where all of the interval lies: "below" zero, "above" it, or None if zero is in it."""
        if self.high < 0:
            return "below"
        return "above" if self.low > 0 else None


@dataclass(frozen=True)
class Comparison:
    """One method against another.

    Attributes:
        difference: RMSE of the method minus that of the other: below zero the method is better.
        improvement: by how many percent of the other's RMSE the method's is lower.
    """

    difference: Interval
    improvement: Interval

    @property
    def verdict(self) -> str:
        """ "better" or "worse" where the difference's interval excludes zero, else "unclear"."""
        return {"below": "better", "above": "worse", None: "unclear"}[self.difference.side]


@dataclass(frozen=True)
class Wins:
    """In how many genres a method is ahead of another.

    Attributes:
        genres: how many were compared.
        lower: those in which its RMSE is the lower one, by however little.
        better, worse: those in which the interval excludes zero on that side.
    """

    genres: int
    lower: int
    better: int
    worse: int

    @property
    def unclear(self) -> int:
        """Genres in which no difference is shown."""
        return self.genres - self.better - self.worse


def compare(
    pairs: Sequence[tuple[UserErrors, UserErrors]],
    resamples: int = RESAMPLES,
    seed: int = 0,
    level: float = LEVEL,
) -> Comparison:
    """Compares a method with another on one genre, or in the mean over several.

    Args:
        pairs: for each genre the errors of the method and of the other one, on the same users in
            the same order, with seeds in the same order.
        resamples: how often the users are drawn. A resample of several genres in which one of them
            has no user is left out.
        seed: of the draws. The same users and seed give the same resamples, whatever the methods.
        level: of the intervals, between 0 and 1.

    Returns:
        The `Comparison`, of means over seeds and then over genres.

    Raises:
        ValueError: no genre, sides that cannot be paired, fewer than 100 resamples, or genres so
            small that half of the resamples miss one.

    Example:
        >>> compare([(td, scratch)]).difference
        Interval(value=-0.0012, low=-0.0021, high=-0.0004)
    """
    if not pairs or resamples < 100:
        raise ValueError(
            "A comparison needs at least 1 genre and 100 resamples. Received: "
            f"{len(pairs)} and {resamples}. Give a pair of errors for each genre; "
            f"{RESAMPLES} resamples are the default."
        )
    for one, other in pairs:
        _check_pair(one, other)
    users = np.unique(np.concatenate([one.ids for one, _ in pairs]))
    counts = _counts(len(users), resamples, seed)
    usable = np.full(len(counts), True)
    differences, improvements = [], []
    for one, other in pairs:
        drawn = counts[:, np.searchsorted(users, one.ids)]
        rows = drawn @ one.rows
        usable &= rows > 0
        # Products of one shape each, which are equal to the last digit where both sides are.
        left, right = (
            np.sqrt(drawn @ x.squared_error / np.maximum(rows, 1)[:, None]) for x in (one, other)
        )
        difference, base = (left - right).mean(1), right.mean(1)
        differences.append(difference)
        # an other side without any error leaves nothing to improve, and nothing to divide by
        improvements.append(-100 * difference / np.where(base > 0, base, 1.0))
    if 2 * usable.sum() < len(usable):
        raise ValueError(
            "Every genre must have users in at least half of the resamples. Received: genres of "
            f"{', '.join(str(len(one.ids)) for one, _ in pairs)} users. Leave out the smallest."
        )
    means = (np.mean(x, axis=0)[usable] for x in (differences, improvements))
    return Comparison(*(_interval(mean, level) for mean in means))


def choose(errors: Mapping[str, UserErrors | None], base: str) -> str:
    """The one of several to take: the best, if it is shown to be better than what one has.

    The best of many is partly the luckiest, so the interval that has to exclude zero is that of
    level $1 - 0.05 / n$ for $n$ others: where none is better, one is taken in 5% of the cases at
    most.

    Args:
        errors: by name, all on the same users; None for one that diverged.
        base: the name of what one has, which is taken where none is shown to be better.

    Returns:
        The name.

    Raises:
        ValueError: all diverged.

    Example:
        >>> choose({"scratch": scratch, "ld": ld, "td": td}, "scratch")
        'ld'

    Source:
        Bonferroni's inequality; Dunn, "Multiple Comparisons Among Means", 1961.
    """
    finite = {name: each for name, each in errors.items() if each is not None}
    if not finite:
        raise ValueError(
            f"One of {', '.join(errors)} must have finite predictions. Received: none has. Train "
            "with a lower learning rate."
        )
    best = min(finite, key=lambda name: finite[name].rmse.mean())
    if base not in finite or best == base:
        return best
    level = 1 - (1 - LEVEL) / (len(finite) - 1)
    shown = compare([(finite[best], finite[base])], level=level).verdict == "better"
    return best if shown else base


def count_wins(comparisons: Iterable[Comparison]) -> Wins:
    """Counts over genres: wins out of eight, and those that the intervals bear out.

    Args:
        comparisons: of one method with another, one for each genre.
    """
    found = list(comparisons)
    verdicts = [comparison.verdict for comparison in found]
    return Wins(
        genres=len(found),
        lower=sum(comparison.difference.value < 0 for comparison in found),
        better=verdicts.count("better"),
        worse=verdicts.count("worse"),
    )


def claim(method: str, other: str, where: str, comparison: Comparison) -> str:
    """The comparison as a sentence to quote.

    Args:
        method, other: names of the two.
        where: "on Drama", "in the mean over 8 genres".
        comparison: of the method with the other.

    Example:
        >>> claim("TD", "scratch", "on Drama", compare([(td, scratch)]))
        'TD is better than scratch on Drama by 0.0012 (95% interval 0.0004 to 0.0021).'
    """
    return sentence(method, other, where, comparison.difference, comparison.verdict, "RMSE")


def sentence(
    method: str, other: str, where: str, difference: Interval, verdict: str, measure: str
) -> str:
    """A difference as a sentence to quote, whatever was measured.

    Args:
        method, other: names of the two.
        where: "on Drama", "in the mean over 8 genres".
        difference: the first's measure minus the other's.
        verdict: "better", "worse" or "unclear".
        measure: what was measured: "RMSE", "accuracy".
    """
    if verdict == "unclear":
        return (
            f"No difference between {method} and {other} is shown {where}: the {measure} of "
            f"{method} is {amount(difference.value)} (95% interval {signed(difference.low)} to "
            f"{signed(difference.high)})."
        )
    low, high = sorted((abs(difference.low), abs(difference.high)))
    return (
        f"{method} is {verdict} than {other} {where} by {abs(difference.value):.4f} "
        f"(95% interval {low:.4f} to {high:.4f})."
    )


def signed(value: float, digits: int = 4) -> str:
    """A difference with its sign: -0.00123 -> "−0.0012"; what rounds to zero has none."""
    text = f"{value:+.{digits}f}"
    return text[1:] if float(text) == 0 else text.replace("-", "−")


def amount(value: float) -> str:
    """A difference in words: -0.0012 -> "0.0012 lower"."""
    if f"{abs(value):.4f}" == "0.0000":
        return "the same to four decimals"
    return f"{abs(value):.4f} {'lower' if value < 0 else 'higher'}"


def _check_pair(one: UserErrors, other: UserErrors) -> None:
    if not (np.array_equal(one.ids, other.ids) and np.array_equal(one.rows, other.rows)):
        raise ValueError(
            "Both sides must be evaluated on the same rows of the same users, in the same order. "
            f"Received: {len(one.ids)} users with {one.rows.sum()} rows and {len(other.ids)} with "
            f"{other.rows.sum()}. Evaluate both on one split of one data set."
        )
    if one.seeds != other.seeds and 1 not in (one.seeds, other.seeds):
        raise ValueError(
            "Seeds are paired: both sides must have the same ones, or one side a single run. "
            f"Received: {one.seeds} and {other.seeds} seeds. Keep those that both sides have."
        )


@lru_cache(maxsize=2)  # a study compares many methods on the same users
def _counts(users: int, resamples: int, seed: int) -> NDArray[np.float64]:
    """How often each resample has each user, after a line of ones for the data as they are."""
    drawn = np.random.default_rng(seed).integers(users, size=(resamples, users))
    places = drawn + users * np.arange(resamples)[:, None]
    counts = np.bincount(places.ravel(), minlength=resamples * users).reshape(resamples, users)
    return np.concatenate([np.ones((1, users)), counts])


def _interval(values: NDArray[np.float64], level: float) -> Interval:
    """From the estimate and, after it, its values in the resamples."""
    low, high = np.quantile(values[1:], ((1 - level) / 2, (1 + level) / 2))
    return Interval(float(values[0]), float(low), float(high))
