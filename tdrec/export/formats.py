"""How a student is written in each format, and how the file is run with that format's runtime."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import keras
import numpy as np
import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2
from tensorflow.saved_model.experimental import TrackableResource

from tdrec.data import Vocabulary
from tdrec.export.model_cost import save_keras
from tdrec.export.sample import Arrays, layers_of
from tdrec.export.served import ServedStudent, array, raw_type


@dataclass(frozen=True)
class Format:
    """One format.

    Attributes:
        file: Name of the file or folder.
        packages: What must be installed to write and to run it.
        takes: What its inputs are.
        about: The same in words.
        write: Writes a student to a path.
        predict: Runs the file of a student at a path on inputs by the student's names of them.
    """

    file: str
    packages: tuple[str, ...]
    takes: Literal["raw_values", "indices", "valid_indices"]
    about: str
    write: Callable[[ServedStudent, Path], None]
    predict: Callable[[ServedStudent, Path, Arrays], Arrays]


def _write_keras(served: ServedStudent, path: Path) -> None:
    save_keras(served.model, path)


def _predict_keras(served: ServedStudent, path: Path, x: Arrays) -> Arrays:
    return served.predictions(x, keras.models.load_model(path, compile=False))


def _write_saved_model(served: ServedStudent, path: Path) -> None:
    tables = {name: _table(vocabulary) for name, vocabulary in served.vocabularies.items()}

    def serve(raw: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        x = {name: raw[spec.name] for name, spec in served.specs.items()}
        return served.named_outputs(
            {n: tables[n].lookup(values) if n in tables else values for n, values in x.items()}
        )

    archive = keras.export.ExportArchive()  # finds the weights itself; given them, it doubles them
    for resource in (*tables.values(), *_tables_of(served.model)):
        archive.track(resource)
    signature = [served.in_files(served.raw_specs)]
    archive.add_endpoint("serve", serve, input_signature=signature)
    archive.write_out(str(path), verbose=False)


def _predict_saved_model(served: ServedStudent, path: Path, x: Arrays) -> Arrays:
    serve = tf.saved_model.load(str(path)).signatures["serving_default"]
    x = served.in_files(x)
    found = serve(**{name: tf.constant(values) for name, values in x.items()})
    return {name: array(found[name]) for name in served.outputs}


def _write_onnx(served: ServedStudent, path: Path) -> None:
    import onnx
    import tf2onnx

    signature = [served.in_files(served.specs)]
    serve = tf.function(served.guarded, input_signature=signature, autograph=False)
    # The converter takes a tensor that no variable holds, such as the mean of a `Normalization`,
    # for one more input, unless it is a constant already.
    graph = convert_variables_to_constants_v2(
        serve.get_concrete_function(), lower_control_flow=False, aggressive_inlining=True
    )
    names = {tensor.name: tensor.name.split(":")[0] for tensor in graph.inputs}
    outputs = zip(graph.outputs, sorted(served.outputs), strict=True)  # TensorFlow sorts keys
    names |= {tensor.name: name for tensor, name in outputs}
    model, _ = tf2onnx.convert.from_graph_def(
        graph.graph.as_graph_def(),
        input_names=[tensor.name for tensor in graph.inputs],
        output_names=[tensor.name for tensor in graph.outputs],
        tensors_to_rename=names,
        output_path=str(path),
    )
    unknown = {n.op_type for n in model.graph.node if not onnx.defs.has(n.op_type, n.domain)}
    if unknown:
        raise ValueError(f"ONNX has no {', '.join(sorted(unknown))}")


def _predict_onnx(served: ServedStudent, path: Path, x: Arrays) -> Arrays:
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    found = session.run(list(served.outputs), served.in_files(x))
    return dict(zip(served.outputs, map(np.asarray, found), strict=True))


def _write_litert(served: ServedStudent, path: Path) -> None:
    signature = [served.in_files(served.specs)]
    served.guarded.export(str(path), format="litert", verbose=False, input_signature=signature)
    # Keras lets the converter leave steps to all of TensorFlow, which a LiteRT runtime is without.
    missing = set(re.findall(rb"\0Flex(\w+)\0", path.read_bytes()))
    if missing:
        raise ValueError(f"LiteRT has no {b', '.join(sorted(missing)).decode()}")


def _predict_litert(served: ServedStudent, path: Path, x: Arrays) -> Arrays:
    from ai_edge_litert.interpreter import Interpreter

    found = Interpreter(str(path)).get_signature_runner()(**served.in_files(x))
    return {name: np.array(found[name]) for name in served.outputs}


def _table(vocabulary: Vocabulary) -> tf.lookup.StaticHashTable:
    values = tf.constant(vocabulary.to_list(), raw_type(vocabulary))
    indices = tf.range(1, vocabulary.size, dtype=tf.int32)
    return tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(values, indices), 0)


def _tables_of(model: keras.Model) -> list[Any]:
    """What the student's own layers look values up in."""
    found = {}
    for layer in layers_of(model):
        for part in tf.train.TrackableView(layer).descendants():
            if isinstance(part, TrackableResource):
                found[id(part)] = part
    return list(found.values())


FORMATS = {
    "keras": Format(
        "student.keras",
        (),
        "valid_indices",
        "valid indices; others are not checked",
        _write_keras,
        _predict_keras,
    ),
    "savedmodel": Format(
        "saved_model",
        (),
        "raw_values",
        "raw values; unknown ones have index 0",
        _write_saved_model,
        _predict_saved_model,
    ),
    "onnx": Format(
        "student.onnx",
        ("onnx", "onnxruntime", "tf2onnx"),
        "indices",
        "indices; those that are not valid are read as 0",
        _write_onnx,
        _predict_onnx,
    ),
    "litert": Format(
        "student.tflite",
        ("ai-edge-litert",),
        "indices",
        "indices; those that are not valid are read as 0",
        _write_litert,
        _predict_litert,
    ),
}
"""The formats by name."""
