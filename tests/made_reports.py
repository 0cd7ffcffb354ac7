"""Reports of made-up rows, read again."""

import csv
import tempfile
from unittest.mock import patch

from study_rows import make_rows
from tdrec.report import write_report
from tdrec.studies.metric import RMSE

LABELS = ("Bias", "Teacher", "Scratch", "LD", "TD k=1", "TD k=2")
ABOUT = {"title": "Table 3", "command": "tdrec study table3", "metric": RMSE}


def small(labels=LABELS, **changes):
    return make_rows(labels, **{"tasks": 2, "seeds": 2, "users": 30} | changes)


def read(rows, **about):
    """The page, its Markdown and the lines of its CSV, without figures, which take long."""
    with (
        tempfile.TemporaryDirectory() as folder,
        patch("tdrec.report.drawing.to_svg", lambda *_: ""),
    ):
        html, markdown, table = write_report(folder, rows, **(ABOUT | about))
        with table.open(newline="") as file:
            return html.read_text(), markdown.read_text(), list(csv.DictReader(file))
