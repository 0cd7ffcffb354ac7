r"""Comparison: how sure it is that one label is better than another, over users and over seeds.

The idea: both sides are evaluated on the same rows of the same users with the same seeds, so what
they share cancels in their difference. It would differ for other users, who are many and are
resampled, and for other seeds, which are few: a bootstrap of 3 seeds knows too little of their
spread, so they take Student's t. Each seed sees all users: the two are crossed.

Values. With $c_u$ the number of times that a resample has user $u$, $n_u$ its rows, $q_{us}$ its
sum at seed $s$, and $g$ the root, or nothing for a metric without one,

$$m_s = g\left(\frac{\sum_u c_u q_{us}}{\sum_u c_u n_u}\right), \qquad d_s = m^a_s - m^b_s, \qquad
\bar d = \frac{1}{S} \sum_s d_s .$$

The data have $c_u = 1$. A mean over tasks is the mean of their $m_s$ at each seed, and one resample
of all users serves all tasks, since users occur in several.

Interval. The variance of $\bar d$ is the sum of

- $U$, of what users do to all seeds alike: the mean covariance of $d_s$ and $d_{s'}$, $s \ne s'$,
  over the resamples, and 0 where that is negative;
- $V$, of the seeds: the variance of $d_s$ with $S - 1$, by $S$. It holds what a seed does to all
  users and what it does to single ones.

Each alone has a quantile that its standard deviation is multiplied by. For $V$ it is $t_{S-1}$ of
97.5%. For $U$ it is $k = (p - \bar d) / \sigma \cdot t_\nu / z$ on each side: $p$ is the 2.5% or
97.5% quantile of $\bar d$ over the resamples and $\sigma$ its standard deviation, and $t_\nu / z$
makes up for few users, and for few that have most of the rows. With $\psi_u$ by how much $\bar d$
moves when user $u$ of $n$ is left out, $\sum_u \psi_u^2$ estimates a variance with

$$\nu = 2 \Big/ \left(\sum_u \psi_u^4 \Big/ \Big(\sum_u \psi_u^2\Big)^2 - \frac{1}{n}\right)$$

degrees of freedom, $n - 1$ at most. For the sum of the parts the squared quantiles are averaged by
the squared variances, which weigh Satterthwaite's degrees of freedom too. The half-width is $h$ in

$$h^2 = (U + V) \, \frac{U^2 k^2 + V^2 t^2_{S-1}}{U^2 + V^2} .$$

Where users do not matter, or the metric has none, this is Student's interval over paired seeds, and
where seeds do not, the percentile interval over users, widened for few of them. In between none is
exact (the Behrens-Fisher problem). By simulation, 93% to 97% of these intervals hold the truth with
2 seeds or more and 60 users or more, whichever part dominates; 97.2% where users are worth some
three times what 2 seeds are. One seed has no interval.

An improvement is the difference, interval and all, in percent of the other's mean: both exclude
zero, or neither does. A recovered gap $\bar N / \bar D$ has the interval of the linear function
$(N_s - r D_s) / \bar D$ with $r = \bar N / \bar D$, moved by $r$.

Source: Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, chapters 11 and 13;
Satterthwaite, "An Approximate Distribution of Estimates of Variance Components", 1946; Cochran,
"Approximate Significance Levels of the Behrens-Fisher Test", 1964, for averaged quantiles.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tdrec.studies.metric import Metric
from tdrec.studies.row import Row

RESAMPLES = 2000
"""How often the users are drawn anew."""

LEVEL = 0.95
"""Of intervals."""

Verdict = Literal["better", "worse", "unclear", "one seed"]
Floats = NDArray[np.float64]
Seeds = tuple[int | None, ...]


@dataclass(frozen=True)
class Estimate:
    """A value with its 95% interval; the ends are None where there is none, as with one seed."""

    value: float
    low: float | None = None
    high: float | None = None

    def times(self, factor: float) -> "Estimate":
        """The same in another unit."""
        if self.low is None or self.high is None:
            return Estimate(factor * self.value)
        ends = sorted((factor * self.low, factor * self.high))
        return Estimate(factor * self.value, *ends)


@dataclass(frozen=True)
class Comparison:
    """One label against another.

    Attributes:
        place: A task, or the name of a mean: "Mean of 8 tasks".
        label, other: The two.
        difference: Metric of the label minus that of the other.
        improvement: The difference in percent of the other's value, positive where the label is
            better; in a mean over tasks, of the other's mean. NaN where that is 0.
        verdict: "better" or "worse" where the interval of the difference excludes zero on that
            side, else "unclear"; "one seed" where there is no interval.
        seeds: Pairs of seeds.
    """

    place: str
    label: str
    other: str
    difference: Estimate
    improvement: Estimate
    verdict: Verdict
    seeds: int


@dataclass(frozen=True, eq=False)
class Scores:
    """One label on one task: what comparisons are made of.

    Args:
        seeds: Of the runs, each once; `(None,)` for a reference, whose one run is taken as given
            and compared with every seed of the other side.
        values: The metric by seed; shape `(seeds,)`.
        ids: The users, each once, at least 2; shape `(users,)`. Default None, as of the next two:
            the metric has no users.
        rows: Their evaluation rows, at least 1; shape `(users,)`.
        sums: Their sums over these rows; shape `(users, seeds)`.

    Raises:
        ValueError: If the shapes disagree, a seed or user occurs twice or a number is impossible.

    Example:
        >>> Scores((0, 1), np.array([0.71, 0.73])).mean
        0.72
    """

    seeds: Seeds
    values: Floats
    ids: NDArray[Any] | None = None
    rows: NDArray[np.int64] | None = None
    sums: Floats | None = None

    def __post_init__(self) -> None:
        seeds = len(self.seeds)
        _require(
            len(set(self.seeds)) == seeds and (seeds == 1 or None not in self.seeds),
            "A label on a task must have each seed once, or the one run None. Received: "
            f"{self.seeds}. Give runs of different settings different labels.",
        )
        _require(
            seeds > 0 and self.values.shape == (seeds,) and bool(np.isfinite(self.values).all()),
            "values must be one finite number for each of at least 1 seed. Received: shape "
            f"{self.values.shape}, {np.isfinite(self.values).sum()} of them finite, for seeds "
            f"{self.seeds}. Leave out runs that diverged.",
        )
        if self.ids is None or self.rows is None or self.sums is None:
            return
        users, shapes = len(self.ids), (self.ids.shape, self.rows.shape, self.sums.shape)
        _require(
            shapes == ((users,), (users,), (users, seeds)),
            "ids and rows must have shape (users,) and sums (users, seeds). Received: "
            f"{', '.join(map(str, shapes))} for {seeds} seeds. Put one user in a line and one seed "
            "in a column.",
        )
        different = len(np.unique(self.ids))
        _require(
            different == users > 1,
            "Resampling takes at least 2 users, each of them once. Received: "
            f"{different} different users in {users} lines. Add up the rows of a user, and take a "
            "task that more users have rated.",
        )
        _require(
            bool((self.rows >= 1).all() and np.isfinite(self.sums).all()),
            "Every user must have at least 1 row and finite sums. Received: rows from "
            f"{self.rows.min()} and sums up to {self.sums.max()}. Leave out users without "
            "evaluation rows, and runs that diverged.",
        )

    @classmethod
    def of(cls, rows: Sequence[Row], metric: Metric) -> "Scores":
        """The scores that rows hold.

        Args:
            rows: Of one label on one task, one for each seed, all of status "ok".
            metric: What they are judged by.

        Raises:
            ValueError: If they are not of one label, task and metric, a run diverged, the seeds are
                evaluated on different rows, or a row's units do not give its value.

        Example:
            >>> Scores.of(section.rows_of("LD", "Drama"), section.metric).seeds
            (0, 1, 2)
        """
        kinds = sorted({(row.label, row.task, row.metric, row.status) for row in rows})
        _require(
            len(kinds) == 1 and kinds[0][2:] == (metric.name, "ok"),
            f"Scores are of one label on one task, of runs with {metric.name}. Received: {kinds}. "
            "Leave out the others, and runs that diverged.",
        )
        values = np.array([row.value for row in rows], float)
        seeds = tuple(row.seed for row in rows)
        if metric.unit == "seed":
            return cls(seeds, values)
        where = f"{rows[0].label!r} on {rows[0].task!r}"
        units = [row.units for row in rows if row.units]
        alike = {(tuple(x.ids), tuple(x.rows), len(x.sums)) for x in units}
        _require(
            len(units) == len(rows) and len(alike) == 1,
            f"Runs must have units, all of the same rows of the same users. Received: {len(units)} "
            f"of {len(rows)} runs of {where} with units, of {len(alike)} sets of users. Run all on "
            "one data set with this version of tdrec.",
        )
        sums = np.array([each.sums for each in units], float).T
        found = cls(seeds, values, np.array(units[0].ids), np.array(units[0].rows), sums)
        _check_users([found], metric)
        given = (sums.sum(0) / sum(units[0].rows)) ** (0.5 if metric.root else 1)
        worst = np.argmax(np.abs(given - values))
        _require(
            bool(abs(given[worst] - values[worst]) <= 1e-4 * abs(values[worst])),
            f"units must give the row's {metric.name}. Received: {given[worst]:.6f} from units and "
            f"{values[worst]:.6f} as {metric.name} of {where}. Clip predictions alike for both, "
            "and count every row once.",
        )
        return found

    @property
    def mean(self) -> float:
        """Over the seeds."""
        return float(self.values.mean())


def compare(
    pairs: Sequence[tuple[Scores, Scores]],
    metric: Metric,
    *,
    place: str = "",
    label: str = "",
    other: str = "",
) -> Comparison | None:
    """Compares a label with another on one task, or in the mean over several.

    Args:
        pairs: For each task the scores of the label and of the other one.
        metric: What they are judged by.
        place, label, other: What to call the tasks and the two. Default "".

    Returns:
        The `Comparison`, over the seeds that all of these have; None where there is no such seed.

    Raises:
        ValueError: If there is no task, the sides of one are evaluated on different rows, sums of
            a root are below zero, or tasks are so small that half of the resamples miss one.

    Example:
        >>> from tdrec.studies.metric import ACCURACY
        >>> td = Scores((0, 1, 2), np.array([0.75, 0.78, 0.78]))
        >>> scratch = Scores((0, 1, 2), np.array([0.72, 0.74, 0.75]))
        >>> found = compare([(td, scratch)], ACCURACY)
        >>> round(found.difference.value, 3), round(found.difference.low, 3), found.verdict
        (0.033, 0.019, 'better')
    """
    users, lines = _sides(pairs, metric)
    if not lines:
        return None
    one, base = lines
    difference = _estimate(one - base, users)
    verdict: Verdict = "unclear"
    if difference.low is None or difference.high is None:
        verdict = "one seed"
    elif difference.low > 0 or difference.high < 0:
        verdict = "better" if metric.is_better(difference.value, 0) else "worse"
    whole = float(base[0].mean())
    improvement = difference.times(100 * metric.sign / whole) if whole else Estimate(math.nan)
    return Comparison(place, label, other, difference, improvement, verdict, one.shape[1])


def recovered(triples: Sequence[tuple[Scores, Scores, Scores]], metric: Metric) -> Estimate | None:
    """Which share of the gap from scratch to teacher a student closes, 1 for all of it.

    It is scratch minus student, divided by scratch minus teacher.

    Args:
        triples: For each task the scores of the student, of scratch and of the teacher.
        metric: What they are judged by.

    Returns:
        The share; None where `compare` does not show the teacher to be better than scratch, or the
        three have no seed in common.

    Raises:
        ValueError: As `compare`.

    Example:
        >>> from tdrec.studies.metric import ACCURACY
        >>> td = Scores((0, 1, 2), np.array([0.75, 0.78, 0.78]))
        >>> scratch = Scores((0, 1, 2), np.array([0.72, 0.74, 0.75]))
        >>> teacher = Scores((None,), np.array([0.82]))
        >>> round(recovered([(td, scratch, teacher)], ACCURACY).value, 3)
        0.4
    """
    gap = compare([(teacher, scratch) for _, scratch, teacher in triples], metric)
    users, lines = _sides(triples, metric)
    if gap is None or gap.verdict != "better" or not lines:
        return None
    student, scratch, teacher = lines
    return _ratio(scratch - student, scratch - teacher, users)


def choose(scores: Mapping[str, Sequence[Scores] | None], base: str, metric: Metric) -> str:
    """The one of several to take: the best, if it is shown to be better than what one has.

    It is the rule of `compare` at one seed, over users: the percentile interval, as it is. The best
    of many is partly the luckiest, so the interval that has to exclude zero is that of level
    $1 - 0.05 / n$ for $n$ others: where none is better, one is taken in 5% of the cases at most.

    Args:
        scores: By name those of one task or more, such as a segment at several points of time, in
            whose mean they are compared: each of one seed, and all on the same users. None for one
            that diverged.
        base: The name of what one has, which is taken where none is shown to be better.
        metric: What they are judged by, over users.

    Returns:
        The name.

    Raises:
        ValueError: If all diverged, one has several seeds or no users, or as `compare`.

    Example:
        >>> from tdrec.studies.metric import RMSE
        >>> users, rows = np.arange(40), np.full(40, 5)
        >>> def with_rmse(value):
        ...     return [Scores((0,), np.array([value]), users, rows, value**2 * rows[:, None])]
        >>> choose({"defaults": with_rmse(0.98), "tuned": with_rmse(0.93)}, "defaults", RMSE)
        'tuned'

    Source:
        Bonferroni's inequality; Dunn, "Multiple Comparisons Among Means", 1961.
    """
    known = {name: tuple(each) for name, each in scores.items() if each is not None}
    _require(
        len(known) > 0,
        f"One of {', '.join(scores)} must have finite predictions. Received: none has. Train with "
        "a lower learning rate.",
    )
    seeds = [each.seeds for sides in known.values() for each in sides]
    _require(
        metric.unit == "user" and max(map(len, seeds)) == 1,
        f"A choice is made at one seed, over users. Received: {metric.name} by {metric.unit}, at "
        f"seeds {seeds}. Give scores of one seed, of a metric with users.",
    )
    for sides in zip(*known.values(), strict=True):
        _check_users(sides, metric)
    gains = {n: metric.sign * _lines(x, x[0].seeds, metric)[:, 0] for n, x in known.items()}
    best = max(gains, key=lambda name: gains[name][0])
    if base not in known or best == base:
        return best
    lead = (gains[best] - gains[base])[1 : 1 + RESAMPLES]
    return best if np.quantile(lead, (1 - LEVEL) / (len(known) - 1) / 2) > 0 else base


# Parts -------------------------------------------------------------------------------------


def _require(rule: bool, message: str) -> None:
    if not rule:
        raise ValueError(message)


def _units(side: Scores) -> tuple[NDArray[Any], NDArray[np.int64], Floats]:
    """The users' ids, rows and sums, which a metric over users needs."""
    if side.ids is None or side.rows is None or side.sums is None:
        raise ValueError(
            "A metric over users must have ids, rows and sums. Received: scores without. Take them "
            "from rows that have units."
        )
    return side.ids, side.rows, side.sums


def _check_users(sides: Sequence[Scores], metric: Metric) -> None:
    """Whether all have the same rows of the same users, with sums that the metric can be of."""
    ids, rows, _ = _units(sides[0])
    for own_ids, own_rows, sums in map(_units, sides):
        _require(
            np.array_equal(ids, own_ids) and np.array_equal(rows, own_rows),
            "Both sides must be evaluated on the same rows of the same users, in the same order. "
            f"Received: {len(ids)} users with {rows.sum()} rows and {len(own_ids)} with "
            f"{own_rows.sum()}. Evaluate both on one split of one data set.",
        )
        _require(
            not metric.root or sums.min() >= 0,
            f"Sums under a root must be at least 0. Received: {sums.min()} for {metric.name}. Give "
            "sums of squared errors.",
        )


def _sides(tasks: Sequence[tuple[Scores, ...]], metric: Metric) -> tuple[int, tuple[Floats, ...]]:
    """How many users there are, and each side's lines at the seeds that all have, if any."""
    _require(
        len(tasks) > 0,
        "A comparison needs at least 1 task. Received: none. Give a pair of scores for each task.",
    )
    own = [each.seeds for task in tasks for each in task if each.seeds != (None,)] or [(None,)]
    seeds = tuple(seed for seed in own[0] if all(seed in others for others in own))
    users = 0
    if metric.unit == "user":
        for task in tasks:
            _check_users(task, metric)
        users = len(np.unique(np.concatenate([_units(task[0])[0] for task in tasks])))
    sides = zip(*tasks, strict=True)
    return users, tuple(_lines(side, seeds, metric) for side in sides if seeds)


@lru_cache(maxsize=128)  # a report compares one label with many
def _lines(side: tuple[Scores, ...], seeds: Seeds, metric: Metric) -> Floats:
    """The mean over tasks at each seed: of the data, of each resample, and without each user.

    Shape `(1 + resamples + users, seeds)`; `(1, seeds)` where the metric has no users.
    """
    columns = [[each.seeds.index(s) if s in each.seeds else 0 for s in seeds] for each in side]
    if metric.unit == "seed":
        values = [each.values[own] for each, own in zip(side, columns, strict=True)]
        return np.mean(values, axis=0, keepdims=True)
    units = [_units(each) for each in side]
    users = np.unique(np.concatenate([ids for ids, _, _ in units]))
    table = np.zeros((len(users), len(side), 1 + len(seeds)))  # rows and sums
    for task, (ids, rows, sums) in enumerate(units):
        table[np.searchsorted(users, ids), task] = np.column_stack([rows, sums[:, columns[task]]])
    # of one shape for both sides: what is equal stays so to the last digit
    drawn = _counts(len(users), RESAMPLES) @ table.reshape(len(users), -1)
    drawn = drawn.reshape(-1, *table.shape[1:])
    totals = np.concatenate([drawn, drawn[0] - table])
    usable = totals[:, :, 0].min(1) > 0
    _require(
        bool(usable[1 : 1 + RESAMPLES].mean() >= 0.5),
        "Every task must have users in at least half of the resamples. Received: tasks of "
        f"{', '.join(str(len(ids)) for ids, _, _ in units)} users. Leave out the smallest.",
    )
    means = totals[usable, :, 1:] / totals[usable, :, :1]
    # rounding may leave less than nothing without the one user that has errors
    return (np.sqrt(np.maximum(means, 0)) if metric.root else means).mean(1)


@lru_cache(maxsize=2)  # many sides have the same users
def _counts(users: int, resamples: int) -> Floats:
    """How often each resample has each user, after a line of ones for the data as they are."""
    drawn = np.random.default_rng(0).integers(users, size=(resamples, users))
    places = drawn + users * np.arange(resamples)[:, None]
    counts = np.bincount(places.ravel(), minlength=resamples * users).reshape(resamples, users)
    return np.concatenate([np.ones((1, users)), counts])


def _estimate(lines: Floats, users: int) -> Estimate:
    """The mean over seeds, with the interval of the module's docstring from two seeds on."""
    seeds, value = lines.shape[1], float(lines[0].mean())
    if seeds == 1:
        return Estimate(value)
    from scipy.special import ndtri, stdtrit  # only here, since SciPy takes long to import

    tail = (1 + LEVEL) / 2
    by_seeds, by_users, squares = lines[0].var(ddof=1) / seeds, 0.0, np.zeros(2)
    resampled, without = np.split(lines[1:], [len(lines) - 1 - users])
    moves = (without.mean(1) - value) ** 2
    variance = resampled.mean(1).var() if users else 0.0
    if moves.any() and variance:
        by_users = max(0.0, (seeds * variance - resampled.var(0).mean()) / (seeds - 1))
        spread = (moves**2).sum() / moves.sum() ** 2 - 1 / users
        degrees = 2 / max(spread, 2 / (users - 1))
        ends = np.quantile(resampled.mean(1), [1 - tail, tail]) - value
        squares = (ends * stdtrit(degrees, tail) / ndtri(tail)) ** 2 / variance
    weights = by_users**2, by_seeds**2
    mixed = weights[0] * squares + weights[1] * stdtrit(seeds - 1, tail) ** 2
    low, high = np.sqrt((by_users + by_seeds) * mixed / (sum(weights) or 1.0)) * [-1, 1] + value
    return Estimate(value, float(low), float(high))


def _ratio(part: Floats, whole: Floats, users: int) -> Estimate:
    """The ratio of two means over seeds, as a linear function of both."""
    size = whole[0].mean()
    ratio = part[0].mean() / size
    return _estimate(ratio + (part - ratio * whole) / size, users)
