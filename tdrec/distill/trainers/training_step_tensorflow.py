"""A distiller's training step on Keras's TensorFlow backend: gradients by a tape."""

from typing import Any

import keras
import tensorflow as tf
from keras import ops

Tensor = Any


class TrainingStep(keras.Model):
    """What a `Distiller` does differently on each of Keras's backends; here on TensorFlow."""

    def train_step(self, data: Any) -> dict[str, Tensor]:
        with tf.GradientTape() as tape:
            losses = self._losses_of(data)
            scaled_loss = self.optimizer.scale_loss(losses.total)
        learning, resting = self._learning_and_resting()
        if not self.optimizer.built:
            self.optimizer.build(self.trainable_variables)
        # An optimizer that averages weights writes to all that it knows, so the frozen are kept.
        kept = [ops.copy(v) for v in resting]
        gradients = tape.gradient(scaled_loss, learning)
        self.optimizer.apply_gradients(zip(gradients, learning, strict=True))
        for variable, value in zip(resting, kept, strict=True):
            variable.assign(value)
        return self._logs_of(data, losses)

    def test_step(self, data: Any) -> dict[str, Tensor]:
        return self._without_terms(super().test_step(data))
