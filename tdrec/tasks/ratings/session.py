"""Runs of one data set's segments: a teacher of all of them, and students of one each.

Evaluation rows are read once, after training, and choose nothing.
"""

import time
from collections.abc import Callable
from dataclasses import asdict, replace
from operator import itemgetter
from pathlib import Path
from typing import Any

import keras
import numpy as np

from tdrec.data import FeatureEncoder, Holdout, Interactions, Split
from tdrec.distill import methods
from tdrec.distill.backend import require_tensorflow
from tdrec.distill.cut import split_model
from tdrec.distill.distiller import Distiller
from tdrec.distill.method import Method
from tdrec.distill.model_split import ModelSplit
from tdrec.distill.teacher_targets import TeacherTargets
from tdrec.distill.trusted_targets import trust_of
from tdrec.export.model_cost import latency_ms, multiply_adds
from tdrec.models.rating_mlp import HIGH, LOW, PREDICTION
from tdrec.studies.keys import key_of
from tdrec.studies.task import DivergedError, Result, Score, Session, Watch
from tdrec.tasks.cached import Teachers, model_bytes
from tdrec.tasks.controls import randomly_interpreting
from tdrec.tasks.distilled import Compiled, set_weights, structure
from tdrec.tasks.ratings.config import RatingConfig
from tdrec.tasks.ratings.evaluation import METRICS, BiasModel, score
from tdrec.tasks.ratings.segment import Segment, details_of, training_rows
from tdrec.tasks.ratings.student import compile_student, train_student
from tdrec.tasks.ratings.teacher import BY_TIME, predict, rating_model, train_teacher
from tdrec.tasks.ratings.teacher_key import teacher_file, teacher_rows
from tdrec.tasks.ratings.trusted import trust_by

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
    """Runs of the segments of one data set, sharing the split and the teachers.

    Args:
        holdout: The rows to train and to evaluate on, of all segments.
        cache: Where trained teachers are kept.
        split: How rows are held out. Default: by time.

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

    def __init__(self, holdout: Holdout[Any], cache: Path, split: Split = BY_TIME) -> None:
        require_tensorflow("These tasks", "distil by tdrec.Distiller, which also trains on JAX")
        self.holdout, self.split = holdout, split
        self._teachers = Teachers(cache)
        self._kept: _Kept | None = None
        self._overall: dict[str, float] = {}
        self._encoder: tuple[Any, Any] = (None, None)  # the teacher's latest, by what decides it

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
        name, config = task.segment, task.fitted(config)
        segment = self.segment(name, config)
        facts: dict[str, Any] = {"details": details_of(name, segment, self.holdout.train)}
        score, reason, files = None, "", {}
        try:
            if method == "bias":
                score, more = self._run_bias(segment)
            elif method == "teacher":
                score, more = self._run_teacher(name, config, segment)
            else:
                student, score, more = self._run_student(
                    name, config, segment, method, int(seed or 0), watch
                )
                if keep:
                    files = {
                        ".keras": model_bytes(student, self._save_in_own_unit),
                        ".json": segment.encoder.to_json().encode(),
                    }
            facts |= more
        except DivergedError as error:
            reason = str(error)
        return Result(score, len(segment.train), len(segment.test), reason, facts, files)

    def teacher(self, task: Any, config: RatingConfig) -> str | None:
        file = self.teacher_file(task.segment, config)
        return self._teachers.hash(file, lambda: self.teacher_model(task.segment, config))

    def teacher_model(self, name: str, config: RatingConfig) -> keras.Model:
        """The teacher of a segment's students, from the cache, or trained now and put there.

        There is one for all segments, but where the configuration keeps the segment's rows from it.
        It predicts in the unit of the holdout's rows.

        Raises:
            DivergedError: If its training diverged.
        """
        config = self.fitted(name, config)
        rows = teacher_rows(self.holdout.train, name, config)
        file = self.teacher_file(name, config)
        return self._teachers.get(file, lambda: train_teacher(rows, config.teacher, self.split))

    def teacher_file(self, name: str, config: RatingConfig) -> str:
        """The name of its file."""
        return teacher_file(self.holdout.train, name, self.fitted(name, config), self.split)

    def segment(self, name: str, config: RatingConfig) -> Segment:
        """The segment's rows, kept until others are asked for."""
        return self._of_segment(name, config).segment

    def fitted(self, name: str, config: RatingConfig) -> RatingConfig:
        """The configuration with those of the teacher's numbers that follow from the rows."""
        train = self.holdout.train
        return config.fitted(train.segment_counts()[name], len(train))

    def distiller(self, name: str, config: RatingConfig, method: str, seed: int) -> Distiller:
        """A distiller as `run` trains it, compiled and not trained.

        Args:
            name: A segment of the data.
            config: The configuration.
            method: A method's short name.
            seed: Decides the initial weights.

        Returns:
            The `Distiller`, which has its teacher even if the method reads none. Its inputs are
            `{"student": ..., "teacher": ...}`: each model's features of the same rows, as
            `segment` has them.
        """
        fresh = self._new_distiller(name, config, method, seed)
        models = {"student": fresh.student_layers[0], "teacher": self.teacher_model(name, config)}
        student, teacher = (
            split_model(model, low=LOW, high=HIGH, input_map=itemgetter(who))
            for who, model in models.items()
        )
        distiller = Distiller(student, teacher, fresh.method)
        compile_student(distiller, config, self.holdout.train.target)
        return distiller

    def _of_segment(self, name: str, config: RatingConfig) -> _Kept:
        read = config.student.features, config.teacher.model.features
        key = (name, config.rows, config.teacher.rows, *read)
        if self._kept is None or self._kept.key != key:
            train, test = self.holdout.train.of_segment(name), self.holdout.test.of_segment(name)
            if config.rows < 1:
                # The first rows of one order, so that fewer rows are among those of more.
                order = np.random.default_rng(0).permutation(len(train))
                train = train.take(np.sort(order[: round(config.rows * len(train))]))
            of_student = FeatureEncoder.fit(train, columns=config.student.features)
            of_teacher = self._teacher_encoder(name, config)
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

    def _teacher_encoder(self, name: str, config: RatingConfig) -> FeatureEncoder:
        columns = config.teacher.model.features
        key = (name if config.teacher.rows != "all" else None, columns)
        if self._encoder[0] != key:
            rows = teacher_rows(self.holdout.train, name, config)
            self._encoder = (key, FeatureEncoder.fit(rows, columns=columns))
        return self._encoder[1]

    def _run_bias(self, segment: Segment) -> tuple[Score, dict[str, Any]]:
        start = time.perf_counter()
        model = BiasModel.fit(segment.train)
        seconds = time.perf_counter() - start
        found = score(model.predict(segment.test), segment.test, segment.train)
        found = self._beside_all_segments(
            found, "bias", lambda rows: BiasModel.fit(self.holdout.train).predict(rows)
        )
        return found, {"params": model.params, "train_seconds": seconds}

    def _run_teacher(
        self, name: str, config: RatingConfig, segment: Segment
    ) -> tuple[Score, dict[str, Any]]:
        teacher, file = self.teacher_model(name, config), self.teacher_file(name, config)
        found = score(predict(teacher, segment.teacher_test), segment.test, segment.train)
        if config.teacher.rows == "all":
            found = self._beside_all_segments(
                found, file, lambda rows: predict(teacher, segment.teacher_encoder.encode(rows))
            )
        size = (self._teachers.folder / file).stat().st_size
        cost = self._cost(file, teacher, segment.teacher_test)
        return found, {**cost, "model_bytes": size}

    def _beside_all_segments(
        self, found: Score, key: str, predict_rows: Callable[[Interactions], Any]
    ) -> Score:
        """A score with that on all segments' rows, computed once for what `key` is of."""
        train, test = self.holdout.train, self.holdout.test
        if key not in self._overall:
            self._overall[key] = score(predict_rows(test), test, train).value
        field = f"{METRICS[train.target].name}_all_segments"
        return replace(found, details={**found.details, field: self._overall[key]})

    def _save_in_own_unit(self, student: keras.Model, path: Path) -> None:
        """Saves a student that predicts in the target's own unit: a power of two rounds nothing."""
        unit = self.holdout.train.unit
        last = student.get_layer(PREDICTION)
        weights = last.get_weights()
        last.set_weights([unit * w for w in weights])
        student.save(path)
        last.set_weights(weights)

    def _run_student(
        self,
        name: str,
        config: RatingConfig,
        segment: Segment,
        method: str,
        seed: int,
        watch: Watch | None,
    ) -> tuple[keras.Model, Score, dict[str, Any]]:
        kept = self._of_segment(name, config)
        arguments = config.arguments(method)
        built = key_of(
            *(
                method,
                structure(methods.find(method), arguments),
                asdict(config.student),
                config.ema,
            ),
            *(self.teacher_file(name, config), config.random_interpreter),
        )

        def make() -> Distiller:
            fresh = self._new_distiller(name, config, method, seed)
            compile_student(fresh, config, segment.train.target)
            return fresh

        distiller = kept.compiled.restarted(built, seed, make)
        distiller.optimizer.learning_rate = config.learning_rate
        set_weights(distiller.method, arguments)
        rows = self._training_rows(name, config, distiller.method)
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

    def _training_rows(self, name: str, config: RatingConfig, method: Method) -> Any:
        """What a student is trained on, with the teacher's targets: tensors, made once."""
        kept = self._of_segment(name, config)
        fields, is_trusted = method.teacher_fields, trust_of(method) is not None
        key = (
            *(tuple(config.id_dropout), fields, self.teacher_file(name, config)),
            *(config.shuffled_targets, config.unrated, is_trusted),
        )
        if kept.rows[0] != key:
            rows = training_rows(
                kept.segment,
                config,
                fields,
                lambda x, read: kept.targets(self._teacher_split(name, config), x, read),
                is_trusted,
            )
            kept.rows = (key, keras.tree.map_structure(keras.ops.convert_to_tensor, rows))
        return kept.rows[1]

    def _new_distiller(self, name: str, config: RatingConfig, method: str, seed: int) -> Distiller:
        arguments = config.arguments(method)
        asked, segment = methods.get(method, **arguments), self.segment(name, config)
        if trust_of(asked) and "trust" in asked.get_config():
            arguments = {**arguments, "trust": trust_by(segment.train, arguments.get("trust"))}
        # Loading the teacher draws random numbers, so it comes before the seed is set.
        teacher = self._teacher_split(name, config) if asked.teacher_fields else None
        if teacher and config.random_interpreter:
            teacher = randomly_interpreting(self.teacher_model(name, config), teacher)
        keras.utils.set_random_seed(seed)
        student = rating_model(config.student, segment.encoder, segment.train, "student")
        learned = methods.get(method, **arguments)
        return Distiller(split_model(student, low=LOW, high=HIGH), teacher, learned)

    def _teacher_split(self, name: str, config: RatingConfig) -> ModelSplit:
        return split_model(self.teacher_model(name, config), low=LOW, high=HIGH)

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
