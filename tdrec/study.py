"""Runs a study, one of `experiments/`, and reports what it shows.

Example:

    python -m tdrec.study table3 --data=ml-100k.zip
"""

import importlib.util
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from absl import flags

from tdrec.compilation import keep_compiled
from tdrec.config import REGIMES
from tdrec.data import check_source, load
from tdrec.image_flags import read_image_plan
from tdrec.image_run import run_images
from tdrec.provenance import describe
from tdrec.quiet import quiet_tensorflow
from tdrec.results import replace_file, write_rows
from tdrec.run_flags import (
    FLAGS,
    UsageError,
    cache_dir,
    check_genres,
    read_genres,
    read_methods,
)
from tdrec.study_plan import Arm, ImageStudy, Study, Unit, find, units
from tdrec.tuned_values import tuned_values_text

GENRES, SEEDS = "top8", 5
"""Where a study's defaults are not those of `tdrec.run`."""

UNITS_OF_A_PROCESS = 16
"""A worker that did so many starts anew: TensorFlow keeps what it compiled, some 55 MB a step."""

SHOWN = (
    *("genre", "regimes", "trials", "workers"),
    *("task", "preset", "teacher", "validation"),
    *("method", "seeds", "data", "out", "cache"),
)
"""The flags of studies of genres, of images and of both."""

flags.DEFINE_list("regimes", list(REGIMES), "Which regimes, of paper and strong.")
flags.DEFINE_integer("trials", 20, "Of tuning each method on each genre; 0: the defaults.", 0)
flags.DEFINE_integer("workers", os.cpu_count() or 1, "Processes, each with one thread.", 1)
flags.DEFINE_bool("as_worker", False, "Work on the units without a report.")


def main(argv: list[str]) -> int:
    """Parses the command line, has the missing units done, and writes the report.

    Args:
        argv: The command line, program name first.

    Returns:
        The exit status: 0, 1 if a worker failed, 2 for a wrong value, 130 after Ctrl-C.
    """
    if {"-h", "--help", "-help"} & set(argv[1:]):
        print(help_text())
        return 0
    try:
        names = FLAGS(argv)[1:]
        if len(names) != 1:
            raise UsageError("name one study: python -m tdrec.study table3 [--flag=value ...]")
        name, study = find(names[0])
        if FLAGS["method"].present:
            study = replace(study, arms=arms_of(study.arms, FLAGS.method))
        out = Path(FLAGS.out) if FLAGS["out"].present else Path("results") / name
        if not FLAGS["seeds"].present:
            FLAGS["seeds"].value = SEEDS
        if isinstance(study, ImageStudy):
            work = _images(study, out, argv)
        else:
            work = _genres(study, name, out, argv)
        out.mkdir(parents=True, exist_ok=True)
        keep_compiled(cache_dir())
    except (ValueError, OSError, flags.Error) as error:
        print(f"tdrec: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    try:
        return work()
    except KeyboardInterrupt:
        print(
            "\ntdrec: interrupted. What is finished is on disk, and the same command goes on.",
            file=sys.stderr,
        )
        return 130


def arms_of(arms: Sequence[Arm], text: str) -> list[Arm]:
    """Those of a study's arms whose methods were asked for; scratch is always among them."""
    found = {arm.method for arm in arms}
    chosen = found if text == "all" else read_methods(text)
    if missing := [method for method in chosen if method not in found]:
        raise UsageError(
            f"--method must name methods of the study: {', '.join(sorted(found))}. "
            f"Received: {', '.join(missing)}."
        )
    return [arm for arm in arms if arm.method in chosen]


def _images(study: ImageStudy, out: Path, argv: Sequence[str]) -> Callable[[], int]:
    """What is to be done for a study of images, once the flags were found to be right."""
    plan = read_image_plan(study)

    def work() -> int:
        run_images(plan, out, _command(argv), title=study.title, notes=study.notes)
        return 0

    return work


def _genres(study: Study, name: str, out: Path, argv: Sequence[str]) -> Callable[[], int]:
    """What is to be done for a study of genres."""
    if FLAGS.trials and not importlib.util.find_spec("optuna"):
        raise UsageError(
            "tuning needs Optuna, which is missing. Install: pip install 'tdrec[study]'. Or "
            "train with the defaults: --trials=0"
        )
    for regime in FLAGS.regimes:
        if regime not in REGIMES:
            raise UsageError(f"--regimes must name {', '.join(REGIMES)}. Received: {regime!r}.")
    asked = FLAGS.genre if FLAGS["genre"].present else GENRES
    check_genres(asked)
    check_source(FLAGS.data)
    ratings = load(FLAGS.data)
    planned = list(units(study, FLAGS.regimes, read_genres(asked, ratings)))

    def work() -> int:
        for warning in () if FLAGS.as_worker else ratings.warnings:
            print(f"\n*** {warning}\n", file=sys.stderr)
        (out / "units").mkdir(exist_ok=True)
        worker = make_worker(ratings, name, out)
        if FLAGS.as_worker:
            if not worker.work(planned, UNITS_OF_A_PROCESS):
                os.execv(sys.executable, _worker_command(argv))  # the same process, emptied
            return 0
        if failed := employ(argv, worker, planned):
            print(f"tdrec: {failed} of the workers failed; see above.", file=sys.stderr)
            return 1
        rows = list(worker.rows(planned))
        if missing := sum(len(worker.row_paths(unit)) for unit in planned) - len(rows):
            print(f"{missing} runs are in other processes' hands and not in this report.")
        report(study, name, rows, out, argv)
        return 0

    return work


def _command(argv: Sequence[str]) -> str:
    return f"python -m tdrec.study {shlex.join(argv[1:])}"


def _worker_command(argv: Sequence[str]) -> list[str]:
    return [sys.executable, "-m", "tdrec.study", *argv[1:]]


def help_text() -> str:
    """The flags with their defaults."""
    defaults = {"genre": GENRES, "method": "all", "seeds": SEEDS, "out": "results/STUDY"}
    lines = [(__doc__ or "").strip(), ""]
    for name in SHOWN:
        default = defaults.get(name, FLAGS[name].default)
        shown = ",".join(default) if isinstance(default, list) else default
        lines.append(f"  --{name:<12}{FLAGS[name].help}" + ("" if shown is None else f" [{shown}]"))
    return "\n".join(lines)


def make_worker(ratings: Any, name: str, out: Path) -> Any:
    """A worker on the study's folder."""
    with quiet_tensorflow():
        from tdrec.experiment import Experiment
        from tdrec.study_worker import Worker
    about = describe(Experiment(ratings, REGIMES["strong"], cache_dir())) | {"study": name}
    return Worker(ratings, out / "units", cache_dir(), FLAGS.trials, FLAGS.seeds, about)


def employ(argv: Sequence[str], worker: Any, planned: Sequence[Unit]) -> int:
    """Starts processes that do the units, and shows how far they are.

    Each process has one thread, so that they do not take each other's cores.

    Returns:
        How many of the processes failed.
    """
    from tqdm import tqdm

    paths = [path for unit in planned for path in worker.row_paths(unit)]
    missing = sum(not path.exists() for path in paths)
    print(f"{len(paths) - missing} of {len(paths)} runs are done already; {missing} to go.")
    if not missing:
        return 0
    threads = {"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1", "OMP_NUM_THREADS": "1"}
    command = _worker_command([*argv, "--as_worker"])
    processes = [subprocess.Popen(command, env=os.environ | threads) for _ in range(FLAGS.workers)]
    try:
        with tqdm(total=len(paths), unit="run", leave=False) as bar:
            while any(process.poll() is None for process in processes):
                bar.update(sum(path.exists() for path in paths) - bar.n)
                time.sleep(1)
        return sum(process.returncode != 0 for process in processes)
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait()


def report(
    study: Study, name: str, rows: list[dict[str, Any]], out: Path, argv: Sequence[str]
) -> None:
    """Writes the rows, the chosen values and the report, and prints where it is."""
    from tdrec.study_report import write_study_report

    write_rows(out / "results.jsonl", rows)
    written = write_study_report(
        out, rows, command=_command(argv), title=study.title, notes=list(study.notes)
    )
    replace_file(out / "tuned.json", tuned_values_text(rows))
    print("\n".join(str(path) for path in written))


if __name__ == "__main__":
    sys.exit(main(sys.argv))
