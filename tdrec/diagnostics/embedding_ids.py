"""Which ids a model's embedding tables are asked for."""

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import keras
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
    def is_sound(self) -> bool:
        """Whether each id has a row."""
        return self.least >= 0 and self.greatest < self.size


@contextlib.contextmanager
def watched_ids(layers: Mapping[str, Iterable[keras.Layer]]) -> Iterator[list[IdRange]]:
    """Notes the ids of all `Embedding` layers that run, eagerly, inside the `with` block.

    A table returns a row silently for id -1; for an id beyond its end TensorFlow raises on a CPU
    and returns zeros on a GPU. Inside the block such ids get the nearest row, so that all of them
    are seen.

    Args:
        layers: Layers and models by their owner; those inside them are found. A table that several
            share is the first one's.

    Yields:
        A range for each table, which grows as the layers run.

    Example:
        >>> with watched_ids({"student": [model]}) as ranges:
        ...     model(x)
        >>> [r.table for r in ranges if not r.is_sound]
    """
    tables: dict[int, tuple[keras.layers.Embedding, IdRange]] = {}
    for owner, its in layers.items():
        for part in (part for layer in its for part in layer._flatten_layers()):
            if isinstance(part, keras.layers.Embedding) and id(part) not in tables:
                size = part.input_dim
                tables[id(part)] = (part, IdRange(owner, part.name, size, size, -1))
    try:
        for table, seen in tables.values():
            table.call = _watching(table.call, seen)
        yield [seen for _, seen in tables.values()]
    finally:
        for table, _ in tables.values():
            del table.call  # of the object: the method of its class shows again


def _watching(call: Any, seen: IdRange) -> Any:
    def watch(inputs: Any, *args: Any, **kwargs: Any) -> Any:
        ids = ops.cast(inputs, "int64")
        if ops.size(ids):
            seen.least = min(seen.least, int(ops.min(ids)))
            seen.greatest = max(seen.greatest, int(ops.max(ids)))
        return call(ops.clip(ids, 0, seen.size - 1), *args, **kwargs)

    return watch
