"""Row: what one arm, task, preset and seed gave, as one checked and versioned line of JSON."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, field, fields
from typing import Any, Literal

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

VERSION = 2
"""Of the form of a row. Rows without one are of version 1, of tdrec before this form."""

REFERENCES = ("bias", "popularity", "item_knn", "without_blocks", "teacher")
"""Methods of rows that stand for no student: what is evaluated once, without a seed. A task names
those that it has."""

_STRICT = ConfigDict(strict=True, extra="forbid")


@dataclass(frozen=True, config=_STRICT)
class Data:
    """What a row says of its data.

    Attributes:
        name, sha256: Of the whole data set, and of the way in which rows are held out, unless it
            is the usual one.
        n_train, n_test: Rows of the whole data set, of all tasks.
        simulated: Whether the data are generated, so that figures say nothing of real data.
        warnings: What a reader must know of them.
        facts: Further facts to print, by their printed name.
    """

    name: str
    sha256: str
    n_train: int
    n_test: int
    simulated: bool = False
    warnings: Sequence[str] = ()
    facts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, config=_STRICT)
class Units:
    """A run's figure by unit, such as a user: what intervals are resampled from.

    Attributes:
        ids: The units, each once.
        rows: Their evaluation rows, at least 1.
        sums: The sums over these rows that the metric is made of, such as squared errors.
    """

    ids: Sequence[Any]
    rows: Sequence[int]
    sums: Sequence[float]


@dataclass(frozen=True, config=_STRICT)
class Row:
    """What one run gave.

    Attributes:
        study: The name of the plan.
        task: What was learned: "Drama", "cifar10:few", "next_movie".
        metric: The metric's name; in JSON the value stands under it.
        value: The metric's value on the evaluation rows; None if the run diverged.
        method: The method's short name, or one of `REFERENCES`.
        label: How reports name the arm. One label stands for one arm.
        preset: The set of defaults: "strong", "tiny".
        setting: What the study changed for all arms: "10% of the rows"; "" for nothing.
        seed: Of the run; None for a reference.
        status: "ok" or "diverged".
        n_train, n_test: Rows that were trained and evaluated on.
        key: Hash of all that decides the run.
        variant: Whether the arm differs from its method with the preset's arguments.
        reason: Why a run that diverged is said to; "" otherwise.
        arguments: All arguments of the method.
        config: All settings of the run.
        tuned: The values that were chosen on validation rows, by name.
        validation: What the choice was judged by: `{"value": ..., "units": {...}}`; None for none.
        data: The data set.
        teacher: Hash of the teacher's weights; None where there is none.
        units: The value by unit; None where the metric has none or the run diverged.
        curve: What was logged while training: dictionaries with "step".
        params, multiply_adds: Of the model that is served.
        method_params, train_multiply_adds: What the method adds while training.
        model, model_bytes, latency_ms: The saved student's path below the results' folder, the size
            of its file, and the time of one batch.
        train_seconds: Of the run.
        versions, git: Of the software.
        details: What only this kind of task says, in JSON beside the others; also fields of a later
            version, which are kept.
    """

    study: str
    task: str
    metric: str
    value: float | None
    method: str
    label: str
    preset: str
    setting: str
    seed: int | None
    status: Literal["ok", "diverged"]
    n_train: int
    n_test: int
    key: str
    data: Data
    variant: bool = False
    reason: str = ""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    config: Mapping[str, Any] = field(default_factory=dict)
    tuned: Mapping[str, Any] = field(default_factory=dict)
    validation: Mapping[str, Any] | None = None
    teacher: str | None = None
    units: Units | None = None
    curve: Sequence[Mapping[str, Any]] = ()
    params: int | None = None
    multiply_adds: int | None = None
    method_params: int | None = None
    train_multiply_adds: int | None = None
    model: str | None = None
    model_bytes: int | None = None
    latency_ms: float | None = None
    train_seconds: float | None = None
    versions: Mapping[str, str] = field(default_factory=dict)
    git: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_student(self) -> bool:
        """Whether it is of a student, and not of a reference."""
        return self.method not in REFERENCES

    @property
    def place(self) -> str:
        """Where it stands in tables: its task, or which of the tasks that rows call by one name."""
        return str(self.details.get("place", self.task))

    def to_json(self) -> str:
        """The row as one line of JSON; the value stands under the metric's name.

        Raises:
            ValueError: If a number is not finite, or a field is not of its type.
        """
        flat = asdict(self)
        details = flat.pop("details")
        flat[self.metric] = flat.pop("value")
        if clash := sorted(set(details) & set(flat)):
            raise ValueError(
                f"A row's details must have names of their own. Received: {', '.join(clash)}."
            )
        flat = {"version": VERSION, **flat, **details}
        if wrong := _not_finite(flat):
            raise ValueError(
                f"A row's numbers must be finite. Received: {wrong} of {self.label} on "
                f"{self.task}, seed {self.seed}. Leave out what has no value."
            )
        return json.dumps(flat, ensure_ascii=False, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> "Row":
        """Reads what `to_json` wrote, in this or a later version.

        Args:
            text: One line.

        Raises:
            ValueError: If a field is missing, of another type or not finite; it is named.

        Example:
            >>> Row.from_json(row.to_json()).label == row.label
            True
        """
        try:
            found = json.loads(text)
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise ValueError(f"a row must be one JSON object. Received: {text[:80]!r}")
        version = found.pop("version", 1)
        if not isinstance(version, int) or version < VERSION:
            raise ValueError(
                f"a row must be of version {VERSION} or later. Received: version {version!r}, of "
                "an earlier tdrec. Name another folder by --out, and the run is made again"
            )
        if wrong := _not_finite(found):
            raise ValueError(f"a row's numbers must be finite. Received: {wrong}")
        metric = found.get("metric")
        if isinstance(metric, str) and metric in found:
            found["value"] = found.pop(metric)
        own = {each.name for each in fields(cls)} - {"details"}
        known = {name: found.pop(name) for name in own & found.keys()}
        try:
            # As JSON, since of dictionaries a strict check makes no dataclass.
            return TypeAdapter(cls).validate_json(json.dumps({**known, "details": found}))
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(map(str, first["loc"])) or "fields"
            if place == "value" and isinstance(metric, str):
                place = metric
            raise ValueError(
                f"a row's {place}: {first['msg']}. Received: {str(first['input'])[:60]!r}"
            ) from error

    def __post_init__(self) -> None:
        if (self.status == "ok") != (self.value is not None):
            raise ValueError(
                f"A row with a value must be ok, and one without diverged. Received: "
                f"{self.status!r} with {self.metric} = {self.value!r}."
            )


def _not_finite(value: Any, place: str = "") -> str:
    """Where in a value a number is not finite, and which it is; "" for nowhere."""
    if isinstance(value, float) and not math.isfinite(value):
        return f"{place} = {value}"
    if isinstance(value, Mapping):
        items: Any = ((f"{place}.{name}".lstrip("."), each) for name, each in value.items())
    elif isinstance(value, (list, tuple)):
        items = ((f"{place}[{i}]", each) for i, each in enumerate(value))
    else:
        return ""
    return next((wrong for where, each in items if (wrong := _not_finite(each, where))), "")
