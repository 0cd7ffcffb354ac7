"""What a segment's rows bear out of a teacher's predictions, in all variants of id dropout."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tdrec.data import Interactions
from tdrec.distill.trust import Trust


def trusted_predictions(
    predictions: ArrayLike,
    train: Interactions,
    item_ids: NDArray[np.int64],
    is_without_item: Sequence[bool],
) -> NDArray[np.float32]:
    """A teacher's predictions as `Trust` makes them, with the items as groups.

    Each variant of the rows is trusted by itself, since what a teacher says of a cold user may be
    right where what it says of somebody it knows is not.

    Args:
        predictions: Of shape `(variants * rows, 1)`: the variants of all rows, one after the other.
        train: The rows that are known, the first of each variant.
        item_ids: Of all rows of a variant, shape `(rows,)`.
        is_without_item: Of each variant whether the item's id is replaced in it.

    Returns:
        The same of shape `(variants * rows, 1)`.

    Example:
        >>> said = np.full((len(train), 1), 5.0)
        >>> targets = trusted_predictions(said, train, train.item_ids, [False])
        >>> abs(float(targets.mean() - train.values.mean())) < 0.2
        True
    """
    of_variants = np.reshape(np.asarray(predictions, np.float64), (len(is_without_item), -1))
    known = len(train)
    bounds = (0.0, 1.0) if train.target == "binary" else None
    found = []
    for said, is_without in zip(of_variants, is_without_item, strict=True):
        trust = Trust.fit(
            said[:known], train.values, item_ids[:known], train.user_ids, bounds=bounds
        )
        found.append(trust.targets(said, None if is_without else item_ids))
    return np.concatenate(found).astype(np.float32)[:, None]


def trust_by(train: Interactions, given: Sequence[str] | None = None) -> tuple[str, str]:
    """The inputs of items and users, by whose rows a teacher of ratings is trusted.

    Args:
        train: The rows.
        given: The `trust` of a method. Default None: not said.

    Raises:
        ValueError: If it names others.

    Example:
        >>> trust_by(train)
        ('movie', 'user')
    """
    user, item = train.names
    if given is not None and tuple(given) != (item, user):
        raise ValueError(
            f"A teacher of these rows is trusted by ({item!r}, {user!r}). Received: "
            f"trust={given!r}. Leave it out and take the method trusted_ld."
        )
    return item, user
