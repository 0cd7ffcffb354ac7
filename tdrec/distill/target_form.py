"""In what form a teacher's targets are kept on disk: their precision, and which logits."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from tdrec.distill.method import Method
from tdrec.distill.methods.label_distillation import LabelDistillation

DTYPES = ("float32", "float16")
VALUES, INDICES, REST = ".values", ".indices", ".rest"
"""How the names end of what is kept in the place of a prediction."""


@dataclass(frozen=True)
class TargetForm:
    r"""How the fields of a trace are kept, and made again of what was kept.

    With `top_k` the k largest logits of each row are kept as they are, and of all others what
    probability they have together, which is spread evenly over them: each of the C - k others gets
    the logit $\log\sum_{j \notin top} e^{z_j} - \log(C - k)$. At temperature 1 the softmax so has
    the exact probability in each kept class. To leave the others out ($-\infty$) would give their
    probability to the kept ones, a biased teacher, of which students become too sure. Of outputs
    that are probabilities, what is missing to 1 is spread in the same way.

    Args:
        dtype: `"float32"`, or `"float16"`: half the size, three digits.
        top_k: How many logits of a row to keep. Default None: all.

    Raises:
        ValueError: If an argument is out of its range.

    Source:
        Anshumann et al., "Sparse Logit Sampling", arXiv 2503.16870: top-k without the rest is
        biased.
    """

    dtype: str = "float32"
    top_k: int | None = None

    def __post_init__(self) -> None:
        if self.dtype not in DTYPES:
            raise ValueError(f"`dtype` must be one of {DTYPES}. Received: {self.dtype!r}.")
        if self.top_k is not None and self.top_k < 1:
            raise ValueError(f"`top_k` must be at least 1. Received: {self.top_k!r}.")

    def check_method(self, method: Method) -> None:
        """Refuses top-k logits for methods that would not read them as logits of classes.

        Args:
            method: That reads the targets.

        Raises:
            ValueError: If it reads states, or takes predictions for something else.
        """
        if self.top_k is None:
            return
        layers = [layer for layer in method._flatten_layers() if isinstance(layer, Method)]
        labels = [layer for layer in layers if isinstance(layer, LabelDistillation)]
        tasks = {m.kinds.task if m.kinds else m.task for m in labels} - {"classes"}
        what = f"task={tasks.pop()!r}" if tasks else ""
        if method.teacher_fields != ("prediction",):
            what = f"which reads {method.teacher_fields}"
        if what:
            raise ValueError(
                "`top_k` keeps logits of classes, for methods that read nothing else. Received: "
                f"top_k={self.top_k} for {type(method).__name__}, {what}. Leave it out, or use "
                "tdrec.LabelDistillation(task='classes')."
            )

    def pack(self, trace: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """What is kept of some rows.

        Args:
            trace: By name as of `trace_names.flat`, float32 of shape `(rows, ...)`.

        Returns:
            Arrays by name, of shape `(rows, ...)`.

        Raises:
            ValueError: If there are too few classes, or a value is too large for the precision.
        """
        packed = dict(trace)
        if self.top_k is not None:
            packed = {}  # of predictions alone, as was checked
            for name, outputs in trace.items():
                packed |= self._largest(name, outputs)
        for name, values in packed.items():
            if not name.endswith(INDICES):
                with np.errstate(over="ignore"):  # refused in the next line
                    packed[name] = values.astype(self.dtype)
                if not np.isfinite(packed[name]).all():
                    raise ValueError(
                        f"{self.dtype} holds numbers up to {np.finfo(self.dtype).max:g}. Received: "
                        f"{abs(values).max():g} in the teacher's {name}. Use dtype='float32'."
                    )
        return packed

    def unpack(
        self, packed: Mapping[str, tf.Tensor], classes: Mapping[str, int]
    ) -> dict[str, tf.Tensor]:
        """What was packed, float32.

        Args:
            packed: A batch of what `pack` gave.
            classes: The last axis of each prediction of which the largest are kept, by name.
        """
        if self.top_k is None:
            return {name: tf.cast(tensor, tf.float32) for name, tensor in packed.items()}
        kept = [name for name in classes if name + VALUES in packed]
        return {name: self._spread(packed, name, classes[name]) for name in kept}

    def _spread(self, packed: Mapping[str, tf.Tensor], name: str, classes: int) -> tf.Tensor:
        values, rest = (tf.cast(packed[name + end], tf.float32) for end in (VALUES, REST))
        shape = tf.concat([tf.shape(rest), [classes]], 0)
        flat = tf.reshape(tf.broadcast_to(rest[..., None], shape), (-1,))
        starts = classes * tf.range(tf.size(rest))[:, None]
        indices = tf.reshape(packed[name + INDICES], (-1, self.top_k))
        where = tf.reshape(starts + indices, (-1, 1))
        flat = tf.tensor_scatter_nd_update(flat, where, tf.reshape(values, (-1,)))
        return tf.ensure_shape(tf.reshape(flat, shape), (*rest.shape, classes))

    def _largest(self, name: str, outputs: np.ndarray) -> dict[str, np.ndarray]:
        k, classes = self.top_k or 0, outputs.shape[-1]
        if outputs.ndim < 2 or k >= classes:
            raise ValueError(
                "`top_k` must be less than the number of classes. Received: "
                f"top_k={k} of outputs of shape {outputs.shape}. Leave it out."
            )
        order = np.argpartition(outputs, classes - k, axis=-1)
        others = np.take_along_axis(outputs, order[..., : classes - k], -1)
        indices = order[..., classes - k :]
        values = np.take_along_axis(outputs, indices, -1)
        if _are_probabilities(outputs):
            rest = others.mean(-1)
        else:
            largest = others.max(-1, keepdims=True)
            rest = largest[..., 0] + np.log(np.exp(others - largest).mean(-1))
        return {
            name + VALUES: values,
            name + INDICES: indices.astype("int32"),
            name + REST: rest,
        }


def _are_probabilities(outputs: Any) -> bool:
    return bool((outputs >= 0).all() and np.allclose(outputs.sum(-1), 1, atol=1e-3))
