"""Runs of one image set's tasks: a ViT teacher, and students of its first blocks.

Evaluation images are read once, after training, and choose nothing.
"""

import json
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np

from tdrec.data.image_subsets import relabelled
from tdrec.data.images import Images, evaluation_batches, training_batches
from tdrec.diagnostics.cka import cka_table
from tdrec.diagnostics.states import hidden_states
from tdrec.distill import methods
from tdrec.distill.cut import split_model
from tdrec.distill.distiller import Distiller
from tdrec.distill.model_split import ModelSplit
from tdrec.export.model_cost import multiply_adds, save_keras
from tdrec.models.vit import ViT, block_name, first_blocks
from tdrec.models.vit_checkpoints import load_vit
from tdrec.studies.keys import key_of
from tdrec.studies.task import DivergedError, Result, Score, Session, Watch
from tdrec.tasks.cached import Teachers, model_bytes
from tdrec.tasks.distilled import Compiled, check_training, fit
from tdrec.tasks.images.config import LABELS, ImageConfig

CKA_IMAGES, CKA_CLASSES = 20, 10
"""On how many images of a class, and of how many classes, hidden states are compared. The paper's
Figure 3 has as many images."""

EVALUATION_BATCH = 256


class ImageSession(Session):
    """Runs of the tasks of one data set, sharing the teacher.

    Args:
        images: The data set, to train the teacher on and to take tasks from.
        cache: Where the trained teacher is kept.
        checkpoint: A teacher's published weights, as `load_vit` reads them. Its labels are taken to
            be none of a task's. Default None: the teacher is trained.

    Example:
        >>> from tdrec.tasks.image import ImageTask
        >>> session = ImageSession(images, cache)
        >>> session.of_task(ImageTask("cifar10", image_folder), seed=0).n_train
        60
    """

    def __init__(self, images: Images, cache: Path, checkpoint: str | None = None) -> None:
        self.images = images
        self.checkpoint = checkpoint
        self._teachers = Teachers(cache)
        self._published: dict[str, ViT] = {}
        self._task: tuple[Any, Images] | None = None  # the latest
        self._compiled = Compiled()
        self._costs: dict[str, dict[str, Any]] = {}

    def run(
        self,
        task: Any,
        config: ImageConfig,
        method: str,
        seed: int | None,
        watch: Watch | None = None,
        keep: bool = False,
    ) -> Result:
        assert watch is None, "these tasks are not tuned"
        images = self.of_task(task, seed or 0)
        facts: dict[str, Any] = {"details": {"classes": list(images.class_names), "cka": None}}
        found, reason, files = None, "", {}
        try:
            if method == "teacher":
                teacher = self.teacher_model(task, config)
                found = Score(accuracy(teacher, images, config.image_size))
                facts |= {"method_params": 0, **self._cost(config, "teacher", teacher)}
            else:
                student, found, more = self._run_student(task, config, images, method, seed or 0)
                facts |= more
                if keep:
                    classes = json.dumps({"classes": list(images.class_names)}).encode()
                    files = {".keras": model_bytes(student, save_keras), ".json": classes}
        except DivergedError as error:
            reason = str(error)
        return Result(found, images.n_train, images.n_test, reason, facts, files)

    def teacher(self, task: Any, config: ImageConfig) -> str | None:
        name = task.teacher_file(config) or str(self.checkpoint)
        return self._teachers.hash(name, lambda: self.teacher_model(task, config))

    def teacher_model(self, task: Any, config: ImageConfig) -> ViT:
        """The teacher: from its checkpoint or the cache, or trained now and put there.

        Raises:
            DivergedError: If its training diverged.
        """
        if self.checkpoint is None:
            return self._teachers.get(
                task.teacher_file(config), lambda: _trained_teacher(self.images, config)
            )
        if config.dtype not in self._published:
            self._published[config.dtype] = load_vit(
                self.checkpoint,
                num_classes=len(self.images.class_names),
                image_size=config.image_size,
                dtype=config.dtype,
            )
        return self._published[config.dtype]

    def of_task(self, task: Any, seed: int) -> Images:
        """The images of a task, kept until others are asked for."""
        wanted = LABELS[task.name]
        if not wanted.classes and wanted.per_class is None:
            return self.images
        key = (task.name, seed if wanted.per_class is not None else None)
        if self._task is None or self._task[0] != key:
            images = relabelled(self.images, wanted.classes, wanted.per_class, seed)
            self._task = (key, images)
        return self._task[1]

    def distiller(
        self, task: Any, config: ImageConfig, num_classes: int, method: str, seed: int
    ) -> Distiller:
        """A distiller of a new student, compiled and not trained.

        Args:
            task: The task.
            config: The configuration.
            num_classes: Of the student. If the teacher predicts as many, and was trained here, the
                student starts with its head.
            method: A method's short name.
            seed: Decides the weights that are new.
        """
        # Loading the teacher draws random numbers, so it comes before the seed.
        teacher = self.teacher_model(task, config)
        keras.utils.set_random_seed(seed)
        same = self.checkpoint is None and num_classes == len(self.images.class_names)
        student = first_blocks(teacher, config.cuts["student"][1], None if same else num_classes)
        taught = methods.get(method, **config.arguments(method))
        distiller = Distiller(
            _cut(student, config.cuts["student"]),
            _cut(teacher, config.cuts["teacher"]) if taught.teacher_fields else None,
            taught,
        )
        _compile(distiller, config.optimizer, config.learning_rate, config.steps)
        return distiller

    def _run_student(
        self, task: Any, config: ImageConfig, images: Images, method: str, seed: int
    ) -> tuple[keras.Model, Score, dict[str, Any]]:
        classes = len(images.class_names)
        key = key_of(asdict(config), classes, method)
        distiller = self._compiled.restarted(
            key, seed, lambda: self.distiller(task, config, classes, method, seed)
        )
        one = evaluation_batches(images.test, 1, config.image_size).take(1)
        costs = self._compiled.costs(key, distiller, next(iter(one)))
        keras.utils.set_random_seed(seed)
        student = distiller.student_layers[0]
        start = time.perf_counter()
        size = min(config.batch_size, images.n_train)
        curve = fit(
            distiller,
            training_batches(images.train, size, config.image_size, crop=config.crop, seed=seed),
            config.steps,
            _entropy(images.train_labels),
        )
        facts: dict[str, Any] = {
            "train_seconds": time.perf_counter() - start,
            "curve": curve,
            **costs,
            **self._cost(config, key, student),
        }
        found = Score(accuracy(student, images, config.image_size))
        if method == "td" and seed == 0:
            found = replace(found, details={"cka": self._cka(distiller, images, config)})
        return student, found, facts

    def _cka(self, distiller: Distiller, images: Images, config: ImageConfig) -> dict[str, Any]:
        """How alike the two models' states and messages are, on images of the first classes."""
        found: dict[str, Any] = {}
        for label, name in enumerate(images.class_names[:CKA_CLASSES]):
            of_class = images.test.filter(lambda _, its, label=label: its == label)
            batches = evaluation_batches(of_class, CKA_IMAGES, config.image_size)
            pictures, _ = next(batches.as_numpy_iterator())
            student, teacher = (
                {state: states[state] for state in ("low", "high", "message")}
                for states in hidden_states(distiller, pictures, batch_size=CKA_IMAGES)
            )
            table: dict[str, dict[str, float]] = {}
            for (row, column), value in cka_table(student, teacher).items():
                table.setdefault(row, {})[column] = value
            found[name] = table
        return found

    def _cost(self, config: ImageConfig, key: str, model: ViT) -> dict[str, Any]:
        if key not in self._costs:
            pixels = np.zeros((1, config.image_size, config.image_size, 3), np.float32)
            counted = keras.backend.backend() == "tensorflow"
            self._costs[key] = {
                "params": model.count_params(),
                "multiply_adds": multiply_adds(model, pixels) if counted else None,
            }
        return self._costs[key]


def _trained_teacher(images: Images, config: ImageConfig) -> ViT:
    own = config.teacher
    keras.utils.set_random_seed(0)
    teacher = ViT(
        len(images.class_names),
        image_size=config.image_size,
        dtype=config.dtype,
        name="teacher",
        **own.vit,
    )
    _compile(teacher, "adamw", own.learning_rate, own.steps)
    size = min(own.batch_size, images.n_train)
    history = teacher.fit(
        training_batches(images.train, size, config.image_size, crop=config.crop),
        steps_per_epoch=own.steps,
        verbose=0,
        shuffle=False,
    ).history
    check_training(history["loss"], _entropy(images.train_labels), teacher.variables)
    return teacher


def _entropy(labels: np.ndarray) -> float:
    """The cross-entropy of the best constant: that of the labels' shares."""
    shares = np.unique(labels, return_counts=True)[1] / len(labels)
    return float(-(shares * np.log(shares)).sum())


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


def _cut(model: ViT, blocks: tuple[int, int]) -> ModelSplit:
    return split_model(model, low=block_name(blocks[0]), high=block_name(blocks[1]))
