"""A prediction whose model and data are read and checked."""

from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np

from helixer_ft.adaptation.adapt import adapt_model
from helixer_ft.adaptation.adapted import Adaptation
from helixer_ft.dataset.coverage import CoverageWanted
from helixer_ft.errors import InputError, Interrupted
from helixer_ft.formats.data_h5 import DataFile
from helixer_ft.genome.fasta import open_fasta
from helixer_ft.inference.coverage import wanted_coverage
from helixer_ft.inference.request import PredictRequest
from helixer_ft.inference.selection import select_sequences, tell_of_padding
from helixer_ft.inference.shares import windows_per_row
from helixer_ft.inference.source import DataFileSource, FastaSource, Source
from helixer_ft.inference.windows import Overlap
from helixer_ft.network.coverage import track_list
from helixer_ft.network.model import TrainedModel, load_model
from helixer_ft.progress import Progress


@dataclass(frozen=True)
class PreparedPrediction:
    """What is predicted, by what.

    Attributes
    ----------
    request
        What was asked for.
    model
        The network, with the statistics of `adaptation`, where there is one.
    source, overlap
        The rows, and the windows that they are predicted in.
    """

    request: PredictRequest
    model: TrainedModel
    source: Source
    overlap: Overlap
    adaptation: Adaptation | None = None

    @property
    def n_windows(self) -> int:
        """Windows that the network sees."""
        return sum(map(self.overlap.count, self.source.ranges))

    @property
    def windows_of_rows(self) -> np.ndarray:
        """(rows,) windows that begin in each row, of those that are skipped none."""
        windows = np.zeros(self.source.n_rows, np.int64)
        windows[~self.source.skipped] = windows_per_row(self.source.ranges, self.overlap)
        return windows

    @property
    def outputs(self) -> int:
        """Outputs of the model: 1, or 2 with phase."""
        return len(self.model.architecture.outputs)


def prepare_prediction(
    request: PredictRequest, stack: ExitStack, progress: Progress
) -> PreparedPrediction:
    """Read the model, open what is predicted on, and check both.

    Parameters
    ----------
    request
        What is asked for.
    stack
        Closes the genome.
    progress
        Reports what is read.

    Raises
    ------
    InputError
        Files or options that cannot be used.
    Interrupted
        `progress` said so.
    """
    model = load_model(request.load_model_path)
    pool = model.architecture.pool_size
    _check_model(request, model)
    coverage = wanted_coverage(request, model)
    if request.fasta is not None:
        request.windows(request.genome_length, pool)
    source = _open_source(request, coverage, stack, progress)
    if source.coverage is not None:
        model = model.with_coverage(source.coverage, str(request.load_model_path))
        progress.notice(
            f"coverage: {track_list(source.coverage.tracks)}; prefix "
            f"{source.coverage.prefix}, normalisation {source.coverage.normalization}"
        )
    if request.gff3_out is not None:
        source.check_whole()
    overlap = request.windows(source.length, pool)
    if overlap.removed:
        progress.notice(
            f"the last {overlap.removed} of {overlap.length} bases of a window are not predicted: "
            f"the model pools {pool} bases (make data of a length divisible by that)"
        )
    adaptation = None
    if request.adapt:
        assert isinstance(source, FastaSource), "the request says so"
        try:
            genome = source.whole_genome(request.exclude)
            adaptation = adapt_model(model, genome, request.batchnorm_mix, progress)
        except Interrupted as error:
            text = "nothing was predicted yet, so the run will start from the beginning."
            raise Interrupted(text) from error
        model = adaptation.model
    return PreparedPrediction(request, model, source, overlap, adaptation)


def _check_model(request: PredictRequest, model: TrainedModel) -> None:
    architecture = model.architecture
    if request.predict_phase:
        model.require_phase(request.load_model_path)
    if request.gff3_out is not None and not architecture.has_phase:
        raise InputError(
            f"{request.load_model_path}: predicts no phase, without which HelixerPost makes no "
            "gene models. Take a model that does, or leave --gff3-out out."
        )
    length, pool = request.genome_length, architecture.pool_size
    if request.fasta is not None and length % pool:
        below = length // pool * pool
        choice = f"{below} or {below + pool}" if below else str(pool)
        raise InputError(
            f"--subsequence-length is {length}, expected a multiple of {pool}, the bases that the "
            f"model pools into one step. Take {choice}."
        )


def _open_source(
    request: PredictRequest,
    wanted: CoverageWanted | None,
    stack: ExitStack,
    progress: Progress,
) -> Source:
    if request.test_data is not None:
        file = DataFile(
            request.test_data, labels=False, coverage_prefix=wanted.prefix if wanted else None
        )
        coverage = wanted.found_in([file]) if wanted else None
        data = DataFileSource(file, single_rows=not request.overlap, coverage=coverage)
        tell_of_padding(data, None, progress)
        return data
    assert request.fasta is not None
    fasta = stack.enter_context(
        open_fasta(request.fasta, scratch=request.output.parent, progress=progress)
    )
    lengths = select_sequences(fasta.lengths, request, progress)
    genome = FastaSource(
        fasta, request.genome_length, request.genome_species, lengths, request.shortest_computed
    )
    tell_of_padding(genome, lengths, progress)
    return genome
