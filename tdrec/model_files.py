"""Models on disk: a `.keras` file is replaced in one step, and made once by who needs it first."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
from filelock import FileLock


def write_model(model: keras.Model, path: Path, save: Callable[[keras.Model, Path], Any]) -> None:
    """Writes a model's file; until it is complete the old one stays.

    Args:
        model: The model.
        path: A `.keras` file; its folder is made if need be.
        save: Writes a model to a path, such as `keras.Model.save`.

    Example:
        >>> write_model(student, Path("students/War.keras"), keras.Model.save)
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        save(model, Path(folder) / path.name)
        os.replace(Path(folder) / path.name, path)


def cached_model(path: Path, make: Callable[[], keras.Model]) -> keras.Model:
    """The model in the file; made and put there first if there is none.

    Processes that need the same model make it once.

    Args:
        path: A `.keras` file, named by all that decides the model.
        make: Makes the model.

    Returns:
        The model, loaded also when it was made just now, so that both ways give the same one.

    Example:
        >>> teacher = cached_model(cache_dir / f"teacher-{key}.keras", lambda: train(rows))
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_suffix(".lock")):
        if not path.exists():
            write_model(make(), path, keras.Model.save)
    return keras.models.load_model(path, compile=False)
