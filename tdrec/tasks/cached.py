"""Teachers on disk: each is made once, by whoever needs it first, and known by its weights."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
from filelock import FileLock

from tdrec.distill.fingerprint import hash_arrays
from tdrec.runtime.files import replace_file, user_path
from tdrec.studies.task import DivergedError


class Teachers:
    """The teachers of a session, from a folder of `.keras` files.

    Args:
        folder: The folder; it is made if need be.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = user_path(folder)
        self._models: dict[str, Any] = {}
        self._hashes: dict[str, str] = {}

    def get(self, name: str, make: Callable[[], keras.Model]) -> Any:
        """The model in the file; made and put there first if there is none.

        Processes that need the same model make it once.

        Args:
            name: The file's, a hash of all that decides the model.
            make: Makes the model.

        Returns:
            The model, loaded also when it was made just now, so that both ways give the same one.

        Raises:
            DivergedError: If it cannot be made. It is not tried twice.
        """
        if name not in self._models:
            path = self.folder / name
            self.folder.mkdir(parents=True, exist_ok=True)
            with FileLock(path.with_suffix(".lock")):
                if not path.exists():
                    try:
                        replace_file(path, model_bytes(make()))
                    except DivergedError as error:
                        self._models[name] = DivergedError(f"its teacher: {error}")
            if name not in self._models:
                self._models[name] = keras.models.load_model(path, compile=False)
        if isinstance(self._models[name], DivergedError):
            raise self._models[name]
        return self._models[name]

    def hash(self, name: str, model: Callable[[], keras.Model]) -> str | None:
        """The hash of a teacher's weights, computed once; None if it cannot be made."""
        if name not in self._hashes:
            try:
                self._hashes[name] = hash_arrays(model().get_weights())
            except DivergedError:
                return None
        return self._hashes[name]


def model_bytes(
    model: keras.Model, save: Callable[[keras.Model, Path], Any] = keras.Model.save
) -> bytes:
    """A model's `.keras` file.

    Args:
        model: The model.
        save: Writes it to a path.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        save(model, path)
        return path.read_bytes()
