"""Tests of what a report says of segments, and so of genres."""

import re
from dataclasses import replace

import numpy as np
import pytest

from study_rows import make_rows
from tdrec.report.document import Document
from tdrec.report.section import make_sections
from tdrec.studies.metric import LOG_LOSS, RMSE
from tdrec.tasks import segment_report


def report(rows, metric=RMSE):
    """What is added to the sections as Markdown and as HTML."""
    sections = make_sections(rows, metric)
    parts = [part for section in sections for part in segment_report.parts(section)]
    document = Document("Segments", parts + segment_report.summary_parts(sections))
    return document.to_markdown().replace("\u00a0", " "), document.to_html()


def few(labels=("Bias", "Teacher", "Scratch", "LD"), **changes):
    return make_rows(labels, **{"seeds": 1, "users": 60, "tasks": 2} | changes)


def of_countries(rows):
    """The same as rows of segments that are no genres."""
    names = {"Drama": "NL", "Comedy": "BE"}

    def details(row):
        others = {name: x for name, x in row.details.items() if name != "genre"}
        return {"segment": names[row.task], **others}

    return [replace(row, task=names[row.task], details=details(row)) for row in rows]


def of_clicks(rows):
    """The same as rows of a binary target."""

    def details(row):
        renamed = {name.replace("rmse", "log_loss"): x for name, x in row.details.items()}
        return {**renamed, "auc": 0.8 if row.label == "LD" else None}

    return [
        replace(row, metric="log_loss", value=row.value**2, details=details(row))
        for row in of_countries(rows)
    ]


def table_of(text, title):
    table = re.search(r"(?:^\|.*\n)+", text[text.index(f"## {title}") :], flags=re.M)[0]
    lines = [line for line in table.splitlines() if "---" not in line]
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines]


def test_users_unseen_and_seen_are_means_over_seeds():
    rows = few(seeds=2)
    text, _ = report(rows)
    table = table_of(text, "Users unseen and seen in training")
    own = [row.details for row in rows if (row.task, row.label) == ("Comedy", "LD")]
    cold, warm = (np.mean([x[f"rmse_{users}"] for x in own]) for users in ("cold", "warm"))
    assert table[2][0] == "Comedy (70 % unseen)"
    assert table[2][table[0].index("LD")] == f"{cold:.4f} ({warm:.4f})"
    assert "all genres together: 0.9500 of Bias and 0.9500 of Teacher." in text
    bare = [replace(row, details={}) for row in rows]
    assert report(bare)[0] == "# Segments\n"


def test_segments_are_called_so_where_they_are_no_genres():
    text, page = report(of_countries(few()))
    assert table_of(text, "Users unseen and seen in training")[0][0] == "Segment"
    assert "RMSE on the evaluation rows of all segments together: 0.9500 of Bias" in text
    assert "genre" not in page


def test_a_binary_target_has_its_log_loss_and_area_under_the_curve():
    text, _ = report(of_clicks(few(seeds=2)), LOG_LOSS)
    assert "Log loss on evaluation rows of users without training rows" in text
    assert "Log loss on the evaluation rows of all segments together: 0.9500 of Bias" in text
    table = table_of(text, "Area under the ROC curve")
    assert [line[table[0].index("LD")] for line in table[1:]] == ["0.8000", "0.8000"]
    assert [line[table[0].index("Scratch")] for line in table[1:]] == ["–", "–"]
    assert "Area under the ROC curve" not in report(few())[0]


@pytest.mark.parametrize("noun", ["genre", "segment"])
def test_shares_of_the_rows_are_drawn_where_there_are_several(noun):
    rows = few(("Scratch", "LD"))
    for share in (0.1, 0.5):
        more = {"setting": f"{100 * share:g}% of the rows", "config": {"rows": share}}
        rows += few(("Scratch", "LD"), **more)
    rows = rows if noun == "genre" else of_countries(rows)
    text, page = report(rows)
    assert "## With less data" not in text  # of figures alone
    assert page.count("<svg") == 2 and "With less data" in page
    assert ">10%<" in page and ">100%<" in page and f"share of the {noun}" in page
    assert "With less data" not in report([row for row in rows if not row.setting])[1]
