"""Tests of what a report says of next movies, and of tasks that rows call by one name."""

import re
from dataclasses import replace

import pytest

from study_rows import make_rows
from tdrec.report.document import Document
from tdrec.report.section import make_sections
from tdrec.studies.auto import choices
from tdrec.studies.row import Row
from tdrec.tasks import next_movie_report
from tdrec.tasks.sequences.evaluation import NDCG


def rows_of_genres(labels):
    """Rows of two genres, whose users' sums are never negative."""
    rows = make_rows(labels, tasks=2, seeds=2, users=60, metric="ndcg")
    return [
        replace(
            row,
            task="next_movie",
            value=sum(row.units.sums) / sum(row.units.rows),
            details={**row.details, "place": row.task, "recall": 0.5, "mrr": 0.25},
        )
        for row in rows
    ]


@pytest.fixture(scope="module")
def rows():
    return rows_of_genres(("Item-kNN", "Teacher", "Scratch", "LD"))


def test_each_genre_has_its_place(rows):
    (section,) = make_sections(rows, NDCG)
    assert section.tasks == ("Drama", "Comedy")
    assert {row.task for row in section.rows} == {"next_movie"}
    assert Row.from_json(rows[0].to_json()).place == "Drama"
    of_one_seed = [row for row in rows if row.seed == 0]
    assert [choice.task for choice in choices(of_one_seed, NDCG)] == ["Drama", "Comedy"]


def test_students_are_compared_with_neighbours_and_other_metrics_shown(rows):
    (section,) = make_sections(rows, NDCG)
    text = Document("Next", next_movie_report.parts(section)).to_markdown()
    assert re.search(
        r"Against item-kNN.*\| Genre \| Scratch \| LD \|.*\| Drama \| [+−]", text, re.S
    )
    assert "| Comedy: Recall@10 | 0.5000 | 0.5000 | 0.5000 | 0.5000 |" in text
    assert "| Drama: MRR | 0.2500 |" in text
    (few,) = make_sections(rows_of_genres(("Teacher", "Scratch")), NDCG)
    assert "item-kNN" not in Document("Next", next_movie_report.parts(few)).to_markdown()
