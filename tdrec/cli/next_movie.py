"""Next movies: of which genres, and whether the data have times and movies enough."""

from dataclasses import replace

import numpy as np

from tdrec.cli.options import Options, UsageError
from tdrec.cli.segments import check_genres, check_validation_rows, find_segments
from tdrec.data import Interactions
from tdrec.tasks.next_movie import NextMovieTask
from tdrec.tasks.segment import Source, rows_of, split_of
from tdrec.tasks.sequences.evaluation import BEST


def next_movie_tasks(source: Source, options: Options, chooses: bool) -> list[NextMovieTask]:
    """The tasks of the genres that were asked for.

    Args:
        source: Where the rows are.
        options: Which genres, and whether to validate.
        chooses: Whether methods are chosen on validation rows.

    Raises:
        UsageError: If rows have no time, or a genre has too few movies or events.
        DataError: If the rows cannot be split by time.
    """
    if options.table is None:
        check_genres(options.segment or "Drama")
    rows = rows_of(source)
    if rows.timestamps is None:
        raise UsageError(
            "The next movie is known by time. Received: a table without times. Name their column: "
            "--columns=...,time=NAME."
        )
    if (rule := split_of(source)).by != "time":
        raise UsageError(
            "Next movies are held out by time. Received: a table that is split by "
            f"{rule.by}. Leave its split out."
        )
    asked = options.segment or ("Drama" if options.table is None else "top8")
    make = [NextMovieTask("", source, validation) for validation in (False, True)]
    names = find_segments(asked, make[0].holdout())
    cuts = options.cuts or (1.0,)
    if chooses or options.validation:
        for until in cuts:
            check_validation_rows(names, replace(make[1], until=until).holdout())
    tasks = [
        NextMovieTask(name, source, options.validation, until=until)
        for name in names
        for until in cuts
    ]
    earlier = [each for task in tasks if chooses for each in task.rolling()]
    for task in [*tasks, *earlier]:
        _check_movies(task.holdout().train, task.segment)
    return tasks


def _check_movies(train: Interactions, name: str) -> None:
    """Refuses a genre of which all movies would be among the first."""
    known = np.unique(train.of_segment(name).item_ids).size
    if known <= BEST:
        noun = train.segment_noun
        raise UsageError(
            f"A {noun} needs more than {BEST} movies with a training row, to be ranked. Received: "
            f"{name!r} with {known}. Name another {noun}."
        )
