"""Commands from flags to reports, on a small data set."""

import json
from dataclasses import replace

import keras
import numpy as np
import pytest

from tdrec.cli.main import main
from tdrec.data import FeatureEncoder, load, split_by_time
from tdrec.studies.results import only_writer
from tdrec.tasks.ratings.config import PRESETS


@pytest.fixture
def call(data, cache, tmp_path, monkeypatch):
    """Calls a command on the small data, with `--out` below the test's folder."""
    teacher = replace(PRESETS["strong"].teacher, epochs=1)
    monkeypatch.setitem(PRESETS, "strong", replace(PRESETS["strong"], teacher=teacher))

    def command(*arguments, door="run"):
        flags = [f"--data={data}", f"--cache={cache}", f"--out={tmp_path / 'out'}", "--steps=20"]
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
    assert call("--genre=War", "--method=ld", "--seeds=1", "--learning_rate=1000") == 0
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
