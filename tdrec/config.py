"""The configuration of an experiment: plain data, known before anything heavy is imported."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

NAMES = {
    "bias": "Bias",
    "teacher": "Teacher",
    "scratch": "Scratch",
    "ld": "LD",
    "fd": "FD",
    "fitnet": "FitNet",
    "hybrid": "Hybrid",
    "td": "TD",
}
"""Short names of all that a table can show, and how it is written there."""

REFERENCES = ("bias", "teacher")
"""What every table shows beside the students: they are evaluated, not distilled."""

METHODS = tuple(name for name in NAMES if name not in REFERENCES)
"""Short names of the methods that train a student."""


ID_DROPOUT = {"user": 0.3, "movie": 0.05}
"""Rates of the `strong` regime."""


@dataclass(frozen=True)
class ModelConfig:
    """Sizes of a rating model; see `tdrec.models.rating_mlp`."""

    units: tuple[int, int]
    id_dim: int
    text_dim: int
    dropout: float = 0.0


@dataclass(frozen=True)
class ExperimentConfig:
    """All that decides an experiment but data, genre, method and seed.

    The defaults were chosen on validation slices of the training rows, never on evaluation rows.

    Attributes:
        regime: Name of the set of defaults that it started from.
        teacher: The teacher's sizes; the defaults are the paper's.
        student: The student's; the defaults are a quarter of the teacher's.
        rows: Share of a genre's training rows that a student is trained on, drawn at random.
        unrated: How many pairs of a user and a movie that nobody rated a student with a teacher is
            trained on as well, for each rating: it is to predict there what the teacher predicts.
        id_dropout: Share of the ids replaced by out-of-vocabulary while a student is trained, by
            input.
        batch_size: Rows of a student's step.
        learning_rate: Adam's, of a student; constant.
        steps: Steps of a student, a multiple of `LOG_EVERY`.
        ema: Momentum of the moving average of the weights, which is what a model ends with.
        ramp_up: Steps of the student alone and then of encoders and decoders alone, before the
            `steps` in which all learn; multiples of `LOG_EVERY` (see `callbacks.RampUp`). Default
            None: all learn from the first step.
        teacher_rows: What the teacher is trained on: "all" training rows, or those of "other
            genres", movies without the student's genre.
        teacher_noise: Standard deviation of Gaussian noise on the ratings it is trained on.
        teacher_id_dropout: As a student's.
        teacher_batch_size: Rows of a teacher's step.
        teacher_learning_rate: Adam's, of the teacher; constant.
        teacher_epochs: At most; the number is chosen on a validation slice of the training rows.
        teacher_bias_weight: Weight, beside the ratings' 1, of what a bias model predicts.
        teacher_members: How many models the teacher is the mean of.
        teacher_seed: The one teacher is shared by all students.
        random_interpreter: Whether, as a control, decoded states are interpreted by a middle of the
            teacher's architecture with random weights. The teacher's targets stay its own.
        shuffled_targets: Whether, as a control, each row gets the teacher's targets of another row.
        methods: Arguments of the methods that differ from `METHOD_DEFAULTS`, by short name.

    Raises:
        ValueError: If `ramp_up`, `unrated`, `teacher_bias_weight` or `teacher_members` is out of
            its range.
    """

    regime: str = "strong"
    teacher: ModelConfig = ModelConfig(units=(512, 256), id_dim=100, text_dim=50)
    student: ModelConfig = ModelConfig(units=(128, 64), id_dim=25, text_dim=13)
    rows: float = 1.0
    unrated: float = 0.0
    id_dropout: Mapping[str, float] = field(default_factory=lambda: dict(ID_DROPOUT))
    batch_size: int = 256
    learning_rate: float = 3e-3
    steps: int = 240
    ema: float = 0.98
    ramp_up: tuple[int, int] | None = None
    teacher_rows: str = "all"
    teacher_noise: float = 0.0
    teacher_id_dropout: Mapping[str, float] = field(default_factory=lambda: dict(ID_DROPOUT))
    teacher_batch_size: int = 256
    teacher_learning_rate: float = 1e-3
    teacher_epochs: int = 8
    teacher_bias_weight: float = 2.0
    teacher_members: int = 1
    teacher_seed: int = 0
    random_interpreter: bool = False
    shuffled_targets: bool = False
    methods: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        ramp_up = (0, 0) if self.ramp_up is None else self.ramp_up
        if len(ramp_up) != 2 or any(steps < 0 or steps % LOG_EVERY for steps in ramp_up):
            raise ValueError(
                f"`ramp_up` must be None or two multiples of {LOG_EVERY}, the student's steps and "
                f"those of encoders and decoders. Received: {self.ramp_up!r}."
            )
        for name, least in (("unrated", 0), ("teacher_bias_weight", 0), ("teacher_members", 1)):
            if not getattr(self, name) >= least:
                raise ValueError(
                    f"`{name}` must be at least {least}. Received: {getattr(self, name)!r}."
                )

    def arguments(self, method: str) -> dict[str, Any]:
        """Arguments of a method in this experiment."""
        return {**METHOD_DEFAULTS.get(method, {}), **self.methods.get(method, {})}

    def label(self, method: str) -> str:
        """How tables name a method: TD by its rounds, and any by what is not its default."""
        changed = dict(self.methods.get(method, {}))
        rounds = f" k={self.arguments(method)['rounds']}" if method == "td" else ""
        changed.pop("rounds", None)
        shown = {k: v if isinstance(v, str) else f"{v:g}" for k, v in sorted(changed.items())}
        return NAMES[method] + rounds + "".join(f" {k}={v}" for k, v in shown.items())


LOG_EVERY = 20
"""Steps of one point of a learning curve, and of one call of the compiled training loop."""

VALIDATION_FRACTION = 0.2
"""Share of the training rows, the latest, that methods and their hyperparameters are chosen on. The
latest tenth alone has few users who are known, and on four rolling cuts of MovieLens 100K it was
the odd one out."""

METHOD_DEFAULTS: dict[str, dict[str, Any]] = {
    "ld": {"weight": 10.0},
    "fd": {"weight": 1.0},
    "fitnet": {"weight": 10.0},
    "hybrid": {"label_weight": 0.3, "feature_weight": 3.0},
    "td": {
        "rounds": 2,
        "interaction_weight": 1.0,
        "message_weight": 1.0,
        "state_weight": 1.0,
    },
}
"""Arguments of the methods in the MovieLens experiments, where they are not those of the class."""

_STRONG = ExperimentConfig()

REGIMES: dict[str, ExperimentConfig] = {
    "strong": _STRONG,
    "paper": replace(
        _STRONG,
        regime="paper",
        teacher=replace(_STRONG.teacher, dropout=0.3),
        teacher_bias_weight=0.0,
        id_dropout={},
        teacher_id_dropout={},
    ),
}
"""`strong`: id dropout, on by default. `paper`: as close to the paper as it describes itself."""
