"""Predictions by sequence, strand and position: rows of either strand, padded ones too."""

import numpy as np
import pytest

from helixer_ft.errors import InputError
from helixer_ft.formats.predictions_h5 import PredictionsFile
from helixer_ft.pseudo_labels.probabilities import GenomeProbabilities
from tests.pseudo_labels.workplace import write_predictions

LENGTHS = {"long": 1000, "exact": 180, "short": 31, "many": 90 * 20 + 5}
L = 90


@pytest.fixture
def written(tmp_path):
    """The file, and (n, 4) per sequence and strand in genomic order that it was made of."""
    generator = np.random.default_rng(0)
    truth, rows = {}, []
    for seqid, n in LENGTHS.items():
        windows = -(-n // L)
        for strand in ("plus", "minus"):
            values = generator.random((n, 4)).astype(np.float16)
            truth[seqid, strand] = values
            cut = [values[at : at + L] for at in range(0, n, L)]
            if strand == "minus":
                cut = [piece[::-1] for piece in cut[::-1]]
            assert len(cut) == windows
            for piece in cut:
                row = np.zeros((2, L, 4), np.float32)
                row[:, : len(piece)] = piece
                rows.append(row)
    write_predictions(tmp_path / "p.h5", np.stack(rows))
    return PredictionsFile(tmp_path / "p.h5"), truth


def test_every_base_is_where_it_lies_in_the_genome(written):
    file, truth = written
    genome = GenomeProbabilities(file, LENGTHS)
    for seqid, n in LENGTHS.items():
        parts = list(genome.parts(seqid))
        assert [part.start % 8 for part in parts] == [0] * len(parts)
        assert [part.start for part in parts] == list(range(0, n, 8 * L))
        for strand in ("plus", "minus"):
            found = np.concatenate([getattr(part, strand) for part in parts])
            assert np.array_equal(found, truth[seqid, strand].astype(np.float32))


def test_predictions_of_another_genome_are_refused(written):
    file, _ = written
    with pytest.raises(InputError, match="rows, expected"):
        GenomeProbabilities(file, LENGTHS | {"more": 5})
