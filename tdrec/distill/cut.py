"""Cuts a Keras model that has a graph into three rooms, at the outputs of two of its layers."""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import keras

from tdrec.distill.masks import mask_of, masked, unmasked
from tdrec.distill.model_split import Cut, ModelSplit, Trace, shapes_of

Tensor = Any


def split_model(
    model: keras.Model,
    low: str,
    high: str,
    *,
    carry: bool = False,
    input_map: Callable[[Any], Any] | None = None,
    output: str | int | None = None,
) -> ModelSplit:
    """Cuts a functional or Sequential Keras model at the outputs of two named layers.

    The rooms share the model's layers: training them trains the model, and nothing is copied.

    A mask that crosses a cut (`mask_zero`, `Masking`, or any other tensor of truth values) is
    handed on to the layers that ask for it. Anything else that crosses a cut is refused, unless
    `carry` says that it may be handed on as well: see `ModelSplit`.

    Args:
        model: The model, built.
        low: Name of the layer whose output is the lower hidden state `s`. A layer inside a nested
            model is named by its path, such as `"backbone/block_3"`.
        high: Name of the layer whose output is the higher hidden state `e`, above `low`.
        carry: Whether what skips around a cut is carried along, as the wide part of wide & deep:
            messages are then of the two states alone, and a decoded state is interpreted with what
            the same rows carry. Default False.
        input_map: Takes what this model sees from a batch's `x`. Default None: all of it.
        output: Key or index of the output to distil, of a model that has several. Default None:
            all of them.

    Returns:
        The `ModelSplit`.

    Raises:
        TypeError: If the model is subclassed or not built, so that it has no graph to cut, or has
            a `call` of its own beside one.
        ValueError: If there is no layer of that name, a layer is called more than once or has
            several outputs, `low` does not come before `high`, or a connection skips around a cut
            and `carry` is False.

    Example:
        >>> split = split_model(student, low="low", high="high")
        >>> split.shapes
        Trace(low=(None, 8), high=(None, 4), prediction=(None, 1))
    """
    graph = _inline(_as_functional(model), {name.rpartition("/")[0] for name in (low, high)} - {""})
    cut = [_output_of(graph, name, model) for name in (low, high)]
    outputs = keras.tree.flatten(graph.output)
    to_high = _crossing(cut[0], cut[1:], f"from `low` ({low!r}) to `high` ({high!r})", carry)
    to_output = _crossing(cut[1], outputs, f"from `high` ({high!r}) to the output", carry)
    if to_high or to_output or mask_of(cut[0]) is not None:
        rooms: Sequence[Any] = _carrying_rooms(graph, cut, to_high, to_output)
    else:
        ends = [graph.input, *cut, graph.output]
        names = ("lower", "middle", "head")
        rooms = [keras.Model(*ends[i : i + 2], name=names[i]) for i in range(3)]
    carries = isinstance(rooms[0], _Room)
    lower = rooms[0].model if carries else rooms[0]
    if type(model).call not in (type(lower).call, keras.Sequential.call):
        raise TypeError(
            "A model is cut by its graph, which a `call` of its own would pass by. Received: "
            f"{type(model).__name__}, which has one. Give its rooms as callables: "
            "tdrec.ModelSplit(lower=..., middle=..., head=..., model=model)."
        )
    split = ModelSplit(*rooms, model=model, carry=carries, input_map=input_map, output=output)
    split.shapes = shapes_of(split.distilled(Trace(cut[0], cut[1], graph.output)))
    split.cut = Cut(low, high, carry)
    return split


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


def _made_by(tensor: Any) -> int:
    return id(tensor._keras_history.operation)


def _above(start: Any, outputs: Iterable[Any]) -> set[int]:
    """The operations on the way to `outputs` that depend on the tensor `start`, by identity."""
    edges = _edges(outputs, stop=start)
    above = {_made_by(start)}
    while grown := {id(e.target) for e in edges if id(e.source) in above} - above:
        above |= grown
    return above


def _crossing(start: Any, wanted: list[Any], between: str, carry: bool) -> dict[int, Any]:
    """The tensors, by identity, that are needed beside `start` to compute `wanted` and its masks.

    Truth values may cross, as masks do; what else does is refused unless it is to be carried.
    """
    above = _above(start, wanted)
    if not any(t is not start and _made_by(t) in above for t in wanted):
        raise ValueError(
            "A model is cut in the order lower, middle, head, each with a layer of its own. "
            f"Received: nothing on the way {between}. "
            "Name as `low` the layer nearer to the input, and as `high` one below the output."
        )
    ends = [*wanted, *(m for m in map(mask_of, wanted) if m is not None)]
    above = _above(start, ends)
    entering = [e for e in _edges(ends, stop=start) if id(e.target) in above]
    entering += [_Edge(t, t._keras_history.operation, None) for t in ends]
    crossing = [e for e in entering if e.tensor is not start and _made_by(e.tensor) not in above]
    skips = {
        f"{e.source.name!r} feeds {e.target.name if e.target else 'the output'!r}"
        for e in crossing
        if e.tensor.dtype != "bool"
    }
    if skips and not carry:
        raise ValueError(
            f"The stretch {between} must depend on the state at its start alone, so that a decoded "
            "state can be run through it. Received: a connection that skips around the cut: "
            f"{'; '.join(sorted(skips))}. Cut outside of the skip connection, or let what skips be "
            "carried along: split_model(..., carry=True)."
        )
    return {id(e.tensor): e.tensor for e in crossing}


def _carrying_rooms(
    graph: keras.Model, cut: list[Any], to_high: dict[int, Any], to_output: dict[int, Any]
) -> list["_Room"]:
    """The rooms of a model in which something crosses a cut."""
    low, high = cut
    above_low = _above(low, [high, *to_output.values()])
    early = [  # what the inputs alone decide
        tensor
        for tensor in (to_high | to_output).values()
        if tensor is not low and _made_by(tensor) not in above_low
    ]
    late = list(to_output.values())
    return [
        _Room("lower", graph.input, [], low, early),
        _Room("middle", low, early, high, late),
        _Room("head", high, late, graph.output),
    ]


class _Room:
    """A stretch of a graph, with what is carried past the states at its ends."""

    def __init__(
        self, name: str, start: Any, passed: list[Any], end: Any, carried: list[Any] | None = None
    ) -> None:
        self.end, self.carried = end, carried
        self.given = [id(start), *map(id, passed)]
        ends = keras.tree.flatten(end)
        masks = [mask for mask in map(mask_of, ends) if mask is not None]
        found = {id(t): t for t in [*ends, *masks, *(carried or ())] if id(t) not in self.given}
        self.found = list(found)
        given = [start, *passed] if passed else start
        with _histories_kept(passed):
            self.model = keras.Model(given, list(found.values()), name=name)

    def __call__(self, x: Any, passed: Sequence[Tensor] = (), training: bool = False) -> Any:
        values = dict(zip(self.given, [x, *passed], strict=True))
        with unmasked(x):  # the graph knows where its masks go
            found = self.model([x, *passed] if passed else x, training=training)
        values |= zip(self.found, keras.tree.flatten(found), strict=True)

        def with_mask(tensor: Any) -> Tensor:
            mask = mask_of(tensor)
            return masked(values[id(tensor)], None if mask is None else values[id(mask)])

        end = keras.tree.map_structure(with_mask, self.end)
        if self.carried is None:
            return end
        return end, [keras.ops.convert_to_tensor(values[id(t)]) for t in self.carried]


@contextlib.contextmanager
def _histories_kept(tensors: list[Any]) -> Iterator[None]:
    """Lets tensors be inputs of another model, which would move a model's own inputs in its graph.

    Keras copies the graph between a new model's inputs and outputs, but for tensors of an `Input`.
    """
    histories = [(t, t._keras_history) for t in tensors]
    nodes = [(h.operation, len(h.operation._inbound_nodes)) for _, h in histories]
    try:
        yield
    finally:
        for tensor, history in histories:
            tensor._keras_history = history
        for operation, count in nodes:
            if isinstance(operation, keras.layers.InputLayer):
                del operation._inbound_nodes[count:]
