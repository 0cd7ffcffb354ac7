"""The lengths of the losses' gradients on Keras's TensorFlow backend."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf
from keras import ops

from tdrec.distill.distiller import Distiller

Tensor = Any


def compiled_norms(distiller: Distiller, batch: Any) -> Callable[[], dict[str, Tensor]]:
    """`norm_tensors` for whoever measures often.

    Args:
        distiller: Compiled.
        batch: As in `gradient_norms`.

    Returns:
        A function without arguments, compiled once; it measures with the weights as they then are.
    """
    strategy = distiller.distribute_strategy

    @tf.function(autograph=False)
    def norms() -> dict[str, Tensor]:
        found = strategy.run(norm_tensors, (distiller, batch))
        return {name: strategy.experimental_local_results(n)[0] for name, n in found.items()}

    return norms


def norm_tensors(distiller: Distiller, batch: Any) -> dict[str, Tensor]:
    """`gradient_norms` as scalar tensors.

    Args:
        distiller: Compiled.
        batch: As in `gradient_norms`.

    Returns:
        The norms, float32.
    """
    with tf.GradientTape(persistent=True) as tape:
        _, task_loss, terms = distiller.compute_losses(batch)
        losses = {"task_loss": task_loss, **terms}
        losses = {name: distiller.of_all(loss) for name, loss in losses.items()}
        # In float16 small gradients would be lost, if the loss were not scaled as in training.
        scaled = {name: distiller.optimizer.scale_loss(loss) for name, loss in losses.items()}
    student = [v for layer in distiller.student.layers for v in layer.trainable_variables]
    gradients = {name: tape.gradient(loss, student) for name, loss in scaled.items()}
    shared = [any(gradients[t][i] is not None for t in terms) for i in range(len(student))]
    scale = distiller.optimizer.scale_loss(1.0)
    return {
        name: _norm(g for g, s in zip(found, shared, strict=True) if s or not terms) / scale
        for name, found in gradients.items()
    }


def _norm(gradients: Any) -> Tensor:
    # Of sparse gradients the rows of one id are added up first.
    dense = [ops.cast(tf.convert_to_tensor(g), "float32") for g in gradients if g is not None]
    return tf.linalg.global_norm(dense) if dense else tf.constant(0.0)
