import json
import os
import stat
import zipfile
from pathlib import Path

import keras
import numpy as np
import onnxruntime
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops

import tdrec
from small_student import SMALL, small_student
from tdrec.data import FeatureEncoder, Vocabulary, simulate
from tdrec.models.rating_mlp import HIGH, LOW, Flags, Ids, Words, rating_mlp

STRANGE_IDS = [-1, 0, 2**31, 2**40, 2**63 - 1, -(2**63), 999_999]
STRANGE_INDICES = [-1, 10_000, 2**31 - 1, -(2**31)]


def train(encoder, x, y, method):
    keras.utils.clear_session()  # Keras numbers its nameless operations on
    keras.utils.set_random_seed(1)
    kinds = {
        "user": Ids(encoder.users.size),
        "movie": Ids(encoder.movies.size),
        "title": Words(encoder.words.size, encoder.title_words),
        "genres": Flags(len(encoder.genre_names)),
    }
    student = rating_mlp(kinds, units=(8, 6), id_dim=4, text_dim=3, mean=3, name="student")
    teacher = rating_mlp(kinds, units=(16, 12), id_dim=8, text_dim=4, name="teacher")
    distiller = tdrec.Distiller(
        tdrec.split_model(student, LOW, HIGH), tdrec.split_model(teacher, LOW, HIGH), method
    )
    distiller.compile("adam", loss="mse", jit_compile=False)
    distiller.fit(x, y, batch_size=64, epochs=1, verbose=0)
    return student, teacher


class Distilled:
    """A student after some steps of TD, as it is exported."""

    def __init__(self):
        everything = simulate()
        rows = everything.take(np.arange(0, len(everything), 100))
        # A vocabulary of a part of the rows: the others have users and movies of their own.
        self.encoder = FeatureEncoder.fit(rows.take(np.arange(500)))
        self.x, self.y = self.encoder.encode(rows), rows.values[:, None]
        self.student, self.teacher = train(self.encoder, self.x, self.y, tdrec.TalkingModels())
        self.raw = {**self.x, "user": rows.user_ids, "movie": rows.movie_ids}
        self.vocabularies = {"user": self.encoder.users, "movie": self.encoder.movies}
        self.index = {  # the lookup once more, by hand
            name: {value: i + 1 for i, value in enumerate(vocabulary.to_list())}
            for name, vocabulary in self.vocabularies.items()
        }

    def expected(self, raw):
        """The student's own predictions for rows of raw values."""
        x = dict(raw)
        for name, index in self.index.items():
            x[name] = np.array([index.get(value, 0) for value in raw[name].tolist()], np.int32)
        return np.array(self.student(x))

    def rows_of_ids(self, users, movies):
        rows = {name: np.repeat(self.raw[name][:1], len(users), 0) for name in ("title", "genres")}
        return {"user": np.array(users, np.int64), "movie": np.array(movies, np.int64), **rows}


@pytest.fixture(scope="module")
def distilled():
    return Distilled()


@pytest.fixture
def alone(distilled):
    """The same student, trained without a teacher."""
    return train(distilled.encoder, distilled.x, distilled.y, tdrec.Scratch())[0]


@pytest.fixture(scope="module")
def exported(distilled, tmp_path_factory):
    comparison = tdrec.compare_models(distilled.teacher, distilled.student, distilled.x, repeats=3)
    return tdrec.export_student(
        distilled.student,
        tmp_path_factory.mktemp("models") / "new" / "drama",
        distilled.raw,
        vocabularies=distilled.vocabularies,
        comparison=comparison,
    )


@pytest.fixture(scope="module")
def serve(exported):
    loaded = tf.saved_model.load(str(exported.directory / "saved_model"))
    signature = loaded.signatures["serving_default"]

    def run(x):
        return signature(**{n: tf.constant(v) for n, v in x.items()})["prediction"].numpy()

    return run


def test_the_folder_has_all_files_and_nothing_is_left_over(exported):
    names = {
        "student.keras",
        "saved_model",
        "student.onnx",
        "student.tflite",
        "vocabularies.json",
        "report.md",
        "report.json",
    }
    assert {path.name for path in exported.directory.iterdir()} == names
    assert list(exported.directory.parent.iterdir()) == [exported.directory]
    # Whoever serves it may be another user.
    plain = exported.directory.parent / "plain"
    plain.mkdir()
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (exported.directory, plain)]
    plain.rmdir()
    assert modes[0] == modes[1]


def test_keras_file_predicts_as_the_student(distilled, exported):
    again = keras.models.load_model(exported.directory / "student.keras")
    np.testing.assert_allclose(
        np.array(again(distilled.x)), distilled.expected(distilled.raw), atol=1e-6
    )


def test_keras_file_is_no_larger_than_without_a_teacher_and_has_no_layer_of_tdrec(
    exported, alone, tmp_path
):
    alone.save(tmp_path / "alone.keras")
    mine, my_bytes = content(exported.directory / "student.keras")
    other, other_bytes = content(tmp_path / "alone.keras")
    assert my_bytes == other_bytes
    assert "tdrec" not in json.dumps(mine)
    assert mine == other


def content(path):
    """The configuration in a `.keras` file, and how many bytes its weights have."""
    with zipfile.ZipFile(path) as file:
        config = without_ids(json.loads(file.read("config.json")))
        return config, file.getinfo("model.weights.h5").file_size


def without_ids(config):
    """A configuration without the addresses of objects, which Keras writes into it."""
    if isinstance(config, dict):
        return {k: without_ids(v) for k, v in config.items() if k != "shared_object_id"}
    return [without_ids(v) for v in config] if isinstance(config, list) else config


def test_a_student_trained_by_keras_loses_its_optimizer(distilled, exported, alone, tmp_path):
    alone.compile("adam", loss="mse", jit_compile=False)
    alone.fit(distilled.x, distilled.y, verbose=0)
    alone.save(tmp_path / "alone.keras")
    tdrec.export_student(alone, tmp_path / "alone", distilled.x, formats=["keras"])
    served = content(tmp_path / "alone" / "student.keras")
    assert served == content(exported.directory / "student.keras")
    assert served[1] < content(tmp_path / "alone.keras")[1]


def test_saved_model_takes_raw_ids(distilled, serve):
    assert (distilled.x["user"] == 0).any() and (distilled.x["movie"] == 0).any()
    np.testing.assert_allclose(
        serve(distilled.raw), distilled.expected(distilled.raw), rtol=1e-5, atol=1e-5
    )


def test_signature(exported):
    loaded = tf.saved_model.load(str(exported.directory / "saved_model"))
    _, inputs = loaded.signatures["serving_default"].structured_input_signature
    assert {name: (spec.dtype, spec.shape.as_list()) for name, spec in inputs.items()} == {
        "user": (tf.int64, [None]),
        "movie": (tf.int64, [None]),
        "title": (tf.int32, [None, 8]),
        "genres": (tf.float32, [None, 19]),
    }


@pytest.mark.parametrize("value", STRANGE_IDS)
def test_an_unknown_id_is_predicted_as_index_0(distilled, serve, value):
    known = int(distilled.encoder.users.values[0]), int(distilled.encoder.movies.values[0])
    raw = distilled.rows_of_ids([value, known[0], value], [known[1], value, value])
    found = serve(raw)
    x = {**raw, "user": np.array([0, 1, 0], np.int32), "movie": np.array([1, 0, 0], np.int32)}
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found, np.array(distilled.student(x)), rtol=1e-5, atol=1e-5)


@settings(deadline=None, max_examples=50)
@given(data=st.data())
def test_any_id_is_predicted_as_the_vocabulary_looks_it_up(distilled, serve, data):
    def ids(vocabulary):
        known = st.sampled_from(vocabulary.to_list())
        near = known.map(lambda value: value + 2**32)  # the same id in its lower 32 bits
        return st.one_of(known, near, st.integers(-(2**63), 2**63 - 1))

    pair = st.tuples(ids(distilled.encoder.users), ids(distilled.encoder.movies))
    users, movies = zip(*data.draw(st.lists(pair, min_size=1, max_size=20)), strict=True)
    raw = distilled.rows_of_ids(users, movies)
    np.testing.assert_allclose(serve(raw), distilled.expected(raw), rtol=1e-5, atol=1e-5)


def run_onnx(path, x):
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return session.run(["prediction"], x)[0]


def run_litert(path, x):
    return Interpreter(str(path)).get_signature_runner()(**x)["prediction"]


PORTABLE = {"student.onnx": run_onnx, "student.tflite": run_litert}


@pytest.mark.parametrize("file", PORTABLE)
@pytest.mark.parametrize("rows", [1, 300])
def test_portable_files_take_indices(distilled, exported, file, rows):
    x = {name: values[:rows] for name, values in distilled.x.items()}
    found = PORTABLE[file](exported.directory / file, x)
    np.testing.assert_allclose(found, np.array(distilled.student(x)), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("file", PORTABLE)
def test_portable_files_read_indices_that_are_not_valid_as_0(distilled, exported, file):
    edges = [*STRANGE_INDICES, distilled.encoder.users.size, distilled.encoder.users.size - 1]
    x = {name: np.repeat(v[:1], len(edges), 0) for name, v in distilled.x.items()}
    x["user"] = np.array(edges, np.int32)
    right = {**x, "user": np.array([0] * 5 + [edges[-1]], np.int32)}
    found = PORTABLE[file](exported.directory / file, x)
    np.testing.assert_allclose(found, np.array(distilled.student(right)), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("file", PORTABLE)
def test_the_json_is_enough_to_make_the_indices(distilled, exported, serve, file):
    fields = json.loads((exported.directory / "vocabularies.json").read_text())
    x = dict(distilled.raw)
    for name, values in fields["vocabularies"].items():
        index = {value: i for i, value in enumerate(values, start=1)}
        unknown = fields["inputs"][name]["unknown_index"]
        x[name] = np.array([index.get(v, unknown) for v in x[name].tolist()], np.int32)
        low, high = fields["inputs"][name]["valid_indices"]
        assert low == 0 and high == len(values)
    for name, values in x.items():
        assert values.dtype == fields["inputs"][name]["dtype"]
    found = PORTABLE[file](exported.directory / file, x)
    np.testing.assert_allclose(found, serve(distilled.raw), rtol=1e-5, atol=1e-5)


def test_the_json_says_which_file_checks_its_indices(exported):
    files = json.loads((exported.directory / "vocabularies.json").read_text())["files"]
    assert set(files) == {"student.keras", "saved_model", *PORTABLE}
    assert "not checked" in files["student.keras"]
    assert all("read as 0" in files[name] for name in PORTABLE)


def test_reports(distilled, exported):
    fields = json.loads((exported.directory / "report.json").read_text())
    assert fields == json.loads(json.dumps(exported.to_dict()))
    assert fields["comparison"]["student"]["params"] == distilled.student.count_params()
    assert fields["versions"]["onnx"] and fields["versions"]["ai-edge-litert"]
    markdown = (exported.directory / "report.md").read_text()
    assert markdown == exported.to_markdown()
    assert exported.comparison.to_markdown() in markdown
    for file in exported.files.values():
        assert f"| `{file.name}` |" in markdown
        assert 0 <= file.largest_difference <= 1e-5
        path = exported.directory / file.name
        paths = [path] if path.is_file() else [p for p in path.rglob("*") if p.is_file()]
        assert file.bytes == sum(os.path.getsize(p) for p in paths)


def test_the_student_stays_as_it_is(distilled, tmp_path):
    student = distilled.student
    before = student.to_json(), student.get_weights()
    tdrec.export_student(student, tmp_path / "out", distilled.x, formats=["savedmodel", "litert"])
    assert student.to_json() == before[0]
    for now, then in zip(student.get_weights(), before[1], strict=True):
        np.testing.assert_array_equal(now, then)
    tdrec.split_model(student, LOW, HIGH)


def test_words_of_titles_as_strings(distilled, tmp_path):
    known = np.array(["", *distilled.encoder.words.to_list()], object)
    raw = {**distilled.raw, "title": known[distilled.x["title"]]}
    vocabularies = {**distilled.vocabularies, "title": distilled.encoder.words}
    tdrec.export_student(
        distilled.student, tmp_path / "out", raw, vocabularies=vocabularies, formats=["savedmodel"]
    )
    serve = tf.saved_model.load(str(tmp_path / "out" / "saved_model"))
    serve = serve.signatures["serving_default"]
    words = raw["title"][:4].copy()
    words[0], words[1, 0], words[2, 1] = "été", "\0", ""
    indices = distilled.x["title"][:4].copy()
    indices[0], indices[1, 0], indices[2, 1] = 0, 0, 0
    rows = {name: values[:4] for name, values in raw.items()}
    found = serve(**{n: tf.constant(v) for n, v in {**rows, "title": words}.items()})
    x = {name: values[:4] for name, values in distilled.x.items()}
    expected = np.array(distilled.student({**x, "title": indices}))
    np.testing.assert_allclose(found["prediction"].numpy(), expected, rtol=1e-5, atol=1e-5)


def test_the_screen_stays_empty(tmp_path, capfd, recwarn):
    student = small_student()
    capfd.readouterr()  # what TensorFlow says when it starts, if this is the first test of all
    tdrec.export_student(student, tmp_path / "out", **SMALL)
    assert capfd.readouterr() == ("", "")
    assert not [w for w in recwarn if not issubclass(w.category, DeprecationWarning)]


def test_an_existing_folder_is_replaced_on_request_only(tmp_path):
    target = tmp_path / "out"
    first, second = small_student(), small_student()
    tdrec.export_student(first, target, formats=["keras"], **SMALL)
    with pytest.raises(FileExistsError, match="exists. Name another, or pass overwrite=True"):
        tdrec.export_student(second, target, formats=["keras"], **SMALL)

    def weights():
        return keras.models.load_model(target / "student.keras").get_weights()

    np.testing.assert_array_equal(weights()[0], first.get_weights()[0])
    tdrec.export_student(second, target, formats=["keras"], overwrite=True, **SMALL)
    np.testing.assert_array_equal(weights()[0], second.get_weights()[0])
    assert list(tmp_path.iterdir()) == [target]


@keras.saving.register_keras_serializable("test_export")
class Noisy(keras.layers.Layer):
    """Never predicts the same twice."""

    def call(self, x):
        return x + keras.random.normal(ops.shape(x))


def test_a_file_that_predicts_otherwise_is_refused_and_the_old_one_stays(tmp_path):
    target = tmp_path / "out"
    tdrec.export_student(small_student(), target, formats=["keras"], **SMALL)
    before = (target / "student.keras").read_bytes()
    user = keras.Input((), dtype="int32", name="user")
    y = Noisy()(keras.layers.Embedding(3, 2)(user))
    with pytest.raises(ValueError, match="must predict what the student predicts, to 1e-05. Rece"):
        tdrec.export_student(
            keras.Model({"user": user}, y), target, formats=["keras"], overwrite=True, **SMALL
        )
    assert (target / "student.keras").read_bytes() == before
    assert list(tmp_path.iterdir()) == [target]


class Subclassed(keras.Model):
    """Has an argument that Keras cannot write down."""

    def __init__(self, function):
        super().__init__(name="subclassed")
        self.function = function
        self.rows = keras.layers.Embedding(3, 2)

    def call(self, x, training=False):
        return self.function(self.rows(x["user"]))


def test_a_subclassed_student_without_configuration(tmp_path):
    student = Subclassed(lambda x: ops.sum(x, -1))
    student({"user": np.array([0])})
    why = (
        "(?s)in the format 'keras'. Received: NotImplementedError.*own .Subclassed. needs `get_con"
    )
    with pytest.warns(UserWarning, match=why):
        export = tdrec.export_student(student, tmp_path / "out", **SMALL)
    assert set(export.files) == {"savedmodel", "onnx", "litert"} and set(export.refused) == {
        "keras"
    }
    serve = tf.saved_model.load(str(tmp_path / "out" / "saved_model"))
    found = serve.signatures["serving_default"](user=tf.constant([6, 7, 5], tf.int64))
    expected = student({"user": np.array([2, 0, 1])})
    np.testing.assert_allclose(found["prediction"].numpy(), np.array(expected), atol=1e-6)


def test_a_subclassed_student_whose_parts_were_trained_without_it(tmp_path):
    student = Subclassed(lambda x: ops.sum(x, -1))
    with pytest.raises(
        ValueError, match="not built, and neither are its layers .* Call it on a ba"
    ):
        tdrec.export_student(student, tmp_path / "out", **SMALL)
    student.rows(np.array([0]))
    student.rows.set_weights([np.arange(6.0).reshape(3, 2)])
    assert not student.built
    tdrec.export_student(student, tmp_path / "out", formats=["savedmodel"], **SMALL)
    serve = tf.saved_model.load(str(tmp_path / "out" / "saved_model"))
    found = serve.signatures["serving_default"](user=tf.constant([6, 7, 5], tf.int64))
    assert found["prediction"].numpy().tolist() == [9, 1, 5]


def test_every_output_is_compared(tmp_path):
    x = keras.Input((2,), name="x")
    student = keras.Model(x, {"good": x * 2, "bad": Noisy()(x)})
    with pytest.raises(ValueError, match="a difference of .* in the format 'keras', output 'bad'"):
        tdrec.export_student(student, tmp_path / "out", np.ones((3, 2)), formats=["keras"])
    assert not list(tmp_path.iterdir())


def test_without_any_format_all_reasons_are_told(tmp_path):
    user = keras.Input((), dtype="string", name="user")
    index = keras.layers.StringLookup(vocabulary=["ann"])(user)
    student = keras.Model(user, Noisy()(keras.layers.Embedding(2, 2)(index)))
    with pytest.raises(ValueError) as caught:
        tdrec.export_student(student, tmp_path / "out", ["ann"], formats=["keras", "onnx"])
    assert "in the format 'keras', output 'prediction'" in str(caught.value)
    assert "in the format 'onnx'. Received: " in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_a_step_that_a_format_does_not_know_is_told(tmp_path):
    user = keras.Input((), dtype="int32", name="user")
    x = keras.layers.Embedding(3, 2)(user)
    y = keras.layers.Lambda(lambda x: tf.py_function(abs, [x], tf.float32), output_shape=(2,))(x)
    student = keras.Model({"user": user}, ops.reshape(y, (-1, 2)), name="odd")
    with pytest.raises(
        ValueError, match="(?s)The student 'odd' cannot be served in the format 'onnx'. Received: "
    ):
        tdrec.export_student(student, tmp_path / "out", formats=["onnx"], **SMALL)
    assert not list(tmp_path.iterdir())


def test_a_vocabulary_that_the_student_has_no_rows_for(tmp_path):
    vocabularies = {"user": Vocabulary(tuple(range(10)))}
    with pytest.raises(ValueError, match="a row for each index of its vocabularies. Received: voc"):
        tdrec.export_student(
            small_student(), tmp_path / "out", {"user": [5]}, vocabularies=vocabularies
        )
    assert not list(tmp_path.iterdir())


def test_another_backend_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(RuntimeError, match="'jax'. Set KERAS_BACKEND=tensorflow, or save it as it"):
        tdrec.export_student(small_student(), tmp_path / "out", **SMALL)
    with pytest.raises(RuntimeError, match="comparison of two models needs Keras's TensorFlow"):
        tdrec.compare_models(small_student(), small_student(), SMALL["sample"])


def test_paths_as_text(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    export = tdrec.export_student(small_student(), "out", formats=["keras"], **SMALL)
    assert export.directory == Path("out")
    assert (tmp_path / "out" / "student.keras").exists()
