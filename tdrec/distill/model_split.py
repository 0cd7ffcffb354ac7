"""A Keras model seen as three rooms in a row: lower (x -> s), middle (s -> e), head (e -> y)."""

import copy
import inspect
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import keras

Tensor = Any
Room = Callable[..., Any]


class Trace(NamedTuple):
    """One forward pass of a model.

    Attributes:
        low: Lower hidden state `s`, shape `(batch, ..., low_dim)`.
        high: Higher hidden state `e`, shape `(batch, ..., high_dim)`.
        prediction: The model's output `y`, shape `(batch, ...)`, or a structure of several.

    Example:
        >>> low, high, prediction = student_split(x)
        >>> keras.ops.shape(low), keras.ops.shape(high), keras.ops.shape(prediction)
        ((256, 8), (256, 4), (256, 1))
    """

    low: Any
    high: Any
    prediction: Any


class ModelSplit:
    r"""A view of a model as `head(middle(lower(x)))` that owns no weights.

    $s = lower(x)$, $e = middle(s)$, $y = head(e)$. Section 3.1 of the paper writes them as the
    hidden layers $H_{1..l}$, $H_{l+1..h}$ and $H_{h+1..n}$. Running `middle` on a state that
    another model has described is *interpreting* it.

    For functional and Sequential models `split_model` makes the three rooms. For a subclassed
    model hand them over as callables: layers, bound methods of a layer, or plain functions (which
    need `owner`).

    Args:
        lower: `lower(x) -> low`.
        middle: `middle(low) -> high`.
        head: `head(high) -> prediction`.
        owner: The layer or model whose weights the rooms use. Default None: found where the rooms
            are layers or methods of layers.
        input_map: Takes what this model sees from a batch's `x`, when student and teacher have
            different inputs. Default None: all of `x`.
        output: Key or index of the output to distil, of a model that has several. Default None:
            the only one; the outputs of a model with several are then not distilled.

    Attributes:
        layers: The layers that own the weights, for a trainer to track.
        shapes: Shapes of what `distilled` gives, batch axis None; known once the split was run, and
            at once for one made by `split_model`. None before.
        cut: The names of the two layers that it was cut at, or None.

    Raises:
        TypeError: If a room is not callable.

    Example:
        >>> embed, body, score = (keras.layers.Dense(units) for units in (8, 4, 1))
        >>> split = ModelSplit(lower=embed, middle=body, head=score)
        >>> trace = split(keras.ops.ones((256, 20)))
        >>> keras.ops.shape(trace.prediction)
        (256, 1)

    Source:
        Section 3.1 of the paper.
    """

    def __init__(
        self,
        lower: Room,
        middle: Room,
        head: Room,
        *,
        owner: keras.Layer | None = None,
        input_map: Callable[[Any], Any] | None = None,
        output: str | int | None = None,
    ) -> None:
        rooms = {"lower": lower, "middle": middle, "head": head}
        for name, room in rooms.items():
            if not callable(room):
                raise TypeError(f"`{name}` must be callable. Received: {room!r}.")
        self._rooms = {name: (room, _takes_training(room)) for name, room in rooms.items()}
        self._rooms["interpreter"] = self._rooms["middle"]
        self.input_map = input_map
        self.output = output
        self.layers: tuple[keras.Layer, ...] = (
            (owner,) if owner is not None else _owners(rooms.values())
        )
        self.shapes: Trace | None = None
        self.cut: tuple[str, str] | None = None

    def __call__(self, x: Any, training: bool = False) -> Trace:
        """Runs the model once, keeping both states.

        Args:
            x: A batch's inputs, `(batch, ...)` each.
            training: Whether dropout and batch statistics act. Default False.

        Returns:
            The `Trace`.
        """
        low = self._run("lower", x if self.input_map is None else self.input_map(x), training)
        high = self._run("middle", low, training)
        trace = Trace(low, high, self._run("head", high, training))
        if self.shapes is None:
            self.shapes = _shapes(self.distilled(trace))
        return trace

    def distilled(self, trace: Trace) -> Trace:
        """The trace as a method sees it: with the one output that is distilled.

        Args:
            trace: Of this model.

        Returns:
            The same states; as prediction the output that `output` names, or the only one. None
            where there are several and none is named.

        Raises:
            ValueError: If there is no output of that name.
        """
        prediction = trace.prediction
        if self.output is not None:
            try:
                prediction = prediction[self.output]
            except (KeyError, IndexError, TypeError) as error:
                raise ValueError(
                    f"`output` must be the key or index of one of the model's outputs. Received: "
                    f"{self.output!r}, for the outputs {_names(prediction)}."
                ) from error
        elif keras.tree.is_nested(prediction):
            prediction = None
        return trace._replace(prediction=prediction)

    def interpret(self, low: Tensor) -> Tensor:
        """The model's own middle layers on a decoded state, run as when the model is served.

        Args:
            low: Shape `(batch, ..., low_dim)`.

        Returns:
            The high state, shape `(batch, ..., high_dim)`. No batch statistics move and nothing
            is dropped, since a decoded state is no observation of the data.
        """
        return self._run("interpreter", low, False)

    def interpreting_with(self, other: "ModelSplit") -> "ModelSplit":
        """This view of the model, but for another model's middle to interpret with.

        Args:
            other: The split of that model, whose states have the same shapes.

        Returns:
            A split whose traces are this one's and whose `interpret` is the other's.
        """
        view = copy.copy(self)
        view._rooms = {**self._rooms, "interpreter": other._rooms["middle"]}
        return view

    def _run(self, name: str, x: Any, training: bool) -> Any:
        room, takes_training = self._rooms[name]
        return room(x, training=training) if takes_training else room(x)


def split_model(
    model: keras.Model,
    low: str,
    high: str,
    *,
    input_map: Callable[[Any], Any] | None = None,
    output: str | int | None = None,
) -> ModelSplit:
    """Cuts a functional or Sequential Keras model at the outputs of two named layers.

    The rooms share the model's layers: training them trains the model, and nothing is copied.

    Args:
        model: The model, built.
        low: Name of the layer whose output is the lower hidden state `s`. A layer inside a nested
            model is named by its path, such as `"backbone/block_3"`.
        high: Name of the layer whose output is the higher hidden state `e`, above `low`.
        input_map: Takes what this model sees from a batch's `x`. Default None: all of it.
        output: Key or index of the output to distil, of a model that has several. Default None:
            the only one.

    Returns:
        The `ModelSplit`.

    Raises:
        TypeError: If the model is subclassed or not built: it has no graph to cut.
        ValueError: If there is no layer of that name, a layer is called more than once or has
            several outputs, `low` does not come before `high`, or a connection skips around a cut.

    Example:
        >>> split = split_model(student, low="low", high="high")
        >>> split.shapes
        Trace(low=(None, 8), high=(None, 4), prediction=(None, 1))
    """
    graph = _inline(_as_functional(model), {name.rpartition("/")[0] for name in (low, high)} - {""})
    low_tensor, high_tensor = _output_of(graph, low, model), _output_of(graph, high, model)
    _refuse_skips(low_tensor, [high_tensor], f"from `low` ({low!r}) to `high` ({high!r})")
    _refuse_skips(high_tensor, graph.outputs, f"from `high` ({high!r}) to the output")
    split = ModelSplit(
        keras.Model(graph.input, low_tensor, name="lower"),
        keras.Model(low_tensor, high_tensor, name="middle"),
        keras.Model(high_tensor, graph.output, name="head"),
        owner=model,
        input_map=input_map,
        output=output,
    )
    split.shapes = _shapes(split.distilled(Trace(low_tensor, high_tensor, graph.output)))
    split.cut = (low, high)
    return split


def _shapes(trace: Trace) -> Trace:
    """Shapes of the fields, batch axis None."""
    return Trace(*(field if field is None else (None, *field.shape[1:]) for field in trace))


def _names(prediction: Any) -> str:
    """How the outputs of a model can be named."""
    if not keras.tree.is_nested(prediction):
        return "of a model that has one only"
    keys = prediction if isinstance(prediction, dict) else range(len(prediction))
    return ", ".join(map(repr, keys))


def _takes_training(room: Room) -> bool:
    if isinstance(room, keras.Layer):
        return True
    return "training" in inspect.signature(getattr(room, "call", room)).parameters


def _owners(rooms: Iterable[Room]) -> tuple[keras.Layer, ...]:
    """The layers among the rooms, or that the rooms are methods of, each once."""
    owners = (r if isinstance(r, keras.Layer) else getattr(r, "__self__", None) for r in rooms)
    return tuple({id(o): o for o in owners if isinstance(o, keras.Layer)}.values())


def _as_functional(model: keras.Model) -> keras.Model:
    if isinstance(model, keras.Sequential) and model.built:
        return keras.Model(model.inputs[0], model.outputs[0], name=model.name)
    if not (hasattr(model, "inputs") and hasattr(model, "outputs")):
        raise TypeError(
            "`split_model` cuts functional and built Sequential models, which have a graph. "
            f"Received: {model!r}. Give a subclassed model's rooms as callables: "
            "tdrec.ModelSplit(lower=..., middle=..., head=...)."
        )
    return model


def _inline(model: keras.Model, paths: set[str]) -> keras.Model:
    """The same graph, of the same layers, with the nested models at `paths` opened up."""
    if not paths:
        return model
    inner_paths: dict[str, set[str]] = {path.partition("/")[0]: set() for path in paths}
    for path in paths:
        first, _, rest = path.partition("/")
        inner_paths[first] |= {rest} - {""}

    def call(layer: keras.Layer, *args: Any, **kwargs: Any) -> Any:
        if layer.name not in inner_paths:
            return layer(*args, **kwargs)
        inner = _inline(_as_functional(layer), inner_paths[layer.name])
        return inner.call(*args, **kwargs)  # runs its layers, where __call__ would run one node

    return keras.models.clone_model(model, clone_function=lambda layer: layer, call_function=call)


class _Edge(NamedTuple):
    """A connection of the graph: `tensor` is what `source` gives to `target`."""

    tensor: Any
    source: Any
    target: Any


def _edges(outputs: Iterable[Any], stop: Any = None) -> list[_Edge]:
    """The connections met when walking back from `outputs`, without going beyond `stop`."""
    edges, seen, todo = [], set(), list(outputs)
    while todo:
        tensor = todo.pop()
        if tensor is stop or id(tensor) in seen:
            continue
        seen.add(id(tensor))
        operation, node_index, _ = tensor._keras_history
        for source in operation._inbound_nodes[node_index].input_tensors:
            edges.append(_Edge(source, source._keras_history.operation, operation))
            todo.append(source)
    return edges


def _output_of(graph: keras.Model, path: str, model: keras.Model) -> Any:
    """The one tensor that the layer at `path` makes in `graph`."""
    name = path.rpartition("/")[2]
    tensors = {id(e.tensor): e.tensor for e in _edges(graph.outputs) if e.source.name == name}
    tensors |= {id(t): t for t in graph.outputs if t._keras_history.operation.name == name}
    if not tensors:
        layers = ", ".join(layer.name for layer in graph.layers)
        raise ValueError(
            f"There is no layer {path!r} in the model {model.name!r}. Its layers are: {layers}. "
            "A layer inside a nested model is named by its path, such as 'backbone/block_3'."
        )
    if len(tensors) > 1:
        raise ValueError(
            f"The layer {path!r} must have one output in the model {model.name!r}, to be a cut. "
            f"Received: a layer with {len(tensors)} (it is shared, or returns several). "
            "Name a layer that is called once and returns one tensor."
        )
    return next(iter(tensors.values()))


def _refuse_skips(start: Any, outputs: Iterable[Any], between: str) -> None:
    """Refuses a stretch of the graph that needs more than the tensor `start` to be computed."""
    outputs = list(outputs)
    edges = _edges(outputs, stop=start)
    above = {id(start._keras_history.operation)}  # the operations that depend on `start`
    while grown := {id(e.target) for e in edges if id(e.source) in above} - above:
        above |= grown
    if any(t is start or id(t._keras_history.operation) not in above for t in outputs):
        raise ValueError(
            "A model is cut in the order lower, middle, head, each with a layer of its own. "
            f"Received: nothing on the way {between}. "
            "Name as `low` the layer nearer to the input, and as `high` one below the output."
        )
    skips = [
        (e.source.name, e.target.name)
        for e in edges
        if e.tensor is not start and id(e.target) in above and id(e.source) not in above
    ]
    if skips:
        names = "; ".join(f"{source!r} feeds {target!r}" for source, target in sorted(set(skips)))
        raise ValueError(
            f"The stretch {between} must depend on the state at its start alone, so that a decoded "
            f"state can be run through it. Received: a connection that skips around the cut: "
            f"{names}. Cut outside of the skip connection, or pass the rooms to tdrec.ModelSplit "
            "as callables."
        )
