"""What a study is: which methods, in which settings, and the single pieces of work it comes to."""

import importlib.util
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from tdrec.config import METHODS, NAMES, REFERENCES, REGIMES, ExperimentConfig
from tdrec.results import key_of

FOLDER = Path(__file__).resolve().parent.parent / "experiments"
"""Where the studies are that can be named without a path."""


@dataclass(frozen=True)
class Arm:
    """One line of a study's table: a method, with the arguments that the study is about.

    Args:
        method: The method's short name.
        arguments: Arguments that differ from the defaults, such as `{"rounds": 0}`. They are not
            tuned; the method's other weights are.
        label: How the report names it. Default: the method's name, TD with its rounds.
        changes: What changes in the `ExperimentConfig` for this arm alone, such as
            `{"ramp_up": (1000, 500)}`. It needs a label.

    Raises:
        ValueError: If there is no such method, or no such field to change, or the label is missing.
    """

    method: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    label: str = ""
    changes: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise ValueError(
                f"An arm's method must be one of {', '.join(METHODS)}. Received: {self.method!r}."
            )
        known = {each.name for each in fields(ExperimentConfig)} - {"regime", "methods"}
        if unknown := set(self.changes) - known:
            raise ValueError(
                f"An arm's changes must be of {', '.join(sorted(known))}. "
                f"Received: {', '.join(sorted(unknown))}."
            )
        if self.changes and not self.label:
            raise ValueError(
                "An arm that changes the configuration must have a label, to be told from the "
                f"method's own. Received: {self.method} with {dict(self.changes)}."
            )

    @property
    def name(self) -> str:
        """How the report names it."""
        config = replace(REGIMES["strong"], methods={self.method: self.arguments})
        return self.label or config.label(self.method)


@dataclass(frozen=True)
class Study:
    """A study: arms, compared within each regime and each setting.

    Args:
        title: What the report is headed with.
        arms: The lines of its tables; "scratch" is to be among them.
        settings: What changes in the `ExperimentConfig`, by the setting's name. Default: one
            setting, "", that changes nothing.
        notes: Sentences for the report.

    Example:
        >>> STUDY = Study("Rounds", tuple(Arm("td", {"rounds": k}) for k in range(4)))
    """

    title: str
    arms: Sequence[Arm]
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=lambda: {"": {}})
    notes: Sequence[str] = ()

    def __post_init__(self) -> None:
        _check_arms(self.arms)


@dataclass(frozen=True)
class ImageStudy:
    """A study of image tasks: arms, compared within each task, with the methods' defaults.

    Args:
        title: What the report is headed with.
        tasks: Names of `tdrec.image_config.TASKS`; `--task` can name others.
        arms: The lines of its tables; "scratch" is to be among them.
        preset: A name of `tdrec.image_config.PRESETS`; `--preset` can name another.
        notes: Sentences for the report.

    Example:
        >>> STUDY = ImageStudy("All methods", ["cifar10"], [Arm(method) for method in METHODS])
    """

    title: str
    tasks: Sequence[str]
    arms: Sequence[Arm]
    preset: str = "tiny"
    notes: Sequence[str] = ()

    def __post_init__(self) -> None:
        _check_arms(self.arms)
        if changing := [arm.name for arm in self.arms if arm.changes]:
            raise ValueError(
                "An arm of an image study has arguments of its method alone. Received: changes of "
                f"{', '.join(changing)}."
            )


def _check_arms(arms: Sequence[Arm]) -> None:
    names = [arm.name for arm in arms]
    if len(set(names)) < len(names) or "scratch" not in [arm.method for arm in arms]:
        raise ValueError(
            "A study's arms must have different names, and scratch is one of them, to compare "
            f"with. Received: {', '.join(names)}. Give an arm a label."
        )


@dataclass(frozen=True)
class Unit:
    """A piece of work that one process does: an arm in one regime, setting and genre.

    Attributes:
        regime, setting, genre: Where.
        arm: What; for a reference its short name alone.
        config: The configuration, with the setting's changes and the arm's arguments.
    """

    regime: str
    setting: str
    genre: str
    arm: Arm | str
    config: ExperimentConfig

    @property
    def method(self) -> str:
        """The method's short name, or the reference's."""
        return self.arm if isinstance(self.arm, str) else self.arm.method

    @property
    def label(self) -> str:
        """How the report names it."""
        return NAMES[self.arm] if isinstance(self.arm, str) else self.arm.name

    def key(self, *parts: Any) -> str:
        """A hash of all that decides the unit's rows, with further parts."""
        return key_of(asdict(self.config), self.genre, self.label, *parts)


def find(name: str) -> tuple[str, Study | ImageStudy]:
    """The study of that name, or in that file.

    Args:
        name: A file's name in `experiments/` without `.py`, or the path of a Python file that
            defines `STUDY`.

    Returns:
        The study's name and what it compares.

    Raises:
        ValueError: If there is none.
    """
    path = Path(name) if name.endswith(".py") else FOLDER / f"{name}.py"
    if not path.is_file():
        known = sorted(
            file.stem for file in FOLDER.glob("*.py") if "\nSTUDY = " in file.read_text()
        )
        raise ValueError(
            f"A study is one of {', '.join(known)}, or the path of a Python file. "
            f"Received: {name!r}."
        )
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    study = getattr(module, "STUDY", None)
    if not isinstance(study, Study | ImageStudy):
        raise ValueError(f"{path} must define STUDY, a Study. Received: STUDY = {study!r}.")
    return path.stem, study


def units(study: Study, regimes: Sequence[str], genres: Sequence[str]) -> Iterator[Unit]:
    """All of a study's units, in the order of its tables; references first.

    Args:
        study: The study.
        regimes: Names in `tdrec.config.REGIMES`.
        genres: The genres.
    """
    for regime in regimes:
        for setting, changes in study.settings.items():
            base = replace(REGIMES[regime], **changes)
            for genre in genres:
                for reference in REFERENCES:
                    yield Unit(regime, setting, genre, reference, base)
                for arm in study.arms:
                    methods = {**base.methods, arm.method: dict(arm.arguments)}
                    yield Unit(
                        regime, setting, genre, arm, replace(base, methods=methods, **arm.changes)
                    )
