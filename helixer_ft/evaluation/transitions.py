"""How far a base is from the nearest splice site, start or stop, in classes of distance.

Both bases next to a boundary are marked in the data; they have distance 0. Distances are taken
within the subsequence, so a base has none to what lies beyond the subsequence's ends.
"""

import numpy as np

KINDS = (
    "transcription start",
    "start codon",
    "donor",
    "acceptor",
    "stop codon",
    "transcription end",
)
"""Kinds of transition in the order of transcription; donor and acceptor are the splice sites."""
LIMITS = (5, 20, 100)
"""Largest distance in each class, in bp; the last class has no limit."""
DISTANCES = ("0-5", "6-20", "21-100", ">100")

# columns of data/transitions: transcript, CDS, intron begin at the lower coordinate; end at the
# higher. On the minus strand the lower coordinate is the biological end.
_COLUMNS = {False: (0, 1, 2, 5, 4, 3), True: (3, 4, 5, 2, 1, 0)}


def distance_classes(transitions: np.ndarray, *, minus: bool) -> np.ndarray:
    """(kinds, L) uint8: in which class of `DISTANCES` each base of a row is, per kind.

    Parameters
    ----------
    transitions
        (L,) uint8, bit k set where column k of `data/transitions` is.
    minus
        Whether the row is of the minus strand.
    """
    classes = np.full((len(KINDS), len(transitions)), len(LIMITS), np.uint8)
    for of_kind, column in zip(classes, _COLUMNS[minus], strict=True):
        places = np.flatnonzero(transitions >> column & 1)
        if len(places):
            for limit in LIMITS:
                of_kind -= _within(places, limit, len(transitions))
    return classes


def _within(places: np.ndarray, distance: int, length: int) -> np.ndarray:
    """(length,) bool: at most so far from one of the places."""
    steps = np.zeros(length + 1, np.int64)
    np.add.at(steps, np.maximum(places - distance, 0), 1)
    np.add.at(steps, np.minimum(places + distance + 1, length), -1)
    return np.cumsum(steps[:-1]) > 0
