"""How often the doctor was right: what it foretells on training rows, against evaluation rows.

    python -m tdrec.study table3 --trials=0 --seeds=3 --data=ml-100k.zip --out=told --validation
    python -m tdrec.study table3 --trials=0 --seeds=3 --data=ml-100k.zip --out=came
    python benchmarks/doctor_record.py told came

The first command makes the doctor's own runs for each genre and setting of a study: teacher,
scratch and methods without the latest fifth of the training rows, compared on these. The second is
the study. The third reads both by the one rule of comparison, and prints what was foretold of each
method beside what came, and how often a verdict came true: on the same side, and shown there too.
"""

import sys
from collections.abc import Iterator

from absl import app

from tdrec.report.forecast import Forecast, Record, forecast, record
from tdrec.report.section import Section, make_sections
from tdrec.report.words import interval, share, signed
from tdrec.studies.comparison import Comparison, Estimate
from tdrec.studies.metric import RMSE
from tdrec.studies.results import read_rows
from tdrec.tasks.genre import GenreTask

Pair = tuple[Comparison, Comparison]
CAME = ("came: better", "worse", "not shown")
MARKS = {"better": "better", "worse": "worse", "unclear": "not shown", "one seed": "one seed"}


def forecasts(folder: str) -> Iterator[tuple[Section, str, Forecast]]:
    """Of each method in each section of a study and place, from the study's folder."""
    rows = read_rows(f"{folder}/results.jsonl")
    for section in make_sections(rows, RMSE, GenreTask.means):
        for place in section.places:
            for label in section.distilled:
                yield section, place, forecast(section, place, label)


def cell(found: Comparison | None) -> str:
    """A difference with its interval and verdict."""
    if found is None:
        return "-"
    ends = interval(found.difference, lambda x: signed(x, 4), " ({} to {})")
    return f"{signed(found.difference.value, 4)}{ends} {MARKS[found.verdict]}"


def share_cell(found: Estimate | None) -> str:
    """A share of the gap with its interval."""
    return "-" if found is None else f"{share(found.value)}{interval(found, share, ' ({} to {})')}"


def line(*cells: object) -> None:
    """Prints a line of a table."""
    print(f"| {' | '.join(map(str, cells))} |")


def heads(*names: str) -> None:
    """Prints the head of a table."""
    line(*names)
    line(*["---"] * len(names))


def main(argv: list[str]) -> None:
    """Prints a line for each comparison of both folders, then the record."""
    told_folder, came_folder = argv[1:]
    came = {(s.title, place, f.label): f for s, place, f in forecasts(came_folder)}
    pairs: dict[tuple[str, str], dict[str, Pair]] = {}
    shares, foretold = [], 0
    heads("preset and setting", "place", "against scratch", "foretold", "came")
    for section, place, told in forecasts(told_folder):
        found = came.get((section.title, place, told.label))
        if found is None:
            continue
        kind = "genres" if place in section.tasks else "means"
        for label, pair in (
            ("Teacher", (told.gap, found.gap)),
            (told.label, (told.gain, found.gain)),
        ):
            known, key = pairs.setdefault((kind, label), {}), f"{section.title}, {place}"
            if key in known or pair[0] is None or pair[1] is None:
                continue  # the teacher is one for all methods
            known[key] = pair[0], pair[1]
            line(section.title, place, label, *map(cell, pair))
        foretold += told.share is not None
        if told.share and found.share:
            shares.append((told.share, found.share))
            ends = map(share_cell, (told.share, found.share))
            line(section.title, place, f"{told.label}, share of the gap", *ends)
    print()
    heads("of", "against scratch", "foretold", "cases", "same side", *CAME)
    for (kind, label), known in sorted(pairs.items()):
        for each in record(list(known.values())):
            line(kind, label, MARKS[each.verdict], each.cases, each.same_sign, *counts(each))
    for kind in ("genres", "means"):
        all_of = [pair for key, known in pairs.items() if key[0] == kind for pair in known.values()]
        for each in record(all_of):
            line(kind, "all", MARKS[each.verdict], each.cases, each.same_sign, *counts(each))
    held = sum(
        one.low is not None and one.high is not None and one.low <= other.value <= one.high
        for one, other in shares
    )
    print(
        f"\nShares of the gap: {foretold} foretold, {len(shares)} of them where evaluation rows "
        f"show a gap too, and of these {held} within the foretold interval."
    )


def counts(each: Record) -> tuple[int, int, int]:
    """Of how many each verdict came, as `CAME` heads them."""
    return each.better, each.worse, each.cases - each.better - each.worse


if __name__ == "__main__":
    app.run(main, argv=sys.argv)
