"""What a section shows, in plain sentences: each is read from its comparisons and nothing else.

The idea: the same sentence is written whether it pleases or not. "Better" and "worse" are verdicts
of `tdrec.studies.comparison`; where there is none, that no difference is shown is the claim, and
`not_shown` lists those once more.

Example:
    >>> for label, (main, *more) in claims(section):
    ...     print(main)
    Scratch is a student without distillation.
    No difference between LD and Scratch is shown in the mean of 2 tasks: ...
    TD k=2 is better than Scratch in the mean of 2 tasks by 0.0058 ...
"""

from collections.abc import Mapping, Sequence
from functools import partial

from tdrec.report.section import Kind, Label, Section
from tdrec.report.words import counted, interval, listed, percent, share, signed
from tdrec.studies.comparison import Comparison, Verdict
from tdrec.studies.metric import Metric

INTERVAL = " (95% interval {} to {})"

OTHERS: Mapping[Kind, str] = {
    "scratch": "scratch",
    "bias": "the bias model",
    "best": "the best other method",
    "default": "its method's default",
}
"""What a comparison of a kind is with."""

_NOT_BETTER: Mapping[Verdict, str] = {
    "worse": "worse",
    "unclear": "no difference shown",
    "one seed": "one seed and no verdict",
}


def claims(section: Section) -> list[tuple[Label, list[str]]]:
    """For every student what is claimed of it; the first sentence is the main one.

    Args:
        section: Of a report.

    Returns:
        (label, sentences), in the order of the labels.
    """
    found = []
    for label in section.students:
        if label.is_distilled:
            sentences = _against_scratch(section, label.name)
        else:
            sentences = [f"{label.name} is a student without distillation."]
        for kind in ("default", "best"):
            if compared := section.overall_versus(kind, label.name):
                sentences.append(f"Against {OTHERS[kind]}: {claim(compared, section.metric)}")
        sentences += _counts(section, "best", label.name) + _counts(section, "bias", label.name)
        found.append((label, sentences + _runs(section, label)))
    return found


def claim(comparison: Comparison, metric: Metric) -> str:
    """A comparison as a sentence to quote.

    Args:
        comparison: Of two labels at a place.
        metric: What was compared.

    Example:
        >>> print(claim(section.versus["scratch"]["Drama", "TD k=2"], section.metric))
        TD k=2 is better than Scratch on Drama by 0.0059 (95% interval 0.0020 to 0.0097).
    """
    one, other, found = comparison.label, comparison.other, comparison.difference
    place, digits = where(comparison.place), metric.digits
    amount = f"{abs(found.value):.{digits}f}"
    if comparison.verdict in ("better", "worse"):
        low, high = sorted(abs(x) for x in (found.low, found.high) if x is not None)
        return (
            f"{one} is {comparison.verdict} than {other} {place} by {amount} "
            f"(95% interval {low:.{digits}f} to {high:.{digits}f})."
        )
    side = f"{amount} {'lower' if found.value < 0 else 'higher'}"
    if float(amount) == 0:
        side = f"the same to {digits} decimals"
    side = f"the {metric.title} of {one} is {side}"
    if comparison.verdict == "one seed":
        return f"{one} and {other} {place}: {side}; one seed: no verdict."
    ends = interval(found, partial(signed, digits=digits), INTERVAL)
    return f"No difference between {one} and {other} is shown {place}: {side}{ends}."


def not_shown(sections: Sequence[Section]) -> list[str]:
    """What a study set out to show and did not, by section and by what students are held against.

    Args:
        sections: Of a report.
    """
    found = []
    for section in sections:
        for kind, other in OTHERS.items():
            groups: dict[tuple[str, Verdict], list[str]] = {}
            for label in section.students:
                if compared := section.overall_versus(kind, label.name):
                    groups.setdefault((compared.place, compared.verdict), []).append(label.name)
            found += [
                f"{section.title}, {where(place)}, against {other}, {_NOT_BETTER[verdict]}: "
                f"{listed(names)}."
                for (place, verdict), names in groups.items()
                if verdict in _NOT_BETTER
            ]
    return found


def where(place: str) -> str:
    """A place in words: "on Drama", "in the mean of 8 tasks"."""
    is_mean = place.startswith("Mean of ")
    return f"in the m{place[1:]}" if is_mean else f"on {place}"


def _against_scratch(section: Section, label: str) -> list[str]:
    overall = section.overall_versus("scratch", label)
    tasks = section.by_task("scratch", label)
    shown = [overall] if overall else list(tasks.values())
    if not shown:
        return [f"{label} is not yet compared with scratch."]
    found = [claim(each, section.metric) for each in shown]
    if overall:
        improved = overall.improvement
        ends = interval(improved, percent, INTERVAL)
        found.append(f"Relative improvement: {percent(improved.value)}{ends}.")
        if gap := section.recovered.get((overall.place, label)):
            ends = interval(gap, share, INTERVAL)
            found.append(f"Share of the gap to the teacher recovered: {share(gap.value)}{ends}.")
    if len(tasks) > 1:
        found += _counts(section, "scratch", label)
    if hurt := [task for task, compared in tasks.items() if compared.verdict == "worse"]:
        found.append(f"Negative transfer on {listed(hurt)}.")
    return found


def _counts(section: Section, kind: Kind, label: str) -> list[str]:
    """On how many tasks it is better, and on how many it is not."""
    verdicts = [compared.verdict for compared in section.by_task(kind, label).values()]
    if not verdicts:
        return []
    better = f"{verdicts.count('better')} of {counted(len(verdicts), 'task')}"
    counts = {words: verdicts.count(x) for x, words in _NOT_BETTER.items()}
    others = [f"{words} on {count}" for words, count in counts.items() if count]
    return [f"{', '.join([f'Better than {OTHERS[kind]} on {better}', *others])}."]


def _runs(section: Section, label: Label) -> list[str]:
    """Which of its runs diverged, and on which tasks it is the best student."""
    found, best = [], []
    for task in section.tasks:
        value = section.value(task, label.name)
        if value and value.diverged:
            found.append(f"{value.diverged} of {counted(value.runs, 'run')} diverged on {task}.")
        if len(section.students) > 1 and section.best(task, section.students) == label:
            best.append(task)
    if best:
        found.append(f"Best {section.metric.title} of the students on {listed(best)}.")
    return found
