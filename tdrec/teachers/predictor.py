"""A teacher of which only the prediction is known: enough for label distillation."""

from collections.abc import Callable
from typing import Any, NoReturn

import keras

from tdrec.distill.model_split import ModelSplit, Trace


class Predictor(ModelSplit):
    """A teacher that predicts, and shows no hidden states.

    Label distillation reads nothing but the prediction, so any model will do that answers a batch:
    a Keras layer or model that cannot be cut, a `keras.layers.TFSMLayer`, an endpoint of a
    SavedModel (`load_saved_model`), a plain function. Methods that read states refuse it.

    Args:
        predict: `predict(x) -> prediction`, with a batch of inputs and predictions of shape
            `(batch, ...)`. It is read only: no weight of it is trained or saved.
        owner: The layer whose weights `predict` uses. Default None: found where `predict` is a
            layer or the method of one.
        input_map: Takes what this model sees from a batch's `x`. Default None: all of `x`.
        output: Key or index of the output to distil, of a model that has several. Default None:
            the only one.

    Raises:
        TypeError: If `predict` is not callable.

    Example:
        >>> distiller = Distiller(student_split, Predictor(teacher), LabelDistillation())
    """

    def __init__(
        self,
        predict: Callable[..., Any],
        *,
        owner: keras.Layer | None = None,
        input_map: Callable[[Any], Any] | None = None,
        output: str | int | None = None,
    ) -> None:
        if not callable(predict):
            raise TypeError(f"`predict` must be callable. Received: {predict!r}.")
        super().__init__(
            _no_states, _no_states, predict, owner=owner, input_map=input_map, output=output
        )

    def __call__(self, x: Any, training: bool = False) -> Trace:
        """Runs the model once.

        Args:
            x: A batch's inputs, `(batch, ...)` each.
            training: Whether dropout and batch statistics act. Default False.

        Returns:
            A `Trace` with the prediction alone: both states are None.
        """
        x = x if self.input_map is None else self.input_map(x)
        trace = Trace(None, None, self._run("head", x, training))
        if self.shapes is None:
            prediction = self.distilled(trace).prediction
            shape = None if prediction is None else (None, *prediction.shape[1:])
            self.shapes = Trace(None, None, shape)
        return trace


def _no_states(x: Any) -> NoReturn:
    raise ValueError(
        "A tdrec.Predictor has no states, so that nothing can be interpreted by it. Use "
        "tdrec.LabelDistillation(), which reads the prediction alone, or a teacher whose rooms are "
        "known: tdrec.split_model, tdrec.ModelSplit or tdrec.load_saved_split."
    )
