"""Ranges of data files, in whatever order they are; genomes read as `prepare` would write them."""

import numpy as np
import pytest
from conftest import random_rows

from helixer_ft.errors import InputError
from helixer_ft.formats.data_h5 import DataFile
from helixer_ft.genome.fasta import open_fasta
from helixer_ft.inference.source import DataFileSource, FastaSource
from helixer_ft.preparation.prepare import prepare
from helixer_ft.preparation.request import PrepareRequest
from helixer_ft.preparation.samples import Sample
from tests.data_files import write_data_file

LENGTH = 90


def written(tmp_path, *parts: dict[str, np.ndarray]) -> DataFile:
    datasets = {
        name: np.concatenate([part[name] for part in parts])
        for name in ("X", "seqids", "species", "start_ends")
    }
    write_data_file(tmp_path / "data.h5", datasets)
    return DataFile(tmp_path / "data.h5", labels=False)


def reordered(rows: dict[str, np.ndarray], order: list[int]) -> dict[str, np.ndarray]:
    return {name: array[order] for name, array in rows.items()}


def test_a_range_is_a_strand_of_a_sequence(tmp_path):
    other = random_rows(1, seed=1, seqid="chr2")
    other_species = random_rows(2, seed=2, seqid="chr2") | {"species": np.full(4, b"b", "S25")}
    source = DataFileSource(written(tmp_path, random_rows(4), other, other_species))
    assert source.ranges == [4, 4, 1, 1, 2, 2]
    assert source.n_rows == 14
    assert source.length == LENGTH
    assert source.bases == 2 * (4 * 90 - 30) + 2 * 60 + 2 * (2 * 90 - 30)
    assert source.shifts.tolist() == [0] * 4 + [30, 0, 0, 0] + [0, 30] + [0, 0, 30, 0]


def test_blocks_of_a_sequence_are_ranges_of_their_own(tmp_path):
    far = random_rows(2, seed=1)
    far["start_ends"] += 1000
    assert DataFileSource(written(tmp_path, random_rows(3), far)).ranges == [3, 3, 2, 2]


def test_rows_left_out_end_a_range(tmp_path):
    some = reordered(random_rows(5), [0, 1, 3, 4, 5, 6, 8, 9])
    assert DataFileSource(written(tmp_path, some)).ranges == [2, 2, 2, 2]


@pytest.mark.parametrize(
    ("order", "strand"),
    [
        ([0, 2, 1, 3, 4, 5, 6, 7], "plus"),
        ([0, 1, 2, 3, 4, 6, 5, 7], "minus"),
        ([0, 1, 4, 5, 2, 3, 6, 7], "plus"),  # strands mixed
        ([0, 1, 2, 3, 7, 6, 5, 4], "minus"),  # ascending
        ([0, 1, 2, 2, 4, 5, 6, 7], "plus"),  # a row twice
    ],
)
def test_rows_of_a_strand_that_are_not_in_order_are_refused(tmp_path, order, strand):
    file = written(tmp_path, reordered(random_rows(4), order))
    with pytest.raises(InputError, match=rf"sequence 'chr1' \(sim\), {strand} strand, belong"):
        DataFileSource(file)
    assert DataFileSource(file, single_rows=True).ranges == [1] * 8


def test_padding_within_a_range_is_refused(tmp_path):
    rows = random_rows(3)
    rows["start_ends"][:3] = [[0, 90], [90, 150], [150, 240]]
    with pytest.raises(InputError, match="plus strand, belong together"):
        DataFileSource(written(tmp_path, rows))
    rows = random_rows(3)
    rows["start_ends"][3:] = [[270, 180], [180, 100], [100, 10]]
    with pytest.raises(InputError, match="minus strand, belong together"):
        DataFileSource(written(tmp_path, rows))


@pytest.mark.parametrize("pair", [[5, 5], [0, 91], [100, 9]])
def test_rows_of_impossible_extent_are_refused(tmp_path, pair):
    rows = random_rows(2)
    rows["start_ends"][1] = pair
    with pytest.raises(InputError, match=rf"row 1 is {pair[0]}, {pair[1]}, expected 1 to 90"):
        DataFileSource(written(tmp_path, rows))


def test_rows_are_read_in_order_and_as_the_network_sees_them(tmp_path):
    file = written(tmp_path, random_rows(7), random_rows(3, seed=3, seqid="chr2"))
    found = np.concatenate([windows.bases for windows in DataFileSource(file).read()])
    assert np.array_equal(found, file.read(range(20)).bases)
    assert not found[7][:30].any()
    assert found[7][30:].any(axis=1).all()


@pytest.mark.parametrize("lengths", [[400, 90, 7, 180, 91], [89], [2000, 1]])
def test_a_genome_is_what_prepare_writes_of_it(tmp_path, lengths):
    generator = np.random.default_rng(1)
    letters = np.frombuffer(b"ACGTacgtNRY", np.uint8)
    fasta = tmp_path / "genome.fa"
    fasta.write_bytes(
        b"".join(
            b">s%d text\n%s\n" % (i, generator.choice(letters, n).tobytes())
            for i, n in enumerate(lengths)
        )
    )
    request = PrepareRequest(
        (Sample("sp", fasta, None),), tmp_path / "out", subsequence_length=LENGTH
    )
    prepare(request)
    file = DataFileSource(DataFile(tmp_path / "out/sp.h5", labels=False))
    with open_fasta(fasta) as genome:
        source = FastaSource(genome, LENGTH, "sp")
        for name in ("length", "ranges", "n_rows", "bases"):
            assert getattr(source, name) == getattr(file, name), name
        assert np.array_equal(source.shifts, file.shifts)
        whole = np.concatenate([windows.bases for windows in file.read()])
        for first in (0, *range(source.n_rows)):  # as often as it is asked for, from any row on
            for one in (source, file):
                found = np.concatenate([windows.bases for windows in one.read(first)])
                assert np.array_equal(found, whole[first:])


@pytest.mark.parametrize("shortest", [0, 8, 90, 91, 401])
def test_sequences_that_are_left_out_or_not_computed(tmp_path, shortest):
    """Rows that are not computed are counted, but not read; those left out are not there."""
    lengths = {"a": 400, "b": 90, "c": 7, "d": 180, "e": 91}
    letters = np.random.default_rng(1).choice(np.frombuffer(b"ACGT", np.uint8), 768).tobytes()
    fasta, text = tmp_path / "genome.fa", b""
    for name, n in lengths.items():
        text, letters = text + b">%s\n%s\n" % (name.encode(), letters[:n]), letters[n:]
    fasta.write_bytes(text)
    del lengths["b"]
    with open_fasta(fasta) as genome:
        every = FastaSource(genome, LENGTH, "sp", lengths)
        source = FastaSource(genome, LENGTH, "sp", lengths, shortest)
        assert every.ranges == [5, 5, 1, 1, 2, 2, 2, 2]
        assert not every.skipped.any()
        rows = np.concatenate([windows.bases for windows in every.read()])
        computed = np.repeat([n >= shortest for n in lengths.values()], [10, 2, 4, 4])
        assert np.array_equal(source.skipped, ~computed)
        assert np.array_equal(source.shifts, every.shifts)
        assert (source.n_rows, source.bases) == (20, 2 * 678)
        assert sum(source.ranges) == computed.sum()
        for first in range(computed.sum()):
            found = np.concatenate([windows.bases for windows in source.read(first)])
            assert np.array_equal(found, rows[computed][first:])
        assert list(source.read(int(computed.sum()))) == []
        file = DataFile(source.data_file(tmp_path, tmp_path / "o.gff3"), labels=False)
        assert "".join(file.seqids) == "a" * 10 + "c" * 2 + "d" * 4 + "e" * 4
