"""How a saved distiller refers to its teacher: by path and fingerprint, never by its weights."""

import os
from dataclasses import dataclass
from typing import Any, Self

import keras

from tdrec.distill.fingerprint import fingerprint
from tdrec.distill.model_split import ModelSplit, split_model
from tdrec.runtime.files import user_path


@dataclass(frozen=True)
class TeacherReference:
    """What it takes to find a teacher again, and to know it.

    Args:
        fingerprint: Of its split: weights, cut and output.
        path: The `.keras` file of its model, None if it is not known.
        cut: The arguments of `split_model` that make its split, None if they do not.
        name: Of its model, for people; None if its layers are not known.

    Example:
        >>> teacher.save("teacher.keras")
        >>> reference = TeacherReference.of(teacher_split, "teacher.keras")
        >>> reference.check(reference.load())
    """

    fingerprint: str
    path: str | None = None
    cut: dict[str, Any] | None = None
    name: str | None = None

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
        return cls(fingerprint(split), path, cut_of(split), name)

    def load(self, custom_objects: Any = None) -> ModelSplit | None:
        """The teacher from its file.

        Args:
            custom_objects: Those of `keras.saving.load_model`. Default None.

        Returns:
            Its split, or None if no file is known or it is not there.
        """
        if self.path is None or not user_path(self.path).exists():
            return None
        model = keras.saving.load_model(user_path(self.path), custom_objects, compile=False)
        return split_model(model, **(self.cut or {}))

    def check(self, split: ModelSplit) -> None:
        """Refuses another teacher.

        Args:
            split: The teacher that is to take this one's place.

        Raises:
            ValueError: If its fingerprint is another one.
        """
        now = TeacherReference.of(split)
        if now.fingerprint != self.fingerprint:
            raise ValueError(
                "A distiller goes on with the teacher that it had, which its encoders and decoders "
                f"have learned to talk to. Received: {now}, in place of {self}. Hand over that one "
                "(if its file was replaced, put it back, or move the new file away to load the "
                "distiller without a teacher). To learn from another, make a new distiller around "
                "the student: tdrec.Distiller(distiller.student, teacher, method)."
            )

    def __str__(self) -> str:
        cut = "" if self.cut is None else f", cut at {self.cut['low']!r} and {self.cut['high']!r}"
        file = "" if self.path is None else f", in the file {self.path!r}"
        name = "" if self.name is None else f" {self.name!r}"
        return f"the teacher{name}, fingerprint {self.fingerprint[:16]}{cut}{file}"


def cut_of(split: ModelSplit) -> dict[str, Any] | None:
    """The arguments of `split_model` that make a split again.

    Args:
        split: Any.

    Returns:
        `low`, `high` and `output`, or None for rooms or inputs that are functions.
    """
    if split.cut is None or split.input_map is not None:
        return None
    return {"low": split.cut[0], "high": split.cut[1], "output": split.output}


def check_path(teacher: ModelSplit | None, path: str | os.PathLike[str]) -> str:
    """The path of a teacher's file, if the file can restore it.

    Args:
        teacher: Its split.
        path: The `.keras` file.

    Returns:
        The path as text.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If a model from a file would not make this split.
    """
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
