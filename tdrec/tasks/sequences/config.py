"""The configuration of the next movie of a genre, its presets and all their numbers: plain data."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from tdrec.studies.arm import ROUNDS, TD_WEIGHTS
from tdrec.studies.config import LOG_EVERY, Config, changed

NEXT_MOVIE = "next_movie"
"""How rows and the command line call the task."""

LEAST_STEPS, EPOCHS = 800, 12
"""Of a student: at least so many steps, and so many looks at its windows where these are more."""

METHOD_DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    "fitnet": {"weight": 0.1},
    "hybrid": {"feature_weight": 0.1},
    "td": {"rounds": ROUNDS, **dict.fromkeys(TD_WEIGHTS, 0.1)},
}
"""Arguments of the methods where they are not those of the class: what compares states has a tenth
of its weight, as with all of it students of few users were worse than scratch."""


@dataclass(frozen=True)
class TransformerConfig:
    """Sizes of a model, see `tdrec.models.sequence_transformer`."""

    dim: int
    blocks: int
    heads: int = 2
    dropout: float = 0.0


@dataclass(frozen=True)
class SequenceTeacherConfig:
    """All that decides a teacher but the events and the length of a sequence.

    Attributes:
        model: Its sizes.
        batch_size: Windows of a step.
        learning_rate: Adam's, at its highest; it falls as a cosine.
        epochs: How often each event is learned.
        seed: The one teacher is shared by all students.
    """

    model: TransformerConfig = TransformerConfig(dim=64, blocks=4, dropout=0.3)
    batch_size: int = 32
    learning_rate: float = 2e-3
    epochs: int = 24
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class SequenceConfig(Config):
    """All that decides a run but data, genre, method and seed.

    Attributes:
        steps: Of a student. Default 0: they follow from the events, see `fitted`.
        length: Places of a sequence: of so many movies, at most, a model predicts the next one.
        student: The student's sizes.
        teacher: The teacher.
        rows: Share of the users whose histories a student is trained on, drawn at random.
        mixed: How many histories that nobody has a student with a teacher is trained on as well,
            for each window and beside it in a batch: half of their movies are of other histories,
            and it is to say there what the teacher says.
        message_dim: Width of a message.
        hidden_dim: Units of encoders and decoders.
        neighbours: Of how many movies of the history item-kNN takes the neighbours.
        ties: The seed that orders events of one user at one time.
        without_blocks: Whether, as a control, students are taught by the teacher without its
            blocks, which shows predictions alone.
        random_interpreter: Whether, as a control, decoded states are interpreted by blocks of
            random weights.
        shuffled_targets: Whether, as a control, each window gets the teacher's targets of another.
    """

    preset: str = "full"
    batch_size: int = 32
    learning_rate: float = 4e-3
    steps: int = 0
    length: int = 64
    student: TransformerConfig = TransformerConfig(dim=32, blocks=1, dropout=0.2)
    teacher: SequenceTeacherConfig = field(default_factory=SequenceTeacherConfig)
    rows: float = 1.0
    mixed: int = 0
    message_dim: int = 64
    hidden_dim: int = 128
    neighbours: int = 5
    ties: int = 0
    without_blocks: bool = False
    random_interpreter: bool = False
    shuffled_targets: bool = False

    def __post_init__(self) -> None:
        if not 0 < self.rows <= 1:
            raise ValueError(
                f"`rows` is a share of the users, above 0 and at most 1. Received: {self.rows}."
            )
        if self.mixed < 0:
            raise ValueError(f"`mixed` must be at least 0. Received: {self.mixed}.")

    def fitted(self, events: int) -> "SequenceConfig":
        """The configuration with the steps that follow from the events to learn.

        Args:
            events: Of the training rows, of all genres.
        """
        epochs = EPOCHS * self.rows * events / self.length / self.batch_size
        steps = max(LEAST_STEPS, math.ceil(epochs / LOG_EVERY) * LOG_EVERY)
        return replace(self, steps=self.steps or steps)

    def defaults(self, method: str) -> dict[str, Any]:
        widths = {"message_dim": self.message_dim, "hidden_dim": self.hidden_dim}
        own: dict[str, dict[str, Any]] = dict.fromkeys(("fd", "hybrid", "td"), widths)
        own["grading"] = {**widths, "task": "classes"}
        own["fitnet"] = {"hidden_dim": self.hidden_dim}
        return {**own.get(method, {}), **METHOD_DEFAULTS.get(method, {})}


_FULL = SequenceConfig()

PRESETS: Mapping[str, SequenceConfig] = {
    "full": _FULL,
    "few": changed(
        _FULL,
        {"preset": "few", "rows": 0.1, "learning_rate": 2e-3, "student": {"dropout": 0.5}},
    ),
}
"""`full`: students learn of all users. `few`: of a tenth of them, where a teacher of all of them is
of most use."""
