"""From nothing to predictions of a tuned model: steps are command lines, run in the process."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from helixer_ft.comparison.compare import compare
from helixer_ft.comparison.outcome import CompareOutcome
from helixer_ft.comparison.progress import CompareProgress
from helixer_ft.coverage.add import add_coverage
from helixer_ft.demo.files import DemoFiles
from helixer_ft.demo.outcome import DemoOutcome, StepRecord
from helixer_ft.demo.request import DemoRequest
from helixer_ft.demo.steps import Step, Steps
from helixer_ft.errors import HelixerFtError
from helixer_ft.formats.atomic import write_bytes
from helixer_ft.inference.predict import predict
from helixer_ft.preparation.prepare import prepare
from helixer_ft.report import write_comparison, write_report
from helixer_ft.runtime.backend import versions
from helixer_ft.simulate.files import SOURCE_MODEL, held_out, to_fasta, to_gff3
from helixer_ft.simulate.genome import SimulatedGenome, simulate
from helixer_ft.simulate.reads import write_reads
from helixer_ft.simulate.species import TARGET

STEPS = 5

Parse = Callable[[Sequence[str]], Any]
"""The words of a command -> its request to the library, with --force."""


class DemoProgress(CompareProgress):
    """Progress of a demonstration."""

    def step(self, number: int, total: int, title: str, command: str | None) -> None:
        """A step begins; None: it has no command."""

    def result(self, text: str, seconds: float) -> None:
        """The result of the step."""


def demo(request: DemoRequest, parse: Parse, progress: DemoProgress | None = None) -> DemoOutcome:
    """Simulate a species, tune the shipped model to it in several ways, predict.

    Parameters
    ----------
    request
        What is asked for.
    parse
        Turns the commands that are shown into requests.
    progress
        Receives each step.

    Raises
    ------
    InputError
        The folder is unsuitable.
    HelixerFtError
        A step failed; what the steps before it wrote is complete.
    """
    return _Demo(request, parse, progress or DemoProgress()).run()


class _Demo:
    def __init__(self, request: DemoRequest, parse: Parse, progress: DemoProgress) -> None:
        self.request = request
        self.parse = parse
        self.progress = progress
        self.files = DemoFiles(request.out_dir)
        self.done: list[StepRecord] = []
        self.summary = ""

    def run(self) -> DemoOutcome:
        started = time.monotonic()
        steps = Steps(self.request, self.files)
        self.files.check(force=self.request.force)
        with self._timed("A species of yours and its RNA-seq, simulated", None):
            genome = self._simulate()
        with self._step(steps.prepare(*held_out(genome))) as asked:
            sets = prepare(asked, self.progress).sets
            self.summary = ", ".join(
                f"{name}: {part.subsequences:,} windows" for name, part in sets.items()
            )
        with self._step(steps.add_coverage()) as asked:
            (track,) = add_coverage(asked, self.progress).tracks
            self.summary = f"{track.reads:,} reads, {track.covered_share:.0%} of the bases covered"
        comparison = self._compare(steps.compare())
        with self._step(steps.predict(comparison.recommendation.row.path)) as asked:
            prediction = predict(asked, self.progress)
            self.summary = f"{prediction.bases / 1e6:.2f} Mb of both strands"
        return DemoOutcome(
            request=self.request,
            steps=tuple(self.done),
            comparison=comparison,
            prediction=prediction,
            seconds=time.monotonic() - started,
            versions=versions(),
        )

    @contextmanager
    def _step(self, step: Step) -> Iterator[Any]:
        """Report a step and its command; gives the request that the command makes."""
        with self._timed(step.title, step.command):
            yield self.parse(step.words)

    @contextmanager
    def _timed(self, title: str, command: str | None) -> Iterator[None]:
        """Report a step; the block leaves its result in `summary`."""
        started = time.monotonic()
        self.progress.step(len(self.done) + 1, STEPS, title, command)
        yield
        self.done.append(StepRecord(title, command, time.monotonic() - started))
        self.progress.result(self.summary, self.done[-1].seconds)

    def _simulate(self) -> SimulatedGenome:
        """Write genome, genes, reads and the shipped model; returns the genome."""
        request, size, files = self.request, self.request.size, self.files
        files.make_folders()
        write_bytes(files.source_model, SOURCE_MODEL.read_bytes(), force=True)
        genome = simulate(TARGET, size.sequences, size.sequence_length, request.seed)
        write_bytes(files.genome, to_fasta(genome))
        write_bytes(files.genes, to_gff3(genome))
        n_reads = write_reads(files.reads, genome, request.seed)
        bases = sum(map(len, genome.sequences.values()))
        self.summary = (
            f"{bases / 1e6:.2f} Mb in {len(genome.sequences)} sequences, "
            f"{len(genome.genes)} genes, {n_reads:,} reads"
        )
        return genome

    def _compare(self, step: Step) -> CompareOutcome:
        """Every strategy, from the untouched model to a recommendation."""
        with self._step(step) as asked:
            outcome = compare(asked, self.progress, report=write_report, page=write_comparison)
            take = outcome.recommendation
            self.summary = f"recommended: {take.row.name}"
        for name, error in outcome.failed.items():
            raise HelixerFtError(f"{name}: {error}")
        return outcome
