"""How a saved distiller refers to its teacher: by path and fingerprint, never by its weights."""

import functools
import io
import os
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import h5py
import keras

from tdrec.distill.cut import split_model
from tdrec.distill.fingerprint import fingerprint, hash_arrays
from tdrec.distill.model_split import ModelSplit
from tdrec.distill.predictor import Predictor
from tdrec.distill.several_teachers import Teachers, each_of
from tdrec.runtime.files import user_path


@dataclass(frozen=True)
class TeacherReference:
    """What it takes to find a teacher again, and to know it.

    Args:
        fingerprint: Of its split: weights, cut and output.
        path: The `.keras` file of its model, None if it is not known.
        cut: The arguments of `split_model` that make its split, None if they do not.
        name: Of its model, for people; None if its layers are not known.
        content: Hash of what its file holds, which is looked at before anything of it is run.

    Example:
        >>> teacher.save("teacher.keras")
        >>> reference = TeacherReference.of(teacher_split, "teacher.keras")
        >>> reference.check(reference.load())
    """

    fingerprint: str
    path: str | None = None
    cut: dict[str, Any] | None = None
    name: str | None = None
    content: str | None = None

    @classmethod
    def of(cls, split: ModelSplit, path: str | None = None) -> Self:
        """The reference to a teacher.

        Args:
            split: The teacher's.
            path: The file of its model. Default None: not known.

        Returns:
            The reference.
        """
        name = split.layers[0].name if split.layers else None
        content = file_content(path) if path is not None and user_path(path).exists() else None
        return cls(fingerprint(split), path, cut_of(split), name, content)

    def load(self, custom_objects: Any = None) -> ModelSplit | None:
        """The teacher from its file.

        Args:
            custom_objects: Those of `keras.saving.load_model`. Default None.

        Returns:
            Its split, or None if no file is known or it is not there.

        Raises:
            ValueError: If the file holds another model, which is then not loaded.
        """
        if self.path is None or not user_path(self.path).exists():
            return None
        if self.content is not None and file_content(self.path) != self.content:
            raise ValueError(_another(f"another model in the file {self.path!r}", self))
        model = keras.saving.load_model(user_path(self.path), custom_objects, compile=False)
        return cut_again(model, self.cut or {})

    def check(self, split: ModelSplit) -> None:
        """Refuses another teacher.

        Args:
            split: The teacher that is to take this one's place.

        Raises:
            ValueError: If its fingerprint is another one.
        """
        now = TeacherReference.of(split)
        if now.fingerprint != self.fingerprint:
            raise ValueError(_another(str(now), self))

    def __str__(self) -> str:
        at = self.cut or {}
        cut = f", cut at {at['low']!r} and {at['high']!r}" if "low" in at else ""
        file = "" if self.path is None else f", in the file {self.path!r}"
        name = "" if self.name is None else f" {self.name!r}"
        return f"the teacher{name}, fingerprint {self.fingerprint[:16]}{cut}{file}"


@dataclass(frozen=True)
class SeveralReferences:
    """What it takes to find several teachers again, as a `TeacherReference` is of one.

    Args:
        teachers: The references, in their order.

    Attributes:
        path: The files of their models, None if one is not known.
    """

    teachers: tuple[TeacherReference, ...]

    @property
    def path(self) -> list[str] | None:
        paths = [reference.path for reference in self.teachers]
        return None if None in paths else paths  # type: ignore[return-value]

    def load(self, custom_objects: Any = None) -> Teachers | None:
        """The teachers from their files; None if one of them is not there.

        Args:
            custom_objects: Those of `keras.saving.load_model`. Default None.
        """
        splits = [reference.load(custom_objects) for reference in self.teachers]
        return None if None in splits else Teachers(splits)  # type: ignore[arg-type]

    def check(self, split: ModelSplit) -> None:
        """Refuses other teachers, or these in another order.

        Args:
            split: The teachers that are to take the place of these.

        Raises:
            ValueError: If the fingerprint of one is another.
        """
        for reference, each in zip(self.teachers, each_of(split), strict=True):
            reference.check(each)

    def __str__(self) -> str:
        return " and ".join(map(str, self.teachers))


Reference = TeacherReference | SeveralReferences
Paths = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]


def reference_of(split: ModelSplit, path: str | list[str] | None = None) -> Reference:
    """The reference to a teacher, or to several.

    Args:
        split: The teacher's.
        path: The file of its model; of several a list. Default None: not known.
    """
    if isinstance(split, Teachers):
        each = each_of(split)
        paths: Sequence[Any] = path or [None] * len(each)
        return SeveralReferences(tuple(map(TeacherReference.of, each, paths)))
    return TeacherReference.of(split, path)  # type: ignore[arg-type]


def reference_from(saved: dict[str, Any]) -> Reference:
    """The reference that was saved, as `dataclasses.asdict` gives it."""
    if "teachers" in saved:
        return SeveralReferences(tuple(TeacherReference(**each) for each in saved["teachers"]))
    return TeacherReference(**saved)


def cut_of(split: ModelSplit) -> dict[str, Any] | None:
    """What makes a split of a model again.

    Args:
        split: Any.

    Returns:
        The arguments of `split_model`, or the output alone of a model that is not cut; None for
        rooms or inputs that are functions.
    """
    if split.input_map is not None or (split.cut is None and not split.whole):
        return None
    if split.cut is None:
        return {"output": split.output} if split.model is not None else None
    return {**split.cut._asdict(), "output": split.output}


def cut_again(model: keras.Model, cut: dict[str, Any]) -> ModelSplit:
    """The split of a model that was loaded.

    Args:
        model: The model.
        cut: As `cut_of` gives it.

    Returns:
        Its split.
    """
    return split_model(model, **cut) if "low" in cut else Predictor(model, **cut)


def file_content(path: str | os.PathLike[str]) -> str:
    """A hash of the model in a `.keras` file: its configuration and weights, of which none is run.

    Args:
        path: The file.

    Returns:
        64 hexadecimal digits (SHA-256).
    """
    file = user_path(path).resolve()
    state = file.stat()
    return _content(file, state.st_mtime_ns, state.st_size)


@functools.lru_cache(maxsize=4)
def _content(file: Path, changed: int, size: int) -> str:
    """`file_content`, once for each state of a file: a distiller is saved at every checkpoint."""
    del changed, size
    with zipfile.ZipFile(file) as archive:
        config = archive.read("config.json").decode()
        with h5py.File(io.BytesIO(archive.read("model.weights.h5"))) as weights:
            names: list[str] = []
            weights.visit(names.append)
            arrays = {n: weights[n][()] for n in names if isinstance(weights[n], h5py.Dataset)}
    return hash_arrays(arrays.values(), start=f"{config}{list(arrays)}")


def _another(received: str, known: TeacherReference) -> str:
    return (
        "A distiller goes on with the teacher that it had, which its encoders and decoders "
        f"have learned to talk to. Received: {received}, in place of {known}. Hand over that one "
        "(if its file was replaced, put it back, or move the new file away to load the "
        "distiller without a teacher). To learn from another, make a new distiller around "
        "the student: tdrec.Distiller(distiller.student, teacher, method)."
    )


def check_path(teacher: ModelSplit | None, path: Paths) -> str | list[str]:
    """The path of a teacher's file, if the file can restore it; of several a list.

    Args:
        teacher: Its split.
        path: The `.keras` file, or one for each of several teachers.

    Returns:
        The path as text.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If a model from a file would not make this split; if there are more paths than
            teachers, or fewer.
    """
    several = isinstance(path, (list, tuple))
    count = len(teacher.splits) if isinstance(teacher, Teachers) else None
    if count != (len(path) if several else None):  # type: ignore[arg-type]
        raise ValueError(
            "`teacher_path` is one file for one teacher, and a list of files for a list of "
            f"teachers. Received: {path!r} for "
            f"{'one teacher' if count is None else f'a list of {count}'}. Name a file for each."
        )
    if several:
        return [_checked(*each) for each in zip(each_of(teacher), path, strict=True)]  # type: ignore[arg-type]
    return _checked(teacher, path)  # type: ignore[arg-type]


def _checked(teacher: ModelSplit | None, path: str | os.PathLike[str]) -> str:
    if teacher is None or cut_of(teacher) is None:
        raise ValueError(
            "`teacher_path` is for a teacher that was cut by `tdrec.split_model` without an input "
            "map, since a file holds a model and no functions. Received: "
            f"{'teacher=None' if teacher is None else 'a teacher whose rooms are functions'}. "
            "Leave it out, and set `distiller.teacher` after loading the distiller."
        )
    if not user_path(path).is_file():
        raise FileNotFoundError(
            f"`teacher_path` must be the file of the teacher's model. Received: {str(path)!r}, "
            "where there is none. Write it first: model.save(path)."
        )
    return os.fspath(path)
