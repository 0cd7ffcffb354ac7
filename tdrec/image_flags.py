"""The command line of image tasks: what is read from the flags of `run_flags`, checked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tdrec.config import METHODS
from tdrec.data.images import check_image_source
from tdrec.image_config import PRESETS, TASKS, ImageConfig
from tdrec.run_flags import (
    AUTO,
    FLAGS,
    UsageError,
    check_td,
    listed,
    read_method_arguments,
    read_methods,
    read_training,
)
from tdrec.study_plan import Arm, ImageStudy

OF_MOVIELENS = ("genre", "regime", "tuned", "embeddings")
"""Flags that mean nothing to images."""

OF_ARMS = ("method", "rounds", "weight", "interaction_weight", "message_weight", "state_weight")
"""Flags that a study's file decides."""


@dataclass(frozen=True)
class ImagePlan:
    """What a command about images asks for.

    Attributes:
        tasks: Names of `TASKS`.
        sources: Where the images of each data set are, as `load_images` takes it.
        config: The preset with what the flags change.
        arms: The lines of its table.
        teacher: A checkpoint's path, or None.
    """

    tasks: tuple[str, ...]
    sources: Mapping[str, str]
    config: ImageConfig
    arms: tuple[Arm, ...]
    teacher: str | None


def read_image_plan(study: ImageStudy | None = None) -> ImagePlan:
    """What the flags ask for.

    Args:
        study: Has the tasks and the preset where no flag names others, and the arms. Default None:
            the flags have all of it.

    Returns:
        The plan, checked.

    Raises:
        UsageError: For a wrong value, or a flag that is not for images.
        DataError: If the data are missing.
    """
    foreign = (*OF_MOVIELENS, *(OF_ARMS if study else ()))
    if given := [name for name in foreign if FLAGS[name].present]:
        raise UsageError(
            f"Images have no --{' and no --'.join(given)}"
            + (": the study's file says what it compares." if study else " beside --task.")
        )
    tasks = tuple(study.tasks) if study and FLAGS.task is None else listed(FLAGS.task)
    for name in tasks:
        if name not in TASKS:
            raise UsageError(f"--task must name {', '.join(TASKS)}. Received: {name!r}.")
    config = read_training(PRESETS[FLAGS.preset or (study.preset if study else "tiny")])
    if FLAGS.teacher is None and not config.teacher_steps:
        raise UsageError(
            f"The preset {config.preset} is for published weights. Received: no --teacher. Name a "
            "folder with config.json and model.safetensors, or an .npz file."
        )
    if FLAGS.teacher is not None and not Path(FLAGS.teacher).exists():
        raise UsageError(
            f"--teacher must name a folder or an .npz file. Received: {FLAGS.teacher}."
        )
    return ImagePlan(
        tasks=tasks,
        sources=_sources(list(dict.fromkeys(TASKS[name].data for name in tasks))),
        config=config,
        arms=tuple(study.arms) if study else _arms(config),
        teacher=FLAGS.teacher,
    )


def _sources(names: Sequence[str]) -> dict[str, str]:
    """Where each data set is."""
    if FLAGS.data in ("auto", "tfds"):
        sources = {name: f"tfds:{name}" for name in names}
    elif len(names) > 1:
        raise UsageError(
            f"--data is of one data set. Received: {FLAGS.data} for {', '.join(names)}. Name the "
            "tasks of one of them by --task."
        )
    else:
        sources = {names[0]: FLAGS.data}
    for source in sources.values():
        check_image_source(source)
    return sources


def _arms(config: ImageConfig) -> tuple[Arm, ...]:
    """The methods of the flags, and scratch; TD with all that it is to be compared with."""
    methods = read_methods(FLAGS.method)
    if AUTO in methods:
        raise UsageError(f"--task has no --method={AUTO}: name methods, or 'all'.")
    arguments = read_method_arguments()
    check_td({**config.arguments("td"), **arguments.get("td", {})})
    chosen = METHODS if "td" in methods else methods
    return tuple(Arm(name, arguments.get(name, {})) for name in chosen)
