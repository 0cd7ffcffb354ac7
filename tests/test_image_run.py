import json
import os
import subprocess
import sys
from dataclasses import replace

import keras
import numpy as np
import pytest
from absl.testing import flagsaver

from small_images import SIZE, pictures, write
from tdrec import run, study
from tdrec.config import METHODS
from tdrec.data.image_subsets import relabelled
from tdrec.data.images import evaluation_batches, load_images
from tdrec.image_config import PRESETS, TASKS

LABELS = [i % 10 for i in range(40)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("images")
    write(path / "train.tfrecord", pictures(40), LABELS)
    write(path / "test.tfrecord", pictures(30, seed=1), LABELS[:30])
    return str(path)


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(autouse=True)
def small(monkeypatch):
    vit = {"patch_size": 4, "num_layers": 3, "num_heads": 2, "hidden_dim": 8, "mlp_dim": 12}
    cuts = {"teacher": (1, 3), "student": (1, 2)}
    config = replace(
        PRESETS["tiny"], image_size=SIZE, vit=vit, steps=20, teacher_steps=4, cuts=cuts
    )
    monkeypatch.setitem(PRESETS, "tiny", config)
    for name in ("cifar10:few", "cifar10:pets"):
        monkeypatch.setitem(TASKS, name, replace(TASKS[name], per_class=3))


@pytest.fixture
def call(folder, cache, tmp_path):
    def command(*arguments, main=run.main):
        flags = [f"--data={folder}", f"--cache={cache}", f"--out={tmp_path / 'out'}"]
        with flagsaver.flagsaver():
            return main(["tdrec", *flags, *arguments])

    return command


def rows_of(folder):
    return [json.loads(line) for line in (folder / "results.jsonl").read_text().splitlines()]


def test_the_command_from_flags_to_report(call, tmp_path, folder, capsys):
    assert call("--task=cifar10:pets,cifar10:few", "--method=ld,fd", "--seeds=1") == 0
    out = tmp_path / "out"
    rows = rows_of(out)
    found = [(row["task"], row["label"], row["seed"]) for row in rows]
    assert found == [
        *(("cifar10:pets", "Scratch", 0), ("cifar10:pets", "FD", 0)),
        *(("cifar10:few", "Teacher", None), ("cifar10:few", "Scratch", 0)),
        *(("cifar10:few", "LD", 0), ("cifar10:few", "FD", 0)),
    ]
    assert {row["data"]["sha256"] for row in rows} == {load_images(folder).fingerprint}
    assert {row["data"]["name"] for row in rows} == {"cifar10"}
    printed = capsys.readouterr().out
    assert "6 to go" in printed and str(out / "report.html") in printed
    text = (out / "report.md").read_text()
    assert "Left out on cifar10:pets: LD. The teacher does not" in " ".join(text.split())
    # A saved student is what was evaluated.
    row = rows[1]
    student = keras.models.load_model(out / row["model"])
    classes = json.loads((out / row["model"]).with_suffix(".json").read_text())["classes"]
    assert classes == row["classes"] == ["cat", "dog"]
    names = TASKS["cifar10"].data and [str(i) for i in range(10)]
    images = relabelled(load_images(folder, names), {"cat": ["3"], "dog": ["5"]})
    batch, labels = next(iter(evaluation_batches(images.test, 50, SIZE)))
    assert np.mean(student(batch).numpy().argmax(-1) == labels) == pytest.approx(row["accuracy"])
    # The same command does nothing anew; another method adds its own runs.
    assert call("--task=cifar10:pets,cifar10:few", "--method=ld,fd", "--seeds=1") == 0
    assert rows_of(out) == rows and "6 of 6 runs are done" in capsys.readouterr().out
    assert call("--task=cifar10:pets", "--method=fitnet", "--seeds=1", "--validation") == 0
    report = " ".join((out / "report.md").read_text().split())
    assert "evaluated on a tenth of the training images" in report
    assert len(rows_of(out)) == 8


def test_a_study_of_images(call, tmp_path, capsys):
    file = tmp_path / "mine.py"
    file.write_text(
        "from tdrec.study_plan import Arm, ImageStudy\n"
        'arms = [Arm("scratch"), Arm("fd", {"linear": True}, "FD, linear")]\n'
        'STUDY = ImageStudy("Mine", ["cifar10:pets"], arms, notes=["A note of mine."])\n'
    )
    assert call(str(file), "--seeds=2", main=study.main) == 0
    rows = rows_of(tmp_path / "out")
    assert [(row["label"], row["seed"]) for row in rows] == [
        *(("Scratch", 0), ("Scratch", 1), ("FD, linear", 0), ("FD, linear", 1)),
    ]
    assert rows[2]["config"]["methods"] == {"fd": {"linear": True}}
    text = (tmp_path / "out" / "report.md").read_text()
    assert "Mine" in text and "A note of mine." in text and "FD, linear" in text


def test_wrong_values_end_with_one_line(call, capsys):
    assert call("--task=cifar10:pigs") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "--task must name" in line
    assert call("small_images", "--task=cifar10:pigs", main=study.main) == 2


def test_the_command_on_jax(folder, tmp_path):
    """Without the small preset: a process of its own, with few steps of everything."""
    code = (
        "import sys; from dataclasses import replace\n"
        "from tdrec import run; from tdrec.image_config import PRESETS\n"
        "vit = dict(patch_size=4, num_layers=3, num_heads=2, hidden_dim=8, mlp_dim=12)\n"
        "PRESETS['tiny'] = replace(PRESETS['tiny'], image_size=8, vit=vit, steps=20,\n"
        "    teacher_steps=4, cuts=dict(teacher=(1, 3), student=(1, 2)))\n"
        "sys.exit(run.main(['tdrec', *sys.argv[1:]]))"
    )
    flags = [f"--data={folder}", f"--out={tmp_path / 'out'}", f"--cache={tmp_path / 'cache'}"]
    asked = ["--task=cifar10", "--method=td", "--seeds=1"]
    environment = {**os.environ, "KERAS_BACKEND": "jax", "JAX_DISABLE_MOST_OPTIMIZATIONS": "1"}
    subprocess.run([sys.executable, "-c", code, *flags, *asked], check=True, env=environment)
    rows = rows_of(tmp_path / "out")
    assert [row["method"] for row in rows] == ["teacher", *METHODS]
    assert all(np.isfinite(row["curve"][-1]["loss"]) for row in rows[1:])
    assert rows[-1]["cka"] and (tmp_path / "out" / "report.html").exists()
