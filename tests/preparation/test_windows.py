"""Rows against a slow, obvious construction, base by base."""

import numpy as np
import pytest

from helixer_ft.errors import InputError
from helixer_ft.formats.data_names import check_length
from helixer_ft.preparation.labels import SequenceLabels, StrandLabels
from helixer_ft.preparation.windows import count_rows, rows_of

from .cut_rows import cut

LETTERS = "ACGTRYSWKMBDHVN"
COMPLEMENT = dict(zip(LETTERS, "TGCAYRSWMKVHDBN", strict=True))
MEANING = {
    "A": "A", "C": "C", "G": "G", "T": "T", "R": "AG", "Y": "CT", "S": "CG", "W": "AT", "K": "GT",
    "M": "AC", "B": "CGT", "D": "AGT", "H": "ACT", "V": "ACG", "N": "ACGT",
}  # fmt: skip
SHARE = {1: 1.0, 2: 0.5, 3: 0.33, 4: 0.25}


def random_strand(generator, n):
    return StrandLabels(
        genic=generator.integers(0, 4, n).astype(np.uint8),
        phase=generator.integers(0, 4, n).astype(np.uint8),
        transitions=generator.integers(0, 64, n).astype(np.uint8),
        valid=generator.random(n) < 0.9,
        gene_lengths=generator.integers(0, 2**32, n).astype(np.uint32),
    )


def slow_rows(bases, labels, length, region):
    """One dictionary per row."""
    start, end = region
    windows = [list(range(a, min(a + length, end))) for a in range(start, end, length)]
    rows = []
    for strand, order in ((labels.plus, windows), (labels.minus, windows[::-1])):
        backwards = strand is labels.minus
        for positions in order:
            row = {
                "X": np.zeros((length, 4), np.float16),
                "y": np.zeros((length, 4), np.int8),
                "phases": np.zeros((length, 4), np.int8),
                "transitions": np.zeros((length, 6), np.int8),
                "sample_weights": np.zeros(length, np.int8),
                "gene_lengths": np.zeros(length, np.uint32),
                "start_ends": [positions[0], positions[-1] + 1],
            }
            if backwards:
                positions = positions[::-1]
                row["start_ends"] = row["start_ends"][::-1]
            for i, p in enumerate(positions):
                letter = chr(bases[p])
                meant = MEANING[COMPLEMENT[letter] if backwards else letter]
                for base in meant:
                    row["X"][i, "CATG".index(base)] = SHARE[len(meant)]
                row["y"][i, strand.genic[p]] = 1
                row["phases"][i, strand.phase[p]] = 1
                for column in range(6):
                    row["transitions"][i, column] = strand.transitions[p] >> column & 1
                row["sample_weights"][i] = strand.valid[p]
                row["gene_lengths"][i] = strand.gene_lengths[p]
            row["err_samples"] = any(strand.valid[p] for p in positions)
            row["fully_intergenic_samples"] = len(positions) == length and all(
                strand.genic[p] == 0 for p in positions
            )
            rows.append(row)
    return rows


@pytest.mark.parametrize(
    ("n", "length", "region"),
    [(100, 18, None), (90, 18, None), (7, 18, None), (400, 9, None), (100, 18, (31, 77))],
)
def test_rows_are_those_of_the_slow_construction(n, length, region):
    generator = np.random.default_rng(n)
    bases = generator.choice(list(LETTERS.encode()), n).astype(np.uint8)
    labels = SequenceLabels(random_strand(generator, n), random_strand(generator, n), ())
    labels.plus.genic[:40] = 0
    labels.minus.valid[:] = False
    found = cut(bases, labels, length, region)
    expected = slow_rows(bases, labels, length, region or (0, n))
    start, end = region or (0, n)
    assert len(found["X"]) == count_rows(end - start, length) == len(expected)
    assert set(found) == set(expected[0])
    for name, array in found.items():
        wanted = np.array([row[name] for row in expected])
        np.testing.assert_array_equal(array, wanted, err_msg=name)
    dtypes = {name: str(array.dtype) for name, array in found.items()}
    assert dtypes == {
        "X": "float16", "y": "int8", "phases": "int8", "transitions": "int8",
        "sample_weights": "int8", "gene_lengths": "uint32", "start_ends": "int64",
        "err_samples": "bool", "fully_intergenic_samples": "bool",
    }  # fmt: skip


def test_without_labels_there_are_bases_and_places_only():
    found = cut(np.frombuffer(b"ACGTN" * 5, np.uint8), None, 9)
    assert set(found) == {"X", "start_ends"}
    assert found["start_ends"].tolist() == [[0, 9], [9, 18], [18, 25], [25, 18], [18, 9], [9, 0]]


def test_rows_come_a_few_at_a_time_and_are_copies():
    bases = np.full(1000, ord("A"), np.uint8)
    labels = SequenceLabels(*(random_strand(np.random.default_rng(i), 1000) for i in (0, 1)), ())
    parts = list(rows_of(bases, labels, 9))
    assert max(len(part.bases) for part in parts) <= 8
    for part in parts:
        for array in vars(part).values():
            whole = [bases, *vars(labels.plus).values(), *vars(labels.minus).values()]
            assert not any(np.shares_memory(array, other) for other in whole)


@pytest.mark.parametrize("length", [0, -9, 1, 21_385, 10])
def test_a_length_that_cannot_be_pooled_is_refused(length):
    with pytest.raises(InputError, match=f"is {length}, expected a multiple of 9, because") as e:
        check_length(length)
    for word in str(e.value).split("Take ")[1].rstrip(".").split(" or "):
        check_length(int(word))
