"""Whether a training fits into the time that is left."""

import time

from helixer_ft.comparison.candidates import Candidate
from helixer_ft.training.estimate import estimate
from helixer_ft.training.prepared import PreparedRun

EXPECTED_EPOCHS = 20
"""How long a training is thought to last where none of its kind has ended yet; patience decides."""


class TimeLimit:
    """The time from now on in which trainings may begin; one that has begun is never cut short.

    Parameters
    ----------
    seconds
        The time; None: there is no limit.
    """

    def __init__(self, seconds: float | None) -> None:
        self._end = float("inf") if seconds is None else time.monotonic() + seconds
        self._epochs: dict[bool, int] = {}

    @property
    def is_set(self) -> bool:
        """Whether there is a limit."""
        return self._end < float("inf")

    @property
    def is_over(self) -> bool:
        """Whether there is no time left at all."""
        return time.monotonic() >= self._end

    def learn(self, candidate: Candidate, epochs: int) -> None:
        """A training has ended after so many epochs: others of its kind may take as many."""
        self._epochs[candidate.is_head] = max(epochs, self._epochs.get(candidate.is_head, 0))

    def expected_epochs(self, candidate: Candidate, most: int) -> int:
        """As many as the longest training of its kind took, at most `most`."""
        return min(most, self._epochs.get(candidate.is_head, EXPECTED_EPOCHS))

    def is_exceeded_by(self, prepared: PreparedRun, candidate: Candidate) -> bool:
        """Whether a training, or the rest of one that was interrupted, would probably end too late;
        times a step of it.
        """
        found = estimate(prepared)
        epochs = self.expected_epochs(candidate, prepared.settings.epochs)
        if prepared.resumed is not None:
            done = max(0, prepared.resumed.position[0] - 1)
            epochs = max(1, epochs - done)
        seconds = found.once_seconds + epochs * found.epoch_seconds
        return time.monotonic() + seconds > self._end
