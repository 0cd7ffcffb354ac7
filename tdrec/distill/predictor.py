"""A model of which only the prediction is known: enough for label distillation."""

from collections.abc import Callable
from typing import Any

import keras

from tdrec.distill.model_split import Middle, ModelSplit, Trace, outputs_of, shapes_of


class Predictor(ModelSplit):
    """A model that predicts, and shows no hidden states.

    Label distillation reads nothing but predictions, so any teacher will do that answers a batch:
    a Keras layer or model that cannot be cut, a `keras.layers.TFSMLayer`, an endpoint of a
    SavedModel (`load_saved_model`), a plain function. A student must be a Keras model. Methods
    that read states refuse both. A `Distiller` takes a model as it is for a predictor of its.

    Args:
        predict: `predict(x) -> prediction`, with a batch of inputs and predictions of shape
            `(batch, ...)`.
        model: The layer whose weights `predict` uses. Default None: found where `predict` is a
            layer or the method of one.
        input_map: Takes what this model sees from a batch's `x`. Default None: all of `x`.
        output: Key or index of the output to distil, of a model that has several. Default None:
            all of them; label distillation then says which.

    Raises:
        TypeError: If `predict` is not callable.

    Example:
        >>> distiller = Distiller(student, Predictor(teacher), LabelDistillation())
    """

    whole = True

    def __init__(
        self,
        predict: Callable[..., Any],
        *,
        model: keras.Layer | None = None,
        input_map: Callable[[Any], Any] | None = None,
        output: str | int | None = None,
    ) -> None:
        if not callable(predict):
            raise TypeError(f"`predict` must be callable. Received: {predict!r}.")
        super().__init__(
            predict, _no_states, _no_states, model=model, input_map=input_map, output=output
        )
        if self.model is predict and (outputs := outputs_of(predict)) is not None:
            self.shapes = self._shapes(outputs)

    def run(self, x: Any, training: bool = False) -> tuple[Trace, Middle]:
        """Runs the model once.

        Args:
            x: A batch's inputs, `(batch, ...)` each.
            training: Whether dropout and batch statistics act. Default False.

        Returns:
            A `Trace` with the prediction alone, both states None; and what says that nothing can
            be interpreted.
        """
        prediction, _ = self._run("lower", self.see(x), None, training)
        if self.shapes is None:
            self.shapes = self._shapes(prediction)
        return Trace(None, None, prediction), Middle(self)

    def _shapes(self, prediction: Any) -> Trace:
        return shapes_of(self.distilled(Trace(None, None, prediction)))


def as_split(name: str, model: Any) -> ModelSplit:
    """A split as it is, and anything else that predicts as a `Predictor`.

    Args:
        name: Of the argument.
        model: A `ModelSplit`, a Keras model, or another function of a batch's inputs.

    Returns:
        The split.

    Raises:
        TypeError: If it is none of these.
    """
    if isinstance(model, ModelSplit):
        return model
    if not callable(model):
        raise TypeError(
            f"`{name}` must be a ModelSplit, such as tdrec.split_model(model, low=..., high=...), "
            "or, for label distillation, a model or another function of a batch's inputs. "
            f"Received: {model!r}."
        )
    return Predictor(model)


def _no_states(*_: Any) -> Any:
    raise ValueError(
        "A tdrec.Predictor has no states, so that nothing can be interpreted by it. Use "
        "tdrec.LabelDistillation(), which reads the prediction alone, or a model whose rooms are "
        "known: tdrec.split_model, tdrec.ModelSplit or tdrec.load_saved_split."
    )
