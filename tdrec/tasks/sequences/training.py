"""How teachers and students of next movies are trained, and what they say of evaluation events."""

from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from tdrec.distill.teacher_targets import batches
from tdrec.models.sequence_transformer import sequence_transformer
from tdrec.tasks.distilled import check_training
from tdrec.tasks.sequences.config import SequenceConfig, TransformerConfig
from tdrec.tasks.sequences.evaluation import BEST
from tdrec.tasks.sequences.events import NOTHING, Histories, Ranking

PREDICTED = 64
"""Windows of one prediction."""


class TrainingNDCG(keras.metrics.Mean):
    """NDCG@10 of the places where something follows, with the seen movies among the others."""

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        label = ops.cast(y_true, "int32")
        counts = ops.not_equal(label, NOTHING)
        place = ops.expand_dims(ops.maximum(label, 0), -1)
        own = ops.take_along_axis(y_pred, place, axis=-1)
        rank = 1 + ops.sum(ops.cast(y_pred > own, "float32"), axis=-1)
        gain = ops.where(rank <= BEST, np.log(2.0) / ops.log(rank + 1), 0.0)
        super().update_state(gain, ops.cast(counts, "float32"))


def new_model(
    histories: Histories, scored: Any, config: TransformerConfig, length: int, name: str
) -> keras.Model:
    """A model of the histories' tokens.

    Args:
        histories: Whose vocabulary it knows.
        scored: The tokens that it predicts.
        config: Its sizes.
        length: Places of a sequence.
        name: The model's name.
    """
    return sequence_transformer(
        histories.tokens_in_all,
        scored,
        length=length,
        dim=config.dim,
        blocks=config.blocks,
        heads=config.heads,
        dropout=config.dropout,
        name=name,
    )


def compile_model(model: keras.Model, learning_rate: float, steps: int, **more: Any) -> None:
    """Compiles a model, or a distiller of one: a loss of the places where something follows.

    Without XLA, whose random numbers for dropout take longer than a step on a CPU.
    """
    model.compile(
        keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(learning_rate, steps)),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=NOTHING),
        jit_compile=False,
        **more,
    )


def endless(data: Any, batch_size: int, seed: int) -> Any:
    """Shuffled batches without an end.

    Args:
        data: Windows as inputs and labels.
        batch_size: At most as many as there are windows.
        seed: Of the order, beside the global seed, which it sets.
    """
    keras.utils.set_random_seed(seed)
    windows = len(keras.tree.flatten(data)[0])
    size = min(batch_size, windows)
    return batches(data, size, shuffle=True, seed=seed, drop_remainder=True).repeat()


def train_teacher(histories: Histories, config: SequenceConfig) -> keras.Model:
    """A teacher of all genres: at every place it learns which movie follows.

    Args:
        histories: Whose training rows it learns.
        config: Its numbers.

    Raises:
        DivergedError: If its training diverged.
    """
    own = config.teacher
    keras.utils.set_random_seed(own.seed)
    windows = histories.training_windows(config.length)
    labels = histories.labels(windows)
    scored = range(1, histories.start)
    model = new_model(histories, scored, own.model, config.length, "teacher")
    steps = max(1, round(len(labels) / own.batch_size))
    compile_model(model, own.learning_rate, own.epochs * steps)
    found = model.fit(
        endless((windows.tokens, labels), own.batch_size, own.seed),
        epochs=own.epochs,
        steps_per_epoch=steps,
        shuffle=False,
        verbose=0,
    ).history
    check_training(found["loss"], entropy(labels), model.variables)
    return model


def entropy(labels: NDArray[np.int32]) -> float:
    """The cross-entropy of the best constant: that of the labels' shares."""
    shares = np.unique(labels[labels != NOTHING], return_counts=True)[1].astype(np.float64)
    shares /= shares.sum()
    return float(-(shares * np.log(shares)).sum())


def scores_of(model: keras.Model, ranking: Ranking) -> NDArray[np.float32]:
    """A model's logits of the candidates at each evaluation event: `(events, candidates)`.

    Args:
        model: Its outputs are the candidates'.
        ranking: The events.
    """
    model.jit_compile = False
    tokens = ranking.windows.tokens
    found = np.empty(ranking.seen.shape, np.float32)
    for start in range(0, len(tokens), PREDICTED):
        part = np.zeros((PREDICTED, tokens.shape[1]), np.int32)  # of one shape: traced once
        given = tokens[start : start + PREDICTED]
        part[: len(given)] = given
        here = (ranking.window >= start) & (ranking.window < start + PREDICTED)
        logits = model.predict_on_batch(part)
        found[here] = logits[ranking.window[here] - start, ranking.place[here]]
    return found
