"""Tests of whole reports: what stands where, and that they are written whole or not at all."""

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import pytest

from made_reports import ABOUT, LABELS, read, small
from report_pages import check_balance, markdown_tables
from study_rows import GENRES, make_row
from tdrec.report import write_report
from tdrec.report.choices import choices
from tdrec.report.document import Part, Text
from tdrec.report.section import make_sections
from tdrec.studies.metric import ACCURACY, RMSE
from toy_task import ToyTask


def test_every_section_and_all_that_reproduces_it_is_there(rows, pages):
    for page in pages[:2]:
        at = [page.rindex(title) for title in ("Paper preset", "Strong preset")]
        for text in ("Two cores.", "tdrec study table3", "ab" * 32, "abc1234", "3.11.7", "0, 1"):
            assert text in page
        for text in ("Rows tied at the cut", "2,000 times", "Settings of Bias", "64 runs"):
            assert text.replace("64", str(len(rows))) in page
        assert f"Unfinished: {len(rows)} of 70 runs are there." in page
        assert min(at) > page.index("At a glance") > page.index("Unfinished")
        assert page.index("What was not shown") < page.index("How to read the numbers")
    assert all(title in pages[1] for title in ("# Strong preset: 10% of the rows", "### RMSE by"))


def test_the_page_is_well_formed_and_needs_nothing_from_the_network(pages):
    tags = check_balance(pages[0])
    assert not {"script", "link", "img", "iframe"} & set(tags)
    assert not re.search(r'(src|href)="(?!#)', pages[0]) and "@import" not in pages[0]
    svgs = set(re.findall(r"<svg.*?</svg>", pages[0], flags=re.S))  # what is equal has equal ids
    rest = re.sub(r"<svg.*?</svg>", "", pages[0], flags=re.S)
    ids = re.findall(r'\bid="([^"]+)"', rest + "".join(svgs))
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'href="#([^"]+)"', pages[0])) <= set(ids)
    assert "prefers-color-scheme: dark" in pages[0] and "width=device-width" in pages[0]
    assert tags.count("svg") == 3 * 6  # two differences and variants, rounds, curves and costs
    assert "nan" not in rest.lower()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"simulated": True}, "Simulated data: these numbers say nothing about real data."),
        ({"warnings": ["The file is old."]}, "The file is old."),
        ({"sha256": "ef", "name": "ML-1M"}, "The rows of a come from different data sets: ML-1M"),
        ({}, None),
    ],
)
def test_warnings_come_before_every_claim(changes, message):
    rows = [make_row("a", label, 0, 0.5, "accuracy") for label in ("Scratch", "LD", "FD")]
    rows = [rows[0], *(replace(row, data=replace(row.data, **changes)) for row in rows[1:])]
    for page in read(rows, metric=ACCURACY)[:2]:
        assert page.count(message or "Warning") == bool(message)
        assert not message or page.index(message) < page.index("Scratch is a student without")


def test_tasks_may_be_of_different_data_sets():
    rows = [make_row(x, "LD", 0, 0.5, "accuracy") for x in ("cifar10", "cifar100")]
    rows[1] = replace(rows[1], data=replace(rows[1].data, name="cifar100", sha256="ef" * 32))
    for page in read(rows, metric=ACCURACY)[:2]:
        assert "Warning" not in page and "cd" * 32 in page and "ef" * 32 in page


@pytest.mark.parametrize("label", ["Scratch", "Teacher", "TD k=2"])
def test_one_row_makes_a_report(label):
    html, markdown, lines = read([make_row("a", label, 0, 0.5, "accuracy")], metric=ACCURACY)
    check_balance(html)
    assert "0.5000" in html and "| 0.5000 |" in markdown and "None" not in html + markdown
    assert [line["accuracy"] for line in lines] == ["0.5"] and "At a glance" not in markdown


def test_text_from_rows_and_command_is_escaped():
    evil = "<script>alert('$x$')</script>|\n# "
    data = replace(make_row().data, name=evil, sha256=evil, warnings=[evil], facts={evil: evil})
    changes = {"preset": evil, "setting": evil, "git": evil, "study": evil, "tuned": {evil: evil}}
    changes |= {"config": {evil: evil}, "versions": {evil: evil}, "data": data}
    rows = small(("Scratch", "LD"), seeds=1, users=12, **changes)
    rows = [replace(row, task=evil + row.task, label=evil + row.label) for row in rows]
    html, markdown, _ = read(rows, title=evil, command=f"run {evil} ```", notes=[evil])
    assert "script" not in check_balance(html) and html.count("&lt;script&gt;") > 30
    unfenced = re.sub(r"(?ms)^(`{3,})$.*?^\1$", "", markdown)
    assert "<script" not in unfenced and "&lt;script&gt;" in unfenced
    assert markdown_tables(markdown) and "\n# \n" not in unfenced


def test_a_kind_of_task_adds_parts_and_means(rows):
    class Own(ToyTask):
        @classmethod
        def parts(cls, section):
            return [Part("Own part", [Text(f"of {section.title}", note=False)])]

        @classmethod
        def summary_parts(cls, sections):
            return [Part("Summary part", [Text(f"{len(sections)} sections", note=False)])]

        @classmethod
        def means(cls, rows):
            return {"Mean of the two": list(GENRES[1::-1])} if rows[0].preset == "strong" else {}

    page, markdown, lines = read(rows, task=Own)
    for text in (page, markdown):
        assert text.count("Own part") == 3 and "of Strong preset: 10% of the rows" in text
        assert "3 sections" in text
    extra = [line for line in lines if line["task"] == "Mean of the two"]
    assert len(extra) == 2 * len(LABELS) and {line["preset"] for line in extra} == {"strong"}


def test_tuned_values_are_shown_once_for_tasks_that_share_them():
    rows = [make_row(x, "LD", 0, 0.5, "accuracy", tuned={"rate": 0.1, "steps": 20}) for x in "ab"]
    rows += [make_row(x, "FD", 0, 0.5, "accuracy", tuned={"rate": 0.1 + (x == "b")}) for x in "ab"]
    table = next(t for t in markdown_tables(read(rows, metric=ACCURACY)[1]) if "rate" in t[0])
    assert table[1:] == [
        ["LD", "all", "0.1", "20"],
        ["FD", "a", "0.1", "–"],
        ["FD", "b", "1.1", "–"],
    ]


def test_settings_that_labels_share_are_printed_once(pages):
    assert pages[1].count("<details><summary>Settings of ") == 3  # without, with 1 and 2 rounds


def validated(factors):
    """Rows whose students' errors on validation rows are the factor times those of all."""
    rows = small(("Scratch", "LD", "TD k=2"), validation=True, users=40)
    base = {row.task: row.validation["units"] for row in rows}
    found = []
    for row in rows:
        units = base[row.task]
        sums = [factors[row.label] ** 2 * n for n in units["rows"]]
        validation = {"value": factors[row.label], "units": units | {"sums": sums}}
        found.append(replace(row, validation=validation))
    return found


def test_auto_takes_what_is_shown_to_be_better_on_validation_rows():
    for factors, label in (
        ({"Scratch": 1.0, "LD": 0.9, "TD k=2": 0.95}, "LD"),
        ({"Scratch": 1.0, "LD": 1.1, "TD k=2": 1.05}, "Scratch"),
    ):
        rows = validated(factors)
        (section,) = make_sections(rows, RMSE)
        found = choices(section)
        assert [(x.task, x.label) for x in found] == [("Drama", label), ("Comedy", label)]
        for x in found:
            means = {s.name: section.value(x.task, s.name).mean for s in section.students}
            assert x.best == min(means, key=means.get)
            assert x.value == means[label] and x.difference == means[label] - means["Scratch"]
            assert x.regret == means[label] - means[x.best] >= 0
        html, markdown, lines = read(rows)
        assert "The method chosen by validation" in html
        assert [(x["task"], x["label"]) for x in lines if x["auto"]] == [
            (x.task, label) for x in found
        ]
        table = next(t for t in markdown_tables(markdown) if "Chosen" in t[0])
        assert [line[1] for line in table[1:]] == [label, label, "–"]
    missing = [replace(row, validation=None) if row.label == "LD" else row for row in rows]
    assert choices(make_sections(missing, RMSE)[0]) == []
    assert "chosen by validation" not in read(missing)[0]


def test_the_same_rows_give_the_same_bytes(tmp_path):
    rows = small(("Scratch", "TD k=2"), users=12)
    first = write_report(tmp_path / "a", rows, **ABOUT)
    second = write_report(tmp_path / "b", small(("Scratch", "TD k=2"), users=12), **ABOUT)
    for one, other in zip(first, second, strict=True):
        assert one.read_bytes() == other.read_bytes()


@pytest.mark.parametrize("broken", ["Document.to_html", "Document.to_markdown", "to_csv"])
def test_a_failure_leaves_the_old_report(tmp_path, broken):
    paths = write_report(
        tmp_path, [make_row("a", "LD", 0, 0.5, "accuracy")], **ABOUT | {"metric": ACCURACY}
    )
    old = [path.read_bytes() for path in paths]
    fails = patch(f"tdrec.report.report.{broken}", side_effect=RuntimeError("broken"))
    with fails, pytest.raises(RuntimeError, match="broken"):
        write_report(
            tmp_path, [make_row("b", "FD", 0, 0.6, "accuracy")], **ABOUT | {"metric": ACCURACY}
        )
    assert [path.read_bytes() for path in paths] == old
    assert len(list(tmp_path.iterdir())) == 3


def test_importing_it_is_cheap():
    heavy = "{'matplotlib', 'jinja2', 'tensorflow', 'keras', 'pandas', 'scipy'}"
    modules = "tdrec.report, tdrec.tasks.genre_report, tdrec.tasks.image_report"
    code = f"import sys, {modules}; sys.exit(str(set(sys.modules) & {heavy} or ''))"
    folder = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=folder)
    assert done.stderr.strip() == ""
