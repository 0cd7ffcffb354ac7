"""Models of a few units, and how NumPy sees them."""

import keras
import numpy as np

from tdrec.distill.model_split import split_model

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
