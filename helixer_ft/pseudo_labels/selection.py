"""Which of the genes that pass are kept: those that reads support, and the most confident ones.

Confidence falls with every exon, so that the best of all genes would be those of one exon: the
share to keep is taken within strata of the number of exons.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from helixer_ft.formats.data_names import CHECK, TRAINING
from helixer_ft.pseudo_labels.candidates import KEPT, Candidate

STRATA = ("1", "2-3", "4+")
"""Exons of a gene."""
_MANY = 10
"""Genes of a stratum that speak for themselves."""


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
        chosen = {id(one) for one in best[: round(keep * len(own))]}
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


def counts_per_stratum(candidates: Sequence[Candidate]) -> dict[str, tuple[int, int]]:
    """Stratum -> genes that pass, or are kept all the same, outside of the check sequences, and how
    many of them are kept.
    """
    learnt = [one for one in candidates if one.is_kept or (one.passes and one.outcome != CHECK)]
    return {
        name: (len(own), sum(one.is_kept for one in own)) for name, own in _strata(learnt).items()
    }


def strata_warnings(candidates: Sequence[Candidate], min_confidence: float) -> list[str]:
    """Where the labels are of genes with fewer, or more, exons than the genome's genes have."""
    counts = counts_per_stratum(candidates)
    lost = {name: n for name, (n, kept) in counts.items() if n >= _MANY and not kept}
    if not lost or not any(kept for _, kept in counts.values()):
        return []
    which = " and ".join(f"none of the {n:,} with {name}" for name, n in lost.items())
    return [
        f"of the genes that pass, {which} exons is kept: a model trained on these labels may "
        f"unlearn such genes. A lower --min-confidence (it is {min_confidence:g}) keeps more of "
        "them, and reads (--bam) those that are supported."
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
