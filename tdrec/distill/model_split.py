"""A Keras model seen as three rooms in a row: lower (x -> s), middle (s -> e), head (e -> y)."""

import copy
import inspect
from collections.abc import Callable
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


class Middle:
    """A model's own layers above its lower state, to interpret decoded states of the same rows.

    Args:
        split: Of the model.
        carried: What these rows carry past the cut, of a model in which something does. Default
            None.

    Example:
        >>> low, high, _ = teacher_split(x)
        >>> understood, judged = teacher_split.interpreter(x).judge(low)
        >>> bool(keras.ops.all(understood == high)), keras.ops.shape(judged)
        (True, (256, 1))
    """

    def __init__(self, split: "ModelSplit", carried: Any = None) -> None:
        self.split, self.carried = split, carried

    def __call__(self, low: Tensor) -> Tensor:
        """The high state of a lower one, shape `(batch, ..., high_dim)`."""
        return self.split.interpret(low, self.carried)

    def judge(self, low: Tensor) -> tuple[Tensor, Tensor]:
        """The high state, and what the model's head predicts of it: the output to distil."""
        return self.split.judge(low, self.carried)


class Cut(NamedTuple):
    """Where `split_model` cuts a model: its arguments.

    Attributes:
        low: Name of the layer whose output is the lower hidden state.
        high: Name of the layer whose output is the higher hidden state.
        carry: Whether what skips around a cut is carried along.
    """

    low: str
    high: str
    carry: bool = False


class ModelSplit:
    r"""A view of a model as `head(middle(lower(x)))` that owns no weights.

    $s = lower(x)$, $e = middle(s)$, $y = head(e)$. Section 3.1 of the paper writes them as the
    hidden layers $H_{1..l}$, $H_{l+1..h}$ and $H_{h+1..n}$. Running `middle` on a state that
    another model has described is *interpreting* it.

    For functional and Sequential models `split_model` makes the three rooms. For a subclassed
    model hand them over as callables: layers, bound methods of the model, or plain functions.

    Args:
        lower: `lower(x) -> low`.
        middle: `middle(low) -> high`.
        head: `head(high) -> prediction`.
        model: The model (or layer) that the rooms are of. It owns the weights that they use; as a
            student it is built by a call of its own before it is trained, so that it can be saved
            and exported afterwards, and its own `compute_loss` and `compute_metrics` count.
            Default None: the owner of the rooms that are bound methods. Rooms that are layers of
            no model will do: their weights are trained, and what is to be saved of them is for
            their owner to know.
        carry: Whether the rooms hand on more than the state, as models do that a skip crosses:
            `lower(x) -> (low, carried)`, `middle(low, carried) -> (high, carried)`,
            `head(high, carried) -> prediction`, with `carried` of any structure. Messages are of
            the states alone; a decoded state is interpreted with what its own rows carry.
            Default False.
        input_map: Takes what this model sees from a batch's `x`, when student and teacher have
            different inputs. Default None: all of `x`.
        output: Key or index of the output to distil, of a model that has several. Default None:
            all of them; label distillation then says which (`LabelDistillation(output=...)`).

    Attributes:
        layers: The layers that own the weights, for a trainer to track.
        shapes: Shapes of what `distilled` gives, batch axis None; known once the split was run, and
            at once for one made by `split_model`. None before.
        cut: Where `split_model` has cut it, or None.

    Raises:
        TypeError: If a room is not callable, or `model` is no layer.

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
        model: keras.Layer | None = None,
        carry: bool = False,
        input_map: Callable[[Any], Any] | None = None,
        output: str | int | None = None,
    ) -> None:
        rooms = {"lower": lower, "middle": middle, "head": head}
        for name, room in rooms.items():
            if not callable(room):
                raise TypeError(f"`{name}` must be callable. Received: {room!r}.")
        if model is not None and not isinstance(model, keras.Layer):
            raise TypeError(
                f"`model` must be the Keras model or layer of the rooms. Received: {model!r}."
            )
        self._rooms = {name: (room, _takes_training(room)) for name, room in rooms.items()}
        self._rooms["interpreter"] = self._rooms["middle"]
        self.carry = carry
        self.input_map = input_map
        self.output = output
        self.layers = _owners(model, *rooms.values())
        self.shapes: Trace | None = None
        self.cut: Cut | None = None

    whole = False
    """Whether the model is run as a whole, and not by its rooms."""

    @property
    def model(self) -> keras.Model | None:
        """The model that the rooms are of, None if they are of none that is known."""
        models = [layer for layer in self.layers if isinstance(layer, keras.Model)]
        return models[0] if len(models) == len(self.layers) == 1 else None

    def __call__(self, x: Any, training: bool = False) -> Trace:
        """Runs the model once, keeping both states.

        Args:
            x: A batch's inputs, `(batch, ...)` each.
            training: Whether dropout and batch statistics act. Default False.

        Returns:
            The `Trace`.
        """
        return self.run(x, training)[0]

    def run(self, x: Any, training: bool = False) -> tuple[Trace, Middle]:
        """Runs the model once.

        Args:
            x: A batch's inputs, `(batch, ...)` each.
            training: Whether dropout and batch statistics act. Default False.

        Returns:
            The `Trace`, and what interprets decoded states of the same rows: `interpret` with what
            these rows carry.
        """
        low, carried = self._run("lower", self.see(x), None, training)
        high, passed = self._run("middle", low, carried, training)
        prediction, _ = self._run("head", high, passed, training)
        trace = Trace(low, high, prediction)
        if self.shapes is None:
            self.shapes = shapes_of(self.distilled(trace))
        return trace, Middle(self, carried)

    def interpreter(self, x: Any) -> Middle:
        """What interprets decoded states of these rows, where their trace is known already.

        Args:
            x: A batch's inputs. Only what a row carries is computed of them.

        Returns:
            As `run`.
        """
        return Middle(self, self._run("lower", self.see(x), None, False)[1] if self.carry else None)

    def distilled(self, trace: Trace) -> Trace:
        """The trace as a method sees it: of several outputs with the one that is named, if one is.

        Args:
            trace: Of this model.

        Returns:
            The same states; as prediction the output that `output` names, or all that there are.

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
        return trace._replace(prediction=prediction)

    def interpret(self, low: Tensor, carried: Any = None) -> Tensor:
        """The model's own middle layers on a decoded state, run as when the model is served.

        Args:
            low: Shape `(batch, ..., low_dim)`.
            carried: What the same rows carry past the cut, of a model in which something does:
                `run` and `interpreter` know it. Default None.

        Returns:
            The high state, shape `(batch, ..., high_dim)`. No batch statistics move and nothing
            is dropped, since a decoded state is no observation of the data.

        Raises:
            ValueError: If nothing is carried where the model needs it.
        """
        return self._interpreted(low, carried)[0]

    def judge(self, low: Tensor, carried: Any = None) -> tuple[Tensor, Tensor]:
        """What the model's own middle, and then its head, make of a decoded state.

        Args:
            low: Shape `(batch, ..., low_dim)`.
            carried: As of `interpret`.

        Returns:
            The high state, shape `(batch, ..., high_dim)`, and the prediction that is distilled.

        Raises:
            ValueError: As `interpret`.
        """
        high, passed = self._interpreted(low, carried)
        prediction, _ = self._run("head", high, passed, False)
        return high, self.distilled(Trace(low, high, prediction)).prediction

    def _interpreted(self, low: Tensor, carried: Any) -> tuple[Tensor, Any]:
        if self.carry and carried is None:
            raise ValueError(
                "A model that is cut where something skips interprets a state with what its rows "
                "carry past the cut. Received: a state alone. Interpret with what "
                "`split.run(x)` or `split.interpreter(x)` return for these rows."
            )
        return self._run("interpreter", low, carried, False)

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

    def see(self, x: Any) -> Any:
        """What the model takes of a batch's inputs."""
        return x if self.input_map is None else self.input_map(x)

    def _run(self, name: str, x: Any, carried: Any, training: bool) -> tuple[Any, Any]:
        """What a room makes of a state, and what is carried on."""
        room, takes_training = self._rooms[name]
        given = (x, carried) if self.carry and name != "lower" else (x,)
        result = room(*given, training=training) if takes_training else room(*given)
        return result if self.carry and name != "head" else (result, None)


def shapes_of(trace: Trace) -> Trace:
    """Shapes of the fields, batch axis None."""

    def shape(tensor: Any) -> tuple[int | None, ...]:
        return (None, *tensor.shape[1:])

    low, high, prediction = (f if f is None else keras.tree.map_structure(shape, f) for f in trace)
    return Trace(low, high, prediction)


def outputs_of(model: Any) -> Any:
    """The symbolic outputs of a model with a graph, in their structure; None of any other."""
    if not getattr(model, "outputs", None):
        return None
    # A Sequential model has no `output` before it is part of another one.
    return model.outputs[0] if isinstance(model, keras.Sequential) else model.output


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


def _owners(model: keras.Layer | None, *rooms: Room) -> tuple[keras.Layer, ...]:
    """The layers whose weights the rooms use, each once: the model, or those that are known."""
    if model is not None:
        return (model,)
    owners = (r if isinstance(r, keras.Layer) else getattr(r, "__self__", None) for r in rooms)
    layers = list({id(o): o for o in owners if isinstance(o, keras.Layer)}.values())
    inner = {id(part) for layer in layers for part in layer._flatten_layers(include_self=False)}
    return tuple(layer for layer in layers if id(layer) not in inner)
