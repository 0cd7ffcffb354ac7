"""The parts of a trace by name, for files: of several outputs or teachers each has its own."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, unquote

import keras

from tdrec.distill.model_split import Trace


def flat(trace: Trace) -> dict[str, Any]:
    """The arrays of a trace by name: `low`; of several by their keys, `prediction/click`.

    Args:
        trace: Of arrays or tensors; None in the fields that there are not.

    Returns:
        The arrays, without those that are None.

    Example:
        >>> sorted(flat(Trace(None, np.ones(2), {"click": np.ones(2), "rating": np.ones(2)})))
        ['high', 'prediction/click', 'prediction/rating']
    """
    return {
        "/".join([field, *(quote(str(key), safe="") for key in path)]): array
        for field, value in trace._asdict().items()
        if value is not None
        for path, array in keras.tree.flatten_with_path(value)
    }


def nested(arrays: Mapping[str, Any]) -> dict[str, Any]:
    """`flat` taken back: the fields by name, without those that there are not.

    Args:
        arrays: By name. Keys that are all numbers are those of a list.
    """
    tree: dict[str, Any] = {}
    for name, array in arrays.items():
        *path, last = map(unquote, name.split("/"))
        place = tree
        for key in path:
            place = place.setdefault(key, {})
        place[last] = array
    return {field: _lists(value) for field, value in tree.items()}


def _lists(tree: Any) -> Any:
    if not isinstance(tree, dict):
        return tree
    inner = {key: _lists(value) for key, value in tree.items()}
    if all(key.isdecimal() for key in inner):
        return [inner[str(i)] for i in range(len(inner))]
    return inner
