"""Worker: the process that computes a job, and how another process has it computed.

A job is a group of runs that share compiled steps and the teacher's targets. It is computed in a
process of its own, since TensorFlow keeps what it compiled and takes its number of threads when it
starts. The two talk by pickles over the worker's standard input and output: it is given one `Job`,
gives `Record`s, and goes on when each was acknowledged, so that what it has finished is on disk
before the next begins. A worker whose parent is gone ends at once.
"""

import contextlib
import os
import pickle
import queue
import shutil
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Literal

from tdrec.runtime.quiet import quiet_tensorflow
from tdrec.studies.plan import Run, Unit
from tdrec.studies.provenance import git_revision, versions
from tdrec.studies.row import Data, Row
from tdrec.studies.task import Session, Task

ONE_THREAD = dict.fromkeys(
    ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS"), "1"
)


class WorkerLost(RuntimeError):
    """A worker that ended before its job did."""


class JobFailed(RuntimeError):
    """A job that raised; the message is its traceback."""


@dataclass(frozen=True)
class Job:
    """What one process does.

    Attributes:
        study: The plan's name.
        data: Of each task, by name.
        teachers: A task and a configuration for each teacher that is to be made.
        runs: What is to be run, the runs of a unit one after the other.
        trials: The finished trials of each unit's search, by its key.
        keep: Whether students are given back.
        cache: The folder of teachers. None: one that is made for this job, of `files`, and given
            back in records: on a machine that shares no disk.
        files: The cached files that the job needs, by name, where `cache` is None.
        scratch: A folder for temporary files, which the parent removes. None: one of its own.
        threads: Of the process: 1, or None for the machine's.
        attempt: The number of tries: an executor may take two equal calls for one.
    """

    study: str
    data: Mapping[str, Data]
    teachers: Sequence[tuple[Task, Any]] = ()
    runs: Sequence[Run] = ()
    trials: Mapping[str, Sequence[str]] = field(default_factory=dict)
    keep: bool = False
    cache: Path | None = None
    files: Mapping[str, bytes] = field(default_factory=dict)
    scratch: Path | None = None
    threads: int | None = None
    attempt: int = 1


@dataclass(frozen=True)
class Record:
    """What a worker has finished.

    Attributes:
        kind: A row's run, a trial, a file of the cache; or the job's end, or the error it ended by.
        name: The unit's key of a trial, the file's name.
        row: Of a run.
        text: The trial's JSON, the error's traceback.
        files: The student's by suffix, the cache's by name.
    """

    kind: Literal["row", "trial", "file", "end", "error"]
    name: str = ""
    row: Row | None = None
    text: str = ""
    files: Mapping[str, bytes] = field(default_factory=dict)


def start(threads: int | None) -> subprocess.Popen[bytes]:
    """Starts a worker, which loads what every job needs while it waits for one."""
    path = {"PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.Popen(
        [sys.executable, "-c", "from tdrec.studies.worker import main; main()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=os.environ | path | (ONE_THREAD if threads else {}),
        start_new_session=True,  # Ctrl-C is its parent's, which ends it
    )


def work(job: Job, process: subprocess.Popen[bytes] | None = None) -> Iterator[Record]:
    """Has a job computed by a process of its own.

    Args:
        job: The job.
        process: What `start` gave. Default None: one is started.

    Yields:
        Each record as it is finished; the worker goes on when the next one is asked for.

    Raises:
        WorkerLost: If the process ends before the job.
        JobFailed: If the job raises.
    """
    process = process or start(job.threads)
    assert process.stdin and process.stdout
    try:
        pickle.dump(pickle.dumps(job), process.stdin)
        process.stdin.flush()
        while True:
            record = pickle.load(process.stdout)
            if record.kind == "end":
                return
            if record.kind == "error":
                raise JobFailed(record.text)
            yield record
            process.stdin.write(b"\n")
            process.stdin.flush()
    except (EOFError, OSError, pickle.UnpicklingError) as error:
        raise WorkerLost(f"a worker ended with exit status {process.wait()}") from error
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
        with contextlib.suppress(OSError):  # what was not read is still in the pipe
            process.stdin.close()


def collect(job: Job) -> list[Record]:
    """All records of a job, where they cannot be given one by one: in a worker of a cluster.

    Its process ends when the cluster does not want the job any more: it was cancelled, or whoever
    asked for it is gone.
    """
    process, ended, wanted = start(job.threads), threading.Event(), _wanted()

    def watch() -> None:
        while not ended.wait(timeout=1):
            if not wanted():
                process.kill()

    threading.Thread(target=watch, daemon=True).start()
    try:
        return list(work(job, process))
    finally:
        ended.set()


def _wanted() -> Callable[[], bool]:
    """Tells whether what this thread computes is still wanted, which Dask's workers alone know."""
    if "distributed" not in sys.modules:
        return lambda: True
    from distributed import get_worker

    try:
        worker = get_worker()
    except ValueError:
        return lambda: True
    key = worker.get_current_task()
    return lambda: key in worker.state.tasks and worker.state.tasks[key].state == "executing"


# In the worker ------------------------------------------------------------------------------


class _Parent:
    """The process that gave the job, by its pipes."""

    def __init__(self, given: BinaryIO, wanted: BinaryIO) -> None:
        self._given, self._wanted = given, wanted
        self._scratch = ""
        self._jobs: queue.Queue[bytes] = queue.Queue()
        self._acknowledged = threading.Semaphore(0)
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        with contextlib.suppress(EOFError):
            self._jobs.put(pickle.load(self._given))
            while self._given.read(1):
                self._acknowledged.release()
        self.end(1)  # nobody is there any more

    def job(self) -> Job:
        """Waits for the job."""
        job = pickle.loads(self._jobs.get())
        self._scratch = tempfile.tempdir = tempfile.mkdtemp(prefix="tdrec-", dir=job.scratch)
        return job

    def end(self, status: int) -> None:
        """Ends this process and leaves nothing behind; TensorFlow's own end takes a second."""
        shutil.rmtree(self._scratch, ignore_errors=True)
        os._exit(status)

    def tell(self, record: Record) -> None:
        """Gives a record, and waits until it is taken."""
        pickle.dump(record, self._wanted)
        self._wanted.flush()
        if record.kind not in ("end", "error"):
            self._acknowledged.acquire()


class Worker:
    """Computes a job.

    Args:
        job: The job.
        cache: The folder of teachers.
        tell: Is given each record.
    """

    def __init__(self, job: Job, cache: Path, tell: Any) -> None:
        self.job = job
        self.cache = cache
        self.tell = tell
        self._sessions: dict[Any, Session] = {}
        self._tuned: tuple[str, Any] | None = None  # of the latest unit

    def compute(self) -> None:
        """Makes the teachers, then the runs."""
        for task, config in self.job.teachers:
            self._session(task).teacher(task, config)
        for run in self.job.runs:
            self.tell(self._record(run))

    def _session(self, task: Task) -> Session:
        if task.shared not in self._sessions:
            self._sessions[task.shared] = task.open(self.cache)
        return self._sessions[task.shared]

    def _record(self, run: Run) -> Record:
        unit, task, arm = run.unit, run.unit.task, run.unit.arm
        config, values, validation = unit.config, unit.values, None
        if unit.trials:
            tuned = self._search(unit)
            values, validation = tuned.values, tuned.validation
            config = config.tuned(arm.method, values)
        session = self._session(task)
        keep = self.job.keep and arm.is_student
        result = session.run(task, config, arm.method, run.seed, keep=keep)
        facts, score = dict(result.facts), result.score
        details = {**facts.pop("details", {}), **(score.details if score else {})}
        if task.kind != "task":
            details = {task.kind: task.name, **details}
        if task.family:
            details["place"] = task.name
        row = Row(
            study=self.job.study,
            task=task.family or task.name,
            metric=task.metric.name,
            value=score.value if score else None,
            method=arm.method,
            label=arm.name,
            preset=unit.preset,
            setting=unit.setting,
            seed=run.seed,
            status="diverged" if result.reason else "ok",
            reason=result.reason,
            n_train=result.n_train,
            n_test=result.n_test,
            key=run.key,
            data=self.job.data[task.name],
            variant=unit.variant,
            arguments=config.arguments(arm.method) if arm.is_student else {},
            config=asdict(config),
            tuned=values,
            validation=validation,
            teacher=session.teacher(task, config),
            units=score.units if score else None,
            versions=versions(self.job.threads),
            git=git_revision(),
            details=details,
            **facts,
        )
        return Record("row", row=row, files=result.files)

    def _search(self, unit: Unit) -> Any:
        from tdrec.studies.tuning import Objective, tune

        if self._tuned is None or self._tuned[0] != unit.key:
            earlier = unit.task.earlier()
            objective = Objective(self._session(earlier), earlier, unit.config, unit.arm.method)
            known = self.job.trials.get(unit.key, ())
            tuned = tune(
                objective,
                unit.trials,
                known,
                lambda line: self.tell(Record("trial", unit.key, text=line)),
            )
            self._tuned = unit.key, tuned
        return self._tuned[1]


def main() -> None:
    """Computes the job that the parent gives, and tells it what comes of it."""
    with os.fdopen(os.dup(0), "rb") as given, os.fdopen(os.dup(1), "wb") as wanted:
        os.dup2(2, 1)  # what libraries print is no record
        parent = _Parent(given, wanted)
        with quiet_tensorflow():
            import keras  # noqa: F401  # what takes longest, while the parent reads its data
        try:
            job = parent.job()
            if job.cache is not None:
                Worker(job, job.cache, parent.tell).compute()
            else:
                _compute_apart(job, parent)
            parent.tell(Record("end"))
        except Exception:
            parent.tell(Record("error", text=traceback.format_exc()))
        parent.end(0)


def _compute_apart(job: Job, parent: _Parent) -> None:
    """Computes a job with a cache of its own, and gives back what it put there."""
    cache = Path(tempfile.mkdtemp())
    for name, content in job.files.items():
        (cache / name).write_bytes(content)
    Worker(job, cache, parent.tell).compute()
    for path in cache.glob("*.keras"):
        if path.name not in job.files:
            parent.tell(Record("file", path.name, files={path.name: path.read_bytes()}))
