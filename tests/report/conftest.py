"""Rows of which there are some of each kind, and the report of them."""

from dataclasses import replace

import pytest

from made_reports import ABOUT, small
from tdrec.report import write_report


@pytest.fixture(scope="session")
def rows():
    found = small(preset="paper") + small(generator=1)
    found += small(generator=2, setting="10% of the rows", handicap=0.05)
    lost = [i for i, row in enumerate(found) if row.label == "LD" and row.setting]
    found[lost[-1]] = replace(found[lost[-1]], value=None, units=None, status="diverged")
    return [row for row in found if (row.preset, row.task, row.label) != ("paper", "Drama", "LD")]


@pytest.fixture(scope="session")
def pages(rows, tmp_path_factory):
    folder = tmp_path_factory.mktemp("report") / "new"
    paths = write_report(folder, rows, notes=["Two cores."], planned=70, **ABOUT)
    assert [path.name for path in paths] == ["report.html", "report.md", "report.csv"]
    assert sorted(paths) == sorted(folder.iterdir())
    return [path.read_text() for path in paths]
