"""Times our distiller against `keras.distillation.Distiller` on the same models, and their memory.

    python benchmarks/vs_keras.py [--batch_size=256] [--repeats=9] [--peaks=5] [--pairs=same]

Models and rows of MovieLens's shape (teacher 512-256; student 128-64, or as wide as the teacher
where Keras's feature distillation needs that), XLA, Adam. Steps are measured in turns in one
process, and every other turn goes backwards. Peak memory is that of a process of its own which
trains that line alone, from its start; the processes of all lines take turns, too, since single
peaks vary by some 2%. A figure is a median, and beside it stand the least and the greatest; for
times the quartiles, since other jobs disturb them. Ratios are of medians. "Same" losses are those
that Keras computes: mean squared errors of the states as they are, or of the predictions. Keras
trains no encoder or decoder, so lines that do are compared with its plain ones, and where it
cannot run at all the table says why.
"""

import os
import statistics
from collections.abc import Callable
from functools import partial

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

from absl import app, flags
from timing import (
    STUDENT,
    TEACHER,
    Measure,
    Sizes,
    in_turns,
    last_figure,
    ours,
    own_peak_mib,
    theirs,
)

from tdrec import FeatureDistillation, FitNet, LabelDistillation, Method, TalkingModels

flags.DEFINE_integer("batch_size", 256, "Rows of a step.", lower_bound=1)
flags.DEFINE_integer("repeats", 9, "Measurements of each line's step.", lower_bound=2)
flags.DEFINE_integer("peaks", 5, "Processes of each line to measure memory.", lower_bound=0)
flags.DEFINE_string("pairs", "", "Measures the pairs alone that have this in their name.")
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
Line = tuple[str, str]  # pair, who
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
    size = flags.FLAGS.batch_size
    return last_figure(__file__, f"--only={pair}/{who}", f"--batch_size={size}")


def main(_: list[str]) -> None:
    """Measures all lines in turns and prints the table."""
    if flags.FLAGS.only:
        measure = make(*flags.FLAGS.only.split("/"))
        for _i in range(3):
            measure()
        print(own_peak_mib())
        return
    lines: dict[Line, Measure] = {}
    refusals = {}
    pairs = [pair for pair in PAIRS if flags.FLAGS.pairs in pair]
    for pair in pairs:
        for who in WHO:
            try:
                lines[pair, who] = make(pair, who)
            except ValueError as error:
                refusals[pair] = str(error).partition(" for ")[0]
    times = in_turns(lines, flags.FLAGS.repeats)
    peaks = in_turns({line: partial(memory_mib, *line) for line in lines}, flags.FLAGS.peaks)
    print(f"{'':<28}{'ms a step':>10}{'quartiles':>16}{'/ keras':>9}", end="")
    print(f"{'peak MiB':>10}{'all':>14}{'/ keras':>9}" if flags.FLAGS.peaks else "")
    for pair in pairs:
        print(pair)
        for who in WHO:
            if (pair, who) not in lines:
                print(f"  {who:<26}cannot run: {refusals[pair]}")
                continue
            low, median, high = statistics.quantiles(times[pair, who], n=4, method="inclusive")
            cells = f"{median:>10.2f}{f'{low:.2f} to {high:.2f}':>16}{_ratio(times, pair, who)}"
            if mib := peaks[pair, who]:
                span = f"{min(mib):.0f} to {max(mib):.0f}"
                cells += f"{statistics.median(mib):>10.0f}{span:>14}{_ratio(peaks, pair, who)}"
            print(f"  {who:<26}{cells}")


def _ratio(values: dict[Line, list[float]], pair: str, who: str) -> str:
    keras = values.get((pair, "keras"))
    if not keras:
        return f"{'':>9}"
    return f"{statistics.median(values[pair, who]) / statistics.median(keras):>9.3f}"


if __name__ == "__main__":
    app.run(main)
