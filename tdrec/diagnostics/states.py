"""The hidden states and messages of both models on some rows, to be looked at."""

from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from tdrec.distill.distiller import Distiller
from tdrec.distill.model_split import ModelSplit
from tdrec.distill.several_teachers import Teachers
from tdrec.distill.teacher_targets import batches, detach

States = dict[str, NDArray[Any]]


def hidden_states(distiller: Distiller, x: Any, batch_size: int = 1024) -> tuple[States, States]:
    """What student and teacher make of some rows, both run as when they are served.

    Args:
        distiller: With the student and the teacher. Nothing of it changes.
        x: The inputs, arrays of shape `(rows, ...)` in any structure. Where there is no teacher,
            the targets that they carry stand for its states.
        batch_size: Rows of one forward pass. Default 1024.

    Returns:
        The student's and the teacher's, each by name: `"low"` and `"high"`, `(rows, ..., dim)`;
        `"prediction"`, of models whose distilled output is known; and `"message"`, where the
        method has encoders: what the model's own encoder makes of the two states, m_g^0 of the
        student and m_h^0 of the teacher. The teacher's are empty where there is no teacher, and
        have no states where it is a `Predictor`.

    Raises:
        ValueError: If there are several teachers.

    Example:
        >>> student, teacher = hidden_states(distiller, x)
        >>> student["low"].shape, teacher["message"].shape
        ((256, 8), (256, 8))
    """
    if isinstance(distiller.teacher, Teachers):
        raise ValueError(
            "One teacher is looked at at a time. Received: a list of "
            f"{len(distiller.teacher.splits)}. Give each its own distiller: "
            "tdrec.Distiller(student, teacher, method)."
        )
    inputs, targets = detach(x)
    encoders = (
        getattr(distiller.method, f"{name}_encoder", None) for name in ("student", "teacher")
    )
    student, teacher = (
        {} if split is None else _collect(split, encoder, inputs, batch_size)
        for split, encoder in zip((distiller.student, distiller.teacher), encoders, strict=True)
    )
    return student, teacher or {name: np.asarray(t) for name, t in (targets or {}).items()}


def _collect(split: ModelSplit, encoder: keras.Layer | None, x: Any, batch_size: int) -> States:
    parts: list[dict[str, Any]] = []
    for batch in batches(x, batch_size):
        trace = split.distilled(split(batch))
        found = {  # of several outputs none is compared
            name: value
            for name, value in trace._asdict().items()
            if value is not None and not keras.tree.is_nested(value)
        }
        if encoder is not None:
            found["message"] = encoder(trace.low, trace.high)
        parts.append(found)
    return {
        name: np.concatenate([keras.ops.convert_to_numpy(part[name]) for part in parts])
        for name in parts[0]
    }
