"""Task: one thing to be good at; its data, its metric, and how a student of it is trained."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from tdrec.studies.arm import Arm
from tdrec.studies.config import LOG_EVERY, Config
from tdrec.studies.metric import Metric
from tdrec.studies.row import Data, Units


class DivergedError(ValueError):
    """Training whose losses, gradients or predictions are no longer of use."""


@dataclass(frozen=True)
class Score:
    """How good a model is on a task's evaluation rows.

    Attributes:
        value: The metric's.
        units: What it is made of, by unit; None for a metric whose unit is the seed.
        details: What else a row says of it.
    """

    value: float
    units: Units | None = None
    details: Mapping[str, Any] = field(default_factory=dict)


Watch = Callable[[int, Score], bool]
"""Is told, while a student is trained, the step and its score; training ends where it is False."""


@dataclass(frozen=True)
class Result:
    """What one run gave.

    Attributes:
        score: On the evaluation rows; None if the run diverged.
        n_train, n_test: How many rows it was trained and evaluated on.
        reason: Why it is said to have diverged. Default "": it has not.
        facts: Fields of its `Row`: costs, the learning curve.
        files: The student, by the suffix of its file's name, if it was asked for.
    """

    score: Score | None
    n_train: int
    n_test: int
    reason: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)


class Session(ABC):
    """Runs of tasks of the same data in one process, which share what is dear to make."""

    @abstractmethod
    def run(
        self,
        task: Any,
        config: Any,
        method: str,
        seed: int | None,
        watch: Watch | None = None,
        keep: bool = False,
    ) -> Result:
        """One run: trains what has to be trained, and evaluates it.

        Args:
            task: Whose rows, of those that share the session.
            config: The configuration.
            method: As of an `Arm`.
            seed: Decides all that is random; None for a reference.
            watch: For tuning, where the evaluation rows are validation rows. Default None: they
                are read once, after training.
            keep: Whether the result has the student's files.

        Returns:
            The `Result`, also of a run that diverged.
        """

    def teacher(self, task: Any, config: Any) -> str | None:
        """The hash of the teacher's weights; trains one if it is not cached.

        Returns:
            None for no teacher, or one whose training diverged.
        """
        return None


class Task(ABC):
    """One thing to be good at.

    A subclass is plain data that other processes can be given: it names its data and does not hold
    them. What a file of a new kind of task has to define is below; a `Plan` of such tasks runs,
    resumes and is reported like any other.

    Attributes:
        kind: What rows also call the task: in a row of kind "genre" its name is "genre", too.
        family: What rows have as `task` where tasks that differ in their data are of one name:
            "next_movie" of a genre, whose own name is then the row's `place`. Default None.
        metric: What it is judged by.
        earlier_rows: Which of the training rows `earlier` is evaluated on, in a sentence.
        references: What is evaluated beside the students, of `row.REFERENCES`.
        presets: Sets of defaults, by name.
    """

    kind: ClassVar[str] = "task"
    family: ClassVar[str | None] = None
    metric: ClassVar[Metric]
    earlier_rows: ClassVar[str] = "latest"
    references: ClassVar[tuple[str, ...]] = ()
    presets: ClassVar[Mapping[str, Any]]

    @property
    @abstractmethod
    def name(self) -> str:
        """How rows and reports name it."""

    @property
    @abstractmethod
    def shared(self) -> Hashable:
        """What tells its session: tasks of one process with the same value share one."""

    @abstractmethod
    def data(self) -> Data:
        """What rows say of the data; its `sha256`, and the task, decide what is trained on."""

    @abstractmethod
    def open(self, cache: Path) -> Session:
        """A session of its data, in a process that computes.

        Args:
            cache: The folder where teachers are kept.
        """

    def left_out(self, arm: Arm) -> str:
        """Why an arm cannot be run on it, in a sentence; "" if it can. Default "" for any."""
        return ""

    def runs(self, arm: Arm) -> bool:
        """Whether an arm can be run on it."""
        return not self.left_out(arm)

    def fitted(self, config: Any) -> Any:
        """A configuration with the numbers that follow from the task's data. Default: as it is."""
        return config

    def earlier(self) -> "Task":
        """The same task of training rows alone, evaluated on some of them: to choose by.

        Raises:
            ValueError: If it has none.
        """
        raise ValueError(f"Tuning and auto need validation rows. Received: {self.name}, without.")

    def rolling(self) -> "Sequence[Task]":
        """Tasks of training rows alone, such as `earlier` at several points of time, to choose a
        method by. Default: `earlier` alone.
        """
        return (self.earlier(),)

    def teacher_file(self, config: Any) -> str | None:
        """The name of the cached teacher's file: a hash of all that decides it. None for none."""
        return None

    @classmethod
    def parts(cls, section: Any) -> Sequence[Any]:
        """What only this kind adds to the report of one preset and setting: `report.Part`s."""
        return ()

    @classmethod
    def summary_parts(cls, sections: Any) -> Sequence[Any]:
        """What only this kind adds to the report of them all."""
        return ()

    @classmethod
    def means(cls, rows: Any) -> Mapping[str, Sequence[str]]:
        """Further means that reports have beside that of all tasks: tasks by the mean's name."""
        return {}


def check_config(config: Config) -> None:
    """Refuses a configuration that no run can have.

    Raises:
        ValueError: If a number is not positive, or the steps are no multiple of `LOG_EVERY`.
    """
    for name in ("batch_size", "learning_rate", "steps"):
        if not 0 < getattr(config, name) < math.inf:
            raise ValueError(f"`{name}` must be positive. Received: {getattr(config, name)}.")
    if config.steps % LOG_EVERY:
        raise ValueError(f"`steps` must be a multiple of {LOG_EVERY}. Received: {config.steps}.")
