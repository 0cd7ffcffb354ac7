"""Tests of a study's pages; numbers, sentences and plots have files of their own."""

import copy
import csv
import io
import re
import subprocess
import sys

import pytest

from result_rows import make_study_rows
from tdrec import study_report
from tdrec.paper_tables import PAPER_TABLE_1, PAPER_TABLE_2
from tdrec.study_summary import MEAN, summarise_study

LABELS = ("Bias", "Teacher", "Scratch", "LD", "TD k=2")
ABOUT = {"command": "python -m tdrec.study table3", "title": "Table 3", "notes": ["Two cores."]}


def rows_of(labels=LABELS, **changes):
    return make_study_rows(labels, **{"genres": 2, "seeds": 2, "users": 40} | changes)


@pytest.fixture(scope="module")
def study():
    rows = rows_of(regime="paper") + rows_of(generator=1)
    rows += rows_of(generator=2, setting="10% of the rows")
    return summarise_study(rows)


@pytest.fixture(scope="module")
def pages(study):
    return study_report.to_markdown(study, **ABOUT), study_report.to_html(study, **ABOUT)


def test_pages_have_every_section_and_say_how_to_reproduce(study, pages):
    for page in pages:
        for section in study.sections:
            assert section.title in page
        for text in ("What was not shown", "python -m tdrec.study table3", "ab" * 32, "abc1234"):
            assert text in page
        for text in ("Two cores.", "2,000 resamples", "0.003", "0, 1", "3.11.7"):
            assert text in page
        assert "LD is better than scratch" in page or "No difference between LD and scratch" in page


def test_claims_come_before_the_evidence(pages):
    for page in pages:
        start = page.index("Strong regime", page.index("At a glance"))
        assert page.index("in the mean over 2 genres", start) < page.index("RMSE by genre", start)


def test_the_page_needs_nothing_from_the_network(pages):
    html = pages[1]
    assert not re.search(r"<(script|link|img|iframe)\b", html)
    assert not re.search(r'(src|href)="(?!#)', html)
    ids = re.findall(r'\bid="([^"]+)"', html)
    links = set(re.findall(r'href="#([^"]+)"', html))
    assert links <= set(ids)
    assert {"section-1", "section-2", "section-3", "not-shown", "reproduce"} <= set(ids)


def test_plots_of_different_sections_share_no_ids(pages):
    svgs = re.findall(r"<svg.*?</svg>", pages[1], flags=re.DOTALL)
    assert len(svgs) == 3 * 4 + 2  # two differences, curves and costs; two of shares
    different = set(svgs)
    ids = [set(re.findall(r'\bid="([^"]+)"', svg)) for svg in different]
    assert sum(len(found) for found in ids) == len(set().union(*ids))


def split_cells(line):
    return re.split(r"(?<!\\)\|", line)[1:-1]


def test_every_line_of_a_markdown_table_has_the_cells_of_its_header(pages):
    tables = re.findall(r"(?:^\|.*\n)+", pages[0], flags=re.M)
    assert len(tables) == 2 + 3 * 7
    for table in tables:
        lines = table.splitlines()
        assert re.fullmatch(r"\|( -+:? \|)+", lines[1])
        assert len({len(split_cells(line)) for line in lines}) == 1


def test_the_csv_has_a_line_for_each_place_and_label(study):
    text = study_report.to_csv(study)
    lines = list(csv.DictReader(io.StringIO(text)))
    assert tuple(lines[0]) == study_report.CSV_FIELDS
    assert len(lines) == 3 * (2 + 1) * len(LABELS)
    for section in study.sections:
        for line in lines:
            if (line["regime"], line["setting"]) != (section.regime, section.setting):
                continue
            place, label = line["genre"], line["label"]
            duel = section.scratch.get(label, {}).get(place)
            if duel:
                comparison = duel.comparison
                assert float(line["scratch_low"]) == pytest.approx(
                    comparison.difference.low, rel=1e-5
                )
                assert line["scratch_verdict"] == comparison.verdict
                assert float(line["improvement_percent"]) == pytest.approx(
                    comparison.improvement.value, rel=1e-5
                )
                assert line["best_other"] == section.best[label][place].other
            else:
                assert line["scratch_low"] == line["best_other"] == ""
            assert line["train_seconds"]
            if place == MEAN:
                total = section.summary.totals[label]
                assert float(line["rmse"]) == pytest.approx(total.rmse, rel=1e-5)
                assert line["seeds"] == line["rmse_cold"] == ""
            else:
                cell = next(x for x in section.summary.genres if x.name == place).cells[label]
                assert float(line["rmse"]) == pytest.approx(cell.rmse, rel=1e-5)
                assert float(line["rmse_warm"]) == pytest.approx(cell.rmse_warm, rel=1e-5)
                assert line["seeds"] == str(cell.n)


@pytest.mark.parametrize(
    ("name", "labels", "text"),
    [
        ("table3", ("Scratch", "LD", "TD k=2"), "paper's Genre 8"),
        ("table5", ("Scratch", "TD k=0", "TD k=1"), "The paper's Table 5: rounds of interaction"),
        ("table7", ("Scratch", "TD k=2"), "The paper's Table 7: without a consistency loss"),
        ("table8", ("Scratch", "TD k=2"), "Train E, D separately | 1.0008"),
    ],
)
def test_the_papers_table_stands_beside_ours(name, labels, text):
    rows = rows_of(labels, study=name, genres=8, seeds=1)
    markdown = study_report.to_markdown(summarise_study(rows), **ABOUT)
    assert text in markdown and "The paper does not name its genres" in markdown
    for row in rows:
        row["data"] = {"name": "simulated"}
    simulated = study_report.to_markdown(summarise_study(rows), **ABOUT)
    assert text not in simulated and "does not name its genres" not in simulated
    assert "Simulated data" in simulated


@pytest.mark.parametrize(
    ("name", "labels", "figures"),
    [
        ("table3", ("Scratch", "LD", "TD k=2"), [PAPER_TABLE_1["ld"], PAPER_TABLE_1["td"]]),
        ("table2", ("Scratch", "TD k=0", "TD k=3"), [PAPER_TABLE_2[0], PAPER_TABLE_2[3]]),
        ("table7", ("Scratch", "TD k=2"), []),
    ],
)
def test_dense_and_sparse_stand_beside_tables_1_and_2(name, labels, figures):
    rows = rows_of(labels, study=name, genres=8, seeds=1)
    markdown = study_report.to_markdown(summarise_study(rows), **ABOUT)
    start = markdown.index("### Densest genre and four sparsest")
    table = markdown[start : markdown.index("###", start + 4)]
    found = re.findall(r"_\+(\d\.\d\d)\u00a0%_", table)
    assert found == [f"{value:.2f}" for pair in figures for value in pair]


def test_variants_stand_beside_their_methods_default():
    found = summarise_study(rows_of(("Scratch", "TD k=1", "TD k=2"), study="table5"))
    (section,) = found.sections
    markdown, html = study_report.to_markdown(found, **ABOUT), study_report.to_html(found, **ABOUT)
    start = markdown.index("### Difference between variants and their method's default")
    table = markdown[start : markdown.index("###", start + 4)]
    assert "| Genre | TD k=1 |" in table and "TD k=2 |\n" in table
    assert html.count("<svg") == 5 + 1 and 'id="default-' in html
    lines = list(csv.DictReader(io.StringIO(study_report.to_csv(found))))
    for line in lines:
        duel = section.default.get(line["label"], {}).get(line["genre"])
        assert line["default"] == ("TD k=2" if duel else "")
        if duel:
            low = duel.comparison.difference.low
            assert float(line["default_low"]) == pytest.approx(low, rel=1e-5)
    assert sum(line["default"] != "" for line in lines) == 3


def test_text_from_rows_and_command_is_escaped():
    evil = "<script>alert('$x$')</script>"
    rows = rows_of(("Scratch", "LD"), genres=1, seeds=1, users=20)
    for row in rows:
        row |= {"genre": evil, "label": evil + row["label"], "regime": evil, "setting": evil}
        row |= {"git": evil, "config": {evil: evil}, "versions": {evil: evil}, "study": evil}
        row["tuned"] = {evil: evil}
        row["data"] |= {"name": evil, "sha256": evil, "warnings": [evil]}
    found = summarise_study(rows)
    about = {"command": f"run {evil}", "title": evil, "notes": [evil]}
    html = study_report.to_html(found, **about)
    assert "<script" not in html and html.count("&lt;script&gt;") > 10
    markdown = study_report.to_markdown(found, **about)
    assert "<script" not in re.sub(r"(?ms)^(`{3,})$.*?^\1$", "", markdown)


def test_an_unfinished_study_says_so_and_shows_what_there_is():
    rows = [row for row in rows_of() if (row["genre"], row["label"]) != ("Comedy", "LD")]
    found = summarise_study(rows)
    for page in (study_report.to_markdown(found, **ABOUT), study_report.to_html(found, **ABOUT)):
        assert "Unfinished study: 1 of 10" in page
    lines = list(csv.DictReader(io.StringIO(study_report.to_csv(found))))
    (missing,) = (x for x in lines if (x["genre"], x["label"]) == ("Comedy", "LD"))
    assert missing["rmse"] == missing["params"] == ""


def test_a_diverged_run_makes_a_report():
    rows = rows_of()
    rows[3] |= {"rmse": None, "rmse_cold": None, "rmse_warm": None, "by_user": None}
    found = summarise_study(rows)
    markdown = study_report.to_markdown(found, **ABOUT)
    assert "diverged" in markdown and "nan" not in markdown
    assert "nan" not in study_report.to_csv(found)
    assert "diverged" in study_report.to_html(found, **ABOUT)


def test_a_study_of_baselines_alone_makes_a_report():
    found = summarise_study(rows_of(("Bias", "Scratch"), seeds=1, users=20))
    for page in (study_report.to_markdown(found, **ABOUT), study_report.to_html(found, **ABOUT)):
        assert "Scratch is the student without distillation." in page


def test_the_same_rows_give_the_same_bytes_and_are_left_alone(tmp_path):
    rows = rows_of(users=20)
    before = copy.deepcopy(rows)
    first = study_report.write_study_report(tmp_path / "a", rows, **ABOUT)
    second = study_report.write_study_report(tmp_path / "b", before, **ABOUT)
    assert rows == before
    assert [path.name for path in first] == ["report.html", "report.md", "report.csv"]
    for one, other in zip(first, second, strict=True):
        assert one.read_bytes() == other.read_bytes()


def test_a_failure_leaves_the_old_report(tmp_path, monkeypatch):
    rows = rows_of(users=20, genres=1)
    paths = study_report.write_study_report(tmp_path, rows, **ABOUT)
    old = [path.read_bytes() for path in paths]
    monkeypatch.setattr("tdrec.study_report.to_csv", lambda study: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        study_report.write_study_report(tmp_path, rows, command="new", title="new")
    assert [path.read_bytes() for path in paths] == old
    assert len(list(tmp_path.iterdir())) == 3


@pytest.mark.parametrize("module", ["study_report", "study_plots"])
def test_importing_the_module_is_cheap(module):
    heavy = "{'matplotlib', 'jinja2', 'tensorflow', 'keras', 'pandas'}"
    code = f"import sys, tdrec.{module}; sys.exit(str(set(sys.modules) & {heavy} or ''))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stderr.strip() == ""
