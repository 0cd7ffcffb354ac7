"""Hyperparameters of a method on a genre: learning rate, dropout, steps and loss weights.

Every method gets the same number of trials, the first of them with its defaults. A trial trains one
student on the earlier rows and is looked at on the later ones all along; its steps are where it
was best. The defaults, their steps included, stay where no trial is shown to be better: the best of
twenty, or of a curve's points, is mostly the luckiest. An `Experiment` that knows training rows
alone does it, so that nothing of the evaluation rows can be seen.
"""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tdrec.config import ExperimentConfig
from tdrec.evaluation import DivergedError, Scores
from tdrec.experiment import Experiment
from tdrec.statistics import UserErrors, choose

MAX_STEPS = 480
PATIENCE = 120
"""Steps without a better figure that end a trial."""

LEARNING_RATE = (1e-3, 1e-2)
USER_DROPOUT = (0.1, 0.7)
"""Of the users' ids, where a regime has id dropout."""
UNIT_DROPOUT = (0.0, 0.3)
"""Of the student's units, where no user's id is; a choice, since each rate is compiled anew."""

WEIGHTS: Mapping[str, Mapping[str, tuple[float, float]]] = {
    "scratch": {},
    "ld": {"weight": (0.1, 30.0)},
    "fd": {"weight": (0.1, 100.0)},
    "fitnet": {"weight": (0.1, 100.0)},
    "hybrid": {"label_weight": (0.1, 30.0), "feature_weight": (0.1, 100.0)},
    "td": {
        "interaction_weight": (0.1, 100.0),
        "message_weight": (0.1, 100.0),
        "state_weight": (0.1, 100.0),
        "label_weight": (0.1, 30.0),
    },
}
"""The range of each weight of a method; all ranges are searched on a logarithmic scale."""


@dataclass(frozen=True)
class Tuned:
    """What a search ended with.

    Attributes:
        values: By name: `learning_rate`, `steps`, `user_dropout` (where the configuration drops
            users' ids) or `dropout` (of the student's units, where it does not) and the method's
            weights.
        rmse: On the validation rows.
        by_user: The errors that it is made of, as in `Scores`.
    """

    values: dict[str, float]
    rmse: float
    by_user: dict[str, list]


def tune(
    experiment: Experiment,
    genre: str,
    method: str,
    trials: int,
    journal: str | Path,
    *,
    seed: int = 0,
) -> Tuned:
    """Searches by Optuna's tree-structured Parzen estimator, with trials pruned by the median.

    Args:
        experiment: Of training rows alone: what it evaluates on are the validation rows.
        genre: The genre.
        method: The method's short name. Its weights that are 0 or missing in the experiment's
            configuration stay so.
        trials: How many, those that were pruned included.
        journal: Optuna's journal file. Trials that are in it are not repeated: a search that was
            killed goes on and ends as if it had not been.
        seed: Decides the search and the students. Default 0.

    Returns:
        The `Tuned` of the best trial if it is shown to be better than the defaults after their own
        steps (`tdrec.statistics.choose`); else that of the defaults.

    Example:
        >>> earlier = Experiment(split_by_time(ratings).train, config, cache_dir, 0.2)
        >>> tuned = tune(earlier, "Drama", "td", 20, "td.journal")
        >>> config = with_tuned(config, "td", tuned.values)

    Source:
        Bergstra et al., "Algorithms for Hyper-Parameter Optimization", 2011; Akiba et al.,
        "Optuna", 2019.
    """
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend
    from optuna.trial import TrialState

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
    arguments = experiment.config.arguments(method)
    weights = {k: v for k, v in WEIGHTS[method].items() if arguments.get(k, 0.0) > 0}
    drops_users = "user" in experiment.config.id_dropout
    default_steps = experiment.config.steps
    search = optuna.create_study(
        storage=JournalStorage(JournalFileBackend(str(journal))),
        study_name=f"{genre} {method}",
        pruner=optuna.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=PATIENCE),
        load_if_exists=True,
    )

    def value(trial: optuna.Trial) -> float:
        chosen = {"learning_rate": trial.suggest_float("learning_rate", *LEARNING_RATE, log=True)}
        if drops_users:
            chosen["user_dropout"] = trial.suggest_float("user_dropout", *USER_DROPOUT)
        else:
            rates = sorted({*UNIT_DROPOUT, experiment.config.student.dropout})
            chosen["dropout"] = trial.suggest_categorical("dropout", rates)
        for name, (low, high) in weights.items():
            chosen[name] = trial.suggest_float(name, low, high, log=True)
        looks: dict[int, Scores] = {}

        def best_step() -> int:
            return min(looks, key=lambda step: looks[step].rmse)

        def watch(step: int, scores: Scores) -> bool:
            looks[step] = scores
            trial.report(scores.rmse, step)
            if trial.should_prune():
                raise optuna.TrialPruned
            return step < default_steps or step - best_step() < PATIENCE

        most = max(MAX_STEPS, default_steps)
        config = with_tuned(experiment.config, method, {**chosen, "steps": most})
        try:
            experiment.with_config(config).run(genre, method, seed, watch)
        except DivergedError as error:
            raise optuna.TrialPruned(str(error)) from error
        nearest = min(looks, key=lambda step: abs(step - default_steps))
        trial.set_user_attr("steps", best_step())
        for name, scores in (("best", looks[best_step()]), ("default_steps", looks[nearest])):
            trial.set_user_attr(name, {"rmse": scores.rmse, "by_user": scores.by_user})
        return looks[best_step()].rmse

    for trial in search.get_trials(states=(TrialState.RUNNING,)):  # of a process that was killed
        search.tell(trial.number, state=TrialState.FAIL)
    finished = (TrialState.COMPLETE, TrialState.PRUNED)
    while (done := len(search.get_trials(states=finished))) < trials:
        # A search that goes on draws as one that was never stopped: by the number of trials done.
        search.sampler = optuna.samplers.TPESampler(n_startup_trials=8, seed=seed + done)
        if not done:
            first = _defaults(experiment.config, method, weights)
            search.sampler = optuna.samplers.PartialFixedSampler(first, search.sampler)
        search.optimize(value, n_trials=1)
    return _outcome(search.get_trials(states=finished), default_steps)


def _outcome(trials: Sequence[Any], default_steps: int) -> Tuned:
    """The defaults, which are those of the first trial, or what is shown to be better."""
    complete = {f"trial {t.number}": t for t in trials if "best" in t.user_attrs}
    runs = {name: trial.user_attrs["best"] for name, trial in complete.items()}
    if "default_steps" in trials[0].user_attrs:  # else it diverged
        runs = {"defaults": trials[0].user_attrs["default_steps"], **runs}
    name = choose({k: UserErrors.of(run["by_user"]) for k, run in runs.items()}, "defaults")
    chosen = complete.get(name, trials[0])
    steps = default_steps if name == "defaults" else chosen.user_attrs["steps"]
    return Tuned({**chosen.params, "steps": steps}, **runs[name])


def with_tuned(
    config: ExperimentConfig, method: str, chosen: Mapping[str, float]
) -> ExperimentConfig:
    """The configuration with the values that were chosen for a method.

    Args:
        config: Where they are put.
        method: The method's short name.
        chosen: Values that `tune` has found, all or a part.
    """
    weights = {k: v for k, v in chosen.items() if k in WEIGHTS[method]}
    changes: dict[str, Any] = {
        "learning_rate": chosen.get("learning_rate", config.learning_rate),
        "steps": int(chosen.get("steps", config.steps)),
        "methods": {**config.methods, method: {**config.methods.get(method, {}), **weights}},
    }
    if "user_dropout" in chosen:
        changes["id_dropout"] = {**config.id_dropout, "user": chosen["user_dropout"]}
    if "dropout" in chosen:
        changes["student"] = replace(config.student, dropout=chosen["dropout"])
    return replace(config, **changes)


def _defaults(
    config: ExperimentConfig, method: str, weights: Mapping[str, Any]
) -> dict[str, float]:
    first = {"learning_rate": config.learning_rate}
    if "user" in config.id_dropout:
        first["user_dropout"] = config.id_dropout["user"]
    else:
        first["dropout"] = config.student.dropout
    arguments = config.arguments(method)
    return {**first, **{name: arguments[name] for name in weights}}
