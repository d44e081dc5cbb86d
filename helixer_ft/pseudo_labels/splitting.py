"""Which stretches are learnt from, which are validated on, and which are only looked at.

The check sequences neither train nor tune a filter: what is measured on them is not by choice.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from helixer_ft.errors import InputError
from helixer_ft.formats.data_names import CHECK, TEST, TRAINING, VALIDATION
from helixer_ft.genome.annotation import Gene
from helixer_ft.genome.intervals import span
from helixer_ft.preparation.labels import CDS, INTERGENIC, INTRON, UTR
from helixer_ft.preparation.pieces import Piece, whole
from helixer_ft.preparation.split import Split, SplitSettings, draw, pieces_to_split
from helixer_ft.pseudo_labels.candidates import Candidate, by_sequence

FRACTIONS = {TRAINING: 0.7, VALIDATION: 0.2, TEST: 0.1}
"""Set -> share of the bases; what `prepare` would test on are the check sequences here."""
NO_GENE = "no gene to label"


def split_genome(
    lengths: Mapping[str, int],
    genes: Mapping[str, Sequence[Gene]],
    candidates: Sequence[Candidate],
    seed: int,
    window: int,
) -> Split:
    """Split a genome as `prepare` does, by the genes that may be labelled.

    Parameters
    ----------
    lengths
        Sequence -> bp.
    genes
        Sequence -> all genes, none of which is cut.
    candidates
        Those of them that may be labelled.
    seed, window
        Of the draw; L.

    Raises
    ------
    InputError
        Too little sequence to split.
    """
    labelled = by_sequence(candidates)
    used = {name: n for name, n in lengths.items() if name in labelled}
    settings = SplitSettings(FRACTIONS, seed=seed)
    try:
        pieces, in_blocks = pieces_to_split(used, genes, settings, window)
    except InputError as error:
        raise InputError(
            f"the {len(used):,} sequence(s) with genes to label cannot be split into training, "
            "validation and check sequences: there are too few, and too few intergenic gaps to "
            "cut them at. Give more of the genome."
        ) from error
    counts = np.array([_counts(piece, labelled[piece.seqid]) for piece in pieces])
    found = draw(pieces, counts, settings, in_blocks)
    sets = {(CHECK if name == TEST else name): own for name, own in found.sets.items()}
    renamed = [(piece, why.replace(TEST, CHECK)) for piece, why in found.left_out]
    others = whole({name: n for name, n in lengths.items() if name not in used})
    left_out = renamed + [(piece, NO_GENE) for piece in others]
    return replace(found, sets=sets, left_out=left_out)


def assign(split: Split, candidates: Sequence[Candidate]) -> None:
    """Give the candidates the set that they lie in as a whole."""
    pieces: dict[str, list[tuple[int, int, str]]] = {}
    for name, own in split.sets.items():
        for piece in own:
            pieces.setdefault(piece.seqid, []).append((piece.start, piece.end, name))
    for candidate in candidates:
        gene = candidate.gene
        there = pieces.get(candidate.seqid, ())
        candidate.part = next((n for a, b, n in there if a <= gene.start and gene.end <= b), "")


def _counts(piece: Piece, candidates: Sequence[Candidate]) -> list[int]:
    """Bases per genic class of a piece, both strands, if all of these genes were labelled."""
    counts = [0] * 4
    for one in candidates:
        if piece.start <= one.gene.start and one.gene.end <= piece.end:
            coding, exonic = span(one.cds), span(one.exons)
            counts[UTR] += exonic - coding
            counts[CDS] += coding
            counts[INTRON] += span(one.introns)
    counts[INTERGENIC] = max(0, 2 * piece.length - sum(counts))
    return counts
