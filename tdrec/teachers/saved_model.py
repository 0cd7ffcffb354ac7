"""A teacher from a SavedModel: one endpoint that predicts, or three that are its rooms.

The rooms call the endpoints of one loading. `keras.layers.TFSMLayer` loads all weights anew for
each endpoint, and cannot call a signature of several named inputs, which a recommender's is; where
its one endpoint is enough, hand it to `tdrec.Predictor` or `tdrec.ModelSplit` as any other layer.
"""

import os
from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from tdrec.distill.backend import require_tensorflow
from tdrec.distill.model_split import ModelSplit, Trace, shapes_of
from tdrec.distill.predictor import Predictor
from tdrec.runtime.files import replacing, user_path

ROOMS = ("lower", "middle", "head")


def load_saved_model(
    path: str | os.PathLike[str],
    endpoint: str = "serve",
    *,
    output: str | int | None = None,
    input_map: Callable[[Any], Any] | None = None,
) -> Predictor:
    """A SavedModel as a teacher for label distillation.

    A SavedModel runs whatever its graph holds: load one that you trust.

    Args:
        path: Folder of the SavedModel, such as `model.export(path)` writes.
        endpoint: Which of its endpoints predicts. Default `"serve"`, the name that Keras 3 gives;
            most others have a `"serving_default"`.
        output: Key or index of the output to distil, of an endpoint that has several. Default
            None: the only one.
        input_map: Takes what the endpoint sees from a batch's `x`. Default None: the inputs of
            its names where `x` is a dict, and else all of `x`.

    Returns:
        A `Predictor`. Its weights are only read.

    Raises:
        FileNotFoundError: If there is nothing at `path`.
        RuntimeError: If Keras runs on another backend than TensorFlow.
        ValueError: If it is no SavedModel, there is no such endpoint or output, or there are
            several outputs and none is named.

    Example:
        >>> teacher.export("teacher", verbose=False)
        >>> served = load_saved_model("teacher", "serving_default")
        >>> distiller = Distiller(student_split, served, LabelDistillation())
    """
    saved = _SavedModel(path, [endpoint])
    outputs = saved.outputs(endpoint)
    if output is None and keras.tree.is_nested(outputs):
        names = list(outputs) if isinstance(outputs, dict) else list(range(len(outputs)))
        raise ValueError(
            "Of several outputs, the one to distil must be named. Received: output=None for the "
            f"endpoint {endpoint!r} of {str(path)!r}, which has the outputs "
            f"{', '.join(map(repr, names))}. Pass, for example, output={names[0]!r}."
        )
    teacher = Predictor(saved.room(endpoint), model=saved, input_map=input_map, output=output)
    teacher.shapes = shapes_of(teacher.distilled(Trace(None, None, outputs)))
    return teacher


def load_saved_split(
    path: str | os.PathLike[str],
    *,
    lower: str = "lower",
    middle: str = "middle",
    head: str = "head",
    output: str | int | None = None,
    input_map: Callable[[Any], Any] | None = None,
) -> ModelSplit:
    """A SavedModel whose rooms are three endpoints, as a teacher for every method.

    Gradients flow through `middle` to what the teacher is told; its weights are only read.

    Args:
        path: Folder of the SavedModel, such as `save_split` writes.
        lower: Endpoint `x -> low`. Default `"lower"`.
        middle: Endpoint `low -> high`. Default `"middle"`.
        head: Endpoint `high -> prediction`. Default `"head"`.
        output: Key or index of the output to distil, of a head that has several. Default None:
            the only one.
        input_map: Takes what `lower` sees from a batch's `x`. Default None: the inputs of its
            names where `x` is a dict, and else all of `x`.

    Returns:
        A `ModelSplit`.

    Raises:
        FileNotFoundError: If there is nothing at `path`.
        RuntimeError: If Keras runs on another backend than TensorFlow.
        ValueError: If it is no SavedModel, there is no such endpoint or output, or a state is not
            one tensor of known width.

    Example:
        >>> save_split(teacher_split, "teacher", x)
        >>> teacher_split = load_saved_split("teacher")
    """
    saved = _SavedModel(path, [lower, middle, head])
    low, high, prediction = (saved.outputs(name) for name in (lower, middle, head))
    for name, state in ((lower, low), (middle, high)):
        if keras.tree.is_nested(state) or state.shape[-1] is None:
            raise ValueError(
                f"A state must be one tensor whose last axis is known. Received: {state} from the "
                f"endpoint {name!r} of {str(path)!r}. Export the model with such a state."
            )
    split = ModelSplit(
        saved.room(lower),
        saved.room(middle),
        saved.room(head),
        model=saved,
        input_map=input_map,
        output=output,
    )
    split.shapes = shapes_of(split.distilled(Trace(low, high, prediction)))
    return split


def save_split(split: ModelSplit, path: str | os.PathLike[str], x: Any) -> None:
    """Writes a split as a SavedModel with the endpoints `"lower"`, `"middle"` and `"head"`.

    A fourth, `"serve"`, is the whole model, so that the same folder can be served. They run as
    when the model is served: nothing is dropped, and no statistics move.

    Args:
        split: The split, of a model that is built.
        path: A folder that does not exist yet. It is there once it is complete.
        x: What the model is given, for shapes and dtypes: a batch of arrays, or `model.input`.

    Raises:
        FileExistsError: If there is something at `path`.
        ValueError: If the split shows no states.

    Example:
        >>> save_split(teacher_split, "teacher", teacher.input)
    """
    path = user_path(path)
    if path.exists():
        raise FileExistsError(
            f"A SavedModel is written to a new folder. Received: {str(path)!r}, which exists. "
            "Remove it first, or choose another name."
        )
    if isinstance(split, Predictor):
        raise ValueError(
            "Only a split with states can be saved as three rooms. Received: a tdrec.Predictor. "
            "Export its model: model.export(path)."
        )
    if split.carry:
        raise ValueError(
            "A SavedModel's rooms hand on their state alone. Received: a split of a model in which "
            "something is carried past a cut (a mask, or carry=True). Cut it where nothing skips, "
            "or export the whole model, model.export(path), and use tdrec.load_saved_model."
        )
    x = keras.tree.map_structure(keras.ops.convert_to_tensor, x)
    trace = split(x)
    archive = keras.export.ExportArchive()
    for layer in split.layers:
        archive.track(layer)
    rooms: dict[str, tuple[Callable[[Any], Any], Any]] = {
        "serve": (lambda x: split(x).prediction, x),
        "lower": (lambda x: split(x).low, x),
        "middle": (split.interpret, trace.low),
        "head": (lambda high: split._run("head", high, None, False)[0], trace.high),
    }
    for name, (room, given) in rooms.items():
        archive.add_endpoint(name, room, [_specs(given)])
    with replacing(path) as temporary:
        archive.write_out(str(temporary), verbose=False)


class _SavedModel(keras.Layer):
    """A SavedModel, loaded once, with the weights of some of its endpoints, frozen."""

    def __init__(self, path: str | os.PathLike[str], endpoints: list[str]) -> None:
        super().__init__(trainable=False)
        require_tensorflow(
            "A teacher from a SavedModel",
            "store there what it says of the rows, and learn from that: tdrec.StoredTargets",
        )
        path = str(user_path(path))
        if not os.path.exists(path):
            raise FileNotFoundError(
                f"A teacher is loaded from the folder of a SavedModel. Received: {path!r}, where "
                "there is nothing. Write one with tdrec.save_split or model.export."
            )
        if not tf.saved_model.contains_saved_model(path):
            raise ValueError(
                f"A SavedModel is a folder with a file saved_model.pb. Received: {path!r}, which "
                "has none. Load a .keras file with keras.models.load_model, and cut the model with "
                "tdrec.split_model."
            )
        loaded = tf.saved_model.load(path)
        found = _endpoints(loaded)
        if unknown := [name for name in endpoints if name not in found]:
            raise ValueError(
                f"An endpoint must be one that the SavedModel has. Received: "
                f"{', '.join(map(repr, unknown))} for {path!r}, whose endpoints are: "
                f"{', '.join(map(repr, found)) or 'none'}."
            )
        self._loaded = loaded  # its functions hold its weights weakly
        self._functions = {name: found[name] for name in endpoints}
        concrete = (_concrete(function) for function in self._functions.values())
        variables = {v.ref(): v for function in concrete for v in function.variables}
        self._frozen = [
            keras.Variable(v, dtype=v.dtype, trainable=False, name=v.name.replace("/", "_"))
            for v in variables.values()
        ]

    def outputs(self, endpoint: str) -> Any:
        """What the endpoint returns, as specs of shape and dtype."""
        outputs = _unpacked(_concrete(self._functions[endpoint]).structured_outputs)
        for spec in keras.tree.flatten(outputs):
            if spec.shape.rank is None:
                raise ValueError(
                    "The number of axes of an output must be known. Received: the endpoint "
                    f"{endpoint!r}, whose outputs are {outputs}. Export the model with "
                    "an input signature."
                )
        return outputs

    def room(self, endpoint: str) -> Callable[[Any], Any]:
        """The endpoint as a function of a batch."""
        function = self._functions[endpoint]
        arguments, named = _concrete(function).structured_input_signature
        specs = named or arguments[0]

        def run(x: Any) -> Any:
            x = _fitted(x, specs, endpoint)
            return _unpacked(function(**x) if named else function(x))

        return run


def _fitted(x: Any, specs: Any, endpoint: str) -> Any:
    """The inputs that an endpoint takes, each of its dtype: of other precision they are cast."""
    if isinstance(specs, dict):
        if not isinstance(x, dict) and len(specs) == 1:
            x = dict.fromkeys(specs, x)
        given = x if isinstance(x, dict) else {}
        if missing := [name for name in specs if name not in given]:
            received = sorted(given) if isinstance(x, dict) else type(x).__name__
            raise ValueError(
                f"The endpoint {endpoint!r} takes the inputs {sorted(specs)}. Received: "
                f"{received}, without {missing}. Pass input_map=..., which makes them of a "
                "batch's x."
            )
        x = {name: x[name] for name in specs}

    def fit(value: Any, spec: tf.TensorSpec) -> tf.Tensor:
        tensor = tf.convert_to_tensor(value)
        kinds = ("is_floating", "is_integer")
        alike = any(getattr(tensor.dtype, k) and getattr(spec.dtype, k) for k in kinds)
        return tf.cast(tensor, spec.dtype) if alike else tensor

    return keras.tree.map_structure(fit, x, specs)


def _endpoints(loaded: Any) -> dict[str, Any]:
    """The functions of a loaded SavedModel by name; an attribute before a signature."""
    attributes = {name: getattr(loaded, name) for name in dir(loaded) if not name.startswith("_")}
    functions = {n: f for n, f in attributes.items() if getattr(f, "concrete_functions", None)}
    return {**loaded.signatures, **functions}


def _concrete(function: Any) -> Any:
    """The function for one kind of inputs; a function that was saved for several has them alike."""
    return getattr(function, "concrete_functions", [function])[0]


def _unpacked(outputs: Any) -> Any:
    """The output itself where there is one only: signatures return dicts, even of one."""
    flat = keras.tree.flatten(outputs)
    return flat[0] if len(flat) == 1 else outputs


def _specs(x: Any, name: str | None = None) -> Any:
    """Shape and dtype of a batch of any size; a signature names its inputs as `x` does."""
    if isinstance(x, dict):
        return {key: _specs(value, key) for key, value in x.items()}
    return keras.tree.map_structure(
        lambda tensor: tf.TensorSpec(
            (None, *tensor.shape[1:]), keras.backend.standardize_dtype(tensor.dtype), name
        ),
        x,
    )
