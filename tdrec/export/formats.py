"""How a student is written in each format, and how the file is run with that format's runtime."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from tdrec.data import Vocabulary
from tdrec.export.model_cost import save_keras

OUTPUT = "prediction"
"""Name of what every format gives."""

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class ServedStudent:
    """A student and what is known of its inputs.

    Args:
        model: The student, built.
        specs: By input, its shape and type, int32 for one that has a vocabulary.
        vocabularies: By input, what turns raw values into indices.
    """

    model: keras.Model
    specs: dict[str, tf.TensorSpec]
    vocabularies: dict[str, Vocabulary]

    @classmethod
    def of(
        cls, model: keras.Model, sample: Arrays, vocabularies: Mapping[str, Vocabulary]
    ) -> "ServedStudent":
        """Finds shapes and types: of a subclassed model in the sample, else in the model.

        Raises:
            ValueError: If the sample has other inputs than the model.
        """
        structure = _input_structure(model)
        inputs = sample if structure is None else _named(structure)
        if set(inputs) != set(sample):
            raise ValueError(
                f"`sample` must have the student's inputs {sorted(inputs)}. "
                f"Received: {sorted(sample)}."
            )
        specs = {}
        for name, values in inputs.items():
            dtype = _type_of(values) if structure is None else tf.as_dtype(values.dtype)
            shape = (None, *values.shape[1:])
            specs[name] = tf.TensorSpec(shape, tf.int32 if name in vocabularies else dtype, name)
        return cls(model, specs, dict(vocabularies))

    @property
    def raw_specs(self) -> dict[str, tf.TensorSpec]:
        """The specs of an input that is looked up: int64 or strings instead of indices."""
        return {
            name: tf.TensorSpec(spec.shape, raw_type(self.vocabularies[name]), name)
            if name in self.vocabularies
            else spec
            for name, spec in self.specs.items()
        }

    @cached_property
    def guarded(self) -> keras.Model:
        """The student behind a step that reads indices outside of the vocabularies as 0."""
        inputs = {
            name: keras.Input(spec.shape[1:], dtype=spec.dtype.name, name=name)
            for name, spec in self.specs.items()
        }
        checked = dict(inputs)
        for name, vocabulary in self.vocabularies.items():
            x = checked[name]
            checked[name] = ops.where(ops.logical_and(x >= 0, x < vocabulary.size), x, 0)
        return keras.Model(inputs, {OUTPUT: call(self.model, checked)}, name=self.model.name)


@dataclass(frozen=True)
class Format:
    """One format.

    Attributes:
        file: Name of the file or folder.
        packages: What must be installed to write and to run it.
        takes: What its inputs are.
        about: The same in words.
        write: Writes a student to a path.
        predict: Runs the file at a path on inputs.
        remedy: What a student needs to have this format.
    """

    file: str
    packages: tuple[str, ...]
    takes: Literal["raw_values", "indices", "valid_indices"]
    about: str
    write: Callable[[ServedStudent, Path], None]
    predict: Callable[[Path, Arrays], np.ndarray]
    remedy: str


def _input_structure(model: keras.Model) -> Any:
    """The `keras.Input`s of a functional or Sequential model; None for a subclassed one."""
    if isinstance(model, keras.Sequential):
        return model.inputs[0]
    return model.input if hasattr(model, "inputs") and hasattr(model, "outputs") else None


def _named(structure: Any) -> dict[str, Any]:
    """The leaves of a structure of inputs: by the key in a dict, else by their own name."""
    return {
        path[-1] if path and isinstance(path[-1], str) else tensor.name: tensor
        for path, tensor in keras.tree.flatten_with_path(structure)
    }


def call(model: keras.Model, x: Mapping[str, Any]) -> Any:
    """The model's prediction from inputs by name."""
    structure = _input_structure(model)
    if structure is None:
        return model(dict(x), training=False)
    leaves = [x[name] for name in _named(structure)]
    return model(keras.tree.pack_sequence_as(structure, leaves), training=False)


def prediction(model: keras.Model, x: Arrays) -> np.ndarray:
    """The predictions for inputs by name.

    Raises:
        ValueError: If the model has several outputs, or a prediction is not finite.
    """
    y = call(model, {name: tf.constant(values) for name, values in x.items()})
    if keras.tree.is_nested(y):
        raise ValueError(
            "A student has one output. Received: "
            f"{keras.tree.map_structure(lambda y: tuple(y.shape), y)}. "
            "Export a model of the output that is served: keras.Model(student.input, output)."
        )
    array = np.asarray(y)
    if not np.isfinite(array).all():
        raise ValueError(
            "A student's predictions must be finite to be compared. Received: "
            f"{np.sum(~np.isfinite(array))} that are not, on the sample or "
            "on unknown values."
        )
    return array


def _write_keras(served: ServedStudent, path: Path) -> None:
    save_keras(served.model, path)


def _predict_keras(path: Path, x: Arrays) -> np.ndarray:
    return prediction(keras.models.load_model(path, compile=False), x)


def _write_saved_model(served: ServedStudent, path: Path) -> None:
    tables = {name: _table(vocabulary) for name, vocabulary in served.vocabularies.items()}

    def serve(raw: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        x = {n: tables[n].lookup(values) if n in tables else values for n, values in raw.items()}
        return {OUTPUT: call(served.model, x)}

    archive = keras.export.ExportArchive()  # finds the weights itself; given them, it doubles them
    for table in tables.values():
        archive.track(table)
    archive.add_endpoint("serve", serve, input_signature=[served.raw_specs])
    archive.write_out(str(path), verbose=False)


def _predict_saved_model(path: Path, x: Arrays) -> np.ndarray:
    serve = tf.saved_model.load(str(path)).signatures["serving_default"]
    return serve(**{name: tf.constant(values) for name, values in x.items()})[OUTPUT].numpy()


def _write_onnx(served: ServedStudent, path: Path) -> None:
    served.guarded.export(str(path), format="onnx", verbose=False, input_signature=[served.specs])


def _predict_onnx(path: Path, x: Arrays) -> np.ndarray:
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return np.asarray(session.run([OUTPUT], x)[0])


def _write_litert(served: ServedStudent, path: Path) -> None:
    served.guarded.export(str(path), format="litert", verbose=False, input_signature=[served.specs])


def _predict_litert(path: Path, x: Arrays) -> np.ndarray:
    from ai_edge_litert.interpreter import Interpreter

    return np.array(Interpreter(str(path)).get_signature_runner()(**x)[OUTPUT])


def _table(vocabulary: Vocabulary) -> tf.lookup.StaticHashTable:
    values = tf.constant(vocabulary.to_list(), raw_type(vocabulary))
    indices = tf.range(1, vocabulary.size, dtype=tf.int32)
    return tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(values, indices), 0)


def raw_type(vocabulary: Vocabulary) -> tf.DType:
    """The type in which the values of a vocabulary arrive."""
    return tf.string if isinstance(vocabulary.values[0], str) else tf.int64


def _type_of(values: np.ndarray) -> tf.DType:
    """The type in which a subclassed model is given an input without a vocabulary."""
    if values.dtype.kind == "f":
        return tf.as_dtype(keras.config.floatx())
    return tf.int32 if values.dtype.kind in "iu" else tf.as_dtype(values.dtype)


_MIXED = (
    "One of mixed precision computes in float32 when it is built again after "
    'keras.config.set_dtype_policy("float32") and given its weights: '
    "again.set_weights(student.get_weights())."
)

FORMATS = {
    "keras": Format(
        "student.keras",
        (),
        "valid_indices",
        "valid indices; others are not checked",
        _write_keras,
        _predict_keras,
        "A subclassed model needs `get_config` and "
        "`@keras.saving.register_keras_serializable()` on its class.",
    ),
    "savedmodel": Format(
        "saved_model",
        (),
        "raw_values",
        "raw values; unknown ones have index 0",
        _write_saved_model,
        _predict_saved_model,
        "The student must be made of what TensorFlow can trace.",
    ),
    "onnx": Format(
        "student.onnx",
        ("onnx", "onnxruntime", "tf2onnx"),
        "indices",
        "indices; those that are not valid are read as 0",
        _write_onnx,
        _predict_onnx,
        f"The student must be of steps that ONNX knows. {_MIXED}",
    ),
    "litert": Format(
        "student.tflite",
        ("ai-edge-litert",),
        "indices",
        "indices; those that are not valid are read as 0",
        _write_litert,
        _predict_litert,
        f"The student must be of steps that LiteRT has built in. {_MIXED}",
    ),
}
"""The formats by name."""
