"""What is written, read back by h5py."""

import subprocess
import sys

import h5py
import numpy as np
import pytest

from helixer_ft.formats.data_writer import DataWriter
from helixer_ft.preparation.labels import SequenceLabels
from helixer_ft.preparation.windows import count_rows, pack_rows, rows_of

from .cut_rows import cut
from .test_windows import random_strand

N, LENGTH = 500, 45


@pytest.fixture
def sequence():
    generator = np.random.default_rng(0)
    bases = generator.choice(list(b"ACGTN"), N).astype(np.uint8)
    labels = SequenceLabels(random_strand(generator, N), random_strand(generator, N), ())
    for array in (labels.plus.genic, labels.plus.gene_lengths, labels.minus.transitions):
        array[:200] = 0  # rows of one value
    return bases, labels


def write(path, sequence, *, labels=True, label_source=None):
    bases, own = sequence
    rows, provenance = 2 * count_rows(N, LENGTH), {"by": "test"}
    with DataWriter(
        path, rows, LENGTH, labels=labels, provenance=provenance, label_source=label_source
    ) as out:
        for name, annotated in (("chr1", True), ("a_name_of_fifty_bytes".ljust(50, "x"), False)):
            for rows in rows_of(bases, own if labels else None, LENGTH):
                out.append(pack_rows(rows), name, "A_species_of_25_characte", annotated)


def test_everything_reads_back(tmp_path, sequence):
    write(tmp_path / "data.h5", sequence)
    expected = cut(*sequence, LENGTH)
    rows = len(expected["X"])
    with h5py.File(tmp_path / "data.h5") as file:
        assert dict(file.attrs) == {"by": "test"}
        data = file["data"]
        assert set(data) == {*expected, "seqids", "species", "is_annotated"}
        for name, array in expected.items():
            assert data[name].dtype == array.dtype
            np.testing.assert_array_equal(data[name][:], np.concatenate([array, array]), name)
        names = data["seqids"][:]
        assert names.dtype == "S50"
        assert (
            names.tolist() == [b"chr1"] * rows + [b"a_name_of_fifty_bytes".ljust(50, b"x")] * rows
        )
        assert data["species"].dtype == "S25"
        assert set(data["species"][:].tolist()) == {b"A_species_of_25_characte"}
        assert data["is_annotated"][:].tolist() == [True] * rows + [False] * rows
        for dataset in data.values():
            assert dataset.chunks == (1, *dataset.shape[1:])
            assert dataset.compression == "gzip"
            assert dataset.maxshape == (None, *dataset.shape[1:])


def test_without_labels(tmp_path, sequence):
    write(tmp_path / "data.h5", sequence, labels=False)
    with h5py.File(tmp_path / "data.h5") as file:
        assert set(file["data"]) == {"X", "seqids", "species", "start_ends"}


def test_the_same_rows_give_the_same_bytes(tmp_path, sequence):
    for name in ("a.h5", "b.h5"):
        write(tmp_path / name, sequence)
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()


def test_no_rows_are_a_file_all_the_same(tmp_path):
    with DataWriter(tmp_path / "data.h5", 0, LENGTH, labels=True):
        pass
    with h5py.File(tmp_path / "data.h5") as file:
        assert file["data/X"].shape == (0, LENGTH, 4)
        assert file["data/start_ends"].shape == (0, 2)


FULL_DISK = """
import resource, sys
from pathlib import Path
import numpy as np
from helixer_ft.errors import HelixerFtError
from helixer_ft.preparation.windows import pack_rows, rows_of
from helixer_ft.formats.data_writer import DataWriter
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
bases = np.random.default_rng(0).choice(list(b"ACGT"), 500_000).astype(np.uint8)
try:
    with DataWriter(Path(sys.argv[1]), 1112, 900, labels=False) as out:
        for rows in rows_of(bases, None, 900):
            out.append(pack_rows(rows), "chr1", "A", True)
except HelixerFtError as error:
    print(error)
"""


def test_a_full_disk_is_said(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, tmp_path / "data.h5"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("data.h5: could not be written (")
    assert "Free disk space" in done.stdout
