"""Labels of images, all of a data set or a few with labels of their own."""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

from tdrec.models.vit_files import weight_files
from tdrec.runtime.quiet import quiet_tensorflow
from tdrec.studies.arm import Arm
from tdrec.studies.keys import code_version, key_of
from tdrec.studies.metric import ACCURACY, Metric
from tdrec.studies.row import Data
from tdrec.studies.task import Session, Task
from tdrec.tasks import image_report
from tdrec.tasks.images.config import CIFAR10, LABELS, PRESETS, ImageConfig, reads_predictions

_TEACHER_CODE = (
    *("data/images.py", "data/image_files.py", "data/image_subsets.py", "models/vit.py"),
    "runtime/tfrecords.py",
    *("tasks/distilled.py", "tasks/images/session.py"),
)
"""What makes a teacher."""


@dataclass(frozen=True)
class ImageTask(Task):
    """Predicts the labels of images.

    Args:
        labels: A name of `LABELS`: which images, and which labels.
        source: Where the data set's images are, as `tdrec.data.images.load_images` takes it.
        checkpoint: A teacher's published weights, as `load_vit` takes them. Default None: the
            teacher is trained.
        validation: Whether it knows the training images alone, and evaluates on a tenth of them.

    Example:
        >>> ImageTask("cifar10:few", "tfds:cifar10").name
        'cifar10:few'
    """

    labels: str
    source: str
    checkpoint: str | None = None
    validation: bool = False

    metric: ClassVar[Metric] = ACCURACY
    references: ClassVar[tuple[str, ...]] = ("teacher",)
    presets: ClassVar[Mapping[str, ImageConfig]] = PRESETS

    @property
    def name(self) -> str:
        return self.labels

    @property
    def shared(self) -> tuple[Any, ...]:
        return LABELS[self.labels].data, self.source, self.checkpoint, self.validation

    def data(self) -> Data:
        images = self.images()
        return Data(
            name=images.name,
            sha256=images.fingerprint,
            n_train=images.n_train,
            n_test=images.n_test,
        )

    def images(self, decode: bool = True) -> Any:
        """The data set's images, each decoded once to see whether it can be."""
        return _images(LABELS[self.labels].data, self.source, self.validation, decode)

    def left_out(self, arm: Arm) -> str:
        if arm.trusts:
            return "A teacher is trusted by the rows of items, which images are not."
        knows_labels = self.checkpoint is None and not LABELS[self.labels].classes
        if knows_labels or not reads_predictions(arm.method, arm.arguments):
            return ""
        return (
            "The teacher does not predict these labels, and so has no predictions of them to "
            "distil."
        )

    def earlier(self) -> "ImageTask":
        return replace(self, validation=True)

    def teacher_file(self, config: ImageConfig) -> str | None:
        if self.checkpoint is not None:
            return None
        shape = [config.image_size, config.crop, config.dtype, asdict(config.teacher)]
        key = key_of(self.images().fingerprint, shape, code_version(*_TEACHER_CODE))
        return f"image-teacher-{key}.keras"

    def open(self, cache: Path) -> Session:
        from tdrec.tasks.images.session import ImageSession

        # Whoever made the plan has looked at the data.
        return ImageSession(self.images(decode=False), cache, self.checkpoint)

    parts = staticmethod(image_report.parts)


def checkpoint_hash(checkpoint: str | Path) -> str:
    """SHA-256 of published weights, which are part of a run's configuration.

    Args:
        checkpoint: As `load_vit` takes it.

    Raises:
        CheckpointError: If there are no such weights.
    """
    digest = hashlib.sha256()
    for file in weight_files(checkpoint):
        with file.open("rb") as content:
            while block := content.read(2**20):
                digest.update(block)
    return digest.hexdigest()


@cache
def _images(name: str, source: str, validation: bool, decode: bool) -> Any:
    with quiet_tensorflow():
        import tensorflow  # noqa: F401

        from tdrec.data.image_subsets import for_validation
        from tdrec.data.images import load_images
    names = CIFAR10 if name == "cifar10" else ()
    images = replace(load_images(source, names, decode=decode), name=name)
    return for_validation(images) if validation else images
