"""Signals that ask the process to end, as exceptions that come where nothing is half done."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


class Interrupted(KeyboardInterrupt):
    """A signal that asks the process to end.

    Attributes:
        status: The exit status that says so, 128 and the signal's number.
    """

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.status = 128 + number


@contextmanager
def signals_interrupt() -> Iterator[None]:
    """Has SIGINT (Ctrl-C), SIGTERM and SIGHUP raise `Interrupted`."""

    def interrupt(number: int, frame: Any) -> None:
        raise Interrupted(number)

    with _handled_by(interrupt):
        yield


@contextmanager
def signals_wait() -> Iterator[Callable[[], None]]:
    """Keeps signals until the function that it gives is called, which then raises `Interrupted`.

    Raised at any place, it could leave a library's lock held, and hang what ends everything.
    """
    seen: list[int] = []

    def check() -> None:
        if seen:
            raise Interrupted(seen[0])

    with _handled_by(lambda number, frame: seen.append(number)):
        yield check
    check()


@contextmanager
def _handled_by(handler: Callable[[int, Any], None]) -> Iterator[None]:
    is_main = threading.current_thread() is threading.main_thread()  # another is told of none
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP) if is_main else ()
    old = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, before in old.items():
            signal.signal(number, before)
