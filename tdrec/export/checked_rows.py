"""The rows that every file of an export is run on: the sample's, and what no vocabulary knows."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from tdrec.data import Vocabulary
from tdrec.export.sample import Arrays
from tdrec.export.served import ServedStudent, raw_type

SAMPLE_ROWS = 64
"""How many of the sample's rows are taken."""


class CheckedRows:
    """The rows that every file is run on.

    Args:
        served: The student, its sample and the vocabularies of its inputs.

    Raises:
        ValueError: If an input with a vocabulary has values of another kind.

    Attributes:
        raw_values: The sample's first rows, then the very first again with one input unknown.
        indices: The same looked up, then the very first with one index that stands for nothing.
        valid_indices: The same, with 0 for what stands for nothing.
    """

    def __init__(self, served: ServedStudent) -> None:
        vocabularies = served.vocabularies
        self.raw_values = _with_unusual_values(served.sample, vocabularies)
        known = {
            name: vocabularies[name].lookup(values) if name in vocabularies else values
            for name, values in self.raw_values.items()
        }
        self.indices = _with_unusual_indices(known, vocabularies)
        self.valid_indices = dict(self.indices)
        for name, vocabulary in vocabularies.items():
            x = self.indices[name]
            self.valid_indices[name] = np.where((x >= 0) & (x < vocabulary.size), x, np.int32(0))


def _with_unusual_values(raw: Arrays, vocabularies: Mapping[str, Vocabulary]) -> Arrays:
    """The first rows, then the very first again with one input unknown, or known at an end."""
    cases: list[tuple[str, Any]] = []
    for name, vocabulary in vocabularies.items():
        first, last = vocabulary.values[0], vocabulary.values[-1]
        unusual = ("", f"{last}?") if isinstance(last, str) else (-1, 0, 2**40, -(2**63), 2**63 - 1)
        cases += [(name, value) for value in (first, last, *unusual)]
    rows = {}
    for name, values in raw.items():
        rows[name] = np.concatenate([values[:SAMPLE_ROWS], *[values[:1]] * len(cases)])
        if name in vocabularies:
            vocabularies[name].lookup(values[:1])  # refuses values of another kind
            text = raw_type(vocabularies[name]) == tf.string
            rows[name] = rows[name].astype(object if text else np.int64)
    for row, (name, value) in enumerate(reversed(cases), start=1):
        rows[name][-row] = value
    return rows


def _with_unusual_indices(indices: Arrays, vocabularies: Mapping[str, Vocabulary]) -> Arrays:
    """The rows, then the first again with one input an index that stands for nothing."""
    cases = [
        (name, index)
        for name, vocabulary in vocabularies.items()
        for index in (-1, vocabulary.size, 2**31 - 1, -(2**31))
    ]
    rows = {
        name: np.concatenate([values, *[values[:1]] * len(cases)])
        for name, values in indices.items()
    }
    for row, (name, index) in enumerate(reversed(cases), start=1):
        rows[name][-row] = index
    return rows
