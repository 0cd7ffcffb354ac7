"""The examples run, in mixed bfloat16 and compiled by XLA, and hold what they say."""

import contextlib
import difflib
import importlib
import os
import zipfile
from collections import namedtuple
from pathlib import Path

import dcn_td
import keras
import movielens
import numpy as np
import pytest
import sequential
import two_tower

import tdrec
from tdrec.data import FeatureEncoder, load, split_by_time
from untraced import untraced

FOLDER = Path(movielens.__file__).parent
FEW = {"epochs": 1, "steps_per_epoch": 3}
ENOUGH_TO_LEARN = {"epochs": 1, "steps_per_epoch": 100}
EXAMPLES = {
    "dcn_td": ENOUGH_TO_LEARN,
    "different_inputs": FEW,
    "multi_task": FEW,
    "sequential": FEW,
    "subclassed": FEW,
    "two_tower": FEW,
}

COMPILED = ("dcn_td",)
"""That of the first tier which XLA compiles, at its README's length. The second has all."""

Fit = namedtuple("Fit", "distiller data history")


@pytest.fixture(scope="module")
def ratings():
    """Real ratings where there are some, generated ones elsewhere."""
    path = os.environ.get("TDREC_DATA", "")
    return load(path if path and Path(path).exists() else "simulated")


@pytest.fixture
def run(ratings, monkeypatch):
    """Runs an example, compiled by XLA or step by step; returns its scores and each `fit` of a
    distiller.
    """
    fits = []
    fit = tdrec.Distiller.fit

    def recorded(distiller, data, **arguments):
        fits.append(Fit(distiller, data, fit(distiller, data, **arguments).history))

    monkeypatch.setattr(tdrec.Distiller, "fit", recorded)
    monkeypatch.setattr(movielens, "load", lambda: ratings)

    def run(name, policy, compiled=True, **options):
        keras.config.set_dtype_policy(policy)
        with contextlib.nullcontext() if compiled else untraced():
            return importlib.import_module(name).main(**options, jit_compile=compiled), fits

    yield run
    keras.config.set_dtype_policy("float32")


def check_losses(distiller, history):
    """All are finite, and the terms of the method add up to the loss."""
    terms = [np.array(history[name]) for name in ("task_loss", *distiller.method.terms)]
    assert len(terms) > 1
    assert np.isfinite(terms).all()
    np.testing.assert_allclose(history["loss"], sum(terms), rtol=1e-4)


def check_codecs(method):
    """Encoders and decoders learn: their biases start at 0, and are so no more."""
    biases = [v for v in method.trainable_variables if v.name == "bias"]
    assert len(biases) >= 4
    assert all(np.any(bias.numpy()) for bias in biases)


def check_student(split, data, path):
    """The student is a plain Keras model: saved and read again it predicts the same."""
    (student,) = split.layers
    student.save(path)
    with zipfile.ZipFile(path) as archive:
        assert b"tdrec" not in archive.read("config.json")
    keras.config.set_dtype_policy("float32")  # a reader need not know in what it was trained
    loaded = keras.models.load_model(path)
    x = next(iter(data))[0]
    x = x if split.input_map is None else split.input_map(x)
    keras.tree.map_structure(np.testing.assert_array_equal, loaded(x), student(x))


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


# Tracing and compiling is what takes time, so both are tried at once: XLA and half precision.
@pytest.mark.parametrize(
    ("name", "compiled"),
    [
        *((name, name in COMPILED) for name in EXAMPLES),
        *(
            pytest.param(name, True, marks=pytest.mark.long)
            for name in EXAMPLES
            if name not in COMPILED
        ),
    ],
)
def test_example(run, ratings, tmp_path, name, compiled):
    scores, fits = run(name, "mixed_bfloat16", compiled, **EXAMPLES[name])
    assert np.isfinite(keras.tree.flatten(scores)).all()
    assert fits
    for distiller, data, history in fits:
        check_losses(distiller, history)
        check_codecs(distiller.method)
        check_student(distiller.student, data, tmp_path / "student.keras")
    if EXAMPLES[name] is ENOUGH_TO_LEARN:
        assert max(scores) < 0.99 * constant_rmse(ratings, dcn_td.GENRE)


def test_the_dcn_without_td(run):
    scores, fits = run("dcn", "float32", **FEW)
    assert np.isfinite(scores).all()
    assert not fits


def test_windows_hold_every_next_movie_once(ratings):
    encoder = FeatureEncoder.fit(ratings)
    x, y, weight = sequential.windows(encoder, ratings)
    np.testing.assert_array_equal(weight, y > 0)
    inside = weight[:, 1:] > 0
    np.testing.assert_array_equal(x[:, 1:][inside], y[:, :-1][inside])
    # Each row of a user is predicted from the one before, but the first.
    order = np.lexsort((ratings.timestamps, ratings.user_ids))
    movies, users = encoder.movies.lookup(ratings.movie_ids[order]), ratings.user_ids[order]
    same = users[1:] == users[:-1]
    np.testing.assert_array_equal(x[weight > 0], movies[:-1][same])
    np.testing.assert_array_equal(y[weight > 0], movies[1:][same])


def test_in_batch_softmax_against_numpy():
    movie, popularity = np.array([2, 1, 2, 0]), np.array([0.2, 0.3, 0.5])
    scores = np.random.default_rng(0).normal(size=(4, 4)).astype("float32")
    loss = two_tower.in_batch_softmax(popularity)(movie.astype("float32"), scores)
    for row, value in enumerate(loss.numpy()):
        rivals = [j for j in range(4) if j == row or movie[j] != movie[row]]
        logits = scores[row, rivals] - np.log(popularity[movie[rivals]])
        own = logits[rivals.index(row)]
        np.testing.assert_allclose(value, np.log(np.exp(logits).sum()) - own, rtol=1e-5)


def test_td_changes_five_lines_of_the_dcn():
    plain, with_td = ((FOLDER / name).read_text().splitlines() for name in ("dcn.py", "dcn_td.py"))
    assert plain[0] != with_td[0]
    matcher = difflib.SequenceMatcher(a=plain[1:], b=with_td[1:], autojunk=False)
    changes = [code for code in matcher.get_opcodes() if code[0] != "equal"]
    assert 0 < sum(max(a2 - a1, b2 - b1) for _, a1, a2, b1, b2 in changes) <= 5
