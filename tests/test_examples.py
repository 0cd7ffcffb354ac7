"""The examples run, compiled by XLA and in mixed bfloat16, and hold what they say."""

import difflib
import importlib
import os
import zipfile
from collections import namedtuple
from pathlib import Path

import dcn
import keras
import movielens
import numpy as np
import pytest

import tdrec
from tdrec.data import load, split_by_time

FOLDER = Path(movielens.__file__).parent
EXAMPLES = (
    "dcn_td",
    "different_inputs",
    "multi_task",
    "sequential",
    "subclassed",
    "two_tower",
)
FEW = {"epochs": 1, "steps_per_epoch": 3}
ENOUGH_TO_LEARN = {"epochs": 1, "steps_per_epoch": 100}

Fit = namedtuple("Fit", "distiller data history")
Run = namedtuple("Run", "scores fits")


@pytest.fixture(scope="module")
def ratings():
    """Real ratings where there are some, generated ones elsewhere."""
    path = os.environ.get("TDREC_DATA", "")
    return load(path if path and Path(path).exists() else "simulated")


@pytest.fixture(scope="module")
def run(ratings):
    """Runs an example, compiled by XLA, and keeps each `fit` of a distiller."""

    def run(name, policy, **options):
        fits = []
        fit = tdrec.Distiller.fit

        def recorded(distiller, data, **arguments):
            fits.append(Fit(distiller, data, fit(distiller, data, **arguments).history))

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(movielens, "load", lambda: ratings)
            patch.setattr(tdrec.Distiller, "fit", recorded)
            keras.config.set_dtype_policy(policy)
            try:
                scores = importlib.import_module(name).main(**options, jit_compile=True)
            finally:
                keras.config.set_dtype_policy("float32")
        return Run(scores, fits)

    return run


# Tracing and compiling is what takes time, so both bars are tried at once: XLA and half precision.
@pytest.fixture(scope="module", params=EXAMPLES)
def example(request, run):
    options = ENOUGH_TO_LEARN if request.param == "dcn_td" else FEW
    return run(request.param, "mixed_bfloat16", **options)


def constant_rmse(ratings, genre):
    """RMSE on a genre's later rows of the mean of its earlier ones."""
    holdout = split_by_time(ratings)
    train, test = (part.of_genre(genre).values for part in (holdout.train, holdout.test))
    return np.sqrt(np.mean((test - train.mean(dtype="float64")) ** 2))


def test_every_example_is_run():
    files = {path.stem for path in FOLDER.glob("*.py")}
    # Those of TFRS need Keras 2, and are run by tests/integrations/test_tfrs.py.
    own = {name for name in files if not name.startswith("tfrs_")}
    assert own == {*EXAMPLES, "dcn", "movielens"}


def test_losses_are_finite_and_add_up(example):
    assert np.isfinite(keras.tree.flatten(example.scores)).all()
    assert example.fits
    for distiller, _, history in example.fits:
        terms = [np.array(history[name]) for name in ("task_loss", *distiller.method.terms)]
        assert len(terms) > 1
        assert np.isfinite(terms).all()
        np.testing.assert_allclose(history["loss"], sum(terms), rtol=1e-4)


def test_encoders_and_decoders_learn(example):
    for distiller, *_ in example.fits:
        # They start at 0, so what is not 0 has learned.
        biases = [v for v in distiller.method.trainable_variables if v.name == "bias"]
        assert len(biases) >= 4
        assert all(np.any(bias.numpy()) for bias in biases)


def test_the_student_is_a_plain_keras_model(example, tmp_path):
    for distiller, data, _ in example.fits:
        (student,) = distiller.student_layers
        student.save(tmp_path / "student.keras")
        with zipfile.ZipFile(tmp_path / "student.keras") as archive:
            assert b"tdrec" not in archive.read("config.json")
        loaded = keras.models.load_model(tmp_path / "student.keras")
        x = next(iter(data))[0]
        own = x if distiller.student.input_map is None else distiller.student.input_map(x)
        keras.tree.map_structure(np.testing.assert_array_equal, loaded(own), student(own))


@pytest.mark.parametrize("example", ["dcn_td"], indirect=True)
def test_a_student_by_td_beats_a_constant(example, ratings):
    assert max(example.scores) < 0.99 * constant_rmse(ratings, dcn.GENRE)


def test_a_student_by_itself_beats_a_constant(run, ratings):
    scores = run("dcn", "float32", **ENOUGH_TO_LEARN).scores
    assert max(scores) < 0.99 * constant_rmse(ratings, dcn.GENRE)


def test_td_changes_five_lines_of_the_dcn():
    plain, with_td = ((FOLDER / name).read_text().splitlines() for name in ("dcn.py", "dcn_td.py"))
    assert plain[0] != with_td[0]
    matcher = difflib.SequenceMatcher(a=plain[1:], b=with_td[1:], autojunk=False)
    changes = [code for code in matcher.get_opcodes() if code[0] != "equal"]
    assert sum(max(a2 - a1, b2 - b1) for _, a1, a2, b1, b2 in changes) <= 5
