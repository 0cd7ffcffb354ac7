"""On JAX, compiled, every method has the losses and gradients that it has on TensorFlow."""

import os
import subprocess
import sys

import keras
import numpy as np
import pytest

from gradients import value_and_gradients
from small_models import inputs_and_ratings, randomise, student_and_teacher
from tdrec import methods

OTHER = {"tensorflow": "jax", "jax": "tensorflow"}[keras.backend.backend()]
ARGUMENTS = {
    "ld": {"task": "classes", "temperature": 2.0},
    "fd": {"message_dim": 6, "hidden_dim": 9, "distance": "cosine"},
    "fitnet": {"hidden_dim": 9, "distance": "pearson"},
    "hybrid": {"message_dim": 6, "hidden_dim": 9, "task": "binary"},
    "td": {"message_dim": 6, "hidden_dim": 9, "rounds": 2},
}


def losses_and_gradients(name):
    """What a method makes of weights that are NumPy's, and so the same on every backend."""
    student, teacher = student_and_teacher(outputs=3)
    method = methods.get(name, **ARGUMENTS[name])
    method.build(student.shapes, teacher.shapes)
    parts = (student.layers[0], method)
    for seed, part in enumerate((*parts, teacher.layers[0])):
        randomise(part, seed)
    x, _ = inputs_and_ratings()

    def terms():
        return method.compute_loss(
            student(x),
            teacher(x),
            student_middle=student.interpret,
            teacher_middle=teacher.interpret,
            sample_weight=np.linspace(0, 2, len(x), dtype="float32"),
        )

    variables = [v for part in parts for v in part.trainable_variables]
    total, gradients = value_and_gradients(lambda: sum(terms().values()), variables)
    losses = {term: np.array(loss) for term, loss in terms().items()}
    return {"total": total, **losses, **{f"gradient_{i}": g for i, g in enumerate(gradients)}}


def save_all(path):
    """Writes the arrays of all methods, named by method and loss or gradient."""
    found = {name: losses_and_gradients(name) for name in ARGUMENTS}
    np.savez(path, **{f"{name}/{key}": a for name in found for key, a in found[name].items()})


@pytest.fixture(scope="module")
def on_the_other_backend(tmp_path_factory):
    path = tmp_path_factory.mktemp("backends") / "found.npz"
    code = (
        "import sys, keras, test_backends\n"
        f"assert keras.backend.backend() == {OTHER!r}\n"
        "test_backends.save_all(sys.argv[1])"
    )
    environment = {
        "KERAS_BACKEND": OTHER,
        "JAX_DISABLE_MOST_OPTIMIZATIONS": "1",  # each of its functions runs once
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    subprocess.run([sys.executable, "-c", code, path], check=True, env=os.environ | environment)
    with np.load(path) as arrays:
        return dict(arrays)


def test_every_method_that_has_losses_is_compared():
    assert {*ARGUMENTS, "scratch"} == set(methods.METHODS)


@pytest.mark.parametrize("name", ARGUMENTS)
def test_losses_and_gradients_are_alike(name, on_the_other_backend):
    found = losses_and_gradients(name)
    theirs = [key for key in on_the_other_backend if key.startswith(f"{name}/")]
    assert theirs == [f"{name}/{key}" for key in found]
    for key, value in found.items():
        # A small element is as inexact as the large ones beside it, of which it is a difference;
        # and Keras computes in float32 on JAX, also where it is told float64.
        atol = 1e-6 * abs(value).max()
        its = on_the_other_backend[f"{name}/{key}"]
        np.testing.assert_allclose(its, value, rtol=1e-5, atol=atol, err_msg=key)
    assert all(abs(value).max() > 1e-4 for key, value in found.items() if "loss" in key)
