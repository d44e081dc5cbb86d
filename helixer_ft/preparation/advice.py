"""What to know, and to do, before training on what was prepared."""

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np

from helixer_ft.errors import InputError
from helixer_ft.formats.data_names import POOL_SIZE
from helixer_ft.metrics import GENIC_CLASSES, LITTLE_INTERGENIC, STRONG_DIFFERENCE
from helixer_ft.preparation.report import Content, GeneLengths, SpeciesReport
from helixer_ft.preparation.survey import GeneRecord
from helixer_ft.preparation.usability import unusable_warning

FEW_GENES = 200
"""Usable genes below which training a gene finder is hardly worth it: the field's rule of thumb."""
ENOUGH_GENES = 600
"""Usable genes from which on more of them add little: the field's rule of thumb."""

_COVERED = 0.99
_STEP = 10_692
"""Helixer's own subsequence lengths are multiples of it."""
_MUCH_MASKED = 0.3
_LONGER_GENES = 0.01


def gene_lengths(genes: Sequence[GeneRecord], window: int) -> GeneLengths | None:
    """Compare the genes with the window; None without trusted genes.

    The recommended length is a multiple of 9, and of 10,692 (as Helixer's own) if larger.
    """
    lengths = np.sort([gene.length for gene in genes if gene.trusted])
    if not len(lengths):
        return None
    longer = int((lengths > window).sum())
    recommended = None
    if longer:
        needed = int(lengths[int(np.ceil(_COVERED * len(lengths))) - 1])
        if needed <= window:  # at least one more than now
            needed = int(lengths[-longer])
        step = _STEP if needed > _STEP else POOL_SIZE
        recommended = -(-needed // step) * step
    return GeneLengths(
        median=int(np.median(lengths)),
        maximum=int(lengths[-1]),
        longer_than_window=longer,
        recommended_subsequence_length=recommended,
        longer_than_recommended=int((lengths > (recommended or window)).sum()),
    )


def check_classes(
    sets: Mapping[str, Content], total: Content, masked: Sequence[str], missing_utr: str
) -> None:
    """Refuse a set without valid bases of a class that the annotation has.

    Parameters
    ----------
    sets, total
        Each set, and all of them.
    masked
        Why bases are masked, the reasons of most bases first.
    missing_utr
        What is done where a gene has no UTR.

    Raises
    ------
    InputError
        Such a set; or no valid intergenic or coding base anywhere.
    """
    for index in (0, 2):
        if not total.valid_bases[index]:
            found = (
                f"all {int(total.bases[index]):,} of them are masked"
                if total.bases[index]
                else "there are none"
            )
            reasons = f" Most bases are masked for {', '.join(masked[:3])}." if masked else ""
            remedy = (
                " For an annotation without UTRs use --missing-utr keep."
                if missing_utr == "mask"
                else " Look at the genes that have these errors."
            )
            raise InputError(
                f"no valid {GENIC_CLASSES[index]} base: {found}, so there is nothing to learn "
                f"from.{reasons}{remedy}"
            )
    for name, content in sets.items():
        for index, label in enumerate(GENIC_CLASSES):
            if total.valid_bases[index] and not content.valid_bases[index]:
                raise InputError(
                    f"the {name} data would have no valid {label} base (of "
                    f"{int(total.valid_bases[index]):,} in the genome), expected some of each "
                    f"class in each set. Choose sequences with {label} for it "
                    "(--validation-seqids, --test-seqids, or roles in the sheet), give it a larger "
                    "share (--validation-fraction, --test-fraction), or try another --seed."
                )


def annotation_advice(report: SpeciesReport, window: int, missing_utr: str) -> list[str]:
    """Warnings about the annotation of one species."""
    content, lengths, species = report.content, report.lengths, report.sample.species
    if content is None:
        return []
    result = []
    unusable = unusable_warning(content.genes)
    if unusable is not None:
        result.append(f"{species}: {unusable}")
    if lengths is not None and lengths.longer_than_window:
        longer, still = lengths.longer_than_window, lengths.longer_than_recommended
        share = longer / sum(gene.trusted for gene in content.genes)
        held = f"all but {still:,} of them" if still else "all of them"
        seldom = "" if share > _LONGER_GENES else " So few may not be worth longer windows."
        result.append(
            f"{species}: {longer:,} gene(s) ({share:.1%}) are longer than a window of "
            f"{window:,} bp (the longest: {lengths.maximum:,} bp), so the network never sees them "
            f"whole; --subsequence-length {lengths.recommended_subsequence_length} holds "
            f"{held}.{seldom}"
        )
    if content.masked_share > _MUCH_MASKED:
        worst = next(iter(report.masked), "")
        remedy = (
            " Where the annotation has few UTRs, --missing-utr keep masks only a flank."
            if missing_utr == "mask" and "utr" in worst.lower()
            else ""
        )
        result.append(
            f"{species}: {content.masked_share:.0%} of the bases are masked, most for "
            f"'{worst}': they are not trained on.{remedy}"
        )
    result += [
        f"{species}: there is no valid {GENIC_CLASSES[index]} base: a model tuned to these data "
        f"will lose the ability to predict {GENIC_CLASSES[index]}s."
        for index in (1, 3)
        if not content.valid_bases[index]
    ]
    return result


def set_advice(sets: Mapping[str, Content], *, predicted: bool = False) -> list[str]:
    """Warnings about the sets: their number of genes, their composition.

    Parameters
    ----------
    sets
        Name -> what is in it.
    predicted
        Whether the labels are predictions, by which strategies cannot be compared.
    """
    result = []
    hardly = (
        "A trained model may still gain much: run 'helixer-ft compare', and trust the verdict on "
        "the test data only."
    )
    enough = "See with 'helixer-ft compare' what they are good for."
    if predicted:
        hardly = enough = "Score the tuned model's gene models with 'helixer-ft evaluate-genes'."
    training = sets.get("training")
    if training is not None:
        usable = training.usable_genes
        if usable < FEW_GENES:
            result.append(
                f"only {usable:,} usable training genes: fewer than {FEW_GENES}, below which "
                "training a gene finder is, by the field's rule of thumb, hardly worth it. "
                f"{hardly}"
            )
        elif usable < ENOUGH_GENES:
            result.append(
                f"{usable:,} usable training genes: fewer than {ENOUGH_GENES}, the field's rule of "
                f"thumb for a well-trained gene finder. {enough}"
            )
        if training.valid_fractions[0] < LITTLE_INTERGENIC:
            result.append(
                f"only {training.valid_fractions[0]:.1%} of the valid training bases are "
                "intergenic: the tuned model will tend to see genes everywhere. Add intergenic "
                "sequence, or unmask it (--missing-utr keep)."
            )
    for (one, left), (other, right) in combinations(sets.items(), 2):
        shares = left.valid_fractions[0], right.valid_fractions[0]
        if abs(shares[0] - shares[1]) > STRONG_DIFFERENCE:
            result.append(
                f"{shares[0]:.0%} of the valid {one} bases are intergenic, but {shares[1]:.0%} of "
                f"the valid {other} bases: the sets do not represent each other. Try another "
                "--seed, or choose sequences yourself."
            )
    return result
