"""A task in one file: ridge regressions of two features, with a teacher that has more rows."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from tdrec.studies.config import Config, Range
from tdrec.studies.metric import RMSE, Metric
from tdrec.studies.row import Data, Units
from tdrec.studies.task import Result, Score, Session, Task


@dataclass(frozen=True, kw_only=True)
class ToyConfig(Config):
    """`pause` seconds for each run and each look at it; a student has `rows`, the teacher 200."""

    preset: str = "toy"
    batch_size: int = 1
    learning_rate: float = 0.01
    steps: int = 40
    rows: int = 12
    pause: float = 0.0

    def defaults(self, method: str) -> dict[str, Any]:
        return {"weight": 3.0} if method == "ld" else {}

    def space(self, method: str) -> Mapping[str, Range]:
        return {"learning_rate": Range(1e-3, 1e-1)}

    def values(self, method: str) -> dict[str, Any]:
        return {"learning_rate": self.learning_rate}

    def tuned(self, method: str, values: Mapping[str, Any]) -> "ToyConfig":
        return replace(self, **values)


@dataclass(frozen=True)
class ToyTask(Task):
    """Predicts a number for each row of a user."""

    title: str
    validation: bool = False

    metric: ClassVar[Metric] = RMSE
    references: ClassVar[tuple[str, ...]] = ("teacher",)
    presets: ClassVar[Mapping[str, ToyConfig]] = {"toy": ToyConfig()}

    @property
    def name(self) -> str:
        return self.title

    @property
    def shared(self) -> bool:
        return self.validation

    def data(self) -> Data:
        return Data("toy", f"toy {self.validation}", n_train=200, n_test=300)

    def earlier(self) -> "ToyTask":
        return replace(self, validation=True)

    def open(self, cache: Path) -> "ToySession":
        return ToySession(self.validation)


class ToySession(Session):
    def __init__(self, validation: bool) -> None:
        self.validation = validation

    def run(self, task, config, method, seed, watch=None, keep=False):
        time.sleep(config.pause)
        draw = np.random.default_rng([len(task.name), self.validation])
        x, user = draw.normal(size=(500, 2)), draw.integers(30, size=500)
        y = x @ [1.0, -0.5] + 0.1 * user / 30 + 0.5 * draw.normal(size=500)
        test = slice(200, None)
        teacher = _ridge(x[:200], y[:200], 0.1)
        weights = teacher
        if method != "teacher":
            rows = np.random.default_rng(seed).choice(200, config.rows, replace=False)
            targets = y[rows]
            if method == "ld":
                weight = config.arguments("ld")["weight"]
                targets = (targets + weight * x[rows] @ teacher) / (1 + weight)
            if config.learning_rate > 1:
                return Result(None, config.rows, 300, "a loss was not finite")
            weights = _ridge(x[rows], targets, config.learning_rate)
        for step in range(20, config.steps + 1, 20) if watch else ():
            time.sleep(config.pause)
            if not watch(step, _score(weights * (1 - 1 / step), x[test], y[test], user[test])):
                break
        score = _score(weights, x[test], y[test], user[test])
        files = {".keras": weights.tobytes(), ".json": b"{}"} if keep else {}
        return Result(score, config.rows, 300, files=files)


def _ridge(x, y, damping):
    return np.linalg.solve(x.T @ x + damping * np.eye(2), x.T @ y)


def _score(weights, x, y, user):
    squared = (x @ weights - y) ** 2
    ids = np.unique(user)
    sums = [float(squared[user == u].sum()) for u in ids]
    units = Units(ids.tolist(), [int((user == u).sum()) for u in ids], sums)
    return Score(float(np.sqrt(squared.mean())), units)
