"""What the runs of image tasks show, in plain sentences counted from the summary and nothing else.

The idea: the same sentence is written whether it pleases or not. "Better" and "worse" mean that the
95% interval of the difference, paired by seed, excludes zero; where it does not, "no difference
shown" is the claim, and one seed shows none at all.

Example:

    for label, sentences in image_claims(summarise_images(rows)):
        print(label.name, *sentences)
"""

import math
from collections.abc import Mapping, Sequence

from tdrec.image_summary import Difference, ImageSummary, Place
from tdrec.page import listed
from tdrec.statistics import amount, sentence
from tdrec.summary import Label

WINS = {
    "better": "better",
    "worse": "worse",
    "unclear": "no difference shown",
    "one seed": "one seed only",
}
AGAINST = {
    "better": "better than",
    "worse": "worse than",
    "unclear": "no difference shown from",
    "one seed": "one seed only, so that no difference can be shown, beside",
}


def image_claims(summary: ImageSummary) -> list[tuple[Label, list[str]]]:
    """For every student what is claimed of it: against scratch, then, for TD, against each other.

    Args:
        summary: of the rows.

    Returns:
        (label, sentences) in the order of the labels; the first sentence is the main one.
    """
    scratch = next((label.name for label in summary.labels if label.method == "scratch"), None)
    found = []
    for label in summary.students:
        if label.is_distilled:
            sentences = _against_scratch(summary, label.name, scratch) if scratch else []
            sentences = sentences or [f"{label.name} is not yet compared with scratch."]
            if hurt := [p.name for p in summary.of_tasks if _verdict(p, label) == "worse"]:
                sentences.append(f"Negative transfer on {listed(hurt)}.")
        else:
            sentences = [f"{label.name} is the student without distillation."]
        if label.method == "td":
            others = [x.name for x in summary.distilled if x != label]
            sentences += _against_others(summary, label.name, others)
        sentences += _runs(summary, label)
        found.append((label, sentences))
    return found


def difference_claim(label: str, other: str, where: str, difference: Difference) -> str:
    """A comparison as a sentence to quote.

    Args:
        label, other: names of the two.
        where: "on cifar10", "in the mean of 3 tasks".
        difference: of the first from the other.

    Example:
        >>> difference_claim("TD", "FD", "on cifar10", compare(td.runs, fd.runs))
        'TD is better than FD on cifar10 by 0.0121 (95% interval 0.0043 to 0.0199).'
    """
    if difference.interval is None:
        return (
            f"No difference between {label} and {other} can be shown {where} by one seed: "
            f"the accuracy of {label} is {amount(difference.value)}."
        )
    return sentence(label, other, where, difference.interval, difference.verdict, "accuracy")


def _against_scratch(summary: ImageSummary, label: str, scratch: str) -> list[str]:
    """The claim in the widest mean that has both, or else on each task; then wins over tasks."""
    compared = {place: place.difference(label, scratch) for place in summary.places}
    known = {place: found for place, found in compared.items() if found}
    tasks = {place: found for place, found in known.items() if place in summary.of_tasks}
    means = [place for place in summary.means if place in known]
    headlines = means[:1] or list(tasks)
    found = [difference_claim(label, "scratch", _where(x), known[x]) for x in headlines]
    return found + ([f"{_wins(tasks)}."] if len(tasks) > 1 else [])


def _against_others(summary: ImageSummary, label: str, others: Sequence[str]) -> list[str]:
    """Each other method in the widest mean that has both, or else on each task, by verdict."""
    found: dict[Place, dict[str, list[str]]] = {}
    for other in others:
        means = [place for place in summary.means if place.difference(label, other)]
        for place in means[:1] or summary.of_tasks:
            if difference := place.difference(label, other):
                found.setdefault(place, {}).setdefault(difference.verdict, []).append(other)
    sentences = []
    for place in summary.places:
        if by_verdict := found.get(place):
            parts = [f"{AGAINST[x]} {listed(by_verdict[x])}" for x in AGAINST if x in by_verdict]
            sentences.append(f"Against the other methods {_where(place)}: {'; '.join(parts)}.")
    return sentences


def _wins(tasks: Mapping[Place, Difference]) -> str:
    verdicts = [found.verdict for found in tasks.values()]
    shown = [f"{WINS[x]} in {verdicts.count(x)}" for x in WINS if x in verdicts]
    higher = sum(found.value > 0 for found in tasks.values())
    return (
        f"Higher accuracy than scratch in {higher} of {len(tasks)} tasks; by intervals "
        + ", ".join(shown)
    )


def _runs(summary: ImageSummary, label: Label) -> list[str]:
    """What is missing of its runs, and in which tasks it is the best student."""
    own = {p.name: p.cells[label.name] for p in summary.of_tasks if label.name in p.cells}
    found = []
    if diverged := [name for name, cell in own.items() if math.isnan(cell.accuracy)]:
        found.append(f"Runs diverged on {listed(diverged)}.")
    if best := [name for name, cell in own.items() if cell.best]:
        found.append(f"Highest mean accuracy of the students on {listed(best)}.")
    return found


def _verdict(place: Place, label: Label) -> str | None:
    return place.cells[label.name].verdict if label.name in place.cells else None


def _where(place: Place) -> str:
    name = place.name
    return f"on {name}" if len(place.tasks) == 1 else f"in the {name[0].lower()}{name[1:]}"
