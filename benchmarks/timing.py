"""What the benchmarks share: models and rows of MovieLens's shape, times in turns, and memory."""

import subprocess
import sys
import time
from collections.abc import Callable, Hashable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import keras
import numpy as np
import tensorflow as tf

import tdrec
from tdrec.models import rating_mlp
from tdrec.models.rating_mlp import HIGH, LOW

SIZES = {"user": 752, "movie": 1617, "word": 654, "genre": 19, "title": 8}
TEACHER = {"units": (512, 256), "id_dim": 100, "text_dim": 50}
STUDENT = {"units": (128, 64), "id_dim": 25, "text_dim": 13}
ROWS = 20_000
STEPS = 20  # of one call of the compiled loop

Sizes = dict[str, Any]
Measure = Callable[[], float]
Line = TypeVar("Line", bound=Hashable)


def paper_model(**sizes: Any) -> keras.Model:
    """The paper's model, of this revision or of an earlier one, which `step_since.py` measures."""
    inputs: Any = SIZES
    if hasattr(rating_mlp, "Ids"):
        ids = {name: rating_mlp.Ids(SIZES[name]) for name in ("user", "movie")}
        title = rating_mlp.Words(SIZES["word"], SIZES["title"])
        inputs = {**ids, "title": title, "genres": rating_mlp.Flags(SIZES["genre"])}
    return rating_mlp.rating_mlp(inputs, **sizes)


def rows(count: int = ROWS) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Random rows of MovieLens's shape."""
    random = np.random.default_rng(0)
    x = {
        "user": random.integers(SIZES["user"], size=count, dtype=np.int32),
        "movie": random.integers(SIZES["movie"], size=count, dtype=np.int32),
        "title": random.integers(SIZES["word"], size=(count, SIZES["title"]), dtype=np.int32),
        "genres": (random.random((count, SIZES["genre"])) < 0.1).astype(np.float32),
    }
    return x, random.integers(1, 6, size=(count, 1)).astype(np.float32)


def step_ms(model: keras.Model, dataset: tf.data.Dataset, steps: int = STEPS) -> Measure:
    """Measures one training step of a model, its input pipeline included.

    Args:
        model: Compiled with `steps_per_execution=steps`.
        dataset: Batches without end.
        steps: Of one call of the compiled loop. Default `STEPS`.

    Returns:
        A function that runs `steps` steps and gives milliseconds a step; all is compiled before.
    """
    model.fit(dataset.take(steps), verbose=0, shuffle=False)
    iterator = iter(dataset)

    def measure() -> float:
        start = time.perf_counter()
        logs = model.train_function(iterator)
        float(logs["loss"])
        return (time.perf_counter() - start) / steps * 1e3

    return measure


def in_turns(measures: Mapping[Line, Measure], repeats: int) -> dict[Line, list[float]]:
    """All that was measured of each line, every other turn in reverse order."""
    values: dict[Line, list[float]] = {line: [] for line in measures}
    order = list(measures)
    for turn in range(repeats):
        for line in order if turn % 2 == 0 else reversed(order):
            values[line].append(measures[line]())
    return values


def own_peak_mib() -> float:
    """Peak memory of this process since its start."""
    status = Path("/proc/self/status").read_text()  # getrusage would count the parent's, too
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def last_figure(*command: str) -> float:
    """The last word that a Python process of its own prints, a number."""
    done = subprocess.run([sys.executable, *command], stdout=subprocess.PIPE, check=True, text=True)
    return float(done.stdout.split()[-1])


def ours(
    method: tdrec.Method, batch_size: int, student: Sizes = STUDENT, *, reused: bool = True
) -> Measure:
    """A step of `tdrec.Distiller`, with the teacher's targets reused or the teacher in the step."""
    models = paper_model(**student), paper_model(**TEACHER)
    distiller = tdrec.Distiller(*(tdrec.split_model(m, LOW, HIGH) for m in models), method)
    distiller.compile("adam", "mse", jit_compile=True, steps_per_execution=STEPS)
    if reused:
        data = distiller.with_teacher_targets(rows(), batch_size=batch_size, drop_remainder=True)
        return step_ms(distiller, data.repeat())
    return step_ms(distiller, _batches(batch_size))


def theirs(kind: str, batch_size: int, student: Sizes = STUDENT) -> Measure:
    """A step of `keras.distillation.Distiller`: `"features"` of both states, or `"logits"`.

    Raises:
        ValueError: Keras's, for the features of unequal widths.
    """
    models = paper_model(**TEACHER), paper_model(**student)
    losses = {
        "features": lambda: [
            keras.distillation.FeatureDistillation(
                "mse", teacher_layer_name=name, student_layer_name=name
            )
            for name in (LOW, HIGH)
        ],
        "logits": lambda: keras.distillation.LogitsDistillation(loss="mse"),
    }[kind]()
    distiller = keras.distillation.Distiller(*models, losses)
    distiller.compile("adam", "mse", jit_compile=True, steps_per_execution=STEPS)
    return step_ms(distiller, _batches(batch_size))


def _batches(batch_size: int) -> tf.data.Dataset:
    data = tf.data.Dataset.from_tensor_slices(rows())
    return data.batch(batch_size, drop_remainder=True).repeat()
