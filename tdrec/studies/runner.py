"""Runner: has the missing runs of a plan computed, and writes what they give, row by row.

Workers compute, this process writes. Jobs go to processes of this machine, or to any
`concurrent.futures.Executor`, such as that of a Dask cluster, whose business scheduling then is. A
job whose worker is lost is tried again with the runs that it still owes.
"""

import json
import shutil
import threading
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, CancelledError, wait
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Any

from tdrec.runtime.files import TEMPORARY, replace_file, safe_name, user_path
from tdrec.runtime.signals import signals_wait
from tdrec.studies.config import Config
from tdrec.studies.plan import Plan, Run, Unit
from tdrec.studies.pools import Processes, Remote
from tdrec.studies.results import appending, read_lines, read_rows
from tdrec.studies.row import Row
from tdrec.studies.task import Task
from tdrec.studies.worker import Job, JobFailed, Record, WorkerLost

RESULTS, TRIALS = "results.jsonl", "trials.jsonl"
"""The rows, and the finished trials of searches, in a folder of results."""

TRIES = 3
"""How often a job is tried whose worker is lost before it gives anything."""

UNITS_OF_A_PROCESS = 16
"""So many a lone process does before another is started: TensorFlow keeps what it compiled, some 55
MB a step."""


@dataclass(frozen=True)
class Outcome:
    """What came of a plan.

    Attributes:
        rows: The plan's, in its order; of a plan that is not finished those that are there.
        others: How many rows of the file are of another plan.
        failures: What is missing and why, for jobs that raised or lost their workers.
    """

    rows: tuple[Row, ...]
    others: int
    failures: tuple[str, ...]


def run_plan(
    plan: Plan,
    out: Path,
    cache: Path,
    pool: "Processes | Remote",
    progress: Callable[[int, int], Any] | None = None,
) -> Outcome:
    """Makes the runs that `out/results.jsonl` does not have yet.

    Args:
        plan: What is to be run.
        out: A folder that this process alone writes to (`results.only_writer`).
        cache: Where teachers are kept.
        pool: `Processes` of this machine; or `Remote`, any executor, whose workers can import tdrec
            and find the data at the same place; they need no common disk.
        progress: Of the numbers of missing and of all runs makes a context, such as a bar of tqdm,
            whose `update` is called with 1 for each run that is done. Default None: none is shown.

    Returns:
        The `Outcome`.

    Raises:
        ValueError: If a line of the results cannot be read.

    Example:
        >>> from tdrec.studies.results import only_writer
        >>> pool = Processes(workers=1, threads=1)
        >>> with only_writer("results") as out:
        ...     outcome = run_plan(plan, out, cache, pool)
        >>> pool.close()
        >>> [row.label for row in outcome.rows]
        ['Teacher', 'Scratch', 'Scratch', 'LD', 'LD']
    """
    out, cache = user_path(out), user_path(cache)
    out.mkdir(parents=True, exist_ok=True)
    rows = {row.key: row for row in read_rows(out / RESULTS)}
    runs = list(plan.runs())
    missing = [run for run in runs if run.key not in rows]
    failures: tuple[str, ...] = ()
    with signals_wait() as check, ExitStack() as files:
        bar = progress(len(missing), len(runs)) if progress else nullcontext()
        bar = files.enter_context(bar)
        if missing:
            trials: dict[str, list[str]] = defaultdict(list)
            for trial in read_lines(out / TRIALS, json.loads):
                trials[trial["unit"]].append(trial["trial"])
            writer = _Writer(out, files, any(run.unit.trials for run in missing), bar)
            scratch = out / TEMPORARY.format("scratch")
            scratch.mkdir(exist_ok=True)
            files.callback(shutil.rmtree, scratch, ignore_errors=True)
            scheduler = _Scheduler(plan, pool, cache, writer, scratch.resolve(), check, trials)
            scheduler.make_teachers(missing)
            failures = scheduler.make_rows(missing)
            rows |= {row.key: row for row in writer.rows}
    keys = {run.key for run in runs}
    return Outcome(
        # A row that another plan has made, such as a reference's, is this one's too.
        rows=tuple(replace(rows[run.key], study=plan.name) for run in runs if run.key in rows),
        others=len(set(rows) - keys),
        failures=failures,
    )


class _Writer:
    """Writes what workers give: rows, students, trials."""

    def __init__(self, out: Path, files: ExitStack, trials: bool, bar: Any) -> None:
        self.rows: list[Row] = []
        self._out = out
        self._bar = bar
        self._lock = threading.Lock()
        self._rows = files.enter_context(appending(out / RESULTS))
        self._trials = files.enter_context(appending(out / TRIALS)) if trials else None

    def take(self, record: Record) -> None:
        """Writes a record; it is on disk when this returns."""
        with self._lock:
            if record.kind == "trial" and self._trials:
                self._trials(json.dumps({"unit": record.name, "trial": record.text}))
            elif record.row is not None:
                row = self._saved(record.row, record.files)
                self._rows(row.to_json())
                self.rows.append(row)
                if self._bar is not None:
                    self._bar.update(1)

    def _saved(self, row: Row, files: Mapping[str, bytes]) -> Row:
        """The row with its student's file, which is written before it."""
        if not files:
            return row
        what = dict.fromkeys([row.task, row.place])
        parts = [*what, row.label, f"seed{row.seed}", row.preset, row.setting, row.key[:8]]
        safe = "-".join(safe_name(part) for part in parts if part)
        paths = {suffix: self._out / "students" / f"{safe}{suffix}" for suffix in files}
        for suffix, content in files.items():
            replace_file(paths[suffix], content)
        model = paths[".keras"].relative_to(self._out)
        return replace(row, model=model.as_posix(), model_bytes=len(files[".keras"]))


@dataclass
class _Scheduler:
    """Turns missing runs into jobs, and has them done."""

    plan: Plan
    pool: Processes | Remote
    cache: Path
    writer: _Writer
    scratch: Path
    check: Callable[[], None]
    trials: dict[str, list[str]]

    def make_teachers(self, runs: Sequence[Run]) -> None:
        """Has the teachers made that are not cached, each once, before anything waits for one.

        A lone process makes them as it needs them.
        """
        if isinstance(self.pool, Processes) and self.pool.workers == 1:
            return
        missing = {
            name: teacher
            for name, teacher in self._teachers(runs).items()
            if not (self.cache / name).exists()
        }
        self._do([self._job([], [teacher]) for teacher in missing.values()])

    def make_rows(self, runs: Sequence[Run]) -> tuple[str, ...]:
        """Has the runs made; gives what failed."""
        jobs = _grouped(runs, lambda unit: (unit.preset, unit.setting, unit.task.name))
        if isinstance(self.pool, Processes):
            if self.pool.workers == 1:
                jobs = _joined(jobs)
            elif len(jobs) < self.pool.workers:  # better apart than idle
                jobs = _grouped(runs, lambda unit: unit.key)
        return self._do([self._job(job) for job in jobs])

    def _teachers(self, runs: Sequence[Run]) -> dict[str, tuple[Task, Config]]:
        """Task and configuration of each teacher that runs need, by its file's name."""
        found = {}
        for unit in {run.unit.key: run.unit for run in runs}.values():
            for task in (unit.task, unit.task.earlier()) if unit.trials else (unit.task,):
                if name := task.teacher_file(unit.config):
                    found[name] = (task, unit.config)
        return found

    def _job(self, runs: Sequence[Run], teachers: Sequence[tuple[Task, Config]] = ()) -> Job:
        remote = isinstance(self.pool, Remote)
        needed = [self.cache / name for name in self._teachers(runs)] if remote else []
        units = {run.unit.key for run in runs if run.unit.trials}
        return Job(
            study=self.plan.name,
            data=self.plan.data,
            teachers=teachers,
            runs=runs,
            trials={unit: tuple(self.trials[unit]) for unit in units},
            keep=self.plan.keep,
            cache=None if remote else self.cache,
            files={path.name: path.read_bytes() for path in needed if path.exists()},
            scratch=None if remote else self.scratch,
            threads=self.pool.threads,
        )

    def _take(self, record: Record) -> None:
        """Has a record written, and takes note of it."""
        self.writer.take(record)
        if record.kind == "trial":
            self.trials[record.name].append(record.text)
        for name, content in record.files.items() if record.kind == "file" else ():
            replace_file(self.cache / name, content)

    def _do(self, jobs: Sequence[Job]) -> tuple[str, ...]:
        """Has jobs done, those again whose worker was lost; gives what failed."""
        failures: list[str] = []
        # Another executor has words of its own for a lost worker; here any other error is a fault.
        is_lost = WorkerLost if isinstance(self.pool, Processes) else Exception
        waiting = {self.pool.submit(job, self._take): (job, 1) for job in jobs}
        while waiting:
            done, _ = wait(waiting, timeout=0.2, return_when=FIRST_COMPLETED)
            self.check()
            for future in done:
                job, tries = waiting.pop(future)
                try:
                    for record in future.result():
                        self._take(record)
                    continue
                except CancelledError:  # the pool was closed
                    raise
                except JobFailed as error:
                    failures.append(f"{_named(job)}: {error}")
                    continue
                except is_lost as error:
                    lost = error
                written = {row.key for row in self.writer.rows}
                left = [run for run in job.runs if run.key not in written]
                again = replace(self._job(left, job.teachers), attempt=job.attempt + 1)
                has_progress = len(left) < len(job.runs) or again.trials != job.trials
                tries = 1 if has_progress else tries + 1
                if tries > TRIES:
                    failures.append(f"{_named(job)}: lost {TRIES} times: {lost}")
                else:
                    waiting[self.pool.submit(again, self._take)] = (again, tries)
        return tuple(failures)


def _named(job: Job) -> str:
    """What a job was about, in words."""
    found = dict.fromkeys((run.unit.task.name, run.unit.arm.name) for run in job.runs)
    found |= dict.fromkeys((task.name, "its teacher") for task, _ in job.teachers)
    return ", ".join(f"{label} on {task}" for task, label in found)


def _grouped(runs: Sequence[Run], key: Callable[[Unit], Any]) -> list[list[Run]]:
    """Runs in the order of a plan, those together whose units agree in something."""
    return [list(group) for _, group in groupby(runs, lambda run: key(run.unit))]


def _joined(groups: Sequence[list[Run]]) -> list[list[Run]]:
    """Groups in which a lone process does as many units as it should."""
    found: list[list[Run]] = []
    for group in groups:
        both = [*(found[-1] if found else ()), *group]
        if found and len({run.unit.key for run in both}) <= UNITS_OF_A_PROCESS:
            found[-1] = both
        else:
            found.append(group)
    return found
