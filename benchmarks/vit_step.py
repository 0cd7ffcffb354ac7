"""Times a ViT student's step of TD against the sum of its parts, and measures its memory.

    python benchmarks/vit_step.py [--preset=b32] [--rounds=2] [--repeats=9] [--peaks=3] [--nojit]

The teacher has 12 blocks, cut after the 6th and the 12th; the student is its first 4, cut after
the 2nd and the 4th. Weights, images and labels are random, the teacher runs in the step, and
the optimizer is Adam. The preset "b32" is ViT-B/32 with the paper's messages and a batch of 128;
"tiny" takes a second a step.

The parts have all that the step computes, and each thing once: the teacher's forward to its two
states; the student's forward, its backward pass from the task's loss, and its update; and, from
given states, the method's losses, their gradients (of its encoders and decoders, of the student's
middle blocks, and of the student's states) and its update. What the step has beyond its parts is
the addition of the student's two gradients, the loss's mean, and one batch taken from a dataset.
Parts and step are measured in turns in one process; a time is a median, and beside it stand the
quartiles. The overhead is that of the medians, and beside it stand the quartiles of the turns.

Peak memory is that of a process of its own which takes two training steps, from its start and
with all that it compiles; with XLA and without it take turns.

Aims: an overhead of at most 15%, and with "b32" a peak below 16 GiB on a CPU.
Measured with "b32", two cores of an Intel Xeon with AMX: overhead +1.1% (of the turns -0.2% to
+2.3%) with XLA and --batch_size=16 --repeats=5; peak 10.6 GiB with XLA and 11.4 GiB without, one
process each (--peaks=1).
"""

import os
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
import tensorflow as tf
from absl import app, flags
from timing import Measure, in_turns, last_figure, own_peak_mib, step_ms

import tdrec
from tdrec.distill.model_split import Trace
from tdrec.models.vit import ViT, block_name, first_blocks


class Preset(NamedTuple):
    """A teacher's arguments, the width of messages and of codecs, and the rows of a step."""

    vit: dict[str, int]
    message_dim: int
    batch_size: int


SMALL = {"image_size": 32, "patch_size": 4, "num_heads": 3, "hidden_dim": 96, "mlp_dim": 384}
PRESETS = {"tiny": Preset(SMALL, 64, 32), "b32": Preset({"image_size": 224}, 512, 128)}
CLASSES = 10
XLA = {True: "XLA", False: "no XLA"}

flags.DEFINE_enum("preset", "tiny", list(PRESETS), "The models' sizes.")
flags.DEFINE_integer("batch_size", None, "Rows of a step. Default: the preset's.", lower_bound=1)
flags.DEFINE_integer("rounds", 2, "Rounds of TD.", lower_bound=0)
flags.DEFINE_integer("repeats", 9, "Measurements of each part and of the step.", lower_bound=0)
flags.DEFINE_integer(
    "peaks", 3, "Processes to measure memory, with XLA and without.", lower_bound=0
)
flags.DEFINE_bool("jit", True, "Whether the times are those of XLA.")
flags.DEFINE_string("dtype", "float32", "Of models and method, such as mixed_bfloat16.")
flags.DEFINE_bool("alone", False, "Takes two training steps and prints the peak memory.")


def make() -> tuple[tdrec.Distiller, Any, Any]:
    """A compiled distiller, and a batch of images and labels."""
    preset, rounds = PRESETS[flags.FLAGS.preset], flags.FLAGS.rounds
    teacher = ViT(CLASSES, **preset.vit)
    distiller = tdrec.Distiller(
        tdrec.split_model(first_blocks(teacher, 4), block_name(2), block_name(4)),
        tdrec.split_model(teacher, block_name(6), block_name(12)),
        tdrec.TalkingModels(rounds, message_dim=preset.message_dim, hidden_dim=preset.message_dim),
    )
    distiller.compile(
        "adam",
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=flags.FLAGS.jit,
    )
    random, rows = np.random.default_rng(0), flags.FLAGS.batch_size or preset.batch_size
    x = random.normal(size=(rows, *teacher.input_shape[1:])).astype(np.float32)
    return distiller, tf.constant(x), tf.constant(random.integers(CLASSES, size=rows))


def step(distiller: tdrec.Distiller, x: Any, y: Any) -> Measure:
    """The whole step, as `fit` takes it."""
    return step_ms(distiller, tf.data.Dataset.from_tensors((x, y)).repeat(), steps=1)


def parts(distiller: tdrec.Distiller, x: Any, y: Any) -> dict[str, Measure]:
    """What the step consists of.

    A part returns all that another one takes up, lest it be optimised away.
    """
    student, teacher, method = distiller.student, distiller.teacher, distiller.method
    weights = student.layers[0].trainable_variables
    updates = {}
    for name, variables in (("student", weights), ("method", method.trainable_variables)):
        updates[name] = keras.optimizers.Adam()
        updates[name].build(variables)

    def run_teacher(x: Any) -> Any:
        return teacher(x)[:2]

    def train_student(x: Any, y: Any) -> Any:
        with tf.GradientTape() as tape:
            trace = student(x, training=True)
            loss = distiller.compute_loss(x, y, trace.prediction)
        updates["student"].apply(tape.gradient(loss, weights), weights)
        return trace[:2], loss

    def talk(own: Any, its: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(own)
            terms = method.compute_loss(
                Trace(*own, None),
                Trace(*its, None),
                student_middle=student.interpret,
                teacher_middle=teacher.interpret,
                training=True,
            )
            loss = sum(terms.values())
        variables = method.trainable_variables
        gradients, *given = tape.gradient(loss, (variables, own, weights))
        updates["method"].apply(gradients, variables)
        return given, terms

    its = teacher(x)[:2]
    own = student(x)[:2]
    return {
        "teacher: forward": _call_ms(run_teacher, x),
        "student: forward, backward, update": _call_ms(train_student, x, y),
        "codecs and interpretations: the same": _call_ms(talk, own, its),
    }


def _call_ms(function: Callable[..., Any], *arguments: Any) -> Measure:
    """Measures one call of a function, which is compiled before."""
    compiled = tf.function(function, jit_compile=flags.FLAGS.jit)

    def measure() -> float:
        start = time.perf_counter()
        compiled(*arguments)
        tf.test.experimental.sync_devices()
        return (time.perf_counter() - start) * 1e3

    measure()
    return measure


def memory() -> None:
    """Prints the peak memory of a process that trains, with XLA and without."""
    measures = {
        jit: partial(last_figure, *sys.argv, "--alone", "--jit" if jit else "--nojit")
        for jit in XLA
    }
    print(f"{'peak memory, GiB':<40}{'median':>10}{'all':>18}")
    for jit, mib in in_turns(measures, flags.FLAGS.peaks).items():
        span = f"{min(mib) / 1024:.2f} to {max(mib) / 1024:.2f}"
        print(f"{XLA[jit]:<40}{statistics.median(mib) / 1024:>10.2f}{span:>18}")


def times() -> None:
    """Prints the times of the parts and of the step, and the overhead."""
    batch = make()
    measured = in_turns({"step": step(*batch), **parts(*batch)}, flags.FLAGS.repeats)
    whole = measured.pop("step")
    sums = [sum(turn) for turn in zip(*measured.values(), strict=True)]
    total = sum(statistics.median(values) for values in measured.values())
    print(
        f"{f'one step, {XLA[flags.FLAGS.jit]}, ms':<40}{'median':>10}{'quartiles':>18}{'/ sum':>8}"
    )
    for name, values in measured.items():
        _print_time(name, statistics.median(values), values, total)
    _print_time("sum", total, sums, total)
    _print_time("whole step", statistics.median(whole), whole, total)
    low, high = _quartiles([w / s - 1 for w, s in zip(whole, sums, strict=True)])
    overhead = statistics.median(whole) / total - 1
    print(f"overhead: {overhead:+.1%} (of the turns: {low:+.1%} to {high:+.1%})")


def _print_time(name: str, median: float, values: list[float], total: float) -> None:
    low, high = _quartiles(values)
    print(f"{name:<40}{median:>10.1f}{f'{low:.1f} to {high:.1f}':>18}{median / total:>8.2f}")


def _quartiles(values: list[float]) -> np.ndarray:
    return np.quantile(values, (0.25, 0.75))


def main(_: list[str]) -> None:
    """Measures memory, then times: their models would leave less of it to the processes."""
    keras.config.set_dtype_policy(flags.FLAGS.dtype)
    if flags.FLAGS.alone:
        step(*make())()
        print(own_peak_mib())
        return
    if flags.FLAGS.peaks:
        memory()
    if flags.FLAGS.repeats:
        times()


if __name__ == "__main__":
    app.run(main)
