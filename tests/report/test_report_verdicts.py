"""No page of a report, nor its CSV, contradicts a comparison."""

import csv
import re
from dataclasses import replace
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from made_reports import read, small
from report_pages import markdown_tables, tables_of
from study_rows import make_image_rows
from tdrec.report.claims import OTHERS
from tdrec.report.section import make_sections
from tdrec.studies.metric import ACCURACY, RMSE

MARKS = {"better": "", "worse": "▼", "unclear": "≈", "one seed": ""}


def check_tables(rows, metric, html, markdown, lines):
    """No mark, bold figure or word of any of the three contradicts a comparison."""
    sections = make_sections(rows, metric)
    of_html, of_markdown = tables_of(html), markdown_tables(markdown)
    shown = [[[_as_markdown(cell) for cell in line] for line in table] for table in of_html]
    plain = [[[x.strip("*_").replace("\\", "") for x in line] for line in t] for t in of_markdown]
    plain = [[["" if line == [""] * 2 else x for x in line] for line in t] for t in plain]
    assert shown == [[line for line in table if any(line)] for table in plain]
    read, *of_html = of_html
    assert [line[0][0] for line in read[:3]] == ["Data", "SHA-256", "Training / evaluation rows"]
    at = 0
    if len(sections) > 1:
        for line, section in zip(of_html[0][1:], sections, strict=True):
            for name, cell in zip([x[0] for x in of_html[0][0][1:]], line[1:], strict=True):
                _check(section.overall_versus("scratch", name), cell, "improvement", 2)
        at = 1
    for section in sections:
        head, *body = of_html[at]
        names = [cell[0] for cell in head[1:]]
        assert [line[0][0] for line in body] == list(section.places)
        for line in body:
            for name, (first, second, bold) in zip(names, line[1:], strict=True):
                compared = section.versus["scratch"].get((line[0][0], name))
                mark = MARKS[compared.verdict] if compared else ""
                assert first.endswith(mark) and (mark or not re.search("[▼≈]", first))
                best = section.best(line[0][0], section.students)
                assert bold == (best.name == name and len(section.students) > 1)
                value = section.value(line[0][0], name)
                if value and value.mean is not None:
                    assert first.split()[0] == f"{value.mean:.4f}"
                elif value:
                    assert first == f"{value.diverged} of {value.runs} diverged" and not second
                else:
                    assert first == "–"
        at += 1
        for kind in (kind for kind in OTHERS if section.versus[kind]):
            head, *body = of_html[at]
            for line in body:
                for name, cell in zip([x[0] for x in head[1:]], line[1:], strict=True):
                    compared = section.versus[kind].get((line[0][0], name))
                    _check(compared, cell, "difference", metric.digits)
                    if compared and kind in ("best", "default"):
                        assert f"to {compared.other}" in cell[1]
            at += 1
        while at < len(of_html) and not of_html[at][0][0][0].startswith("Task"):
            at += 1
    by_place = {(x["preset"], x["setting"], x["task"], x["label"]): x for x in lines}
    assert len(by_place) == len(lines) == sum(len(s.places) * len(s.labels) for s in sections)
    for section in sections:
        for place in section.places:
            for label in section.labels:
                line = by_place[section.preset, section.setting, place, label.name]
                _check_line(section, place, label.name, line)


def _as_markdown(cell):
    first, second, _ = cell
    return first + (f" ({', '.join(second)})" if second else "")


def _check(compared, cell, what, digits):
    first, second, bold = cell
    if compared is None:
        assert cell == ("–", [], False)
        return
    number, *mark = first.replace(" %", "").replace("−", "-").split()
    estimate = getattr(compared, what)
    assert float(number) == pytest.approx(estimate.value, abs=0.51 * 10**-digits)
    assert "".join(mark) == MARKS[compared.verdict] and bold == (compared.verdict == "better")
    ends = [x for x in second if re.match(r"\S+( %)? to [−+0]", x)]
    assert bool(ends) == (compared.verdict != "one seed")


def _check_line(section, place, label, line):
    value = section.value(place, label)
    for name, wanted in (
        (section.metric.name, value and value.mean),
        ("seeds", value and value.runs),
    ):
        assert (line[name] == "") == (wanted is None)
        assert wanted is None or float(line[name]) == pytest.approx(wanted, rel=1e-5)
    for kind, versus in section.versus.items():
        compared = versus.get((place, label))
        assert line[f"{kind}_verdict"] == (compared.verdict if compared else "")
        assert line[kind] == (compared.other if compared else "")
        if compared:
            low, high = (line[f"{kind}_difference_{end}"] for end in ("low", "high"))
            if compared.verdict == "one seed":
                assert low == high == ""
            else:
                excludes = float(low) > 0 or float(high) < 0
                assert excludes == (compared.verdict in ("better", "worse"))
    recovered = section.recovered.get((place, label))
    assert (line["recovered"] == "") == (recovered is None)
    assert recovered is None or float(line["recovered"]) == pytest.approx(recovered.value, rel=1e-5)


def test_no_mark_contradicts_a_verdict(rows, pages):
    lines = list(csv.DictReader(pages[2].splitlines()))
    check_tables(rows, RMSE, *pages[:2], lines)
    found = {x["scratch_verdict"] for x in lines}
    assert found == {"better", "worse", "unclear", ""}  # of all kinds there is one
    assert "1 of 2 diverged" in pages[1]


@settings(max_examples=15, deadline=None)
@given(
    st.lists(st.floats(-0.1, 0.1), min_size=2, max_size=2),
    st.integers(1, 3),
    st.sets(st.integers(0, 11), max_size=2),
    st.booleans(),
)
def test_no_mark_contradicts_a_verdict_whatever_the_rows(gains, seeds, diverged, is_accuracy):
    labels, metric = ("Scratch", "LD", "TD k=2"), ACCURACY if is_accuracy else RMSE
    if is_accuracy:
        with patch.dict("study_rows.IMAGE_GAINS", {"LD": gains[0], "TD k=2": gains[1]}):
            rows = make_image_rows(("a", "b"), labels, seeds, without_labels=(), classes=())
    else:
        with patch.dict("study_rows.GAINS", {"LD": gains[0], "TD k=2": gains[1]}):
            rows = small(labels, seeds=seeds, users=12)
    for i in diverged & set(range(len(rows))):
        rows[i] = replace(rows[i], value=None, units=None, status="diverged")
    check_tables(rows, metric, *read(rows, metric=metric))


def test_figures_of_the_page_are_those_of_numpy():
    rows = make_image_rows(("a",), ("Scratch", "LD"), 3, without_labels=(), classes=())
    _, markdown, lines = read(rows, metric=ACCURACY)
    one, other = (
        np.array([row.value for row in rows if row.label == x]) for x in ("LD", "Scratch")
    )
    gain, error = one - other, (one - other).std(ddof=1) / 3**0.5
    line = next(x for x in lines if x["label"] == "LD")
    assert float(line["accuracy_error"]) == pytest.approx(one.std(ddof=1) / 3**0.5, rel=1e-5)
    low = gain.mean() - 4.302653 * error  # the 97.5% quantile of Student's t with 2 degrees
    assert float(line["scratch_difference_low"]) == pytest.approx(low, rel=1e-4)
    percent = 100 * gain.mean() / other.mean()
    text = f"{one.mean():.4f}".rstrip() + r"( ≈)? \(± " + f"{one.std(ddof=1) / 3**0.5:.4f}, "
    assert re.search(text + re.escape(f"{percent:+.2f}".replace("-", "−")), markdown)
