"""How a comparison reports its work: that of a single run, and which one it is."""

from helixer_ft.progress import Progress
from helixer_ft.training.history import Check, TrainingProgress


class CompareProgress(TrainingProgress):
    """Progress of a comparison."""

    def training(self, number: int, total: int, name: str, strategy: str) -> None:
        """A training begins: which of how many, what it is called, and what trains."""

    def trained(self, name: str, text: str) -> None:
        """It is done; its result in a line."""


class Named(TrainingProgress):
    """Progress of a part of the work: its tasks begin with a name.

    Parameters
    ----------
    name
        The name.
    progress
        That of the whole.
    """

    def __init__(self, name: str, progress: TrainingProgress) -> None:
        self._name, self._progress = name, progress

    def notice(self, text: str) -> None:
        self._progress.notice(f"{self._name}: {text}")

    def warning(self, text: str) -> None:
        self._progress.warning(f"{self._name}: {text}")

    def start(self, task: str, total: int, unit: str = "", done: int = 0) -> None:
        self._progress.start(f"{self._name}: {task}", total, unit, done)

    def advance(self, steps: int = 1, note: str = "") -> None:
        self._progress.advance(steps, note)

    def finish(self) -> None:
        self._progress.finish()

    def check(self, check: Check) -> None:
        self._progress.check(check)

    def interrupted(self) -> bool:
        return self._progress.interrupted()


SILENT = Progress()
"""For work whose notices come again."""
