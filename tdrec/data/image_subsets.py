"""Parts of labelled images: few of them, with a task's own labels; and some to validate on."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tdrec.data.error import DataError
from tdrec.data.images import Images


def relabelled(
    images: Images,
    classes: Mapping[str, Sequence[str]],
    per_class: int | None = None,
    seed: int = 0,
) -> Images:
    """Images of some classes, with labels of their own.

    They are held in memory, as they are stored, once they were read.

    Args:
        images: The images.
        classes: The new classes, each with the names of the old ones that belong to it. Images of
            other classes are left out. Where it is empty, the classes stay as they are.
        per_class: How many training images there are to be of each old class. Default None: all.
        seed: Draws them.

    Returns:
        The `Images`. All test images of the classes are kept.

    Raises:
        DataError: If there is no such class, one is in two classes, or there are fewer images than
            are asked for.

    Example:
        >>> pets = relabelled(images, {"cat": ["cat"], "dog": ["dog"]}, per_class=5)
        >>> pets.class_names, pets.n_train
        (('cat', 'dog'), 10)
    """
    names = images.class_names
    groups = classes or {name: (name,) for name in names}
    members = [name for group in groups.values() for name in group]
    if unknown := [name for name in members if name not in names]:
        raise DataError(
            f"A task's classes must be among those of {images.name}: {', '.join(names)}. "
            f"Received: {', '.join(unknown)}. A classes.txt beside the images names theirs."
        )
    if len(set(members)) < len(members):
        raise DataError(f"An image must have one label. Received: {dict(groups)}.")
    table = np.full(len(names), -1, np.int32)
    for label, group in enumerate(groups.values()):
        table[[names.index(name) for name in group]] = label
    train, test = table[images.train_labels] >= 0, table[images.test_labels] >= 0
    if per_class is not None:
        train &= _drawn(images, members, per_class, seed)
    return replace(
        images,
        train=_chosen(images.train, train, table),
        test=_chosen(images.test, test, table),
        n_train=int(train.sum()),
        n_test=int(test.sum()),
        class_names=tuple(groups),
        fingerprint=_hash(
            images.fingerprint,
            [[name, *group] for name, group in groups.items()],
            None if per_class is None else [per_class, seed],
        ),
    )


def for_validation(images: Images, share: float = 0.1) -> Images:
    """Images whose test images are of the training images, to choose values by.

    Args:
        images: The images, whose own test images are left out.
        share: Of the training images, the first, that are held out. Default 0.1.

    Returns:
        The `Images`.

    Raises:
        ValueError: If nothing is held out, or nothing left.

    Example:
        >>> earlier = for_validation(images, share=0.1)
        >>> earlier.n_test / images.n_train
        0.1
    """
    held_out = round(share * images.n_train)
    if not 0 < held_out < images.n_train:
        raise ValueError(
            f"`share` must leave images to train and to validate on. Received: {share} of "
            f"{images.n_train}."
        )
    return replace(
        images,
        train=images.train.skip(held_out),
        test=images.train.take(held_out),
        n_train=images.n_train - held_out,
        n_test=held_out,
        fingerprint=_hash(images.fingerprint, "validation", share),
    )


def _drawn(images: Images, classes: Sequence[str], per_class: int, seed: int) -> NDArray[np.bool_]:
    """Which training images are among the first of one of the classes in a random order."""
    labels = images.train_labels
    drawn = np.zeros(len(labels), np.bool_)
    order = np.random.default_rng(seed).permutation(len(labels))
    for name in classes:
        places = order[labels[order] == images.class_names.index(name)]
        if len(places) < per_class:
            raise DataError(
                f"A task of {per_class} images a class needs as many. Received: {len(places)} "
                f"training images of {name} in {images.name}."
            )
        drawn[places[:per_class]] = True
    return drawn


def _chosen(images: Any, kept: NDArray[np.bool_], table: NDArray[np.int32]) -> Any:
    """The images that are kept, with their new labels."""
    import tensorflow as tf

    def choose(rows: tuple[Any, Any], keep: Any) -> tuple[Any, Any]:
        content, label = rows
        return content[keep], tf.gather(table, label[keep])

    keep = tf.data.Dataset.from_tensor_slices(kept)
    parts = tf.data.Dataset.zip(images.batch(1024), keep.batch(1024))  # one by one is slow
    return parts.map(choose).unbatch().cache()


def _hash(*parts: Any) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
