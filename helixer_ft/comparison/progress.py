"""How a comparison reports its work: that of a single run, and which one it is."""

from helixer_ft.progress import Progress, Relayed
from helixer_ft.training.history import Check, TrainingProgress


class CompareProgress(TrainingProgress):
    """Progress of a comparison."""

    def training(self, number: int, total: int, name: str, strategy: str) -> None:
        """A training begins: which of how many, what it is called, and what trains."""

    def trained(self, name: str, text: str) -> None:
        """It is done; its result in a line."""


class Named(Relayed, TrainingProgress):
    """Progress of a part of the work: its tasks begin with a name.

    Parameters
    ----------
    name
        The name.
    progress
        That of the whole.
    """

    _progress: TrainingProgress

    def __init__(self, name: str, progress: TrainingProgress) -> None:
        super().__init__(progress)
        self._name = name

    def notice(self, text: str) -> None:
        super().notice(f"{self._name}: {text}")

    def warning(self, text: str) -> None:
        super().warning(f"{self._name}: {text}")

    def start(self, task: str, total: int, unit: str = "", done: int = 0) -> None:
        super().start(f"{self._name}: {task}", total, unit, done)

    def check(self, check: Check) -> None:
        self._progress.check(check)


SILENT = Progress()
"""For work whose notices come again."""
