"""Which ids a model's embedding tables are asked for."""

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops


@dataclass
class IdRange:
    """The ids that one table was asked for.

    Attributes:
        owner: Whose table it is, such as `"student"`.
        table: The layer's name.
        size: Its number of rows: ids from 0 to `size - 1` have one.
        least: The least id seen; `size` before any.
        greatest: The greatest id seen; -1 before any.
    """

    owner: str
    table: str
    size: int
    least: int
    greatest: int

    @property
    def was_asked(self) -> bool:
        """Whether an id was seen."""
        return self.least <= self.greatest

    @property
    def is_sound(self) -> bool:
        """Whether each id has a row."""
        return self.least >= 0 and self.greatest < self.size


@contextlib.contextmanager
def watched_ids(layers: Mapping[str, Iterable[keras.Layer]]) -> Iterator[list[IdRange]]:
    """Notes the ids of all `Embedding` layers that run inside the `with` block.

    A table returns a row silently for id -1; for an id beyond its end TensorFlow raises on a CPU
    and returns zeros on a GPU. Inside the block such ids get the nearest row, so that all of them
    are seen. A table that runs in a compiled function (`tf.function`, `jax.jit`) has no ids to
    look at, runs as always, and is not asked.

    Args:
        layers: Layers and models by their owner; those inside them are found. A table that several
            share is the first one's.

    Yields:
        A range for each table, which grows as the layers run.

    Example:
        >>> with watched_ids({"student": [student]}) as ranges:
        ...     predictions = student({**x, "movie": x["movie"] - 1_000})
        >>> [r.table for r in ranges if not r.is_sound]
        ['movie_embedding']
    """
    tables: dict[int, tuple[keras.layers.Embedding, IdRange]] = {}
    for owner, its in layers.items():
        for part in (part for layer in its for part in layer._flatten_layers()):
            if isinstance(part, keras.layers.Embedding) and id(part) not in tables:
                size = part.input_dim
                tables[id(part)] = (part, IdRange(owner, part.name, size, size, -1))
    with contextlib.ExitStack() as stack:
        for table, seen in tables.values():
            stack.enter_context(_watched(table, seen))
        yield [seen for _, seen in tables.values()]


@contextlib.contextmanager
def _watched(table: keras.layers.Embedding, seen: IdRange) -> Iterator[None]:
    """Has a table's inputs noted, by a method of this one object that hides that of its class.

    Keras has no hook that sees what a layer is given. Nothing else reaches every model: a clone
    with watching layers cannot be made of a subclassed model, nor of rooms that are functions; a
    graph that ends at the tables' inputs exists of functional models alone; a layer's dtype policy
    is not shown all inputs.
    """
    name = "call" if table.quantization_mode is None else "quantized_call"
    before = vars(table).get(name)
    setattr(table, name, _watching(getattr(table, name), seen))
    try:
        yield
    finally:
        if before is None:
            delattr(table, name)  # the method of the class shows again
        else:
            setattr(table, name, before)


def _watching(call: Any, seen: IdRange) -> Any:
    def watch(inputs: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            ids = ops.convert_to_numpy(inputs)
        except (NotImplementedError, TypeError):  # of TensorFlow and of JAX: it is being compiled
            return call(inputs, *args, **kwargs)
        if ids.size:
            seen.least = min(seen.least, int(ids.min()))
            seen.greatest = max(seen.greatest, int(ids.max()))
        nearest = np.clip(ids.astype("int64"), 0, seen.size - 1)
        return call(ops.convert_to_tensor(nearest, "int32"), *args, **kwargs)

    return watch
