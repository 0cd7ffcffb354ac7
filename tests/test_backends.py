"""On JAX every method has the losses, the gradients and the training that it has on TensorFlow."""

import os
import subprocess
import sys

import keras
import numpy as np
import pytest

from gradients import value_and_gradients
from small_models import inputs_and_ratings, randomise, student_and_teacher
from small_vit import SIZES
from tdrec.distill import methods
from tdrec.distill.callbacks import RampUp
from tdrec.distill.cut import split_model
from tdrec.distill.distiller import Distiller
from tdrec.distill.gradient_norms import gradient_norms
from tdrec.models.vit import ViT, block_name

HERE = keras.backend.backend()
OTHER = {"tensorflow": "jax", "jax": "tensorflow"}[HERE]
ARGUMENTS = {
    "ld": {"task": "classes", "temperature": 2.0},
    "fd": {"message_dim": 6, "hidden_dim": 9, "distance": "cosine"},
    "fitnet": {"hidden_dim": 9, "distance": "pearson"},
    "hybrid": {"message_dim": 6, "hidden_dim": 9, "task": "binary"},
    "td": {"message_dim": 6, "hidden_dim": 9, "rounds": 2},
    "grading": {"message_dim": 6, "hidden_dim": 9, "rounds": 2, "task": "classes"},
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
            student_middle=student.interpreter(x),
            teacher_middle=teacher.interpreter(x),
            sample_weight=np.linspace(0, 2, len(x), dtype="float32"),
        )

    variables = [v for part in parts for v in part.trainable_variables]
    total, gradients = value_and_gradients(lambda: sum(terms().values()), variables)
    losses = {term: np.array(loss) for term, loss in terms().items()}
    return {"total": total, **losses, **{f"gradient_{i}": g for i, g in enumerate(gradients)}}


def trained(
    student, teacher, method, x, y, *, stored=False, steps_at_once=1, measured=False, **fitting
):
    """Logs, weights and gradients' norms of a training, from weights that are NumPy's."""
    distiller = Distiller(student, teacher, method)
    for seed, part in enumerate((student.layers[0], method, teacher.layers[0])):
        randomise(part, seed)
    distiller.compile(
        # A gradient that is 0 but for rounding is 0 to SGD, which it is not to Adam.
        keras.optimizers.SGD(0.05, momentum=0.9, use_ema=True, ema_momentum=0.5),
        loss="mse",
        metrics=["mae"],
        steps_per_execution=steps_at_once,
    )
    fitting = {"batch_size": 8, "epochs": 2, "shuffle": False, "verbose": 0, **fitting}
    if stored:
        size, _ = fitting.pop("batch_size"), fitting.pop("shuffle")
        x, y = distiller.with_teacher_targets((x, y), batch_size=size), None
    logs = distiller.fit(x, y, **fitting).history
    weights = {f"weight_{i}": v.numpy() for i, v in enumerate(distiller.weights)}
    found = {**logs, **weights, "prediction": distiller.predict(x, verbose=0)}
    if measured:
        found |= {f"norm_{k}": v for k, v in gradient_norms(distiller, (x, y)).items()}
    return found


def regularised(split):
    """The same student, whose weights are pulled to 0."""
    for variable in split.layers[0].trainable_variables:
        variable.regularizer = keras.regularizers.L2(0.05)
    return split


def vit(number, blocks):
    model = ViT(3, **{**SIZES, "num_layers": blocks}, name=f"vit_{number}")
    return split_model(model, low=block_name(1), high=block_name(blocks))


def train_vit():
    rng = np.random.default_rng(0)
    images, y = rng.normal(size=(8, 12, 12, 3)), rng.normal(size=(8, 3))
    method = methods.get("td", **{**ARGUMENTS["td"], "rounds": 1})
    return trained(vit(0, 2), vit(1, 2), method, images, y, epochs=3)


def train(name):
    """Trains by one method, each in another of the ways that there are to train."""
    student, teacher = student_and_teacher(outputs=3)
    x, y = inputs_and_ratings(rows=20 if name == "scratch" else 16, outputs=3)
    ways = {
        "scratch": {"student": regularised(student)},
        "ld": {"sample_weight": np.linspace(0, 2, len(x), dtype="float32")},
        "fd": {"callbacks": [RampUp(student_steps=2, codec_steps=2)], "epochs": 3},
        "fitnet": {"stored": True},
        "hybrid": {"steps_at_once": 2},
        "td": {"validation_data": (x, y), "measured": True},
        "grading": {"stored": True},
    }
    arguments = {"student": student, "teacher": teacher, "x": x, "y": y, **ways[name]}
    given = {k: v for k, v in ARGUMENTS.get(name, {}).items() if k not in ("task", "temperature")}
    return trained(method=methods.get(name, **given), **arguments)


COMPARED = [name for name in methods.METHODS if name != "trusted_ld"]
"""All but one that is another only by its targets, which are NumPy's."""
TRAININGS = {**{name: lambda name=name: train(name) for name in COMPARED}, "vit": train_vit}


def save_all(path):
    """Writes all arrays, named by method or training, and by what they are."""
    found = {name: losses_and_gradients(name) for name in ARGUMENTS}
    found |= {f"train_{name}": run() for name, run in TRAININGS.items()}
    np.savez(path, **{f"{name}/{key}": a for name in found for key, a in found[name].items()})


@pytest.fixture(scope="module")
def on_the_other_backend(tmp_path_factory):
    path = tmp_path_factory.mktemp("backends") / "found.npz"
    code = (
        "import sys, keras, test_backends\n"
        f"assert keras.backend.backend() == {OTHER!r}\n"
        "test_backends.save_all(sys.argv[1])\n"
        f"assert not [m for m in sys.modules if m.startswith('tdrec.') and m.endswith({HERE!r})]"
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
    assert {*ARGUMENTS, "scratch"} == set(COMPARED)


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


@pytest.mark.parametrize("name", TRAININGS)
def test_trainings_are_alike(name, on_the_other_backend):
    found = TRAININGS[name]()
    theirs = {key for key in on_the_other_backend if key.startswith(f"train_{name}/")}
    assert theirs == {f"train_{name}/{key}" for key in found}
    for key, value in found.items():
        its = on_the_other_backend[f"train_{name}/{key}"]
        np.testing.assert_allclose(its, value, rtol=1e-4, atol=1e-4, err_msg=key)
