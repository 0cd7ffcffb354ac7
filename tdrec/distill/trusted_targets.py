"""A method's targets as far as the rows themselves bear the teacher out."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from tdrec.distill.losses import PROBABILITY
from tdrec.distill.method import Method
from tdrec.distill.model_split import Trace
from tdrec.distill.trust import Trust


def trust_of(method: Method) -> tuple[str, str] | None:
    """The inputs by which a method trusts its teacher: of groups, and of users.

    Args:
        method: Which may be made of others.

    Returns:
        Their names; None of a method that takes a teacher's predictions as they are.

    Raises:
        ValueError: If parts of it have different ones.
    """
    layers = [layer for layer in method._flatten_layers() if isinstance(layer, Method)]
    found = {trust for layer in layers if (trust := getattr(layer, "trust", None))}
    if len(found) > 1:
        raise ValueError(
            f"One pair of inputs decides how far a teacher is trusted. Received: {sorted(found)}. "
            "Give all parts of the method the same `trust`."
        )
    return next(iter(found), None)


def trusted(method: Method, trace: Trace, x: Any, rest: Sequence[Any]) -> Trace:
    """The targets of all rows with predictions that the rows bear out, if the method asks for it.

    Args:
        method: Compiled, so that it is known what its outputs are.
        trace: The teacher's, of all rows.
        x: The rows' inputs.
        rest: Their labels, and maybe weights.

    Raises:
        ValueError: If groups, users or labels are not there, or a row has not one number.
    """
    names = trust_of(method)
    if names is None:
        return trace
    labels = rest[0] if rest else None
    if keras.tree.is_nested(trace.prediction) or keras.tree.is_nested(labels) or labels is None:
        raise ValueError(
            "A teacher of one output is trusted as far as labels bear it out. Received: several "
            "outputs, several teachers, or no labels. Name the output: tdrec.split_model(teacher, "
            "..., output=...); or take away `trust`."
        )
    said, y = np.asarray(trace.prediction), np.asarray(labels, np.float64)
    if said.ndim > 2 or said[0].size != 1 or y.size != len(said):
        raise ValueError(
            "A teacher is trusted row by row, by one number of each. Received: predictions of "
            f"shape {said.shape} and labels of shape {y.shape}. Take away `trust`."
        )
    groups, users = (_input(x, name) for name in names)
    is_binary, is_logit = _kind(method)
    t = said.reshape(-1).astype(np.float64)
    t = 1 / (1 + np.exp(-t)) if is_logit else t
    bounds = (0.0, 1.0) if is_binary else None
    targets = Trust.fit(t, y.reshape(-1), groups, users, bounds=bounds).targets(t, groups)
    if is_logit:
        inside = np.clip(targets, PROBABILITY, 1 - PROBABILITY)
        targets = np.log(inside / (1 - inside))
    return trace._replace(prediction=targets.reshape(said.shape).astype(said.dtype))


def _kind(method: Method) -> tuple[bool, bool]:
    """Whether the teacher speaks of clicks, and whether in logits."""
    layers = [layer for layer in method._flatten_layers() if getattr(layer, "trust", None)]
    kinds = next((k for layer in layers if (k := getattr(layer, "kinds", None))), None)
    task = kinds.task if kinds else next(layer.task for layer in layers)
    if task not in ("regression", "binary"):
        raise ValueError(
            "A teacher is trusted on numbers or clicks. Received: a method that compares "
            f"{task or 'what is not known before the distiller is compiled'}. Compile it first, or "
            "take away `trust`."
        )
    return task == "binary", task == "binary" and (kinds is None or kinds.teacher_logits)


def _input(x: Any, name: str) -> NDArray[Any]:
    """The first input of a name, at any depth, with one entry for each row."""
    found = _named(x, name)
    if found is None:
        raise ValueError(
            f"`trust` names inputs of the rows. Received: {name!r}, which is none of them. Name "
            "two, LabelDistillation(trust=('movie', 'user')), of inputs that are a mapping; or "
            "make the targets yourself: tdrec.Trust.fit(...).targets(...)."
        )
    array = np.asarray(found)
    return array[:, 0] if array.ndim == 2 and array.shape[1] == 1 else array


def _named(x: Any, name: str) -> Any:
    if not isinstance(x, Mapping):
        return None
    if name in x and not isinstance(x[name], Mapping):
        return x[name]
    inner = (_named(each, name) for each in x.values())
    return next((each for each in inner if each is not None), None)
