"""`tdrec.describe`: from a table to a file that says what is in it, and on to a plan."""

import pytest

from tdrec.cli.describe import main
from tdrec.cli.options import read_options
from tdrec.data import simulate_table


@pytest.fixture
def clicks(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    simulate_table("clicks.csv", rows=1_000)
    return tmp_path


def test_it_writes_a_file_to_start_from(clicks, capsys):
    assert main(["describe", "clicks.csv"], "About.") == 0
    shown = capsys.readouterr().out
    assert "Rows: 1,000" in shown and "--data=clicks.toml --segment=NL" in shown
    table = read_options("run", ["run", "--data=clicks.toml", "--split=random"]).table
    assert (table.user, table.item, table.target) == ("member", "offer", "clicked")
    assert (table.segment, table.time, table.kind) == ("country", "time", "binary")
    assert table.split.by == "random"
    assert "device, price, text" in (clicks / "clicks.toml").read_text()


def test_paths_are_as_seen_from_the_file(clicks, capsys):
    (clicks / "deep").mkdir()
    assert main(["describe", "clicks.csv", "--out=deep/mine.toml"], "") == 0
    assert 'rows = "../clicks.csv"' in (clicks / "deep" / "mine.toml").read_text()
    assert read_options("run", ["run", "--data=deep/mine.toml"]).table.label == "clicks"


def test_what_is_there_is_not_written_over(clicks, capsys):
    (clicks / "clicks.toml").write_text("mine")
    assert main(["describe", "clicks.csv"], "") == 2
    assert "must be a new file" in capsys.readouterr().err
    assert (clicks / "clicks.toml").read_text() == "mine"


def test_one_table_is_named(clicks, capsys):
    assert main(["describe"], "") == 2 and main(["describe", "a.csv", "b.csv"], "") == 2
    assert main(["describe", "none.csv"], "") == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3 and "A table must exist" in lines[2]


def test_columns_that_are_not_found_are_named(clicks, capsys):
    (clicks / "odd.csv").write_text("who,what,much,where\n1,2,3,4\n")
    assert main(["describe", "odd.csv"], "") == 0
    assert "No column was found for: user, item, target, segment" in capsys.readouterr().out


def test_help(capsys):
    assert main(["describe", "--help"], "About tables.") == 0
    assert "About tables." in (shown := capsys.readouterr().out) and "--items" in shown
