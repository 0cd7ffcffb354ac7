"""Several teachers as one: what runs, stores, knows or saves a teacher does so with all of them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tdrec.distill.model_split import Middle, ModelSplit, Trace, shapes_of
from tdrec.distill.predictor import as_split

Tensor = Any


class Middles(Middle):
    """What interprets for each of several teachers.

    Args:
        of_teachers: By the name of the teacher.
    """

    def __init__(self, of_teachers: Mapping[str, Middle]) -> None:
        self.of = of_teachers.__getitem__


class Teachers(ModelSplit):
    """Several models as one, of which `MultiTeacher` knows how to learn.

    Each field of its trace is a mapping by the names of the teachers, `teacher_1` and so on; one
    that does not show the field is missing in it.

    Args:
        teachers: Each as `as_split` takes it, with its own `input_map` and `output`.

    Attributes:
        splits: The teachers by name.

    Raises:
        TypeError: If one is no model.
        ValueError: If there is none.

    Example:
        >>> trace = Teachers([teacher_split, teacher])(x)
        >>> sorted(trace.low), sorted(trace.prediction)
        (['teacher_1'], ['teacher_1', 'teacher_2'])
    """

    def __init__(self, teachers: Sequence[ModelSplit | Callable[..., Any]]) -> None:
        if not teachers:
            raise ValueError(
                "A list of teachers must have one at least. Received: an empty list. Pass "
                "teacher=None to a method that reads none."
            )
        super().__init__(_no_room, _no_room, _no_room)
        splits = [as_split(f"teacher[{i}]", teacher) for i, teacher in enumerate(teachers)]
        self.splits = dict(zip(names(len(splits)), splits, strict=True))
        layers = {id(layer): layer for split in splits for layer in split.layers}
        self.layers = tuple(layers.values())
        shapes = {name: split.shapes for name, split in self.splits.items()}
        if None not in shapes.values():
            self.shapes = joined(shapes)  # type: ignore[arg-type]

    def run(self, x: Any, training: bool = False) -> tuple[Trace, Middle]:
        """Runs each model once.

        Args:
            x: A batch's inputs, of which each takes what it sees.
            training: Whether dropout and batch statistics act. Default False.

        Returns:
            The `Trace`, of the outputs that are distilled; and what has by `of(name)` that which
            interprets decoded states of the same rows.
        """
        traces, middles = {}, {}
        for name, split in self.splits.items():
            trace, middles[name] = split.run(x, training)
            traces[name] = split.distilled(trace)
        trace = joined(traces)
        if self.shapes is None:
            self.shapes = shapes_of(trace)
        return trace, Middles(middles)

    def interpreter(self, x: Any) -> Middle:
        middles = {name: split.interpreter(x) for name, split in self.splits.items()}
        return Middles(middles)


def names(count: int) -> list[str]:
    """What so many teachers are called."""
    return [f"teacher_{i}" for i in range(1, count + 1)]


def joined(traces: Mapping[str, Trace]) -> Trace:
    """The traces of several teachers, or their shapes, as one.

    Args:
        traces: By the name of the teacher.

    Returns:
        Mappings by the name of the teacher; None for a field that none of them shows.
    """
    fields = (
        {name: value for name, trace in traces.items() if (value := trace[i]) is not None}
        for i in range(len(Trace._fields))
    )
    low, high, prediction = (field or None for field in fields)
    return Trace(low, high, prediction)


def of_teacher(trace: Trace, name: str) -> Trace:
    """One teacher's trace of those that were joined.

    Args:
        trace: As `joined` gives it.
        name: Of the teacher.

    Raises:
        ValueError: If it is not of several teachers.
    """
    for field, value in trace._asdict().items():
        if value is not None and not isinstance(value, Mapping):
            raise ValueError(
                "A method for several teachers reads what each of them puts out. Received: a "
                f"{field} of one. Store it by this distiller: distiller.with_teacher_targets(data)."
            )
    low, high, prediction = (None if field is None else field.get(name) for field in trace)
    return Trace(low, high, prediction)


def as_teacher(given: Any) -> ModelSplit:
    """The teacher that was given, or the list of them, as one split.

    Args:
        given: As `as_split` takes it, or several.
    """
    if isinstance(given, (list, tuple)):
        return Teachers(given)
    return as_split("teacher", given)


def as_source(stored: Any) -> Callable[[Any], Trace] | None:
    """What looks up stored targets, or a list of them by teacher, as one function.

    Args:
        stored: A function of the inputs that returns a trace, several, or None.
    """
    if not isinstance(stored, (list, tuple)):
        return stored
    tables = dict(zip(names(len(stored)), stored, strict=True))
    return lambda x: joined({name: table(x) for name, table in tables.items()})


def each_of(split: ModelSplit) -> tuple[ModelSplit, ...]:
    """The teachers that one is made of: itself, unless it is several."""
    return tuple(split.splits.values()) if isinstance(split, Teachers) else (split,)


def _no_room(*_: Any) -> Any:
    raise ValueError("Several teachers have no rooms in common. Run each: teachers.splits[name].")
