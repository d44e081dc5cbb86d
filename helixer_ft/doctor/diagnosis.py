"""`diagnose`: examine a machine and decide whether it is fit to train."""

import logging
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from helixer_ft.dataset.cache_folder import local_folder
from helixer_ft.doctor.comparison import Comparison, compare
from helixer_ft.doctor.disk import FolderSpeed, folder_speed
from helixer_ft.doctor.exchange import Exchange, exchange
from helixer_ft.doctor.facts import Facts
from helixer_ft.doctor.speed import Speed, measure
from helixer_ft.errors import is_out_of_memory
from helixer_ft.progress import Progress, size_text
from helixer_ft.runtime.backend import Backend
from helixer_ft.runtime.processes import Processes
from helixer_ft.settings import PRECISIONS

_LEAST_ROOM = 10**9
"""Free bytes of the cache folder below which there is a warning."""
_FREE_SHARE = 0.5
"""Share of free memory of a GPU below which there is a warning."""


@dataclass(frozen=True)
class Diagnosis:
    """What the examination found.

    Attributes
    ----------
    facts
        Machine and versions.
    backend
        What computes, and why.
    comparisons
        The small model on every device, in every precision, against the reference.
    speed
        Speed of the full-size network; None: not even one window fits into memory.
    exchange
        Sums over devices and processes; None: there is only one device.
    cache
        The folder that caches go to.
    others_agree
        Whether the devices of all other processes of the run compute correctly.
    seconds
        How long all this took.
    """

    facts: Facts
    backend: Backend
    comparisons: tuple[Comparison, ...]
    speed: Speed | None
    exchange: Exchange | None
    cache: FolderSpeed
    others_agree: bool
    seconds: float

    @property
    def problems(self) -> list[str]:
        """Why this machine is not fit to train."""
        found = [
            f"{one.device} computes wrong {one.quantity} in {one.precision}: off by "
            f"{one.difference:.1e}, at most {one.bound:.0e} is rounding"
            for one in self.comparisons
            if not one.agrees
        ]
        if self.exchange is not None and not self.exchange.correct:
            found.append(
                f"sums over {self.exchange.devices} devices are wrong ({self.exchange.library})"
            )
        if not self.others_agree:
            found.append("another process of this run found a device that computes wrong numbers")
        if self.speed is None:
            found.append("there is not enough memory for one window of a full-size network")
        return found

    @property
    def warnings(self) -> list[str]:
        """What deserves attention, although the machine can train."""
        found = [self.backend.warning] if self.backend.warning else []
        cache = self.cache
        if cache.problem:
            found.append(f"{cache.folder}: cannot hold caches ({cache.problem}); see --cache-dir")
        elif cache.free < _LEAST_ROOM:
            found.append(f"{cache.folder}: has little room for caches; see --cache-dir")
        found += [
            f"{gpu.name} is divided into parts (MIG): a run uses one of them"
            for gpu in self.facts.gpus
            if gpu.mig
        ]
        found += [
            f"{gpu.name} has {size_text(gpu.free)} of {size_text(gpu.memory)} free: another "
            "program uses the rest"
            for gpu in self.facts.gpus
            if gpu.free < _FREE_SHARE * gpu.memory
        ]
        return found

    @property
    def fit(self) -> bool:
        """Whether this machine is fit to train."""
        return not self.problems

    @property
    def verdict(self) -> str:
        """The result in one line."""
        problems = self.problems
        if problems:
            more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
            return f"NOT fit for training: {problems[0]}{more}."
        devices = len(self.backend.accelerators)
        if devices:
            what = f"{devices} accelerator{'s' if devices > 1 else ''}"
            return f"Fit for training: {what} on {self.backend.name}, and all numbers agree."
        if self.backend.unseen:
            return (
                "Fit for training on the CPU alone, which is many times slower: the accelerator "
                "is not seen (see the warning); all numbers agree."
            )
        return "Fit for training on the CPU (no accelerator), and all numbers agree."

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        found = asdict(self) | {
            "comparisons": [one.to_dict() for one in self.comparisons],
            "speed": self.speed and self.speed.to_dict(),
            "seconds": round(self.seconds, 1),
        }
        del found["others_agree"], found["backend"]["unseen"]
        found["cache"]["folder"] = str(self.cache.folder)
        summary = ("fit", "verdict", "problems", "warnings")
        return {name: getattr(self, name) for name in summary} | found


def diagnose(
    machine: Facts,
    backend: Backend,
    cache_folder: Path | None = None,
    progress: Progress | None = None,
    processes: Processes | None = None,
) -> Diagnosis:
    """Examine this machine; takes less than a minute on most.

    Parameters
    ----------
    machine
        See `facts`, which is called before the environment is changed.
    backend
        As `select_backend` chose it.
    cache_folder
        Where caches are to go; None: `$SLURM_TMPDIR`, `$TMPDIR`, else the working directory.
    progress
        Receives progress.
    processes
        The processes that are to train together; all call this.
    """
    started = time.monotonic()
    progress, processes = progress or Progress(), processes or Processes()
    logging.getLogger("tensorflow").setLevel(logging.ERROR)  # it warns of many small functions
    parts = len(PRECISIONS) + 3
    progress.start("examining", parts)
    comparisons: list[Comparison] = []
    for precision in PRECISIONS:
        comparisons += compare(precision)
        progress.advance()
    summed = exchange()
    progress.advance()
    speed = _speed()
    progress.advance()
    cache = folder_speed(cache_folder or local_folder(Path()))
    progress.advance()
    progress.finish()
    wrong = not all(one.agrees for one in comparisons)
    return Diagnosis(
        facts=machine,
        backend=backend,
        comparisons=tuple(comparisons),
        speed=speed,
        exchange=summed,
        cache=cache,
        others_agree=wrong or not processes.any(wrong),
        seconds=time.monotonic() - started,
    )


def _speed() -> Speed | None:
    try:
        speed = measure()
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        return None
    return speed if speed.steps else None
