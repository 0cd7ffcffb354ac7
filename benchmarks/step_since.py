"""Times training steps of this tree against those of an earlier revision of it, side by side.

    python benchmarks/step_since.py --revision=cc9a66f [--batch_size=256] [--repeats=31]

Models and rows as in `step_time.py`. A process of each tree holds its compiled steps, and the two
take turns, line by line, every other turn in reverse order. A ratio is the median of those of the
turns, this tree's time through the other's; beside it stand their quartiles.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import contextmanager
from functools import partial
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

from absl import app, flags
from timing import STUDENT, TEACHER, Measure, in_turns, ours, paper_model, rows

import tdrec
from tdrec.models.rating_mlp import HIGH, LOW

ROOT = Path(__file__).resolve().parent.parent
FIT_STEPS = 50

flags.DEFINE_string("revision", None, "The earlier revision.", required=True)
flags.DEFINE_integer("batch_size", 256, "Rows of a step.", lower_bound=1)
flags.DEFINE_integer("repeats", 31, "Turns.", lower_bound=3)
flags.DEFINE_bool("serve", False, "Measures a line for each that is asked for on standard input.")


def fit_ms(method: tdrec.Method, batch_size: int) -> Measure:
    """A step of `fit` as people call it, one step an execution, all that `fit` does included."""
    models = paper_model(**STUDENT), paper_model(**TEACHER)
    distiller = tdrec.Distiller(*(tdrec.split_model(m, LOW, HIGH) for m in models), method)
    distiller.compile("adam", "mse", jit_compile=True)
    data = distiller.with_teacher_targets(rows(), batch_size=batch_size, drop_remainder=True)
    data = data.take(FIT_STEPS)
    distiller.fit(data, verbose=0, shuffle=False)

    def measure() -> float:
        start = time.perf_counter()
        distiller.fit(data, verbose=0, shuffle=False)
        return (time.perf_counter() - start) / FIT_STEPS * 1e3

    return measure


LINES: dict[str, Callable[[int], Measure]] = {
    "Scratch": lambda size: ours(tdrec.Scratch(), size),
    "LD": lambda size: ours(tdrec.LabelDistillation(), size),
    "FD": lambda size: ours(tdrec.FeatureDistillation(), size),
    "FitNet": lambda size: ours(tdrec.FitNet(), size),
    "Hybrid": lambda size: ours(tdrec.Hybrid(), size),
    "TD k=2": lambda size: ours(tdrec.TalkingModels(rounds=2), size),
    "LD, teacher in the step": lambda size: ours(tdrec.LabelDistillation(), size, reused=False),
    "TD k=2, teacher in the step": lambda size: ours(
        tdrec.TalkingModels(rounds=2), size, reused=False
    ),
    "LD by `fit`": lambda size: fit_ms(tdrec.LabelDistillation(), size),
}


def serve(batch_size: int) -> None:
    """Makes all lines, and measures one for each name that is read."""
    measures = {name: make(batch_size) for name, make in LINES.items()}
    print("ready", flush=True)
    for name in sys.stdin:
        print(measures[name.rstrip("\n")](), flush=True)


@contextmanager
def measuring(tree: Path, batch_size: int):
    """A process that measures what `tree` makes of each line: a function of the line's name."""
    process = subprocess.Popen(
        [sys.executable, __file__, "--serve", "--revision=", f"--batch_size={batch_size}"],
        env={**os.environ, "PYTHONPATH": str(tree)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )

    def measure(name: str) -> float:
        print(name, file=process.stdin, flush=True)
        return float(process.stdout.readline())

    try:
        if process.stdout.readline() != "ready\n":
            raise SystemExit(f"The process of {tree} ended before it was ready.")
        yield measure
    finally:
        process.stdin.close()
        process.wait()


def main(_: list[str]) -> None:
    """Measures all lines of both trees in turns, and prints the table."""
    if flags.FLAGS.serve:
        serve(flags.FLAGS.batch_size)
        return
    revision, size = flags.FLAGS.revision, flags.FLAGS.batch_size
    with tempfile.TemporaryDirectory() as folder:
        packed = subprocess.run(
            ["git", "archive", revision, "tdrec"], cwd=ROOT, stdout=subprocess.PIPE, check=True
        )
        subprocess.run(["tar", "-x", "-C", folder], input=packed.stdout, check=True)
        with measuring(Path(folder), size) as before, measuring(ROOT, size) as now:
            asked = {
                (name, which): partial(measure, name)
                for name in LINES
                for which, measure in (("before", before), ("now", now))
            }
            times = in_turns(asked, flags.FLAGS.repeats)
    print(f"{'one step, ms':<32}{'before':>9}{'now':>9}{'ratio':>9}   quartiles")
    for name in LINES:
        old, new = times[name, "before"], times[name, "now"]
        ratios = [b / a for a, b in zip(old, new, strict=True)]
        low, middle, high = statistics.quantiles(ratios, n=4)
        medians = f"{statistics.median(old):>9.2f}{statistics.median(new):>9.2f}"
        print(f"{name:<32}{medians}{middle:>9.3f}   {low:.3f} to {high:.3f}")


if __name__ == "__main__":
    app.run(main)
