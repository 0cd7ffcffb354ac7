"""What a study says in plain sentences, each counted from its comparisons and from nothing else.

The idea: the same sentence is written whether it pleases or not. "Better" and "worse" mean that the
95% interval of the paired difference excludes zero; where it does not, "no difference shown" is the
claim, and `not_shown` lists those once more.

Example:

    for label, sentences in claims(study.sections[0]):
        print(label.name, *sentences)
"""

from collections.abc import Mapping

from tdrec.page import listed
from tdrec.statistics import Comparison, Interval, claim, count_wins, signed
from tdrec.study_summary import MEAN, SPARSE, Duel, Duels, Section, Study
from tdrec.summary import Label


def claims(section: Section) -> list[tuple[Label, list[str]]]:
    """For every student what is claimed of it: the mean over genres first, then wins.

    Args:
        section: of a study.

    Returns:
        (label, sentences) in the order of the labels.
    """
    found = []
    for label in section.summary.labels:
        if not label.is_student:
            continue
        sentences = []
        if label.is_distilled:
            sentences += _against_scratch(section, label)
            sentences += _against_default(section, label)
            sentences += _against_best(section, label)
        else:
            sentences.append(f"{label.name} is the student without distillation.")
        sentences += _against_bias(section, label)
        total = section.summary.totals[label.name]
        if total.diverged:
            sentences.append(f"Runs diverged in {_of(total.diverged, total.genres)}.")
        found.append((label, sentences))
    return found


def claims_by_genre(section: Section, label: Label) -> list[str]:
    """The comparison with scratch on each genre as a sentence to quote."""
    return [
        claim(label.name, _name(section, duel), where(section, place), duel.comparison)
        for place, duel in section.scratch.get(label.name, {}).items()
        if place not in (MEAN, SPARSE)
    ]


def not_shown(study: Study) -> list[str]:
    """What the study set out to show and did not, by section."""
    found = []
    for section in study.sections:
        place = where(section, MEAN)
        asked: tuple[tuple[str, Duels], ...] = (
            ("against scratch", section.scratch),
            ("against the method's default", section.default),
            ("against the best other method", section.best),
            ("against the bias model", section.bias),
        )
        for words, duels in asked:
            known = {
                label: of[MEAN].comparison.verdict for label, of in duels.items() if MEAN in of
            }
            unclear = [label for label, verdict in known.items() if verdict == "unclear"]
            worse = [label for label, verdict in known.items() if verdict == "worse"]
            parts = [f"no difference from it shown for {listed(unclear)}"] if unclear else []
            parts += [f"shown to be worse: {listed(worse)}"] if worse else []
            if parts:
                found.append(f"{section.title}, {place}, {words}: {'; '.join(parts)}.")
    return found


def where(section: Section, place: str) -> str:
    """A place of a comparison in words: "on Drama", "in the mean over 8 genres"."""
    if place == SPARSE:
        return "in the mean over the four sparsest genres"
    if place != MEAN:
        return f"on {place}"
    complete = section.summary.complete
    return f"on {complete[0]}" if len(complete) == 1 else f"in the mean over {len(complete)} genres"


def percent_interval(interval: Interval) -> str:
    """An improvement with its interval: "+0.12% (95% interval +0.04% to +0.21%)"."""
    value, low, high = (signed(x, 2) for x in (interval.value, interval.low, interval.high))
    return f"{value}% (95% interval {low}% to {high}%)"


def _against_scratch(section: Section, label: Label) -> list[str]:
    duels = section.scratch[label.name]
    if not duels:
        return ["Not yet compared with scratch."]
    found = []
    if MEAN in duels:
        duel = duels[MEAN]
        found.append(claim(label.name, _name(section, duel), where(section, MEAN), duel.comparison))
        found.append(f"Relative improvement: {percent_interval(duel.comparison.improvement)}.")
        found += _seed_caveat(section, label, duel.comparison)
    if genres := _genres(duels):
        found.append(f"{_wins(genres, 'scratch')}.")
        hurt = [genre for genre, x in genres.items() if x.comparison.verdict == "worse"]
        found += [f"Negative transfer in {listed(hurt)}."] if hurt else []
    return found


def _against_default(section: Section, label: Label) -> list[str]:
    duel = section.default.get(label.name, {}).get(MEAN)
    if duel is None:
        return []
    found = claim(label.name, duel.other, where(section, MEAN), duel.comparison)
    return [f"Against its method's default: {found}"]


def _against_best(section: Section, label: Label) -> list[str]:
    duels = section.best[label.name]
    found = []
    if MEAN in duels:
        duel = duels[MEAN]
        found.append(
            "Against the best other method: "
            + claim(label.name, _name(section, duel), where(section, MEAN), duel.comparison)
        )
    if genres := _genres(duels):
        found.append(f"{_wins(genres, 'the best other method')}.")
    return found


def _against_bias(section: Section, label: Label) -> list[str]:
    genres = _genres(section.bias.get(label.name, {}))
    return [f"{_wins(genres, 'the bias model')}."] if genres else []


def _seed_caveat(section: Section, label: Label, comparison: Comparison) -> list[str]:
    total = section.summary.totals[label.name]
    if comparison.verdict == "unclear" or total.improvement is None:
        return []
    if total.improvement_se is None:
        return ["One seed only: how far this is chance in training is not known."]
    if abs(total.improvement) > 2 * total.improvement_se:
        return []
    return [
        "But over seeds the improvement is within twice its standard error of "
        f"{total.improvement_se:.2f}%: with other seeds it may not repeat."
    ]


def _wins(genres: Mapping[str, Duel], other: str) -> str:
    wins = count_wins(duel.comparison for duel in genres.values())
    counts = [(wins.better, "better"), (wins.worse, "worse"), (wins.unclear, "no difference shown")]
    shown = ", ".join(f"{words} in {count}" for count, words in counts if count)
    return f"Lower RMSE than {other} in {_of(wins.lower, wins.genres)}; by intervals {shown}"


def _genres(duels: Mapping[str, Duel]) -> dict[str, Duel]:
    return {place: duel for place, duel in duels.items() if place not in (MEAN, SPARSE)}


def _name(section: Section, duel: Duel) -> str:
    method = next(x.method for x in section.summary.labels if x.name == duel.other)
    return {"scratch": "scratch", "bias": "the bias model"}.get(method, duel.other)


def _of(count: int, genres: int) -> str:
    return f"{count} of {genres} genre" + ("" if genres == 1 else "s")
