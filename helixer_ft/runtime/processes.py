"""Several processes as one run, on JAX: started by hand, or as the tasks of a SLURM job step.

Every process has its share of each batch; all take the same decisions, from the same numbers. None
can go on without the others: one that fails tells why, and the others end with that message; one
that vanishes is missed after half a minute at most, and the others end then.

JAX connects the processes, misses one that vanishes, and adds up what all compute. What it does not
do, and is done here:

- Every process says why the run ended, and has the exit status of the one that failed. SLURM's
  `--kill-on-bad-exit` says nothing, is off by default, and does not exist without SLURM. The reason
  goes through JAX's key-value store, whose client has no public name.
- JAX aborts a process that misses another one, from a thread of its own: only a C handler of
  SIGABRT can still say what happened, and that the run can be resumed.
- The error of a collective operation whose partner is gone has no class of its own: the words of
  the transport tell it (`_SIGNS`).
- Gloo prints to standard output, which is for results; JAX takes SIGTERM for itself (`native.py`).

Which process this is has to be known before JAX is imported: see `launch.py`.
"""

import atexit
import json
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from helixer_ft.errors import HelixerFtError, InputError, Interrupted, first_line
from helixer_ft.formats.origin import differing
from helixer_ft.progress import Progress, Relayed
from helixer_ft.runtime.connecting import POLL_SECONDS, find_one_another, not_found
from helixer_ft.runtime.gpu_shares import share_gpus
from helixer_ft.runtime.interruption import leave
from helixer_ft.runtime.launch import Launch
from helixer_ft.runtime.native import on_abort, silence_libraries

_ENDED, _STOP = "helixer-ft/ended/", "helixer-ft/stop/"
_SIGNS = ("Gloo", "NCCL", "coordination service", "heartbeat", "Socket closed", "DEADLINE_EXCEEDED")
"""Parts of JAX's messages that tell of a lost process."""

Tell = Callable[[str], None]


class ProcessLostError(HelixerFtError):
    """Another process of the run ended or cannot be reached."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class Processes:
    """The processes of a run; this class: one alone.

    Attributes
    ----------
    index, count
        Which one this is, and how many there are.
    beside
        How many there are on this machine, this one included.
    """

    index = 0
    count = 1
    beside = 1

    @property
    def is_first(self) -> bool:
        """Whether this is the one that prints and writes."""
        return self.index == 0

    def any(self, flag: bool) -> bool:
        """Whether the flag is set in any process; all call this at the same point of their work."""
        return flag

    def least(self, number: int) -> int:
        """The least number of all processes; all call this at the same point of their work."""
        return number

    def stop_together(self, flag: bool) -> bool:
        """`any`, after which all end alike where it is true: none has to be told by another."""
        return flag

    def gather(self, text: str, meanwhile: Callable[[], None] = lambda: None) -> list[str]:
        """A text of each process, in their order; all call this at the same point of their work,
        which is where they wait for one another, however long; `meanwhile` is called every second.
        """
        return [text]

    def gather_rows(self, rows: np.ndarray) -> np.ndarray:
        """The rows (int32) of all processes one after the other; each has any number, all call
        this at the same point of their work.
        """
        return rows

    @property
    def told_to_stop(self) -> bool:
        """Whether another process asked all to stop, which takes up to a second to arrive."""
        return False

    def tell_to_stop(self) -> None:
        """Ask the other processes to stop, wherever they are in their work."""

    def end_alike(self, flag: bool) -> bool:
        """`stop_together` for processes that arrive at very different times."""
        return flag

    def require_same(self, values: Mapping[str, Any]) -> None:
        """Refuse values (anything that JSON can hold) that are not the same in all processes.

        All call this at the same point of their work, which is where they wait for one another.

        Raises
        ------
        InputError
            Values differ; their names and the processes are named.
        """


class Together(Relayed):
    """Progress of one of several processes, which stop together.

    Parameters
    ----------
    progress
        Its own.
    processes
        All of them.
    """

    def __init__(self, progress: Progress, processes: Processes) -> None:
        super().__init__(progress)
        self._processes = processes

    def interrupted(self) -> bool:
        """Whether this process or another one was asked to stop."""
        return super().interrupted() or self._processes.told_to_stop

    def pass_on_a_stop(self) -> None:
        """Where this process, which waits, is asked to stop, ask the others, which work."""
        if super().interrupted():
            self._processes.tell_to_stop()


@dataclass
class _JaxProcesses(Processes):
    """Several processes, connected through JAX."""

    launch: Launch
    tell: Tell
    resumable: Callable[[], bool]
    client: Any = None
    all_stop: bool = False
    _calls: int = 0
    _ending: threading.Lock = field(default_factory=threading.Lock)
    _done: threading.Event = field(default_factory=threading.Event)
    _stop: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.index, self.count = self.launch.index, self.launch.count
        self._watcher = threading.Thread(target=self._watch, name="processes", daemon=True)

    def any(self, flag: bool) -> bool:
        from jax.experimental import multihost_utils

        return bool(multihost_utils.process_allgather(np.array(flag)).any())

    def least(self, number: int) -> int:
        return min(map(int, self.gather(str(number))))  # JAX would cut it to 32 bits

    def stop_together(self, flag: bool) -> bool:
        self.all_stop = self.any(flag)
        return self.all_stop

    def gather(self, text: str, meanwhile: Callable[[], None] = lambda: None) -> list[str]:
        self._calls += 1
        key = f"helixer-ft/gather/{self._calls}/"
        self.client.key_value_set(f"{key}{self.index}", text)
        return [self._wait_for(f"{key}{index}", meanwhile) for index in range(self.count)]

    def _wait_for(self, key: str, meanwhile: Callable[[], None]) -> str:
        """The value of a key; while JAX waits, Python handles no signals."""
        while True:
            try:
                return str(self.client.blocking_key_value_get(key, int(1000 * POLL_SECONDS)))
            except Exception as error:
                if "DEADLINE_EXCEEDED" not in str(error):
                    raise
            meanwhile()

    def gather_rows(self, rows: np.ndarray) -> np.ndarray:
        from jax.experimental import multihost_utils

        numbers = [int(text) for text in self.gather(str(len(rows)))]
        filled = np.zeros((max(numbers), *rows.shape[1:]), np.int32)
        filled[: len(rows)] = rows
        found = multihost_utils.process_allgather(filled)
        return np.concatenate([part[:n] for part, n in zip(found, numbers, strict=True)])

    @property
    def told_to_stop(self) -> bool:
        return self._stop.is_set()

    def tell_to_stop(self) -> None:
        if not self._stop.is_set():
            self._stop.set()
            self.client.key_value_set(f"{_STOP}{self.index}", "")

    def end_alike(self, flag: bool) -> bool:
        self.all_stop = "stop" in self.gather("stop" if flag else "")
        return self.all_stop

    def require_same(self, values: Mapping[str, Any]) -> None:
        first, *others = (json.loads(text) for text in self.gather(json.dumps(dict(values))))
        for index, other in enumerate(others, start=1):
            if found := differing(first, other, sorted(first | other)):
                name, one, another = found[0]
                raise InputError(
                    f"the processes of this run differ in: {', '.join(n for n, *_ in found)}; "
                    f"process 0 has {_shortened(one)} for {name}, process {index} has "
                    f"{_shortened(another)}. Start all with the same command (except "
                    "--process-id), versions and files."
                )

    # -- ends --------------------------------------------------------------------------------

    def watch(self) -> None:
        """End this process when another one tells that it ends."""
        self._watcher.start()

    def disconnect(self) -> None:
        """Wait for the others to be done too, and part."""
        import jax

        self._done.set()
        self._watcher.join()  # it must not be within JAX when the interpreter ends
        jax.distributed.shutdown()
        signal.signal(signal.SIGABRT, signal.SIG_DFL)

    def announce(self, error: BaseException) -> None:
        """Tell the others that this process ends, and why."""
        text = str(error) or type(error).__name__
        note = json.dumps({"text": text, "status": _status(error)})
        try:
            self.client.key_value_set(f"{_ENDED}{self.index}", note)
        except Exception:  # no one is there to be told
            return
        if self.is_first:  # what it said is gone with it
            time.sleep(3 * POLL_SECONDS)

    def lost(self, reason: str) -> ProcessLostError:
        """The error of this process where another one vanished."""
        resumable = self.resumable()
        advice = "Start it again with --resume." if resumable else "Start it again."
        return ProcessLostError(
            "another process of this run ended or cannot be reached "
            f"({reason}); look for its last message, or whether it was killed. {advice}",
            Interrupted.exit_code if resumable else 1,
        )

    def _watch(self) -> None:
        while not self._done.wait(POLL_SECONDS):
            try:
                notes = self.client.key_value_dir_get(_ENDED)
                if self.client.key_value_dir_get(_STOP):
                    self._stop.set()
            except Exception:  # JAX tells of that
                continue
            for key, note in notes:
                index, values = int(key.rsplit("/", 1)[1]), json.loads(note)
                if index == self.index:
                    return
                if self.is_first:  # the others are to read it too
                    time.sleep(3 * POLL_SECONDS)
                self._end(f"process {index} ended: {values['text']}", values["status"])

    def aborted(self) -> None:
        """End this process with a message where JAX ends it."""
        if self.client is None:
            self._end(str(not_found(self.launch, "JAX's last message is above")), 1)
        error = self.lost("JAX's last message is above")
        self._end(str(error), error.exit_code)

    def _end(self, text: str, status: int) -> None:
        """End at once, whatever the main thread waits for; once."""
        if not self._ending.acquire(blocking=False):
            time.sleep(60)  # until the other thread has ended this process
        self.tell(text)
        leave(status)


@contextmanager
def started(
    launch: Launch | None,
    tell: Tell,
    resumable: Callable[[], bool] = lambda: False,
    progress: Progress | None = None,
) -> Iterator[Processes]:
    """The processes of a run, connected; must come before anything is computed on JAX.

    When an error leaves the block, the other processes are told, and end with that message. They
    are ended at once, by `os._exit`: their main thread may wait in JAX for what never comes.

    Parameters
    ----------
    launch
        None: one process alone.
    tell
        Shows an error just before this process is ended from another thread.
    resumable
        Whether this run could be resumed.
    progress
        Notified where this process waits long for the others; asked whether to stop meanwhile.

    Raises
    ------
    HelixerFtError
        The processes do not find one another.
    Interrupted
        This process was asked to stop before they did.
    ProcessLostError
        Another process ended while this one waited for it.
    """
    if launch is None:
        yield Processes()
        return
    processes = _connect(launch, tell, resumable, progress or Progress())
    try:
        silence_libraries()
        processes.beside = share_gpus(launch.index, processes.gather)
        yield processes
    except BaseException as error:
        failure = error
        if processes.all_stop:
            processes.disconnect()
            raise
        if isinstance(error, Exception) and any(sign in str(error) for sign in _SIGNS):
            time.sleep(3 * POLL_SECONDS)  # the other one may have told why
            failure = processes.lost(first_line(error))
        processes.announce(failure)
        # JAX would wait for the others when the interpreter ends
        atexit.register(leave, _status(failure))
        if failure is error:
            raise
        raise failure from error
    processes.disconnect()


def _connect(
    launch: Launch, tell: Tell, resumable: Callable[[], bool], progress: Progress
) -> _JaxProcesses:
    from jax._src import distributed

    processes = _JaxProcesses(launch, tell, resumable)
    on_abort(processes.aborted)
    find_one_another(launch, progress)
    processes.client = distributed.global_state.client
    processes.watch()
    return processes


def _status(error: BaseException) -> int:
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else 1
    return int(getattr(error, "exit_code", 1))


def _shortened(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
