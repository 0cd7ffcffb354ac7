"""`auto`: the method that is best on validation rows, for each genre anew.

Which method helps depends on the genre and on the teacher, and where none is shown to help, none
should be used: `tdrec.statistics.choose` among these errors, with scratch as what one has.
"""

import json
from collections.abc import Mapping
from pathlib import Path

from tdrec.config import VALIDATION_FRACTION, ExperimentConfig
from tdrec.data import Ratings, split_by_time
from tdrec.evaluation import DivergedError
from tdrec.experiment import Experiment
from tdrec.results import replace_file
from tdrec.statistics import UserErrors

SEED = 0
"""Of the one student that stands for a method."""


def earlier_experiment(
    ratings: Ratings, config: ExperimentConfig, cache_dir: str | Path
) -> Experiment:
    """An experiment that knows training rows alone and evaluates on the latest of them.

    Its teacher, too, is trained without the rows that it evaluates on.

    Args:
        ratings: All ratings; those that are for evaluation are dropped before anything else.
        config: The configuration.
        cache_dir: Where teachers are kept.
    """
    train = split_by_time(ratings).train
    return Experiment(train, config, cache_dir, VALIDATION_FRACTION)


def validation_errors(
    experiment: Experiment, genre: str, configs: Mapping[str, ExperimentConfig], path: Path
) -> dict[str, UserErrors | None]:
    """Errors of one student of each method on a genre's validation rows.

    Args:
        experiment: What `earlier_experiment` made.
        genre: The genre.
        configs: The configuration of each method, by its short name.
        path: A JSON file where errors are kept; what is there already is not trained again.

    Returns:
        The errors by method, None where what the student predicts is not finite.

    Example:
        >>> errors = validation_errors(experiment, "War", {"scratch": config, "ld": config}, path)
        >>> chosen = choose(errors, "scratch")
    """
    known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    errors = {}
    for method, config in configs.items():
        each = experiment.with_config(config)
        key = each.key(genre, method, SEED)
        if key not in known:
            try:
                known[key] = each.run(genre, method, SEED).row["by_user"]
            except DivergedError:
                known[key] = None
            replace_file(path, json.dumps(known))
        errors[method] = None if known[key] is None else UserErrors.of(known[key])
    return errors
