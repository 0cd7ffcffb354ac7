import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from absl.testing import flagsaver

from tdrec import study
from tdrec.results import read_rows
from tdrec.study_plan import Arm

SMALL = """
from tdrec.config import ModelConfig
from tdrec.study_plan import Arm, Study

STUDY = Study(
    "A small one",
    [Arm("scratch"), Arm("ld")],
    {
        "": {
            "teacher": ModelConfig((16, 8), 4, 2, dropout=0.3),
            "student": ModelConfig((8, 4), 2, 2),
            "steps": 20,
            "teacher_epochs": 2,
        }
    },
)
"""


@pytest.fixture(scope="module")
def command(data, cache, tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    (folder / "small.py").write_text(SMALL)
    return [
        *(str(folder / "small.py"), f"--data={data}", f"--cache={cache}"),
        *("--genre=Drama", "--regimes=strong", "--seeds=2", "--trials=0"),
    ]


def call(*arguments):
    with flagsaver.flagsaver():
        return study.main(["tdrec.study", *arguments])


def test_killed_and_started_again_it_ends_with_all_rows_and_a_report(command, tmp_path, capfd):
    out = [*command, f"--out={tmp_path}", "--workers=2"]
    process = subprocess.Popen(
        [sys.executable, "-m", "tdrec.study", *out],
        text=True,
        # a shell's background job, as these tests may be, ignores it, and so do its children
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    deadline = time.monotonic() + 120
    # the first unit of many: a quick machine must not be done before the signal comes
    while not list(tmp_path.glob("units/*/lock")) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 130
    assert call(*out) == 0
    rows = read_rows(tmp_path / "results.jsonl")
    found = [(row["label"], row["seed"]) for row in rows]
    assert found == [
        *(("Bias", None), ("Teacher", None)),
        *(("Scratch", 0), ("Scratch", 1), ("LD", 0), ("LD", 1)),
    ]
    assert {row["study"] for row in rows} == {"small"}
    for name in ("report.html", "report.md", "report.csv"):
        assert "Drama" in (tmp_path / name).read_text()
    tuned = json.loads((tmp_path / "tuned.json").read_text())
    assert tuned["tuned"] == {} and tuned["data"]["sha256"] == rows[0]["data"]["sha256"]
    assert "A small one" in (tmp_path / "report.md").read_text()
    assert capfd.readouterr().out.splitlines()[-3:] == [
        str(tmp_path / name) for name in ("report.html", "report.md", "report.csv")
    ]


def test_a_worker_starts_anew_after_some_units(command, tmp_path, monkeypatch):
    starts = []
    monkeypatch.setattr(study, "UNITS_OF_A_PROCESS", 3)
    monkeypatch.setattr("os.execv", lambda *arguments: starts.append(arguments))
    out = [*command, f"--out={tmp_path}", "--as_worker"]
    assert call(*out) == 0
    assert starts == [(sys.executable, [sys.executable, "-m", "tdrec.study", *out])]
    assert len(list(tmp_path.glob("units/*/row-*.json"))) == 4  # both references, and scratch twice
    assert call(*out) == 0
    assert len(starts) == 1
    assert len(list(tmp_path.glob("units/*/row-*.json"))) == 6


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "name one study: python -m tdrec.study table3"),
        (("table33",), "low_data, readings, shift, small_images, table3, table4, table5"),
        (("table3", "--regimes=papper"), "--regimes must name strong, paper. Received: 'papper'"),
        (("table3", "--genre=Dramma"), "--genre must name"),
        (("table3", "--trials=-1"), "trials"),
        (("table3", "--method=dl"), "--method must name scratch, ld, fd"),
        (("table5", "--method=ld"), "methods of the study: scratch, td. Received: ld."),
        (("table3", "--method=auto"), "methods of the study: fd, fitnet, hybrid, ld, scratch, td"),
        (("table3", "--data=/nowhere"), "/nowhere"),
    ],
)
def test_wrong_values_are_refused_in_one_line(arguments, message, capsys):
    assert call(*arguments) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line


def test_methods_are_chosen_among_a_studys_arms():
    arms = [Arm("scratch"), Arm("ld"), Arm("td"), Arm("td", {"rounds": 0})]
    assert study.arms_of(arms, "td") == [arms[0], *arms[2:]]
    assert study.arms_of(arms, "scratch,ld") == arms[:2]
    assert study.arms_of(arms, "all") == arms


def test_a_study_of_some_methods_is_a_part_of_the_whole(command, tmp_path):
    out = [*command, f"--out={tmp_path}", "--workers=1"]
    assert call(*out, "--method=scratch") == 0
    before = {path: path.stat().st_mtime_ns for path in tmp_path.glob("units/*/row-*.json")}
    assert {row["label"] for row in read_rows(tmp_path / "results.jsonl")} == {
        *("Bias", "Teacher", "Scratch"),
    }
    assert call(*out) == 0
    assert "LD" in {row["label"] for row in read_rows(tmp_path / "results.jsonl")}
    assert all(path.stat().st_mtime_ns == stamp for path, stamp in before.items())


def test_without_optuna_the_install_line_is_named(monkeypatch, capsys):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert call("table3") == 2
    assert "pip install 'tdrec[study]'" in capsys.readouterr().err


def test_help_names_every_flag_that_counts(capsys):
    assert call("--help") == 0
    text = capsys.readouterr().out
    assert all(f"--{name} " in text for name in study.SHOWN)
    assert Path("results/STUDY").as_posix() in text
