"""Which of the genes that pass are kept: those that reads support, and the most confident ones.

Confidence falls with every exon, so that the best of all genes would be those of one exon: the
share to keep is taken within strata of the number of exons.
"""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from helixer_ft.formats.data_names import CHECK, TRAINING
from helixer_ft.pseudo_labels.candidates import KEPT, Candidate

STRATA = ("1", "2-3", "4+")
"""Exons of a gene."""
_MANY = 10
"""Genes of a stratum that speak for themselves."""


class Stratum(NamedTuple):
    """How many genes of a stratum there are outside of the check sequences, how many of these pass
    the gate, and how many are kept.
    """

    genes: int
    passed: int
    kept: int


def stratum(candidate: Candidate) -> str:
    """Which of `STRATA` a gene is in."""
    n = len(candidate.exons)
    return STRATA[0] if n == 1 else STRATA[1] if n <= 3 else STRATA[2]


def select(candidates: Sequence[Candidate], keep: float, min_confidence: float) -> None:
    """Give every candidate its outcome.

    Parameters
    ----------
    candidates
        All, with everything but their outcomes.
    keep
        Share of the genes of each stratum.
    min_confidence
        Least confidence of genes that are kept for it.
    """
    homes = _homes([one for one in candidates if one.passes])
    eligible = []
    for one in candidates:
        one.outcome = ",".join(one.faults) or _place_or_reads(one, homes)
        if not one.outcome:
            eligible.append(one)
    for own in _strata(eligible).values():
        best = sorted(own, key=lambda one: (-one.confidence, one.seqid, one.gene.start))
        chosen = {id(one) for one in best[: math.floor(keep * len(own) + 0.5)]}
        for one in own:
            if one.is_supported or (id(one) in chosen and one.confidence >= min_confidence):
                one.outcome = KEPT
            elif one.confidence < min_confidence:
                one.outcome = "below_min_confidence"
            else:
                one.outcome = "below_keep_share"


def select_all(candidates: Sequence[Candidate]) -> None:
    """Give every candidate its outcome where all genes are labelled that no read contradicts."""
    homes = _homes(candidates)
    for one in candidates:
        one.outcome = _place_or_reads(one, homes) or KEPT


def counts_per_stratum(candidates: Sequence[Candidate]) -> dict[str, Stratum]:
    """Name of each stratum -> its genes."""
    strata = _strata([one for one in candidates if one.part != CHECK])
    return {
        name: Stratum(len(own), sum(one.passes for one in own), sum(one.is_kept for one in own))
        for name, own in strata.items()
    }


def strata_warnings(
    candidates: Sequence[Candidate], min_confidence: float, *, every: bool = False
) -> list[str]:
    """Where the labels are of genes with fewer, or more, exons than the genome's genes have;
    `every`: all genes are labelled that no read contradicts.
    """
    counts = counts_per_stratum(candidates)
    lost = {name: one for name, one in counts.items() if one.passed >= _MANY and not one.kept}
    if not lost or not any(one.kept for one in counts.values()):
        return []
    which = " and ".join(f"none of the {one.passed:,} with {name}" for name, one in lost.items())
    advice = (
        "genes.tsv has the reasons."
        if every
        else f"A lower --min-confidence (it is {min_confidence:g}) keeps more of them, and reads "
        "(--bam) those that are supported."
    )
    return [
        f"of the genes that pass, {which} exons is kept: a model trained on these labels may "
        f"unlearn such genes. {advice}"
    ]


def random_selection(
    candidates: Sequence[Candidate], counts: Mapping[str, int], seed: int
) -> list[Candidate]:
    """As many genes of each stratum, at random among all that are not on check sequences: what a
    selection is compared with.

    Parameters
    ----------
    candidates
        All; those that fail the gate too.
    counts
        Stratum -> how many; fewer where there are not so many.
    seed
        Of the draw.
    """
    generator = np.random.default_rng(seed)
    drawn = []
    for name, own in _strata([one for one in candidates if one.part != CHECK]).items():
        n = min(len(own), counts.get(name, 0))
        drawn += [own[i] for i in sorted(generator.choice(len(own), n, replace=False).tolist())]
    return drawn


def _place_or_reads(one: Candidate, homes: Mapping[int, str]) -> str:
    """Why a gene is not labelled, whatever it is like; empty if it may be."""
    if not one.part:
        return "between_sets"
    if one.contradicted:
        return "contradicted_by_reads"
    if homes[one.family] != one.part:
        return "family_in_other_set"
    return CHECK if one.part == CHECK else ""


def _homes(candidates: Sequence[Candidate]) -> dict[int, str]:
    """Family -> the set that most of these genes of it lie in; of equals the training set."""
    members: dict[int, dict[str, int]] = {}
    for one in candidates:
        if one.part:
            own = members.setdefault(one.family, {})
            own[one.part] = own.get(one.part, 0) + 1
    return {
        family: max(own, key=lambda name: (own[name], name == TRAINING, name))
        for family, own in members.items()
    }


def _strata(candidates: Sequence[Candidate]) -> dict[str, list[Candidate]]:
    found: dict[str, list[Candidate]] = {name: [] for name in STRATA}
    for one in candidates:
        found[stratum(one)].append(one)
    return found
