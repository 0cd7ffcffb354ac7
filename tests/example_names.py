"""What the examples of docstrings may use without making it."""

import functools
from functools import cached_property
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

import small_movielens
import small_vit
import study_rows
import tdrec
import tiny_images
from tdrec.data import FeatureEncoder, simulate, split_by_time
from tdrec.data.images import load_images
from tdrec.distill.teacher_targets import batches
from tdrec.models.vit import ViT
from tdrec.report.section import make_sections
from tdrec.studies.arm import Arm
from tdrec.studies.metric import RMSE
from tdrec.studies.plan import Study, make_plan
from tdrec.studies.results import appending, only_writer
from tdrec.studies.runner import RESULTS
from tdrec.tasks.images.config import CIFAR10
from tdrec.tasks.ratings.teacher import rating_model
from toy_task import ToyTask

IMPORTED = {"keras": keras, "np": np, "tdrec": tdrec, "tf": tf}
SMALL = small_movielens.SMALL
ROWS = 256


class Ready:
    """Small things by the names that examples have for them, made when an example first asks.

    Each example has its own, in an empty folder: none depends on what another one trained.
    """

    # Ratings of a few users, and what a model sees of the earlier ones.

    @cached_property
    def ratings(self):
        return few_ratings()

    @cached_property
    def movielens_folder(self):
        return small_movielens.write(Path("movielens"), rows=400)

    @cached_property
    def train(self):
        return split_by_time(self.ratings).train

    @cached_property
    def test(self):
        return split_by_time(self.ratings).test

    @cached_property
    def encoder(self):
        return FeatureEncoder.fit(self.train)

    @cached_property
    def x(self):
        return self.encoder.encode(self.train.take(np.arange(ROWS)))

    @cached_property
    def y(self):
        return self.train.values[:ROWS]

    @cached_property
    def dataset(self):
        return batches((self.x, self.y), ROWS // 2)

    # Recommenders of these, whose relu layers are "low" and "high".

    @cached_property
    def student(self):
        return rating_model(SMALL.student, self.encoder, self.train, "student")

    @cached_property
    def teacher(self):
        return rating_model(SMALL.teacher.model, self.encoder, self.train, "teacher")

    @cached_property
    def student_split(self):
        return tdrec.split_model(self.student, low="low", high="high")

    @cached_property
    def teacher_split(self):
        return tdrec.split_model(self.teacher, low="low", high="high")

    @cached_property
    def distiller(self):
        method = tdrec.TalkingModels(rounds=1, message_dim=8, hidden_dim=8)
        distiller = tdrec.Distiller(self.student_split, self.teacher_split, method)
        distiller.compile("adam", loss="mse")
        return distiller

    # Images, and a model of images.

    @cached_property
    def image_folder(self):
        Path("images").mkdir()
        for part in ("train", "test"):
            labels = [*range(10)] * 6
            pictures = tiny_images.pictures(len(labels))
            tiny_images.write(f"images/{part}.tfrecord", pictures, labels)
        return "images"

    @cached_property
    def images(self):
        return load_images(self.image_folder, CIFAR10)

    @cached_property
    def vit(self):
        return ViT(small_vit.CLASSES, **{**small_vit.SIZES, "num_layers": 2})

    @cached_property
    def checkpoint(self):
        np.savez("vit.npz", **small_vit.npz_weights())
        return "vit.npz"

    # Studies, and their results.

    @cached_property
    def config(self):
        return SMALL

    @cached_property
    def plan(self):
        """One that was run before: a process that runs it takes seconds to start."""
        study = Study("Toys", [Arm("scratch"), Arm("ld")])
        plan = make_plan(study, [ToyTask("toy")], ToyTask.presets, name="toys", seeds=2)
        with only_writer("results") as out, appending(out / RESULTS) as add:
            for run in plan.runs():
                row = study_rows.make_row("toy", run.unit.arm.name, run.seed, key=run.key)
                add(row.to_json())
        return plan

    @cached_property
    def cache(self):
        return Path("cache")

    @cached_property
    def rows(self):
        return few_rows()

    @cached_property
    def row(self):
        return self.rows[0]

    @cached_property
    def section(self):
        return few_section()


NAMES = [name for name, made in vars(Ready).items() if isinstance(made, cached_property)]


@functools.cache
def few_ratings():
    return small_movielens.of_some_users(20, simulate())


@functools.cache
def few_rows():
    labels = ("Teacher", "Scratch", "LD", "TD k=2")
    return study_rows.make_rows(labels, tasks=2, seeds=3, validation=True)


@functools.cache
def few_section():
    return make_sections(few_rows(), RMSE)[0]
