"""Several processes of a run, imitated by threads of this one."""

import itertools
import json
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np

from helixer_ft.errors import InputError
from helixer_ft.formats.origin import differing
from helixer_ft.inference import predict as predict_module
from helixer_ft.runtime.processes import Processes, ProcessLostError

Result = TypeVar("Result")


class Meeting:
    """Where they exchange what they have."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.changed = threading.Condition()
        self.told: dict[int, dict[int, Any]] = {}
        self.failed = False
        self.stop = threading.Event()

    def exchange(
        self, call: int, index: int, what: Any, meanwhile: Callable[[], None] = lambda: None
    ) -> list[Any]:
        """What each gives at one point of their work; `meanwhile` is called again and again."""
        ends = time.monotonic() + 60
        with self.changed:
            told = self.told.setdefault(call, {})
            told[index] = what
            self.changed.notify_all()
            while not self.changed.wait_for(lambda: len(told) == self.count or self.failed, 0.05):
                if time.monotonic() > ends:
                    break
                meanwhile()
            if len(told) < self.count:
                raise ProcessLostError("another one is gone", 1)
            return [told[i] for i in range(self.count)]

    def fail(self) -> None:
        """One of them has ended."""
        with self.changed:
            self.failed = True
            self.changed.notify_all()


class OneOfSeveral(Processes):
    """What one of them sees."""

    def __init__(self, meeting: Meeting, index: int) -> None:
        self.meeting, self.index, self.count = meeting, index, meeting.count
        self.calls = itertools.count()

    def gather(self, text: str, meanwhile: Callable[[], None] = lambda: None) -> list[str]:
        return self.meeting.exchange(next(self.calls), self.index, text, meanwhile)

    def gather_rows(self, rows: np.ndarray) -> np.ndarray:
        return np.concatenate(self.meeting.exchange(next(self.calls), self.index, rows))

    def least(self, number: int) -> int:
        return min(map(int, self.gather(str(number))))

    @property
    def told_to_stop(self) -> bool:
        return self.meeting.stop.is_set()

    def tell_to_stop(self) -> None:
        self.meeting.stop.set()

    def end_alike(self, flag: bool) -> bool:
        return "stop" in self.gather("stop" if flag else "")

    def require_same(self, values: Any) -> None:
        first, *others = map(json.loads, self.gather(json.dumps(dict(values))))
        for other in others:
            if found := differing(first, other, sorted(first | other)):
                raise InputError(f"differ in: {', '.join(name for name, *_ in found)}")


def together(count: int, work: Callable[[Processes], Result]) -> list[Result | Exception]:
    """What the work returns in each process, or the error that it ends with; one that fails ends
    the others.
    """
    meeting = Meeting(count)

    def one(index: int) -> Result | Exception:
        try:
            return work(OneOfSeveral(meeting, index))
        except Exception as error:
            meeting.fail()
            return error

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(one, range(count)))


def build_networks_once(monkeypatch: Any) -> None:
    """`predict` builds and compiles the same network once, whichever process asks for it."""
    build, networks = predict_module.prediction_function, {}

    def kept(model, *how):
        key = (model.file.sha256, *how)
        if key not in networks:
            networks[key] = build(model, *how)
        return networks[key]

    monkeypatch.setattr(predict_module, "prediction_function", kept)
