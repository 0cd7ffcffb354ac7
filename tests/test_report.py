"""Tests of the pages and of what they say; numbers and plots have files of their own."""

import copy
import math
import re
import subprocess
import sys
import time

import numpy as np
import pytest

from result_rows import LABELS, make_row, make_study
from tdrec import report
from tdrec.paper_tables import PAPER_TABLE_3
from tdrec.summary import METHODS, summarise


def pages(rows, command="python -m tdrec.run", notes=()):
    summary = summarise(rows)
    return (
        report.to_markdown(summary, rows, command, notes),
        report.to_html(summary, rows, command, notes),
    )


@pytest.mark.parametrize("rmse", [None, math.nan, math.inf])
def test_a_diverged_run_is_shown(rmse):
    rows = [make_row(label=label, seed=seed) for label in ("Scratch", "LD") for seed in (0, 1)]
    rows[-1]["rmse"] = rmse
    markdown, html = pages(rows)
    assert "diverged in 1 of 1 genre" in markdown and "diverged" in html and "nan" not in markdown


def test_pages_leave_their_rows_alone():
    rows = make_study(genres=1)
    before = copy.deepcopy(rows)
    pages(rows)
    assert rows == before


def test_what_is_said_about_the_papers_table_follows_from_it():
    table = {method: np.array([rmse for rmse, _ in row]) for method, row in PAPER_TABLE_3.items()}
    assert set(table) == set(METHODS) - {"bias"}
    assert all(row.shape == (8,) for row in table.values())
    others = np.min([table[method] for method in ("ld", "fd", "fitnet", "hybrid")], axis=0)
    assert np.sum(table["td"] < others) == 7
    assert np.sum(table["td"] < table["scratch"]) == 5
    assert "7 of 8 genres and ahead of scratch in 5" in report.PAPER_NOTE


def test_the_papers_line_stands_beside_real_genres_of_known_rank_only():
    def paper(**changes):
        rows = [make_row(**changes), make_row(label="TD k=1", **changes)]
        return summarise(rows).genres[0].paper, *pages(rows)

    line, markdown, html = paper()
    assert line["td"] == (1.0485, 0.0013)
    assert (
        "_paper's Genre 8_" in markdown and "_1.0485\u00a0±\u00a00.0013 (+4.13\u00a0%)_" in markdown
    )
    assert "paper’s Genre 8" in html and "not comparable" in html and "not comparable" in markdown
    for changes in ({"density_rank": None}, {"data": {"name": "simulated"}}, {"data": {}}):
        line, markdown, html = paper(**changes)
        assert line is None
        assert "paper's Genre" not in markdown and "paper’s Genre" not in html


def test_verdicts_count_what_the_tables_show():
    rows = []
    effects = {"Drama": -0.02, "Comedy": 0.02, "War": 0.0001}
    for genre, effect in effects.items():
        rows.append(make_row(genre, "Bias", None, rmse=0.99))
        for seed, noise in enumerate((-0.001, 0.001, 0.0)):
            rows.append(make_row(genre, seed=seed, rmse=1.0))
            rows.append(make_row(genre, "TD k=1", seed, rmse=1.0 + effect + noise))
    said = {label.name: text for label, text in report.verdicts(summarise(rows))}
    assert list(said) == ["Scratch", "TD k=1"]
    assert "loses to the bias model in 3 of 3 genres" in said["Scratch"]
    td = said["TD k=1"].replace("\u00a0", " ")
    assert "better than scratch in 1 of 3 genres, worse than scratch in 1" in td
    assert "no difference from scratch shown in 1 (mean improvement +0.00 ± 0.03 %)" in td.replace(
        "−", "+"
    )
    assert "negative transfer in Comedy;" in td
    assert "loses to the bias model in 2 of 3 genres" in td
    assert "best student in 1." in td


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"data": {"name": "simulated"}}, "Simulated data: these numbers say nothing"),
        ({"data": {"name": "x", "warnings": ["The file is old."]}}, "The file is old."),
        ({"data": {"name": "MovieLens 1M"}}, "different data sets: MovieLens 100K, MovieLens 1M"),
        ({"genre": "Drama"}, "Unfinished study: 2 of 4"),
    ],
)
def test_warnings_come_before_every_claim(changes, message):
    rows = [make_row(), make_row(label="LD", **changes)]
    for page in pages(rows):
        assert page.index(message) < page.index("the student without distillation")
    assert "Warning" not in pages([make_row(), make_row(label="LD")])[0]


def test_missing_methods_are_dashes():
    rows = [
        row for row in make_study(genres=2) if (row["genre"], row["label"]) != ("Genre-1", "LD")
    ]
    markdown, html = pages(rows)
    line = next(line for line in markdown.splitlines() if line.startswith("| Genre-1"))
    header = next(line for line in markdown.splitlines() if line.startswith("| Genre |"))
    cells = [cell.strip() for cell in line.split("|")]
    assert cells[[cell.strip() for cell in header.split("|")].index("LD")] == "–"
    assert "<td>–</td>" in html


def test_rows_of_the_least_content_make_a_report():
    rows = [
        {"genre": "War", "method": m, "label": m, "rmse": 1.0, "n_train": 1, "n_test": 1}
        for m in ("bias", "scratch")
    ]
    markdown, html = pages(rows)
    assert "None" not in markdown and "None" not in re.sub(r"<svg.*?</svg>", "", html, flags=re.S)


def split_cells(line):
    return re.split(r"(?<!\\)\|", line)[1:-1]


@pytest.mark.parametrize("genre", ["Sci-Fi", "a|b", "a\\|b\n| c | d |", "`|`"])
def test_every_line_of_a_markdown_table_has_the_cells_of_its_header(genre):
    rows = make_study(genres=2) + [make_row(genre, label, density_rank=None) for label in LABELS]
    markdown, _ = pages(rows, notes=["a | b"])
    tables = re.findall(r"(?:^\|.*\n)+", markdown, flags=re.M)
    assert len(tables) == 4
    for table in tables:
        lines = table.splitlines()
        assert re.fullmatch(r"\|( -+:? \|)+", lines[1])
        assert len({len(split_cells(line)) for line in lines}) == 1
    assert len(split_cells(tables[0].splitlines()[0])) == 2 + len(LABELS)


def test_text_from_rows_and_command_is_escaped():
    evil = "<script>alert('$x$')</script>"
    rows = [make_row(evil, label, seed) for label in ("Scratch", evil) for seed in (0, 1)]
    for row in rows:
        row["data"] |= {"name": evil, "sha256": evil, "warnings": [evil]}
        row |= {"git": evil, "config": {evil: evil}, "versions": {evil: evil}}
    markdown, html = pages(rows, command=f"run {evil} ``` ````", notes=[evil])
    assert "<script" not in html and html.count("&lt;script&gt;") > 10
    unfenced = re.sub(r"(?ms)^(`{3,})$.*?^\1$", "", markdown)
    assert "<script" not in unfenced and "&lt;script&gt;" in unfenced
    assert f"`````\nrun {evil} ``` ````\n`````\n" in markdown


def test_the_page_needs_nothing_from_the_network():
    _, html = pages(make_study(genres=2))
    assert not re.search(r"<(script|link|img|iframe)\b", html)
    assert not re.search(r'(src|href)="(?!#)', html)
    assert "@import" not in html and "url(" not in re.sub(r"url\(#[^)]*\)", "", html)
    assert "prefers-color-scheme: dark" in html


def test_the_report_says_how_to_reproduce_it():
    rows = make_study(genres=2, labels=("Scratch", "TD k=1"))
    for page in pages(rows, command="python -m tdrec.run --seeds=4", notes=["Run on two cores."]):
        for text in ("python -m tdrec.run --seeds=4", "0, 1, 2, 3", "abc1234", "0.1.0", "ab" * 32):
            assert text in page
        for text in ("1998-03-31 22:11:49 UTC", "71.1 %", "Run on two cores.", "regime", "3.11.7"):
            assert text in page
        assert "student and teacher exchange messages" in page
        assert "over seeds" in page and "FitNet: a projection" not in page


def test_the_same_rows_give_the_same_bytes(tmp_path):
    rows = make_study()
    first = report.write_report(rows, tmp_path / "a", "run", ["note"])
    second = report.write_report(copy.deepcopy(rows), tmp_path / "b", "run", ["note"])
    assert [path.name for path in first] == ["report.md", "report.html"]
    for one, other in zip(first, second, strict=True):
        assert one.read_bytes() == other.read_bytes()
        assert not re.search(rb"[ \t]+$", one.read_bytes().replace(b"\n> \n", b""), flags=re.M)


@pytest.mark.parametrize("broken", ["to_markdown", "to_html", "write_pages"])
def test_a_failure_leaves_the_old_report(tmp_path, monkeypatch, broken):
    paths = report.write_report([make_row()], tmp_path, "old")
    old = [path.read_bytes() for path in paths]

    def fail(*args, **kwargs):
        raise RuntimeError("broken")

    monkeypatch.setattr(f"tdrec.report.{broken}", fail)
    with pytest.raises(RuntimeError, match="broken"):
        report.write_report([make_row(label="LD")], tmp_path, "new")
    assert [path.read_bytes() for path in paths] == old
    assert sorted(file.name for file in tmp_path.iterdir()) == ["report.html", "report.md"]


def test_a_large_study_is_reported_within_seconds(tmp_path):
    rows = make_study(genres=8, seeds=5)
    start = time.process_time()
    report.write_report(rows, tmp_path, "run")
    assert time.process_time() - start < 4


@pytest.mark.parametrize("module", ["page", "report", "plots"])
def test_importing_the_module_is_cheap(module):
    heavy = "{'matplotlib', 'jinja2', 'tensorflow', 'keras', 'pandas'}"
    code = f"import sys, tdrec.{module}; sys.exit(str(set(sys.modules) & {heavy} or ''))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stderr.strip() == ""
