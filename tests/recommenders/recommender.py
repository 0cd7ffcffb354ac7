"""A recommender as an engineer has it: two models, rows, and what they are compiled with.

Each file in `models/` is one, and says so by its `RECOMMENDER`: one more file is one more that is
trained, saved, read again and exported by `test_recommenders.py`.
"""

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

import tdrec

ROWS, BATCH = 24, 16
"""So that there are batches of 16 and of 8 rows."""


def as_it_is(value: Any) -> Any:
    return value


@dataclass(frozen=True)
class Recommender:
    """One recommender.

    Attributes:
        student: Makes a new student.
        teacher: Makes a new teacher, which is larger.
        data: `(x, y, sample_weight)` or fewer, arrays or one dataset of batches.
        compiled: The arguments of `compile`, new ones each time.
        distiller: Makes a distiller of a student, a teacher and further arguments.
        terms: Of the distiller's method.
        fitting: Further arguments of `fit`.
        served: What is exported of the student.
        raw: What that takes of `x`.
        refused: By format that it cannot be exported to a part of the reason.
        saved_whole: Whether the distiller is saved whole, or its weights alone.
        on_jax: Whether it runs on JAX.
    """

    student: Callable[[], keras.Model]
    teacher: Callable[[], keras.Model]
    data: Callable[[], tuple]
    compiled: Callable[[], dict[str, Any]]
    distiller: Callable[..., tdrec.Distiller]
    terms: tuple[str, ...]
    fitting: Mapping[str, Any] = field(default_factory=dict)
    served: Callable[[Any], keras.Model] = as_it_is
    raw: Callable[[Any], Any] = as_it_is
    refused: Mapping[str, str] = field(default_factory=dict)
    saved_whole: bool = True
    on_jax: bool = True

    def fit(self, model: keras.Model, **arguments: Any) -> dict[str, list[float]]:
        """Trains a student, or a distiller, on the rows in their order; returns the logs."""
        x, y, weight = (*self.data(), None, None)[:3]
        if isinstance(weight, tdrec.SampleWeights) and not isinstance(model, tdrec.Distiller):
            weight = weight.task
        arguments = {"shuffle": False, "verbose": 0, **self.fitting, **arguments}
        if not isinstance(x, tf.data.Dataset):
            arguments |= {"y": y, "sample_weight": weight, "batch_size": BATCH}
        return model.fit(x, **arguments).history

    def inputs(self) -> Any:
        """The inputs of all rows."""
        x = self.data()[0]
        if isinstance(x, tf.data.Dataset):
            x, _ = next(iter(x.unbatch().batch(ROWS)))
        return keras.tree.map_structure(np.asarray, x)


def student_and_teacher(one: Recommender) -> tuple[keras.Model, keras.Model]:
    """New ones, the same each time."""
    keras.utils.clear_session()
    keras.utils.set_random_seed(0)
    return one.student(), one.teacher()


def compiled_distiller(one: Recommender, student: Any, teacher: Any, **arguments: Any) -> Any:
    """A distiller of the two; what it does not know itself is an argument of `compile`."""
    path = {key: arguments.pop(key) for key in ("teacher_path",) if key in arguments}
    distiller = one.distiller(student, teacher, **path)
    distiller.compile(**one.compiled(), **arguments)
    return distiller


def as_arrays(y: Any) -> dict[str, np.ndarray]:
    """Predictions by the names of their outputs, as an export has them."""
    y = y if isinstance(y, dict) else {"prediction": y}
    return {name: np.asarray(values) for name, values in y.items()}


NAMES = sorted(path.stem for path in Path(__file__).with_name("models").glob("*.py"))


def recommender(name: str) -> Recommender:
    """The one of a file in `models/`."""
    return importlib.import_module(f"recommenders.models.{name}").RECOMMENDER
