"""From nothing to predictions of a tuned model: steps are command lines, run in the process."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from helixer_ft.coverage.add import add_coverage
from helixer_ft.demo.files import COVERAGE, HEAD, HIDDEN_LAYER, WHOLE, DemoFiles
from helixer_ft.demo.outcome import DemoOutcome, Scored, StepRecord, StrategyRow
from helixer_ft.demo.request import DemoRequest
from helixer_ft.demo.steps import Step, Steps
from helixer_ft.evaluation.evaluate import evaluate
from helixer_ft.formats.atomic import write_bytes
from helixer_ft.inference.predict import predict
from helixer_ft.preparation.prepare import prepare
from helixer_ft.report import SummaryRow, write_report, write_summary
from helixer_ft.runtime.backend import versions
from helixer_ft.simulate.files import SOURCE_MODEL, SOURCE_SEED, held_out, to_fasta, to_gff3
from helixer_ft.simulate.genome import SimulatedGenome, simulate
from helixer_ft.simulate.reads import write_reads
from helixer_ft.simulate.species import SOURCE, TARGET
from helixer_ft.training.fine_tune import fine_tune
from helixer_ft.training.history import TrainingProgress
from helixer_ft.training.run_folder import RunFolder

STEPS = 10

Parse = Callable[[Sequence[str]], Any]
"""The words of a command -> its request to the library, with --force."""


class DemoProgress(TrainingProgress):
    """Progress of a demonstration."""

    def step(self, number: int, total: int, title: str, command: str | None) -> None:
        """A step begins; None: it has no command."""

    def result(self, text: str, seconds: float) -> None:
        """The result of the step."""


def demo(request: DemoRequest, parse: Parse, progress: DemoProgress | None = None) -> DemoOutcome:
    """Simulate a species, tune the shipped model to it in four ways, predict.

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
        with self._timed("Two species and RNA-seq of yours, simulated", None):
            genome = self._simulate()
        for step in (steps.prepare_source(), steps.prepare_target(*held_out(genome))):
            with self._step(step) as asked:
                sets = prepare(asked, self.progress).sets
                self.summary = ", ".join(
                    f"{name}: {part.subsequences:,} windows" for name, part in sets.items()
                )
        at_home, abroad = self._evaluate(steps.evaluate())
        rows = [self._tune(steps.tune(HEAD)), self._tune(steps.tune(HIDDEN_LAYER))]
        with self._step(steps.add_coverage()) as asked:
            (track,) = add_coverage(asked, self.progress).tracks
            self.summary = f"{track.reads:,} reads, {track.covered_share:.0%} of the bases covered"
        rows += [self._tune(steps.tune(COVERAGE)), self._tune(steps.tune(WHOLE))]
        best = max(rows, key=lambda row: row.validation_f1)
        with self._step(steps.predict(best.request.save_model_path)) as asked:
            prediction = predict(asked, self.progress)
            self.summary = f"{prediction.bases / 1e6:.2f} Mb of both strands"
        outcome = DemoOutcome(
            request=self.request,
            steps=tuple(self.done),
            at_home=at_home,
            abroad=abroad,
            rows=tuple(rows),
            prediction=prediction,
            seconds=time.monotonic() - started,
            versions=versions(),
        )
        _write_summary(outcome, self.files.report)
        return outcome

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
        """Write genomes, genes, reads and the shipped model; returns the target's genome."""
        request, size, files = self.request, self.request.size, self.files
        files.make_folders()
        write_bytes(files.source_model, SOURCE_MODEL.read_bytes(), force=True)
        # not the seed of the genome that the model was trained on
        source_seed = SOURCE_SEED + 1 + request.seed
        source = simulate(SOURCE, size.source_sequences, size.sequence_length, source_seed)
        genome = simulate(TARGET, size.sequences, size.sequence_length, request.seed)
        write_bytes(files.source_genome, to_fasta(source))
        write_bytes(files.source_genes, to_gff3(source))
        write_bytes(files.genome, to_fasta(genome))
        write_bytes(files.genes, to_gff3(genome))
        n_reads = write_reads(files.reads, genome, request.seed)
        bases = sum(map(len, genome.sequences.values()))
        self.summary = (
            f"yours: {bases / 1e6:.2f} Mb in {len(genome.sequences)} sequences, "
            f"{len(genome.genes)} genes, {n_reads:,} reads"
        )
        return genome

    def _evaluate(self, step: Step) -> tuple[Scored, Scored]:
        """The untouched model on the source and on the target species."""
        with self._step(step) as asked:
            parts = evaluate(asked, self.progress).files
            at_home, abroad = (Scored.of(part.models[0].confusion) for part in parts)
            self.summary = f"genic F1 {at_home.genic_f1:.4f} and {abroad.genic_f1:.4f}"
        return at_home, abroad

    def _tune(self, step: Step) -> StrategyRow:
        """One strategy, from the untouched model to its verdict on the test data."""
        with self._step(step) as asked:
            outcome = fine_tune(asked, self.progress, report=write_report)
            report = RunFolder(asked.save_model_path).report_path
            row = StrategyRow(
                request=asked,
                scores=SummaryRow.of(outcome, strategy=asked.strategy.typed, report=report),
                validation_f1=outcome.best.validation.genic_f1,
                warnings=tuple(outcome.all_warnings),
            )
            scores = row.scores
            self.summary = (
                f"{scores.verdict}: genic F1 {scores.before:.4f} -> {scores.after:.4f}, "
                f"wrong bases {scores.errors_before:.1%} -> {scores.errors_after:.1%}"
            )
            for text in row.warnings:
                self.progress.warning(text)
        return row


def _write_summary(outcome: DemoOutcome, path: Path) -> None:
    """A page with the table and links to the pages of the runs."""
    home = outcome.at_home
    write_summary(
        [row.scores for row in outcome.rows],
        path,
        title="A trained model, tuned to another species in four ways",
        introduction=outcome.conclusions(),
        notes=(
            "Scores are of the test data: sequences that neither training nor the choice of a "
            "model saw. Both species are simulated.",
            f"On held-out sequences of the species that it was trained on, the untouched model "
            f"has a genic F1 of {home.genic_f1:.4f} and {home.errors:.1%} wrong bases.",
        ),
    )
