"""Tests of what a report says of image tasks: CKA, the paper's tables, classes."""

import re
import xml.etree.ElementTree as ElementTree
from dataclasses import replace

import numpy as np
import pytest

from study_rows import CLASSES, STATES, make_image_rows, make_row
from tdrec.report.document import Document
from tdrec.report.section import make_sections
from tdrec.studies.metric import ACCURACY
from tdrec.tasks import image_report
from tdrec.tasks.paper_tables import IMAGE_DATA, IMAGE_SCRATCH, IMAGE_TABLES

ACCURACIES = {"Scratch": 0.5, "TD without L_SC": 0.525, "TD with noise": 0.475}


def report(rows):
    """The section, and what is added to it as Markdown and as HTML."""
    (section,) = make_sections(rows, ACCURACY)
    document = Document("Images", image_report.parts(section))
    return section, document.to_markdown(), document.to_html()


def table_of(text, start):
    table = re.search(r"(?:^\|.*\n)+", text[text.index(start) :], flags=re.M)[0].splitlines()
    return [[x.strip() for x in line.split("|")[1:-1]] for line in table]


def texts(svg):
    root = ElementTree.fromstring(svg.replace("xlink:href", "href"))
    return ["".join(each.itertext()) for each in root.iter() if each.tag.endswith("text")]


def test_alignment_is_the_mean_over_runs_and_then_over_classes():
    rows = make_image_rows(("cifar10",), ("Scratch", "FD", "TD k=2"), 3, classes=CLASSES[:2])
    _, text, page = report(rows)
    table = table_of(text, "| Mean over classes")
    assert table[0][1:] == list(STATES) and [line[0] for line in table[2:]] == ["FD", "TD k=2"]
    for line in table[2:]:
        runs = [row.details["cka"] for row in rows if row.label == line[0]]
        for state, shown in zip(STATES, line[1:], strict=True):
            of_classes = [np.mean([cka[x][state][state] for cka in runs]) for x in CLASSES[:2]]
            assert float(shown) == pytest.approx(np.mean(of_classes), abs=0.0051)
    svgs = re.findall(r"<svg.*?</svg>", page, flags=re.S)
    assert len(svgs) == 3 and page.index("<details>") > page.index(svgs[1])
    means, td, fd = map(texts, svgs)
    assert {"FD", "TD k=2", "CKA", "student", "teacher", *STATES} <= set(means)
    assert set(CLASSES[:2]) <= set(td) & set(fd) and "CKA of TD k=2" in svgs[1]
    assert sum(bool(re.fullmatch(r"[01]\.\d\d", x)) for x in td) == 2 * 3 * 3


def test_what_was_not_measured_is_a_dash_and_no_zero():
    cka = {"a": {"low": {"low": 0.25, "high": None}}, "b": {"low": {"low": None, "high": 0.75}}}
    more = {"c": {"only": {"high": 1.0}}}
    rows = [
        make_row("cifar10", "TD k=2", s, 0.5, "accuracy", details={"cka": x})
        for s, x in enumerate((cka, cka, more, None))
    ]
    _, text, page = report(rows)
    assert table_of(text, "| Mean over classes")[2:] == [["TD k=2", "0.25"]]
    _, by_class = map(texts, re.findall(r"<svg.*?</svg>", page, flags=re.S))
    assert by_class.count("–") == 12 - 3 and {"0.25", "0.75", "1.00"} <= set(by_class)
    bare = [replace(row, details={"classes": ["x"]}) for row in rows]
    assert "How alike" not in report(bare)[2] and "1: x" in report(bare)[1]


def test_maps_have_one_scale_from_the_page_to_the_heat():
    values = np.array([[0.0, 0.5], [1.0, np.nan]])
    maps = {f"map {i}": values for i in range(4)}
    draw = ("student " * 5, "b"), ("low", "high"), "cka", "Title"
    svg = image_report.alignment_maps(maps, *draw)
    assert svg == image_report.alignment_maps(maps, *draw)
    assert "<image" not in svg and svg.count("fill: var(--heat); fill-opacity: 0.5") >= 4
    found = texts(svg)
    assert found.count("0.50") == found.count("–") == 4 and "student stud… student " in found


def test_classes_are_listed_by_task():
    names = [str(i) for i in range(100)]
    rows = [
        make_row("cifar100", "LD", 0, 0.5, "accuracy", details={"classes": names}),
        make_row("cifar10", "LD", 0, 0.5, "accuracy", details={"classes": ["living", "not"]}),
    ]
    _, text, _ = report(rows)
    assert "| cifar10 | 2: living, not |" in text and "| cifar100 | 100: 0, 1, " in text
    assert ", 19, … |" in text and ", 20" not in text


def test_the_papers_figures_stand_beside_its_data_sets_only():
    for tasks, shown in ((("cifar10:living",), False), (("imagenet2012",), True)):
        _, text, _ = report(make_image_rows(tasks, without_labels=(), classes=()))
        assert ("Beside the paper" in text) == shown
    methods = {"Scratch": "scratch"}
    rows = [
        make_row(
            "cifar10", x, 0, value, "accuracy", method=methods.get(x, "td"), variant=x[0] == "T"
        )
        for x, value in ACCURACIES.items()
    ]
    _, text, _ = report(rows)
    table = table_of(text, "### Table 9")
    lines = {line[0]: line[1:] for line in table}
    assert lines["No L\\_SC"] == ["_0.94069 (+0.00391)_", "0.5250 (+0.0250)"]
    assert lines["Add noise"] == ["_0.94089 (+0.00411)_", "0.4750 (−0.0250)"]
    assert lines["No noise"] == ["_0.94100 (+0.00422)_", "–"]
    assert "Table 4" not in text and "Table 6" not in text and "ViT-B/32" in text


def test_marks_beside_the_paper_are_verdicts():
    section, text, _ = report(make_image_rows(("cifar10",), without_labels=(), classes=()))
    table = {line[0]: line[2] for line in table_of(text, "| Row of the paper")}
    for name, label in (("FD", "FD"), ("LD", "LD"), ("TD", "TD k=2")):
        compared = section.versus["scratch"]["cifar10", label]
        mark = {"worse": " ▼", "unclear": " ≈"}.get(compared.verdict, "")
        gain = f"{compared.difference.value:+.4f}".replace("-", "−")
        assert table[name] == f"{section.value('cifar10', label).mean:.4f}{mark} ({gain})"


# The paper's figures -----------------------------------------------------------------------


def test_image_tables_name_what_repeats_their_rows_and_have_each_data_set():
    assert [table.number for table in IMAGE_TABLES] == [4, 6, 9]
    for table in IMAGE_TABLES:
        assert set(table.ours) <= set(table.rows)
        assert all(len(line) == len(IMAGE_DATA) for line in table.rows.values())


def test_image_tables_end_with_the_same_td_and_begin_with_no_better():
    methods, rounds, ablations = (np.array(list(t.rows.values())) for t in IMAGE_TABLES)
    assert methods[0].tolist() == list(IMAGE_SCRATCH)
    np.testing.assert_array_equal(methods[-1], rounds[-1])
    np.testing.assert_array_equal(methods[-1], ablations[-1])
    for table in (methods, rounds, ablations):
        np.testing.assert_array_equal(table[-1], table.max(0))


@pytest.mark.parametrize(
    ("line", "printed"),
    [
        ("LD", (0.03, 1.86, -0.21)),
        ("FD", (-0.12, -0.08, -0.14)),
        ("FitNet", (-0.09, 0.53, 0.29)),
        ("Hybrid", (0.23, 1.94, 0.02)),
        ("TD", (0.45, 2.41, 2.56)),
    ],
)
def test_table_4_gives_the_improvements_of_table_1(line, printed):
    scratch = np.array(IMAGE_SCRATCH)
    improvements = 100 * (np.array(IMAGE_TABLES[0].rows[line]) - scratch) / scratch
    np.testing.assert_allclose(improvements, printed, atol=0.011)
