"""Runs of one data set's genres: a teacher of all genres, and students of one genre each.

Evaluation rows are read once, after training, and choose nothing.
"""

import time
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import cached_property
from operator import itemgetter
from pathlib import Path
from typing import Any

import keras
import numpy as np

from tdrec.data import FeatureEncoder, Holdout, Ratings
from tdrec.distill import methods
from tdrec.distill.backend import require_tensorflow
from tdrec.distill.cut import split_model
from tdrec.distill.distiller import Distiller
from tdrec.distill.model_split import ModelSplit
from tdrec.distill.teacher_targets import TeacherTargets
from tdrec.export.model_cost import latency_ms, multiply_adds
from tdrec.models.rating_mlp import HIGH, LOW
from tdrec.studies.keys import key_of
from tdrec.studies.task import DivergedError, Result, Score, Session, Watch
from tdrec.tasks.cached import Teachers, model_bytes
from tdrec.tasks.distilled import Compiled, set_weights, structure
from tdrec.tasks.ratings.config import RatingConfig
from tdrec.tasks.ratings.controls import randomly_interpreting
from tdrec.tasks.ratings.evaluation import BiasModel, is_cold, score
from tdrec.tasks.ratings.segment import Segment, training_rows
from tdrec.tasks.ratings.student import compile_student, train_student
from tdrec.tasks.ratings.teacher import predict, rating_model, train_teacher
from tdrec.tasks.ratings.teacher_key import teacher_file, teacher_rows

Features = dict[str, np.ndarray]


class _Kept:
    """What runs of one segment share, by what decides it."""

    def __init__(self, key: Any, segment: Segment) -> None:
        self.key = key
        self.segment = segment
        # A pass of the small teacher is mostly overhead.
        self.targets = TeacherTargets(batch_size=4096)
        self.rows: tuple[Any, Any] = (None, None)  # the latest: states of all variants are large
        self.compiled = Compiled()
        self.costs: dict[str, dict[str, Any]] = {}


class RatingSession(Session):
    """Runs of the genres of one data set, sharing the split and the teachers.

    Args:
        holdout: The rows to train and to evaluate on, of all genres.
        cache: Where trained teachers are kept.

    Raises:
        RuntimeError: If Keras runs on another backend than TensorFlow.

    Example:
        >>> from tdrec.data import split_by_time
        >>> from tdrec.tasks.genre import GenreTask
        >>> session = RatingSession(split_by_time(ratings), cache)
        >>> result = session.run(GenreTask("Drama", "simulated"), config, "bias", seed=None)
        >>> round(result.score.value, 3)
        1.092
    """

    def __init__(self, holdout: Holdout, cache: Path) -> None:
        require_tensorflow("These tasks", "distil by tdrec.Distiller, which also trains on JAX")
        self.holdout = holdout
        self._teachers = Teachers(cache)
        self._kept: _Kept | None = None
        self._overall: dict[str, float] = {}

    def run(
        self,
        task: Any,
        config: RatingConfig,
        method: str,
        seed: int | None,
        watch: Watch | None = None,
        keep: bool = False,
    ) -> Result:
        """One run, as `Session.run` says.

        `watch` is asked each `student.WATCH_EVERY` steps, of those after a ramp-up.
        """
        genre = task.name
        segment = self.segment(genre, config)
        facts: dict[str, Any] = {"details": self._details(genre, segment)}
        score, reason, files = None, "", {}
        try:
            if method == "bias":
                score, more = self._run_bias(segment)
            elif method == "teacher":
                score, more = self._run_teacher(genre, config, segment)
            else:
                student, score, more = self._run_student(
                    genre, config, segment, method, int(seed or 0), watch
                )
                if keep:
                    files = {
                        ".keras": model_bytes(student),
                        ".json": segment.encoder.to_json().encode(),
                    }
            facts |= more
        except DivergedError as error:
            reason = str(error)
        return Result(score, len(segment.train), len(segment.test), reason, facts, files)

    def teacher(self, task: Any, config: RatingConfig) -> str | None:
        name = self.teacher_file(task.name, config)
        return self._teachers.hash(name, lambda: self.teacher_model(task.name, config))

    def teacher_model(self, genre: str, config: RatingConfig) -> keras.Model:
        """The teacher of a genre's students, from the cache, or trained now and put there.

        There is one for all genres, but where the configuration keeps the genre's rows from it.

        Raises:
            DivergedError: If its training diverged.
        """
        rows = teacher_rows(self.holdout.train, genre, config)
        name = self.teacher_file(genre, config)
        return self._teachers.get(name, lambda: train_teacher(rows, config.teacher))

    def teacher_file(self, genre: str, config: RatingConfig) -> str:
        """The name of its file."""
        return teacher_file(self.holdout.train, genre, config)

    def segment(self, genre: str, config: RatingConfig) -> Segment:
        """The genre's rows, kept until others are asked for."""
        return self._of_segment(genre, config).segment

    def distiller(self, genre: str, config: RatingConfig, method: str, seed: int) -> Distiller:
        """A distiller as `run` trains it, compiled and not trained.

        Args:
            genre: A genre of the data.
            config: The configuration.
            method: A method's short name.
            seed: Decides the initial weights.

        Returns:
            The `Distiller`, which has its teacher even if the method reads none. Its inputs are
            `{"student": ..., "teacher": ...}`: each model's features of the same rows, as the
            genre's `segment` has them.
        """
        fresh = self._new_distiller(genre, config, method, seed)
        models = {"student": fresh.student_layers[0], "teacher": self.teacher_model(genre, config)}
        student, teacher = (
            split_model(model, low=LOW, high=HIGH, input_map=itemgetter(name))
            for name, model in models.items()
        )
        distiller = Distiller(student, teacher, fresh.method)
        compile_student(distiller, config)
        return distiller

    def _of_segment(self, genre: str, config: RatingConfig) -> _Kept:
        key = (genre, config.rows, config.teacher.rows)
        if self._kept is None or self._kept.key != key:
            train, test = self.holdout.train.of_genre(genre), self.holdout.test.of_genre(genre)
            if config.rows < 1:
                # The first rows of one order, so that fewer rows are among those of more.
                order = np.random.default_rng(0).permutation(len(train))
                train = train.take(np.sort(order[: round(config.rows * len(train))]))
            of_student, of_teacher = FeatureEncoder.fit(train), self._teacher_encoder(genre, config)
            segment = Segment(
                train,
                test,
                of_student,
                of_teacher,
                student_train=of_student.encode(train),
                student_test=of_student.encode(test),
                teacher_train=of_teacher.encode(train),
                teacher_test=of_teacher.encode(test),
            )
            self._kept = _Kept(key, segment)
        return self._kept

    def _details(self, genre: str, segment: Segment) -> dict[str, Any]:
        counts = self.holdout.train.genre_counts()
        rank = sorted(counts, key=lambda name: -counts[name]).index(genre) + 1
        is_paper = "100k" in self.holdout.train.name.lower()  # whose genres the paper ranks
        return {
            "cold_share": float(is_cold(segment.test, segment.train).mean()),
            "density_rank": rank if rank <= 8 and is_paper else None,
        }

    @cached_property
    def _encoder(self) -> FeatureEncoder:
        """The vocabularies of all training rows."""
        return FeatureEncoder.fit(self.holdout.train)

    def _teacher_encoder(self, genre: str, config: RatingConfig) -> FeatureEncoder:
        if config.teacher.rows == "all":
            return self._encoder
        return FeatureEncoder.fit(teacher_rows(self.holdout.train, genre, config))

    def _run_bias(self, segment: Segment) -> tuple[Score, dict[str, Any]]:
        start = time.perf_counter()
        model = BiasModel.fit(segment.train)
        seconds = time.perf_counter() - start
        found = score(model.predict(segment.test), segment.test, segment.train)
        found = self._beside_all_genres(
            found, "bias", lambda rows: BiasModel.fit(self.holdout.train).predict(rows)
        )
        return found, {"params": model.params, "train_seconds": seconds}

    def _run_teacher(
        self, genre: str, config: RatingConfig, segment: Segment
    ) -> tuple[Score, dict[str, Any]]:
        teacher, name = self.teacher_model(genre, config), self.teacher_file(genre, config)
        found = score(predict(teacher, segment.teacher_test), segment.test, segment.train)
        if config.teacher.rows == "all":
            found = self._beside_all_genres(
                found, name, lambda rows: predict(teacher, self._encoder.encode(rows))
            )
        size = (self._teachers.folder / name).stat().st_size
        cost = self._cost(name, teacher, segment.teacher_test)
        return found, {**cost, "model_bytes": size}

    def _beside_all_genres(
        self, found: Score, name: str, predict_rows: Callable[[Ratings], Any]
    ) -> Score:
        """A score with the RMSE on all genres' rows, computed once for what `name` is of."""
        train, test = self.holdout.train, self.holdout.test
        if name not in self._overall:
            self._overall[name] = score(predict_rows(test), test, train).value
        return replace(found, details={**found.details, "rmse_all_genres": self._overall[name]})

    def _run_student(
        self,
        genre: str,
        config: RatingConfig,
        segment: Segment,
        name: str,
        seed: int,
        watch: Watch | None,
    ) -> tuple[keras.Model, Score, dict[str, Any]]:
        kept = self._of_segment(genre, config)
        arguments = config.arguments(name)
        built = key_of(
            *(name, structure(methods.find(name), arguments), asdict(config.student), config.ema),
            *(self.teacher_file(genre, config), config.random_interpreter),
        )

        def make() -> Distiller:
            fresh = self._new_distiller(genre, config, name, seed)
            compile_student(fresh, config)
            return fresh

        distiller = kept.compiled.restarted(built, seed, make)
        distiller.optimizer.learning_rate = config.learning_rate
        set_weights(distiller.method, arguments)
        rows = self._training_rows(genre, config, distiller.method.teacher_fields)
        began = time.perf_counter()
        curve = train_student(distiller, rows, segment, config, seed, watch)
        seconds = time.perf_counter() - began
        student = distiller.student_layers[0]
        found = score(predict(student, segment.student_test), segment.test, segment.train)
        facts: dict[str, Any] = {"train_seconds": seconds, "curve": curve}
        if watch is None:
            shape = key_of("student", asdict(config.student))
            facts |= self._cost(shape, student, segment.student_test)
            facts |= kept.compiled.costs(built, distiller, rows)
        return student, found, facts

    def _training_rows(self, genre: str, config: RatingConfig, fields: tuple[str, ...]) -> Any:
        """What a student is trained on, with the teacher's targets: tensors, made once."""
        kept = self._of_segment(genre, config)
        key = (
            *(tuple(config.id_dropout), fields, self.teacher_file(genre, config)),
            *(config.shuffled_targets, config.unrated),
        )
        if kept.rows[0] != key:
            rows = training_rows(
                kept.segment,
                config,
                fields,
                lambda x, read: kept.targets(self._teacher_split(genre, config), x, read),
            )
            kept.rows = (key, keras.tree.map_structure(keras.ops.convert_to_tensor, rows))
        return kept.rows[1]

    def _new_distiller(self, genre: str, config: RatingConfig, name: str, seed: int) -> Distiller:
        arguments = config.arguments(name)
        # Loading the teacher draws random numbers, so it comes before the seed is set.
        reads = methods.get(name, **arguments).teacher_fields
        teacher = self._teacher_split(genre, config) if reads else None
        if teacher and config.random_interpreter:
            teacher = randomly_interpreting(self.teacher_model(genre, config), teacher)
        segment = self.segment(genre, config)
        keras.utils.set_random_seed(seed)
        student = rating_model(config.student, segment.encoder, segment.train, "student")
        method = methods.get(name, **arguments)
        return Distiller(split_model(student, low=LOW, high=HIGH), teacher, method)

    def _teacher_split(self, genre: str, config: RatingConfig) -> ModelSplit:
        return split_model(self.teacher_model(genre, config), low=LOW, high=HIGH)

    def _cost(self, key: str, model: keras.Model, features: Features) -> dict[str, Any]:
        """Parameters, multiplications and latency, measured once for what `key` is of."""
        kept = self._kept
        assert kept is not None
        if key not in kept.costs:
            (latency,) = latency_ms([(model, features)])
            kept.costs[key] = {
                "params": model.count_params(),
                "multiply_adds": multiply_adds(model, features),
                "latency_ms": latency,
            }
        return kept.costs[key]
