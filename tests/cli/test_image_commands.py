"""Commands of image tasks, from flags to reports."""

import json
import os

import keras
import numpy as np
import pytest

from tdrec.cli.main import main
from tdrec.data.image_subsets import relabelled
from tdrec.data.images import evaluation_batches, load_images
from tdrec.models.vit import ViT
from tdrec.studies.arm import OF_THE_PAPER
from tdrec.studies.results import read_rows
from tdrec.tasks.images.config import CIFAR10, PRESETS
from tiny_images import SIZE, SMALL


@pytest.fixture
def call(image_folder, image_cache, tmp_path, monkeypatch):
    """Calls a command on the small images, with `--out` below the test's folder."""
    monkeypatch.setitem(PRESETS, "tiny", SMALL)
    # What it sets for processes that it starts is not for other tests.
    monkeypatch.setenv("TF_XLA_FLAGS", os.environ.get("TF_XLA_FLAGS", ""))

    def command(*arguments, door="run"):
        flags = [f"--data={image_folder}", f"--cache={image_cache}", f"--out={tmp_path / 'out'}"]
        return main(door, [f"tdrec.{door}", *flags, *arguments], "About.")

    return command


def test_from_flags_to_report_and_on(call, tmp_path, image_folder, capsys):
    asked = ("--task=cifar10:pets,cifar10:few", "--method=ld", "--seeds=1")
    assert call(*asked) == 0
    out = tmp_path / "out"
    rows = read_rows(out / "results.jsonl")
    assert [(row.task, row.label, row.seed) for row in rows] == [
        *(("cifar10:pets", "Scratch", 0), ("cifar10:few", "Teacher", None)),
        *(("cifar10:few", "Scratch", 0), ("cifar10:few", "LD", 0)),
    ]
    assert {row.data.sha256 for row in rows} == {load_images(image_folder).fingerprint}
    assert {(row.data.name, row.metric, row.units) for row in rows} == {
        ("cifar10", "accuracy", None)
    }
    assert len({row.teacher for row in rows}) == 1
    report = " ".join((out / "report.md").read_text().split())
    assert "Left out on cifar10:pets: LD. The teacher does not" in report
    # A saved student is what was evaluated.
    row = rows[0]
    student = keras.models.load_model(out / row.model)
    classes = json.loads((out / row.model).with_suffix(".json").read_text())["classes"]
    assert classes == row.details["classes"] == ["cat", "dog"]
    pets = {name: [name] for name in classes}
    assert isinstance(student, ViT)
    images = relabelled(load_images(image_folder, CIFAR10), pets)
    batch, labels = next(iter(evaluation_batches(images.test, 50, SIZE)))
    right = np.mean(student(batch).numpy().argmax(-1) == labels)
    assert right == pytest.approx(row.value)
    # The same command does nothing anew.
    before = (out / "results.jsonl").read_bytes()
    assert call(*asked) == 0
    assert (out / "results.jsonl").read_bytes() == before
    assert "4 of 4 runs are done" in capsys.readouterr().out


def test_a_study_of_images_in_which_one_diverges(call, tmp_path, capsys):
    file = tmp_path / "vits_of_mine.py"
    file.write_text(
        "from tdrec.studies.plan import Arm, Study\n"
        'wild = Arm("fd", {"linear": True}, "FD, wild", {"learning_rate": 1e38})\n'
        'STUDY = Study("Mine", [Arm("scratch"), wild], tasks=["cifar10:pets"], notes=["A note."])\n'
    )
    assert call(str(file), "--seeds=1", "--workers=1", door="study") == 0
    rows = read_rows(tmp_path / "out" / "results.jsonl")
    found = [(row.label, row.status, row.value is None) for row in rows]
    assert found == [("Scratch", "ok", False), ("FD, wild", "diverged", True)]
    assert rows[1].reason == "a loss was not finite" and rows[1].variant
    assert rows[1].config["methods"] == {**SMALL.methods, "fd": {"linear": True}}
    assert "1 of 2 runs diverged" in capsys.readouterr().out
    report = (tmp_path / "out" / "report.md").read_text()
    assert all(text in report for text in ("Mine", "A note.", "FD, wild", "diverged"))


@pytest.mark.long
def test_all_methods_on_jax(call, tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    monkeypatch.setenv("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")
    assert call("--task=cifar10", "--method=td", "--seeds=1") == 0
    rows = read_rows(tmp_path / "out" / "results.jsonl")
    assert [row.method for row in rows] == ["teacher", *OF_THE_PAPER]
    assert all(np.isfinite(row.curve[-1]["loss"]) for row in rows[1:])
    assert rows[-1].details["cka"] and rows[-1].train_multiply_adds is None
    assert (tmp_path / "out" / "report.html").exists()
