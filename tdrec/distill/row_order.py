"""An order of rows that goes on where a run was cut: known by a seed and a place, never by history.

The data is seen as an endless stream of batches, in which each pass over the rows has an order of
its own, made of the seed and of the number of the pass alone. An iteration takes the next pass;
where the stream is, the training says (`Following`), from what is saved with it.
"""

import inspect
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tdrec.distill.backend import number


class RowOrder:
    """Orders of passes over some rows, and the place in them.

    Args:
        steps: Batches a pass.
        seed: Makes the orders. Default None: drawn, from the global seed if one is set.

    Raises:
        ValueError: If there is no batch.

    Attributes:
        place: The batch of the stream that the next iteration begins with. An iteration moves it
            on by a pass.
    """

    def __init__(self, steps: int, seed: int | None = None) -> None:
        if steps < 1:
            raise ValueError(
                "A pass must have a batch. Received: fewer rows than batch_size, and "
                "drop_remainder=True. Use smaller batches."
            )
        self.steps = steps
        if seed is None:
            seed = int(tf.random.uniform((), maxval=2**31 - 1, dtype=tf.int64))
        self.seed = seed % 2**64
        self.place = 0

    def next_iteration(self) -> int:
        """The place where an iteration begins that begins now."""
        place = self.place
        self.place += self.steps
        return place

    def follow(self, step: int, epoch: int, steps_per_epoch: int | None) -> None:
        """Moves to where a training is.

        Epochs of whole passes begin with a pass. Others cut passes, so that the stream goes on.

        Args:
            step: How many steps were made.
            epoch: The number of the epoch that begins.
            steps_per_epoch: Its steps. Default None: a pass.
        """
        each = steps_per_epoch or self.steps
        place = max(step, epoch * each)  # an optimizer that is new counts from 0
        self.place = place if each % self.steps else place - place % self.steps

    def dataset(self, of_pass: Callable[[tf.Tensor], tf.data.Dataset]) -> tf.data.Dataset:
        """A dataset of one pass, the next one each time it is read.

        Args:
            of_pass: The batches of a pass by its number.

        Returns:
            Batches in the order of the place.
        """

        def from_place(place: tf.Tensor) -> tf.data.Dataset:
            first = place // self.steps
            stream = tf.data.Dataset.range(first, first + 2).flat_map(of_pass)
            return stream.skip(place % self.steps).take(self.steps)

        def next_place(_: tf.Tensor) -> tf.Tensor:
            place = tf.numpy_function(lambda: np.int64(self.next_iteration()), [], tf.int64)
            return tf.ensure_shape(place, ())

        dataset = tf.data.Dataset.from_tensors(0).map(next_place).flat_map(from_place)
        return dataset.apply(tf.data.experimental.assert_cardinality(self.steps))

    def mark(self, dataset: tf.data.Dataset) -> tf.data.Dataset:
        """Lets a training find this order in a dataset and in all that is made of it.

        Args:
            dataset: That this order decides.

        Returns:
            The same dataset.
        """
        dataset.tdrec_row_order = self
        return dataset


def shuffled(rows: int, seed: int, number: tf.Tensor) -> tf.Tensor:
    """The numbers of the rows in the order of a pass.

    Args:
        rows: How many there are.
        seed: The order's.
        number: Of the pass.

    Returns:
        int64 of shape `(rows,)`.
    """
    start = tf.stack([tf.constant(np.uint64(seed).astype(np.int64)), tf.cast(number, tf.int64)])
    return tf.random.experimental.stateless_shuffle(tf.range(rows, dtype=tf.int64), start)


class Following(keras.callbacks.Callback):
    """Moves orders to where a training is.

    Keras reads a dataset anew for each epoch, or goes on in one iterator where it is told the steps
    of an epoch: then the place is set once, and later passes follow by themselves.

    Args:
        orders: Of the data that the model is trained on.
        steps_per_epoch: Of `fit`.
        model: The model, which a callback within a `CallbackList` is not told.
    """

    def __init__(
        self, orders: list[RowOrder], steps_per_epoch: int | None, model: keras.Model
    ) -> None:
        super().__init__()
        self._orders = orders
        self._steps_per_epoch = steps_per_epoch
        self._trained = model
        self._started = False

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if self._started and self._steps_per_epoch is not None:
            return
        self._started = True
        for order in self._orders:
            step = int(number(self._trained.optimizer.iterations))
            order.follow(step, epoch, self._steps_per_epoch)


def following(
    model: keras.Model, fit: Callable[..., Any], *args: Any, **kwargs: Any
) -> dict[str, Any]:
    """The arguments of a `fit` whose data goes on in its order, if it has one.

    Args:
        model: That is trained.
        fit: Its `fit`.
        *args: The arguments.
        **kwargs: The arguments by name.

    Returns:
        The arguments by name, with a callback more if the data has an order.
    """
    given = inspect.signature(fit).bind(*args, **kwargs).arguments
    data, callbacks = given.get("x"), given.get("callbacks")
    if isinstance(callbacks, keras.callbacks.CallbackList):  # which may have served another fit
        callbacks.callbacks = [c for c in callbacks.callbacks if not isinstance(c, Following)]
    orders = _orders_of(data) if isinstance(data, tf.data.Dataset) else []
    if orders:
        follower = Following(orders, given.get("steps_per_epoch"), model)
        if isinstance(callbacks, keras.callbacks.CallbackList):
            callbacks.callbacks = [*callbacks.callbacks, follower]
        else:
            given["callbacks"] = [*keras.tree.flatten(callbacks or []), follower]
    return given


def _orders_of(data: tf.data.Dataset) -> list[RowOrder]:
    """The orders that decide a dataset, found in what it was made of."""
    own = getattr(data, "tdrec_row_order", None)
    if own is not None:
        return [own]
    return [order for parent in data._inputs() for order in _orders_of(parent)]
