"""A worker of a study: tunes and trains what nobody else has in hand, each result on disk at once.

Workers share nothing but a folder, so that several processes, or machines with one disk, can work
on one study, and a study that was killed goes on. A unit's folder has a lock that dies with its
process, Optuna's journal of its trials, and a file for each finished run.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from tdrec.auto import earlier_experiment
from tdrec.data import Ratings
from tdrec.experiment import Experiment
from tdrec.results import replace_file
from tdrec.study_plan import Unit
from tdrec.tuning import Tuned, tune, with_tuned


class Worker:
    """Works on units of one study.

    Args:
        ratings: All ratings.
        folder: Where the units' folders are.
        cache_dir: Where teachers are kept.
        trials: Of tuning a unit; with 0 the defaults are used.
        seeds: Students of each unit, with seeds 0 to N-1.
        about: What every row says of data, versions and code.
    """

    def __init__(
        self,
        ratings: Ratings,
        folder: Path,
        cache_dir: Path,
        trials: int,
        seeds: int,
        about: dict[str, Any],
    ) -> None:
        self.ratings = ratings
        self.folder = folder
        self.cache_dir = cache_dir
        self.trials = trials
        self.seeds = seeds
        self.about = about
        self._experiments: dict[tuple[str, str, str], Experiment] = {}

    def work(self, units: Sequence[Unit], most: int | None = None) -> bool:
        """Does every unit that is neither done nor in another worker's hands.

        Args:
            units: The units.
            most: How many to do. Default None: all.

        Returns:
            Whether it came to the last unit.
        """
        done = 0
        for unit in units:
            folder = self.folder / self.key(unit)
            if all(path.exists() for path in self.row_paths(unit)):
                continue
            if done == most:
                return False
            folder.mkdir(parents=True, exist_ok=True)
            try:
                with FileLock(folder / "lock", blocking=False):
                    self._do(unit)
                done += 1
            except Timeout:
                continue
        return True

    def key(self, unit: Unit) -> str:
        """The name of a unit's folder: a hash of all that decides its rows but the seed."""
        return unit.key(self.ratings.fingerprint, self.trials)

    def row_paths(self, unit: Unit) -> list[Path]:
        """The files of a unit's rows, whether they are there or not."""
        folder = self.folder / self.key(unit)
        seeds = [None] if isinstance(unit.arm, str) else range(self.seeds)
        return [folder / f"row-{'all' if seed is None else seed}.json" for seed in seeds]

    def rows(self, units: Sequence[Unit]) -> Iterator[dict[str, Any]]:
        """The rows that are finished, in the order of the units."""
        for unit in units:
            for path in self.row_paths(unit):
                if path.exists():
                    yield json.loads(path.read_text(encoding="utf-8"))

    def _do(self, unit: Unit) -> None:
        config, tuned = unit.config, None
        if self.trials and not isinstance(unit.arm, str):
            tuned = self._tuned(unit)
            config = with_tuned(config, unit.method, tuned.values)
        experiment = self._experiment("all rows", unit).with_config(config)
        for path in self.row_paths(unit):
            if path.exists():
                continue
            seed = None if isinstance(unit.arm, str) else int(path.stem.removeprefix("row-"))
            row = experiment.run(unit.genre, unit.method, seed).row
            row |= self.about
            row |= {
                "config": asdict(config),
                "regime": unit.regime,
                "setting": unit.setting,
                "label": unit.label,
                "tuned": tuned.values if tuned else {},
                "validation": {"rmse": tuned.rmse, "by_user": tuned.by_user} if tuned else None,
                "key": f"{self.key(unit)}/{seed}",
            }
            if unit.method == "td":
                row["rounds"] = config.arguments("td")["rounds"]
            replace_file(path, json.dumps(row))

    def _tuned(self, unit: Unit) -> Tuned:
        folder = self.folder / self.key(unit)
        path = folder / "tuned.json"
        if not path.exists():
            earlier = self._experiment("training rows", unit).with_config(unit.config)
            tuned = tune(earlier, unit.genre, unit.method, self.trials, folder / "trials.journal")
            replace_file(path, json.dumps(asdict(tuned)))
        return Tuned(**json.loads(path.read_text(encoding="utf-8")))

    def _experiment(self, rows: str, unit: Unit) -> Experiment:
        """An experiment of the unit's teacher; those of another teacher are let go."""
        name = (rows, unit.regime, unit.setting)
        if name not in self._experiments:
            base = replace(unit.config, methods={})
            if rows == "all rows":
                made = Experiment(self.ratings, base, self.cache_dir)
            else:
                made = earlier_experiment(self.ratings, base, self.cache_dir)
            others = {k: v for k, v in self._experiments.items() if k[1:] == name[1:]}
            self._experiments = {**others, name: made}
        return self._experiments[name]
