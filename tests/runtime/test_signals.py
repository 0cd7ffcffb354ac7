import os
import signal
import threading

import pytest

from tdrec.runtime.signals import Interrupted, signals_interrupt, signals_wait

NUMBERS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


@pytest.mark.parametrize("number", NUMBERS)
def test_a_signal_becomes_an_exception_with_an_exit_status(number):
    before = signal.getsignal(number)
    with pytest.raises(KeyboardInterrupt, match=number.name) as caught, signals_interrupt():
        os.kill(os.getpid(), number)
        signal.pause()
    assert isinstance(caught.value, Interrupted)
    assert caught.value.status == 128 + number
    assert signal.getsignal(number) is before


@pytest.mark.parametrize("number", NUMBERS)
def test_a_signal_waits_until_it_is_asked_for(number):
    done = []
    with pytest.raises(Interrupted, match=number.name), signals_wait() as check:
        check()
        os.kill(os.getpid(), number)
        done.append("what was begun")
        check()
        done.append("never")
    assert done == ["what was begun"]


def test_a_signal_that_nobody_asked_for_is_told_at_the_end():
    with pytest.raises(Interrupted, match="SIGTERM"), signals_wait():
        os.kill(os.getpid(), signal.SIGTERM)


def test_another_thread_is_told_of_none_and_leaves_the_handlers():
    before, seen = [signal.getsignal(number) for number in NUMBERS], []

    def work():
        with signals_interrupt(), signals_wait() as check:
            check()
            seen.append([signal.getsignal(number) for number in NUMBERS])

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [before]
