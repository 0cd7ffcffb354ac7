"""Reads, in a process of its own, what test_recommenders.py has written of each recommender.

python tests/recommenders/read_again.py FOLDER
"""

import json
import sys
from pathlib import Path

import keras
import numpy as np
import onnxruntime
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

from recommenders.recommender import as_arrays, compiled_distiller, recommender


def read_again(folder: Path) -> None:
    """Writes what each file predicts, and how the training goes on."""
    one = recommender(folder.name)
    x = one.inputs()
    found = {"student": keras.saving.load_model(folder / "student.keras")(x)}
    if one.saved_whole:
        distiller = keras.saving.load_model(folder / "distiller.keras")
    else:
        teacher = keras.saving.load_model(folder / "teacher.keras")
        distiller = compiled_distiller(one, one.student(), teacher, jit_compile=False)
        distiller(x)
        distiller.load_weights(folder / "distiller.weights.h5")
    found["distiller"] = distiller(x)
    logs = one.fit(distiller, initial_epoch=1, epochs=2)
    found["resumed"] = distiller(x)
    (folder / "logs.json").write_text(json.dumps(logs))
    arrays = {f"{file}/{n}": a for file, y in found.items() for n, a in as_arrays(y).items()}
    np.savez(folder / "found.npz", **arrays, **served(folder / "served", one.raw(x)))


def served(folder: Path, x) -> dict[str, np.ndarray]:
    """What each exported file predicts, by its format and output."""
    serve = tf.saved_model.load(folder / "saved_model").signatures["serving_default"]
    specs = serve.structured_input_signature[1]
    names = json.loads((folder / "report.json").read_text())["inputs"]
    values = {names[n]: v for n, v in x.items()} if isinstance(x, dict) else dict.fromkeys(specs, x)
    feeds = {name: np.asarray(values[name], s.dtype.as_numpy_dtype) for name, s in specs.items()}
    found = {"savedmodel": serve(**{name: tf.constant(v) for name, v in feeds.items()})}
    model = keras.saving.load_model(folder / "student.keras", compile=False)
    found["keras"] = as_arrays(model(x))
    if (file := folder / "student.onnx").exists():
        session = onnxruntime.InferenceSession(file)
        names = [output.name for output in session.get_outputs()]
        found["onnx"] = dict(zip(names, session.run(names, feeds), strict=True))
    if (file := folder / "student.tflite").exists():
        found["litert"] = Interpreter(str(file)).get_signature_runner()(**feeds)
    return {f"{kind}/{n}": np.asarray(a) for kind, y in found.items() for n, a in y.items()}


if __name__ == "__main__":
    for each in sorted(Path(sys.argv[1]).iterdir()):
        read_again(each)
