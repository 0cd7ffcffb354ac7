"""Segments: which of them are asked for, and whether the data have enough rows of each."""

from collections.abc import Mapping, Sequence
from typing import Any

from tdrec.cli.options import AUTO, Options, UsageError, names_in
from tdrec.data import Holdout, Interactions, check_source, load, resolve_source
from tdrec.data.nearest import meant
from tdrec.studies.config import changed
from tdrec.tasks.segment import MIN_TEST_ROWS, SegmentTask, Source, holdout_of, split_of

KNOWN_GENRES = (
    *("Action", "Adventure", "Animation", "Children", "Children's", "Comedy", "Crime"),
    *("Documentary", "Drama", "Fantasy", "Film-Noir", "Horror", "IMAX", "Musical", "Mystery"),
    *("Romance", "Sci-Fi", "Thriller", "Unknown", "War", "Western", "unknown"),
)
"""The genres of all MovieLens data sets: any other word is refused before data are looked for."""

DENSE_TEST_ROWS = 500
"""`all` takes the segments with more evaluation rows than this, as the paper does."""

WORDS = ("all", "top8")
"""What stands for several segments."""


def movielens(data: str) -> str:
    """Where MovieLens is, or what stands for it.

    Args:
        data: As `--data`.

    Raises:
        DataError: If it is not there.
    """
    check_source(data)
    source = resolve_source(data)
    if source != "auto":
        return source
    return "simulated" if load("auto").simulated else "tfds"


def check_genres(text: str) -> None:
    """Refuses what is no genre of any MovieLens data set.

    Args:
        text: Genres, separated by commas, or `"top8"` or `"all"`.

    Raises:
        UsageError: If one is not known.
    """
    _check_among(() if text in WORDS else names_in(text), KNOWN_GENRES, "genre")


def find_segments(text: str, holdout: Holdout[Any]) -> tuple[str, ...]:
    """The segments that were asked for, in the order of their training rows.

    Args:
        text: Segments, separated by commas, or `"top8"` or `"all"` of those that are dense enough.
        holdout: The rows to train and to evaluate on.

    Raises:
        UsageError: If one is not in these data, or has too few rows to be evaluated.
    """
    train, test = _training_counts(holdout.train), holdout.test.segment_counts()
    noun = holdout.train.segment_noun
    by_density = sorted(train, key=lambda g: (-train[g], g))
    if text in WORDS:
        dense = [g for g in by_density if test[g] > DENSE_TEST_ROWS]
        names = dense[:8] if text == "top8" else dense
        if not names:
            raise UsageError(
                f"--{noun}={text} takes {noun}s with more than {DENSE_TEST_ROWS} evaluation rows. "
                f"Received: data whose largest has {max(test.values())}. Name the {noun}s."
            )
        return tuple(names)
    asked = (text,) if text in train else names_in(text)
    _check_among(asked, by_density, noun)
    for name in asked:
        if test[name] < MIN_TEST_ROWS or not train[name]:
            usable = [g for g in by_density if test[g] >= MIN_TEST_ROWS and train[g]]
            raise UsageError(
                f"A {noun} needs {MIN_TEST_ROWS} evaluation rows and a training row. Received: "
                f"{name!r} with {test[name]} and {train[name]}. "
                f"Large enough: {_listed(usable) or 'none'}."
            )
    return tuple(g for g in by_density if g in asked)


def segment_tasks(
    kind: type[SegmentTask], source: Source, asked: str, options: Options, chooses: bool
) -> list[SegmentTask]:
    """The tasks of the segments that were asked for, each at all cuts.

    Args:
        kind: Of the tasks.
        source: Where the rows are.
        asked: As of `find_segments`.
        options: How rows are held out, and whether to validate.
        chooses: Whether methods are chosen on validation rows.

    Raises:
        UsageError: If a segment is not in these data, or has too few rows.
        DataError: If the rows cannot be split.
    """
    rule, cuts = options.split or split_of(source), options.cuts or (1.0,)
    names = find_segments(asked, holdout_of(source, rule, False))
    if chooses or options.validation:
        for until in cuts:
            check_validation_rows(names, holdout_of(source, rule, True, until))
    return [
        kind(name, source, options.validation, options.split, until)
        for name in names
        for until in cuts
    ]


def check_validation_rows(segments: Sequence[str], earlier: Holdout[Interactions]) -> None:
    """Refuses to judge methods for a segment on too few rows.

    Args:
        segments: Their names.
        earlier: The training rows in two parts: to train, and to validate on.

    Raises:
        UsageError: If a segment has too few.
    """
    train, validation = _training_counts(earlier.train), earlier.test.segment_counts()
    noun = earlier.train.segment_noun
    for name in segments:
        if validation[name] < MIN_TEST_ROWS or not train[name]:
            raise UsageError(
                f"--method={AUTO} and --validation need {MIN_TEST_ROWS} validation rows of a "
                f"{noun}, and training rows before them. Received: {name!r} with "
                f"{validation[name]} and {train[name]}. Name a method, or another {noun}."
            )


def _training_counts(train: Interactions) -> dict[str, int]:
    """How many rows of each segment count in training, where some may have the weight 0."""
    return (train if train.weights is None else train.take(train.weights > 0)).segment_counts()


def with_features(
    presets: Mapping[str, Any], features: Mapping[str, Sequence[str]], rows: Interactions
) -> Mapping[str, Any]:
    """The presets with the columns that student and teacher read.

    Args:
        presets: By name.
        features: Names of columns, by who reads them.
        rows: The data.

    Raises:
        UsageError: If the data have no such column.
    """
    known = (*rows.items.columns, *rows.columns)
    for who, names in features.items():
        if unknown := [name for name in names if name not in known]:
            raise UsageError(
                f"--{who}_features must be of {', '.join(known)}. Received: {', '.join(unknown)}."
            )
        part = {"features": tuple(names)}
        changes = {"student": part} if who == "student" else {"teacher": {"model": part}}
        presets = {name: changed(preset, changes) for name, preset in presets.items()}
    return presets


def _check_among(names: Sequence[str], known: Sequence[str], noun: str) -> None:
    for name in names:
        if name not in known:
            raise UsageError(
                f"--{noun} must name {_listed(known)}, 'top8' or 'all'. Received: {name!r}. "
                f"{meant(name, known)}"
            )


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:30]) + (f" and {len(names) - 30:,} others" if len(names) > 30 else "")
