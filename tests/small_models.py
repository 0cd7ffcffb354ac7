"""Models of a few units, and how NumPy sees them."""

import keras
import numpy as np
from keras import layers

from tdrec.distill.cut import split_model

INPUTS = 3


def small_model(low=5, high=4, seed=0, name="small", activation="tanh", outputs=1):
    """x (3) -> "low" -> "high" -> "out", with biases that are not 0."""
    start = [keras.initializers.RandomUniform(-0.7, 0.7, seed=seed + i) for i in range(6)]

    def dense(i, units, layer_name, function=None):
        return keras.layers.Dense(
            units,
            function,
            kernel_initializer=start[2 * i],
            bias_initializer=start[2 * i + 1],
            name=layer_name,
        )

    x = inputs = keras.Input((INPUTS,), name="x")
    x = dense(0, low, "low", activation)(x)
    x = dense(1, high, "high", activation)(x)
    return keras.Model(inputs, dense(2, outputs, "out")(x), name=name)


def student_and_teacher(seed=0, outputs=1):
    """The splits of a student with states of (5, 4) units and a teacher with (7, 6)."""
    student = small_model(5, 4, seed, "student", outputs=outputs)
    teacher = small_model(7, 6, seed + 50, "teacher", outputs=outputs)
    return split_model(student, "low", "high"), split_model(teacher, "low", "high")


def numpy_layer(model, name):
    """`tanh(x W + b)` of the layer, or without tanh for "out"."""
    layer = model.get_layer(name)

    def run(x):
        kernel, bias = (v.numpy().astype("float64") for v in (layer.kernel, layer.bias))
        y = np.asarray(x, "float64") @ kernel + bias
        return y if name == "out" else np.tanh(y)

    return run


def numpy_trace(model, x):
    """(low, high, prediction) of a `small_model`."""
    low = numpy_layer(model, "low")(x)
    high = numpy_layer(model, "high")(low)
    return low, high, numpy_layer(model, "out")(high)


def randomise(layer, seed):
    """Gives every weight a value of its own, so that no bias is 0 and no scale 1."""
    rng = np.random.default_rng(seed)
    for variable in layer.trainable_variables:
        around = 1.0 if variable.name == "gamma" else 0.0
        variable.assign(around + rng.uniform(-0.6, 0.6, variable.shape))


def inputs_and_ratings(rows=12, seed=0, outputs=1):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, INPUTS)).astype("float32")
    return x, rng.normal(size=(rows, outputs)).astype("float32")


def sequential():
    return keras.Sequential(
        [
            keras.Input((3,)),
            layers.Dense(5, "relu", name="a"),
            layers.Dense(4, "relu", name="b"),
            layers.Dense(4, "relu", name="c"),
            layers.Dense(1, name="d"),
        ]
    )


def nested(inner=None):
    """A backbone within a model: "backbone/block_1" and so on."""
    x = first = keras.Input((5,))
    for i in range(4):
        x = layers.Dense(5, "tanh", name=f"block_{i}")(x)
    backbone = inner or keras.Model(first, x, name="backbone")
    inputs = keras.Input((3,))
    x = layers.Dense(5, name="stem")(inputs)
    return keras.Model(inputs, layers.Dense(1, name="top")(backbone(x)), name="whole")


def two_inputs(late):
    """A model with a second input, which enters at the bottom or, if `late`, above "high"."""
    user, movie = keras.Input((3,), name="user"), keras.Input((2,), name="movie")
    x = user if late else layers.Concatenate(name="features")([user, movie])
    x = layers.Dense(5, name="low")(x)
    x = layers.Dense(4, name="high")(x)
    x = layers.Concatenate(name="late")([x, movie]) if late else x
    return keras.Model({"user": user, "movie": movie}, layers.Dense(1, name="out")(x))


def with_skip(source, target):
    """in -> a -> b -> c -> d -> out with one more connection, from `source` to `target`."""
    inputs = keras.Input((4,), name="in")
    made = {"in": inputs}
    x = inputs
    for name in "abcd":
        if name == target:
            x = layers.Add(name=f"add_{name}")([x, made[source]])
        x = made[name] = layers.Dense(4, name=name)(x)
    return keras.Model(inputs, layers.Dense(1, name="out")(x), name="skipping")


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__(name="subclassed")
        self.first = layers.Dense(5, "tanh")
        self.second = layers.Dense(4, "tanh")
        self.norm = layers.BatchNormalization()
        self.last = layers.Dense(1)

    def embed(self, x):
        return self.first(x)

    def body(self, low, training=False):
        return self.norm(self.second(low), training=training)

    def call(self, x, training=False):
        return self.last(self.body(self.embed(x), training=training))
