import json
import subprocess
import sys
from dataclasses import replace

import keras
import numpy as np
import pytest
from absl.testing import flagsaver

from tdrec import run, run_flags
from tdrec.config import REGIMES
from tdrec.data import FeatureEncoder, load, split_by_time
from tdrec.statistics import UserErrors, choose


@pytest.fixture(autouse=True)
def short_teacher(monkeypatch):
    monkeypatch.setitem(REGIMES, "strong", replace(REGIMES["strong"], teacher_epochs=2))


@pytest.fixture
def call(data, cache, tmp_path):
    """Calls the command on the small data, with `--out` below the test's folder."""

    def command(*arguments, out="out"):
        flags = [f"--data={data}", f"--cache={cache}", f"--out={tmp_path / out}", "--steps=20"]
        with flagsaver.flagsaver():
            return run.main(["tdrec.run", *flags, *arguments])

    return command


def rows_of(folder):
    return [json.loads(line) for line in (folder / "results.jsonl").read_text().splitlines()]


def test_the_command_from_flags_to_report(call, tmp_path, data, capsys):
    assert call("--genre=Drama,War", "--method=ld", "--seeds=2") == 0
    assert call("--genre=War", "--method=td,ld", "--seeds=2") == 0  # TD takes long to compile
    out = tmp_path / "out"
    rows = rows_of(out)
    found = {(row["genre"], row["method"], row["seed"]) for row in rows}
    students = {(g, m, s) for g in ("Drama", "War") for m in ("scratch", "ld") for s in (0, 1)}
    students |= {("War", "td", s) for s in (0, 1)}
    references = {(g, m, None) for g in ("Drama", "War") for m in ("bias", "teacher")}
    assert found == students | references
    text = (out / "report.md").read_text()
    assert "TD k=2" in text
    assert "standard error" in text
    assert (out / "report.html").read_text().lstrip().lower().startswith("<!doctype html>")
    # A saved student, with its vocabulary, is what was evaluated.
    row = next(r for r in rows if r["method"] == "td" and r["genre"] == "War")
    student = keras.models.load_model(out / row["model"])
    encoder = FeatureEncoder.from_json((out / row["model"]).with_suffix(".json").read_text())
    test = split_by_time(load(data)).test.of_genre("War")
    predictions = student.predict(encoder.encode(test), verbose=0)[:, 0]
    rmse = np.sqrt(np.mean((np.clip(predictions, *test.scale) - test.values) ** 2))
    assert rmse == pytest.approx(row["rmse"], abs=1e-6)
    assert row["model_bytes"] == (out / row["model"]).stat().st_size
    assert row["data"]["sha256"] == load(data).fingerprint
    printed = capsys.readouterr().out
    assert "report.html" in printed
    war = next(line for line in reversed(printed.splitlines()) if line.startswith("War"))
    td = [r["rmse"] for r in rows if r["genre"] == "War" and r["method"] == "td"]
    assert f"{np.mean(td):.4f} ± {np.std(td, ddof=1) / np.sqrt(2):.4f}" in war
    # Variants of TD stand side by side.
    assert call("--genre=War", "--method=td", "--seeds=1", "--rounds=0") == 0
    text = (out / "report.md").read_text()
    assert "TD k=0" in text
    assert "TD k=2" in text


def test_a_second_start_adds_what_is_missing_and_keeps_what_is_other(call, tmp_path, capsys):
    assert call("--genre=War", "--method=scratch", "--seeds=1") == 0
    before = (tmp_path / "out" / "results.jsonl").read_text()
    assert call("--genre=War", "--method=scratch", "--seeds=2") == 0
    after = (tmp_path / "out" / "results.jsonl").read_text()
    assert after.startswith(before)
    assert len(after.splitlines()) == len(before.splitlines()) + 1
    assert "3 of 4 runs are done already; 1 to go" in capsys.readouterr().out
    # Rows of another configuration are kept, and left out of the report.
    assert call("--genre=War", "--method=scratch", "--seeds=1", "--batch_size=32") == 0
    rows = rows_of(tmp_path / "out")
    assert len({row["study"] for row in rows}) == 2
    left_out = sum(row["study"] == rows[0]["study"] for row in rows)
    assert f"{left_out} rows of results.jsonl" in (tmp_path / "out" / "report.md").read_text()


def test_an_interrupted_study_ends_with_the_same_figures(call, tmp_path, monkeypatch, capsys):
    from tdrec.experiment import Experiment

    # That a method's figures depend on no order is shown by the tests of `Experiment`.
    arguments = ("--genre=War", "--method=scratch", "--seeds=2")
    assert call(*arguments, out="whole") == 0
    real, calls = Experiment.run, []

    def interrupted(self, *arguments):
        calls.append(arguments)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return real(self, *arguments)

    monkeypatch.setattr(Experiment, "run", interrupted)
    assert call(*arguments, out="stopped") == 130
    assert "on disk" in capsys.readouterr().err
    assert len(rows_of(tmp_path / "stopped")) == 3
    assert call(*arguments, out="stopped") == 0
    whole, stopped = (
        {row["key"]: row["rmse"] for row in rows_of(tmp_path / name)}
        for name in ("whole", "stopped")
    )
    assert whole == stopped


@pytest.fixture
def two_methods(monkeypatch):
    monkeypatch.setattr(run, "METHODS", ("scratch", "ld"))  # TD takes long to compile


def test_auto_trains_what_is_shown_to_be_best_on_validation_rows(
    call, tmp_path, data, cache, two_methods
):
    from tdrec.experiment import Experiment

    assert call("--genre=War", "--method=auto", "--seeds=1") == 0
    config = replace(REGIMES["strong"], steps=20)
    earlier = Experiment(split_by_time(load(data)).train, config, cache, 0.2)
    rows = {method: earlier.run("War", method, 0).row for method in ("scratch", "ld")}
    keys = {method: earlier.key("War", method, 0) for method in rows}
    found = json.loads((tmp_path / "out" / "auto.json").read_text())
    assert set(found) == set(keys.values())
    for method, row in rows.items():
        for field, values in row["by_user"].items():
            assert found[keys[method]][field] == pytest.approx(values, abs=1e-4)
    errors = {method: UserErrors.of(row["by_user"]) for method, row in rows.items()}
    best = choose(errors, "scratch")
    methods = {row["method"] for row in rows_of(tmp_path / "out")}
    assert methods == {"bias", "teacher", "scratch", best}
    label = {"ld": "LD", "scratch": "Scratch"}[best]
    assert f"For War auto chose {label}, " in (tmp_path / "out" / "report.md").read_text()


@pytest.mark.parametrize(
    ("scratch", "ld", "chosen", "why"),
    [
        ([1.0] * 20, [0.9] * 20, "ld", "LD, as best by"),
        ([1.0] * 20, [1.1] * 20, "scratch", "Scratch, as best by"),
        ([1.0] * 20, [0.2, 1.7] * 10, "scratch", "Scratch, since none is shown to be better by"),
        (None, [1.1] * 20, "ld", "LD, as best by"),
        ([1.0] * 20, None, "scratch", "Scratch, as best by"),
    ],
)
def test_what_is_on_disk_is_not_trained_again(
    tmp_path, data, cache, two_methods, scratch, ld, chosen, why
):
    from tdrec.experiment import Experiment

    config = replace(REGIMES["strong"], steps=20)
    earlier = Experiment(split_by_time(load(data)).train, config, cache, 0.2)
    squared = {"scratch": scratch, "ld": ld}
    by_user = {
        earlier.key("War", method, 0): values
        and {"ids": list(range(20)), "rows": [1] * 20, "squared_error": values}
        for method, values in squared.items()
    }
    (tmp_path / "auto.json").write_text(json.dumps(by_user))
    plan = run.Plan(config, None)
    with flagsaver.flagsaver(cache=cache):
        found = run.choose_methods(load(data), plan, ["War"], tmp_path)
    rmse = {m: np.sqrt(np.mean(v)) if v else np.inf for m, v in squared.items()}
    assert found == {"War": (chosen, pytest.approx(rmse))}
    assert why in run.notes_on_choices(plan, found)[0]


def test_auto_does_not_see_evaluation_rows(call, tmp_path, data, two_methods, monkeypatch):
    assert call("--genre=War", "--method=auto", "--seeds=1", out="clean") == 0
    ratings = load(data)
    values = np.where(ratings.timestamps >= split_by_time(ratings).cut, 0.5, ratings.values)
    poisoned = replace(ratings, values=values.astype(np.float32))
    monkeypatch.setattr(run, "load", lambda source: poisoned)
    assert call("--genre=War", "--method=auto", "--seeds=1", out="poisoned") == 0
    clean, other = (
        json.loads((tmp_path / name / "auto.json").read_text()) for name in ("clean", "poisoned")
    )
    assert clean == other
    clean_rows, other_rows = (rows_of(tmp_path / name) for name in ("clean", "poisoned"))
    assert [row["method"] for row in clean_rows] == [row["method"] for row in other_rows]
    for row, poisoned_row in zip(clean_rows, other_rows, strict=True):
        assert row.get("curve") == poisoned_row.get("curve")
        assert row["rmse"] != poisoned_row["rmse"]


def test_auto_needs_validation_rows(call, data, monkeypatch, capsys):
    monkeypatch.setattr(run_flags, "VALIDATION_FRACTION", 0.001)
    validation = split_by_time(split_by_time(load(data)).train, 0.001).test.genre_counts()["War"]
    assert call("--genre=War", "--method=auto") == 2
    error = capsys.readouterr().err
    assert "--method=auto needs 20 validation rows" in error
    assert f"Received: 'War' with {validation} and " in error


def test_tuned_values_are_used_where_no_flag_says_otherwise(
    call, tmp_path, tuned_file, data, cache, capsys
):
    from tdrec.experiment import Experiment
    from tdrec.tuning import with_tuned

    path = tuned_file()
    assert call("--genre=War", "--method=ld", "--seeds=1", f"--tuned={path}") == 0
    row = next(r for r in rows_of(tmp_path / "out") if r["method"] == "ld")
    chosen = json.loads(path.read_text())["tuned"]["strong"][""]["War"]["LD"]
    chosen |= {"steps": 20}  # the command has --steps=20
    config = with_tuned(REGIMES["strong"], "ld", chosen)
    expected = Experiment(load(data), config, cache).run("War", "ld", 0).row
    assert row["rmse"] == pytest.approx(expected["rmse"], abs=1e-6)
    assert row["label"] == "LD"
    assert row["config"]["id_dropout"]["user"] == 0.6
    assert row["tuned"] == {"learning_rate": 0.01, "user_dropout": 0.6, "weight": 9.0}
    note = f"Tuned values from {path} are used for 2 of 2 pairs"
    assert note in capsys.readouterr().out
    assert str(path.name) in (tmp_path / "out" / "report.md").read_text()
    # Without them it is another study, with references of its own.
    assert call("--genre=War", "--method=scratch", "--seeds=1", "--tuned=none") == 0
    rows = rows_of(tmp_path / "out")
    assert len({row["study"] for row in rows}) == 2
    plain = [row for row in rows if row["study"] != rows[0]["study"]]
    assert {row["method"] for row in plain} == {"bias", "teacher", "scratch"}
    assert plain[-1]["config"]["learning_rate"] == REGIMES["strong"].learning_rate


def test_tuned_values_that_are_refused(call, tuned_file, capsys):
    assert call("--method=ld", "--tuned=/no/such.json") == 2
    assert "/no/such.json" in capsys.readouterr().err
    assert call("--method=ld", f"--tuned={tuned_file(sha256='ab' * 32)}") == 2
    assert "chosen on the same data and in the same regime" in capsys.readouterr().err
    assert call("--method=ld", f"--tuned={tuned_file(steps=30)}") == 2
    assert "steps must be a positive multiple of 20. Received: 30" in capsys.readouterr().err


def test_simulated_data_are_shouted_about(tmp_path, data, cache, capsys, monkeypatch):
    # Fewer rows, and thus the teacher that is in the cache already.
    warned = replace(load(data), warnings=load("simulated").warnings)
    monkeypatch.setattr(run, "load", lambda source: {"simulated": warned}[source])
    with flagsaver.flagsaver():
        status = run.main(
            [
                "tdrec.run",
                "--data=simulated",
                "--genre=War",
                "--method=scratch",
                "--seeds=1",
                "--steps=20",
                f"--out={tmp_path}",
                f"--cache={cache}",
            ]
        )
    assert status == 0
    assert "SIMULATED DATA" in capsys.readouterr().err
    assert "SIMULATED DATA" in (tmp_path / "report.md").read_text()
    assert "SIMULATED DATA" in (tmp_path / "report.html").read_text()


@pytest.mark.parametrize(
    ("argument", "expected"),
    [
        ("--genre=Dram", "Received: 'Dram'"),
        ("--genre=IMAX", "--genre must name Drama"),
        ("--method=tdd", "must name scratch, ld, fd, fitnet, hybrid, td, 'auto' or 'all'"),
        ("--data=/no/such/path", "/no/such/path"),
        ("--interaction_weight=-1", "--interaction_weight must be at least 0. Received: -1"),
        ("--weight=0", "--weight must be positive. Received: 0"),
        ("--weight=nan", "--weight must be positive. Received: nan"),
        ("--steps=30", "--steps must be a positive multiple of 20. Received: 30"),
        ("--learning_rate=0", "--learning_rate must be positive"),
        ("--rounds=-1", "rounds"),
        ("--seeds=0", "seeds"),
        ("--regime=papr", "strong|paper"),
        ("--no_such_flag=1", "no_such_flag"),
        ("Drama", "every flag is written --name=value"),
    ],
)
def test_wrong_values_end_in_one_line(call, capsys, argument, expected):
    assert call(argument) == 2
    error = capsys.readouterr().err
    assert expected in error
    assert len(error.splitlines()) == 1
    assert "Traceback" not in error


def test_a_genre_that_is_too_small(call, data, capsys):
    counts = split_by_time(load(data)).test.genre_counts()
    small = min(counts, key=lambda genre: counts[genre])
    assert counts[small] < run_flags.MIN_TEST_ROWS
    assert call(f"--genre={small}") == 2
    error = capsys.readouterr().err
    assert f"{small!r} with {counts[small]}" in error
    assert "Drama" in error


def test_td_without_any_loss_is_refused(call, capsys):
    zero = ["--interaction_weight=0", "--message_weight=0", "--state_weight=0"]
    assert call(*zero, "--method=td") == 2
    assert "at least one" in capsys.readouterr().err


def test_help_and_wrong_values_come_before_tensorflow():
    code = (
        "import sys; from tdrec import run; assert run.main(['run', '--help']) == 0;"
        "assert run.main(['run', '--method=x']) == 2;"
        "assert not {'tensorflow', 'keras', 'pandas', 'matplotlib'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for flag in (name for names in run.GROUPS.values() for name in names):
        assert f"--{flag}" in done.stdout
