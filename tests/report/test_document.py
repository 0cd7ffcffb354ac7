"""Tests of the layouts: the same content in both, escaped, and nothing of what is empty."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from report_pages import check_balance, markdown_tables, tables_of
from tdrec.report.document import (
    Cell,
    Code,
    Document,
    Figures,
    Part,
    Points,
    Table,
    Text,
    fenced,
    markdown,
)
from tdrec.report.words import (
    counted,
    interval,
    listed,
    number,
    percent,
    quantity,
    ratio,
    share,
    signed,
)
from tdrec.studies.comparison import Estimate

EVIL = "<script>alert('x|y')</script>\n| `*_[&"

PAGE = Document(
    EVIL,
    [
        Text(EVIL, note=False),
        Part(
            EVIL,
            [
                Points([EVIL, Cell(EVIL, (EVIL, ""), bold=True, method=EVIL)]),
                Table([EVIL, "b"], [[EVIL, Cell(EVIL, (EVIL, ""), "▼", italic=True)]], rules={0}),
                Part(EVIL, [Code(EVIL), Table((), [(EVIL, EVIL)], names=2)], folded=True),
                Figures([("<svg>drawn</svg>", EVIL), ("", "not drawn")]),
            ],
        ),
    ],
    [EVIL],
)


def test_all_text_is_escaped_in_both_layouts():
    page, text = PAGE.to_html(), PAGE.to_markdown()
    tags = check_balance(page)
    assert "script" not in tags and tags.count("svg") == 1
    assert page.count("&lt;script&gt;") == 18  # the title twice, a part in the contents, too
    assert "not drawn" not in page
    unfenced = re.sub(r"(?ms)^(`{3,})$.*?^\1$", "", text)
    assert "<script" not in unfenced and unfenced.count("&lt;script&gt;") == 14
    assert len(markdown_tables(unfenced)) == 2


def test_empty_blocks_and_parts_of_notes_alone_are_left_out():
    empty = [Text(""), Points([]), Table(["a"], []), Figures([("", "caption")]), Code("")]
    notes = Part("Notes", [Text("a note"), Part("Inner", empty)])
    said = Part("Said", [Text("a note"), Text("a word", note=False)])
    drawn = Part("Drawn", [Text("a note"), Figures([("<svg></svg>", "drawn")])])
    document = Document("Title", [*empty, notes, said, drawn])
    assert document.to_markdown() == "# Title\n\n## Said\n\na note\n\na word\n"
    page = document.to_html()
    assert ">Notes<" not in page and ">caption<" not in page and ">a word<" in page
    assert ">Drawn<" in page
    assert re.findall(r'href="#(.*?)"', page) == re.findall(r'<h2 id="(.*?)"', page) != []


def test_cells_say_the_same_in_both_layouts():
    cells = ["–", Cell("1.0", ("± 0.1", "", "n=2"), "≈", bold=True), Cell("2", italic=True)]
    document = Document("t", [Table(["a", "b", Cell("c", method="td")], [cells], rules={0})])
    ((_, found),) = markdown_tables(document.to_markdown())
    assert found == ["–", "**1.0 ≈ (± 0.1, n=2)**", "_2_"]
    page = document.to_html()
    ((_, found),) = tables_of(page)
    assert found == [("–", [], False), ("1.0 ≈", ["± 0.1", "n=2"], True), ("2", [], False)]
    assert "var(--td)" in page and '<tr class="rule">' in page


def test_folded_parts_are_details_and_others_headings_of_their_depth():
    document = Document("t", [Part("A", [Part("B", [Part("C & D", [Code("x")], folded=True)])])])
    text = document.to_markdown()
    assert "\n## A\n" in text and "\n### B\n" in text
    assert "<details><summary>C &amp; D</summary>\n\n```\nx\n```\n\n</details>" in text
    assert re.search(r"<h3>B</h3>\s*<details><summary>C &amp; D</summary>", document.to_html())


@given(st.text())
def test_no_text_breaks_out_of_a_markdown_cell_or_fence(text):
    line = markdown(text)
    assert "\n" not in line and not re.search(r"(?<!\\)(\\\\)*[|`*_\[\]]", line)
    assert "<" not in line and not re.search(r"&(?!amp;|lt;|gt;)", line)
    first, *_, last = fenced(text).split("\n")
    assert first == last and first not in text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (number(None), "–"),
        (number(12345.678), "12,346"),
        (number(float("nan"), 4), "–"),
        (signed(-0.00123, 4), "−0.0012"),
        (signed(-0.00001, 4), "0.0000"),
        (percent(1.234), "+1.23\u00a0%"),
        (percent(float("nan")), "–"),
        (share(-0.034), "−3\u00a0%"),
        (interval(Estimate(1.0), percent), ""),
        (interval(Estimate(1.0, 0.5, 1.5), share, "[{}; {}]"), "[50\u00a0%; 150\u00a0%]"),
        (quantity(61234, "B"), "61.2 kB"),
        (quantity(999_999), "1 M"),
        (quantity(12, "B"), "12 B"),
        (quantity(7.123, "s", ""), "7.12 s"),
        (quantity(1234.5, "s", ""), "1,234 s"),
        (quantity(None, "s"), "–"),
        (ratio(10, 4), "2.5×"),
        (ratio(10, 0), "–"),
        (listed(["a"]), "a"),
        (listed(["a", "b", "c"]), "a, b and c"),
        (counted(1, "task"), "1 task"),
        (counted(1200, "run"), "1,200 runs"),
    ],
)
def test_words(text, expected):
    assert text == expected
