"""Whether the coding genes of an annotation can be learnt from, and if not, for which reason."""

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from helixer_ft.errors import InputError
from helixer_ft.genome.annotation import Gene
from helixer_ft.preparation.masks import ERRORS
from helixer_ft.preparation.survey import GeneRecord

MOST = 0.5
"""Share of the coding genes that are unusable for one reason which calls for a warning."""
_EXAMPLES = 3

_REMEDIES = {
    "unknown_parent": "Give each CDS the ID of its transcript as Parent (in GTF: transcript_id).",
    "no_strand": "Give genes, exons and CDS a strand, + or -.",
    "mixed_strands": "Give each gene its own ID, and one strand.",
    "cds_outside_exons": "Correct exons or CDS, or leave the exon lines out: they are then made "
    "from CDS and UTRs.",
    "end_before_start": "Write the lower coordinate first, on both strands.",
    "beyond_end": "Give genome and annotation of the same version of the assembly.",
    "pseudogene": "Give an annotation with protein-coding genes.",
    "untrusted": "Name other genes with --genes.",
    "unknown_phase": "Give CDS lines their phases, and the genome of the same version.",
    "frame_shift": "Correct the phases of the CDS lines, or leave them out ('.').",
}


def refuse_untrusted(path: Path, genes: Iterable[Gene]) -> None:
    """Refuse an annotation none of whose coding genes can be trusted.

    Raises
    ------
    InputError
        Such an annotation; with the reasons.
    """
    coding = [gene for gene in genes if gene.coding]
    if coding and not any(gene.trusted for gene in coding):
        raise _unusable(path, [(gene.problem or "untrusted", _place(gene)) for gene in coding])


def refuse_unusable(path: Path, genes: Sequence[GeneRecord]) -> None:
    """Refuse an annotation none of whose coding genes is usable.

    Raises
    ------
    InputError
        Such an annotation; with the reasons.
    """
    if genes and not any(gene.usable for gene in genes):
        raise _unusable(path, [(gene.reason, _place(gene)) for gene in genes])


def unusable_warning(genes: Sequence[GeneRecord]) -> str | None:
    """Say for which reason most genes cannot be used; None if there is no such reason.

    Genes that the user does not trust do not count.
    """
    asked = [gene for gene in genes if gene.reason != "untrusted"]
    reasons = Counter(gene.reason for gene in asked if not gene.usable)
    if not reasons:
        return None
    reason, n = reasons.most_common(1)[0]
    if n < MOST * len(asked):
        return None
    examples = [_place(gene) for gene in asked if gene.reason == reason]
    return (
        f"{n:,} of {len(asked):,} coding genes ({n / len(asked):.0%}) cannot be used for one "
        f"reason: {_reason(reason, examples)}. {_remedy(reason)}"
    )


def _unusable(path: Path, genes: Sequence[tuple[str, str]]) -> InputError:
    counts = Counter(reason for reason, _ in genes)
    everyone = f"all {len(genes):,} are" if len(genes) > 1 else "the only one is"
    parts = []
    for reason, n in counts.most_common(_EXAMPLES):
        parts.append(f"{n:,} for {_reason(reason, [at for r, at in genes if r == reason])}")
    return InputError(
        f"{path}: no coding gene can be used: {everyone} masked, {', '.join(parts)}. "
        f"{_remedy(counts.most_common(1)[0][0])}"
    )


def _reason(reason: str, examples: Sequence[str]) -> str:
    return f"{reason} ({ERRORS[reason]}, as {'; '.join(examples[:_EXAMPLES])})"


def _remedy(reason: str) -> str:
    return _REMEDIES.get(
        reason,
        "Look at these genes, and whether genome and annotation are of the same version; "
        "docs/labels.md says what each reason means.",
    )


def _place(gene: Gene | GeneRecord) -> str:
    return f"{gene.id} on line {gene.line:,}" if gene.line else gene.id
