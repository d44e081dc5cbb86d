"""What pseudo-labelling is asked to do; its defaults live here alone."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal, get_args

from helixer_ft.coverage.request import AUTO, STRANDEDNESS
from helixer_ft.errors import InputError
from helixer_ft.formats.data_names import DEFAULT_LENGTH, check_length, check_species, species_of
from helixer_ft.formats.input_file import real_path
from helixer_ft.settings import (
    Precision,
    TrainingSettings,
    check_minutes,
    check_precision,
    option,
    require,
)

MIN_GENES = 200
"""Genes that must pass: fewer are no annotation (the field's rule of thumb, see `prepare`)."""

Genes = Literal["all", "passing"]
ALL: Genes = "all"
PASSING: Genes = "passing"
CONFIDENCE = {"keep": 0.5, "min_confidence": 0.8, "intergenic_confidence": 0.9}
"""What is chosen by confidence among the genes that pass, and its default."""


@dataclass(frozen=True)
class PseudoLabelRequest:
    """One run of `pseudo-label`.

    Attributes
    ----------
    load_model_paths
        The teachers: trained models whose predictions are averaged.
    fasta
        The genome.
    out_dir
        Folder to write to.
    bams
        Spliced RNA-seq reads, aligned to the genome, taken together; none: no reads.
    strandedness
        Of all `bams`: "auto", "reverse", "forward" or "unstranded".
    species
        Name in the data files; None: from the FASTA's name.
    subsequence_length
        Bases of a row, a multiple of 9.
    exclude
        Sequences that are left out (organelles).
    genes
        Which are labelled. "all": every gene of HelixerPost that reads do not contradict;
        "passing": those that pass the gate, chosen by confidence and reads. None: "passing" where
        one of the next three is given, else "all"; see `which_genes`.
    keep
        Share of the genes that pass which is kept, the most confident ones of each stratum.
    min_confidence
        Genes below are never kept for their confidence.
    intergenic_confidence
        Probability from which on bases outside genes are labelled intergenic. None, here and in the
        two before: what `CONFIDENCE` has, if genes are chosen by confidence ("passing").
    min_cds
        Genes with a shorter coding sequence, in bp, fail; they are labelled where all genes are.
    max_copies
        Families of more near-identical genes fail; as before.
    min_junction_reads
        Spliced reads, of all `bams` together, that support an intron.
    previous
        Folder of the round before, whose student is the teacher now; None: the first round.
    seed
        Of the split, and of which intergenic bases are left out.
    val_test_batch_size, precision, checkpoint_minutes, skip_device_check
        As `predict` takes them.
    threads
        That label and write; None: one per processor.
    resume
        Take up the predictions of an interrupted run of the same models and genome.
    dry_run
        Check everything that can be checked before anything is predicted; write nothing.
    force
        Overwrite files of an earlier run.
    command_line
        As it was typed, for the record.
    min_genes
        Fewer genes that pass are refused.
    """

    load_model_paths: tuple[Path, ...]
    fasta: Path
    out_dir: Path
    bams: tuple[Path, ...] = ()
    strandedness: str = AUTO
    species: str | None = None
    subsequence_length: int = DEFAULT_LENGTH
    exclude: tuple[str, ...] = ()
    genes: Genes | None = None
    keep: float | None = None
    min_confidence: float | None = None
    intergenic_confidence: float | None = None
    min_cds: int = 300
    max_copies: int = 10
    min_junction_reads: int = 2
    previous: Path | None = None
    seed: int = 0
    val_test_batch_size: int | None = None
    precision: Precision = "float32"
    checkpoint_minutes: float = TrainingSettings.checkpoint_minutes
    skip_device_check: bool = False
    threads: int | None = None
    resume: bool = False
    dry_run: bool = False
    force: bool = False
    command_line: str = ""
    min_genes: int = MIN_GENES

    def __post_init__(self) -> None:
        if not self.load_model_paths:
            raise InputError("no model is given, expected -l at least once.")
        real = [real_path(path) for path in self.load_model_paths]
        if len(set(real)) < len(real):
            raise InputError(
                "-l names one model twice, which would count twice. Give each model once."
            )
        check_length(self.subsequence_length)
        check_precision(self.precision)
        check_minutes(self.checkpoint_minutes)
        if self.species is not None:
            check_species(self.species)
        for name, least in (
            *(("seed", 0), ("min_cds", 3), ("max_copies", 1), ("min_junction_reads", 1)),
            *(("threads", 1), ("val_test_batch_size", 1), ("min_genes", 1)),
        ):
            require(name, getattr(self, name), least)
        if self.keep is not None and not 0 < self.keep <= 1:
            raise InputError(f"--keep is {self.keep}, expected a share above 0 and at most 1.")
        for name in ("min_confidence", "intergenic_confidence"):
            if not 0 <= self.confidence(name) <= 1:
                raise InputError(
                    f"{option(name)} is {getattr(self, name)}, expected a probability, 0 to 1."
                )
        self._check_genes()
        self._check_reads()
        if self.previous is not None and real_path(self.previous) == real_path(self.out_dir):
            raise InputError(
                f"{self.out_dir}: is the folder of the round before (--previous), which is read. "
                "Give another --out-dir."
            )

    def _check_genes(self) -> None:
        if self.genes not in (None, *get_args(Genes)):
            raise InputError(
                f"--genes is '{self.genes}', expected one of: {', '.join(get_args(Genes))}."
            )
        for name in CONFIDENCE:
            if self.labels_all and getattr(self, name) is not None:
                raise InputError(
                    f"{option(name)} chooses by confidence, but --genes all labels every gene, and "
                    "intergenic all that is between them. Leave one of the two out."
                )

    def _check_reads(self) -> None:
        if self.strandedness not in (AUTO, *STRANDEDNESS):
            raise InputError(
                f"--strandedness is '{self.strandedness}', expected {AUTO}, "
                f"{', '.join(STRANDEDNESS)}."
            )
        for name in ("strandedness", "min_junction_reads"):
            if not self.bams and getattr(self, name) != getattr(PseudoLabelRequest, name):
                raise InputError(
                    f"{option(name)} says how reads are counted, but none are given. Add --bam, or "
                    "leave it out."
                )

    @property
    def which_genes(self) -> Genes:
        """Those that are labelled."""
        if self.genes is not None:
            return self.genes
        return PASSING if any(getattr(self, name) is not None for name in CONFIDENCE) else ALL

    @property
    def labels_all(self) -> bool:
        """Whether genes are labelled whatever they are like."""
        return self.which_genes == ALL

    def confidence(self, name: str) -> float:
        """One of `CONFIDENCE`, as given or by default; 0, which is always reached, of all genes."""
        if self.labels_all:
            return 0.0
        given: float | None = getattr(self, name)
        return CONFIDENCE[name] if given is None else given

    @property
    def predictions(self) -> Path:
        """Folder of the predictions, which are kept there until the labels are written."""
        return self.out_dir / "predictions"

    @property
    def state(self) -> Path:
        """In that folder: what the predictions follow from."""
        return self.predictions / "state.json"

    @property
    def genome_species(self) -> str:
        """Name in the data files."""
        return self.species or species_of(self.fasta)

    def settings(self) -> dict[str, Any]:
        """The options that shape the result, named as on the command line."""
        names = {field.name for field in fields(self)} - {
            *("load_model_paths", "fasta", "out_dir", "bams", "species", "previous"),
            *("val_test_batch_size", "checkpoint_minutes", "skip_device_check", "threads"),
            *("resume", "dry_run", "force", "command_line", "min_genes"),
        }
        chosen: dict[str, Any] = {"genes": self.which_genes}
        for name in CONFIDENCE:
            chosen[name] = None if self.labels_all else self.confidence(name)
        return {name: getattr(self, name) for name in sorted(names)} | chosen
