"""Pools: what computes the jobs of a plan, processes of this machine or an executor of others."""

import threading
from collections.abc import Callable
from concurrent.futures import CancelledError, Executor, Future, ThreadPoolExecutor
from typing import Any

from tdrec.studies.worker import Job, Record, collect, start, work


class Processes:
    """Processes of this machine, one a job, whose records are taken as they come.

    Args:
        workers: How many at a time.
        threads: Of each: 1, or None for the machine's.
    """

    def __init__(self, workers: int, threads: int | None) -> None:
        self.workers = workers
        self.threads = threads
        self._pool = ThreadPoolExecutor(workers)
        self._lock = threading.Lock()
        self._live: set[Any] | None = set()  # None once it is closed
        self._waiting: list[Any] = []

    def warm_up(self) -> None:
        """Starts the first process while there is no job for it yet."""
        self._waiting.append(self._process())

    def submit(self, job: Job, take: Callable[[Record], None]) -> "Future[list[Record]]":
        """Has a job computed; `take` is given each record."""
        return self._pool.submit(self._compute, job, take)

    def close(self) -> None:
        """Ends all processes."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        with self._lock:
            live, self._live = self._live, None
        for process in live or ():
            process.kill()
        for process in self._waiting:  # those that had no job
            with process:
                pass
        self._pool.shutdown()

    def _process(self) -> Any:
        """One that waits for a job, otherwise one that is started."""
        with self._lock:
            if self._live is None:
                raise CancelledError
            if self._waiting:
                return self._waiting.pop()
            process = start(self.threads)
            self._live.add(process)
            return process

    def _compute(self, job: Job, take: Callable[[Record], None]) -> list[Record]:
        process = self._process()
        try:
            for record in work(job, process):
                take(record)
        finally:
            with self._lock:
                if self._live is not None:
                    self._live.discard(process)
        return []


class Remote:
    """An executor of other machines: it gives the records of a job when the job has ended.

    Args:
        executor: Such as `distributed.Client(address).get_executor()`.
    """

    threads = 1

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self._futures: list[Future[list[Record]]] = []

    def submit(self, job: Job, take: Callable[[Record], None]) -> "Future[list[Record]]":
        """Has a job computed."""
        future = self._executor.submit(collect, job)
        self._futures.append(future)
        return future

    def close(self) -> None:
        """Gives up what is not done."""
        for future in self._futures:
            future.cancel()
        self._executor.shutdown(wait=False)
