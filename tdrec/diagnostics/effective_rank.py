"""How many directions a set of vectors really uses."""

import numpy as np
from numpy.typing import ArrayLike


def effective_rank(x: ArrayLike) -> float:
    r"""The effective rank of vectors around their mean.

    $\exp\left(-\sum_i p_i \ln p_i\right)$ with $p_i = \sigma_i / \sum_j \sigma_j$, where the
    $\sigma_i$ are the singular values of the centred matrix. Between 1 (all vectors lie on one
    line) and the width; messages that collapse lose it.

    Args:
        x: Finite vectors, shape `(rows, ..., dim)`; each counts as a row.

    Returns:
        The effective rank; 0 where all vectors are the same.

    Example:
        >>> round(effective_rank(np.eye(4)), 6)
        3.0

    Source:
        Roy and Vetterli, "The Effective Rank: A Measure of Effective Dimensionality", 2007,
        definition 1.
    """
    matrix = np.asarray(x, np.float64)
    matrix = matrix.reshape(-1, matrix.shape[-1])
    largest = np.abs(matrix).max(initial=0.0)
    singular = np.linalg.svd(matrix - matrix.mean(axis=0), compute_uv=False)
    # What is left of equal vectors is rounding.
    if singular.sum() <= 1e-6 * largest * np.sqrt(matrix.size):
        return 0.0
    share = singular / singular.sum()
    share = share[share > 0]
    return float(np.exp(-(share * np.log(share)).sum()))
