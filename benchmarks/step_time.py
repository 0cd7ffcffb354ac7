"""Times a training step of TD against this machine's matrix peak, and against other methods.

    python benchmarks/step_time.py [--batch_size=256] [--rounds=2] [--repeats=9]

Models of the paper's sizes (teacher 512-256, student 128-64, messages of 128, relu layers of 256),
teacher targets reused, XLA, random rows of MovieLens 100K's shape. Peak and steps are measured in
turns in one process; medians are printed. Floating-point operations are those of the matrix
products that the losses need, forward and backward, counted below; all else (embeddings, Adam,
normalisation, the input pipeline) is in the time and not in the count.

`keras.distillation.Distiller` cannot compare states of unequal widths nor train an encoder, so its
line has a student as wide as the teacher and the states as they are, for both. `vs_keras.py`
compares the two on more methods, and their memory.
"""

import os
import statistics
import time
from collections.abc import Callable

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import tensorflow as tf
from absl import app, flags
from timing import SIZES, STUDENT, TEACHER, ours, theirs

import tdrec

flags.DEFINE_integer("batch_size", 256, "Rows of a step.", lower_bound=1)
flags.DEFINE_integer("rounds", 2, "Rounds of TD.", lower_bound=0)
flags.DEFINE_integer("repeats", 9, "Measurements of each line.", lower_bound=1)

HIDDEN, MESSAGE = 256, 128
WIDE_FD = "FD of the states as they are, student as wide as the teacher"


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


def main(_: list[str]) -> None:
    """Measures all lines in turns and prints the table."""
    rounds, size = flags.FLAGS.rounds, flags.FLAGS.batch_size
    lines = {
        "Scratch": ours(tdrec.Scratch(), size),
        "LD": ours(tdrec.LabelDistillation(), size),
        "FD": ours(tdrec.FeatureDistillation(), size),
        "FitNet": ours(tdrec.FitNet(), size),
        "Hybrid": ours(tdrec.Hybrid(), size),
        f"TD k={rounds}": ours(tdrec.TalkingModels(rounds=rounds), size),
        WIDE_FD: ours(tdrec.FitNet(identity=True), size, TEACHER),
        f"{WIDE_FD}, keras.distillation": theirs("features", size, TEACHER),
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
    print(f"\n{'one step':<80}{'ms':>8}{'TD / it':>10}")
    for name, value in medians.items():
        print(f"{name:<80}{value:>8.2f}{td / value:>10.2f}")
    ratio = medians[WIDE_FD] / medians[f"{WIDE_FD}, keras.distillation"]
    print(f"\nours / keras.distillation.Distiller, the same feature distillation: {ratio:.2f}")


if __name__ == "__main__":
    app.run(main)
