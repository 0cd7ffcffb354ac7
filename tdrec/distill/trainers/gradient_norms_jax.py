"""The lengths of the losses' gradients on Keras's JAX backend."""

from collections.abc import Callable
from typing import Any

import jax
import keras
from keras import ops

from tdrec.distill.distiller import Distiller

Tensor = Any
Values = list[Tensor]


def compiled_norms(distiller: Distiller, batch: Any) -> Callable[[], dict[str, Tensor]]:
    """`norm_tensors` for whoever measures often.

    Args:
        distiller: Compiled.
        batch: As in `gradient_norms`.

    Returns:
        A function without arguments, compiled once; it measures with the weights as they then are.
    """
    batch = keras.tree.map_structure(lambda a: a if a is None else ops.convert_to_tensor(a), batch)
    distiller.compute_losses(batch)  # what is not built yet cannot be while JAX traces
    student = [v for layer in distiller.student.layers for v in layer.trainable_variables]
    others = [
        *distiller.variables,
        *distiller.optimizer.variables,
        *distiller.metrics_variables,
        *distiller.read_variables(),
    ]

    def scaled_loss(values: Values, rest: Values, name: str) -> tuple[Tensor, Tensor]:
        mapping = [*zip(others, rest, strict=True), *zip(student, values, strict=True)]
        with keras.StatelessScope(mapping, collect_losses=True):
            _, task_loss, terms = distiller.compute_losses(batch)
            loss = {"task_loss": task_loss, **terms}[name]
            # In float16 small gradients would be lost, if it were not scaled as in training.
            return distiller.optimizer.scale_loss(loss), distiller.optimizer.scale_loss(1.0)

    @jax.jit
    def norms(values: Values, rest: Values) -> dict[str, Tensor]:
        found = {}
        for name in ("task_loss", *distiller.method.terms):
            found[name], scale = jax.grad(scaled_loss, has_aux=True)(values, rest, name)
        terms = [gradients for name, gradients in found.items() if name != "task_loss"]
        # To JAX a weight that a loss does not reach is one whose gradient is 0.
        shared = [
            ops.any(ops.stack([ops.any(gradient != 0) for gradient in of_weight]))
            for of_weight in zip(*(terms or found.values()), strict=True)
        ]
        return {name: _norm(gradients, shared) / scale for name, gradients in found.items()}

    return lambda: norms([v.value for v in student], [v.value for v in others])


def norm_tensors(distiller: Distiller, batch: Any) -> dict[str, Tensor]:
    """`gradient_norms` as scalar tensors.

    Args:
        distiller: Compiled.
        batch: As in `gradient_norms`.

    Returns:
        The norms, float32.
    """
    return compiled_norms(distiller, batch)()


def _norm(gradients: Values, shared: list[Tensor]) -> Tensor:
    squares = [ops.sum(ops.square(ops.cast(g, "float32"))) for g in gradients]
    return ops.sqrt(sum(ops.where(s, q, 0.0) for s, q in zip(shared, squares, strict=True)))
