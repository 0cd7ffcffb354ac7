"""One experiment: a teacher of all genres, and students of one genre each, by any method.

Everything is decided by an `ExperimentConfig` and a seed. Evaluation rows are read once, after
training, and choose nothing.
"""

import hashlib
import json
import os
import tempfile
import time
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from operator import itemgetter
from pathlib import Path
from typing import Any

import keras
import numpy as np

from tdrec import methods
from tdrec.config import LOG_EVERY, REFERENCES, ExperimentConfig, ModelConfig
from tdrec.data import FeatureEncoder, Ratings, split_by_time
from tdrec.distiller import Distiller
from tdrec.evaluation import BiasModel, is_cold, score
from tdrec.model_cost import latency_ms, multiply_adds
from tdrec.model_split import ModelSplit, split_model
from tdrec.models.id_dropout import id_variants
from tdrec.models.rating_mlp import HIGH, LOW, rating_mlp
from tdrec.teacher_targets import TeacherTargets, attach, batches


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


@dataclass(frozen=True)
class Segment:
    """The rows of one genre, and their features for the student and for the teacher."""

    train: Ratings
    test: Ratings
    encoder: FeatureEncoder
    student_train: dict[str, np.ndarray]
    student_test: dict[str, np.ndarray]
    teacher_train: dict[str, np.ndarray]
    teacher_test: dict[str, np.ndarray]


class Experiment:
    """Runs of one configuration on one data set, sharing the split and the teacher.

    Args:
        ratings: All ratings.
        config: The configuration.
        cache_dir: Where the trained teacher is kept, by the hash of data and configuration.

    Example:
        >>> experiment = Experiment(load("simulated"), REGIMES["strong"], cache_dir)
        >>> experiment.run("Drama", "td", seed=0).row["rmse"]
    """

    def __init__(self, ratings: Ratings, config: ExperimentConfig, cache_dir: str | Path) -> None:
        self.ratings = ratings
        self.config = config
        self.cache_dir = Path(cache_dir)
        self.holdout = split_by_time(ratings)
        self._segment: tuple[str, Segment] | None = None
        self._targets = TeacherTargets()
        self._compiled: tuple[tuple[str, str], Distiller] | None = None
        self._costs: dict[str, dict[str, Any]] = {}

    def key(self, genre: str, method: str, seed: int | None) -> str:
        """Hash of all that decides a run on the same version of the code and on one machine."""
        config = self._teacher_config() if method in REFERENCES else asdict(self.config)
        config["methods"] = self.config.arguments(method)
        return _hash(self.ratings.fingerprint, config, genre, method, seed)

    @property
    def study(self) -> str:
        """Hash of data and configuration but the methods' arguments: what is comparable."""
        return _hash(self.ratings.fingerprint, asdict(replace(self.config, methods={})))

    def run(self, genre: str, method: str, seed: int | None) -> Result:
        """One run: trains what has to be trained, and evaluates it on the genre's evaluation rows.

        Args:
            genre: A genre of the data.
            method: A method's short name, `"teacher"` or `"bias"`.
            seed: Decides the student's initial weights, the order of rows and the dropped ids.

        Returns:
            The `Result`.
        """
        segment = self.segment(genre)
        if method == "bias":
            result = self._run_bias(segment)
        elif method == "teacher":
            result = self._run_teacher(segment)
        else:
            result = self._run_student(genre, segment, method, int(seed or 0))
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
        features = self.teacher_encoder.encode(test)
        return {
            "teacher": score(_predict(self.teacher, features), test, train).rmse,
            "bias": score(BiasModel.fit(train).predict(test), test, train).rmse,
        }

    def segment(self, genre: str) -> Segment:
        """The genre's rows, kept until another genre is asked for."""
        if self._segment is None or self._segment[0] != genre:
            train, test = self.holdout.train.of_genre(genre), self.holdout.test.of_genre(genre)
            encoder = FeatureEncoder.fit(train)
            segment = Segment(
                train,
                test,
                encoder,
                student_train=encoder.encode(train),
                student_test=encoder.encode(test),
                teacher_train=self.teacher_encoder.encode(train),
                teacher_test=self.teacher_encoder.encode(test),
            )
            self._segment = (genre, segment)
            self._targets = TeacherTargets()
        return self._segment[1]

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
        fresh = self._new_distiller(self.segment(genre), method, seed)
        models = {"student": fresh.student_layers[0], "teacher": self.teacher}
        student, teacher = (
            split_model(model, low=LOW, high=HIGH, input_map=itemgetter(name))
            for name, model in models.items()
        )
        distiller = Distiller(student, teacher, fresh.method)
        self._compile(distiller)
        return distiller

    @cached_property
    def teacher(self) -> keras.Model:
        """The all-genre teacher: from the cache, or trained now and put there."""
        path = self.teacher_path
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            model = self._train_teacher()
            with tempfile.TemporaryDirectory(dir=path.parent) as folder:
                model.save(Path(folder) / path.name)
                os.replace(Path(folder) / path.name, path)
        # Loaded also when it was trained just now, so that both ways give the same teacher.
        return keras.models.load_model(path)

    @property
    def teacher_path(self) -> Path:
        """Where the teacher is cached."""
        key = _hash(self.ratings.fingerprint, self._teacher_config())
        return self.cache_dir / f"teacher-{key}.keras"

    @cached_property
    def teacher_encoder(self) -> FeatureEncoder:
        """The vocabularies of all training rows."""
        return FeatureEncoder.fit(self.holdout.train)

    def _density_rank(self, genre: str) -> int | None:
        """The genre's place among the eight densest of MovieLens 100K, the paper's data."""
        counts = self.holdout.train.genre_counts()
        rank = sorted(counts, key=lambda name: -counts[name]).index(genre) + 1
        return rank if rank <= 8 and "100k" in self.ratings.name.lower() else None

    def _teacher_config(self) -> dict[str, Any]:
        config = asdict(self.config)
        names = [name for name in config if name.startswith("teacher")]
        return {name: config[name] for name in (*names, "id_dropout", "ema")}

    def _train_teacher(self) -> keras.Model:
        """Chooses the number of epochs on the latest tenth of the training rows, then uses all."""
        earlier = split_by_time(self.holdout.train)
        _, history = self._fit_teacher(
            earlier.train,
            self.config.teacher_epochs,
            validation_data=batches(
                (FeatureEncoder.fit(earlier.train).encode(earlier.test), _ratings(earlier.test)),
                4096,
            ),
            callbacks=[
                keras.callbacks.SwapEMAWeights(),  # what is validated is what will be used
                keras.callbacks.EarlyStopping(
                    "val_rmse", patience=self.config.teacher_patience, mode="min"
                ),
            ],
        )
        epochs = int(np.argmin(history["val_rmse"])) + 1
        return self._fit_teacher(self.holdout.train, epochs)[0]

    def _fit_teacher(
        self, train: Ratings, epochs: int, **fit_arguments: Any
    ) -> tuple[keras.Model, dict[str, list[float]]]:
        config = self.config
        keras.utils.set_random_seed(config.teacher_seed)
        encoder = FeatureEncoder.fit(train)
        model = _rating_model(config.teacher, encoder, train, "teacher")
        model.compile(
            _adam(config.teacher_learning_rate, config.ema),
            loss="mse",
            metrics=[keras.metrics.RootMeanSquaredError(name="rmse")],
            jit_compile=False,  # XLA's random numbers, for the dropout, are slow on a CPU
        )
        x, shares = id_variants(encoder.encode(train), config.id_dropout)
        history = model.fit(
            batches(
                (x, _ratings(train, len(shares))),
                config.teacher_batch_size,
                shares=shares,
                shuffle=True,
                seed=config.teacher_seed,
            ),
            epochs=epochs,
            verbose=0,
            shuffle=False,
            **fit_arguments,
        )
        return model, history.history

    def _run_bias(self, segment: Segment) -> Result:
        start = time.perf_counter()
        model = BiasModel.fit(segment.train)
        seconds = time.perf_counter() - start
        scores = score(model.predict(segment.test), segment.test, segment.train)
        return Result({**asdict(scores), "params": model.params, "train_seconds": seconds})

    def _run_teacher(self, segment: Segment) -> Result:
        predictions = _predict(self.teacher, segment.teacher_test)
        scores = score(predictions, segment.test, segment.train)
        return Result(
            {**asdict(scores), **self._cost("teacher", self.teacher, segment.teacher_test)}
        )

    def _run_student(self, genre: str, segment: Segment, name: str, seed: int) -> Result:
        config = self.config
        fresh = self._new_distiller(segment, name, seed)
        if self._compiled is None or self._compiled[0] != (genre, name):
            self._compile(fresh)
            self._compiled = ((genre, name), fresh)
        distiller = self._compiled[1]
        _restart(distiller, fresh)
        x: Any
        x, shares = id_variants(segment.student_train, config.id_dropout)
        if fields := distiller.method.teacher_fields:
            teacher_x, _ = id_variants(segment.teacher_train, config.id_dropout)
            x = attach(x, self._targets(self._teacher_split, teacher_x, fields), fields)
        rows = batches(
            (x, _ratings(segment.train, len(shares))),
            min(config.batch_size, len(segment.train)),
            shares=shares,
            shuffle=True,
            seed=seed,
            drop_remainder=True,
        )
        start = time.perf_counter()
        history = distiller.fit(
            rows.repeat(),
            steps_per_epoch=LOG_EVERY,
            epochs=config.steps // LOG_EVERY,
            verbose=0,
            shuffle=False,
        ).history
        seconds = time.perf_counter() - start
        curve = [
            {"step": (i + 1) * LOG_EVERY, **{term: values[i] for term, values in history.items()}}
            for i in range(len(history["loss"]))
        ]
        student = distiller.student_layers[0]
        predictions = _predict(student, segment.student_test)
        scores = score(predictions, segment.test, segment.train)
        cost = self._cost(genre, student, segment.student_test)
        row = {**asdict(scores), **cost, "train_seconds": seconds, "curve": curve}
        return Result(row, student, segment.encoder)

    def _new_distiller(self, segment: Segment, name: str, seed: int) -> Distiller:
        # Loading the teacher draws random numbers, so it comes before the seed is set.
        teacher = self._teacher_split if methods.METHODS[name].teacher_fields else None
        keras.utils.set_random_seed(seed)
        student = _rating_model(self.config.student, segment.encoder, segment.train, "student")
        method = methods.get(name, **self.config.arguments(name))
        return Distiller(split_model(student, low=LOW, high=HIGH), teacher, method)

    def _compile(self, distiller: Distiller) -> None:
        distiller.compile(
            _adam(self.config.learning_rate, self.config.ema),
            loss="mse",
            metrics=[keras.metrics.RootMeanSquaredError(name="rmse")],
            jit_compile=True,
            steps_per_execution=LOG_EVERY,
        )

    @cached_property
    def _teacher_split(self) -> ModelSplit:
        return split_model(self.teacher, low=LOW, high=HIGH)

    def _cost(
        self, name: str, model: keras.Model, features: dict[str, np.ndarray]
    ) -> dict[str, Any]:
        """Parameters, multiplications and latency, measured once for each shape of a model."""
        if name not in self._costs:
            (latency,) = latency_ms([(model, features)])
            self._costs[name] = {
                "params": model.count_params(),
                "multiply_adds": multiply_adds(model, features),
                "latency_ms": latency,
            }
        return self._costs[name]


def _hash(*parts: Any) -> str:
    text = json.dumps(parts, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _rating_model(
    config: ModelConfig, encoder: FeatureEncoder, train: Ratings, name: str
) -> keras.Model:
    sizes = {
        "user": encoder.users.size,
        "movie": encoder.movies.size,
        "word": encoder.words.size,
        "genre": len(encoder.genre_names),
        "title": encoder.title_words,
    }
    mean = float(train.values.mean(dtype=np.float64))
    return rating_mlp(sizes, **asdict(config), mean_rating=mean, name=name)


def _adam(learning_rate: float, ema: float) -> keras.optimizers.Optimizer:
    """Adam that leaves the moving average of the weights in the model when `fit` ends."""
    return keras.optimizers.Adam(learning_rate, use_ema=True, ema_momentum=ema)


def _ratings(ratings: Ratings, variants: int = 1) -> np.ndarray:
    return np.tile(ratings.values[:, None], (variants, 1))


def _restart(distiller: Distiller, fresh: Distiller) -> None:
    """Takes a compiled distiller back to the start of training, with the weights of a fresh one.

    Compiling takes longer than training, and the seeds of one genre and method can share it.
    """
    for layer, initial in (
        (distiller.student_layers[0], fresh.student_layers[0]),
        (distiller.method, fresh.method),
    ):
        for variable, value in zip(layer.variables, initial.variables, strict=True):
            variable.assign(value)
    for variable in distiller.optimizer.variables:  # Adam's step number, moments and averages
        if variable is not distiller.optimizer.learning_rate:
            variable.assign(keras.ops.zeros_like(variable))


def _predict(model: keras.Model, features: dict[str, np.ndarray]) -> np.ndarray:
    return np.concatenate([model(batch, training=False) for batch in batches(features, 8192)])
