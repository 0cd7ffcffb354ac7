"""Centred kernel alignment: how alike two models' hidden states are, whatever their widths."""

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

MIN_ROWS = 2
MIN_ROWS_UNBIASED = 4


def linear_cka(x: ArrayLike, y: ArrayLike, unbiased: bool = False) -> float:
    r"""Linear CKA of two sets of states of the same rows.

    $CKA = \frac{HSIC(X, Y)}{\sqrt{HSIC(X, X)\, HSIC(Y, Y)}}$ with $HSIC(X, Y) = \|X^\top Y\|_F^2$
    for states centred over the rows. It lies in [0, 1]; it is 1 where one set is the other one,
    turned, mirrored, shifted and scaled as a whole. Widths may differ. All is done in float64, and
    in the form of features: no matrix of rows by rows is made.

    With few rows for their width, even unrelated states get a high value. `unbiased=True` takes the
    estimator of HSIC without that bias, whose mean over unrelated states is 0, so that it may fall
    a little below 0:
    $\frac{1}{n(n-3)} \left[ tr(\tilde K \tilde L) + \frac{1^\top \tilde K 1\; 1^\top \tilde L 1}
    {(n-1)(n-2)} - \frac{2}{n-2}\, 1^\top \tilde K \tilde L 1 \right]$, where $\tilde K$ and
    $\tilde L$ are $X X^\top$ and $Y Y^\top$ with zeros on the diagonal.

    Args:
        x: States, shape `(rows, ..., x_dim)`. Where a row has several vectors (its tokens), each
            counts as a row of its own, as each has a message of its own.
        y: States of the same rows, shape `(rows, ..., y_dim)`, alike but for the last axis.
        unbiased: Whether to take the unbiased estimator. Default False.

    Returns:
        The alignment. nan where states are the same in all rows (for the unbiased estimator: where
        its estimate of a set's own HSIC is not positive), since 0 / 0 says nothing.

    Raises:
        ValueError: If the rows differ, there are too few, or a value is not finite.

    Example:
        >>> states = np.random.default_rng(0).normal(size=(100, 8))
        >>> round(linear_cka(states, 3 * states + 1), 6)
        1.0

    Source:
        Kornblith et al., "Similarity of Neural Network Representations Revisited", 2019, sections
        2.1 and 3. The unbiased estimator: Song et al., "Feature Selection via Dependence
        Maximization", 2012, equation 5; in CKA: Nguyen et al., "Do Wide and Deep Networks Learn the
        Same Things?", 2021, equation 3.
    """
    return _cka(*_prepared(x, y, unbiased), unbiased)


def cka_table(
    student: Mapping[str, ArrayLike], teacher: Mapping[str, ArrayLike], unbiased: bool = False
) -> dict[tuple[str, str], float]:
    """Linear CKA of each of the student's states with each of the teacher's.

    Args:
        student: The student's states by name, such as `"low"`, `"high"` and `"message"`, each
            `(rows, ..., dim)`: the first of what `hidden_states` gives.
        teacher: The teacher's, of the same rows.
        unbiased: As in `linear_cka`. Default False.

    Returns:
        The alignment by the two names, the student's first. Pairs that cannot be compared row by
        row, since the two models have other numbers of tokens, are left out.

    Raises:
        ValueError: As in `linear_cka`.

    Example:
        >>> student, teacher = hidden_states(distiller, x)
        >>> cka_table(student, teacher)
        {('low', 'low'): 0..., ('low', 'high'): 0..., ...}
    """
    return {
        (own, its): linear_cka(x, y, unbiased)
        for own, x in student.items()
        for its, y in teacher.items()
        if np.shape(x)[1:-1] == np.shape(y)[1:-1]
    }


def _prepared(
    x: ArrayLike, y: ArrayLike, unbiased: bool
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Both as centred matrices of vectors by features, of a size of about 1."""
    arrays = [np.asarray(states, np.float64) for states in (x, y)]
    shapes = [array.shape for array in arrays]
    if min(map(len, shapes)) < 2 or shapes[0][:-1] != shapes[1][:-1]:
        raise ValueError(
            "CKA compares states of the same rows, shape (rows, ..., dim), alike but for the last "
            f"axis. Received: shapes {shapes[0]} and {shapes[1]}."
        )
    rows, least = math.prod(shapes[0][:-1]), MIN_ROWS_UNBIASED if unbiased else MIN_ROWS
    if rows < least:
        raise ValueError(
            f"CKA needs at least {MIN_ROWS} rows, and its unbiased form {MIN_ROWS_UNBIASED}. "
            f"Received: {rows}."
        )
    if not all(np.isfinite(array).all() for array in arrays):
        raise ValueError("CKA compares finite states. Received: NaN or infinite values.")
    a, b = (_centred(array.reshape(rows, -1)) for array in arrays)
    return a, b


def _centred(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Each feature around 0, scaled as a whole; exactly 0 where nothing but rounding is left."""
    size = np.abs(x).max(initial=0.0)
    if size == 0:
        return x
    x = x / size  # before squares are summed, which could overflow
    x = x - x.mean(axis=0)
    spread = np.abs(x).max(initial=0.0)
    return x / spread if spread > 1e-12 else np.zeros_like(x)


def _cka(x: NDArray[np.float64], y: NDArray[np.float64], unbiased: bool) -> float:
    hsic = _hsic_unbiased if unbiased else _hsic
    own, its = hsic(x, x), hsic(y, y)
    if own <= 0 or its <= 0:
        return math.nan
    return hsic(x, y) / (math.sqrt(own) * math.sqrt(its))


def _hsic(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    return float(np.square(x.T @ y).sum())


def _hsic_unbiased(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    n = len(x)
    own, its = (np.square(z).sum(axis=1) for z in (x, y))  # the diagonals that are left out
    own_sums, its_sums = (z @ z.sum(axis=0) - d for z, d in ((x, own), (y, its)))
    trace = np.square(x.T @ y).sum() - own @ its
    total = own_sums.sum() * its_sums.sum() / ((n - 1) * (n - 2))
    return float((trace + total - 2 / (n - 2) * (own_sums @ its_sums)) / (n * (n - 3)))
