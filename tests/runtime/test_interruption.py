"""Signals that ask to stop."""

import os
import signal
import threading

import pytest

from helixer_ft.errors import Interrupted
from helixer_ft.progress import Progress
from helixer_ft.runtime.interruption import SIGNALS, stop_on_signals


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_asks_to_stop_and_nothing_else(number):
    before = signal.getsignal(number)
    told = []
    with stop_on_signals(told.append) as stop:
        assert not stop.requested()
        signal.raise_signal(number)
        assert stop.requested()
    assert told == [signal.Signals(number).name]
    assert signal.getsignal(number) is before


def test_signals_that_are_ignored_stay_so():
    """As the shell has it for what it starts with `nohup` or, in a script, with `&`."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with stop_on_signals() as stop:
            os.kill(os.getpid(), signal.SIGINT)
            assert not stop.requested()
        assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_second_ctrl_c_ends_at_once():
    with stop_on_signals() as stop:
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGTERM)  # a scheduler may say it twice
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        assert stop.requested()


def test_other_threads_leave_signals_alone():
    before = [signal.getsignal(number) for number in SIGNALS]
    found = []

    def work():
        with stop_on_signals() as stop:
            found.extend(signal.getsignal(number) for number in SIGNALS)
            found.append(stop.requested())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [*before, False]


def test_a_tracked_task_stops_between_two_items():
    class Stopping(Progress):
        finished = False
        steps = 0

        def advance(self, steps=1, note=""):
            self.steps += steps

        def interrupted(self):
            return self.steps == 2

        def finish(self):
            self.finished = True

    progress = Stopping()
    tracked = progress.track("task", 5, range(5))
    seen = [next(tracked), next(tracked)]
    with pytest.raises(Interrupted):
        next(tracked)
    assert seen == [0, 1]
    assert progress.finished
