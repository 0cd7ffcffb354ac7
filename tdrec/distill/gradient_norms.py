"""How strongly the task and each of a method's terms pull on the student."""

from typing import Any

import keras

from tdrec.distill.distiller import Distiller

if keras.backend.backend() == "jax":
    from tdrec.distill.trainers.gradient_norms_jax import compiled_norms, norm_tensors
else:
    from tdrec.distill.trainers.gradient_norms_tensorflow import compiled_norms, norm_tensors

__all__ = ["compiled_norms", "gradient_norms", "norm_tensors"]


def gradient_norms(distiller: Distiller, batch: Any) -> dict[str, float]:
    r"""The length of each loss's gradient for the weights of the student that the losses share.

    $\lVert \nabla_W L_t \rVert_2$, where $W$ are the student's trainable weights that some term of
    the method reaches: for TD those of `lower` and `middle`, for LD all. The head of a student
    that only the task trains is left out, since nothing there is balanced. A method without terms
    shares nothing; $W$ are then all trainable weights of the student. On JAX a weight counts as
    reached if some term's gradient for it is not 0.

    The terms are measured with the method's own weights and without the factors of
    `distiller.term_weights`; a factor $c$ makes a norm $c$ times as long. Nothing is dropped, no
    noise is added and no statistics move, so the same batch gives the same norms.

    Args:
        distiller: Compiled.
        batch: As `fit` takes it: `(x, y)` or `(x, y, sample_weight)`, with or without the
            teacher's targets.

    Returns:
        The norms of `"task_loss"` and of each term of the method; 0 for a term that does not reach
        the student, infinite or NaN for one that has exploded.

    Raises:
        ValueError: If the distiller is not compiled, or has no teacher where the method reads one.

    Example:
        >>> gradient_norms(distiller, (x, y))
        {'task_loss': ..., 'interaction_loss_1': ..., 'message_loss': ..., 'state_loss': ...}

    Source:
        Chen et al., GradNorm, 2018, section 3.1, whose $W$ are the weights that the tasks share.
    """
    if not distiller.compiled:
        raise ValueError(
            "The task's loss is that of `compile`. Received: a distiller that is not compiled. "
            'Call distiller.compile("adam", loss="mse") first, with your own loss.'
        )
    return {name: float(norm) for name, norm in norm_tensors(distiller, batch).items()}
