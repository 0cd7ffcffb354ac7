"""What is refused before a student is exported, so that nothing is begun in vain."""

import importlib.util
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from tdrec.data import Vocabulary
from tdrec.export.formats import FORMATS, Arrays, ServedStudent
from tdrec.export.manifest import is_export


def check_formats(formats: Sequence[str]) -> None:
    """Refuses formats that are not known, or whose packages are missing.

    Raises:
        ImportError: If a package is missing.
        ValueError: If a format is not known, or is named twice.
    """
    if (
        isinstance(formats, str)
        or not formats
        or not set(formats) <= set(FORMATS)
        or len(set(formats)) < len(formats)
    ):
        raise ValueError(
            f"`formats` must be a list of different ones of {tuple(FORMATS)}. "
            f"Received: {formats!r}."
        )
    for name in formats:
        packages = FORMATS[name].packages
        missing = [p for p in packages if importlib.util.find_spec(p.replace("-", "_")) is None]
        if missing:
            raise ImportError(
                f"The format {name!r} needs {', '.join(packages)}. Missing: {', '.join(missing)}. "
                f'Install: pip install "tdrec[export]". {leave_out(name)}'
            )


def leave_out(name: str) -> str:
    """The last part of an error's remedy: to do without a format."""
    return f"Or leave the format out: formats={tuple(other for other in FORMATS if other != name)}."


def check_target(target: Path, overwrite: bool) -> None:
    """Refuses a folder that would be lost.

    Raises:
        FileExistsError: If it is there and not to be replaced, or no earlier export.
    """
    if not os.path.lexists(target):
        return
    if not overwrite:
        raise FileExistsError(
            f"A student is exported to a new folder. Received: {str(target)!r}, which exists. "
            "Name another, or pass overwrite=True to replace an earlier export."
        )
    if not is_export(target):
        raise FileExistsError(
            "Only the folder of an earlier export is replaced, to lose nothing else. "
            f"Received: {str(target)!r}, which is something else. Name another folder."
        )


def check_student(student: keras.Model) -> None:
    """Refuses a student without weights.

    Raises:
        TypeError: If it is no model.
        ValueError: If it is not built.
    """
    if not isinstance(student, keras.Model):
        raise TypeError(f"`student` must be a keras.Model. Received: {student!r}.")
    if not student.built:
        raise ValueError(
            "A student is exported once it has weights. "
            f"Received: {student.name!r}, not built. Call it on a batch first."
        )


def checked_sample(sample: Mapping[str, Any]) -> Arrays:
    """The sample as arrays.

    Raises:
        TypeError: If it is no dict.
        ValueError: If its inputs have no rows, or not as many.
    """
    if not isinstance(sample, Mapping):
        raise TypeError(
            f"`sample` must be a dict of arrays by the name of the input. Received: {sample!r}."
        )
    arrays = {name: np.asarray(values) for name, values in sample.items()}
    rows = {name: len(values) if values.ndim else 0 for name, values in arrays.items()}
    if len(set(rows.values())) != 1 or not all(rows.values()):
        raise ValueError(
            f"`sample` must have as many rows for each input, at least one. Received: {rows}."
        )
    return arrays


def check_vocabularies(served: ServedStudent) -> None:
    """Refuses vocabularies that cannot be part of a SavedModel's graph.

    Raises:
        TypeError: If one is of another type.
        ValueError: If one is of no input, is empty, or has ids of more than 64 bits.
    """
    for name, vocabulary in served.vocabularies.items():
        if name not in served.specs:
            raise ValueError(
                f"A vocabulary is that of an input of the student: {sorted(served.specs)}. "
                f"Received: a vocabulary of {name!r}."
            )
        if not isinstance(vocabulary, Vocabulary):
            raise TypeError(
                f"`vocabularies` holds values of type tdrec.data.Vocabulary. "
                f"Received: {vocabulary!r} for {name!r}."
            )
        if not vocabulary.values:
            raise ValueError(
                f"A vocabulary to export has at least one value. Received: none for {name!r}."
            )
        ids = [value for value in vocabulary.values if isinstance(value, int)]
        if ids and not -(2**63) <= min(ids) <= max(ids) < 2**63:
            raise ValueError(
                "The ids of a vocabulary to export fit into 64 bits with a sign. "
                f"Received: {min(ids)} to {max(ids)} for {name!r}. Use strings instead."
            )
