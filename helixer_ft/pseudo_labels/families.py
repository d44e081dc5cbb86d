"""Families of near-identical genes, by the words that their coding sequences share.

Transposons are confident, intact and many: a model finds each copy, and every copy would teach it
to find more. Genes of a family that lie in different sets would let a set be known beforehand.
"""

from collections.abc import Sequence

import numpy as np

WORD = 16
"""Bases of a word: two bits each, 32 in all."""
SHARE = 0.3
"""Of the words of the shorter gene, what near-identical ones share: about 93 % identical bases."""
_SAMPLED = 8
"""One word in so many counts, the same ones in every gene (FracMinHash: Irber et al. 2022, bioRxiv
2022.01.11.475838)."""
_LEAST_WORDS = 5
"""Genes with fewer are families of their own."""
_MOST_FAMILIES = 64
"""That a word may stand for; words of more say little."""
_CODES = np.full(256, 4, np.uint8)
_CODES[np.frombuffer(b"CATG", np.uint8)] = range(4)


def words(coding: np.ndarray) -> np.ndarray:
    """The sampled words of a coding sequence.

    Parameters
    ----------
    coding
        (n,) uint8, ASCII, upper case, in reading direction.

    Returns
    -------
    numpy.ndarray
        (k,) uint32, sorted, each once; words with a base other than A, C, G, T are left out.
    """
    codes = _CODES[coding]
    n = len(codes) - WORD + 1
    if n < 1:
        return np.zeros(0, np.uint32)
    packed = np.zeros(n, np.uint32)
    unknown = np.zeros(n, bool)
    for i in range(WORD):
        packed = (packed << np.uint32(2)) | (codes[i : i + n] & 3)
        unknown |= codes[i : i + n] > 3
    # Knuth's multiplicative hash: the high bits of the product depend on all bases
    hashed = (packed * np.uint32(2654435761)) >> np.uint32(16)
    return np.unique(packed[(hashed % _SAMPLED == 0) & ~unknown])


def families(sketches: Sequence[np.ndarray]) -> list[int]:
    """The family of each gene.

    Longest first, each joins the family whose first gene it shares most words with, if these are
    enough; otherwise it begins one.

    Parameters
    ----------
    sketches
        Words of each gene, see `words`.

    Returns
    -------
    list of int
        Number of its family; those of one family have the same.
    """
    result = [0] * len(sketches)
    repeated = _repeated(sketches)
    firsts: dict[int, list[int]] = {}
    """Word -> families of whose first gene it is one."""
    order = sorted(range(len(sketches)), key=lambda i: (-len(sketches[i]), i))
    for number, i in enumerate(order):
        size = len(sketches[i])
        own = np.intersect1d(sketches[i], repeated, assume_unique=True).tolist()
        votes: dict[int, int] = {}
        for word in own:
            for family in firsts.get(word, ()):
                votes[family] = votes.get(family, 0) + 1
        best = max(votes, key=lambda family: (votes[family], -family), default=None)
        if size >= _LEAST_WORDS and best is not None and votes[best] >= SHARE * size:
            result[i] = best
            continue
        result[i] = number
        if size >= _LEAST_WORDS:
            for word in own:
                there = firsts.setdefault(word, [])
                if len(there) < _MOST_FAMILIES:
                    there.append(number)
    return result


def _repeated(sketches: Sequence[np.ndarray]) -> np.ndarray:
    """Words of several genes, sorted: the only ones that tell anything, and few."""
    everything = np.concatenate([np.zeros(0, np.uint32), *sketches])
    everything.sort()  # in place: a large genome has many
    return np.unique(everything[1:][everything[1:] == everything[:-1]])
