"""One experiment: a teacher of all genres, and students of one genre each, by any method.

Everything is decided by an `ExperimentConfig` and a seed. Evaluation rows are read once, after
training, and choose nothing.
"""

import copy
import time
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from operator import itemgetter
from pathlib import Path
from typing import Any

import keras
import numpy as np

from tdrec import methods
from tdrec.backend import require_tensorflow
from tdrec.config import METHOD_DEFAULTS, REFERENCES, ExperimentConfig
from tdrec.controls import randomly_interpreting
from tdrec.data import FeatureEncoder, Ratings, split_by_time
from tdrec.distiller import Distiller
from tdrec.evaluation import BiasModel, is_cold, score
from tdrec.model_cost import latency_ms, multiply_adds, training_multiply_adds
from tdrec.model_split import ModelSplit, split_model
from tdrec.models.rating_mlp import HIGH, LOW
from tdrec.results import key_of
from tdrec.segment import Segment, training_rows
from tdrec.student_training import (
    Watch,
    compile_student,
    initial_values,
    prepare,
    structure,
    train_student,
)
from tdrec.teacher_targets import TeacherTargets
from tdrec.teacher_training import cached_teacher, predict, rating_model


@dataclass(frozen=True)
class Result:
    """What one run gave.

    Attributes:
        row: One row of `results.jsonl`, without the data's description.
        model: The trained student, until the next run trains it anew; None for the references.
        encoder: The student's vocabularies; None for the references.
    """

    row: dict[str, Any]
    model: keras.Model | None = None
    encoder: FeatureEncoder | None = None


class _Kept:
    """What runs share, by what decides it: all but the teachers is of one segment, the latest."""

    def __init__(self) -> None:
        self.teachers: dict[Path, keras.Model] = {}
        self.begin(None, None)

    def begin(self, name: Any, segment: Segment | None) -> None:
        """Forgets another segment's."""
        self.segment: tuple[Any, Segment | None] = (name, segment)
        # A pass of the small teacher is mostly overhead.
        self.targets = TeacherTargets(batch_size=4096)
        self.rows: dict[Any, Any] = {}
        self.compiled: dict[Any, Distiller] = {}
        self.initial: dict[Any, list[np.ndarray]] = {}
        self.costs: dict[Any, dict[str, Any]] = {}


class Experiment:
    """Runs of one configuration on one data set, sharing the split and the teacher.

    Args:
        ratings: All ratings.
        config: The configuration.
        cache_dir: Where the trained teacher is kept, by the hash of data and configuration.
        test_fraction: Share of the ratings, the latest, that is evaluated on. Default 0.1.

    Raises:
        RuntimeError: If Keras runs on another backend than TensorFlow.

    Example:
        >>> experiment = Experiment(load("simulated"), REGIMES["strong"], cache_dir)
        >>> experiment.run("Drama", "td", seed=0).row["rmse"]
    """

    def __init__(
        self,
        ratings: Ratings,
        config: ExperimentConfig,
        cache_dir: str | Path,
        test_fraction: float = 0.1,
    ) -> None:
        require_tensorflow("An Experiment", "distil by tdrec.Distiller, which also trains on JAX")
        self.ratings = ratings
        self.config = config
        self.cache_dir = Path(cache_dir)
        self.holdout = split_by_time(ratings, test_fraction)
        self._kept = _Kept()

    def with_config(self, config: ExperimentConfig) -> "Experiment":
        """The same experiment by another configuration, sharing all that is the same in both.

        Runs that differ by learning rate, steps, rates of id dropout or weights of the losses
        share data, teacher, its targets and the compiled training step.
        """
        other = copy.copy(self)
        other.config = config
        return other

    def key(self, genre: str, method: str, seed: int | None) -> str:
        """Hash of all that decides a run on the same version of the code and on one machine."""
        config = asdict(self.config)
        if method in REFERENCES:
            config = {**self._teacher_config(), "rows": self.config.rows}
        config["methods"] = self.config.arguments(method)
        return key_of(self.ratings.fingerprint, config, genre, method, seed)

    @property
    def study(self) -> str:
        """Hash of data and configuration but the methods' arguments: what is comparable."""
        config = asdict(replace(self.config, methods={}))
        return key_of(self.ratings.fingerprint, config, METHOD_DEFAULTS)

    def run(self, genre: str, method: str, seed: int | None, watch: Watch | None = None) -> Result:
        """One run: trains what has to be trained, and evaluates it on the genre's evaluation rows.

        Args:
            genre: A genre of the data.
            method: A method's short name, `"teacher"` or `"bias"`.
            seed: Decides the student's initial weights, the order of rows and the dropped ids.
            watch: Told each `student_training.WATCH_EVERY` steps the step, of those after a
                ramp-up, and the scores on the rows to evaluate on; training ends where it returns
                False. It is for tuning, where these rows are validation rows. Default None: they
                are read once, after training.

        Returns:
            The `Result`.
        """
        segment = self.segment(genre)
        if method == "bias":
            result = self._run_bias(segment)
        elif method == "teacher":
            result = self._run_teacher(genre, segment)
        else:
            result = self._run_student(genre, segment, method, int(seed or 0), watch)
        about = {
            "genre": genre,
            "method": method,
            "label": self.config.label(method),
            "seed": seed,
            "n_train": len(segment.train),
            "n_test": len(segment.test),
            "density_rank": self._density_rank(genre),
            "cold_share": float(is_cold(segment.test, segment.train).mean()),
            "key": self.key(genre, method, seed),
        }
        return replace(result, row={**about, **result.row})

    def all_genres(self) -> dict[str, float]:
        """RMSE of the teacher and of the bias model, both of all genres, on all evaluation rows."""
        train, test = self.holdout.train, self.holdout.test
        teacher = self.with_config(replace(self.config, teacher_rows="all")).teacher("")
        return {
            "teacher": score(predict(teacher, self.teacher_encoder.encode(test)), test, train).rmse,
            "bias": score(BiasModel.fit(train).predict(test), test, train).rmse,
        }

    def segment(self, genre: str) -> Segment:
        """The genre's rows, kept until others are asked for."""
        key = (genre, self.config.rows, self.config.teacher_rows)
        kept, segment = self._kept.segment
        if segment is None or kept != key:
            train, test = self.holdout.train.of_genre(genre), self.holdout.test.of_genre(genre)
            if self.config.rows < 1:
                # The first rows of one order, so that fewer rows are among those of more.
                order = np.random.default_rng(0).permutation(len(train))
                train = train.take(np.sort(order[: round(self.config.rows * len(train))]))
            encoder, its_encoder = FeatureEncoder.fit(train), self._teacher_encoder(genre)
            segment = Segment(
                train,
                test,
                encoder,
                its_encoder,
                student_train=encoder.encode(train),
                student_test=encoder.encode(test),
                teacher_train=its_encoder.encode(train),
                teacher_test=its_encoder.encode(test),
            )
            self._kept.begin(key, segment)
        return segment

    def distiller(self, genre: str, method: str, seed: int) -> Distiller:
        """A distiller as `run` trains it, compiled and not trained.

        Args:
            genre: A genre of the data.
            method: A method's short name.
            seed: Decides the initial weights.

        Returns:
            The `Distiller`, with the teacher whatever the method reads. Its inputs are
            `{"student": ..., "teacher": ...}`: each model's features of the same rows, as the
            genre's `segment` has them.
        """
        fresh = self._new_distiller(genre, method, seed, self.config.arguments(method))
        models = {"student": fresh.student_layers[0], "teacher": self.teacher(genre)}
        student, teacher = (
            split_model(model, low=LOW, high=HIGH, input_map=itemgetter(name))
            for name, model in models.items()
        )
        distiller = Distiller(student, teacher, fresh.method)
        compile_student(distiller, self.config)
        return distiller

    def teacher(self, genre: str) -> keras.Model:
        """The teacher of a genre's students, from the cache, or trained now and put there.

        There is one for all genres, but where the configuration keeps the genre's rows from it.
        """
        path = self.teacher_path(genre)
        if path not in self._kept.teachers:
            self._kept.teachers[path] = cached_teacher(self._teacher_rows(genre), self.config, path)
        return self._kept.teachers[path]

    def teacher_path(self, genre: str) -> Path:
        """Where the genre's teacher is cached."""
        key = key_of(self._teacher_rows(genre).fingerprint, self._teacher_config())
        return self.cache_dir / f"teacher-{key}.keras"

    def _teacher_rows(self, genre: str) -> Ratings:
        train = self.holdout.train
        if self.config.teacher_rows == "all":
            return train
        column = train.movies.genre_names.index(genre)
        return train.take(~train.movies.genres[train.movie_rows, column])

    @cached_property
    def teacher_encoder(self) -> FeatureEncoder:
        """The vocabularies of all training rows."""
        return FeatureEncoder.fit(self.holdout.train)

    def _teacher_encoder(self, genre: str) -> FeatureEncoder:
        if self.config.teacher_rows == "all":
            return self.teacher_encoder
        return FeatureEncoder.fit(self._teacher_rows(genre))

    def _density_rank(self, genre: str) -> int | None:
        """The genre's place among the eight densest of MovieLens 100K, the paper's data."""
        counts = self.holdout.train.genre_counts()
        rank = sorted(counts, key=lambda name: -counts[name]).index(genre) + 1
        return rank if rank <= 8 and "100k" in self.ratings.name.lower() else None

    def _teacher_config(self) -> dict[str, Any]:
        config = asdict(self.config)
        return {k: v for k, v in config.items() if k.startswith("teacher") or k == "ema"}

    def _run_bias(self, segment: Segment) -> Result:
        start = time.perf_counter()
        model = BiasModel.fit(segment.train)
        seconds = time.perf_counter() - start
        scores = score(model.predict(segment.test), segment.test, segment.train)
        return Result({**asdict(scores), "params": model.params, "train_seconds": seconds})

    def _run_teacher(self, genre: str, segment: Segment) -> Result:
        teacher = self.teacher(genre)
        scores = score(predict(teacher, segment.teacher_test), segment.test, segment.train)
        return Result({**asdict(scores), **self._cost("teacher", teacher, segment.teacher_test)})

    def _run_student(
        self, genre: str, segment: Segment, name: str, seed: int, watch: Watch | None
    ) -> Result:
        config, kept = self.config, self._kept
        arguments = config.arguments(name)
        built = key_of(
            *(name, structure(arguments), asdict(config.student), config.ema),
            *(str(self.teacher_path(genre)), config.random_interpreter),
        )
        distiller = kept.compiled.get(built)
        if distiller is None or (built, seed) not in kept.initial:
            fresh = self._new_distiller(genre, name, seed, structure(arguments))
            if distiller is None:
                compile_student(fresh, config)
                while len(kept.compiled) > 1:  # a search goes to and fro between two
                    kept.compiled.pop(next(iter(kept.compiled)))
                distiller = kept.compiled[built] = fresh
            kept.initial[built, seed] = initial_values(fresh)
        prepare(distiller, kept.initial[built, seed], config.learning_rate, arguments)
        rows = self._training_rows(genre, segment, distiller.method.teacher_fields)
        began = time.perf_counter()
        curve = train_student(distiller, rows, segment, config, seed, watch)
        seconds = time.perf_counter() - began
        student = distiller.student_layers[0]
        predictions = predict(student, segment.student_test)
        scores = score(predictions, segment.test, segment.train)
        cost = self._cost(genre, student, segment.student_test)
        if watch is None:
            cost = {**cost, **self._training_cost(built, distiller, rows)}
        row = {**asdict(scores), **cost, "train_seconds": seconds, "curve": curve}
        return Result(row, student, segment.encoder)

    def _training_rows(self, genre: str, segment: Segment, fields: tuple[str, ...]) -> Any:
        """What a student is trained on, with the teacher's targets: tensors, made once."""
        config, targets = self.config, self._kept.targets
        key = (
            *(tuple(config.id_dropout), fields, self.teacher_path(genre)),
            *(config.shuffled_targets, config.unrated),
        )
        if key not in self._kept.rows:
            rows = training_rows(
                segment,
                config,
                fields,
                lambda x, read: targets(self._teacher_split(genre), x, read),
            )
            tensors = keras.tree.map_structure(keras.ops.convert_to_tensor, rows)
            self._kept.rows = {key: tensors}  # the last alone: states of all variants are large
        return self._kept.rows[key]

    def _new_distiller(
        self, genre: str, name: str, seed: int, arguments: dict[str, Any]
    ) -> Distiller:
        # Loading the teacher draws random numbers, so it comes before the seed is set.
        teacher = self._teacher_split(genre) if methods.METHODS[name].teacher_fields else None
        if teacher and self.config.random_interpreter:
            teacher = randomly_interpreting(self.teacher(genre), teacher)
        segment = self.segment(genre)
        keras.utils.set_random_seed(seed)
        student = rating_model(self.config.student, segment.encoder, segment.train, "student")
        method = methods.get(name, **arguments)
        return Distiller(split_model(student, low=LOW, high=HIGH), teacher, method)

    def _teacher_split(self, genre: str) -> ModelSplit:
        return split_model(self.teacher(genre), low=LOW, high=HIGH)

    def _cost(
        self, name: str, model: keras.Model, features: dict[str, np.ndarray]
    ) -> dict[str, Any]:
        """Parameters, multiplications and latency, measured once for each shape of a model."""
        if name not in self._kept.costs:
            (latency,) = latency_ms([(model, features)])
            self._kept.costs[name] = {
                "params": model.count_params(),
                "multiply_adds": multiply_adds(model, features),
                "latency_ms": latency,
            }
        return self._kept.costs[name]

    def _training_cost(self, name: str, distiller: Distiller, data: Any) -> dict[str, Any]:
        """What the method adds while training, counted once for each compiled step."""
        if name not in self._kept.costs:
            weights = distiller.method.trainable_variables
            self._kept.costs[name] = {
                "method_params": sum(int(np.prod(v.shape)) for v in weights),
                "train_multiply_adds": training_multiply_adds(distiller, data),
            }
        return self._kept.costs[name]
