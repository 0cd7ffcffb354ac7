r"""How good a ranking of a genre's movies is, and the two that anybody would try first.

All movies of the genre are ranked, but those that the user has seen, which are left out whoever
ranks. With $r$ the rank of the one movie that came next,

$$NDCG@10 = \frac{1}{\log_2(r + 1)} \text{ if } r \le 10 \text{, else } 0, \qquad
Recall@10 = [r \le 10], \qquad MRR = \frac{1}{r},$$

means over the events. Each user's part is kept, over whom intervals are drawn.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from tdrec.studies.metric import Metric
from tdrec.studies.row import Units
from tdrec.studies.task import DivergedError, Score
from tdrec.tasks.sequences.events import Histories, Ints, Ranking

BEST = 10
"""How many movies are shown: what @10 means."""

NDCG = Metric("ndcg", f"NDCG@{BEST}", better="higher", unit="user")

_TIES = 0
"""The seed of the order of movies with the same score, one for whoever ranks."""

_LAST_RESORT = 1e-6
"""Of item-kNN: what the most popular movie adds to its score, less than any similarity does."""


def ranks(scores: ArrayLike, seen: NDArray[np.bool_], target: Ints) -> Ints:
    """The rank of each event's movie among those that its user has not seen.

    Args:
        scores: Higher is better: `(events, candidates)`, or `(1, candidates)` for all events alike.
        seen: What is left out, of the same shape as all events' scores.
        target: Which candidate each event is, not a seen one.

    Returns:
        From 1; movies of one score are ordered by a seed.

    Raises:
        DivergedError: If a score is not finite.

    Example:
        >>> ranks([[0.3, 0.9, 0.1]], np.array([[False, True, False]]), np.array([2]))
        array([2])
    """
    values = np.broadcast_to(np.asarray(scores), seen.shape)
    if not np.isfinite(values).all():
        raise DivergedError("a score of an evaluation event was not finite")
    drawn = np.random.default_rng(_TIES).permutation(seen.shape[1])
    own = np.take_along_axis(values, target[:, None], axis=1)
    is_before = (values > own) | ((values == own) & (drawn < drawn[target][:, None]))
    found: Ints = 1 + (is_before & ~seen).sum(axis=1)
    return found


def score(scores: ArrayLike, ranking: Ranking) -> Score:
    """How well scores rank a genre's evaluation events.

    Args:
        scores: As of `ranks`.
        ranking: The events.

    Returns:
        The `Score`: NDCG@10, its sums by user, and in `details` `recall` and `mrr`, and the NDCG
        of users without a training row (`ndcg_cold`) and of the others (`ndcg_warm`), None if
        there are none.

    Raises:
        DivergedError: If a score is not finite.
    """
    rank = np.concatenate(
        [ranks(scores, ranking.seen, ranking.target), np.full(len(ranking.missed), np.inf)]
    )
    user_ids = np.concatenate([ranking.user_ids, ranking.missed])
    gains = np.where(rank <= BEST, 1 / np.log2(rank + 1), 0.0)
    cold = np.isin(user_ids, ranking.cold)
    ids, user = np.unique(user_ids, return_inverse=True)
    units = Units(
        ids=ids.tolist(),
        rows=np.bincount(user).tolist(),
        sums=np.bincount(user, gains).round(6).tolist(),
    )
    details = {
        "recall": float(np.mean(rank <= BEST)),
        "mrr": float(np.mean(1 / rank)),
        "ndcg_cold": float(gains[cold].mean()) if cold.any() else None,
        "ndcg_warm": float(gains[~cold].mean()) if not cold.all() else None,
    }
    return Score(float(gains.mean()), units, details)


def popularity(histories: Histories, candidates: Ints) -> NDArray[np.float64]:
    """How many users of the training rows saw each candidate: `(1, candidates)`."""
    counts = np.bincount(histories.tokens[~histories.later], minlength=histories.tokens_in_all)
    return counts[candidates][None].astype(np.float64)


def item_knn(histories: Histories, candidates: Ints, last: Ints) -> NDArray[np.float64]:
    r"""How near each candidate is to the latest movies of a history.

    $\sum_j \cos(x_j, x_c)$ over the latest movies $j$, with $x$ the users of the training rows who
    saw a movie. Where nobody saw both, and without a history, the popular one is before the other.

    Args:
        histories: The training rows.
        candidates: What is ranked, by token.
        last: The latest tokens of each history, padded by 0: `(events, neighbours)`.

    Returns:
        Shape `(events, candidates)`.
    """
    known = ~histories.later
    _, user = np.unique(histories.user_ids[known], return_inverse=True)
    token = histories.tokens[known]
    size = histories.tokens_in_all
    weight = 1 / np.sqrt(np.maximum(np.bincount(token, minlength=size), 1))
    seen = sparse.csr_matrix((weight[token], (user, token)), (int(user.max()) + 1, size))
    similar = (seen.T @ seen[:, candidates]).tocsr()
    event, place = np.nonzero(last)
    latest: Any = sparse.csr_matrix(
        (np.ones(len(event)), (event, last[event, place])), (len(last), size)
    )
    popular = popularity(histories, candidates)
    found: NDArray[np.float64] = (latest @ similar).toarray()
    return found + _LAST_RESORT * popular / popular.max()
