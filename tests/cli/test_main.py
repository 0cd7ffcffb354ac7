"""Commands from flags to reports, on a small data set."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from small_movielens import SMALL, write
from tdrec.cli import plans
from tdrec.cli.main import main
from tdrec.data import FeatureEncoder, load, split_by_time
from tdrec.studies.auto import choices
from tdrec.studies.metric import RMSE
from tdrec.studies.results import only_writer, read_rows
from tdrec.tasks import segment
from tdrec.tasks.genre import GenreTask
from tdrec.tasks.ratings.config import PRESETS


@pytest.fixture
def call(data, cache, tmp_path, monkeypatch):
    """Calls a command on the small data, with `--out` below the test's folder."""
    monkeypatch.setitem(PRESETS, "strong", SMALL)
    # What it sets for processes that it starts is not for other tests.
    monkeypatch.setenv("TF_XLA_FLAGS", os.environ.get("TF_XLA_FLAGS", ""))

    def command(*arguments, door="run", data=data, out="out"):
        flags = [f"--data={data}", f"--cache={cache}", f"--out={tmp_path / out}", "--steps=20"]
        return main(door, [f"tdrec.{door}", *flags, *arguments], "About.")

    return command


def rows_of(folder):
    return [json.loads(line) for line in (folder / "results.jsonl").read_text().splitlines()]


def test_from_flags_to_report_and_on(call, tmp_path, data, capsys):
    assert call("--genre=War,Drama", "--method=ld", "--seeds=2") == 0
    out = tmp_path / "out"
    rows = rows_of(out)
    found = {(row["genre"], row["method"], row["seed"]) for row in rows}
    students = {(g, m, s) for g in ("Drama", "War") for m in ("scratch", "ld") for s in (0, 1)}
    assert found == students | {(g, m, None) for g in ("Drama", "War") for m in ("bias", "teacher")}
    assert {row["status"] for row in rows} == {"ok"} and {row["setting"] for row in rows} == {""}
    # A saved student, with its vocabulary, is what was evaluated.
    row = next(r for r in rows if (r["genre"], r["method"], r["seed"]) == ("War", "ld", 1))
    student = keras.models.load_model(out / row["model"])
    encoder = FeatureEncoder.from_json((out / row["model"]).with_suffix(".json").read_text())
    test = split_by_time(load(data)).test.of_genre("War")
    assert row["n_test"] == len(test)
    predictions = student.predict(encoder.encode(test), verbose=0)[:, 0]
    rmse = np.sqrt(np.mean((np.clip(predictions, *test.scale) - test.values) ** 2))
    assert rmse == pytest.approx(row["rmse"], abs=1e-6)
    printed = capsys.readouterr().out
    # What was read is said before anything is made of it.
    assert printed.index(f"Read: {load(data).name}") < printed.index("to go")
    assert "  Training / evaluation rows: 3,600 / 400" in printed
    (war,) = (line for line in printed.splitlines() if line.startswith("War"))
    ld = [r["rmse"] for r in rows if (r["genre"], r["method"]) == ("War", "ld")]
    assert f"{np.mean(ld):.4f}" in war
    assert {p.name for p in out.iterdir()} == {
        *(".lock", "results.jsonl", "report.html", "report.md", "report.csv", "students"),
    }
    # The same command has nothing to do; another one adds what is missing.
    before = (out / "results.jsonl").read_bytes()
    assert call("--genre=War,Drama", "--method=ld", "--seeds=2") == 0
    assert (out / "results.jsonl").read_bytes() == before
    assert "0 to go" in capsys.readouterr().out
    assert call("--genre=War", "--method=scratch", "--seeds=3") == 0
    assert (out / "results.jsonl").read_bytes().startswith(before)
    assert "4 of 5 runs are done already; 1 to go." in capsys.readouterr().out
    assert "rows of results.jsonl" in (out / "report.md").read_text()


def test_a_run_that_diverges_ends_no_sweep(call, tmp_path, capsys):
    assert call("--genre=War", "--method=ld", "--seeds=1", "--learning_rate=30", "--steps=40") == 0
    rows = {row["method"]: row for row in rows_of(tmp_path / "out")}
    assert {m for m, row in rows.items() if row["status"] == "diverged"} == {"scratch", "ld"}
    assert rows["ld"]["rmse"] is None and rows["teacher"]["rmse"] > 0
    assert "2 of 4 runs diverged" in capsys.readouterr().out
    assert "diverged" in (tmp_path / "out" / "report.html").read_text()


def test_a_folder_that_another_process_writes_to_is_refused(call, tmp_path, capsys):
    with only_writer(tmp_path / "out"):
        assert call("--genre=War", "--method=scratch") == 2
    assert "One process at a time" in capsys.readouterr().err


def test_rows_of_an_earlier_version_are_refused_by_name(call, tmp_path, capsys):
    out = tmp_path / "out"
    out.mkdir()
    (out / "results.jsonl").write_text('{"genre": "War", "rmse": 1.0}\n')
    assert call("--genre=War", "--method=scratch") == 2
    error = capsys.readouterr().err
    assert "results.jsonl, line 1" in error and "version 1" in error
    assert (out / "results.jsonl").read_text() == '{"genre": "War", "rmse": 1.0}\n'


def test_a_wrong_value_makes_no_folder(call, tmp_path, capsys):
    assert call("--genre=Golf") == 2
    assert "--genre must name" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_help(call, capsys):
    assert call("--help") == 0
    printed = capsys.readouterr().out
    assert printed.startswith("About.") and "--method " in printed


def test_tuned_values_are_used_and_said_to_be(call, tmp_path, tuned_file, data, cache):
    path = tuned_file()
    assert call("--genre=War", "--method=ld", "--seeds=1", f"--tuned={path}") == 0
    rows = {row["method"]: row for row in rows_of(tmp_path / "out")}
    # The command has --steps=20.
    assert rows["ld"]["tuned"] == {"learning_rate": 0.01, "user_dropout": 0.6, "weight": 9.0}
    assert rows["ld"]["validation"] is None and rows["ld"]["label"] == "LD"
    chosen = {"learning_rate": 0.01, "steps": 20, "user_dropout": 0.6, "weight": 9.0}
    task = GenreTask("War", data)
    alone = task.open(cache).run(task, SMALL.tuned("ld", chosen), "ld", 0)
    assert rows["ld"]["rmse"] == pytest.approx(alone.score.value, abs=1e-6)
    assert rows["ld"]["config"]["id_dropout"]["user"] == 0.6
    report = (tmp_path / "out" / "report.html").read_text()
    assert f"Tuned values from {path} are used" in report
    assert not (tmp_path / "out" / "tuned.json").exists()  # nothing was tuned here


def test_auto_trains_what_is_best_on_validation_rows_and_sees_no_others(
    call, tmp_path, data, ratings, monkeypatch
):
    monkeypatch.setattr(plans, "METHODS", ("scratch", "ld"))  # TD takes long to compile
    monkeypatch.setattr(segment, "CUTS", (0.8, 1.0))  # each with a teacher of its own
    asked = ("--genre=War", "--method=auto", "--seeds=1")
    assert call(*asked) == 0
    clean = tmp_path / "out"
    found = read_rows(clean / "validation" / "results.jsonl")
    periods = {"War": ["War until 80%", "War"]}
    assert list(dict.fromkeys(row.task for row in found)) == periods["War"]
    (choice,) = choices(found, RMSE, periods)
    rows = rows_of(clean)
    assert {row["method"] for row in rows} == {"bias", "teacher", "scratch", choice.method}
    assert {row["validation"] for row in rows} == {None}
    report = (clean / "report.md").read_text()
    assert f"For War auto chose {choice.label}, " in report and "2 periods in all" in report
    assert {row["data"]["n_test"] for row in rows} != {
        row["data"]["n_test"] for row in rows_of(clean / "validation")
    }
    # With other evaluation ratings it chooses and trains the same.
    lines = (Path(data) / "ratings.csv").read_text().splitlines()
    cut = split_by_time(ratings).cut
    for i, line in enumerate(lines[1:], start=1):
        user, movie, _, time = line.split(",")
        lines[i] = line if int(time) < cut else f"{user},{movie},0.5,{time}"
    poisoned = write(tmp_path / "poisoned")
    (poisoned / "ratings.csv").write_text("\n".join([*lines, ""]))
    assert call(*asked, data=poisoned, out="other") == 0
    for part, same in (("validation", True), (".", False)):
        pairs = zip(rows_of(clean / part), rows_of(tmp_path / "other" / part), strict=True)
        for mine, its in pairs:
            assert (mine["method"], mine["curve"]) == (its["method"], its["curve"])
            assert (mine["rmse"] == its["rmse"]) == same


def test_a_job_that_fails_is_named_in_the_exit_status(call, tmp_path, capsys):
    assert call("--genre=War", "--method=own_method:NoMethod", "--seeds=1") == 1
    error = capsys.readouterr().err
    assert "NoMethod on War" in error and "'own_method:NoMethod'" in error
    assert {row["method"] for row in rows_of(tmp_path / "out")} >= {"bias", "scratch"}


def test_generated_data_are_shouted_about(call, tmp_path, capsys):
    assert call("--genre=War", "--method=scratch", "--seeds=1", data="simulated") == 0
    assert "SIMULATED DATA" in capsys.readouterr().err
    for name in ("report.md", "report.html"):
        assert "SIMULATED DATA" in (tmp_path / "out" / name).read_text()
    assert all(row["data"]["simulated"] for row in rows_of(tmp_path / "out"))


def test_studies_in_one_folder_share_the_runs_that_they_have_in_common(call, tmp_path, capsys):
    for name, arms in (("toys_one", 1), ("toys_two", 2)):
        file = tmp_path / f"{name}.py"
        file.write_text(
            "from toy_task import ToyTask\nfrom tdrec.studies.plan import ALL_ARMS, Study\n"
            f'STUDY = Study("The {name}", ALL_ARMS[:{arms}], tasks=[ToyTask("a")])\n'
        )
        assert call(str(file), "--seeds=1", "--trials=0", "--workers=1", door="study") == 0
    assert "2 of 3 runs are done already; 1 to go." in capsys.readouterr().out
    rows = rows_of(tmp_path / "out")
    assert [(row["label"], row["study"]) for row in rows] == [
        *(("Teacher", "toys_one"), ("Scratch", "toys_one"), ("LD", "toys_two")),
    ]
    report = (tmp_path / "out" / "report.md").read_text()
    assert "The toys" in report and "toys_one" not in report.replace("\\", "")


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_it_with_its_status_and_a_word(number, status, data, tmp_path):
    command = [
        *(sys.executable, "-m", "tdrec.run", f"--data={data}", f"--out={tmp_path / 'out'}"),
        *(f"--cache={tmp_path / 'cache'}", "--genre=War", "--method=td"),
    ]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
        # a shell's background job, as these tests may be, ignores it, and so do its children
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    lines = iter(process.stdout.readline, "")
    assert "8 to go" in next(line for line in lines if "to go" in line)
    process.send_signal(number)
    error = process.communicate(timeout=60)[1]
    assert process.returncode == status
    assert "tdrec: interrupted. What is finished is on disk" in error
    assert "Traceback" not in error


@pytest.mark.long
@pytest.mark.timeout(900)
def test_auto_and_a_tuned_study(call, tmp_path):
    assert call("--genre=War", "--method=auto", "--seeds=1") == 0
    out = tmp_path / "out"
    tried = {row["method"] for row in rows_of(out / "validation")}
    assert tried == {"scratch", "ld", "fd", "fitnet", "hybrid", "td"}
    assert "For War auto chose" in (out / "report.md").read_text()
    arguments = ("table3", "--genre=War", "--method=ld", "--seeds=1", "--trials=2")
    assert call(*arguments, "--regimes=strong", "--workers=2", door="study") == 0
    tuned = json.loads((out / "tuned.json").read_text())["tuned"]
    assert set(tuned["strong"][""]["War"]) == {"Scratch", "LD"}
    assert call("--genre=War", "--method=ld", f"--tuned={out / 'tuned.json'}", "--seeds=1") == 0
