"""A student as it is served: its inputs and outputs by name, and their shapes and types."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from tdrec.data import Vocabulary
from tdrec.export.names import served_names
from tdrec.export.sample import Arrays, by_name, in_shape, in_type, structure_of, type_of

OUTPUT = "prediction"
"""Name of the output of a student that has one."""


@dataclass(frozen=True)
class ServedStudent:
    """A student and what is known of its inputs and outputs.

    Args:
        model: The student, built.
        structure: Its inputs as it takes them, the name of each in its place.
        specs: By input, its shape and type, int32 for one that has a vocabulary, and its name in
            the files.
        outputs: The names of its outputs.
        sample: Rows of each input in the shape that the student takes, and where it has no
            vocabulary in that type.
        vocabularies: By input, what turns raw values into indices.
    """

    model: keras.Model
    structure: Any
    specs: dict[str, tf.TensorSpec]
    outputs: tuple[str, ...]
    sample: Arrays
    vocabularies: dict[str, Vocabulary]

    @classmethod
    def of(
        cls, model: keras.Model, sample: Any, vocabularies: Mapping[str, Vocabulary]
    ) -> "ServedStudent":
        """Finds names, shapes and types: of a subclassed model in the sample, else in the model.

        The model is called on one row.

        Raises:
            TypeError: If the sample is of another structure than the model's inputs.
            ValueError: If the sample has other inputs than the model, or of another shape or type,
                or a vocabulary is of none of them or of one that the model looks up itself.
        """
        tensors = structure_of(model)
        structure, arrays = by_name(tensors, sample)
        inputs = keras.tree.flatten(structure if tensors is None else tensors)
        shapes, types = {}, {}
        for name, tensor in zip(keras.tree.flatten(structure), inputs, strict=True):
            if tensors is None:
                shapes[name], types[name] = arrays[name].shape[1:], type_of(model, arrays[name])
            else:
                shapes[name], types[name] = tensor.shape[1:], tf.as_dtype(tensor.dtype)
        _check_inputs_of(vocabularies, types if tensors is not None else dict.fromkeys(types))
        for name in types:
            arrays[name] = in_shape(name, arrays[name], shapes[name])
            if name in vocabularies:
                types[name] = tf.int32
            else:
                arrays[name] = in_type(name, arrays[name], types[name])
        row = {
            name: np.zeros((1, *values.shape[1:]), np.int32) if name in vocabularies else values[:1]
            for name, values in arrays.items()
        }
        student = cls(model, structure, {}, (), arrays, dict(vocabularies))
        outputs = tuple(_named(model, student.call(_tensors(row))))
        served = served_names(shapes, taken=outputs)
        specs = {n: tf.TensorSpec((None, *shapes[n]), types[n], served[n]) for n in shapes}
        return cls(model, structure, specs, outputs, arrays, dict(vocabularies))

    @property
    def raw_specs(self) -> dict[str, tf.TensorSpec]:
        """The specs of an input that is looked up: int64 or strings instead of indices."""
        return {
            name: tf.TensorSpec(spec.shape, raw_type(self.vocabularies[name]), spec.name)
            if name in self.vocabularies
            else spec
            for name, spec in self.specs.items()
        }

    @cached_property
    def guarded(self) -> keras.Model:
        """The student behind a step that reads indices outside of the vocabularies as 0.

        Its inputs are a dict by their names in the files.
        """
        inputs = {
            name: keras.Input(spec.shape[1:], dtype=spec.dtype.name, name=spec.name)
            for name, spec in self.specs.items()
        }
        checked = dict(inputs)
        for name, vocabulary in self.vocabularies.items():
            x = checked[name]
            checked[name] = ops.where(ops.logical_and(x >= 0, x < vocabulary.size), x, 0)
        outputs = self.named_outputs(checked)
        return keras.Model(self.in_files(inputs), outputs, name=self.model.name)

    def in_files(self, x: Mapping[str, Any]) -> dict[str, Any]:
        """The same inputs by their names in the files."""
        return {self.specs[name].name: values for name, values in x.items()}

    def call(self, x: Mapping[str, Any], model: keras.Model | None = None) -> Any:
        """What the student gives for inputs by name, or a `model` that was read from a file."""
        inputs = keras.tree.map_structure(lambda name: x[name], self.structure)
        return (model or self.model)(inputs, training=False)

    def named_outputs(self, x: Mapping[str, Any], model: keras.Model | None = None) -> Any:
        """The same by the names of its outputs."""
        return _named(model or self.model, self.call(x, model))

    def predictions(self, x: Arrays, model: keras.Model | None = None) -> Arrays:
        """The predictions by output, for inputs by name.

        Raises:
            ValueError: If an output has not one row for each row, or a prediction is not finite.
        """
        found = {name: array(y) for name, y in self.named_outputs(_tensors(x), model).items()}
        rows = len(next(iter(x.values())))
        for name, values in found.items():
            if values.shape[:1] != (rows,):
                raise ValueError(
                    "A student gives as many rows as it is given. "
                    f"Received: {name!r} of shape {values.shape} for {rows} rows."
                )
            if values.dtype.kind == "f" and not np.isfinite(values).all():
                raise ValueError(
                    "A student's predictions must be finite to be compared. Received: "
                    f"{np.sum(~np.isfinite(values))} that are not, on the sample or "
                    "on unknown values."
                )
        return found


def array(y: Any) -> np.ndarray:
    """A tensor as an array, in a type that NumPy has."""
    return np.asarray(tf.cast(y, tf.float32) if y.dtype == tf.bfloat16 else y)


def raw_type(vocabulary: Vocabulary) -> tf.DType:
    """The type in which the values of a vocabulary arrive."""
    return tf.string if isinstance(vocabulary.values[0], str) else tf.int64


def _check_inputs_of(
    vocabularies: Mapping[str, Vocabulary], types: Mapping[str, tf.DType | None]
) -> None:
    """Refuses vocabularies of what is no input, or one that the model looks up itself."""
    for name in vocabularies:
        if name not in types:
            raise ValueError(
                f"A vocabulary is that of an input of the student: {sorted(types)}. "
                f"Received: a vocabulary of {name!r}."
            )
        if types[name] == tf.string:
            raise ValueError(
                f"A vocabulary is for an input of indices. Received: a vocabulary of {name!r}, "
                "which the student takes as strings and looks up itself. Leave it out."
            )


def _tensors(x: Arrays) -> dict[str, tf.Tensor]:
    return {name: tf.constant(values) for name, values in x.items()}


def _named(model: keras.Model, y: Any) -> dict[str, Any]:
    """Outputs by name: their keys, or where they are a list the names of the layers that made them.

    Those of a list of a subclassed model are numbered, and a single one is the `OUTPUT`.
    """
    paths, leaves = zip(*keras.tree.flatten_with_path(y), strict=True)
    layers = getattr(model, "output_names", ())
    names = []
    for place, path in enumerate(paths):
        if any(isinstance(key, str) for key in path):
            names.append("_".join(map(str, path)))
        elif len(paths) == 1:
            names.append(OUTPUT)
        else:
            names.append(layers[place] if len(layers) == len(paths) else f"output_{place}")
    numbered = [f"{n}_{i + 1}" if n in names[:i] else n for i, n in enumerate(names)]
    served = served_names(numbered)
    return {served[name]: leaf for name, leaf in zip(numbered, leaves, strict=True)}
