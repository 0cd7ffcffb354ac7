"""Next movies from one command to students, rows and a report."""

import json
import os

import pytest

import own_tables
from small_sequences import SMALL
from tdrec.cli.main import main
from tdrec.cli.options import UsageError, read_options
from tdrec.cli.plans import Request
from tdrec.studies.results import read_rows
from tdrec.tasks.next_movie import NextMovieTask
from tdrec.tasks.sequences.config import PRESETS


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setitem(PRESETS, "full", SMALL)


def request(*flags, door="run"):
    return Request(read_options(door, [door, "--task=next_movie", *flags]))


def test_from_flags_to_report_and_on(data, cache, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("TF_XLA_FLAGS", os.environ.get("TF_XLA_FLAGS", ""))
    out = tmp_path / "out"
    flags = [f"--data={data}", f"--cache={cache}", f"--out={out}", "--seeds=1", "--genre=Drama"]
    flags += ["--task=next_movie", "--method=scratch,ld"]
    assert main("run", ["tdrec.run", *flags], "About.") == 0
    rows = read_rows(out / "results.jsonl")
    assert [row.label for row in rows] == [
        *("Popularity", "Item-kNN", "Teacher without blocks", "Teacher", "Scratch", "LD"),
    ]
    for row in rows:
        assert (row.task, row.details["genre"], row.place) == ("next_movie", "Drama", "Drama")
        assert row.value == pytest.approx(sum(row.units.sums) / sum(row.units.rows), abs=1e-4)
        # All rank the same events of the same users.
        assert (row.units.ids, row.units.rows) == (rows[0].units.ids, rows[0].units.rows)
    line = json.loads((out / "results.jsonl").read_text().splitlines()[0])
    assert line["task"] == "next_movie" and line["ndcg"] == rows[0].value
    assert (
        rows[-1].model.startswith("students/next_movie-Drama-LD")
        and (out / rows[-1].model).is_file()
    )
    report = (out / "report.html").read_text()
    assert "next movie of a genre" in report and "Item-kNN" in report and "Recall@10" in report
    assert capsys.readouterr().out.count("NDCG@10") == 1
    before = (out / "results.jsonl").read_bytes()
    assert main("run", ["tdrec.run", *flags], "About.") == 0
    assert (out / "results.jsonl").read_bytes() == before
    assert "0 to go" in capsys.readouterr().out


def test_genres_presets_and_validation_make_a_plan(data):
    found = request(f"--data={data}", "--genre=War,Drama", "--preset=few", "--method=td")
    assert found.tasks == [NextMovieTask(name, data) for name in ("Drama", "War")]
    plan = found.plan()
    students = {unit.arm.method for unit in plan.units if unit.arm.is_student}
    assert students == {"scratch", "td"} and plan.keep
    assert {unit.config.rows for unit in plan.units} == {PRESETS["few"].rows}
    of_validation = request(f"--data={data}", "--genre=Drama", "--validation").plan()
    assert all(unit.task.validation for unit in of_validation.units)
    assert of_validation.data["Drama"].n_train < plan.data["Drama"].n_train


def test_a_study_may_be_of_next_movies(data, tmp_path):
    file = tmp_path / "next_of_mine.py"
    file.write_text(
        "from tdrec.studies.plan import Arm, Study\n"
        'arms = [Arm("scratch"), Arm("fitnet")]\n'
        'STUDY = Study("Mine", arms, {"": {}, "half": {"rows": 0.5}}, tasks=["next_movie"])\n'
    )
    flags = ["study", str(file), f"--data={data}", "--genre=War"]
    plan = Request(read_options("study", flags)).plan()
    assert {type(unit.task) for unit in plan.units} == {NextMovieTask}
    assert {unit.config.rows for unit in plan.units} == {1.0, 0.5} and plan.title == "Mine"
    assert {unit.trials for unit in plan.units} == {0}


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--genre=Thrillers"], "--genre must name .*'Thrillers'"),
        (["--genre=Western"], "needs 20 evaluation rows.* Received: 'Western'"),
        (["--preset=tiny"], "--preset must name full, few. Received: tiny"),
        (["--rounds=0", "--message_weight=0", "--state_weight=0"], "at least one of its losses"),
    ],
)
def test_what_cannot_be_done_is_refused_at_once(data, flags, message):
    with pytest.raises(UsageError, match=message):
        request(f"--data={data}", *flags)


def test_a_table_needs_times_and_items(tmp_path):
    file = own_tables.write(tmp_path / "rows.csv", own_tables.frame())
    columns = "--columns=user=user,item=item,target=rating"
    flags = [f"--data={file}", "--segment_column=country", "--segment=NL"]
    with pytest.raises(UsageError, match=r"known by time.*time=NAME"):
        request(*flags, columns)
    rows = own_tables.frame(rows=600)
    few = own_tables.write(tmp_path / "few.csv", rows.assign(item=rows.item % 8 + 1))
    file = own_tables.write(tmp_path / "more.csv", rows)
    with pytest.raises(UsageError, match=r"more than 10 movies.*Received: 'NL' with 8"):
        request(f"--data={few}", *flags[1:], f"{columns},time=time")
    (task,) = request(f"--data={file}", *flags[1:], f"{columns},time=time").tasks
    assert (task.name, task.kind) == ("NL", "segment")
