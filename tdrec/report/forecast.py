"""Forecast: whether a teacher and a method help, as earlier rows or evaluation rows show it.

Both are read by the one rule of comparison, so that what was foretold on rows of the training set
can be held against what came of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from tdrec.report.section import Label, Section
from tdrec.studies.comparison import Comparison, Estimate, Verdict, compare


@dataclass(frozen=True)
class Forecast:
    """What one method gives at one place.

    Attributes:
        place, label: A task or a mean over tasks, and the method's name.
        gap: The teacher against scratch. None without a teacher, and if a run diverged.
        gain: The method against scratch. None of scratch itself, and if a run diverged.
        share: Of the gap that the method recovers; None where no gap is shown.
    """

    place: str
    label: str
    gap: Comparison | None
    gain: Comparison | None
    share: Estimate | None


def forecast(section: Section, place: str, label: Label) -> Forecast:
    """What the rows of a section show of a method.

    Args:
        section: With scratch, the method and the teacher.
        place: A task, or one of the section's means.
        label: The method.

    Example:
        >>> forecast(section, "Drama", section.by_method("td")).gain.verdict
        'better'
    """
    key = place, label.name
    gain, share = section.versus["scratch"].get(key), section.recovered.get(key)
    return Forecast(*key, _gap(section, place), gain, share)


def _gap(section: Section, place: str) -> Comparison | None:
    teacher, scratch = section.by_method("teacher"), section.by_method("scratch")
    if teacher is None or scratch is None:
        return None
    pairs = []
    for task in section.means.get(place, (place,)):
        one, other = section.scores(task, teacher.name), section.scores(task, scratch.name)
        if one is None or other is None:
            return None
        pairs.append((one, other))
    names = {"place": place, "label": teacher.name, "other": scratch.name}
    return compare(pairs, section.metric, **names)


@dataclass(frozen=True)
class Record:
    """How often what was foretold came, of those of one verdict.

    Attributes:
        verdict: That was foretold.
        cases: How many there are.
        same_sign: Of how many the figures lie on the side that was foretold.
        better, worse: Of how many the figures are shown to be better, or worse.
    """

    verdict: Verdict
    cases: int
    same_sign: int
    better: int
    worse: int


def record(pairs: Sequence[tuple[Comparison, Comparison]]) -> list[Record]:
    """Holds what was foretold against what came.

    Args:
        pairs: Each of a comparison on earlier rows, and that of the same two on evaluation rows.

    Returns:
        One for each verdict that was foretold, in the order better, worse, unclear, one seed.

    Example:
        >>> gain = section.versus["scratch"]["Drama", "TD k=2"]
        >>> record([(gain, gain)])
        [Record(verdict='better', cases=1, same_sign=1, better=1, worse=0)]
    """
    found = []
    verdicts: tuple[Verdict, ...] = ("better", "worse", "unclear", "one seed")
    for verdict in verdicts:
        own = [(told, came) for told, came in pairs if told.verdict == verdict]
        same = sum(told.difference.value * came.difference.value > 0 for told, came in own)
        came_as = [came.verdict for _, came in own]
        counts = came_as.count("better"), came_as.count("worse")
        if own:
            found.append(Record(verdict, len(own), same, *counts))
    return found
