"""What a prediction is asked to do; defaults live here alone, command line and docs read them."""

from dataclasses import dataclass, field
from pathlib import Path

from helixer_ft.adaptation.mix import AUTO_MIX, Mix, check_mix
from helixer_ft.errors import InputError
from helixer_ft.formats.data_names import DEFAULT_LENGTH, check_longest, check_species, species_of
from helixer_ft.formats.input_file import real_path, refuse_overwriting
from helixer_ft.inference.windows import Windowed
from helixer_ft.settings import (
    Precision,
    TrainingSettings,
    check_minutes,
    check_precision,
    option,
    require,
)

DEFAULT_OUTPUT = "predictions.h5"
JOURNAL = ".journal"
"""Appended to the name of an output while it is made."""


@dataclass(frozen=True)
class HelixerPostSettings:
    """What HelixerPost is given, in its order; Helixer.py's defaults.

    Attributes
    ----------
    window_size
        Size of the window that slides over the genic score, in bp.
    edge_threshold
        Genic score of a window, 0 to 1, at which a candidate region begins and ends.
    peak_threshold
        Genic score that a window of a candidate region must reach.
    min_coding_length
        Genes with a shorter coding sequence, in bp, are left out.
    """

    window_size: int = 100
    edge_threshold: float = 0.1
    peak_threshold: float = 0.8
    min_coding_length: int = 60

    def __post_init__(self) -> None:
        require("window_size", self.window_size, 1)
        require("min_coding_length", self.min_coding_length, 0)
        for name in ("edge_threshold", "peak_threshold"):
            if not 0 <= getattr(self, name) <= 1:
                raise InputError(
                    f"{option(name)} is {getattr(self, name)}, expected a score between 0 and 1."
                )


@dataclass(frozen=True)
class PredictRequest(Windowed):
    """One run of `predict`.

    Attributes
    ----------
    load_model_path
        The model.
    prediction_output_path
        File to write; None: predictions are not kept, but for gene models.
    test_data, fasta
        What is predicted on: a data file or a genome; one of the two.
    species
        Species of the genome, for the record; None: from the FASTA's name.
    subsequence_length
        Bases of a window, for FASTA input; None: the default.
    exclude, seqids
        Sequences of the genome that are left out, and those that alone are predicted (empty: all).
    min_length
        Shorter sequences, in bp, are left out too, and all others are computed; None: none is left
        out, but some are not computed (see `shortest_computed`).
    overlap
        Predict in overlapping windows and average.
    overlap_offset, core_length
        In bp; None: 1/2 and 3/4 of the subsequence length.
    pool_offsets
        Average over places of the bases within the network's pooled steps too: windows are half a
        step nearer to one another than `overlap_offset` by default.
    val_test_batch_size
        Windows at once; None: as many as fit into memory.
    precision
        Precision of the computation.
    coverage_prefix, coverage_norm
        Of the coverage that a model takes which does not say so itself (Helixer's own); None: the
        model's.
    adapt
        Predict with the batch-norm statistics of the genome, of all its sequences but those
        excluded; FASTA input alone.
    batchnorm_mix
        Their share, 0 to 1; "auto": by how far they shift.
    gff3_out
        File to write gene models to, which HelixerPost makes of the predictions; None: none.
    helixerpost
        What HelixerPost is given.
    predict_phase
        The model must predict phase (HybridModel.py's option name).
    resume
        Resume an interrupted run of the same request; with nothing to resume, start.
    checkpoint_minutes
        Most minutes of work that a failure of the machine may cost.
    force
        Overwrite what is written.
    skip_device_check
        Whether it was left out to compare the device with the CPU; for the record.
    command_line
        As it was typed, for the record.
    """

    load_model_path: Path
    prediction_output_path: Path | None = Path(DEFAULT_OUTPUT)
    test_data: Path | None = None
    fasta: Path | None = None
    species: str | None = None
    subsequence_length: int | None = None
    exclude: tuple[str, ...] = ()
    seqids: tuple[str, ...] = ()
    min_length: int | None = None
    overlap: bool = True
    overlap_offset: int | None = None
    core_length: int | None = None
    pool_offsets: bool = False
    val_test_batch_size: int | None = None
    precision: Precision = "float32"
    coverage_prefix: str | None = None
    coverage_norm: str | None = None
    adapt: bool = False
    batchnorm_mix: Mix = AUTO_MIX
    gff3_out: Path | None = None
    helixerpost: HelixerPostSettings = field(default_factory=HelixerPostSettings)
    predict_phase: bool = False
    resume: bool = False
    checkpoint_minutes: float = TrainingSettings.checkpoint_minutes
    force: bool = False
    skip_device_check: bool = False
    command_line: str = ""

    def __post_init__(self) -> None:
        if (self.test_data is None) == (self.fasta is None):
            found = "neither --test-data nor --fasta" if self.fasta is None else "both of them"
            raise InputError(
                f"there is {found}, expected one: a data file (-t), or a genome (--fasta)."
            )
        if self.fasta is None:
            for name in ("species", "subsequence_length"):
                if getattr(self, name) is not None:
                    raise InputError(
                        f"{option(name)} requires --fasta: a data file says it itself. Leave it "
                        "out."
                    )
            for name in ("exclude", "seqids", "min_length"):
                if getattr(self, name):
                    raise InputError(
                        f"{option(name)} requires --fasta: predictions have the rows of the data "
                        "file. Leave it out, or make the data without those sequences "
                        "(helixer-ft prepare --exclude)."
                    )
        check_mix(self.batchnorm_mix)
        if self.adapt and self.fasta is None:
            raise InputError(
                "--adapt requires --fasta: it takes the statistics of a genome. To adapt to a data "
                "file, run helixer-ft adapt -t first, and predict with what it writes."
            )
        if not self.adapt and self.batchnorm_mix != AUTO_MIX:
            raise InputError("--batchnorm-mix requires --adapt. Add it, or leave the mix out.")
        if both := sorted(set(self.exclude) & set(self.seqids)):
            raise InputError(f"{', '.join(both)}: in --seqids and in --exclude. Choose one.")
        if self.species is not None:
            check_species(self.species)
        for name in (
            "subsequence_length", "min_length", "overlap_offset", "core_length",
            "val_test_batch_size",
        ):  # fmt: skip
            require(name, getattr(self, name), 1)
        if self.subsequence_length is not None:
            check_longest(self.subsequence_length)
        if not self.overlap and (self.overlap_offset or self.core_length):
            raise InputError(
                "--overlap-offset and --core-length contradict --no-overlap. Leave one out."
            )
        check_precision(self.precision)
        check_minutes(self.checkpoint_minutes)
        outputs = {
            "--prediction-output-path": self.prediction_output_path,
            "--gff3-out": self.gff3_out,
        }
        given = {name: real_path(path) for name, path in outputs.items() if path is not None}
        if not given:
            raise InputError("there is nothing to write. Give --prediction-output-path.")
        if len(set(given.values())) < len(given):
            raise InputError(f"{self.gff3_out}: is given twice. Give --gff3-out another path.")
        for name, output in given.items():
            refuse_overwriting((self.load_model_path, self.test_data, self.fasta), [output], name)

    @property
    def output(self) -> Path:
        """What is written, or what is written first."""
        path = self.prediction_output_path or self.gff3_out
        assert path is not None
        return path

    @property
    def journal_path(self) -> Path:
        """Where predicted rows are kept until all are done."""
        return self.output.with_name(self.output.name + JOURNAL)

    @property
    def genome_length(self) -> int:
        """L of FASTA input."""
        return self.subsequence_length or DEFAULT_LENGTH

    @property
    def genome_species(self) -> str:
        """Species of FASTA input."""
        assert self.fasta is not None
        return self.species or species_of(self.fasta)

    @property
    def shortest_computed(self) -> int:
        """Bases of the shortest sequence of a genome that is computed, unless `min_length` says.

        HelixerPost makes no gene of a shorter one, and each costs two whole windows.
        """
        return 0 if self.min_length is not None else self.helixerpost.min_coding_length
