"""The rows of one segment, and what its students are trained on."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tdrec.data import FeatureEncoder, Interactions, Ratings, unrated_pairs
from tdrec.distill.model_split import Trace
from tdrec.distill.teacher_targets import as_tensors, attach
from tdrec.models.id_dropout import id_variants, subsets
from tdrec.tasks.controls import of_other_rows
from tdrec.tasks.ratings.config import RatingConfig
from tdrec.tasks.ratings.evaluation import is_cold
from tdrec.tasks.ratings.teacher import id_names, targets_of, with_weights
from tdrec.tasks.ratings.trusted import trusted_predictions

Features = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Segment:
    """The rows of one segment, and their features for the student and for the teacher."""

    train: Interactions
    test: Interactions
    encoder: FeatureEncoder
    teacher_encoder: FeatureEncoder
    student_train: Features
    student_test: Features
    teacher_train: Features
    teacher_test: Features


def details_of(name: str, segment: Segment, train: Interactions) -> dict[str, Any]:
    """What a row says of a segment: how many are cold, and its rank in the paper's tables.

    Args:
        name: The segment's.
        segment: Its rows.
        train: The training rows of all segments.
    """
    counts = train.segment_counts()
    rank = sorted(counts, key=lambda each: -counts[each]).index(name) + 1
    is_paper = isinstance(train, Ratings) and "100k" in train.name.lower()  # whose genres it ranks
    return {
        "cold_share": float(is_cold(segment.test, segment.train).mean()),
        "density_rank": rank if rank <= 8 and is_paper else None,
    }


def training_rows(
    segment: Segment,
    config: RatingConfig,
    fields: tuple[str, ...],
    trace_of: Callable[[Features, tuple[str, ...]], Trace],
    is_trusted: bool = False,
) -> tuple[Any, ...]:
    """A student's inputs and targets, in all variants of id dropout.

    With `config.unrated` there are rows after the ratings that nobody rated; their target is what
    the teacher predicts.

    Args:
        segment: Its rows.
        config: The configuration.
        fields: What the method reads of the teacher's trace; with none there are ratings alone.
        trace_of: Gives the teacher's trace of features, with the fields that are named.
        is_trusted: Whether predictions are replaced by what the ratings bear out. Default False.

    Returns:
        Inputs, which carry the teacher's targets if the method reads any, targets of shape
        `(variants * rows, 1)`, and weights if the rows have some: the variants of all rows, one
        after the other.
    """
    names = id_names(config.id_dropout, segment.train)
    variants = 2 ** len(names)
    y = targets_of(segment.train, variants)
    if not fields:
        return with_weights(id_variants(segment.student_train, names), y, segment.train, variants)
    student, teacher, item_ids = (
        segment.student_train,
        segment.teacher_train,
        segment.train.item_ids,
    )
    unrated = round(config.unrated * len(segment.train))
    if unrated:
        pairs = unrated_pairs(segment.train, unrated)
        item_ids = np.concatenate([item_ids, pairs.item_ids])
        student = _joined(student, segment.encoder.encode(pairs))
        teacher = _joined(teacher, segment.teacher_encoder.encode(pairs))
    read = dict.fromkeys([*fields, "prediction"] if unrated else fields)
    trace = trace_of(id_variants(teacher, names), tuple(read))
    if config.shuffled_targets:
        trace = of_other_rows(trace, variants)
    if is_trusted:
        gone = [segment.train.names[1] in each for each in subsets(names)]
        said = trusted_predictions(trace.prediction, segment.train, item_ids, gone)
        trace = trace._replace(prediction=said)
    if unrated:
        predicted = np.reshape(trace.prediction, (variants, -1, 1))[:, len(segment.train) :]
        y = np.concatenate([y.reshape(variants, -1, 1), predicted], axis=1).reshape(-1, 1)
    x = attach(id_variants(student, names), as_tensors(trace), fields)
    return with_weights(x, y, segment.train, variants)


def _joined(first: Features, second: Features) -> Features:
    return {name: np.concatenate([values, second[name]]) for name, values in first.items()}
