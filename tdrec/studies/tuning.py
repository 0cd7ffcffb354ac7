"""Tuning: learning rate, dropout, steps and loss weights of a method, on validation rows.

Every method gets the same number of trials, the first of them with its defaults. A trial trains one
student on the earlier rows and is looked at on the later ones all along; its steps are where it
was best. The defaults, their steps included, stay where no trial is shown to be better: the best of
twenty, or of a curve's points, is mostly the luckiest. The task knows training rows alone, so that
nothing of the evaluation rows can be seen.
"""

import json
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from tdrec.studies.comparison import Scores, choose
from tdrec.studies.config import Config, Range
from tdrec.studies.metric import Metric
from tdrec.studies.task import Score, Session, Task

MAX_STEPS = 480
PATIENCE = 120
"""Steps without a better figure that end a trial."""

SEED = 0
"""Of the search and of its students."""


@dataclass(frozen=True)
class Tuned:
    """What a search ended with.

    Attributes:
        values: By name: what the configuration's `space` names, and `steps`.
        validation: The score on the validation rows, as a row has it; None if all diverged.
    """

    values: dict[str, Any]
    validation: dict[str, Any] | None


class Objective:
    """What a search asks of a trial: a student's best value on the validation rows.

    Args:
        session: Of training rows alone.
        task: What it evaluates on are the validation rows.
        config: The configuration to start from.
        method: The method's short name.
    """

    def __init__(self, session: Session, task: Task, config: Config, method: str) -> None:
        self.session = session
        self.task = task
        self.config = config
        self.method = method
        own = config.values(method)
        self.space = {name: _holding(of, own[name]) for name, of in config.space(method).items()}

    def __call__(self, trial: Any) -> float:
        import optuna

        metric, default_steps = self.task.metric, self.config.steps
        chosen = {name: _suggest(trial, name, of) for name, of in self.space.items()}
        looks: dict[int, Score] = {}

        def best_step() -> int:
            return min(looks, key=lambda step: -metric.sign * looks[step].value)

        def watch(step: int, score: Score) -> bool:
            looks[step] = score
            trial.report(score.value, step)
            if trial.should_prune():
                raise optuna.TrialPruned
            return step < default_steps or step - best_step() < PATIENCE

        steps = max(MAX_STEPS, default_steps)
        config = self.config.tuned(self.method, {**chosen, "steps": steps})
        if reason := self.session.run(self.task, config, self.method, SEED, watch).reason:
            raise optuna.TrialPruned(reason)
        nearest = min(looks, key=lambda step: abs(step - default_steps))
        trial.set_user_attr("steps", best_step())
        for name, step in (("best", best_step()), ("default_steps", nearest)):
            trial.set_user_attr(name, as_validation(looks[step]))
        return looks[best_step()].value


def tune(
    objective: Objective, trials: int, known: Sequence[str], emit: Callable[[str], None]
) -> Tuned:
    """Searches by Optuna's tree-structured Parzen estimator, with trials pruned by the median.

    Args:
        objective: What to search for.
        trials: How many, those that were pruned included.
        known: Trials that were finished, as `emit` was given them. They are not repeated: a search
            that was killed goes on and ends as if it had not been.
        emit: Is given each finished trial as a line of JSON, before the next one begins.

    Returns:
        The `Tuned` of the best trial if it is shown to be better than the defaults after their own
        steps (`tdrec.studies.comparison.choose`: over users, at one seed); else that of the
        defaults.

    Source:
        Bergstra et al., "Algorithms for Hyper-Parameter Optimization", 2011; Akiba et al.,
        "Optuna", 2019.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
    search = optuna.create_study(
        direction="maximize" if objective.task.metric.sign > 0 else "minimize",
        pruner=optuna.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=PATIENCE),
    )
    for line in known[:trials]:
        search.add_trial(_from_json(line))
    while (done := len(search.trials)) < trials:
        # A search that goes on draws as one that was never stopped: by the number of trials done.
        search.sampler = optuna.samplers.TPESampler(n_startup_trials=8, seed=SEED + done)
        if not done:
            first = objective.config.values(objective.method)
            search.sampler = optuna.samplers.PartialFixedSampler(first, search.sampler)
        search.optimize(objective, n_trials=1)
        emit(_to_json(search.trials[-1]))
    return _outcome(search.trials, objective.config.steps, objective.task.metric)


def as_validation(score: Score) -> dict[str, Any]:
    """A score on validation rows as a row has it."""
    return {"value": score.value, "units": score.units and asdict(score.units)}


def scores_of(validation: Mapping[str, Any]) -> Scores:
    """What `as_validation` made, as a side of comparisons."""
    units = validation["units"]
    return Scores(
        seeds=(SEED,),
        values=np.array([validation["value"]]),
        ids=np.array(units["ids"]),
        rows=np.array(units["rows"]),
        sums=np.array(units["sums"], float)[:, None],
    )


def _holding(of: Any, value: Any) -> Any:
    """What is searched, widened to the value that the search begins with."""
    if not isinstance(of, Range):
        return of
    return replace(of, low=min(of.low, value), high=max(of.high, value))


def _suggest(trial: Any, name: str, of: Any) -> Any:
    if isinstance(of, list):
        return trial.suggest_categorical(name, of)
    return trial.suggest_float(name, of.low, of.high, log=of.log)


def _outcome(trials: Sequence[Any], default_steps: int, metric: Metric) -> Tuned:
    """The defaults, which are those of the first trial, or what is shown to be better."""
    complete = {f"trial {t.number}": t for t in trials if "best" in t.user_attrs}
    runs = {name: trial.user_attrs["best"] for name, trial in complete.items()}
    if "default_steps" in trials[0].user_attrs:  # otherwise it diverged
        runs = {"defaults": trials[0].user_attrs["default_steps"], **runs}
    if not runs:
        return Tuned({**trials[0].params, "steps": default_steps}, None)
    scores = {name: [scores_of(run)] for name, run in runs.items()}
    name = choose(scores, "defaults", metric)
    chosen = complete.get(name, trials[0])
    steps = default_steps if name == "defaults" else chosen.user_attrs["steps"]
    return Tuned({**chosen.params, "steps": steps}, runs[name])


def _to_json(trial: Any) -> str:
    from optuna.distributions import distribution_to_json

    plain = ("value", "params", "intermediate_values", "user_attrs")
    found = {"state": trial.state.name, **{name: getattr(trial, name) for name in plain}}
    spaces = {name: distribution_to_json(of) for name, of in trial.distributions.items()}
    return json.dumps({**found, "distributions": spaces})


def _from_json(line: str) -> Any:
    from optuna.distributions import json_to_distribution
    from optuna.trial import TrialState, create_trial

    found = json.loads(line)
    spaces, looks = found["distributions"], found["intermediate_values"]
    found["state"] = TrialState[found["state"]]
    found["distributions"] = {name: json_to_distribution(of) for name, of in spaces.items()}
    found["intermediate_values"] = {int(step): value for step, value in looks.items()}
    return create_trial(**found)
