"""One image experiment: a ViT teacher, and students of its first blocks, by any method.

Everything is decided by an `ImageConfig` and a seed. Evaluation images are read once, after
training, and choose nothing.
"""

import copy
import hashlib
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np

from tdrec import methods
from tdrec.config import LOG_EVERY
from tdrec.data.image_subsets import relabelled
from tdrec.data.images import Images, evaluation_batches, training_batches
from tdrec.diagnostics.cka import cka_table
from tdrec.diagnostics.states import hidden_states
from tdrec.distiller import Distiller
from tdrec.image_config import TASKS, ImageConfig, reads_predictions
from tdrec.model_cost import multiply_adds, training_multiply_adds
from tdrec.model_files import cached_model
from tdrec.model_split import ModelSplit, split_model
from tdrec.models.vit import ViT, block_name, first_blocks
from tdrec.models.vit_checkpoints import load_vit
from tdrec.results import key_of
from tdrec.teacher_training import restart

CKA_IMAGES, CKA_CLASSES = 20, 10
"""On how many images of a class, and of how many classes, hidden states are compared. The paper's
Figure 3 has as many images."""

EVALUATION_BATCH = 256

COUNTED = keras.backend.backend() == "tensorflow"
"""Whether multiplications are counted: they are read off TensorFlow's graph."""


class _Kept:
    """What the runs of one data set and teacher share, whatever their configuration."""

    def __init__(self) -> None:
        self.teacher: ViT | None = None
        self.checkpoint_hash: str | None = None
        self.task: tuple[Any, Images] | None = None  # the latest
        self.student: tuple[Any, Distiller, dict[str, Any]] | None = None  # with its costs


class ImageExperiment:
    """Runs of one configuration on one data set, sharing the teacher.

    Args:
        images: The data set, to train the teacher on and to take tasks from.
        config: The configuration.
        cache_dir: Where the trained teacher is kept, by the hash of data and configuration.
        checkpoint: A teacher's published weights, as `load_vit` reads them. Its labels are taken to
            be none of a task's. Default None: the teacher is trained.

    Example:
        >>> experiment = ImageExperiment(load_images("cifar10"), PRESETS["tiny"], cache_dir)
        >>> row, student = experiment.run("cifar10:pets", "td", seed=0)
    """

    def __init__(
        self,
        images: Images,
        config: ImageConfig,
        cache_dir: str | Path,
        checkpoint: str | Path | None = None,
    ) -> None:
        self.images = images
        self.config = config
        self.cache_dir = Path(cache_dir)
        self.checkpoint = checkpoint
        self._kept = _Kept()

    def with_config(self, config: ImageConfig) -> "ImageExperiment":
        """The same experiment by a configuration whose teacher is the same, sharing it."""
        other = copy.copy(self)
        other.config = config
        return other

    def key(self, task: str, method: str, seed: int | None) -> str:
        """Hash of all that decides a run on the same version of the code and on one machine."""
        arguments = {} if method == "teacher" else self.config.arguments(method)
        return key_of(self.study, asdict(TASKS[task]), task, method, arguments, seed)

    @property
    def study(self) -> str:
        """Hash of data, teacher and configuration but the methods' arguments."""
        config = asdict(replace(self.config, methods={}))
        return key_of(self.images.fingerprint, config, self._checkpoint_hash())

    def knows_labels(self, task: str) -> bool:
        """Whether the teacher predicts the task's labels, so that predictions can be distilled."""
        return self.checkpoint is None and not TASKS[task].classes

    def runs(self, task: str, method: str) -> bool:
        """Whether a method, or the teacher, can be run on a task."""
        arguments = self.config.methods.get(method, {})
        return self.knows_labels(task) or not reads_predictions(method, arguments)

    def teacher(self) -> ViT:
        """The teacher: from its checkpoint or the cache, or trained now and put there."""
        if self._kept.teacher is None:
            if self.checkpoint is None:
                self._kept.teacher = cached_model(self._teacher_path(), self._trained_teacher)
            else:
                self._kept.teacher = load_vit(
                    self.checkpoint,
                    num_classes=len(self.images.class_names),
                    image_size=self.config.image_size,
                    dtype=self.config.dtype,
                )
        return self._kept.teacher

    def run(
        self, task: str, method: str, seed: int | None
    ) -> tuple[dict[str, Any], keras.Model | None]:
        """One run: trains what has to be trained, and evaluates it on the task's test images.

        Args:
            task: A name of `TASKS`.
            method: A method's short name, or `"teacher"`.
            seed: Draws the task's training images, the weights of what is new, the order of the
                images and their crops. None for the teacher.

        Returns:
            One row of `results.jsonl`, without what all rows say of the code; and the trained
            student, until the next run trains it anew, None for the teacher.

        Raises:
            ValueError: If the method reads predictions, and the teacher's are of other labels.
        """
        if not self.runs(task, method):
            raise ValueError(
                f"{method} needs a teacher that predicts the task's labels. Received: {task!r}, "
                f"whose labels the teacher does not have. Take fd, fitnet or td."
            )
        images = self.of_task(task, seed or 0)
        student = None
        if method == "teacher":
            found = self._run_teacher(images)
        else:
            found, student = self._run_student(images, method, int(seed or 0))
        row = {
            "task": task,
            "method": method,
            "seed": seed,
            "n_train": images.n_train,
            "n_test": images.n_test,
            "classes": list(images.class_names),
            "key": self.key(task, method, seed),
            "cka": None,
            "curve": [],
            **found,
        }
        return row, student

    def of_task(self, task: str, seed: int) -> Images:
        """The images of a task, kept until others are asked for."""
        wanted = TASKS[task]
        if not wanted.classes and wanted.per_class is None:
            return self.images
        key = (task, seed if wanted.per_class is not None else None)
        if self._kept.task is None or self._kept.task[0] != key:
            images = relabelled(self.images, wanted.classes, wanted.per_class, seed)
            self._kept.task = (key, images)
        return self._kept.task[1]

    def distiller(self, num_classes: int, method: str, seed: int) -> Distiller:
        """A distiller of a new student, compiled and not trained.

        Args:
            num_classes: Of the student. If the teacher predicts as many, and was trained here, the
                student starts with its head.
            method: A method's short name.
            seed: Decides the weights that are new.
        """
        config = self.config
        teacher = self.teacher()  # loading it draws random numbers, so it comes before the seed
        keras.utils.set_random_seed(seed)
        same = self.checkpoint is None and num_classes == len(self.images.class_names)
        student = first_blocks(teacher, config.cuts["student"][1], None if same else num_classes)
        distiller = Distiller(
            _cut(student, config.cuts["student"]),
            _cut(teacher, config.cuts["teacher"])
            if methods.METHODS[method].teacher_fields
            else None,
            methods.get(method, **config.arguments(method)),
        )
        _compile(distiller, config.optimizer, config.learning_rate, config.steps)
        return distiller

    def _run_teacher(self, images: Images) -> dict[str, Any]:
        teacher = self.teacher()
        return {
            "accuracy": accuracy(teacher, images, self.config.image_size),
            "train_seconds": None,
            "method_params": 0,
            "train_multiply_adds": None,
            **self._cost(teacher),
        }

    def _run_student(
        self, images: Images, method: str, seed: int
    ) -> tuple[dict[str, Any], keras.Model]:
        config = self.config
        distiller, costs = self._restarted(images, method, seed)
        student = distiller.student_layers[0]
        start = time.perf_counter()
        size = min(config.batch_size, images.n_train)
        history = distiller.fit(
            training_batches(images.train, size, config.image_size, crop=config.crop, seed=seed),
            steps_per_epoch=LOG_EVERY,
            epochs=config.steps // LOG_EVERY,
            verbose=0,
            shuffle=False,
        ).history
        seconds = time.perf_counter() - start
        curve = [
            {
                "step": (i + 1) * LOG_EVERY,
                **{name: float(values[i]) for name, values in history.items()},
            }
            for i in range(len(history["loss"]))
        ]
        found = {
            "accuracy": accuracy(student, images, config.image_size),
            "train_seconds": seconds,
            "curve": curve,
            "cka": self._cka(distiller, images) if method == "td" and seed == 0 else None,
            **costs,
        }
        return found, student

    def _restarted(
        self, images: Images, method: str, seed: int
    ) -> tuple[Distiller, dict[str, Any]]:
        """A distiller as `distiller` gives it, and its costs; seeds share both, for tracing the
        step takes longer than training."""
        num_classes, kept = len(images.class_names), self._kept
        fresh = self.distiller(num_classes, method, seed)
        key = key_of(asdict(self.config), num_classes, method)
        if kept.student is None or kept.student[0] != key:
            kept.student = (key, fresh, self._training_cost(fresh, images))
        else:
            initial = [np.array(v) for v in _variables(fresh)]
            restart(_variables(kept.student[1]), kept.student[1].optimizer, initial)
        keras.utils.set_random_seed(seed)
        return kept.student[1:]

    def _cka(self, distiller: Distiller, images: Images) -> dict[str, Any]:
        """How alike the two models' states and messages are, on images of the first classes."""
        found: dict[str, Any] = {}
        batches = evaluation_batches(images.test, EVALUATION_BATCH, self.config.image_size)
        shown = range(min(CKA_CLASSES, len(images.class_names)))
        by_class: dict[int, list[Any]] = {label: [] for label in shown}
        for pictures, labels in batches.as_numpy_iterator():
            for picture, label in zip(pictures, labels, strict=True):
                kept = by_class.get(int(label))
                if kept is not None and len(kept) < CKA_IMAGES:
                    kept.append(picture)
            if all(len(pictures) == CKA_IMAGES for pictures in by_class.values()):
                break
        for label, pictures in by_class.items():
            own, its = (
                {name: states[name] for name in ("low", "high", "message")}
                for states in hidden_states(distiller, np.stack(pictures), batch_size=CKA_IMAGES)
            )
            table: dict[str, dict[str, float]] = {}
            for (row, column), value in cka_table(own, its).items():
                table.setdefault(row, {})[column] = value
            found[images.class_names[label]] = table
        return found

    def _cost(self, model: ViT) -> dict[str, Any]:
        image = np.zeros((1, self.config.image_size, self.config.image_size, 3), np.float32)
        return {
            "params": model.count_params(),
            "multiply_adds": multiply_adds(model, image) if COUNTED else None,
        }

    def _training_cost(self, distiller: Distiller, images: Images) -> dict[str, Any]:
        """What a student costs, and what its method adds while training."""
        one = evaluation_batches(images.test, 1, self.config.image_size).take(1)
        weights = distiller.method.trainable_variables
        return {
            "method_params": sum(int(np.prod(v.shape)) for v in weights),
            "train_multiply_adds": training_multiply_adds(distiller, next(iter(one)))
            if COUNTED
            else None,
            **self._cost(distiller.student_layers[0]),
        }

    def _teacher_path(self) -> Path:
        config = asdict(self.config)
        decisive = ("image_size", "crop", "vit", "dtype")
        facts = {k: v for k, v in config.items() if k.startswith("teacher_") or k in decisive}
        return self.cache_dir / f"image-teacher-{key_of(self.images.fingerprint, facts)}.keras"

    def _trained_teacher(self) -> ViT:
        config, images = self.config, self.images
        keras.utils.set_random_seed(0)
        teacher = ViT(
            len(images.class_names),
            image_size=config.image_size,
            dtype=config.dtype,
            name="teacher",
            **config.vit,
        )
        _compile(teacher, "adamw", config.teacher_learning_rate, config.teacher_steps)
        size = min(config.teacher_batch_size, images.n_train)
        teacher.fit(
            training_batches(images.train, size, config.image_size, crop=config.crop),
            steps_per_epoch=config.teacher_steps,
            verbose=0,
            shuffle=False,
        )
        return teacher

    def _checkpoint_hash(self) -> str | None:
        if self.checkpoint is not None and self._kept.checkpoint_hash is None:
            path = Path(self.checkpoint)
            with (path / "model.safetensors" if path.is_dir() else path).open("rb") as content:
                self._kept.checkpoint_hash = hashlib.file_digest(content, "sha256").hexdigest()
        return self._kept.checkpoint_hash


def accuracy(model: keras.Model, images: Images, image_size: int) -> float:
    """The share of test images whose class a model has right."""
    model.jit_compile = False  # of the last batch, too, XLA would make a program of its own
    right = 0
    batches = evaluation_batches(images.test, EVALUATION_BATCH, image_size)
    for batch, labels in batches.as_numpy_iterator():
        right += int((model.predict_on_batch(batch).argmax(axis=-1) == labels).sum())
    return right / images.n_test


def _compile(model: keras.Model, optimizer: str, learning_rate: float, steps: int) -> None:
    warmup = steps // 10
    schedule = keras.optimizers.schedules.CosineDecay(
        0.0, steps - warmup, warmup_target=learning_rate, warmup_steps=warmup
    )
    model.compile(
        keras.optimizers.AdamW(schedule, weight_decay=0.05, global_clipnorm=1.0)
        if optimizer == "adamw"
        else keras.optimizers.SGD(schedule, momentum=0.9, global_clipnorm=1.0),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=[keras.metrics.SparseCategoricalAccuracy(name="accuracy")],
    )


def _variables(distiller: Distiller) -> list[Any]:
    return [*distiller.student_layers[0].variables, *distiller.method.variables]


def _cut(model: ViT, blocks: tuple[int, int]) -> ModelSplit:
    return split_model(model, low=block_name(blocks[0]), high=block_name(blocks[1]))
