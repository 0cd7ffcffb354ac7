"""What every page of results is made of: number formats, facts of the rows, and the templates.

The idea: a report computes what it says and hands it, with `provenance`, to one of the templates
beside this module by `render`, which gives every template the same formats.

Example:

    render("report.md", provenance(rows, labels, command) | {"title": "Students by genre"})
"""

import csv
import io
import json
import math
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from tdrec.results import Row, replace_file
from tdrec.statistics import signed
from tdrec.summary import METHODS, Label, Summary, first

DASH = "–"
GAP = "\u00a0"  # a space at which no line breaks

GLOSSARY: Mapping[str, str] = {
    "bias": "Bias model: the mean plus a damped offset for each of the genre's users and movies.",
    "teacher": "Teacher: the large model, trained on all genres and not tuned to any of them.",
    "scratch": "Scratch: the small student trained on its genre's ratings alone.",
    "ld": "LD, label distillation: the student also matches the teacher's predictions.",
    "fd": "FD, feature distillation: encodings of the student's and teacher's states are matched.",
    "fitnet": "FitNet: a projection of the student's hidden state matches the teacher's.",
    "hybrid": "Hybrid: LD and FD together.",
    "td": "TD, talking-model distillation: student and teacher exchange messages for k rounds, "
    "and the student matches what the teacher makes of them.",
}


def data_warnings(rows: Sequence[Row]) -> list[str]:
    """What a reader must know of the data before any number: that they are simulated, or mixed."""
    data = [row.get("data") or {} for row in rows]
    found = [str(text) for item in data for text in item.get("warnings") or ()]
    names = {str(item.get("name") or "") for item in data}
    if any("simulated" in name.lower() for name in names):
        found.insert(0, "Simulated data: these numbers say nothing about real data.")
    if len({(item.get("name"), item.get("sha256")) for item in data}) > 1:
        found.append(f"The rows come from different data sets: {', '.join(sorted(names))}.")
    return list(dict.fromkeys(found))


def unfinished(summary: Summary) -> list[str]:
    """A warning if runs are missing."""
    cells = sum(len(genre.cells) for genre in summary.genres)
    pairs = len(summary.genres) * len(summary.labels)
    if cells == pairs:
        return []
    return [f"Unfinished study: {pairs - cells} of {pairs} genre and method pairs have no run."]


def data_facts(rows: Sequence[Row]) -> list[tuple[str, str]]:
    """What the rows say about their data, as (name, value) to print."""
    data = first(rows, "data", {})

    def share(field: str) -> str:
        return DASH if data.get(field) is None else f"{100 * data[field]:.1f} %"

    return [
        ("Name", str(data.get("name") or DASH)),
        ("SHA-256", str(data.get("sha256") or DASH)),
        ("Training rows, all genres", number(data.get("n_train"), 0)),
        ("Evaluation rows, all genres", number(data.get("n_test"), 0)),
        ("Evaluation rows begin at", utc(data.get("cut"))),
        ("Rows tied at that time", number(data.get("ties"), 0)),
        ("Evaluation rows of users unseen in training", share("cold_share")),
        ("Evaluation rows of movies unseen in training", share("unseen_movie_share")),
    ]


def provenance(
    rows: Sequence[Row],
    labels: Iterable[Label],
    command: str,
    glossary: Mapping[str, str] = GLOSSARY,
) -> dict[str, Any]:
    """What the pages say of where numbers come from, as variables of the templates.

    Args:
        rows: the rows on the page.
        labels: its columns, whose methods the page explains.
        command: how to reproduce the rows.
        glossary: what each method is.

    Returns:
        `command`, `facts` of the data, `seeds`, `versions` by tool, `commits` and the `glossary`.
    """

    def distinct(values: Iterable[Any]) -> list[Any]:
        return sorted({value for value in values if value is not None})

    versions = [row.get("versions") or {} for row in rows]
    tools = distinct(tool for item in versions for tool in item)
    methods = {label.method for label in labels}
    return {
        "command": command,
        "facts": data_facts(rows),
        "seeds": distinct(row.get("seed") for row in rows),
        "versions": {tool: distinct(str(x[tool]) for x in versions if tool in x) for tool in tools},
        "commits": distinct(row.get("git") for row in rows),
        "glossary": [glossary[method] for method in METHODS if method in methods],
    }


def settings(runs: Mapping[str, Sequence[Row]]) -> dict[str, str]:
    """The configuration of each name's first run that has one, as JSON."""
    found = {name: first(rows, "config") for name, rows in runs.items()}
    return {
        name: json.dumps(config, indent=2, sort_keys=True, ensure_ascii=False)
        for name, config in found.items()
        if config is not None
    }


def render(name: str, context: Mapping[str, Any]) -> str:
    """A template filled in; what goes into HTML is escaped.

    Args:
        name: of a file in `templates`.
        context: the template's variables; one that it uses and does not get is an error.
    """
    import jinja2

    folder = resources.files(__package__).joinpath("templates")
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(lambda file: folder.joinpath(file).read_text("utf-8")),
        autoescape=name.endswith(".html"),
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
    )
    environment.filters.update(
        number=number,
        with_error=with_error,
        percent=percent,
        signed=signed,
        value=plain_value,
        size=byte_size,
        time=duration,
        ratio=ratio,
        utc=utc,
        md=markdown,
        fenced=fenced,
    )
    return environment.get_template(name).render(context)


def write_pages(folder: str | os.PathLike[str], pages: Mapping[str, str]) -> tuple[Path, ...]:
    """Writes pages into a folder, which is made if need be, each in one step.

    Args:
        folder: where to.
        pages: text by file name.

    Returns:
        The paths, in the order of `pages`.
    """
    paths = tuple(Path(folder) / name for name in pages)
    Path(folder).mkdir(parents=True, exist_ok=True)
    for path, text in zip(paths, pages.values(), strict=True):
        replace_file(path, text)
    return paths


def csv_text(fields: Sequence[str], lines: Iterable[Mapping[str, Any]]) -> str:
    """A table as CSV.

    Args:
        fields: the columns, which are the first line.
        lines: value by column, which may be left out.

    Returns:
        The text. Numbers have six significant digits; what is not known, or has no value since a
        run diverged, is empty.
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, fields, lineterminator="\n")
    writer.writeheader()
    for line in lines:
        writer.writerow({field: _csv_value(value) for field, value in line.items()})
    return text.getvalue()


def _csv_value(value: Any) -> Any:
    if not isinstance(value, float):
        return value
    return f"{value:.6g}" if math.isfinite(value) else None


# Formats -----------------------------------------------------------------------------------


def count_genres(count: int) -> str:
    return counted(count, "genre")


def counted(count: int, noun: str) -> str:
    return f"{count} {noun}" + ("" if count == 1 else "s")


def listed(names: Sequence[str]) -> str:
    """Names in a sentence: "a, b and c"."""
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else names[0]


def number(value: float | None, digits: int = 4) -> str:
    if value is None:
        return DASH
    return f"{value:,.{digits}f}" if math.isfinite(value) else "diverged"


def with_error(value: float | None, error: float | None = None) -> str:
    return number(value) + ("" if error is None else f"{GAP}±{GAP}{error:.4f}")


def percent(value: float | None, error: float | None = None) -> str:
    if value is None:
        return DASH
    value = round(value, 2) + 0.0  # no "−0.00"
    return (
        f"{value:+.2f}".replace("-", "−")
        + ("" if error is None else f"{GAP}±{GAP}{error:.2f}")
        + GAP
        + "%"
    )


def byte_size(value: float | None) -> str:
    """Bytes in three significant digits: 61234 -> "61.2 kB"."""
    if value is None:
        return DASH
    prefixes = ["", "k", "M", "G", "T"]
    while abs(value) >= 999.5 and len(prefixes) > 1:
        value /= 1000
        prefixes.pop(0)
    return f"{value:.3g} {prefixes[0]}B"


def duration(value: float | None, unit: str) -> str:
    if value is None:
        return DASH
    return f"{value:,.0f} {unit}" if value >= 100 else f"{value:.3g} {unit}"


def ratio(teacher: float | None, student: float | None) -> str:
    return f"{teacher / student:.3g}×" if teacher and student else DASH


def plain_value(value: object) -> str:
    """A setting: numbers as short as they are exact to six digits, all else as it is."""
    return f"{value:g}" if isinstance(value, float) else str(value)


def utc(seconds: float | None) -> str:
    if seconds is None:
        return DASH
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(seconds))


def markdown(text: object) -> str:
    """Text from outside as one line of a Markdown table cell: no markup, no cell or line breaks."""
    line = " ".join(str(text).split())
    for character, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):
        line = line.replace(character, entity)
    for character in "\\|`*_[]":
        line = line.replace(character, "\\" + character)
    return line


def fenced(text: str) -> str:
    """A Markdown code block that `text` cannot end, whatever backticks it has."""
    fence = "```"
    while fence in text:
        fence += "`"
    return f"{fence}\n{text}\n{fence}"
