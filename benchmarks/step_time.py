"""Times a training step of TD against this machine's matrix peak, and against other methods.

    python benchmarks/step_time.py [--batch_size=256] [--rounds=2] [--repeats=9]

Models of the paper's sizes (teacher 512-256, student 128-64, messages of 128, relu layers of 256),
teacher targets reused, XLA, random rows of MovieLens 100K's shape. Peak and steps are measured in
turns in one process; medians are printed. Floating-point operations are those of the matrix
products that the losses need, forward and backward, counted below; all else (embeddings, Adam,
normalisation, the input pipeline) is in the time and not in the count.

`keras.distillation.Distiller` cannot compare states of unequal widths, so its line has a student
as wide as the teacher, for both; ours also trains two encoders there, which theirs cannot.
"""

import os
import statistics
import time
from collections.abc import Callable

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
import tensorflow as tf
from absl import app, flags

import tdrec
from tdrec.models.rating_mlp import HIGH, LOW, rating_mlp

flags.DEFINE_integer("batch_size", 256, "Rows of a step.", lower_bound=1)
flags.DEFINE_integer("rounds", 2, "Rounds of TD.", lower_bound=0)
flags.DEFINE_integer("repeats", 9, "Measurements of each line.", lower_bound=1)

SIZES = {"user": 752, "movie": 1617, "word": 654, "genre": 19, "title": 8}
TEACHER = {"units": (512, 256), "id_dim": 100, "text_dim": 50}
STUDENT = {"units": (128, 64), "id_dim": 25, "text_dim": 13}
STEPS = 20  # of one call of the compiled loop
HIDDEN, MESSAGE = 256, 128


def dense(n_in: int, n_out: int, *, weights: bool = True, inputs: bool = True) -> int:
    """Operations a row of one product, forward, and of the gradients of its weights and inputs."""
    return 2 * n_in * n_out * (1 + weights + inputs)


def student_flops() -> int:
    """Operations a row of the student's forward and backward pass."""
    joined = 2 * (STUDENT["id_dim"] + STUDENT["text_dim"])
    low, high = STUDENT["units"]
    genres = dense(SIZES["genre"], STUDENT["text_dim"], inputs=False)
    return genres + dense(joined, low) + dense(low, high) + dense(high, 1)


def td_flops(rounds: int) -> int:
    """Operations a row of TD, the student's own included.

    Counted once each: the teacher's first decoding, which the state loss shares, and no decoded
    high state of the teacher that no loss reads.
    """
    low_g, high_g = STUDENT["units"]
    low_h, high_h = TEACHER["units"]

    def codec(n_in: int, n_out: int, inputs: bool = True) -> int:
        return dense(n_in, HIDDEN, inputs=inputs) + dense(HIDDEN, n_out)

    encode_g, decode_g = codec(low_g + high_g, MESSAGE), codec(MESSAGE, low_g + high_g)
    encode_h, decode_h = codec(low_h + high_h, MESSAGE), codec(MESSAGE, low_h + high_h)
    total = student_flops()
    total += encode_g + codec(low_h + high_h, MESSAGE, inputs=False)  # m_g^0, m_h^0
    total += decode_g + decode_h  # state consistency
    total += rounds * (dense(low_h, high_h, weights=False) + encode_h + decode_g)
    total += max(rounds - 1, 0) * (codec(MESSAGE, low_h) + dense(low_g, high_g) + encode_g)
    return total


def peak_gflops() -> Callable[[], float]:
    """Measures the float32 matrix peak: the better of TensorFlow's own products and of XLA's.

    Sustained over ten products of 2048 x 2048, as a step is timed over many: a single product can
    run above what the machine keeps up.
    """
    matrix = tf.random.normal((2048, 2048), seed=0)
    products = [tf.function(tf.linalg.matmul, jit_compile=jit) for jit in (False, True)]

    def measure() -> float:
        rates = []
        for product in products:
            product(matrix, matrix).numpy()
            start = time.perf_counter()
            for _ in range(10):
                result = product(matrix, matrix)
            result.numpy()
            rates.append(10 * 2 * 2048**3 / (time.perf_counter() - start) / 1e9)
        return max(rates)

    return measure


def rows(count: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Random rows of MovieLens's shape."""
    random = np.random.default_rng(0)
    x = {
        "user": random.integers(SIZES["user"], size=count, dtype=np.int32),
        "movie": random.integers(SIZES["movie"], size=count, dtype=np.int32),
        "title": random.integers(SIZES["word"], size=(count, SIZES["title"]), dtype=np.int32),
        "genres": (random.random((count, SIZES["genre"])) < 0.1).astype(np.float32),
    }
    return x, random.integers(1, 6, size=(count, 1)).astype(np.float32)


def step_ms(model: keras.Model, dataset: tf.data.Dataset) -> Callable[[], float]:
    """Measures one training step of a compiled model, input pipeline included."""
    model.fit(dataset.take(STEPS), verbose=0, shuffle=False)
    iterator = iter(dataset)

    def measure() -> float:
        start = time.perf_counter()
        logs = model.train_function(iterator)
        float(logs["loss"])
        return (time.perf_counter() - start) / STEPS * 1e3

    return measure


def ours(method: tdrec.Method, sizes: dict = STUDENT, reused: bool = True) -> Callable[[], float]:
    """A step of our distiller."""
    student, teacher = rating_mlp(SIZES, **sizes), rating_mlp(SIZES, **TEACHER)
    distiller = tdrec.Distiller(
        tdrec.split_model(student, LOW, HIGH), tdrec.split_model(teacher, LOW, HIGH), method
    )
    distiller.compile("adam", "mse", jit_compile=True, steps_per_execution=STEPS)
    data, size = rows(20_000), flags.FLAGS.batch_size
    if reused:
        dataset = distiller.with_teacher_targets(data, batch_size=size, drop_remainder=True)
    else:
        dataset = tf.data.Dataset.from_tensor_slices(data).batch(size, drop_remainder=True)
    return step_ms(distiller, dataset.repeat())


def theirs() -> Callable[[], float]:
    """A step of Keras's distiller, feature distillation of both states."""
    student, teacher = rating_mlp(SIZES, **TEACHER), rating_mlp(SIZES, **TEACHER)
    feature = [
        keras.distillation.FeatureDistillation(
            "mse", teacher_layer_name=name, student_layer_name=name
        )
        for name in (LOW, HIGH)
    ]
    distiller = keras.distillation.Distiller(teacher, student, feature)
    distiller.compile("adam", "mse", jit_compile=True, steps_per_execution=STEPS)
    data = tf.data.Dataset.from_tensor_slices(rows(20_000))
    return step_ms(distiller, data.batch(flags.FLAGS.batch_size, drop_remainder=True).repeat())


def main(_: list[str]) -> None:
    """Measures all lines in turns and prints the table."""
    rounds, size = flags.FLAGS.rounds, flags.FLAGS.batch_size
    wide_fd = "FD, student as wide as the teacher"
    lines = {
        "Scratch": ours(tdrec.Scratch()),
        "LD": ours(tdrec.LabelDistillation()),
        "FD": ours(tdrec.FeatureDistillation()),
        "FitNet": ours(tdrec.FitNet()),
        "Hybrid": ours(tdrec.Hybrid()),
        f"TD k={rounds}": ours(tdrec.TalkingModels(rounds=rounds)),
        f"{wide_fd}, targets reused": ours(tdrec.FeatureDistillation(), TEACHER),
        f"{wide_fd}, teacher in the step": ours(tdrec.FeatureDistillation(), TEACHER, reused=False),
        f"{wide_fd}, keras.distillation": theirs(),
    }
    peak = peak_gflops()
    peaks, times = [], {name: [] for name in lines}
    for _ in range(flags.FLAGS.repeats):
        peaks.append(peak())
        for name, measure in lines.items():
            times[name].append(measure())
    medians = {name: statistics.median(values) for name, values in times.items()}
    td = medians[f"TD k={rounds}"]
    rate = td_flops(rounds) * size / td / 1e6
    best = statistics.median(peaks)
    print(f"float32 matrix peak: {best:.0f} GFLOP/s ({min(peaks):.0f} to {max(peaks):.0f})")
    print(
        f"TD k={rounds}, batch {size}: {td_flops(rounds) * size / 1e9:.2f} GFLOP in {td:.2f} ms = "
        f"{rate:.0f} GFLOP/s, {rate / best:.0%} of the peak"
    )
    print(f"\n{'one step':<60}{'ms':>8}{'TD / it':>10}")
    for name, value in medians.items():
        print(f"{name:<60}{value:>8.2f}{td / value:>10.2f}")
    keras_fd = medians[f"{wide_fd}, keras.distillation"]
    print("\nours / keras.distillation.Distiller, feature distillation:")
    for kind in ("targets reused", "teacher in the step"):
        print(f"  {kind}: {medians[f'{wide_fd}, {kind}'] / keras_fd:.2f}")


if __name__ == "__main__":
    app.run(main)
