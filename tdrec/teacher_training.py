"""The all-genre teacher: trained for as long as a validation slice says, and kept on disk."""

import os
import tempfile
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
from filelock import FileLock

from tdrec.config import ExperimentConfig, ModelConfig
from tdrec.data import FeatureEncoder, Ratings, split_by_time
from tdrec.models.id_dropout import id_variants, variant_shares
from tdrec.models.rating_mlp import rating_mlp
from tdrec.teacher_targets import batches


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


def cached_teacher(train: Ratings, config: ExperimentConfig, path: Path) -> keras.Model:
    """The teacher in the file; trained and put there first if there is none.

    Args:
        train: What it learns from.
        config: Its sizes and training.
        path: A `.keras` file, named by all that decides the teacher.

    Returns:
        The teacher, loaded also when it was trained just now, so that both ways give the same one.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_suffix(".lock")):  # processes that need the same teacher make it once
        if not path.exists():
            model = train_teacher(train, config)
            with tempfile.TemporaryDirectory(dir=path.parent) as folder:
                model.save(Path(folder) / path.name)
                os.replace(Path(folder) / path.name, path)
    return keras.models.load_model(path)


def train_teacher(train: Ratings, config: ExperimentConfig) -> keras.Model:
    """Chooses the number of epochs on the latest tenth of the training rows, then uses all.

    Args:
        train: The training rows.
        config: The teacher's sizes and training; with `teacher_noise` the ratings that it is
            trained on, those of the tenth included, are noisy.
    """
    if config.teacher_noise:
        noise = np.random.default_rng(config.teacher_seed).normal(size=len(train))
        noisy = np.clip(train.values + config.teacher_noise * noise, *train.scale)
        train = replace(train, values=noisy.astype(np.float32))
    earlier = split_by_time(train)
    _, history = _fit(
        earlier.train,
        config,
        config.teacher_epochs,
        validation_data=batches(
            (FeatureEncoder.fit(earlier.train).encode(earlier.test), targets_of(earlier.test)),
            4096,
        ),
        callbacks=[
            keras.callbacks.SwapEMAWeights(),  # what is validated is what will be used
            keras.callbacks.EarlyStopping("val_rmse", patience=config.teacher_patience, mode="min"),
        ],
    )
    epochs = int(np.argmin(history["val_rmse"])) + 1
    return _fit(train, config, epochs)[0]


def _fit(
    train: Ratings, config: ExperimentConfig, epochs: int, **fit_arguments: Any
) -> tuple[keras.Model, dict[str, list[float]]]:
    keras.utils.set_random_seed(config.teacher_seed)
    encoder = FeatureEncoder.fit(train)
    model = rating_model(config.teacher, encoder, train, "teacher")
    model.compile(
        adam(config.teacher_learning_rate, config.ema),
        loss="mse",
        metrics=[keras.metrics.RootMeanSquaredError(name="rmse")],
        jit_compile=False,  # XLA's random numbers, for the dropout, are slow on a CPU
    )
    shares = variant_shares(config.teacher_id_dropout)
    x = id_variants(encoder.encode(train), config.teacher_id_dropout)
    history = model.fit(
        batches(
            (x, targets_of(train, len(shares))),
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
