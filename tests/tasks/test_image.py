"""Tests of image tasks: plain data, which know what of the teacher's is theirs."""

import hashlib
import json
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import tdrec
from small_vit import npz_weights, write_folder
from tdrec.data.images import load_images
from tdrec.studies.arm import OF_THE_PAPER, Arm
from tdrec.studies.metric import ACCURACY
from tdrec.tasks import image
from tdrec.tasks.image import ImageTask, checkpoint_hash
from tdrec.tasks.images.config import CIFAR10, PRESETS
from tiny_images import TEST, TRAIN

TINY = PRESETS["tiny"]


@pytest.fixture
def few(image_folder):
    return ImageTask("cifar10:few", image_folder)


def test_what_rows_say_of_the_data(few, image_folder):
    data = few.data()
    assert (few.name, few.metric, few.kind) == ("cifar10:few", ACCURACY, "task")
    assert (data.name, data.n_train, data.n_test) == ("cifar10", len(TRAIN), len(TEST))
    assert data.sha256 == load_images(image_folder).fingerprint
    assert few.images().class_names == CIFAR10
    other = ImageTask("cifar100", image_folder)
    assert other.data().name == "cifar100" and other.images().class_names[0] == "0"


def test_the_earlier_task_is_of_training_images_alone(few):
    earlier = few.earlier()
    assert earlier == replace(few, validation=True)
    held_out = round(0.1 * len(TRAIN))
    assert (earlier.data().n_train, earlier.data().n_test) == (len(TRAIN) - held_out, held_out)
    assert list(earlier.images().test_labels) == TRAIN[:held_out]
    assert earlier.data().sha256 != few.data().sha256


def test_tasks_of_one_data_set_share_a_session(few, image_folder):
    assert few.shared == ImageTask("cifar10", image_folder).shared
    others = [
        *(ImageTask("cifar100", image_folder), few.earlier()),
        *(replace(few, source="elsewhere"), replace(few, checkpoint="vit.npz")),
    ]
    assert len({few.shared, *(other.shared for other in others)}) == 5


def test_predictions_are_distilled_where_the_labels_are_the_teachers(few, image_folder):
    pets = ImageTask("cifar10:pets", image_folder)
    reading = ("ld", "hybrid", "teacher")
    for task, knows in (
        (few, True),
        (pets, False),
        (ImageTask("cifar10", image_folder), True),
        (replace(few, checkpoint="vit.npz"), False),
    ):
        for method in (*OF_THE_PAPER, "grading", "teacher"):
            assert task.runs(Arm(method)) == (knows or method not in reading), (task, method)
        assert task.runs(Arm("td", {"label_weight": 1.0})) == knows
        assert task.runs(Arm("td", {"label_weight": 0.0}))
        assert "by the rows of items" in task.left_out(Arm("trusted_ld"))


def test_the_teachers_file_is_of_all_that_decides_it(few, monkeypatch):
    same = few.teacher_file(TINY)
    assert same == replace(few, labels="cifar10:pets").teacher_file(TINY)
    students = replace(TINY, steps=20, cuts={}, optimizer="sgd", methods={"td": {"rounds": 1}})
    assert few.teacher_file(students) == same
    others = [
        few.earlier().teacher_file(TINY),
        few.teacher_file(replace(TINY, teacher=replace(TINY.teacher, steps=3))),
        few.teacher_file(replace(TINY, image_size=16)),
        few.teacher_file(replace(TINY, dtype="mixed_bfloat16")),
    ]
    monkeypatch.setattr(image, "code_version", lambda *names: "another")
    assert len({same, *others, few.teacher_file(TINY)}) == 6
    assert replace(few, checkpoint="vit.npz").teacher_file(TINY) is None


def test_a_checkpoints_hash_is_of_its_weights(tmp_path):
    file = tmp_path / "small.npz"
    np.savez(file, **npz_weights())
    assert checkpoint_hash(str(file)) == hashlib.sha256(file.read_bytes()).hexdigest()
    folder = write_folder(tmp_path / "vit", npz_weights())
    weights = (folder / "model.safetensors").read_bytes()
    assert checkpoint_hash(str(folder)) == hashlib.sha256(weights).hexdigest()
    (folder / "model.safetensors").rename(folder / "model-2.safetensors")
    (folder / "model-1.safetensors").write_bytes(b"part")
    places = {"a": "model-2.safetensors", "b": "model-1.safetensors"}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": places}))
    assert checkpoint_hash(folder) == hashlib.sha256(b"part" + weights).hexdigest()


def test_it_is_small_plain_data(few):
    few.data()
    pickled = pickle.dumps(few)
    assert len(pickled) < 1000 and pickle.loads(pickled) == few


def test_the_code_that_makes_a_teacher_is_where_it_is_said_to_be(few, monkeypatch):
    named = []
    monkeypatch.setattr(image, "code_version", lambda *names: named.extend(names))
    few.teacher_file(TINY)
    assert named and all((Path(tdrec.__file__).parent / name).exists() for name in named)
