import json
import re
import subprocess
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
import onnxruntime
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter
from keras import layers

import tdrec
from tdrec.export.formats import FORMATS

IDS = np.array([10, 99, 2**40])
WORDS = np.array(["ann", "zoe", ""])
NUMBERS = np.arange(6, dtype="float32").reshape(3, 2)
SEQUENCES = np.array([[1, 2, 0], [3, 0, 0], [1, 1, 1]], "int32")


def of_one(layer, shape=(), dtype="float32"):
    x = keras.Input(shape, dtype=dtype, name="x")
    return keras.Model(x, layers.Dense(1)(layer(x)))


def adapted(layer, data):
    layer.adapt(data)
    return layer


def rows(indices):
    return layers.Flatten()(layers.Embedding(9, 3)(indices))


def of_lookups():
    ids = keras.Input((), dtype="int64", name="ids")
    word = keras.Input((), dtype="string", name="word")
    text = keras.Input((1,), dtype="string", name="text")
    words = layers.TextVectorization(output_sequence_length=2)
    parts = [
        rows(adapted(layers.IntegerLookup(), [10, 20])(ids)),
        rows(layers.Hashing(5)(word)),
        rows(adapted(words, ["ann bob", "bob"])(text)),
    ]
    return keras.Model([ids, word, text], layers.Dense(1)(layers.Concatenate()(parts)))


def of_bins(x):
    bins, kinds = layers.Discretization([1, 3]), layers.CategoryEncoding(9, "multi_hot")
    return layers.Concatenate()([rows(bins(x)), kinds(x)])


def of_nameless_inputs():
    a, b = keras.Input((2,)), keras.Input((1,))
    x = layers.Concatenate()([adapted(layers.Normalization(), NUMBERS)(a), b])
    model = keras.Model([a, b], layers.Dense(1)(layers.BatchNormalization()(x)))
    model.compile("adam", "mse")
    model.fit([NUMBERS, NUMBERS[:, :1]], np.ones(3), epochs=2, verbose=0)
    return model


def of_several_outputs():
    x = keras.Input((2,), name="x")
    return keras.Model(x, [layers.Dense(n, name=f"of_{n}")(x) for n in (2, 1)])


def of_names(*names):
    inputs = [keras.Input((1,), dtype="int32", name=name) for name in names]
    x = layers.Concatenate()([rows(x) for x in inputs])
    return keras.Model(inputs, {"my rating": layers.Dense(1)(x), "click": layers.Dense(2)(x)})


@keras.saving.register_keras_serializable("test_formats")
class Subclassed(keras.Model):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.lookups = [layers.IntegerLookup(vocabulary=[10, 2**40])]
        self.rows, self.out = layers.Embedding(4, 2), layers.Dense(1)

    def call(self, inputs, training=False):
        ids, x = inputs
        return self.out(x), self.rows(self.lookups[0](ids))


def subclassed():
    model = Subclassed()
    model((IDS, NUMBERS))
    return model


TABLE = "has no .*Lookup.*looks values up itself"
COLUMN = np.array([[1], [2], [3]], "int32")


@dataclass
class Kind:
    """A kind of student, and what its files are."""

    make: Callable[[], keras.Model]
    sample: Any
    refused: dict[str, str] = field(default_factory=dict)  # by format, a pattern of its reason
    outputs: tuple[str, ...] = ("prediction",)
    inputs: tuple[str, ...] = ("x",)  # the names in the files
    tolerance: float = 1e-5


KINDS = {
    "lookups": Kind(
        of_lookups,
        [IDS, WORDS, WORDS],
        {"onnx": "ONNX has no LookupTable.*StringToHash.*looks", "litert": f"LiteRT {TABLE}"},
        inputs=("ids", "word", "text"),
    ),
    "strings": Kind(
        lambda: of_one(
            lambda x: rows(layers.StringLookup(vocabulary=["ann", "bob"])(x)[:, None]), (), "string"
        ),
        WORDS,
        {"onnx": TABLE},
    ),
    "bins": Kind(
        lambda: of_one(of_bins, (2,)),
        NUMBERS,
        {"onnx": "ONNX has no Bucketize.$", "litert": "LiteRT has no DenseBincount.$"},
    ),
    "nameless inputs": Kind(of_nameless_inputs, [NUMBERS, NUMBERS[:, 0]], inputs=("", "")),
    "mask": Kind(
        lambda: of_one(
            lambda x: layers.GRU(2)(layers.Embedding(9, 3, mask_zero=True)(x)), (None,), "int32"
        ),
        SEQUENCES,
        {"litert": "LiteRT has no TensorList"},
    ),
    "mixed precision": Kind(
        lambda: of_one(layers.Dense(4, "relu", dtype="mixed_float16"), (2,)),
        NUMBERS,
        {"litert": "LiteRT has no .*MatMul.*One of mixed precision computes in float32"},
        tolerance=4e-3,
    ),
    "several outputs": Kind(of_several_outputs, NUMBERS, outputs=("of_2", "of_1")),
    "names": Kind(
        lambda: of_names("user id", "class", "Łódź", "user", "User", "self"),
        [COLUMN[:, 0], COLUMN, COLUMN, COLUMN[::-1], COLUMN, COLUMN],
        inputs=("user_id", "class_", "odz", "user", "User_2", "self_"),
        outputs=("click", "my_rating"),
    ),
    "subclassed": Kind(
        subclassed,
        (IDS, NUMBERS),
        {"onnx": TABLE, "litert": TABLE},
        outputs=("output_0", "output_1"),
        inputs=("input_0", "input_1"),
    ),
}


class Exported:
    """A student of each kind, what plain Keras makes of its rows, and its files."""

    def __init__(self, kind, folder):
        self.kind, self.folder = kind, folder
        keras.utils.set_random_seed(0)
        student = kind.make()
        leaves = keras.tree.flatten(kind.sample)
        self.expected = keras.tree.flatten(
            student(keras.tree.map_structure(tf.constant, kind.sample), training=False)
        )
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            self.export = tdrec.export_student(student, folder, kind.sample)
        self.warned = [str(w.message) for w in caught if w.category is UserWarning]
        names = kind.inputs if all(kind.inputs) else [x.name for x in student.inputs]
        shapes = [x.shape[1:] for x in getattr(student, "inputs", leaves)]
        self.rows = {  # of the very shape: Keras alone adds a last axis of 1
            name: x.reshape(x.shape if None in shape else (len(x), *shape))
            for name, x, shape in zip(names, leaves, shapes, strict=True)
        }

    def check(self, found):
        assert sorted(found) == sorted(self.kind.outputs)
        for name, y in zip(self.kind.outputs, self.expected, strict=True):
            tolerance = self.kind.tolerance
            np.testing.assert_allclose(found[name], np.array(y), rtol=tolerance, atol=tolerance)


@pytest.fixture(scope="module")
def all_exported(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kinds")
    return {name: Exported(kind, folder / name) for name, kind in KINDS.items()}


@pytest.fixture(params=KINDS)
def exported(all_exported, request):
    return all_exported[request.param]


def test_each_format_has_a_file_or_its_own_reason(exported):
    refused, export = exported.kind.refused, exported.export
    assert set(export.refused) == set(refused) and set(export.files) == set(FORMATS) - set(refused)
    for name, pattern in refused.items():
        assert re.search(pattern, export.refused[name]), export.refused[name]
        assert f"cannot be served in the format {name!r}. Rec" in export.refused[name]
        assert export.refused[name] in exported.warned
        assert not (exported.folder / FORMATS[name].file).exists()
    manifest = json.loads((exported.folder / "vocabularies.json").read_text())
    report = json.loads((exported.folder / "report.json").read_text())
    assert manifest["refused"] == report["refused"] == export.refused
    markdown = (exported.folder / "report.md").read_text()
    assert all(why in markdown for why in export.refused.values())
    assert sorted(manifest["outputs"]) == sorted(exported.kind.outputs)
    assert [each["name_in_files"] for each in manifest["inputs"].values()] == list(exported.rows)


def test_portable_files_predict_as_the_model(exported):
    folder, files = exported.folder, exported.export.files
    if "onnx" in files:
        session = onnxruntime.InferenceSession(str(folder / "student.onnx"))
        names = [output.name for output in session.get_outputs()]
        exported.check(dict(zip(names, session.run(names, exported.rows), strict=True)))
    if "litert" in files:
        run = Interpreter(str(folder / "student.tflite")).get_signature_runner()
        exported.check(run(**exported.rows))


def test_keras_files_predict_as_the_model(exported):
    again = keras.models.load_model(exported.folder / "student.keras")
    found = again(keras.tree.map_structure(tf.constant, exported.kind.sample))
    exported.check(dict(zip(exported.kind.outputs, keras.tree.flatten(found), strict=True)))


ALONE = """
import sys
import numpy as np
import tensorflow as tf

for folder in sys.argv[1:]:
    rows = np.load(f"{folder}/rows.npz")
    serve = tf.saved_model.load(f"{folder}/saved_model").signatures["serving_default"]
    found = serve(**{name: tf.constant(rows[name]) for name in rows})
    np.savez(f"{folder}/found.npz", **{name: y.numpy() for name, y in found.items()})
assert "tdrec" not in sys.modules
"""


def test_saved_models_serve_in_a_process_without_tdrec(all_exported):
    for each in all_exported.values():
        np.savez(each.folder / "rows.npz", **each.rows)
    folders = [str(each.folder) for each in all_exported.values()]
    subprocess.run([sys.executable, "-c", ALONE, *folders], check=True, cwd=folders[0])
    for each in all_exported.values():
        each.check(dict(np.load(each.folder / "found.npz")))
