"""The configuration of segments of rows, its presets, and what tuning searches."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from tdrec.studies.arm import ROUNDS, TD_WEIGHTS
from tdrec.studies.config import LOG_EVERY, Config, Range, changed

BY_ROWS = 0
"""A number that follows from how many rows there are."""

STEPS = 240
"""Of a student, from 8 epochs of few rows to one of 60,000; of more rows one epoch."""

EPOCHS_OF_FEW = 8
"""Of a student of so few rows that `STEPS` were more."""

TEACHER_BATCH, ROWS_OF_BATCH = 256, 200_000
"""Rows of a teacher's step, and the training rows beyond which both grow by doublings."""

TEACHER_EPOCHS, ROWS_OF_EPOCHS, MOST_EPOCHS = 8, 100_000, 24
"""The most epochs of a teacher, and the training rows beyond which they grow like these, so far."""

ID_DROPOUT = {"user": 0.3, "item": 0.05}
"""Rates of the preset `strong`."""

UNIT_DROPOUT = (0.0, 0.3)
"""What is searched of the student's units where no user's id is dropped; a choice, since each rate
is compiled anew."""

METHOD_DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    "ld": {"weight": 10.0},
    "fd": {"weight": 1.0},
    "fitnet": {"weight": 10.0},
    "hybrid": {"label_weight": 0.3, "feature_weight": 3.0},
    "td": {"rounds": ROUNDS, **dict.fromkeys(TD_WEIGHTS, 1.0)},
    "trusted_ld": {"weight": 10.0},
    "grading": {"rounds": 1, "weight": 3.0},
}
"""Arguments of the methods in these tasks, where they are not those of the class."""

_LABELS, _STATES = Range(0.1, 30.0), Range(0.1, 100.0)
WEIGHTS: Mapping[str, Mapping[str, Range]] = {
    "ld": {"weight": _LABELS},
    "fd": {"weight": _STATES},
    "fitnet": {"weight": _STATES},
    "hybrid": {"label_weight": _LABELS, "feature_weight": _STATES},
    "td": {**dict.fromkeys(TD_WEIGHTS, _STATES), "label_weight": _LABELS},
    "trusted_ld": {"weight": _LABELS},
    "grading": {"weight": _STATES},
}
"""What tuning searches of each method's weights; of a method of one's own, none."""


def _check_least(config: Any, least: Mapping[str, float]) -> None:
    for name, value in least.items():
        if not getattr(config, name) >= value:
            raise ValueError(
                f"`{name}` must be at least {value}. Received: {getattr(config, name)!r}."
            )


@dataclass(frozen=True)
class ModelConfig:
    """Sizes of a rating model, see `tdrec.models.rating_mlp`, and the columns that it reads.

    Attributes:
        features: Names of columns. Default None: all of the data.
    """

    units: tuple[int, int]
    id_dim: int
    text_dim: int
    dropout: float = 0.0
    features: tuple[str, ...] | None = None


@dataclass(frozen=True)
class TeacherConfig:
    """All that decides a teacher but the ratings.

    Attributes:
        model: Its sizes; the defaults are the paper's.
        rows: What it is trained on: "all" training rows, or those of "other segments", without the
            student's.
        noise: Standard deviation of Gaussian noise on the targets it is trained on, in their unit.
        id_dropout: As a student's.
        batch_size: Rows of a step. Default `BY_ROWS`: 256, and more of more than 200,000 rows.
        learning_rate: Adam's; constant.
        ema: Momentum of the moving average of the weights, which is what it ends with.
        epochs: At most; the number is chosen on a validation slice of the training rows. Default
            `BY_ROWS`: 8, and of more than 100,000 rows more, up to 24.
        bias_weight: Weight, beside the ratings' 1, of what a bias model predicts.
        members: How many models it is the mean of.
        seed: The one teacher is shared by all students.

    Raises:
        ValueError: If `bias_weight` or `members` is out of its range.
    """

    model: ModelConfig = ModelConfig(units=(512, 256), id_dim=100, text_dim=50)
    rows: Literal["all", "other segments"] = "all"
    noise: float = 0.0
    id_dropout: Mapping[str, float] = field(default_factory=lambda: dict(ID_DROPOUT))
    batch_size: int = BY_ROWS
    learning_rate: float = 1e-3
    ema: float = 0.98
    epochs: int = BY_ROWS
    bias_weight: float = 2.0
    members: int = 1
    seed: int = 0

    def __post_init__(self) -> None:
        _check_least(self, {"bias_weight": 0, "members": 1})


@dataclass(frozen=True, kw_only=True)
class RatingConfig(Config):
    """All that decides a run but data, segment, method and seed.

    The defaults were chosen on validation slices of the training rows, never on evaluation rows.

    Attributes:
        steps: Of a student. Default `BY_ROWS`: 240, which is an epoch of 60,000 rows; an epoch of
            more rows, and 8 epochs of so few that 240 were more.
        student: The student's sizes; the defaults are a quarter of the teacher's.
        teacher: The teacher.
        rows: Share of a segment's training rows that a student is trained on, drawn at random.
        unrated: How many pairs of a user and a movie that nobody rated a student with a teacher is
            trained on as well, for each rating: it is to predict there what the teacher predicts.
        id_dropout: Share of the ids replaced by out-of-vocabulary while a student is trained, by
            input.
        ema: Momentum of the moving average of the weights, which is what a model ends with.
        ramp_up: Steps of the student alone and then of encoders and decoders alone, before the
            `steps` in which all learn; multiples of `LOG_EVERY` (see `callbacks.RampUp`). Default
            None: all learn from the first step.
        random_interpreter: Whether, as a control, decoded states are interpreted by a middle of the
            teacher's architecture with random weights. The teacher's targets stay its own.
        shuffled_targets: Whether, as a control, each row gets the teacher's targets of another row.

    Raises:
        ValueError: If `ramp_up` or `unrated` is out of its range.
    """

    preset: str = "strong"
    batch_size: int = 256
    learning_rate: float = 3e-3
    steps: int = BY_ROWS
    student: ModelConfig = ModelConfig(units=(128, 64), id_dim=25, text_dim=13)
    teacher: TeacherConfig = TeacherConfig()
    rows: float = 1.0
    unrated: float = 0.0
    id_dropout: Mapping[str, float] = field(default_factory=lambda: dict(ID_DROPOUT))
    ema: float = 0.98
    ramp_up: tuple[int, int] | None = None
    random_interpreter: bool = False
    shuffled_targets: bool = False

    def __post_init__(self) -> None:
        ramp_up = (0, 0) if self.ramp_up is None else self.ramp_up
        if len(ramp_up) != 2 or any(steps < 0 or steps % LOG_EVERY for steps in ramp_up):
            raise ValueError(
                f"`ramp_up` must be None or two multiples of {LOG_EVERY}, the student's steps and "
                f"those of encoders and decoders. Received: {self.ramp_up!r}."
            )
        _check_least(self, {"unrated": 0})

    def fitted(self, rows: int, all_rows: int, least_steps: int = 0) -> "RatingConfig":
        """The configuration with the numbers that follow from the rows.

        They were chosen on earlier rows: `experiments/README.md` has the figures.

        Args:
            rows: Training rows of the segment.
            all_rows: Of all segments.
            least_steps: Of a student, however few rows there are. Default 0.
        """
        batches = self.rows * rows / self.batch_size
        epoch, few = (
            math.ceil(epochs * batches / LOG_EVERY) * LOG_EVERY for epochs in (1, EPOCHS_OF_FEW)
        )
        steps = max(epoch, min(STEPS, few), least_steps)
        doublings = max(0, math.ceil(math.log2(max(all_rows, 1) / ROWS_OF_BATCH)))
        epochs = round(TEACHER_EPOCHS * max(1.0, all_rows / ROWS_OF_EPOCHS))
        teacher = replace(
            self.teacher,
            batch_size=self.teacher.batch_size or TEACHER_BATCH * 2**doublings,
            epochs=self.teacher.epochs or min(epochs, MOST_EPOCHS),
        )
        return replace(self, steps=self.steps or steps, teacher=teacher)

    def defaults(self, method: str) -> dict[str, Any]:
        return dict(METHOD_DEFAULTS.get(method, {}))

    def space(self, method: str) -> Mapping[str, Range | list[Any]]:
        """Learning rate, dropout of the users' ids or of units, and weights that are not given."""
        found: dict[str, Range | list[Any]] = {"learning_rate": Range(1e-3, 1e-2)}
        if "user" in self.id_dropout:
            found["user_dropout"] = Range(0.1, 0.7, log=False)
        else:
            found["dropout"] = sorted({*UNIT_DROPOUT, self.student.dropout})
        free = set(self.defaults(method)) - set(self.methods.get(method, {}))
        weights = WEIGHTS.get(method, {})
        return {**found, **{name: of for name, of in weights.items() if name in free}}

    def values(self, method: str) -> dict[str, Any]:
        own = {"learning_rate": self.learning_rate, "dropout": self.student.dropout}
        known = {**own, "user_dropout": self.id_dropout.get("user"), **self.arguments(method)}
        return {name: known[name] for name in self.space(method)}

    def tuned(self, method: str, values: Mapping[str, Any]) -> "RatingConfig":
        weights = {k: v for k, v in values.items() if k in WEIGHTS.get(method, {})}
        methods = {**self.methods, method: {**self.methods.get(method, {}), **weights}}
        changes: dict[str, Any] = {
            "learning_rate": values.get("learning_rate", self.learning_rate),
            "steps": int(values.get("steps", self.steps)),
            "methods": methods,
        }
        if "user_dropout" in values:
            changes["id_dropout"] = {**self.id_dropout, "user": values["user_dropout"]}
        if "dropout" in values:
            changes["student"] = replace(self.student, dropout=values["dropout"])
        return replace(self, **changes)


_STRONG = RatingConfig()
_PAPER = {"model": {"dropout": 0.3}, "bias_weight": 0.0, "id_dropout": {}}

PRESETS: Mapping[str, RatingConfig] = {
    "paper": changed(_STRONG, {"preset": "paper", "teacher": _PAPER, "id_dropout": {}}),
    "strong": _STRONG,
}
"""`strong`: id dropout, on by default. `paper`: as close to the paper as it describes itself."""
