"""Hold out the latest ratings: a recommender is trained on the past and judged on the future."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tdrec.data.ratings import DataError, Ratings


@dataclass(frozen=True, eq=False)
class Holdout:
    """Two parts of a data set, one after the other in time.

    Args:
        train: The rows before `cut`, in the order of time.
        test: The rows from `cut` on, in the order of time.
        cut: Timestamp of the first test row.
        ties: How many rows have the timestamp `cut`; they are all in `test`.
        cold_share: Share of the test rows whose user has no training row.
        unseen_movie_share: Share of the test rows whose movie has no training row.
    """

    train: Ratings
    test: Ratings
    cut: int
    ties: int
    cold_share: float
    unseen_movie_share: float


def split_by_time(ratings: Ratings, test_fraction: float = 0.1) -> Holdout:
    """Splits ratings into the earlier and the later ones.

    The rows are sorted by timestamp, rows of one timestamp in the order in which they came. The row
    at position
    `N - round(test_fraction * N)` gives the cut, and every row of its timestamp is a test row, so
    that no training row is as late as any test row. Many rows of one timestamp thus make the test
    part larger than asked for. Only where the cut would leave no training row, the rows of the
    first timestamp are the training rows.

    The same function carves a validation part out of training rows.

    Args:
        ratings: N rows, at least two, of at least two different timestamps.
        test_fraction: Share of the rows to hold out, between 0 and 1.

    Returns:
        Both parts, neither of them empty, and what is known about the cut.

    Raises:
        ValueError: If `test_fraction` is not between 0 and 1.
        DataError: If the rows cannot be split.

    Example:
        >>> holdout = split_by_time(ratings)
        >>> validation = split_by_time(holdout.train)
        >>> len(holdout.train), len(holdout.test)
        (4972, 553)

    Source:
        "Talking Models" (arXiv 2310.03188), section 6.2: one global split of MovieLens by
        timestamp, 90% and 10%.
    """
    if not 0.0 < test_fraction < 1.0:
        raise ValueError(
            f"`test_fraction` must lie between 0 and 1, both excluded. Received: {test_fraction}. "
            "The usual share is 0.1."
        )
    rows = len(ratings)
    if rows < 2:
        raise DataError(
            f"A split needs at least two rows. Received: {rows} from {ratings.name!r}. "
            "Choose a genre or a data set with more ratings."
        )
    order = np.argsort(ratings.timestamps, kind="stable")
    times = ratings.timestamps[order]
    if times[0] == times[-1]:
        raise DataError(
            "A split by time needs rows of at least two different timestamps. "
            f"Received: {rows} rows, all of timestamp {times[0]}. Check the timestamp column."
        )
    nominal = min(max(rows - round(test_fraction * rows), 1), rows - 1)
    first = int(np.searchsorted(times, times[nominal], side="left"))
    if first == 0:
        first = int(np.searchsorted(times, times[0], side="right"))
    train, test = ratings.take(order[:first]), ratings.take(order[first:])
    cut = int(times[first])
    return Holdout(
        train=train,
        test=test,
        cut=cut,
        ties=int(np.count_nonzero(times == cut)),
        cold_share=float(np.mean(~np.isin(test.user_ids, train.user_ids))),
        unseen_movie_share=float(np.mean(~np.isin(test.movie_ids, train.movie_ids))),
    )
