"""Options: what a command line asks for, read once, checked, and frozen.

All of it happens before TensorFlow is imported, so that a wrong value is refused at once.
"""

import math
import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from absl import flags

from tdrec.cli.flags import (
    GROUPS,
    LEAST,
    OF_IMAGES,
    OF_RATINGS,
    OF_ROWS,
    OF_TD,
    OF_TRAINING,
    Door,
    Kind,
)
from tdrec.cli.table_options import read_table_flags
from tdrec.data.holdout import Split
from tdrec.data.table_source import TableSource
from tdrec.runtime.files import user_path
from tdrec.studies.arm import METHODS
from tdrec.studies.config import LOG_EVERY, VALIDATION_FRACTION
from tdrec.tasks.images.config import LABELS
from tdrec.tasks.sequences.config import NEXT_MOVIE

AUTO = "auto"
"""What `--method` names instead of a method, to have it chosen on validation rows."""


class UsageError(ValueError):
    """A wrong value on the command line; the message is all that the user has to see."""


@dataclass(frozen=True)
class Options:
    """What was asked for. None, or nothing, stands for a flag that was not given.

    Attributes:
        study: The study's name or file; None where there is none.
        segment: As `--segment`, or `--genre`.
        table: Tables of one's own; None for data that have a form of their own.
        split: How rows are held out; None for the usual way.
        features: Columns that the student and the teacher read, by who; none for all.
        tasks: Names of image tasks, or `NEXT_MOVIE`.
        methods: Those that were named; `auto` may be among them.
        presets: Names of presets.
        seeds, trials: How many.
        workers, threads: Processes, and the threads of each; None for the machine's.
        cluster: Address of a Dask scheduler.
        data, out, cache: Where.
        tuned: A file of tuned values, or "none".
        checkpoint: Of a teacher of images.
        validation: Whether to evaluate on rows or images that are carved from those to train on.
        cuts: Of a validation, the shares of the training rows that there are, each by itself.
        wide: Whether a student's embeddings are as wide as the teacher's.
        seed: The first of a diagnosis.
        training: Fields of the configuration: steps, batch size, learning rate.
        arguments: Of the methods, by short name.
        command: What was typed.
    """

    study: str | None
    segment: str | None
    table: TableSource | None
    split: Split | None
    tasks: tuple[str, ...]
    methods: tuple[str, ...]
    presets: tuple[str, ...]
    seeds: int
    trials: int
    workers: int
    threads: int | None
    cluster: str | None
    data: str
    out: Path
    cache: Path
    tuned: str | None
    checkpoint: str | None
    validation: bool
    wide: bool
    seed: int
    training: Mapping[str, Any] = field(default_factory=dict)
    arguments: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    features: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    cuts: tuple[float, ...] = ()
    command: str = ""


def read_options(door: Door, argv: Sequence[str]) -> Options:
    """Reads and checks a command line.

    Args:
        door: Which command.
        argv: The command line, program name first.

    Raises:
        UsageError: For a wrong value; the rule, the value and what else to write are named.

    Example:
        >>> read_options("run", ["run", "--genre=War", "--method=ld"]).methods
        ('ld',)
    """
    found, rest = _parsed(door, argv)
    if len(rest) != (1 if door == "study" else 0):
        if door == "study":
            raise UsageError("name one study: python -m tdrec.study table3 [--flag=value ...]")
        raise UsageError(f"unexpected argument {rest[0]!r}: every flag is written --name=value")
    tasks = names_in(found["task"])
    given = {name: value for name, value in found.items() if value is not None}
    of_next = NEXT_MOVIE in tasks
    unfit = (*OF_RATINGS, "teacher") if of_next else OF_ROWS if tasks else OF_IMAGES
    wrong = [name for name, value in found.items() if value not in (None, False) and name in unfit]
    if door == "run" and wrong:
        other = f"{'Next movies' if of_next else 'Images' if tasks else 'Segments'} have"
        hint = " beside --task." if tasks else ": name image tasks by --task."
        raise UsageError(f"{other} no --{' and no --'.join(wrong)}{hint}")
    for name in tasks:
        if name not in (NEXT_MOVIE, *LABELS):
            known = ", ".join((NEXT_MOVIE, *LABELS))
            raise UsageError(f"--task must name {known}. Received: {name!r}.")
    if of_next and len(tasks) > 1:
        raise UsageError(
            f"--task={NEXT_MOVIE} is of genres, and named alone. Received: {', '.join(tasks)}. "
            "Name the others in a command of their own."
        )
    study = rest[0] if door == "study" else None
    for name, value in found.items():
        if isinstance(value, str) and not names_in(value) and "separator" not in name:
            raise UsageError(f"--{name} must have a value. Received: {value!r}.")
    _check_numbers(found)
    checkpoint = found["teacher"]
    if checkpoint is not None and not user_path(checkpoint).exists():
        raise UsageError(
            f"--teacher must name a folder, a .safetensors or an .npz file. Received: {checkpoint}."
        )
    if found["cluster"] is not None and found["workers"] is not None:
        raise UsageError("--cluster has workers of its own. Received: --workers beside it.")
    if found["segment"] is not None and found["genre"] is not None:
        raise UsageError("--genre is --segment by another name. Received: both. Leave one out.")
    presets = names_in(found["regimes"]) or tuple(filter(None, [found["regime"], found["preset"]]))
    workers = found["workers"] or ((os.cpu_count() or 1) if study else 1)
    is_lone = door != "study" and found["workers"] is None
    name = Path(study).stem if study else ""
    try:
        table = read_table_flags(given)
        split = Split.parse(found["split"]) if found["split"] else None
    except ValueError as error:
        raise UsageError(str(error)) from error
    return Options(
        study=study,
        segment=found["segment"] or found["genre"],
        table=table,
        split=split,
        tasks=tasks,
        methods=_methods(found["method"]),
        presets=presets,
        seeds=found["seeds"] or (5 if study else 3),
        trials=found["trials"] if found["trials"] is not None else (20 if study else 0),
        workers=workers,
        threads=None if is_lone else 1,
        cluster=found["cluster"],
        data=found["data"] or "auto",
        out=user_path(found["out"] or (Path("results") / name)),
        cache=user_path(found["cache"]) if found["cache"] else _default_cache(),
        tuned=found["tuned"],
        checkpoint=checkpoint,
        validation=bool(found["validation"] or found["cuts"]),
        cuts=_cuts(found["cuts"]),
        wide=found["embeddings"] == "full",
        seed=found["seed"] or 0,
        training={name: given[name] for name in OF_TRAINING if name in given},
        arguments=_arguments(given),
        features={
            who: names_in(found[f"{who}_features"])
            for who in ("student", "teacher")
            if found[f"{who}_features"]
        },
        command=f"python -m tdrec.{door} {shlex.join(argv[1:])}".strip(),
    )


def help_text(door: Door, about: str) -> str:
    """The flags of a command in groups.

    Args:
        door: Which command.
        about: What comes before them.
    """
    lines = [about.strip(), ""]
    for group, members in GROUPS.items():
        if own := [flag for flag in members if flag.is_of(door)]:
            lines += [f"{group}:", *(f"  --{flag.name:<20}{flag.help}" for flag in own), ""]
    return "\n".join(lines)


def _parsed(door: Door, argv: Sequence[str]) -> tuple[dict[str, Any], list[str]]:
    """Value by flag, None for those that were not given; and what is no flag."""
    defined = flags.FlagValues()
    define: dict[Kind, Any] = {
        str: flags.DEFINE_string,
        int: flags.DEFINE_integer,
        float: flags.DEFINE_float,
        bool: flags.DEFINE_bool,
    }
    table = [flag for group in GROUPS.values() for flag in group]
    for name, _, kind, text in (flag for flag in table if flag.is_of(door)):
        if isinstance(kind, tuple):
            flags.DEFINE_enum(name, None, list(kind), text, flag_values=defined)
        else:
            define[kind](name, None, text, flag_values=defined)
    try:
        rest = defined(list(argv))[1:]
    except flags.Error as error:
        raise UsageError(" ".join(str(error).split())) from error
    return {f.name: getattr(defined, f.name) if f.is_of(door) else None for f in table}, rest


def _check_numbers(found: Mapping[str, Any]) -> None:
    for name, least in LEAST.items():
        if found[name] is not None and not least <= found[name] < math.inf:
            raise UsageError(f"--{name} must be at least {least}. Received: {found[name]:g}.")
    for name in (*OF_TRAINING, "weight"):
        value = found[name]
        is_odd = name == "steps" and (value or 0) % LOG_EVERY != 0
        if value is not None and (is_odd or not 0 < value < math.inf):
            rule = f"a positive multiple of {LOG_EVERY}" if name == "steps" else "positive"
            raise UsageError(f"--{name} must be {rule}. Received: {value:g}.")


def _methods(text: str | None) -> tuple[str, ...]:
    names = METHODS if text == "all" else names_in(text)
    for name in names:
        if name not in (*METHODS, AUTO) and ":" not in name:
            raise UsageError(
                f"--method must name {', '.join(METHODS)}, {AUTO!r}, 'all' or 'module:Class'. "
                f"Received: {name!r}."
            )
    return tuple(names)


def _arguments(given: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The arguments of methods that flags give, by the methods' short names."""
    arguments = {"td": {name: given[name] for name in OF_TD if name in given}}
    if "weight" in given:
        weight = given["weight"]
        arguments |= {method: {"weight": weight} for method in ("ld", "fd", "fitnet", "trusted_ld")}
        arguments["hybrid"] = {"label_weight": weight, "feature_weight": weight}
    return {method: values for method, values in arguments.items() if values}


def _cuts(text: str | None) -> tuple[float, ...]:
    """The shares of the training rows at which validations end, the earliest first."""
    names = names_in(text)
    try:
        cuts = sorted({float(name) for name in names})
    except ValueError:
        cuts = []
    if len(cuts) < len(names) or any(not VALIDATION_FRACTION < cut <= 1 for cut in cuts):
        raise UsageError(
            f"--cuts must be different shares of the training rows, above {VALIDATION_FRACTION:g}, "
            f"which is held out, and up to 1. Received: {text!r}. Write --cuts=0.6,0.8,1."
        )
    return tuple(cuts)


def names_in(text: str | None) -> tuple[str, ...]:
    """The parts of a comma list; none of None."""
    return tuple(part.strip() for part in (text or "").split(",") if part.strip())


def _default_cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return user_path(base) / "tdrec"
