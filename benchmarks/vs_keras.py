"""Times our distiller against `keras.distillation.Distiller` on the same models, and their memory.

    python benchmarks/vs_keras.py [--batch_size=256] [--repeats=9] [--nomemory]

Models and rows of MovieLens's shape (teacher 512-256; student 128-64, or as wide as the teacher
where Keras's feature distillation needs that), XLA, Adam. Steps are measured in turns in one
process, and medians are printed. Peak memory is that of a process of its own which trains that
line alone. "Same" losses are those that Keras computes: mean squared errors of the states as they
are, or of the predictions. Keras trains no encoder or decoder, so lines that do are compared with
its plain ones, and where it cannot run at all the table says why.
"""

import os
import statistics
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

from absl import app, flags
from timing import STUDENT, TEACHER, Measure, Sizes, ours, theirs

from tdrec import FeatureDistillation, FitNet, LabelDistillation, Method, TalkingModels

flags.DEFINE_integer("batch_size", 256, "Rows of a step.", lower_bound=1)
flags.DEFINE_integer("repeats", 9, "Measurements of each line.", lower_bound=1)
flags.DEFINE_bool("memory", True, "Whether to measure peak memory, a process a line.")
flags.DEFINE_string("only", None, "Measures the memory of this line: PAIR/WHO.")

# Name of the pair: our method, Keras's kind of loss, and the student's sizes.
PAIRS: dict[str, tuple[Callable[[], Method], str, Sizes]] = {
    "LD, same": (LabelDistillation, "logits", STUDENT),
    "FD, same, equal widths": (lambda: FeatureDistillation(identity=True), "features", TEACHER),
    "FitNet, same, equal widths": (lambda: FitNet(identity=True), "features", TEACHER),
    "FD with encoders, equal widths": (FeatureDistillation, "features", TEACHER),
    "FitNet with a decoder, equal widths": (FitNet, "features", TEACHER),
    "FD with encoders, unequal widths": (FeatureDistillation, "features", STUDENT),
    "FitNet with a decoder, unequal widths": (FitNet, "features", STUDENT),
    "TD k=2, unequal widths": (lambda: TalkingModels(rounds=2), "features", STUDENT),
}
WHO = ("targets reused", "teacher in the step", "keras")


def make(pair: str, who: str) -> Measure:
    """The measurement of one line.

    Raises:
        ValueError: Keras's, where its distiller cannot compare the states.
    """
    method, kind, student = PAIRS[pair]
    size = flags.FLAGS.batch_size
    if who == "keras":
        return theirs(kind, size, student)
    return ours(method(), size, student, reused=who == "targets reused")


def memory_mib(pair: str, who: str) -> float:
    """Peak memory of a process that trains this line alone."""
    command = [sys.executable, __file__, f"--only={pair}/{who}"]
    command.append(f"--batch_size={flags.FLAGS.batch_size}")
    done = subprocess.run(command, capture_output=True, check=True, text=True)
    return float(done.stdout.split()[-1])


def main(_: list[str]) -> None:
    """Measures all lines in turns and prints the table."""
    if flags.FLAGS.only:
        measure = make(*flags.FLAGS.only.split("/"))
        for _i in range(3):
            measure()
        status = Path("/proc/self/status").read_text()  # getrusage would count the parent's, too
        print(int(status.partition("VmHWM:")[2].split()[0]) / 1024)
        return
    lines: dict[tuple[str, str], Measure] = {}
    refusals = {}
    for pair in PAIRS:
        for who in WHO:
            try:
                lines[pair, who] = make(pair, who)
            except ValueError as error:
                refusals[pair] = str(error).partition(" for ")[0]
    times: dict[tuple[str, str], list[float]] = {key: [] for key in lines}
    for _i in range(flags.FLAGS.repeats):
        for key, measure in lines.items():
            times[key].append(measure())
    medians = {key: statistics.median(values) for key, values in times.items()}
    peaks = {key: memory_mib(*key) for key in lines} if flags.FLAGS.memory else {}
    print(f"{'':<40}{'ms a step':>10}{'/ keras':>9}{'peak MiB':>10}{'/ keras':>9}")
    for pair in PAIRS:
        print(pair)
        for who in WHO:
            if (pair, who) not in lines:
                print(f"  {who:<38}cannot run: {refusals[pair]}")
                continue
            cells = [f"{medians[pair, who]:>10.2f}", _ratio(medians, pair, who)]
            if peaks:
                cells += [f"{peaks[pair, who]:>10.0f}", _ratio(peaks, pair, who)]
            print(f"  {who:<38}{''.join(cells)}")


def _ratio(values: dict[tuple[str, str], float], pair: str, who: str) -> str:
    keras = values.get((pair, "keras"))
    return f"{values[pair, who] / keras:>9.2f}" if keras else f"{'':>9}"


if __name__ == "__main__":
    app.run(main)
