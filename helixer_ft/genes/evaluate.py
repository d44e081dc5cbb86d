"""Two annotations and their genome -> how well one predicts the other."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from helixer_ft.errors import InputError
from helixer_ft.formats.input_file import check_input_file
from helixer_ft.genes.open_reading_frames import OpenReadingFrames, count_open_reading_frames
from helixer_ft.genes.scores import GeneComparison, Level, compare
from helixer_ft.genes.structures import Selection, select
from helixer_ft.genome.annotation import Annotation, Notice
from helixer_ft.genome.fasta import Fasta, open_fasta
from helixer_ft.genome.gff3 import WHAT
from helixer_ft.genome.mending import read_genes
from helixer_ft.genome.notices import MASKED, some
from helixer_ft.progress import Progress

STOP_OUTSIDE = 0.5
"""Share of transcripts with the stop codon after the CDS that makes this the habit of a file."""
_SHOWN = 3


@dataclass(frozen=True)
class GeneEvaluation:
    """Predicted genes against a reference.

    Attributes
    ----------
    predicted_path, reference_path
        The files.
    seqids
        The sequences compared.
    reference, predicted
        The genes compared, and what was left out.
    comparison
        Levels, and the genes that only one has.
    frames
        "reference", "predicted" -> completeness of their coding transcripts.
    notices, warnings
        What the user should know.
    """

    predicted_path: Path
    reference_path: Path
    seqids: tuple[str, ...]
    reference: Selection
    predicted: Selection
    comparison: GeneComparison
    frames: Mapping[str, OpenReadingFrames]
    notices: tuple[str, ...]
    warnings: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """As `--json` prints it."""
        sides = {"reference": self.reference, "predicted": self.predicted}
        comparison = self.comparison
        return {
            "predicted": str(self.predicted_path),
            "reference": str(self.reference_path),
            "sequences": list(self.seqids),
            "genes": {name: len(side.genes) for name, side in sides.items()},
            "transcripts": {name: side.transcripts for name, side in sides.items()},
            "exons": {name: _level_dict(level) for name, level in comparison.exons.items()},
            "coding": {name: _level_dict(level) for name, level in comparison.coding.items()},
            "only_reference": list(comparison.only_reference),
            "only_predicted": list(comparison.only_predicted),
            "open_reading_frames": {
                name: asdict(frames) | {"complete_share": frames.complete_share}
                for name, frames in self.frames.items()
            },
            "left_out": {name: left_out_dict(side) for name, side in sides.items()},
            "warnings": list(self.warnings),
        }


def evaluate_genes(
    predicted: Path,
    reference: Path,
    fasta: Path,
    *,
    seqids: Sequence[str] = (),
    progress: Progress | None = None,
) -> GeneEvaluation:
    """Score predicted genes against a reference.

    Parameters
    ----------
    predicted, reference
        GFF3 or GTF, plain or gzip.
    fasta
        The genome of both, plain, gzip or bgzip.
    seqids
        Compare on these sequences; none: on those where the reference has coding genes.
    progress
        Reports what is read.

    Raises
    ------
    InputError
        Files that cannot be used, without coding genes, or whose sequence names do not match; a
        name of `seqids` that the genome does not have, or no coding gene of the reference there.
    """
    progress = progress or Progress()
    for path in (predicted, reference):
        check_input_file(path, WHAT)
    with open_fasta(fasta, progress=progress) as genome:
        truth = read_genes(reference, genome, progress=progress)
        guess = read_genes(predicted, genome, progress=progress)
        chosen = _sequences(seqids, truth, genome, reference)
        selections = {"reference": select(truth, chosen), "predicted": select(guess, chosen)}
        if not selections["reference"].genes:
            raise InputError(
                f"{reference}: has no coding gene on {some(chosen)}, expected some. "
                "Name other sequences with --seqids, or leave it out."
            )
        _check_shared(seqids, selections, reference, predicted)
        frames = count_open_reading_frames(
            {name: selection.genes for name, selection in selections.items()}, genome, progress
        )
    paths = {"reference": reference, "predicted": predicted}
    return GeneEvaluation(
        predicted_path=predicted,
        reference_path=reference,
        seqids=chosen,
        reference=selections["reference"],
        predicted=selections["predicted"],
        comparison=compare(selections["reference"].genes, selections["predicted"].genes),
        frames=frames,
        notices=(
            *reader_notices(reference, truth.notices),
            *reader_notices(predicted, guess.notices),
            *(text for n, path in paths.items() for text in left_out(path, selections[n])),
        ),
        warnings=tuple(_warnings(paths, selections, frames)),
    )


def _sequences(
    asked: Sequence[str], reference: Annotation, genome: Fasta, path: Path
) -> tuple[str, ...]:
    """The sequences to compare on, in the order of the genome."""
    check_seqids(asked, genome)
    if asked:
        return tuple(name for name in genome.lengths if name in asked)
    return tuple(
        name for name in genome.lengths if any(gene.coding for gene in reference.genes[name])
    )


def check_seqids(asked: Sequence[str], genome: Fasta) -> None:
    """Refuse names of sequences that the genome does not have."""
    unknown = [name for name in asked if name not in genome.lengths]
    if unknown:
        raise InputError(
            f"--seqids: {genome.path} has no sequence {some(unknown)}; it has "
            f"{some(genome.lengths)}. Give names as in the FASTA, up to the first blank."
        )


def _check_shared(
    asked: Sequence[str], selections: Mapping[str, Selection], reference: Path, predicted: Path
) -> None:
    """Refuse files whose genes are on different sequences throughout."""
    other = selections["predicted"]
    if not asked and not other.genes and other.elsewhere:
        there = list(dict.fromkeys(gene.seqid for gene in selections["reference"].genes))
        raise InputError(
            f"{predicted} and {reference} have no sequence in common: the former has coding genes "
            f"on {some(other.elsewhere)}, the latter on {some(there)}. Give files of the "
            "same sequences, or name those to compare with --seqids."
        )


def reader_notices(path: Path, notices: Sequence[Notice]) -> list[str]:
    """What was met in a file, but for what is only masked in labels."""
    return [f"{path.name}: {notice}" for notice in notices if not notice.kind.startswith(MASKED)]


def left_out_dict(selection: Selection) -> dict[str, Any]:
    """What of a file is not compared, as `--json` prints it."""
    return {
        "elsewhere": selection.elsewhere,
        "noncoding": selection.noncoding,
        "without_place": list(selection.without_place),
    }


def left_out(path: Path, selection: Selection) -> list[str]:
    """What of a file is not compared, in words."""
    result = []
    if selection.elsewhere:
        counts = Counter(selection.elsewhere).most_common(_SHOWN)
        more = ", ..." if len(selection.elsewhere) > _SHOWN else ""
        result.append(
            f"{path.name}: {sum(selection.elsewhere.values()):,} coding gene(s) on "
            f"{len(selection.elsewhere):,} sequence(s) that are not compared ("
            + ", ".join(f"{name}: {count:,}" for name, count in counts)
            + f"{more})"
        )
    if selection.noncoding:
        result.append(f"{path.name}: {selection.noncoding:,} gene(s) without CDS are not compared")
    if selection.without_place:
        result.append(
            f"{path.name}: {len(selection.without_place):,} gene(s) without strand, in several "
            "places, beyond a sequence's end or ending before they start are not compared "
            f"({some(selection.without_place)})"
        )
    return result


def _warnings(
    paths: Mapping[str, Path],
    selections: Mapping[str, Selection],
    frames: Mapping[str, OpenReadingFrames],
) -> list[str]:
    result = []
    if not selections["predicted"].genes:
        result.append(f"{paths['predicted']}: has no coding gene on the sequences compared")
    for name, path in paths.items():
        counts = frames[name]
        if counts.stop_behind > STOP_OUTSIDE * counts.transcripts:
            result.append(
                f"{path}: the CDS of {counts.stop_behind:,} of {counts.transcripts:,} transcripts "
                "ends before the stop codon. In GFF3 the stop codon is part of the CDS: where "
                "only one of two files has it, no last coding exon and no gene can match."
            )
    return result


def _level_dict(level: Level) -> dict[str, float | int | None]:
    return asdict(level) | {"recall": level.recall, "precision": level.precision, "f1": level.f1}
