"""What a student's model says itself of its training: its loss, its metrics, its steps."""

import inspect
from typing import Any

import keras

from tdrec.distill.model_split import ModelSplit
from tdrec.distill.teacher_targets import detach

Tensor = Any


class OwnTraining:
    """A student's own loss and metrics, which count where its model defines them.

    Args:
        split: The student's. Of one that is of no known model nothing is own.

    Attributes:
        model: The student's model, or None.
        loss: Whether its class has a `compute_loss` of its own.
        metrics: Whether its class has a `compute_metrics` of its own.

    Raises:
        ValueError: If its class has a training or test step of its own, which a distiller's would
            replace.
    """

    def __init__(self, split: ModelSplit) -> None:
        self.split = split
        self.model = model = split.model
        self.loss, self.metrics = (_own(model, f"compute_{x}") for x in ("loss", "metrics"))
        self._seen = False
        if steps := [name for name in ("train_step", "test_step") if _own(model, name)]:
            raise ValueError(
                "A distiller trains its student by a step of its own. Received: the student "
                f"{type(model).__name__}, whose class has a {' and a '.join(steps)}. Keep it, and "
                "add a method's terms to the loss in it: "
                "self.terms = tdrec.DistillationTerms(student_split, teacher_split, method), and "
                "in the step loss += sum(self.terms(x, trace, training=True).values())."
            )

    def compile(self, **arguments: Any) -> None:
        """Compiles the student with what a distiller is compiled with, if something is its own.

        Its `compute_loss` finds in `super().compute_loss` what it would find without a distiller.
        A student that is compiled already keeps what it has.

        Args:
            **arguments: Those of `keras.Model.compile`.
        """
        if not self.metrics:
            arguments = {k: v for k, v in arguments.items() if "metrics" not in k}
        if self.model is not None and (self.loss or self.metrics) and not self.model.compiled:
            optimizer = keras.optimizers.get(arguments.pop("optimizer"))
            own = type(optimizer).from_config(optimizer.get_config()) if optimizer else None
            self.model.compile(optimizer=own, **arguments)

    def compute_loss(self, x: Any, y: Any, prediction: Any, weight: Any, training: bool) -> Tensor:
        """The student's own loss of a batch, with what its layers add to it."""
        own: Any = self.model
        takes_training = "training" in inspect.signature(own.compute_loss).parameters
        kwargs = {"training": training} if takes_training else {}
        return own.compute_loss(detach(x)[0], y, prediction, weight, **kwargs)

    def compute_metrics(self, x: Any, y: Any, prediction: Any, weight: Any) -> dict[str, Tensor]:
        """The student's own metrics of a batch."""
        own: Any = self.model
        logs = own.compute_metrics(detach(x)[0], y, prediction, weight)
        return {name: value for name, value in logs.items() if name != "loss"}

    def own_metrics(self) -> list[keras.Metric]:
        """What its own loss and metrics keep count in."""
        if self.model is None or not (self.loss or self.metrics):
            return []
        return [metric for metric in self.model.metrics if metric.name != "loss"]

    def see(self, x: Any) -> None:
        """Runs the student's model once, before the first batch is taught, so that it is built.

        The rooms of a subclassed model are its parts, and would leave the model itself unbuilt:
        Keras would save none of its weights.

        Args:
            x: A batch's inputs.

        Raises:
            ValueError: If the model adds losses in its `call`, which its rooms pass by.
        """
        if self._seen or self.model is None or self.split.whole or self.split.cut is not None:
            return
        self.model(self.split.see(x))
        added = self.model._get_own_losses()
        self.model._clear_losses()
        if added:
            raise ValueError(
                "What a student adds to its loss must be in what is run of it: its rooms. "
                f"Received: {type(self.model).__name__}, whose `call` uses add_loss, which its "
                "rooms pass by. Add it in a layer or in compute_loss, or distil the whole model: "
                "tdrec.Distiller(student, teacher, tdrec.LabelDistillation())."
            )
        self._seen = True


def _own(model: keras.Model | None, name: str) -> bool:
    """Whether a model's class has a method of its own where Keras has one for all."""
    return model is not None and getattr(type(model), name) is not getattr(keras.Model, name)
