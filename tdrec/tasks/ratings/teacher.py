"""The all-genre teacher: trained for as long as a validation slice says."""

from dataclasses import asdict, replace
from typing import Any

import keras
import numpy as np

from tdrec.data import FeatureEncoder, Ratings, split_by_time
from tdrec.distill.teacher_targets import batches
from tdrec.models.id_dropout import id_variants, variant_shares
from tdrec.models.rating_mlp import rating_mlp
from tdrec.studies.config import LOG_EVERY, VALIDATION_FRACTION
from tdrec.tasks.distilled import check_training, restart
from tdrec.tasks.ratings.config import ModelConfig, TeacherConfig
from tdrec.tasks.ratings.evaluation import BiasModel


def rating_model(
    config: ModelConfig, encoder: FeatureEncoder, train: Ratings, name: str
) -> keras.Model:
    """A rating model of a configuration's sizes for an encoder's features, not trained.

    Args:
        config: The sizes.
        encoder: Decides how many ids, words and genres there are.
        train: The training rows, at whose mean the output starts.
        name: The model's name.
    """
    sizes = {
        "user": encoder.users.size,
        "movie": encoder.movies.size,
        "word": encoder.words.size,
        "genre": len(encoder.genre_names),
        "title": encoder.title_words,
    }
    mean = float(train.values.mean(dtype=np.float64))
    return rating_mlp(sizes, **asdict(config), mean_rating=mean, name=name)


def adam(learning_rate: float, ema: float) -> keras.optimizers.Optimizer:
    """Adam that leaves the moving average of the weights in the model when `fit` ends."""
    return keras.optimizers.Adam(learning_rate, use_ema=True, ema_momentum=ema)


def targets_of(ratings: Ratings, variants: int = 1) -> np.ndarray:
    """The ratings as a model predicts them, once for each variant of the rows; `(rows, 1)`."""
    return np.tile(ratings.values[:, None], (variants, 1))


def train_teacher(train: Ratings, config: TeacherConfig) -> keras.Model:
    r"""Trains the teacher on the ratings and on what a bias model predicts.

    $\min_h \sum_x (h(x) - y)^2 + w\, (h(x) - b(x))^2$ with $w$ = `bias_weight`: of a user
    with few rows, or none, a mean over rows says as much as a network, and both together say more.
    The bias model $b$ gives users without rows the mean residual of all rows, since who rates much
    rates lower.

    The number of epochs is chosen on the latest of the training rows; then all are used. With
    `members` $= n > 1$, $n$ models with other initial weights and orders of the rows are
    trained like this, and then the teacher on the mean of their predictions.

    Args:
        train: The training rows.
        config: The teacher's sizes and training; with `noise` the ratings that it is
            trained on, those of validation included, are noisy.

    Returns:
        The trained teacher.

    Raises:
        DivergedError: If training diverged.

    Source:
        Koren, "Factorization Meets the Neighborhood", 2008, section 2.1, for $b$; Hinton et al.,
        "Distilling the Knowledge in a Neural Network", 2015, section 1, for the mean of several.
    """
    if config.noise:
        noise = np.random.default_rng(config.seed).normal(size=len(train))
        noisy = np.clip(train.values + config.noise * noise, *train.scale)
        train = replace(train, values=noisy.astype(np.float32))
    epochs = _best_epochs(train, config)
    members = config.members
    trainer = _Trainer(train, config)
    targets, predictions = trainer.targets, np.zeros_like(trainer.targets)
    for seed in range(members * config.seed, members * (config.seed + 1)):
        trainer.fit(targets, epochs, seed)
        if members > 1:
            predictions += predict(trainer.model, trainer.x) / members
    if members > 1:
        trainer.fit(predictions, epochs, config.seed)
    return trainer.model


def predict(model: keras.Model, features: dict[str, np.ndarray]) -> np.ndarray:
    """A model's predictions of rows, `(rows, 1)`."""
    starts = range(0, len(features["user"]), 8192)
    parts = [{name: v[i : i + 8192] for name, v in features.items()} for i in starts]
    return np.concatenate([model(part, training=False) for part in parts])


def _best_epochs(train: Ratings, config: TeacherConfig) -> int:
    earlier = split_by_time(train, VALIDATION_FRACTION)
    trainer = _Trainer(earlier.train, config)
    history = trainer.fit(
        trainer.targets,
        config.epochs,
        config.seed,
        validation_data=batches(
            (trainer.encoder.encode(earlier.test), targets_of(earlier.test)), 4096
        ),
        callbacks=[keras.callbacks.SwapEMAWeights()],  # what is validated is what will be used
    )
    return int(np.argmin(history["val_rmse"])) + 1


def _with_bias(train: Ratings, config: TeacherConfig) -> np.ndarray:
    """The means of rating and bias model that a squared error with both has its minimum at.

    One for each variant of the rows, `(variants * rows, 1)`.
    """
    names, weight = config.id_dropout, config.bias_weight
    ratings = targets_of(train, len(variant_shares(names)))
    bias = BiasModel.fit(train)
    residuals = train.values - bias.predict_ids(np.zeros_like(train.user_ids), train.movie_ids)
    ids = id_variants({"user": train.user_ids, "movie": train.movie_ids}, names)
    predicted = bias.predict_ids(ids["user"], ids["movie"], cold_user=float(residuals.mean()))
    return ((ratings + weight * predicted[:, None]) / (1 + weight)).astype(np.float32)


class _Trainer:
    """A model of the teacher's sizes, compiled once and trained as often as one likes.

    Args:
        train: The rows.
        config: The teacher's sizes and training.
    """

    def __init__(self, train: Ratings, config: TeacherConfig) -> None:
        self.config, self.train = config, train
        self.encoder = FeatureEncoder.fit(train)
        self.shares = variant_shares(config.id_dropout)
        self.x = id_variants(self.encoder.encode(train), config.id_dropout)
        self.targets = _with_bias(train, config)
        self.model = self._new_model()
        self.variables = self.model.variables
        self.model.compile(
            adam(config.learning_rate, config.ema),
            loss="mse",
            metrics=[keras.metrics.RootMeanSquaredError(name="rmse")],
            # XLA's random numbers, for the dropout, are slow on a CPU.
            jit_compile=not config.model.dropout,
            steps_per_execution=LOG_EVERY,
        )

    def fit(
        self, targets: np.ndarray, epochs: int, seed: int, **arguments: Any
    ) -> dict[str, list[float]]:
        """Trains the model anew, on targets of all variants of the rows; gives the history."""
        keras.utils.set_random_seed(seed)
        self.model.optimizer.build(self.model.trainable_variables)
        fresh = [np.array(v) for v in self._new_model().variables]
        restart(self.variables, self.model.optimizer, fresh)
        rows = batches(
            (self.x, targets),
            min(self.config.batch_size, len(self.train)),
            shares=self.shares,
            shuffle=True,
            seed=seed,
            drop_remainder=True,
        )
        fitted = self.model.fit(rows, epochs=epochs, verbose=0, shuffle=False, **arguments)
        # Of the ratings: predictions, as targets, may hardly vary.
        constant = float(self.train.values.var())
        check_training(fitted.history["loss"], constant, self.variables)
        return fitted.history

    def _new_model(self) -> keras.Model:
        return rating_model(self.config.model, self.encoder, self.train, "teacher")
