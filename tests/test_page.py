"""Tests of what pages are made of: formats, facts of the rows, and files written in one step."""

import math

import pytest

from result_rows import make_row
from tdrec import page


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (page.number(None), "–"),
        (page.number(12345.678, 0), "12,346"),
        (page.number(math.nan), "diverged"),
        (page.with_error(1.0, 0.00123), "1.0000\u00a0±\u00a00.0012"),
        (page.percent(-0.001), "+0.00\u00a0%"),
        (page.percent(-1.234, 0.1), "−1.23\u00a0±\u00a00.10\u00a0%"),
        (page.byte_size(61234), "61.2 kB"),
        (page.byte_size(999_999), "1 MB"),
        (page.duration(7.123, "s"), "7.12 s"),
        (page.duration(1234.5, "s"), "1,234 s"),
        (page.ratio(10, 4), "2.5×"),
        (page.ratio(10, 0), "–"),
        (page.utc(891382309), "1998-03-31 22:11:49 UTC"),
        (page.markdown("a|b <c>\nd*"), "a\\|b &lt;c&gt; d\\*"),
        (page.fenced("a ``` b"), "````\na ``` b\n````"),
        (page.count_genres(1), "1 genre"),
        (page.counted(8, "task"), "8 tasks"),
        (page.listed(["a"]), "a"),
        (page.listed(["a", "b", "c"]), "a, b and c"),
        (page.csv_text(["a", "b"], [{"b": 1 / 3}, {"a": math.nan}]), "a,b\n,0.333333\n,\n"),
    ],
)
def test_formats(text, expected):
    assert text == expected


def test_versions_and_commits_are_listed_once_each():
    rows = [
        make_row(git=commit, versions={"keras": number}) for commit, number in ("a1", "b2", "a1")
    ]
    found = page.provenance(rows, [], "run")
    assert found["commits"] == ["a", "b"] and found["versions"] == {"keras": ["1", "2"]}


def test_pages_are_written_into_a_new_folder_and_leave_nothing_else(tmp_path):
    paths = page.write_pages(tmp_path / "new", {"a.md": "ä\n", "b.csv": "1\n"})
    assert [path.name for path in paths] == ["a.md", "b.csv"]
    assert paths[0].read_bytes() == "ä\n".encode()
    assert sorted(paths) == sorted((tmp_path / "new").iterdir())
