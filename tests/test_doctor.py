import json
import re
from dataclasses import replace

import pytest
from absl.testing import flagsaver

from tdrec import doctor
from tdrec.config import REGIMES


@pytest.fixture(autouse=True)
def short_teacher(monkeypatch):
    monkeypatch.setitem(REGIMES, "strong", replace(REGIMES["strong"], teacher_epochs=2))


@pytest.fixture
def call(data, cache, tmp_path):
    """Calls the command on the small data, with `--out` below the test's folder."""

    def command(*arguments):
        flags = [f"--data={data}", f"--cache={cache}", f"--out={tmp_path / 'out'}"]
        with flagsaver.flagsaver():
            return doctor.main(["tdrec.doctor", *flags, "--steps=20", *arguments])

    return command


def test_the_command_from_flags_to_findings(call, tmp_path, capsys):
    status = call("--genre=Drama", "--method=ld", "--seed=1")
    path = tmp_path / "out" / "doctor-Drama-ld.json"
    stored = json.loads(path.read_text())
    assert (stored["genre"], stored["method"], stored["seed"]) == ("Drama", "ld", 1)
    assert status == int(stored["status"] == "FAIL")
    found = {finding["check"]: finding for finding in stored["findings"]}
    sound = ("data", "ids", "outputs", "range", "scale", "gradients", "training")
    assert {found[check]["status"] for check in sound} == {"OK"}
    assert {"teacher", "scratch", "units", "alignment", "cost"} <= set(found)
    assert set(found["ids"]["figures"]) == {
        f"{who}/{table}_embedding"
        for who in ("student", "teacher")
        for table in ("user", "movie", "title")
    }
    assert found["cost"]["figures"]["steps"] == 20
    printed = capsys.readouterr().out
    assert found["cost"]["status"] in printed and str(path) in printed


def test_a_failed_check_is_the_exit_status(call, capsys):
    assert call("--genre=War", "--method=scratch", "--learning_rate=1e30") == 1
    printed = capsys.readouterr()
    assert "FAIL  training" in printed.out
    assert "the student from scratch: There must be one finite prediction" in printed.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--genre=Drama,War"], "--genre must be one genre. Received: Drama, War."),
        (["--genre=Golf"], "--genre must name"),
        (["--method=td,ld"], "--method must be one of scratch, .* Received: 'td,ld'."),
        (["--method=bias"], "--method must be one of"),
        (["Drama"], "unexpected argument 'Drama'"),
    ],
)
def test_wrong_values(call, arguments, message, capsys):
    assert call(*arguments) == 2
    assert re.search(message, capsys.readouterr().err)


def test_help(call, capsys):
    assert call("--help") == 0
    printed = capsys.readouterr().out
    assert "python -m tdrec.doctor --genre=Drama" in printed
    assert "--seed " in printed and "--seeds" not in printed
