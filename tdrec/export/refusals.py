"""What is refused before a student is exported, so that nothing is begun in vain."""

import importlib.util
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import keras

from tdrec.data import Vocabulary
from tdrec.export.formats import FORMATS
from tdrec.export.manifest import is_export


def check_formats(formats: Sequence[str]) -> None:
    """Refuses formats that are not known.

    Raises:
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


def check_packages(name: str) -> None:
    """Refuses a format whose packages are missing.

    Raises:
        ImportError: If one is.
    """
    packages = FORMATS[name].packages
    missing = [p for p in packages if importlib.util.find_spec(p.replace("-", "_")) is None]
    if missing:
        raise ImportError(
            f"The format {name!r} needs {', '.join(packages)}. Missing: {', '.join(missing)}. "
            'Install: pip install "tdrec[export]".'
        )


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
    if student.built:
        return
    # One whose layers were trained without it, as parts of a split, is built by its first call.
    without = [layer.name for layer in student.layers if not layer.built]
    if without or not student.layers:
        raise ValueError(
            f"A student is exported once it has weights. Received: {student.name!r}, not built"
            f"{f', and neither are its layers {without}' if without else ''}. "
            "Call it on a batch, and train it."
        )


def check_vocabularies(vocabularies: Mapping[str, Vocabulary]) -> None:
    """Refuses vocabularies that cannot be part of a SavedModel's graph.

    Raises:
        TypeError: If one is of another type.
        ValueError: If one is empty, or has ids of more than 64 bits.
    """
    for name, vocabulary in vocabularies.items():
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
