"""Predictions of a genome by sequence, strand and position, whatever the order of the rows.

A part of a sequence is read at a time, of both strands, in genomic order on both.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from helixer_ft.errors import InputError
from helixer_ft.formats.predictions_h5 import CLASSES, DATASETS, PredictionsFile

ROWS_AT_ONCE = 8
"""Per strand. Multiples of 8, so that a part begins at a multiple of 8 bases."""


@dataclass(frozen=True)
class Part:
    """Class probabilities of a stretch of a sequence.

    Attributes
    ----------
    start
        Of its first base, in bp; a multiple of 8.
    plus, minus
        (n, 4) float32 probabilities of intergenic, UTR, CDS, intron, lower coordinates first.
    """

    start: int
    plus: np.ndarray
    minus: np.ndarray


class GenomeProbabilities:
    """What was predicted of the sequences of a genome.

    Parameters
    ----------
    file
        Of `predict --fasta`: sequences in order, the plus strand's rows before the minus strand's.
    lengths
        Sequence -> bp, in the order of the file.

    Raises
    ------
    InputError
        The file has another number of rows.
    """

    def __init__(self, file: PredictionsFile, lengths: Mapping[str, int]) -> None:
        self._file = file
        self._lengths = lengths
        self._length = int(file.shapes[DATASETS[0]][1])
        self._firsts: dict[str, int] = {}
        rows = 0
        for seqid, length in lengths.items():
            self._firsts[seqid] = rows
            rows += 2 * -(-length // self._length)
        if rows != file.n_rows:
            raise InputError(
                f"{file.path}: has {file.n_rows:,} rows, expected {rows:,} of this genome. Predict "
                "again, with --force."
            )

    def parts(self, seqid: str) -> Iterator[Part]:
        """All of a sequence, from its start on.

        Raises
        ------
        InputError
            Damaged data.
        """
        length, n = self._length, self._lengths[seqid]
        windows = -(-n // length)
        first = self._firsts[seqid]
        for begin in range(0, windows, ROWS_AT_ONCE):
            end = min(begin + ROWS_AT_ONCE, windows)
            start, bases = begin * length, min(end * length, n) - begin * length
            plus = self._read(first + begin, first + end)
            # reading direction: the last window comes first
            rows = self._read(first + 2 * windows - end, first + 2 * windows - begin)[::-1]
            last = n - (windows - 1) * length if end == windows else length
            minus = [*(row[::-1] for row in rows[:-1]), rows[-1][:last][::-1]]
            yield Part(
                start,
                plus.reshape(-1, CLASSES)[:bases].astype(np.float32),
                np.concatenate(minus).astype(np.float32),
            )

    def _read(self, start: int, end: int) -> np.ndarray:
        return self._file.read(start, end, DATASETS[:1])[:, 0]
