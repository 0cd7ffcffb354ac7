"""Tasks of images: where their data are, and from which weights their teacher begins."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from tdrec.cli.options import Options, UsageError
from tdrec.data.images import check_image_source
from tdrec.tasks.image import ImageTask, checkpoint_hash
from tdrec.tasks.images.config import LABELS


def with_checkpoint(presets: Mapping[str, Any], checkpoint: str | None) -> Mapping[str, Any]:
    """The presets with a teacher's published weights, if there are any.

    Args:
        presets: By name.
        checkpoint: Where the weights are; None for a teacher that is trained.

    Raises:
        UsageError: If a preset is for published weights, and there are none.
    """
    if checkpoint is not None:
        digest = checkpoint_hash(checkpoint)
        return {name: replace(preset, checkpoint=digest) for name, preset in presets.items()}
    for preset in presets.values():
        if not preset.teacher.steps:
            raise UsageError(
                f"The preset {preset.preset} is for published weights. Received: no --teacher. "
                "Name a folder with config.json and model.safetensors, or an .npz file."
            )
    return presets


def image_tasks(names: Sequence[str], options: Options) -> list[ImageTask]:
    """The tasks that were named.

    Args:
        names: Of image tasks.
        options: Where the data and the weights are, and whether to validate.

    Raises:
        UsageError: If one source is named for several data sets.
        DataError: If the data are missing.
    """
    sources = _image_sources(options.data, dict.fromkeys(LABELS[name].data for name in names))
    return [
        ImageTask(name, sources[LABELS[name].data], options.checkpoint, options.validation)
        for name in names
    ]


def _image_sources(data: str, names: Mapping[str, None]) -> dict[str, str]:
    """Where each data set is."""
    if data in ("auto", "tfds"):
        sources = {name: f"tfds:{name}" for name in names}
    elif len(names) > 1:
        raise UsageError(
            f"--data is of one data set. Received: {data} for {', '.join(names)}. Name the tasks "
            "of one of them by --task."
        )
    else:
        sources = dict.fromkeys(names, data)
    for source in sources.values():
        check_image_source(source)
    return sources
