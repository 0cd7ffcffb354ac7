"""The teacher of all segments: trained for as long as a validation slice says."""

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

import keras
import numpy as np

from tdrec.data import FeatureEncoder, Interactions, Split
from tdrec.data.features import CategoryFeature, Feature, IdFeature, LabelFeature, TextFeature
from tdrec.data.interactions import Target
from tdrec.distill.teacher_targets import batches
from tdrec.models.id_dropout import id_variants, variant_shares
from tdrec.models.rating_mlp import Category, Flags, Ids, Kind, Number, Words, rating_mlp
from tdrec.studies.config import LOG_EVERY, VALIDATION_FRACTION
from tdrec.tasks.distilled import check_training, restart
from tdrec.tasks.ratings.config import TEACHER_EPOCHS, ModelConfig, TeacherConfig
from tdrec.tasks.ratings.evaluation import METRICS, SURE, BiasModel

PATIENCE = 3
"""Epochs beyond the usual number that may pass without a better one."""

BY_TIME = Split()
"""The rows to validate on are the latest."""


def rating_model(
    config: ModelConfig, encoder: FeatureEncoder, train: Interactions, name: str
) -> keras.Model:
    """A model of a configuration's sizes for an encoder's features, not trained.

    Args:
        config: The sizes.
        encoder: Decides which features there are, and how many values each has.
        train: The training rows, at whose mean the output starts.
        name: The model's name.
    """
    sizes = {key: value for key, value in asdict(config).items() if key != "features"}
    mean = float(train.values.mean(dtype=np.float64))
    output: Any = "probability" if train.target == "binary" else "number"
    inputs = {feature.name: _input_of(feature) for feature in encoder.features}
    return rating_mlp(inputs, **sizes, mean=mean, output=output, name=name)


def _input_of(feature: Feature) -> Kind:
    if isinstance(feature, IdFeature):
        return Ids(feature.vocabulary.size)
    if isinstance(feature, CategoryFeature):
        return Category(feature.vocabulary.size)
    if isinstance(feature, TextFeature):
        return Words(feature.vocabulary.size, feature.length)
    return Flags(len(feature.names)) if isinstance(feature, LabelFeature) else Number()


def id_names(rates: Iterable[str], rows: Interactions) -> list[str]:
    """What "user" and "item" are called as features of the rows."""
    names = dict(zip(("user", "item"), rows.names, strict=True))
    return [names[name] for name in rates]


def loss_of(target: Target) -> str:
    """The name of the loss that models of a target are trained with."""
    return "binary_crossentropy" if target == "binary" else "mse"


def metric_of(target: Target) -> keras.metrics.Metric:
    """What is logged while they are: the task's metric."""
    if target == "binary":
        return keras.metrics.BinaryCrossentropy(name=METRICS[target].name)
    return keras.metrics.RootMeanSquaredError(name=METRICS[target].name)


def constant_loss(train: Interactions) -> float:
    """The loss of the best constant prediction."""
    if train.target == "regression":
        return float(train.values.var())
    share = min(max(float(train.values.mean()), SURE), 1 - SURE)
    return float(-share * np.log(share) - (1 - share) * np.log(1 - share))


def with_weights(x: Any, y: Any, train: Interactions, variants: int) -> tuple[Any, ...]:
    """Inputs, targets and, where rows have them, weights of all variants of the rows."""
    if train.weights is None:
        return x, y
    own = np.ones((len(y) // variants, 1), np.float32)  # rows beyond the training rows count 1
    own[: len(train), 0] = train.weights / train.weights.mean()
    return x, y, np.tile(own, (variants, 1))[:, 0]


def adam(learning_rate: float, ema: float) -> keras.optimizers.Optimizer:
    """Adam that leaves the moving average of the weights in the model when `fit` ends."""
    return keras.optimizers.Adam(learning_rate, use_ema=True, ema_momentum=ema)


def targets_of(ratings: Interactions, variants: int = 1) -> np.ndarray:
    """The targets as a model predicts them, once for each variant of the rows; `(rows, 1)`."""
    return np.tile(ratings.values[:, None], (variants, 1))


def train_teacher(
    train: Interactions, config: TeacherConfig, split: Split = BY_TIME
) -> keras.Model:
    r"""Trains the teacher on the ratings and on what a bias model predicts.

    $\min_h \sum_x (h(x) - y)^2 + w\, (h(x) - b(x))^2$ with $w$ = `bias_weight`: of a user
    with few rows, or none, a mean over rows says as much as a network, and both together say more.
    The bias model $b$ gives users without rows the mean residual of all rows, since who rates much
    rates lower.

    The number of epochs is chosen on some of the training rows, the latest of them where rows are
    split by time; then all are used. With
    `members` $= n > 1$, $n$ models with other initial weights and orders of the rows are
    trained like this, and then the teacher on the mean of their predictions.

    Args:
        train: The training rows.
        config: The teacher's sizes and training; with `noise` the targets that it is
            trained on, those of validation included, are noisy, in multiples of their unit; binary
            ones are rounded.
        split: How those to validate on are held out. Default: the latest.

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
        assert train.scale is not None
        noisy = np.clip(train.values + config.noise * noise, *train.scale)
        if train.target == "binary":  # some are the other one
            noisy = np.rint(noisy)
        train = train.changed(values=noisy.astype(np.float32))
    epochs = _best_epochs(train, config, split)
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
    starts = range(0, len(next(iter(features.values()))), 8192)
    parts = [{name: v[i : i + 8192] for name, v in features.items()} for i in starts]
    return np.concatenate([model(part, training=False) for part in parts])


def _best_epochs(train: Interactions, config: TeacherConfig, split: Split) -> int:
    earlier = split.validation(train, VALIDATION_FRACTION)
    monitor = f"val_{METRICS[train.target].name}"
    trainer = _Trainer(earlier.train, config)
    history = trainer.fit(
        trainer.targets,
        config.epochs,
        config.seed,
        validation_data=batches(
            (trainer.encoder.encode(earlier.test), targets_of(earlier.test)), 4096
        ),
        callbacks=[
            keras.callbacks.SwapEMAWeights(),  # what is validated is what will be used
            keras.callbacks.EarlyStopping(
                monitor, mode="min", patience=PATIENCE, start_from_epoch=TEACHER_EPOCHS
            ),
        ],
    )
    return int(np.argmin(history[monitor])) + 1


def _with_bias(train: Interactions, config: TeacherConfig) -> np.ndarray:
    """The means of target and bias model that a loss with both has its minimum at.

    One for each variant of the rows, `(variants * rows, 1)`.
    """
    names, weight = config.id_dropout, config.bias_weight
    targets = targets_of(train, len(variant_shares(names)))
    bias = BiasModel.fit(train)
    known = {"user": bias.users.lookup(train.user_ids), "item": bias.items.lookup(train.item_ids)}
    ids = id_variants(known, names)
    predicted = bias.of_indices(ids["user"], ids["item"], cold_user=bias.cold_user(train))
    return ((targets + weight * predicted[:, None]) / (1 + weight)).astype(np.float32)


class _Trainer:
    """A model of the teacher's sizes, compiled once and trained as often as one likes.

    Args:
        train: The rows.
        config: The teacher's sizes and training.
    """

    def __init__(self, train: Interactions, config: TeacherConfig) -> None:
        self.config, self.train = config, train
        self.encoder = FeatureEncoder.fit(train, columns=config.model.features)
        self.shares = variant_shares(config.id_dropout)
        self.x = id_variants(self.encoder.encode(train), id_names(config.id_dropout, train))
        self.targets = _with_bias(train, config)
        self.model = self._new_model()
        self.variables = self.model.variables
        self.model.compile(
            adam(config.learning_rate, config.ema),
            loss=loss_of(train.target),
            metrics=[metric_of(train.target)],
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
            with_weights(self.x, targets, self.train, len(self.shares)),
            min(self.config.batch_size, len(self.train)),
            shares=self.shares,
            shuffle=True,
            seed=seed,
            drop_remainder=True,
        )
        fitted = self.model.fit(rows, epochs=epochs, verbose=0, shuffle=False, **arguments)
        # Of the rows' own targets: predictions, as targets, may hardly vary.
        check_training(fitted.history["loss"], constant_loss(self.train), self.variables)
        return fitted.history

    def _new_model(self) -> keras.Model:
        return rating_model(self.config.model, self.encoder, self.train, "teacher")
