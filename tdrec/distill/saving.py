"""What is saved of a distiller: its student, its method, its random states, who its teacher is."""

import os
from collections.abc import Callable
from dataclasses import asdict
from typing import Any, Self

import keras

from tdrec.distill.method import Method
from tdrec.distill.model_split import ModelSplit
from tdrec.distill.teacher_reference import (
    Reference,
    cut_again,
    cut_of,
    reference_from,
    reference_of,
)
from tdrec.distill.teaching import Teaching
from tdrec.runtime.files import replacing, user_path

if keras.backend.backend() == "jax":
    from tdrec.distill.trainers.training_step_jax import TrainingStep
else:
    from tdrec.distill.trainers.training_step_tensorflow import TrainingStep


class SavedDistiller(TrainingStep):
    """The part of a distiller that is about files."""

    student: ModelSplit
    student_layers: list[keras.Layer]
    method: Method
    teaching: Teaching
    teacher_path: str | list[str] | None
    saved_teacher: Reference | None

    @property
    def teacher_reference(self) -> Reference | None:
        """Who the teacher is, or was when the distiller was saved."""
        if self.teaching.teacher is None:
            return self.saved_teacher
        return reference_of(self.teaching.teacher, self.teacher_path)

    def save(self, filepath: str | os.PathLike[str], overwrite: bool = True, **kwargs: Any) -> None:
        """As `keras.Model.save`; the file is replaced once the new one is complete.

        A run that is killed while it writes its checkpoint can so go on from the one before.

        Args:
            filepath: Where to save: a `.keras` file.
            overwrite: Whether to replace a file without asking. Default True.
            **kwargs: Those of `keras.Model.save`.

        Raises:
            ValueError: If the file is of another kind, which could not be loaded.
        """
        path = user_path(filepath)
        if path.suffix != ".keras" and not kwargs.get("zipped"):
            raise ValueError(
                f"A distiller is saved as a .keras file. Received: {str(filepath)!r}. Name one, "
                "or save its weights alone: distiller.save_weights('x.weights.h5')."
            )
        self._replacing(super().save, path, overwrite, **kwargs)

    def save_weights(
        self, filepath: str | os.PathLike[str], overwrite: bool = True, **kwargs: Any
    ) -> None:
        """As `keras.Model.save_weights`; the file is replaced once the new one is complete.

        Args:
            filepath: Where to save: a `.weights.h5` file.
            overwrite: Whether to replace a file without asking. Default True.
            **kwargs: Those of `keras.Model.save_weights`.
        """
        self._replacing(super().save_weights, user_path(filepath), overwrite, **kwargs)

    def load_weights(self, filepath: str | os.PathLike[str], *args: Any, **kwargs: Any) -> None:
        """As `keras.Model.load_weights`; a distiller that is built goes on with its optimizer.

        Args:
            filepath: Where the weights were saved.
            *args: Those of `keras.Model.load_weights`.
            **kwargs: Those of `keras.Model.load_weights`.
        """
        if self.built and self.compiled and not self.optimizer.built:
            self.optimizer.build(self.trainable_variables)  # whose state Keras would leave out
        super().load_weights(user_path(filepath), *args, **kwargs)

    def _replacing(self, save: Callable[..., Any], path: Any, overwrite: bool, **kw: Any) -> None:
        if not (overwrite and path.parent.is_dir()):
            save(path, overwrite=overwrite, **kw)
        else:
            with replacing(path) as temporary:
                save(temporary, **kw)

    def export(self, *args: Any, **kwargs: Any) -> None:
        """Refused: what is served is the student.

        Raises:
            ValueError: Always.
        """
        raise ValueError(
            "What is served is the student, without its distiller. Received: distiller.export(...)."
            " Call student.export(path), or tdrec.export_student(student, path, inputs)."
        )

    def save_own_variables(self, store: Any) -> None:
        super().save_own_variables(store)
        for i, state in enumerate(self._seed_states()):
            store[f"seed_{i}"] = state

    def load_own_variables(self, store: Any) -> None:
        stored = {key: store[key] for key in store.keys()}  # noqa: SIM118 (an entry of HDF5)
        seeds = [stored.pop(f"seed_{i}") for i in range(len(stored)) if f"seed_{i}" in stored]
        super().load_own_variables(stored)
        states = self._seed_states()
        if seeds and len(seeds) != len(states):
            raise ValueError(
                "A distiller goes on with the random numbers that it drew. Received: a file with "
                f"the states of {len(seeds)} generators, for a distiller that has {len(states)}. "
                "Load it into a distiller with the same student and the same method."
            )
        for seed, state in zip(seeds, states, strict=False):
            state.assign(seed)

    def _seed_states(self) -> list[keras.Variable]:
        """The states of all random generators, of which Keras saves none."""
        kept = {id(v) for v in (*self.weights, *self.metrics_variables)}
        return [v for v in self.variables if id(v) not in kept]

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        raise TypeError(
            "A distiller is not copied, since its student, its teacher and its method would have "
            "to be copied in step. Received: copy.deepcopy(distiller). Save and load it, or make "
            "a new one: tdrec.Distiller(student, teacher, method)."
        )

    def get_config(self) -> dict[str, Any]:
        cut = cut_of(self.student)
        if cut is None:
            raise ValueError(
                "A distiller is saved whole only if its student is a model that was cut by "
                "`tdrec.split_model`, or not at all, without an input map, since functions are no "
                "data. Save its weights (`save_weights`, or ModelCheckpoint with "
                "`save_weights_only=True`), or the student alone."
            )
        teacher = self.teacher_reference
        return {
            **super().get_config(),
            "student": keras.saving.serialize_keras_object(self.student_layers[0]),
            "cut": cut,
            "method": keras.saving.serialize_keras_object(self.method),
            "teacher": teacher and asdict(teacher),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Self:
        config = dict(config)
        student = keras.saving.deserialize_keras_object(config.pop("student"), custom_objects)
        method = keras.saving.deserialize_keras_object(config.pop("method"), custom_objects)
        cut, saved = config.pop("cut"), config.pop("teacher")
        make: Any = cls
        distiller = make(cut_again(student, cut), None, method, **config)
        # A subclassed student shows no shapes before it runs, but its weights are here: without it
        # Keras would find no state of the optimizer to load.
        distiller.built = student.built and method.built
        if saved:
            distiller.saved_teacher = reference = reference_from(saved)
            distiller.teaching.known = f", and it was saved with {reference}"
            distiller.teacher_path = reference.path
            if teacher := reference.load(custom_objects):
                distiller.teacher = teacher
        return distiller
