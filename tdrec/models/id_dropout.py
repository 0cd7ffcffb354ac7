"""Id dropout: training a model for the users and movies that it has never seen."""

import math
from collections.abc import Iterable, Mapping
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

OUT_OF_VOCABULARY = 0


def id_variants(x: Mapping[str, NDArray[Any]], names: Iterable[str]) -> dict[str, NDArray[Any]]:
    """The same rows as they are and as cold users', for training to draw from.

    With ids replaced by the out-of-vocabulary id its embedding is learned, and with it what the
    model says of a cold user: in MovieLens 100K split by time 71% of the evaluation rows are of
    users without a training row. One variant of the rows is made for each set of replaced ids. All
    are made ahead, since a teacher's target of a row depends on the ids that are left: what a
    student learns of a cold user is then what the teacher says of one, not of somebody it
    knows.

    Args:
        x: Features; ids are integers of shape `(rows,)`.
        names: The ids to replace, such as `("user", "movie")`; with none there is one variant.

    Returns:
        The features of all variants, one after the other, the rows as they are first, of shape
        `(variants * rows, ...)`. `variant_shares` has their order.

    Raises:
        ValueError: If there is no such feature.

    Example:
        >>> known = {"user": np.array([3, 4]), "movie": np.array([7, 8])}
        >>> id_variants(known, ["user"])
        {'user': array([3, 4, 0, 0]), 'movie': array([7, 8, 7, 8])}

    Source:
        Volkovs et al., "DropoutNet: Addressing Cold Start in Recommender Systems", 2017.
    """
    names = list(names)
    if missing := [name for name in names if name not in x]:
        raise ValueError(f"Ids are replaced in features among {sorted(x)}. Received: {missing}.")
    variants = [
        {k: np.full_like(v, OUT_OF_VOCABULARY) if k in gone else v for k, v in x.items()}
        for gone in subsets(names)
    ]
    return {name: np.concatenate([variant[name] for variant in variants]) for name in x}


def variant_shares(rates: Mapping[str, float]) -> list[float]:
    r"""How often each variant of a row is to be drawn: $\prod_{replaced} r \prod_{kept} (1 - r)$.

    Args:
        rates: The share of rows in which an id is replaced, in [0, 1], by the name of the feature.

    Returns:
        The shares in the order of `id_variants(x, rates)`; they add up to 1.

    Raises:
        ValueError: If a rate is not in [0, 1].

    Example:
        >>> variant_shares({"user": 0.25, "movie": 0.5})
        [0.375, 0.375, 0.125, 0.125]
    """
    for name, rate in rates.items():
        if not 0 <= rate <= 1:
            raise ValueError(
                f"A rate of id dropout must lie in [0, 1]. Received: {rate!r} for {name!r}."
            )
    return [
        math.prod(rate if name in gone else 1 - rate for name, rate in rates.items())
        for gone in subsets(list(rates))
    ]


def subsets(names: list[str]) -> list[set[str]]:
    """Which ids are replaced in each variant, in the order of `id_variants`."""
    flags = product((False, True), repeat=len(names))
    return [{name for name, gone in zip(names, row, strict=True) if gone} for row in flags]
