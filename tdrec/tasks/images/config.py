"""The configuration of image tasks, their presets and labels: plain data, known at once."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tdrec.studies.arm import ROUNDS, TD_WEIGHTS
from tdrec.studies.config import Config

DATA_SETS = ("cifar10", "cifar100", "imagenet2012")

CIFAR10 = (
    *("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
)


@dataclass(frozen=True)
class Labels:
    """What a task is about: images of a data set, all or a few, by its labels or by others.

    Attributes:
        data: The data set.
        classes: The task's classes, each with the data set's classes that belong to it; images of
            no class are left out. Default: the data set's own classes.
        per_class: How many training images there are of each of the data set's classes, drawn by
            the run's seed. Default None: all.
    """

    data: str
    classes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    per_class: int | None = None


_AIR, _WATER = ("airplane", "bird"), ("frog", "ship")
_LAND = tuple(name for name in CIFAR10 if name not in (*_AIR, *_WATER))
_VEHICLES = ("airplane", "automobile", "ship", "truck")
_LIVING = tuple(name for name in CIFAR10 if name not in _VEHICLES)

LABELS: Mapping[str, Labels] = {
    **{name: Labels(name) for name in DATA_SETS},
    "cifar10:few": Labels("cifar10", per_class=50),
    "cifar10:living": Labels("cifar10", {"living": _LIVING, "not living": _VEHICLES}, per_class=30),
    "cifar10:where": Labels("cifar10", {"air": _AIR, "land": _LAND, "water": _WATER}, per_class=30),
    "cifar10:pets": Labels("cifar10", {"cat": ("cat",), "dog": ("dog",)}, per_class=150),
}
"""Tasks by name. The small ones are for a teacher that knows the images and not the labels."""


@dataclass(frozen=True)
class ImageTeacherConfig:
    """All that decides a teacher that is trained here, but its images.

    Attributes:
        vit: Its sizes, arguments of `ViT`; those of a checkpoint are its own.
        batch_size: Images of a step.
        steps: 0 where it comes from a checkpoint alone.
        learning_rate: The highest value.
    """

    vit: Mapping[str, Any] = field(default_factory=dict)
    batch_size: int = 128
    steps: int = 0
    learning_rate: float = 1e-3


@dataclass(frozen=True, kw_only=True)
class ImageConfig(Config):
    """All that decides a run but data, task, method and seed.

    Attributes:
        image_size: Height and width of what the models see, pixels.
        crop: How training images are cropped, see `data.images.training_batches`.
        teacher: The teacher.
        cuts: The blocks after which the low and the high states of "teacher" and "student" are
            taken. The student has as many blocks as its second says.
        dtype: Of the blocks.
        optimizer: `"adamw"`, or `"sgd"` with momentum 0.9 as ViT is fine-tuned; both with cosine
            decay and gradients clipped to norm 1. `learning_rate` is the highest value.
        message_dim: Width of a message.
        hidden_dim: Units of encoders and decoders.
        temperature: Of label distillation.
        checkpoint: SHA-256 of published weights that the teacher has; None if it is trained.
    """

    image_size: int
    crop: str
    teacher: ImageTeacherConfig
    message_dim: int
    hidden_dim: int
    optimizer: str
    cuts: Mapping[str, tuple[int, int]] = field(
        default_factory=lambda: {"teacher": (6, 12), "student": (2, 4)}
    )
    dtype: str = "float32"
    temperature: float = 2.0
    checkpoint: str | None = None

    def defaults(self, method: str) -> dict[str, Any]:
        widths = {"message_dim": self.message_dim, "hidden_dim": self.hidden_dim}
        classes = {"task": "classes", "temperature": self.temperature}
        own: dict[str, dict[str, Any]] = {
            "ld": classes,
            "fd": widths,
            "fitnet": {"hidden_dim": self.hidden_dim},
            "hybrid": {**widths, **classes},
            "td": {**widths, **classes},
            "grading": {**widths, "task": "classes"},
        }
        return {**own.get(method, {}), **METHOD_DEFAULTS.get(method, {})}


def reads_predictions(method: str, arguments: Mapping[str, Any]) -> bool:
    """Whether a run takes the teacher's predictions, which must then be of the task's labels.

    Args:
        method: A method's short name, or `"teacher"`.
        arguments: Those of the method that differ from its defaults.
    """
    return method in ("teacher", "ld", "hybrid") or arguments.get("label_weight", 0.0) > 0


METHOD_DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    "ld": {"weight": 3.0},
    "fitnet": {"weight": 0.01},
    "td": {"rounds": ROUNDS, **dict.fromkeys(TD_WEIGHTS, 0.01)},
}
"""Arguments of the methods in the image experiments, where they are not those of the class: weights
that were best on validation images of two small tasks (`experiments/README.md`)."""

PRESETS: Mapping[str, ImageConfig] = {
    "tiny": ImageConfig(
        preset="tiny",
        image_size=32,
        crop="pad",
        teacher=ImageTeacherConfig(
            vit=dict(patch_size=8, num_layers=12, num_heads=3, hidden_dim=96, mlp_dim=192),
            steps=1000,
        ),
        message_dim=64,
        hidden_dim=64,
        batch_size=64,
        steps=120,
        learning_rate=1e-3,
        optimizer="adamw",
    ),
    "small": ImageConfig(
        preset="small",
        image_size=32,
        crop="pad",
        teacher=ImageTeacherConfig(
            vit=dict(patch_size=4, num_layers=12, num_heads=3, hidden_dim=192, mlp_dim=768),
            batch_size=512,
            steps=20_000,
        ),
        message_dim=128,
        hidden_dim=128,
        batch_size=128,
        steps=2000,
        learning_rate=1e-3,
        optimizer="adamw",
    ),
    "b32": ImageConfig(
        preset="b32",
        image_size=224,
        crop="inception",
        teacher=ImageTeacherConfig(),
        message_dim=512,
        hidden_dim=512,
        batch_size=512,
        steps=20_000,
        learning_rate=0.03,
        optimizer="sgd",
        dtype="mixed_bfloat16",
    ),
}
"""`tiny` is for two cores, `small` for a GPU, `b32` for published weights: the paper's ViT-B/32."""
