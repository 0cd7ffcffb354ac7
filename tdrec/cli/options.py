"""Options: what a command line asks for, read once, checked, and frozen.

All of it happens before TensorFlow is imported, so that a wrong value is refused at once.
"""

import math
import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from absl import flags

from tdrec.studies.arm import METHODS
from tdrec.studies.config import LOG_EVERY
from tdrec.tasks.images.config import LABELS
from tdrec.tasks.images.config import PRESETS as IMAGE_PRESETS
from tdrec.tasks.ratings.config import PRESETS

AUTO = "auto"
"""What `--method` names instead of a method, to have it chosen on validation rows."""

Door = Literal["run", "study", "doctor"]


class UsageError(ValueError):
    """A wrong value on the command line; the message is all that the user has to see."""


@dataclass(frozen=True)
class Options:
    """What was asked for. None, or nothing, stands for a flag that was not given.

    Attributes:
        study: The study's name or file; None where there is none.
        genre: As `--genre`.
        tasks: Names of image tasks.
        methods: Those that were named; `auto` may be among them.
        presets: Names of presets.
        seeds, trials: How many.
        workers, threads: Processes, and the threads of each; None for the machine's.
        cluster: Address of a Dask scheduler.
        data, out, cache: Where.
        tuned: A file of tuned values, or "none".
        checkpoint: Of a teacher of images.
        validation: Whether images are evaluated on training images.
        wide: Whether a student's embeddings are as wide as the teacher's.
        seed: Of a diagnosis.
        training: Fields of the configuration: steps, batch size, learning rate.
        arguments: Of the methods, by short name.
        command: What was typed.
    """

    study: str | None
    genre: str | None
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
    command: str = ""


@dataclass(frozen=True)
class _Flag:
    """A flag: its group in the help, the doors that have it, and what it says."""

    name: str
    group: str
    doors: tuple[Door, ...]
    default: Any
    help: str
    kind: Literal["text", "list", "whole", "number", "yes", "choice"] = "text"
    values: tuple[str, ...] = ()


_RUN: tuple[Door, ...] = ("run", "doctor")
_PLANS: tuple[Door, ...] = ("run", "study")
_ALL: tuple[Door, ...] = ("run", "study", "doctor")
_WHAT, _HOW, _TRAIN, _DISTIL, _IMAGES = (
    *("What to run", "Where and how", "How to train", "How to distil", "Images"),
)

FLAGS = (
    _Flag("genre", _WHAT, _ALL, None, "One, a comma list, 'top8' or 'all' (> 500 test rows)."),
    _Flag(
        *("method", _WHAT, _ALL, None),
        f"One of {', '.join(METHODS)}; a comma list; 'all'; 'module:Class'; or 'auto': by "
        "validation for each genre.",
        "list",
    ),
    _Flag("seeds", _WHAT, _PLANS, None, "Students of each kind, with seeds 0 to N-1.", "whole"),
    _Flag("trials", _WHAT, _PLANS, None, "Of tuning each method on each genre; 0: none.", "whole"),
    _Flag(
        *("regimes", _WHAT, ("study",), None, "Presets of genres, a comma list.", "list"),
        tuple(PRESETS),
    ),
    _Flag("seed", _WHAT, ("doctor",), 0, "Decides initial weights and the order of rows.", "whole"),
    _Flag(
        *("data", _HOW, _ALL, "auto"),
        "Folder or zip of MovieLens, 'tfds', 'tfds:CONFIG' or 'simulated'. 'auto': TDREC_DATA, "
        "otherwise TFDS, otherwise simulated.",
    ),
    _Flag("out", _HOW, _ALL, None, "Folder for results.jsonl, report.html, report.md, report.csv."),
    _Flag("cache", _HOW, _ALL, None, "Of teachers and compiled code. Default: ~/.cache/tdrec."),
    _Flag(
        *("workers", _HOW, _PLANS, None),
        "Processes, each with one thread. Default of a run: one process with all threads; of a "
        "study: one for each core.",
        "whole",
    ),
    _Flag("cluster", _HOW, _PLANS, None, "A Dask scheduler, tcp://host:8786, instead of workers."),
    _Flag(
        *("regime", _TRAIN, _RUN, None),
        "'strong': id dropout, the default. 'paper': as the paper describes.",
        "choice",
        tuple(PRESETS),
    ),
    _Flag(
        *("tuned", _TRAIN, ("run",), None),
        "A study's tuned.json, whose values are used where no flag says otherwise, or 'none'. "
        "Default: experiments/tuned/table3.json, if it was tuned on the same data.",
    ),
    _Flag(
        *("steps", _TRAIN, _ALL, None),
        f"Training steps of a student, a multiple of {LOG_EVERY}.",
        "whole",
    ),
    _Flag("batch_size", _TRAIN, _ALL, None, "Rows of a student's step.", "whole"),
    _Flag("learning_rate", _TRAIN, _ALL, None, "Of a student.", "number"),
    _Flag(
        *("embeddings", _TRAIN, _RUN, None),
        "Width of a student's, against the teacher's. Default: quarter.",
        "choice",
        ("quarter", "full"),
    ),
    _Flag("rounds", _DISTIL, _RUN, None, "td: rounds of communication, k.", "whole"),
    _Flag("weight", _DISTIL, _RUN, None, "ld, fd, fitnet, hybrid: weight of the loss.", "number"),
    _Flag("interaction_weight", _DISTIL, _RUN, None, "td: w1.", "number"),
    _Flag("message_weight", _DISTIL, _RUN, None, "td: w2, message consistency.", "number"),
    _Flag("state_weight", _DISTIL, _RUN, None, "td: w3, state consistency.", "number"),
    _Flag(
        *("task", _IMAGES, _PLANS, None),
        f"A comma list of {', '.join(LABELS)}; instead of genres.",
        "list",
    ),
    _Flag(
        *("preset", _IMAGES, _PLANS, None, "Sizes for two cores, a GPU, or ViT-B/32.", "choice"),
        tuple(IMAGE_PRESETS),
    ),
    _Flag(
        *("teacher", _IMAGES, _PLANS, None),
        "Published weights: a folder of Hugging Face, an .npz of Google Research.",
    ),
    _Flag(
        *("validation", _IMAGES, _PLANS, False),
        "Evaluate on a tenth of the training images, to choose by.",
        "yes",
    ),
)

OF_GENRES = ("genre", "regime", "regimes", "tuned", "embeddings", "trials")
"""Flags that mean nothing to images."""

OF_IMAGES = ("preset", "teacher", "validation")
"""Flags that mean nothing to genres."""


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
    tasks = _names(found["task"])
    given = [name for name, value in found.items() if value not in (None, False)]
    wrong = [name for name in given if name in (OF_GENRES if tasks else OF_IMAGES)]
    if door == "run" and wrong:
        other = "Images have" if tasks else "Genres have"
        hint = " beside --task." if tasks else ": name image tasks by --task."
        raise UsageError(f"{other} no --{' and no --'.join(wrong)}{hint}")
    for name in tasks:
        if name not in LABELS:
            raise UsageError(f"--task must name {', '.join(LABELS)}. Received: {name!r}.")
    study = rest[0] if door == "study" else None
    for name, value in found.items():
        if isinstance(value, str) and not _names(value):
            raise UsageError(f"--{name} must have a value. Received: {value!r}.")
    _check_numbers(found)
    checkpoint = found["teacher"]
    if checkpoint is not None and not Path(checkpoint).exists():
        raise UsageError(f"--teacher must name a folder or an .npz file. Received: {checkpoint}.")
    if found["cluster"] is not None and found["workers"] is not None:
        raise UsageError("--cluster has workers of its own. Received: --workers beside it.")
    presets = _names(found["regimes"]) or tuple(filter(None, [found["regime"], found["preset"]]))
    workers = found["workers"] or ((os.cpu_count() or 1) if study else 1)
    is_lone = door != "study" and found["workers"] is None
    name = Path(study).stem if study else ""
    return Options(
        study=study,
        genre=found["genre"],
        tasks=tasks,
        methods=_methods(found["method"]),
        presets=presets,
        seeds=found["seeds"] or (5 if study else 3),
        trials=found["trials"] if found["trials"] is not None else (20 if study else 0),
        workers=workers,
        threads=None if is_lone else 1,
        cluster=found["cluster"],
        data=found["data"],
        out=Path(found["out"] or (Path("results") / name)),
        cache=Path(found["cache"]) if found["cache"] else _default_cache(),
        tuned=found["tuned"],
        checkpoint=checkpoint,
        validation=bool(found["validation"]),
        wide=found["embeddings"] == "full",
        seed=found["seed"] or 0,
        training={
            name: found[name]
            for name in ("steps", "batch_size", "learning_rate")
            if found[name] is not None
        },
        arguments=_arguments(found),
        command=f"python -m tdrec.{door} {shlex.join(argv[1:])}".strip(),
    )


def help_text(door: Door, about: str) -> str:
    """The flags of a command in groups, with their defaults.

    Args:
        door: Which command.
        about: What comes before them.
    """
    lines = [about.strip(), ""]
    for group in dict.fromkeys(flag.group for flag in FLAGS):
        own = [flag for flag in FLAGS if flag.group == group and door in flag.doors]
        lines += [f"{group}:"] if own else []
        for flag in own:
            default = "" if flag.default in (None, False) else f" [{flag.default}]"
            lines.append(f"  --{flag.name:<20}{flag.help}{default}")
        lines += [""] if own else []
    return "\n".join(lines)


def _parsed(door: Door, argv: Sequence[str]) -> tuple[dict[str, Any], list[str]]:
    """Value by flag, those of other commands None; and what is no flag."""
    defined = flags.FlagValues()
    define: dict[str, Any] = {
        "text": flags.DEFINE_string,
        "list": flags.DEFINE_string,
        "whole": flags.DEFINE_integer,
        "number": flags.DEFINE_float,
        "yes": flags.DEFINE_bool,
    }
    for flag in FLAGS:
        if door not in flag.doors:
            continue
        if flag.kind == "choice":
            flags.DEFINE_enum(
                flag.name, flag.default, list(flag.values), flag.help, flag_values=defined
            )
        else:
            define[flag.kind](flag.name, flag.default, flag.help, flag_values=defined)
    try:
        rest = defined(list(argv))[1:]
    except flags.Error as error:
        raise UsageError(" ".join(str(error).split())) from error
    return {f.name: getattr(defined, f.name) if door in f.doors else None for f in FLAGS}, rest


def _check_numbers(found: Mapping[str, Any]) -> None:
    for name, least in (("seeds", 1), ("trials", 0), ("workers", 1), ("rounds", 0), ("seed", 0)):
        if found[name] is not None and found[name] < least:
            raise UsageError(f"--{name} must be at least {least}. Received: {found[name]}.")
    for name in ("steps", "batch_size", "learning_rate", "weight"):
        value = found[name]
        is_odd = name == "steps" and (value or 0) % LOG_EVERY != 0
        if value is not None and (is_odd or not 0 < value < math.inf):
            rule = f"a positive multiple of {LOG_EVERY}" if name == "steps" else "positive"
            raise UsageError(f"--{name} must be {rule}. Received: {value:g}.")
    for name in ("interaction_weight", "message_weight", "state_weight"):
        if found[name] is not None and not 0 <= found[name] < math.inf:
            raise UsageError(f"--{name} must be at least 0. Received: {found[name]:g}.")


def _methods(text: str | None) -> tuple[str, ...]:
    names = METHODS if text == "all" else _names(text)
    for name in names:
        if name not in (*METHODS, AUTO) and ":" not in name:
            raise UsageError(
                f"--method must name {', '.join(METHODS)}, {AUTO!r}, 'all' or 'module:Class'. "
                f"Received: {name!r}."
            )
    return tuple(names)


def _arguments(found: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The arguments of methods that flags give, by the methods' short names."""
    given = {name: value for name, value in found.items() if value is not None}
    own = ("rounds", "interaction_weight", "message_weight", "state_weight")
    arguments = {"td": {name: given[name] for name in own if name in given}}
    if "weight" in given:
        weight = given["weight"]
        arguments |= {method: {"weight": weight} for method in ("ld", "fd", "fitnet")}
        arguments["hybrid"] = {"label_weight": weight, "feature_weight": weight}
    return {method: values for method, values in arguments.items() if values}


def _names(text: str | None) -> tuple[str, ...]:
    """The parts of a comma list."""
    return tuple(part.strip() for part in (text or "").split(",") if part.strip())


def _default_cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "tdrec"
