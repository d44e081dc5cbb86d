"""Which sequences, or blocks of them, are learnt from, which validated on, which tested on."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from helixer_ft.errors import InputError
from helixer_ft.formats.data_names import SETS, TRAINING
from helixer_ft.genome.annotation import Gene
from helixer_ft.preparation.pieces import Piece, blocks, n90, whole

_DRAWS = 64
_NEAR = 0.05
"""Sum of differences from the wanted shares that makes no difference between draws."""
_LEAST_TRAINING = 0.6
"""Of the wanted share of training bases, what whole sequences must be able to give."""


@dataclass(frozen=True)
class SplitSettings:
    """How one genome is split.

    Attributes
    ----------
    fractions
        Set -> share of the bases; the sum is 1, a set of share 0 is not made.
    named
        Set -> sequences chosen for it by name; such a set takes no others.
    seed
        Of the draw.
    """

    fractions: Mapping[str, float]
    named: Mapping[str, Collection[str]] = field(default_factory=dict)
    seed: int = 0

    @property
    def drawn(self) -> list[str]:
        """The sets whose sequences are drawn."""
        return [name for name in SETS if self.fractions.get(name, 0) > 0 and name not in self.named]


@dataclass(frozen=True)
class Split:
    """Where each piece went.

    Attributes
    ----------
    sets
        Set -> its pieces, in the order of the genome; neighbouring blocks of one set are joined.
    left_out
        (piece, why), in the order of the genome.
    in_blocks
        Whether sequences were cut.
    """

    sets: Mapping[str, list[Piece]]
    left_out: list[tuple[Piece, str]]
    in_blocks: bool = False

    @property
    def smallest_gap(self) -> int | None:
        """Fewest bp between blocks of different sets; None where no sequence was cut."""
        return min((piece.length for piece, _ in self.left_out if piece.gap), default=None)


def pieces_to_split(
    lengths: Mapping[str, int],
    genes: Mapping[str, Sequence[Gene]],
    settings: SplitSettings,
    window: int,
) -> tuple[list[Piece], bool]:
    """Decide between whole sequences and blocks.

    Parameters
    ----------
    lengths
        Sequences with coding genes -> bp.
    genes
        Of each sequence.
    settings
        Of the split.
    window
        L.

    Returns
    -------
    list of Piece
        All of the sequences.
    bool
        Whether sequences are cut, because there are too few.

    Raises
    ------
    InputError
        Too little sequence to split.
    """
    named = {name for names in settings.named.values() for name in names}
    free = {name: length for name, length in lengths.items() if name not in named}
    if len(settings.drawn) < 2 or _enough(list(free.values()), settings):
        return whole(lengths), False
    smallest = min(_shares(settings).values())
    pieces = blocks(free, genes, smallest, window)
    count = sum(not piece.gap for piece in pieces)
    if count < len(settings.drawn):
        raise InputError(
            f"the {len(free)} sequence(s) with coding genes cannot be split into "
            f"{', '.join(settings.drawn)}: there are too few, and too few intergenic gaps to cut "
            "them at. Use --no-split, or give other genomes for some sets in a sheet (--samples)."
        )
    chosen = whole({name: length for name, length in lengths.items() if name in named})
    return pieces + chosen, count > len(free)


def draw(
    pieces: Sequence[Piece], counts: np.ndarray, settings: SplitSettings, in_blocks: bool
) -> Split:
    """Draw the sets: of `_DRAWS` random ones the first that is near to the wanted shares.

    Pieces at least as long as N90 and shorter ones are drawn apart, so that every set has long
    sequences. Draws in which a set lacks a class that is there come last.

    Parameters
    ----------
    pieces
        Of `pieces_to_split`.
    counts
        (pieces, 4) valid bases per genic class.
    settings, in_blocks
        As there.
    """
    fixed = {name: part for part, names in settings.named.items() for name in names}
    chosen = np.array([fixed.get(piece.seqid, "") for piece in pieces], dtype=object)
    free = np.array(
        [i for i, piece in enumerate(pieces) if not piece.gap and not chosen[i]], np.int64
    )
    if not settings.drawn or not len(free):
        return _split(pieces, chosen, in_blocks)
    sizes = np.array([piece.length for piece in pieces])
    limit = n90(sizes[free])
    strata = free[sizes[free] >= limit], free[sizes[free] < limit]
    shares = _shares(settings)
    generator = np.random.default_rng(settings.seed)

    def attempt(_: int) -> np.ndarray:
        dealt = chosen.copy()
        for stratum, required in zip(strata, (True, False), strict=True):
            _deal(dealt, generator.permutation(stratum), sizes, shares, required)
        return dealt

    best = min(
        map(attempt, range(_DRAWS)),
        key=lambda dealt: _score(dealt, free, sizes, counts, shares),
    )
    return _split(pieces, best, in_blocks)


def _enough(lengths: Sequence[int], settings: SplitSettings) -> bool:
    """Whether whole sequences give every set one of the long ones, and training its share."""
    limit, total = n90(lengths), sum(lengths)
    held_out = len(settings.drawn) - 1
    long = sorted(length for length in lengths if length >= limit)
    if len(long) <= held_out:
        return False
    best = 1 - sum(long[:held_out]) / total
    return best >= _LEAST_TRAINING * _shares(settings)[TRAINING]


def _shares(settings: SplitSettings) -> dict[str, float]:
    """Shares of what is drawn, training last (it takes what is left)."""
    total = sum(settings.fractions[name] for name in settings.drawn)
    return {name: settings.fractions[name] / total for name in reversed(settings.drawn)}


def _deal(
    chosen: np.ndarray,
    order: np.ndarray,
    sizes: np.ndarray,
    shares: Mapping[str, float],
    required: bool,
) -> None:
    """Deal pieces in this order: to each set until its share is nearest, the rest to training."""
    reached = np.concatenate([[0], np.cumsum(sizes[order])])
    begin = 0
    *others, last = shares
    for left, name in zip(range(len(others), 0, -1), others, strict=True):
        wanted = reached[begin] + shares[name] * reached[-1]
        end = begin + int(np.abs(reached[begin:] - wanted).argmin())
        if required:
            end = min(max(end, begin + 1), len(order) - left)
        chosen[order[begin:end]] = name
        begin = end
    chosen[order[begin:]] = last


def _score(
    chosen: np.ndarray,
    free: np.ndarray,
    sizes: np.ndarray,
    counts: np.ndarray,
    shares: Mapping[str, float],
) -> tuple[int, int]:
    """Smaller is better: classes that a set lacks, then differences of shares, roughly."""
    total, classes = sizes[free].sum(), counts.sum(axis=0)
    missing, difference = 0, 0.0
    for name, share in shares.items():
        members = free[chosen[free] == name]
        own = counts[members].sum(axis=0)
        missing += int(((own == 0) & (classes > 0)).sum())
        difference += abs(float(sizes[members].sum() / total) - share)
    return missing, round(difference / _NEAR)


def _split(pieces: Sequence[Piece], chosen: np.ndarray, in_blocks: bool) -> Split:
    """Join neighbouring blocks of one set, and the gap between them."""
    sets: dict[str, list[Piece]] = {name: [] for name in SETS if name in set(chosen)}
    left_out: list[tuple[Piece, str]] = []
    for i, piece in enumerate(pieces):
        if piece.gap:
            if chosen[i - 1] != chosen[i + 1]:
                left_out.append((piece, f"between {chosen[i - 1]} and {chosen[i + 1]}"))
            continue
        own = sets[chosen[i]] if chosen[i] else None
        joined = i > 0 and pieces[i - 1].gap and chosen[i - 2] == chosen[i]
        if own is None:
            left_out.append((piece, "not chosen"))
        elif joined:
            own[-1] = Piece(piece.seqid, own[-1].start, piece.end)
        else:
            own.append(piece)
    return Split(sets, left_out, in_blocks)
