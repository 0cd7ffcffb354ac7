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

from tdrec.report.forecast import Forecast, forecast, record
from tdrec.report.section import Section, make_sections
from tdrec.report.words import interval, share, signed
from tdrec.studies.comparison import Comparison, Estimate
from tdrec.studies.metric import RMSE
from tdrec.studies.results import read_rows
from tdrec.tasks.genre import GenreTask

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


def main(argv: list[str]) -> None:
    """Prints a line for each method and place, then the record."""
    told_folder, came_folder = argv[1:]
    came = {(s.title, place, f.label): f for s, place, f in forecasts(came_folder)}
    pairs: dict[tuple[str, str], dict[str, tuple[Comparison, Comparison]]] = {}
    shares, foretold = [], 0
    print("| preset and setting | place | compared | foretold | came |\n| --- " * 1 + "|")
    for section, place, told in forecasts(told_folder):
        found = came.get((section.title, place, told.label))
        if found is None:
            continue
        kind = "tasks" if place in section.tasks else "means"
        for what, one, other in (
            ("Teacher", told.gap, found.gap),
            (told.label, told.gain, found.gain),
        ):
            if one is None or other is None:
                continue
            key = f"{section.title}, {place}"
            known = pairs.setdefault((kind, what), {})
            if key not in known:  # the teacher's is one for all methods
                known[key] = (one, other)
                print(f"| {section.title} | {place} | {what} | {cell(one)} | {cell(other)} |")
        foretold += told.share is not None
        if told.share and found.share:
            shares.append((told.share, found.share))
            print(
                f"| {section.title} | {place} | {told.label}, share of the gap | "
                f"{share_cell(told.share)} | {share_cell(found.share)} |"
            )
    print("\n| | of | foretold | cases | same side | shown better | shown worse | not shown |")
    print("| --- " * 8 + "|")
    for (kind, what), known in sorted(pairs.items()):
        for each in record(list(known.values())):
            open_ = each.cases - each.better - each.worse
            print(
                f"| {kind} | {what} | {MARKS[each.verdict]} | {each.cases} | {each.same_sign} | "
                f"{each.better} | {each.worse} | {open_} |"
            )
    everything = [pair for known in pairs.values() for pair in known.values()]
    for each in record(everything):
        print(
            f"foretold {MARKS[each.verdict]}: right {each.same_sign} of {each.cases} by the side, "
            f"shown better {each.better}, shown worse {each.worse}"
        )
    held = sum(
        one.low is not None and one.high is not None and one.low <= other.value <= one.high
        for one, other in shares
    )
    print(
        f"shares of the gap foretold: {foretold}; of them {len(shares)} where evaluation rows show "
        f"a gap too, and of these {held} within the foretold interval"
    )


if __name__ == "__main__":
    app.run(main, argv=sys.argv)
