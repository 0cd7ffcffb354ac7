"""A distiller's training step on Keras's TensorFlow backend: gradients by a tape."""

from typing import Any

import tensorflow as tf
from keras import ops

from tdrec.distill.trainers.training_step import BaseTrainingStep

Tensor = Any
SEVERAL_WORKERS = (
    tf.distribute.MultiWorkerMirroredStrategy,
    tf.distribute.ParameterServerStrategy,
)


class TrainingStep(BaseTrainingStep):
    """The training step on TensorFlow.

    Raises:
        ValueError: If it is made under a strategy that Keras cannot train with.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        strategy = tf.distribute.get_strategy()
        if isinstance(strategy, SEVERAL_WORKERS):
            raise ValueError(
                "On TensorFlow a distiller trains on the devices of one machine. Received: "
                f"{type(strategy).__name__}, with which Keras 3 itself cannot train on several "
                "workers. Use tf.distribute.MirroredStrategy on one machine; or on several "
                "KERAS_BACKEND=jax, jax.distributed.initialize(...) in each process and "
                "keras.distribution.DataParallel(auto_shard_dataset=False)."
            )

    def train_step(self, data: Any) -> dict[str, Tensor]:
        with tf.GradientTape() as tape:
            losses = self.step_losses(data)
            scaled_loss = self.optimizer.scale_loss(losses.total)
        learning, resting = self.learning_and_resting()
        if not self.optimizer.built:
            self.optimizer.build(self.trainable_variables)
        # An optimizer that averages weights writes to all that it knows, so the frozen are kept.
        kept = [ops.copy(v) for v in resting]
        gradients = tape.gradient(scaled_loss, learning)
        self.optimizer.apply_gradients(zip(gradients, learning, strict=True))
        for variable, value in zip(resting, kept, strict=True):
            variable.assign(value)
        return self.step_logs(data, losses)

    def make_step(self, force: bool) -> None:
        if not (self.jit_compile and self.teacher_outside):
            return super().make_step(force)
        if self.train_function is None or force:
            compiled = tf.function(self.train_step, jit_compile=True, reduce_retracing=True)
            self.jit_compile = False  # of what runs the teacher, around the compiled step
            self.train_function = self._make_function(lambda data: compiled(self.taught(data)))
            self.jit_compile = True

    def of_replica(self, loss: Tensor) -> Tensor:
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        return loss if replicas == 1 else loss / replicas

    def of_all(self, loss: Tensor) -> Tensor:
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        return loss if replicas == 1 else loss * replicas

    def test_step(self, data: Any) -> dict[str, Tensor]:
        return self.test_logs(super().test_step(data))
