import re
from pathlib import Path

import keras
import pytest

from tdrec.export.reasons import LONGEST, half_precision, reason
from tdrec.export.served import ServedStudent

X = keras.Input((2,), name="x")
PATH = Path("folder", "student.onnx")


class Own(keras.layers.Layer):
    def call(self, x):
        return x * 2


def served(layer, inputs=X, sample=((1.0, 2.0),)):
    return ServedStudent.of(keras.Model(inputs, layer(inputs), name="odd"), list(sample), {})


def half(policy="mixed_float16"):
    return keras.layers.Dense(1, dtype=policy)


def test_the_words_of_the_cause_without_colours_places_and_configurations():
    error = ValueError(f"\x1b[1mbad\x1b[0m\n  step in {PATH}. " + "x" * 1000)
    found = reason(served(keras.layers.Dense(1)), "onnx", PATH, error)
    assert found.startswith(
        "The student 'odd' cannot be served in the format 'onnx'. "
        "Received: ValueError: bad step in student.onnx. xxx"
    )
    assert found.endswith("x ....") and len(found) < LONGEST + 100


ID = keras.Input((), dtype="int64", name="id")
SEQUENCE = keras.Input((2, 1), name="sequence")


@pytest.mark.parametrize(
    ("student", "name", "error", "remedy"),
    [
        (lambda: served(Own()), "keras", NotImplementedError("n"), "own .Own. needs `get_config`"),
        (lambda: served(Own()), "keras", OSError("disk full"), ""),
        (lambda: served(keras.layers.Lambda(abs)), "keras", ValueError("n"), "A Lambda is code"),
        (lambda: served(keras.layers.Dense(1)), "keras", TypeError("n"), ""),
        (lambda: served(Own()), "savedmodel", TypeError("n"), ""),
        (lambda: served(keras.layers.Dense(1)), "litert", ValueError("n"), ""),
        (lambda: served(half()), "litert", ValueError("n"), "One of mixed precision"),
        (lambda: served(half()), "keras", ValueError("n"), ""),
        (
            lambda: served(keras.layers.Hashing(3, name="h"), ID, (1, 2)),
            "onnx",
            ValueError("n"),
            "looks values up itself .h.: serve its SavedModel",
        ),
        (
            lambda: served(keras.layers.GRU(2, name="g"), SEQUENCE, (((1.0,), (2.0,)),)),
            "litert",
            ValueError("n"),
            "A recurrent layer .g. has no loop when it is built again with unroll=True",
        ),
        (
            lambda: served(keras.layers.GRU(2, unroll=True), SEQUENCE, (((1.0,), (2.0,)),)),
            "litert",
            ValueError("n"),
            "",
        ),
    ],
)
def test_the_remedy_is_for_what_is_in_the_student(student, name, error, remedy):
    found = reason(student(), name, PATH, error)
    _, _, after = found.partition(f"{error}.")
    assert bool(after) == bool(remedy)
    assert re.search(remedy, after) is not None


def test_the_coarsest_type_counts():
    x = half()(X)
    assert half_precision(keras.Model(X, x)) == "float16"
    assert half_precision(keras.Model(X, half("mixed_bfloat16")(x))) == "bfloat16"
    assert half_precision(keras.Model(X, keras.layers.Dense(1)(X))) == ""
