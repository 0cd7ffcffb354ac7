"""The doctor's command, from flags to findings."""

import json
import os
import re
from dataclasses import replace

import numpy as np
import pytest

from tdrec.cli import plans
from tdrec.cli.doctor import main
from tdrec.data import split_by_time
from tdrec.studies.config import VALIDATION_FRACTION
from tdrec.tasks.ratings.config import PRESETS
from tdrec.tasks.ratings.session import RatingSession


@pytest.fixture
def call(data, cache, tmp_path, monkeypatch):
    """Calls the command on the small data, with `--out` below the test's folder."""
    teacher = replace(PRESETS["strong"].teacher, epochs=1)
    monkeypatch.setitem(PRESETS, "strong", replace(PRESETS["strong"], teacher=teacher))
    # What it sets for TensorFlow is not for other tests.
    monkeypatch.setenv("TF_XLA_FLAGS", os.environ.get("TF_XLA_FLAGS", ""))

    def command(*arguments):
        flags = [f"--data={data}", f"--cache={cache}", f"--out={tmp_path / 'out'}"]
        return main(["tdrec.doctor", *flags, "--steps=20", *arguments], "About.")

    return command


def test_the_command_from_flags_to_findings(call, tmp_path, capsys):
    status = call("--genre=Drama", "--method=ld", "--seed=1", "--seeds=2")
    path = tmp_path / "out" / "doctor-Drama-ld.json"
    stored = json.loads(path.read_text())
    assert (stored["genre"], stored["method"], stored["seed"]) == ("Drama", "ld", 1)
    assert status == int(stored["status"] == "FAIL")
    found = {finding["check"]: finding for finding in stored["findings"]}
    sound = ("data", "ids", "outputs", "kind", "range", "scale", "gradients", "training")
    assert {found[check]["status"] for check in sound} == {"OK"}
    assert {"scratch", "units", "alignment", "cost"} <= set(found)
    assert list(found)[-2:] == ["teacher", "gain"]
    values = {(row["label"], row["seed"]): row["value"] for row in stored["rows"]}
    assert set(values) == {
        *(("Bias", None), ("Teacher", None)),
        *((label, seed) for label in ("Scratch", "LD") for seed in (1, 2)),
    }
    gap, gain = (found[check]["figures"] for check in ("teacher", "gain"))
    scratch, own = (np.mean([values[x, 1], values[x, 2]]) for x in ("Scratch", "LD"))
    assert gap["difference"]["value"] == pytest.approx(values["Teacher", None] - scratch)
    assert gain["difference"]["value"] == pytest.approx(own - scratch)
    for figures in (gap, gain):
        ends = figures["difference"]
        assert ends["low"] < ends["value"] < ends["high"]
        shown = ends["low"] > 0 or ends["high"] < 0
        assert (figures["verdict"] == "unclear") != shown and figures["seeds"] == 2
    assert set(found["ids"]["figures"]) == {
        f"{who}/{table}_embedding"
        for who in ("student", "teacher")
        for table in ("user", "movie", "title")
    }
    assert found["cost"]["figures"]["steps"] == 20
    printed = capsys.readouterr().out
    assert found["cost"]["status"] in printed and str(path) in printed


def test_a_failed_check_is_the_exit_status(call, capsys):
    flags = ["--genre=War", "--method=scratch", "--learning_rate=1e30", "--seeds=1"]
    assert call(*flags) == 1
    printed = capsys.readouterr()
    assert "FAIL  training" in printed.out
    assert "FAIL  teacher    It is not compared, since a run diverged." in printed.out
    assert not re.search(r"^\w+ +gain ", printed.out, re.M)
    assert "the student from scratch diverged: " in printed.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--genre=Drama,War"], "--genre must be one genre. Received: Drama,War."),
        (["--genre=Golf"], "--genre must name"),
        (["--method=td,ld"], "--method must be one of scratch, .* Received: td,ld."),
        (["--method=bias"], "--method must name"),
        (["Drama"], "unexpected argument 'Drama'"),
    ],
)
def test_wrong_values(call, arguments, message, capsys):
    assert call(*arguments) == 2
    assert re.search(message, capsys.readouterr().err)


def test_it_knows_training_rows_alone_and_no_tuned_values(call, tuned_file, holdout, monkeypatch):
    monkeypatch.setattr(plans, "DEFAULT", tuned_file())
    diagnosed = []

    def distiller(self, *given):
        diagnosed.append((self.holdout, *given))
        raise KeyboardInterrupt  # enough was seen

    monkeypatch.setattr(RatingSession, "distiller", distiller)
    assert call("--genre=War", "--method=ld", "--seeds=1") == 130
    ((rows, genre, config, method, seed),) = diagnosed
    expected = split_by_time(holdout.train, VALIDATION_FRACTION)
    assert rows.train.fingerprint == expected.train.fingerprint
    assert rows.test.fingerprint == expected.test.fingerprint
    assert (genre, method, seed) == ("War", "ld", 0)
    assert config.learning_rate == PRESETS["strong"].learning_rate
    assert config.arguments("ld") == {"weight": 10.0} and config.steps == 20
