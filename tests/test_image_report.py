"""Tests of the pages of image tasks and of their CSV; numbers and plots have files of their own."""

import copy
import csv
import io
import math
import re
import subprocess
import sys

import pytest

from image_rows import CIFAR10, make_image_row, make_image_rows
from tdrec import image_report
from tdrec.image_summary import summarise_images, t_quantile

NOTE = "LD and Hybrid have no rows on cifar10:living: the teacher lacks its labels."


def pages(rows, command="run", notes=(), **options):
    summary = summarise_images(rows)
    options |= {"command": command, "notes": notes}
    return (
        image_report.to_markdown(summary, rows, **options),
        image_report.to_html(summary, rows, **options),
    )


def lines_of(rows):
    return list(csv.DictReader(io.StringIO(image_report.to_csv(summarise_images(rows)))))


@pytest.fixture(scope="module")
def rows():
    """Without curves and CKA, of which plots are made."""
    return [row | {"curve": None} for row in make_image_rows(classes=())]


@pytest.fixture(scope="module")
def both():
    return pages(make_image_rows(classes=CIFAR10[:2]), "python images.py --seeds=5", [NOTE])


def test_the_pages_have_every_part(both):
    markdown, html = both
    for page in both:
        for text in (
            *("Accuracy by task", "TD k=2 minus each of the others", "Difference from scratch"),
            *("How alike student and teacher are", "Size and training time", "How to reproduce"),
            *("Table 4: all methods", "Table 6: rounds of interaction", NOTE, "ViT-B/32"),
            *("python images.py --seeds=5", "ab" * 32, "0, 1, 2, 3, 4", "abc1234", "0.1.0"),
            *("Common tasks:", "where it has the task", "TD k=2 is better than scratch"),
        ):
            assert text in page or text.replace("'", "’") in page, text
        assert "Warning" not in page and "genre" not in page.lower() and "RMSE" not in page
    assert html.count("<svg") == 2 + 2 + 1 + 3 * (1 + 3)
    assert "Table 9" not in markdown  # of which no ablation is repeated


def test_every_line_of_a_markdown_table_has_the_cells_of_its_header(both):
    tables = re.findall(r"(?:^\|.*\n)+", both[0], flags=re.M)
    assert len(tables) == 1 + 3 + 3 + 1 + 2 + 1
    for table in tables:
        lines = table.splitlines()
        assert re.fullmatch(r"\|( -+:? \|)+", lines[1]) or lines[0] == "| | |"
        assert len({len(re.split(r"(?<!\\)\|", line)) for line in lines}) == 1


def test_the_page_needs_nothing_from_the_network(both):
    _, html = both
    assert not re.search(r"<(script|link|img|iframe)\b", html)
    assert not re.search(r'(src|href)="(?!#)', html)
    assert "@import" not in html and "url(" not in re.sub(r"url\(#[^)]*\)", "", html)
    assert "prefers-color-scheme: dark" in html


def test_text_from_rows_and_command_is_escaped():
    evil = "<script>alert('$x$')</script>"
    rows = [
        make_image_row(
            evil,
            label,
            seed,
            0.5 + 0.01 * seed,
            method=method,
            classes=[evil],
            cka={evil: {evil: {evil: 0.5}}},
            git=evil,
            config={evil: evil},
            versions={evil: evil},
            data={"name": evil, "sha256": evil, "warnings": [evil]},
        )
        for label, method in (("Scratch", "scratch"), (evil, "td"), ("FD", "fd"))
        for seed in (0, 1)
    ]
    markdown, html = pages(rows, f"run {evil} ```", [evil], title=evil)
    assert "<script" not in html and html.count("&lt;script&gt;") > 20
    unfenced = re.sub(r"(?ms)^(`{3,})$.*?^\1$", "", markdown)
    assert "<script" not in unfenced and "&lt;script&gt;" in unfenced


@pytest.mark.parametrize("accuracy", [None, math.nan])
def test_a_diverged_run_is_shown(accuracy):
    rows = make_image_rows(("a", "b"), ("Scratch", "FD"), seeds=2, without_labels=())
    rows[-1]["accuracy"] = accuracy
    markdown, html = pages(rows)
    assert "Runs diverged on b." in markdown and "| diverged |" in markdown
    assert "diverged" in html and "nan" not in markdown
    last = [line for line in lines_of(rows) if line["label"] == "FD" and line["task"] == "b"]
    assert [line["accuracy"] for line in last] == [""]


def test_one_seed_is_marked_as_no_difference():
    markdown, html = pages(make_image_rows(("a",), ("Scratch", "FD", "TD k=2"), seeds=1))
    assert "can be shown on a by one seed" in html
    assert re.search(r"\| FD \| [+−]0\.\d{4} ≈ \|\n", markdown)


def test_rows_of_the_least_content_make_a_report():
    bare = {"task": "a", "accuracy": 0.5, "n_train": 1, "n_test": 1}
    rows = [bare | {"method": method, "label": method} for method in ("fd", "scratch")]
    for page in pages(rows):
        assert "None" not in re.sub(r"<svg.*?</svg>", "", page, flags=re.S)
    (row,) = rows[:1]
    assert "not yet compared with scratch" in pages([row])[0]


def test_missing_runs_are_a_warning_unless_the_teacher_lacks_the_labels(rows):
    unfinished = [r for r in rows if (r["label"], r["seed"]) != ("FD", 3)]
    unfinished = [r for r in unfinished if (r["task"], r["label"]) != ("cifar100", "LD")]
    for page in pages(unfinished):
        assert (
            "Unfinished: fewer runs than the others, which have 5: FD on cifar10 (4), FD on "
            "cifar10:living (4), LD on cifar100 (0) and FD on cifar100 (4)."
        ) in page
        assert "n=4" in page


def test_talking_models_with_labels_are_not_missing_where_the_teacher_lacks_them():
    with_labels = {"methods": {"td": {"label_weight": 3.0}}}
    rows = make_image_rows(("a", "b"), ("Scratch", "TD k=2"), seeds=2)
    others = [r | {"label": "TD + LD", "config": with_labels} for r in rows if r["method"] == "td"]
    for tasks in (("a", "b"), ("a",), ("b",)):
        some = [r for r in others if r["task"] in tasks]
        assert "Unfinished" not in pages([*rows, *some])[0]
    some = [r for r in others if (r["task"], r["seed"]) != ("b", 1)]
    assert (
        "Unfinished: fewer runs than the others, which have 2: TD + LD on b (1)"
        in (pages([*rows, *some])[0])
    )


def test_warnings_of_the_data_are_said_once_and_tasks_may_differ_in_data(rows):
    other = {"name": "cifar100", "sha256": "cd" * 32, "n_train": 1, "n_test": 2}
    rows = [r | ({"data": other} if r["task"] == "cifar100" else {}) for r in rows]
    markdown, _ = pages(rows)
    assert "Warning" not in markdown and "ab" * 32 in markdown and "cd" * 32 in markdown
    rows = [r | {"data": {**r["data"], "warnings": ["Too small."]}} for r in rows]
    rows[0]["data"]["sha256"] = "ef"
    markdown, _ = pages(rows)
    assert markdown.count("Too small.") == 1
    assert markdown.count("The rows come from different data sets") == 1


def test_the_papers_figures_stand_beside_its_data_sets_only():
    for tasks, shown in ((("cifar10:living",), False), (("imagenet2012",), True)):
        rows = make_image_rows(tasks, without_labels=())
        assert [("Beside the paper" in page) for page in pages(rows)] == [shown] * 2
    labels = {"TD without L_SC": "td", "TD with noise": "td", "Scratch": "scratch"}
    rows = [make_image_row(label=label, accuracy=0.9) for label in labels]
    markdown, _ = pages(rows)
    assert "Table 9" in markdown
    assert "| No L\\_SC | _0.94069 (+0.00391)_ | 0.9000 (0.0000 ≈) |" in markdown
    assert "| No noise | _0.94100 (+0.00422)_ | – |" in markdown


def test_the_csv_has_every_accuracy_and_every_comparison_of_the_page(rows):
    lines = lines_of(rows)
    summary = summarise_images(rows)
    cells = [line for line in lines if line["accuracy"]]
    assert len(cells) == sum(len(place.cells) for place in summary.places)
    first = next(x for x in cells if (x["task"], x["label"]) == ("cifar10", "TD k=2"))
    cell = summary.places[0].cells["TD k=2"]
    assert float(first["accuracy"]) == pytest.approx(cell.accuracy, rel=1e-5)
    assert (first["seeds"], first["n_test"], first["train_seconds"]) == ("5", "10000", "61")
    compared = {(x["task"], x["label"], x["other"]): x for x in lines if x["other"]}
    line = compared["Mean of 2 common tasks", "TD k=2", "LD"]
    expected = summary.means[1].difference("TD k=2", "LD")
    assert float(line["low"]) == pytest.approx(expected.interval.low, rel=1e-5)
    assert (line["verdict"], line["pairs"]) == (expected.verdict, "5")
    assert ("cifar10", "FD", "LD") not in compared and ("cifar10", "FD", "Scratch") in compared


def test_what_is_said_of_few_seeds_is_so():
    text = " ".join(image_report.READING)
    for seeds, factor in ((2, "12.7"), (3, "4.3"), (5, "2.8")):
        assert f"{t_quantile(seeds - 1):.1f}" == factor and factor in text


def test_the_same_rows_give_the_same_bytes(tmp_path):
    rows = make_image_rows(("cifar10",), ("Scratch", "TD k=2"), seeds=2)
    before = copy.deepcopy(rows)
    first = image_report.write_image_report(rows, tmp_path / "a", "run", notes=[NOTE])
    second = image_report.write_image_report(
        copy.deepcopy(rows), tmp_path / "b", "run", notes=[NOTE]
    )
    assert rows == before
    assert [path.name for path in first] == ["report.md", "report.html", "results.csv"]
    for one, other in zip(first, second, strict=True):
        assert one.read_bytes() == other.read_bytes()
        assert not re.search(rb"[ \t]+$", one.read_bytes(), flags=re.M)


@pytest.mark.parametrize("broken", ["to_markdown", "to_html", "to_csv", "write_pages"])
def test_a_failure_leaves_the_old_report(tmp_path, monkeypatch, broken):
    paths = image_report.write_image_report([make_image_row()], tmp_path, "old")
    old = [path.read_bytes() for path in paths]

    def fail(*args, **kwargs):
        raise RuntimeError("broken")

    monkeypatch.setattr(f"tdrec.image_report.{broken}", fail)
    with pytest.raises(RuntimeError, match="broken"):
        image_report.write_image_report([make_image_row(label="LD")], tmp_path, "new")
    assert [path.read_bytes() for path in paths] == old


@pytest.mark.parametrize("module", ["image_summary", "image_claims", "image_plots", "image_report"])
def test_importing_the_module_is_cheap(module):
    heavy = "{'matplotlib', 'jinja2', 'scipy', 'tensorflow', 'keras', 'pandas'}"
    code = f"import sys, tdrec.{module}; sys.exit(str(set(sys.modules) & {heavy} or ''))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stderr.strip() == ""
