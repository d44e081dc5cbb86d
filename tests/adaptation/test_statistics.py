"""Statistics equal those of an independent computation in float64."""

import numpy as np
import pytest
from conftest import random_rows, tiny_model

from helixer_ft.adaptation import windows
from helixer_ft.adaptation.adapt import adapt_model
from helixer_ft.adaptation.statistics import count_bases, measure
from helixer_ft.adaptation.windows import DataWindows, GenomeWindows, open_windows
from helixer_ft.errors import InputError, Interrupted
from helixer_ft.genome.fasta import open_fasta
from helixer_ft.progress import Progress
from tests.adaptation.genomes import random_sequence, write_fasta
from tests.adaptation.reference import reference_statistics, windows_of
from tests.data_files import write_data_file

LENGTH = 90
SEQUENCES = [
    # two windows and a padded one, with N and codes of ambiguous bases
    random_sequence(40, 0.3, 1) + "N" * 25 + random_sequence(100, 0.3, 2) + "RYR" + "C" * 30,
    random_sequence(50, 0.8, 3),  # shorter than a window
]


def measured(model, path, lengths=None):
    with open_fasta(path) as fasta:
        return measure(model, GenomeWindows(fasta, lengths, LENGTH), Progress())


def assert_same(found, expected, tolerance=2e-5):
    assert list(found) == list(expected)
    for name, (mean, variance) in expected.items():
        np.testing.assert_allclose(found[name].mean, mean, rtol=tolerance, atol=1e-6)
        np.testing.assert_allclose(found[name].variance, variance, rtol=tolerance, atol=1e-6)


@pytest.mark.parametrize("convs", [2, 4])
def test_statistics_of_a_genome_are_exact(tmp_path, convs):
    model = tiny_model(convs=convs)
    found = measured(model, write_fasta(tmp_path / "a.fa", *SEQUENCES))
    expected = reference_statistics(model, windows_of(SEQUENCES, LENGTH))
    assert len(expected) == convs - 1
    assert_same(found, expected)


def test_every_part_of_the_definition_counts(tmp_path):
    """Leaving out a strand, or counting padding or N, would be seen."""
    model = tiny_model()
    found = measured(model, write_fasta(tmp_path / "a.fa", *SEQUENCES))
    cut = windows_of(SEQUENCES, LENGTH)
    plus = [*cut[:3], cut[6]]
    for other in (
        plus,
        [window.replace("-", "N") for window in cut],
        [window.replace("N", "R") for window in cut],
        [window.ljust(LENGTH + 1, "-") for window in cut[:3]],
    ):
        with pytest.raises(AssertionError):
            assert_same(found, reference_statistics(model, other))


def test_later_layers_see_the_new_statistics_of_earlier_ones(tmp_path):
    """What is there before must not matter."""
    model, path = tiny_model(convs=3), write_fasta(tmp_path / "a.fa", *SEQUENCES)
    gamma, beta, mean, variance = model.weights["batch_normalization"]
    other = [gamma, beta, mean + 3, variance * 9]
    assert_same(
        measured(model.with_weights(model.weights | {"batch_normalization": other}), path),
        reference_statistics(model, windows_of(SEQUENCES, LENGTH)),
    )


@pytest.mark.parametrize("at_once", [1, 2, 3])
def test_the_batch_size_does_not_matter(tmp_path, monkeypatch, at_once):
    model, path = tiny_model(convs=3), write_fasta(tmp_path / "a.fa", *SEQUENCES)
    expected = {name: tuple(vars(one).values()) for name, one in measured(model, path).items()}
    monkeypatch.setattr(windows, "BASES_AT_ONCE", at_once * LENGTH)
    assert_same(measured(model, path), expected, 1e-6)


def test_rows_of_data_files_are_those_of_the_genome(tmp_path):
    """A padded row of the minus strand has its padding last in the file, first in the network."""
    model = tiny_model(convs=3)
    for number in (1, 2):
        rows = random_rows(3, LENGTH, seed=number)
        write_data_file(tmp_path / f"training_data.{number}.h5", rows)
    write_data_file(tmp_path / "validation_data.h5", random_rows(2, LENGTH, seed=3))
    with open_windows(tmp_path) as source:
        assert source.n_windows == 16
        found = measure(model, source, Progress())
    letters = np.array(["-", "C", "A", "T", "G"])
    cut = []
    for count, number in ((3, 1), (3, 2), (2, 3)):
        x = random_rows(count, LENGTH, seed=number)["X"]
        texts = ["".join(row) for row in letters[(x.argmax(2) + 1) * x.any(2)]]
        texts[count] = texts[count].rstrip("-").rjust(LENGTH, "-")
        cut += texts
    assert_same(found, reference_statistics(model, cut))
    with open_windows(tmp_path / "validation_data.h5") as source:
        assert source.n_windows == 4
    alone = measure(model, DataWindows([tmp_path / "validation_data.h5"]), Progress())
    assert_same(alone, reference_statistics(model, cut[12:]))


def test_windows_are_no_longer_than_the_longest_sequence(tmp_path):
    with open_windows(write_fasta(tmp_path / "a.fa", "ACGT" * 10, "ACGT" * 3)) as source:
        assert (source.length, source.n_windows) == (40, 4)
        assert count_bases(source) == 2 * 52


def test_some_sequences_alone_can_be_measured(tmp_path):
    model, path = tiny_model(), write_fasta(tmp_path / "a.fa", *SEQUENCES)
    found = measured(model, path, {"chr2": 50})
    cut = [window.strip("-") for window in windows_of(SEQUENCES[1:], LENGTH)]
    assert_same(found, reference_statistics(model, cut))


@pytest.mark.parametrize(
    ("max_bp", "chosen"), [(0, range(8)), (247, (*range(4), 5, 6, 7)), (93, (1, 5, 6)), (45, (5,))]
)
def test_of_much_sequence_windows_are_taken_that_are_spread_evenly(tmp_path, max_bp, chosen):
    """The minus strand is read backwards: of the eight windows, number 5 is the fourth."""
    model, path = tiny_model(convs=3), write_fasta(tmp_path / "a.fa", *SEQUENCES)
    with open_fasta(path) as fasta:
        source = GenomeWindows(fasta, None, LENGTH, max_bp)
        assert (source.n_windows, source.n_found) == (len(chosen), 8)
        found = measure(model, source, Progress())
    cut = windows_of(SEQUENCES, LENGTH)
    assert_same(found, reference_statistics(model, [cut[i] for i in chosen]))


def test_of_many_short_sequences_as_many_bases_are_measured(tmp_path):
    """Each has windows of its own, which it does not fill."""
    path = write_fasta(tmp_path / "a.fa", "ACGT" * 20, *["ACGT"] * 30)
    for max_bp, bases in ((200, 400), (199, 398), (100, 200)):
        with open_windows(path, max_bp=max_bp) as source:
            assert source.n_windows == len(next(source.batches())) == 62 * max_bp // 200
            assert count_bases(source) == pytest.approx(bases, abs=80)


def test_of_many_rows_of_data_files_too(tmp_path):
    rows = random_rows(3, LENGTH)
    write_data_file(tmp_path / "training_data.h5", rows)
    write_data_file(tmp_path / "validation_data.h5", random_rows(4, LENGTH, seed=1))
    with open_windows(tmp_path, max_bp=3 * LENGTH) as source:
        read = np.concatenate([batch.rows[:, 0] for batch in source.batches()])
        assert (len(read), source.n_windows, source.n_found) == (6, 6, 14)
    with open_windows(tmp_path, max_bp=0) as source:
        every = np.concatenate([batch.rows[:, 0] for batch in source.batches()])
    assert np.array_equal(read, every[[1, 3, 5, 8, 10, 12]])


def test_measuring_stops_when_it_is_asked_to(tmp_path):
    class Stopped(Progress):
        def interrupted(self):
            return True

    with (
        open_windows(write_fasta(tmp_path / "a.fa", *SEQUENCES)) as source,
        pytest.raises(Interrupted),
    ):
        adapt_model(tiny_model(), source, progress=Stopped(), least=1)


def test_data_of_different_lengths_are_refused(tmp_path):
    write_data_file(tmp_path / "training_data.h5", random_rows(2, 90))
    write_data_file(tmp_path / "validation_data.h5", random_rows(2, 99))
    with pytest.raises(InputError, match=r"have 99 bases, those of .*training_data\.h5 90"):
        DataWindows([tmp_path / "training_data.h5", tmp_path / "validation_data.h5"])


def test_a_folder_without_data_is_refused(tmp_path):
    with pytest.raises(InputError, match="has no training_data"), open_windows(tmp_path):
        pass
