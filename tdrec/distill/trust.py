"""Trust: as much of a teacher's predictions as a segment's own rows bear out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

DAMPINGS = (2.0, 5.0, 10.0, 20.0, 50.0, 100.0)
"""What is tried of $\\lambda$, beside infinity."""

ERRORS = 2.0
"""By how many standard errors a change of the teacher's predictions must be better to be made."""


@dataclass(frozen=True)
class Trust:
    r"""What rows say of a teacher, and so which targets a student gets of it.

    $f = (1 - b)\, \bar y + b\, (a_0 + a_1 t)$ with the teacher's prediction $t$ and the mean label
    $\bar y$, and for a row of group $g$

    $$target = f + \frac{1}{n_g + \lambda} \sum_{rows\ of\ g} (y - f),$$

    for a row of no known group $f$ plus the mean of that over the rows. With $b = 1$ and $\lambda =
    \infty$ it is the teacher's prediction, as in plain label distillation. A teacher that does not
    know the segment is wrong by as much on all rows of an item, which a few rows of it show; one
    that knows nothing is refused, $b = 0$. Of a binary target all numbers are probabilities, and
    targets are cut at 0 and 1.

    Attributes:
        share: $b$, 1 or 0.
        damping: $\lambda$; infinity for no correction.
        mean: $\bar y$.
        intercept, slope: $a_0$ and $a_1$; 0 and 1 where the teacher predicts the same label.
        groups: The known groups, sorted.
        offsets: The correction of each.
        unknown: That of a row of no known group.
        bounds: What targets are cut at; None for nothing.

    Example:
        >>> t, y = np.array([3.0, 3.5, 4.0] * 40), np.array([1.0, 1.5, 2.0] * 40)
        >>> trust = Trust.fit(t, y, groups=np.arange(120) % 4, users=np.arange(120) // 3)
        >>> trust.damping, trust.targets([4.0], [2]).round(1)
        (2.0, array([2.1]))

    Source:
        Shrunken offsets: Koren, "Factorization Meets the Neighborhood", 2008, section 2.1; the
        choice by the one-standard-error rule, here two: Hastie et al., "The Elements of Statistical
        Learning", section 7.10. To weigh a teacher by what the labels say of it: Zhang et al.,
        "Confidence-aware multi-teacher knowledge distillation", 2022, does so for each row.
    """

    share: float
    damping: float
    mean: float
    intercept: float
    slope: float
    groups: NDArray[Any]
    offsets: NDArray[np.float64]
    unknown: float
    bounds: tuple[float, float] | None = None

    @classmethod
    def fit(
        cls,
        teacher: ArrayLike,
        labels: ArrayLike,
        groups: ArrayLike,
        users: ArrayLike,
        *,
        other_label: bool = False,
        bounds: tuple[float, float] | None = None,
        dampings: Sequence[float] = DAMPINGS,
        folds: int = 5,
        seed: int = 0,
    ) -> "Trust":
        r"""Finds out how far rows bear a teacher out.

        $\lambda = \infty$ gives way to another $\lambda$, and then $b = 1$ to $b = 0$, only where
        that has a lower squared error on rows of users who were left out, by two standard errors
        over users.

        Args:
            teacher: The teacher's predictions of the training rows, shape `(rows,)`.
            labels: Their labels, shape `(rows,)`.
            groups: What the teacher may be wrong about as a whole, such as the item of each row:
                numbers or strings, shape `(rows,)`.
            users: Whose rows are left out together, shape `(rows,)`.
            other_label: Whether the teacher predicts another label, such as stars where clicks are
                learned: its predictions are then first fitted to the labels by least squares.
                Default False.
            bounds: What targets are cut at, such as (0, 1). Default None: nothing.
            dampings: What is tried of $\lambda$. Default 2 to 100.
            folds: How many times users are left out. Default 5.
            seed: Decides which. Default 0.

        Raises:
            ValueError: If the arrays are of unequal lengths, not finite, or of one user.
        """
        t, y, group, user = _checked(teacher, labels, groups, users)
        known, index = np.unique(group, return_inverse=True)
        people, who = np.unique(user, return_inverse=True)
        if people.size < 2:
            raise ValueError(
                "Trust is fitted on rows of two users or more, some of whom are left out. "
                f"Received: {people.size}."
            )
        fold_of = np.random.default_rng(seed).permutation(people.size) % min(folds, people.size)
        fold = fold_of[who]
        rows = _Rows(t, y, index, known.size, other_label, bounds)
        errors = {
            choice: rows.left_out(fold, *choice)
            for choice in ((1.0, np.inf), *((b, d) for b in (1.0, 0.0) for d in dampings))
        }
        choice = (1.0, np.inf)
        for share in (1.0, 0.0):
            best = min(((share, d) for d in dampings), key=lambda one: float(errors[one].mean()))
            if _is_better(errors[best], errors[choice], who):
                choice = best
        return rows.trust(np.ones(len(y), bool), *choice, known)

    def targets(self, teacher: ArrayLike, groups: ArrayLike | None) -> NDArray[np.float64]:
        """What a student gets in the place of predictions.

        Args:
            teacher: The teacher's predictions, shape `(rows,)`.
            groups: The group of each row, shape `(rows,)`; None for rows whose groups are not
                known.

        Returns:
            The targets, shape `(rows,)`.
        """
        t = np.asarray(teacher, np.float64).reshape(-1)
        offset: Any = self.unknown
        if groups is not None:
            wanted = np.asarray(groups).reshape(-1)
            place = np.minimum(np.searchsorted(self.groups, wanted), self.groups.size - 1)
            offset = np.where(self.groups[place] == wanted, self.offsets[place], self.unknown)
        fitted = self.intercept + self.slope * t
        found = (1 - self.share) * self.mean + self.share * fitted + offset
        return found if self.bounds is None else np.clip(found, *self.bounds)


@dataclass(frozen=True)
class _Rows:
    """Rows with the number of their group."""

    teacher: NDArray[np.float64]
    labels: NDArray[np.float64]
    group: NDArray[np.intp]
    n_groups: int
    other_label: bool
    bounds: tuple[float, float] | None

    def trust(
        self, of: NDArray[np.bool_], share: float, damping: float, groups: NDArray[Any]
    ) -> Trust:
        """Fitted on some of the rows, with a share and a damping that are given."""
        t, y, group = self.teacher[of], self.labels[of], self.group[of]
        intercept, slope = _line(t, y) if self.other_label else (0.0, 1.0)
        mean = float(y.mean())
        left = y - ((1 - share) * mean + share * (intercept + slope * t))
        rows = np.bincount(group, minlength=self.n_groups)
        offsets = np.bincount(group, left, self.n_groups) / (rows + damping)
        # A row of a group that is not known gets what rows get in the mean.
        unknown = float((offsets * rows).sum() / rows.sum())
        offsets = np.where(rows > 0, offsets, unknown)
        return Trust(share, damping, mean, intercept, slope, groups, offsets, unknown, self.bounds)

    def left_out(self, fold: NDArray[np.intp], share: float, damping: float) -> NDArray[np.float64]:
        """The squared error of each row, by what the rows of the other folds say."""
        errors = np.empty(len(self.labels))
        numbers = np.arange(self.n_groups)
        for each in np.unique(fold):
            out = fold == each
            found = self.trust(~out, share, damping, numbers)
            predicted = found.targets(self.teacher[out], self.group[out])
            errors[out] = np.square(predicted - self.labels[out])
        return errors


def _line(t: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[float, float]:
    """The least-squares fit of the labels; their mean where the teacher says one thing only."""
    spread = float(t.var())
    slope = float(np.mean((t - t.mean()) * (y - y.mean()))) / spread if spread > 0 else 0.0
    return float(y.mean()) - slope * float(t.mean()), slope


def _is_better(one: NDArray[np.float64], other: NDArray[np.float64], who: NDArray[np.intp]) -> bool:
    """Whether errors are lower by `ERRORS` standard errors, over users."""
    gains, rows = np.bincount(who, other - one), np.bincount(who)
    gain = float(gains.sum() / rows.sum())
    left = gains - gain * rows
    spread = float(np.square(left).sum()) * len(rows) / max(len(rows) - 1, 1)
    return gain > ERRORS * float(np.sqrt(spread)) / rows.sum()


def _checked(
    teacher: ArrayLike, labels: ArrayLike, groups: ArrayLike, users: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[Any], NDArray[Any]]:
    given = {"teacher": teacher, "labels": labels, "groups": groups, "users": users}
    arrays = {name: np.asarray(array) for name, array in given.items()}
    for name, array in arrays.items():
        if array.ndim == 2 and array.shape[1] == 1:
            arrays[name] = array[:, 0]
        elif array.ndim != 1:
            raise ValueError(
                f"`{name}` must have one entry for each row. Received: shape {array.shape}."
            )
    lengths = {name: len(array) for name, array in arrays.items()}
    if len(set(lengths.values())) > 1 or not len(arrays["labels"]):
        raise ValueError(f"Trust is fitted on rows, at least one. Received: {lengths}.")
    for name in ("teacher", "labels"):
        numbers = arrays[name] = arrays[name].astype(np.float64)
        if not np.isfinite(numbers).all():
            raise ValueError(
                f"`{name}` must be finite. Received: {numbers[~np.isfinite(numbers)][0]} at row "
                f"{int(np.argmin(np.isfinite(numbers)))}."
            )
    return arrays["teacher"], arrays["labels"], arrays["groups"], arrays["users"]
