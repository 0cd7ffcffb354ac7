"""Runs of the next movie of one data set's genres: a teacher of all, and students of one each.

Evaluation rows are read once, after training, and choose nothing.
"""

import json
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import keras
import numpy as np

from tdrec.data import Holdout
from tdrec.distill import methods
from tdrec.distill.backend import require_tensorflow
from tdrec.distill.cut import split_model
from tdrec.distill.distiller import Distiller
from tdrec.distill.model_split import ModelSplit
from tdrec.distill.predictor import Predictor
from tdrec.distill.teacher_targets import TeacherTargets, as_tensors, attach
from tdrec.export.model_cost import latency_ms, multiply_adds, save_keras
from tdrec.models.sequence_transformer import HIGH, LOW, without_blocks
from tdrec.studies.config import LOG_EVERY
from tdrec.studies.keys import key_of
from tdrec.studies.task import DivergedError, Result, Score, Session, Watch
from tdrec.tasks.cached import Teachers, model_bytes
from tdrec.tasks.controls import of_other_rows, randomly_interpreting
from tdrec.tasks.distilled import Compiled, fit
from tdrec.tasks.sequences.config import SequenceConfig
from tdrec.tasks.sequences.evaluation import NDCG, item_knn, popularity, score
from tdrec.tasks.sequences.events import NOTHING, Histories, Ints, Ranking, mixed
from tdrec.tasks.sequences.training import (
    TrainingNDCG,
    compile_model,
    endless,
    entropy,
    new_model,
    scores_of,
    train_teacher,
)

Facts = dict[str, Any]

MOST_TARGETS = 2**30
"""Bytes of a teacher's targets; where there were more, it answers in each step instead."""


class _Genre:
    """What runs of one genre share, by what decides it."""

    def __init__(self, histories: Histories, name: str, config: SequenceConfig) -> None:
        self.candidates = histories.candidates(name)
        self.ranking = histories.ranking(name, config.length, config.neighbours)
        windows = histories.training_windows(config.length, name, config.rows)
        self.tokens, self.labels = windows.tokens, histories.labels(windows, name)
        self.n_train = int((self.labels != NOTHING).sum())
        self.n_test = len(self.ranking.target) + len(self.ranking.missed)
        self.targets = TeacherTargets(batch_size=128)
        self.rows: tuple[Any, Any] = (None, None)  # the latest: a teacher's logits are large
        self.compiled = Compiled()
        self.costs: dict[str, Facts] = {}

    @property
    def cold_share(self) -> float:
        """Share of the evaluation events whose user has no training row."""
        users = np.concatenate([self.ranking.user_ids, self.ranking.missed])
        return float(np.isin(users, self.ranking.cold).mean())


class NextMovieSession(Session):
    """Runs of the genres of one data set, sharing the histories and the teacher.

    Args:
        holdout: The rows to train and to evaluate on, of all genres, with times.
        cache: Where trained teachers are kept.

    Raises:
        RuntimeError: If Keras runs on another backend than TensorFlow.

    Example:
        >>> from tdrec.data import split_by_time
        >>> from tdrec.tasks.next_movie import NextMovieTask
        >>> session = NextMovieSession(split_by_time(ratings), cache)
        >>> task = NextMovieTask("Drama", "simulated")
        >>> result = session.run(task, task.presets["full"], "item_knn", seed=None)
        >>> 0 < result.score.value < 1
        True
    """

    def __init__(self, holdout: Holdout[Any], cache: Path) -> None:
        require_tensorflow("These tasks", "distil by tdrec.Distiller, which also trains on JAX")
        self.holdout = holdout
        self._teachers = Teachers(cache)
        self._histories: dict[int, Histories] = {}
        self._genre: tuple[Any, Any] = (None, None)  # the latest, by what decides it

    def run(
        self,
        task: Any,
        config: SequenceConfig,
        method: str,
        seed: int | None,
        watch: Watch | None = None,
        keep: bool = False,
    ) -> Result:
        assert watch is None, "these tasks are not tuned"
        genre = self._of_genre(task.segment, config)
        facts: Facts = {"details": {"cold_share": genre.cold_share}}
        references: dict[str, Callable[[], tuple[Score, Facts]]] = {
            "popularity": lambda: self._run_popularity(config, genre),
            "item_knn": lambda: self._run_item_knn(config, genre),
            "without_blocks": lambda: self._run_teacher(task, config, genre, with_blocks=False),
            "teacher": lambda: self._run_teacher(task, config, genre),
        }
        found, reason, files = None, "", {}
        try:
            if method in references:
                found, more = references[method]()
            else:
                student, found, more = self._run_student(task, config, genre, method, seed or 0)
                if keep:
                    files = {
                        ".keras": model_bytes(student, save_keras),
                        ".json": self._vocabulary(config, genre),
                    }
            facts |= more
        except DivergedError as error:
            reason = str(error)
        return Result(found, genre.n_train, genre.n_test, reason, facts, files)

    def teacher(self, task: Any, config: SequenceConfig) -> str | None:
        return self._teachers.hash(
            task.teacher_file(config), lambda: self.teacher_model(task, config)
        )

    def teacher_model(self, task: Any, config: SequenceConfig) -> keras.Model:
        """The teacher of all genres' students, from the cache, or trained now and put there.

        Raises:
            DivergedError: If its training diverged.
        """
        histories = self.histories(config)
        return self._teachers.get(
            task.teacher_file(config), lambda: train_teacher(histories, config)
        )

    def histories(self, config: SequenceConfig) -> Histories:
        """The events of the data."""
        if config.ties not in self._histories:
            self._histories[config.ties] = Histories(self.holdout, config.ties)
        return self._histories[config.ties]

    def ranking(self, task: Any, config: SequenceConfig) -> Ranking:
        """What a task is evaluated on."""
        ranking: Ranking = self._of_genre(task.segment, config).ranking
        return ranking

    def distiller(self, task: Any, config: SequenceConfig, method: str, seed: int) -> Distiller:
        """A distiller of a new student, compiled and not trained.

        Args:
            task: The task.
            config: The configuration, with its steps.
            method: A method's short name.
            seed: Decides the initial weights.
        """
        taught = methods.get(method, **config.arguments(method))
        # Loading the teacher draws random numbers, so it comes before the seed is set.
        teacher = self._teacher_split(task, config) if taught.teacher_fields else None
        histories = self.histories(config)
        candidates = self._of_genre(task.segment, config).candidates
        keras.utils.set_random_seed(seed)
        student = new_model(histories, candidates, config.student, config.length, "student")
        taught = methods.get(method, **config.arguments(method))
        distiller = Distiller(split_model(student, low=LOW, high=HIGH), teacher, taught)
        compile_model(
            *(distiller, config.learning_rate, config.steps),
            metrics=[TrainingNDCG(name=NDCG.name)],
            steps_per_execution=LOG_EVERY,
        )
        return distiller

    def _of_genre(self, name: str, config: SequenceConfig) -> Any:
        key = (name, config.length, config.neighbours, config.rows, config.ties)
        if self._genre[0] != key:
            self._genre = (key, _Genre(self.histories(config), name, config))
        return self._genre[1]

    def _run_popularity(self, config: SequenceConfig, genre: _Genre) -> tuple[Score, Facts]:
        began = time.perf_counter()
        scores = popularity(self.histories(config), genre.candidates)
        facts = {"params": scores.size, "train_seconds": time.perf_counter() - began}
        return score(scores, genre.ranking), facts

    def _run_item_knn(self, config: SequenceConfig, genre: _Genre) -> tuple[Score, Facts]:
        began = time.perf_counter()
        scores = item_knn(self.histories(config), genre.candidates, genre.ranking.last)
        return score(scores, genre.ranking), {"train_seconds": time.perf_counter() - began}

    def _run_teacher(
        self, task: Any, config: SequenceConfig, genre: _Genre, with_blocks: bool = True
    ) -> tuple[Score, Facts]:
        whole = self.teacher_model(task, config)
        model = whole if with_blocks else without_blocks(whole)
        found = score(
            scores_of(_of_candidates(model, genre.candidates), genre.ranking), genre.ranking
        )
        file = self._teachers.folder / task.teacher_file(config)
        size = {"model_bytes": file.stat().st_size} if with_blocks else {}
        return found, {**self._cost(genre, task.teacher_file(config), model), **size}

    def _run_student(
        self, task: Any, config: SequenceConfig, genre: _Genre, method: str, seed: int
    ) -> tuple[keras.Model, Score, Facts]:
        key = key_of(asdict(config), method)
        distiller = genre.compiled.restarted(
            key, seed, lambda: self.distiller(task, config, method, seed)
        )
        fields = distiller.method.teacher_fields
        copies = config.mixed if fields else 0  # without a teacher there is nobody to ask
        rows = self._training_rows(task, config, genre, fields, copies)
        costs = genre.compiled.costs(key, distiller, rows)
        began = time.perf_counter()
        data = endless(rows, (1 + copies) * config.batch_size, seed)
        curve = fit(distiller, data, config.steps, entropy(genre.labels))
        seconds = time.perf_counter() - began
        student = distiller.student_layers[0]
        shape = key_of("student", asdict(config.student))
        facts = {"train_seconds": seconds, "curve": curve, **costs}
        facts |= self._cost(genre, shape, student)
        return student, score(scores_of(student, genre.ranking), genre.ranking), facts

    def _training_rows(
        self,
        task: Any,
        config: SequenceConfig,
        genre: _Genre,
        fields: tuple[str, ...],
        copies: int,
    ) -> Any:
        """What a student is trained on, with the teacher's targets: tensors, made once."""
        controls = config.shuffled_targets, config.without_blocks
        key = (fields, task.teacher_file(config), copies, controls)
        if genre.rows[0] != key:
            start = self.histories(config).start
            given = np.concatenate([genre.tokens, mixed(genre.tokens, start, copies)])
            nothing = np.full((len(given) - len(genre.tokens), config.length), NOTHING, np.int32)
            tokens = keras.ops.convert_to_tensor(given)
            labels = keras.ops.convert_to_tensor(np.concatenate([genre.labels, nothing]))
            widths = {"prediction": len(genre.candidates)}
            numbers = sum(widths.get(name, config.teacher.model.dim) for name in fields)
            if fields and (config.shuffled_targets or 4 * numbers * given.size <= MOST_TARGETS):
                trace = genre.targets(self._teacher_split(task, config), given, fields)
                if config.shuffled_targets:
                    trace = of_other_rows(trace, 1)
                tokens = attach(tokens, as_tensors(trace), fields)
            genre.rows = (key, (tokens, labels))
        return genre.rows[1]

    def _teacher_split(self, task: Any, config: SequenceConfig) -> ModelSplit:
        """The teacher, whose logits are those of the genre's movies alone."""
        candidates = self._of_genre(task.segment, config).candidates
        whole = self.teacher_model(task, config)
        if config.without_blocks:
            return Predictor(_of_candidates(without_blocks(whole), candidates))
        model = _of_candidates(whole, candidates)
        split = split_model(model, low=LOW, high=HIGH)
        return randomly_interpreting(model, split) if config.random_interpreter else split

    def _cost(self, genre: _Genre, key: str, model: keras.Model) -> Facts:
        """Parameters, multiplications and the latency of one user's history, measured once."""
        key = f"{key} {model.name}"
        if key not in genre.costs:
            history = genre.ranking.windows.tokens[:1]
            (latency,) = latency_ms([(model, history)], rows=1)
            genre.costs[key] = {
                "params": model.count_params(),
                "multiply_adds": multiply_adds(model, history),
                "latency_ms": latency,
            }
        return genre.costs[key]

    def _vocabulary(self, config: SequenceConfig, genre: _Genre) -> bytes:
        """What a client must know of a student: the tokens of movies, and its outputs' movies."""
        histories = self.histories(config)
        movies = histories.vocabulary.to_list()
        known = {
            "movies": movies,  # of the tokens from 1
            "start": histories.start,
            "length": config.length,
            "outputs": [movies[token - 1] for token in genre.candidates],
        }
        return json.dumps(known).encode()


def _of_candidates(model: keras.Model, candidates: Ints) -> keras.Model:
    """A model of all movies, of whose logits it gives the candidates'."""
    logits = keras.ops.take(model.output, (candidates - 1).astype(np.int32), axis=-1)
    return keras.Model(model.input, logits, name=model.name)
