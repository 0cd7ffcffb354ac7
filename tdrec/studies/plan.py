"""Plan: arms x tasks x presets x seeds, and the single runs that it comes to."""

import importlib.util
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from tdrec.runtime.files import user_path
from tdrec.studies.arm import METHODS, OF_THE_PAPER, Arm
from tdrec.studies.config import Config, changed
from tdrec.studies.keys import code_version, key_of, own_code
from tdrec.studies.metric import Metric
from tdrec.studies.row import Data
from tdrec.studies.task import Task, check_config

FOLDER = Path(__file__).resolve().parent.parent.parent / "experiments"
"""Where the studies are that can be named without a path."""


@dataclass(frozen=True)
class Study:
    """What a file of studies defines: arms, compared within each task, preset and setting.

    Args:
        title: What the report is headed with.
        arms: The lines of its tables; "scratch" is to be among them.
        settings: What changes in the configuration for all arms, by the setting's name. Default:
            one setting, "", that changes nothing.
        notes: Sentences for the report.
        tasks: Names of image tasks, or "next_movie" for that of genres, or tasks of one's own.
            Default: the ratings of genres. Which genres, the command line says.
        presets: Names of presets, where the command line has none. Default: all of genres, the
            first of other tasks.

    Raises:
        ValueError: If arms have the same name, or scratch is missing.

    Example:
        >>> len(Study("Rounds", [Arm("scratch"), *(Arm("td", {"rounds": k}) for k in (0, 2))]).arms)
        3
    """

    title: str
    arms: Sequence[Arm]
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=lambda: {"": {}})
    notes: Sequence[str] = ()
    tasks: Sequence[str | Task] = ()
    presets: Sequence[str] = ()

    def __post_init__(self) -> None:
        names = [arm.name for arm in self.arms]
        if len(set(names)) < len(names) or "scratch" not in [arm.method for arm in self.arms]:
            raise ValueError(
                "A study's arms must have different names, and scratch is one of them, to compare "
                f"with. Received: {', '.join(names)}. Give an arm a label."
            )


@dataclass(frozen=True)
class Unit:
    """An arm on a task, in one preset and setting: what is tuned, and trained with each seed.

    Attributes:
        task, preset, setting, arm: What it is.
        config: The configuration, with the setting's and the arm's changes.
        variant: Whether the arm differs from its method with the preset's arguments.
        trials: Of tuning it; 0 for none.
        values: Those of another study that are in the configuration.
        key: Hash of all that decides its rows but the seed.
    """

    task: Task
    preset: str
    setting: str
    arm: Arm
    config: Config
    variant: bool
    trials: int
    values: Mapping[str, Any]
    key: str


@dataclass(frozen=True)
class Run:
    """A unit with a seed, None for a reference."""

    unit: Unit
    seed: int | None

    @property
    def key(self) -> str:
        """What its row is known by."""
        return f"{self.unit.key}/{self.seed}"


@dataclass(frozen=True)
class Plan:
    """What is to be run, and shown in one report.

    Attributes:
        name: The study's; "run" of a command line.
        title: Of the report.
        units: In the order of its tables.
        data: Of each data set, by the tasks' name.
        seeds: Students of a unit, with seeds 0 to N-1.
        notes: Sentences for the report.
        keep: Whether the students are saved.
    """

    name: str
    title: str
    units: tuple[Unit, ...]
    data: Mapping[str, Data]
    seeds: int
    notes: tuple[str, ...] = ()
    keep: bool = False

    @property
    def metric(self) -> Metric:
        """What its tasks are judged by."""
        return self.units[0].task.metric

    def runs(self) -> Iterator[Run]:
        """All runs, in the order of the tables."""
        for unit in self.units:
            yield from (
                Run(unit, seed) for seed in (range(self.seeds) if unit.arm.is_student else (None,))
            )


Values = Mapping[tuple[str, str, str], Mapping[str, Any]]
"""Values of another study, by preset, task and name of the arm."""


def make_plan(
    study: Study,
    tasks: Sequence[Task],
    presets: Mapping[str, Config],
    *,
    name: str,
    seeds: int,
    trials: int = 0,
    values: Values | None = None,
    arms: Mapping[str, Sequence[Arm]] | None = None,
    keep: bool = False,
) -> Plan:
    """All units of a study, references first.

    Args:
        study: What is compared.
        tasks: Of one kind.
        presets: The configurations to start from, by name.
        name: The plan's.
        seeds: Of each student.
        trials: Of tuning each; 0 for none.
        values: Of another study, to use where the arm says nothing. Default None.
        arms: Those of each task, by its name. Default None: the study's.
        keep: Whether the students are saved.

    Raises:
        ValueError: If a change names no setting, a number is out of its range, or the tasks are
            of different metrics.

    Example:
        >>> from tdrec.tasks.genre import GenreTask
        >>> study = Study("Rounds", [Arm("scratch"), Arm("td")])
        >>> tasks = [GenreTask("Drama", "simulated"), GenreTask("War", "simulated")]
        >>> plan = make_plan(study, tasks, {"strong": config}, name="mine", seeds=3)
        >>> len(plan.units)  # a bias model, a teacher and two students of each genre
        8
    """
    if len({task.metric for task in tasks}) != 1:
        found = ", ".join(f"{task.name}: {task.metric.title}" for task in tasks) or "no task"
        raise ValueError(f"A plan's tasks must share one metric. Received: {found}.")
    data = {task.name: task.data() for task in tasks}
    units = []
    for preset, start in presets.items():
        for setting, changes in study.settings.items():
            base = changed(start, changes)
            for task in tasks:
                chosen = arms[task.name] if arms else study.arms
                for arm in (*map(Arm, task.references), *chosen):
                    if not task.runs(arm):
                        continue
                    of_arm = _values_of(arm, (preset, task.name), values or {})
                    config = task.fitted(_of_arm(base, arm, of_arm))
                    check_config(config)
                    defaults = base.arguments(arm.method)
                    variant = bool(arm.changes) or any(
                        defaults.get(k) != v for k, v in arm.arguments.items()
                    )
                    of_unit = trials if arm.is_student else 0
                    what = [task.name, preset, setting, arm.name, of_unit, asdict(config)]
                    key = key_of(
                        data[task.name].sha256, *what, code_version(), _own_code(task, arm)
                    )
                    units.append(
                        Unit(task, preset, setting, arm, config, variant, of_unit, of_arm, key)
                    )
    return Plan(name, study.title, tuple(units), data, seeds, tuple(study.notes), keep)


def _own_code(task: Task, arm: Arm) -> list[str | None]:
    """The code that is not tdrec's."""
    method = arm.method.partition(":")
    return [own_code(type(task).__module__), own_code(method[0]) if method[1] else None]


def _values_of(arm: Arm, place: tuple[str, str], values: Values) -> dict[str, Any]:
    """Those of another study for the arm's method and rounds, but for what the arm says itself."""
    rounds = {name: value for name, value in arm.arguments.items() if name == "rounds"}
    found = values.get((*place, Arm(arm.method, rounds).name), {}) if not arm.changes else {}
    return {name: value for name, value in found.items() if name not in arm.arguments}


def _of_arm(base: Config, arm: Arm, values: Mapping[str, Any]) -> Config:
    """The arm's configuration; the values of another study, if any, are below its own."""
    if arm.is_student:
        base = base.tuned(arm.method, values) if values else base
        given = {**base.methods.get(arm.method, {}), **arm.arguments}
        base = replace(base, methods={**base.methods, arm.method: given})
    return changed(base, arm.changes)


def find(name: str) -> tuple[str, Study]:
    """The study of that name, or in that file.

    Args:
        name: A file's name in `experiments/` without `.py`, or the path of a Python file that
            defines `STUDY`.

    Returns:
        The study's name and what it compares.

    Raises:
        ValueError: If there is none.
    """
    path = user_path(name) if name.endswith(".py") else FOLDER / f"{name}.py"
    if not path.is_file():
        known = sorted(
            file.stem for file in FOLDER.glob("*.py") if "\nSTUDY = " in file.read_text()
        )
        raise ValueError(
            f"A study is one of {', '.join(known)}, or the path of a Python file. "
            f"Received: {name!r}."
        )
    loaded = sys.modules.get(path.stem)
    hidden = loaded and not hasattr(loaded, "STUDY") and loaded.__file__ != str(path)
    if hidden or path.stem in sys.stdlib_module_names:
        raise ValueError(
            "A study's file must not have the name of a module of Python's, or of one that is "
            f"loaded: it would take its place. Received: {path}. Rename it."
        )
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    # Where other processes, which are given its tasks, find what the file defines.
    sys.modules[path.stem] = module
    if (folder := str(path.resolve().parent)) not in sys.path:
        sys.path.append(folder)
    spec.loader.exec_module(module)
    study = getattr(module, "STUDY", None)
    if not isinstance(study, Study):
        raise ValueError(f"{path} must define STUDY, a Study. Received: STUDY = {study!r}.")
    return path.stem, study


def arms_of(arms: Sequence[Arm], methods: Sequence[str]) -> list[Arm]:
    """Those of a study's arms whose methods were asked for; scratch is always among them.

    Raises:
        ValueError: If the study has no such method.
    """
    found = {arm.method for arm in arms}
    if missing := [method for method in methods if method not in found]:
        raise ValueError(
            f"--method must name methods of the study: {', '.join(sorted(found))}. "
            f"Received: {', '.join(missing)}."
        )
    return [arm for arm in arms if arm.method in {*methods, "scratch"}]


ALL_ARMS = tuple(Arm(method) for method in METHODS)
"""Each method once, with its defaults."""

PAPER_ARMS = tuple(Arm(method) for method in OF_THE_PAPER)
"""The same of the paper's tables."""
