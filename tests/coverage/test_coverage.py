"""Coverage tracks against a count read by read, and against Helixer's own."""

import os
import random
import time

import h5py
import numpy as np
import pysam
import pytest

from helixer_ft.coverage import alignments, regions
from helixer_ft.coverage.add import add_coverage
from helixer_ft.coverage.alignments import count_region, open_alignments, usable_index
from helixer_ft.coverage.regions import RowTable, batches_of, regions_of
from helixer_ft.coverage.request import STRANDEDNESS, CoverageRequest
from helixer_ft.errors import InputError
from helixer_ft.formats.coverage_h5 import Track, read_tracks
from helixer_ft.progress import Progress
from tests.coverage import coverage_oracle as oracle
from tests.coverage.coverage_files import (
    LENGTH,
    LENGTHS,
    coverage_of,
    random_reads,
    write_bam,
    write_data,
)


def add(**options):
    options = {"threads": 1, "strandedness": "reverse"} | options
    return add_coverage(CoverageRequest(**options), Progress())


def expected(path, reads, strandedness):
    with h5py.File(path) as file:
        names, start_ends = file["data/seqids"][()], file["data/start_ends"][()]
    counts = oracle.count(reads, LENGTHS, strandedness)
    return oracle.rows(counts, names, start_ends.tolist(), LENGTH)


@pytest.mark.parametrize("strandedness", STRANDEDNESS)
@pytest.mark.parametrize("seed", [1, 2])
def test_random_reads(tmp_path, monkeypatch, strandedness, seed):
    """All flags and operations; regions, and reads at once, so small that reads cross them."""
    monkeypatch.setattr(regions, "_SMALLEST_REGION", 200 if seed == 1 else 1 << 16)
    monkeypatch.setattr(alignments, "_READS_AT_ONCE", 7)
    reads = random_reads(1200, seed)
    bam = write_bam(tmp_path / "a.bam", reads)
    data = write_data(tmp_path / "training_data.h5")
    add(data=(data,), bams=(bam,), strandedness=strandedness)
    coverage, spliced = coverage_of(data)
    true_coverage, true_spliced = expected(data, reads, strandedness)
    np.testing.assert_array_equal(coverage[..., 0], true_coverage)
    np.testing.assert_array_equal(spliced[..., 0], true_spliced)
    assert true_coverage.max() > 5
    assert true_spliced.max() > 2
    assert (true_coverage == -1).any()


def test_regions_are_no_larger_than_asked_and_have_every_row_once(tmp_path):
    tables = [RowTable(write_data(tmp_path / "a.h5"))]
    tables.append(RowTable(write_data(tmp_path / "b.h5", "chr1")))
    parts = list(regions_of(tables, 200))
    assert max(part.end - part.start for part in parts) <= 200
    rows = np.concatenate([part.rows for part in parts])
    seen = sorted(map(tuple, rows[:, :2].tolist()))
    assert seen == [(f, row) for f, t in enumerate(tables) for row in range(len(t.seqids))]
    for part in parts:
        assert part.rows[:, 2].min() == part.start
        assert part.rows[:, 3].max() == part.end
    assert len(batches_of(tables, 2)) == 1


@pytest.mark.parametrize(
    ("flag", "plus", "minus"),
    [
        # single; read 1; read 2 (all forwards), then backwards
        (0, {"forward", "unstranded"}, {"reverse"}),
        (65, {"forward", "unstranded"}, {"reverse"}),
        (129, {"reverse", "unstranded"}, {"forward"}),
        (16, {"reverse"}, {"forward", "unstranded"}),
        (81, {"reverse"}, {"forward", "unstranded"}),
        (145, {"forward"}, {"reverse", "unstranded"}),
        # unaligned, secondary, QC-failed: nowhere; supplementary and duplicate: counted
        (4, set(), set()),
        (256, set(), set()),
        (512, set(), set()),
        (2048, {"forward", "unstranded"}, {"reverse"}),
        (1024, {"forward", "unstranded"}, {"reverse"}),
    ],
)
def test_where_a_flag_counts(tmp_path, flag, plus, minus):
    bam = write_bam(tmp_path / "a.bam", [(flag, "chr1", 10, [("M", 5)])])
    for strandedness in STRANDEDNESS:
        with open_alignments(bam) as file:
            counts = count_region(file, strandedness, "chr1", 0, 100)
        sums = [int(steps.values().sum()) for steps in counts.coverage]
        assert sums == [5 * (strandedness in plus), 5 * (strandedness in minus)]
        assert counts.reads == (strandedness in plus | minus)


def test_several_tracks_files_and_processes(tmp_path):
    """All files of a folder get the same tracks in the same order, whatever the processes."""
    reads = {name: random_reads(100, seed) for name, seed in (("leaf", 3), ("root", 4))}
    bams = tuple(write_bam(tmp_path / f"{name}.bam", own) for name, own in reads.items())
    folder = tmp_path / "data"
    folder.mkdir()
    write_data(folder / "training_data.h5", "chr1")
    write_data(folder / "validation_data.x.h5", "chr2")
    write_data(folder / "sim.h5")
    (folder / "model.h5").write_bytes(b"no data file")
    outcome = add(data_dir=folder, bams=bams, threads=2)
    files = [folder / name for name in ("sim.h5", "training_data.h5", "validation_data.x.h5")]
    assert list(outcome.files) == files
    for path in files:
        coverage, spliced = coverage_of(path)
        for track, own in enumerate(reads.values()):
            true_coverage, true_spliced = expected(path, own, "reverse")
            np.testing.assert_array_equal(coverage[..., track], true_coverage)
            np.testing.assert_array_equal(spliced[..., track], true_spliced)
        with h5py.File(path) as file:
            assert read_tracks(file, path, "rnaseq") == (Track("leaf"), Track("root"))
    assert [report.track.name for report in outcome.tracks] == ["leaf", "root"]
    counted = [read for read in reads["leaf"] if not read[0] & (4 | 256 | 512)]
    assert outcome.tracks[0].reads == len(counted)
    values = coverage_of(folder / "sim.h5")[0][..., 0]
    for path in files[1:]:
        values = np.concatenate([values, coverage_of(path)[0][..., 0]])
    own = values[values >= 0]
    assert outcome.tracks[0].mean == pytest.approx(own.mean())
    assert outcome.tracks[0].covered_share == pytest.approx((own > 0).mean())


def test_the_form_is_helixers(tmp_path):
    bam = write_bam(tmp_path / "a.b.bam", random_reads(20, 1))
    data = write_data(tmp_path / "training_data.h5")
    with h5py.File(data) as file:
        before = {name: file["data"][name][()] for name in file["data"]}
    add(data=(data,), bams=(bam,), command_line="helixer-ft add-coverage ...")
    with h5py.File(data) as file:
        for name in ("rnaseq_coverage", "rnaseq_spliced_coverage"):
            dataset = file["evaluation"][name]
            assert dataset.dtype == np.int64
            assert dataset.chunks == (1, LENGTH, 1)
            assert (dataset.compression, dataset.shuffle, dataset.fillvalue) == ("lzf", True, -1)
            assert dataset.maxshape == (None, LENGTH, None)
        meta = file["evaluation/rnaseq_meta"]
        assert meta["bam_files"].dtype == "S512"
        assert meta["bam_files"][()].tolist() == [b"a.b.bam"]
        assert meta["track_names"][()].tolist() == [b"a.b"]
        assert meta["track_kinds"][()].tolist() == [b"reads"]
        assert meta["track_strandedness"][()].tolist() == [b"reverse"]
        assert meta.attrs["helixer_ft_command_line"] == "helixer-ft add-coverage ..."
        for name, values in before.items():
            np.testing.assert_array_equal(file["data"][name][()], values)


def test_rows_without_reads_are_compressed_once_and_read_as_zeros(tmp_path):
    data = write_data(tmp_path / "training_data.h5")
    bam = write_bam(tmp_path / "a.bam", [(0, "chr1", 0, [("M", 10)])])
    add(data=(data,), bams=(bam,), strandedness="forward")
    coverage, spliced = coverage_of(data)
    assert coverage[0, :, 0].sum() == 10
    assert (coverage[1:] <= 0).all()
    np.testing.assert_array_equal(coverage == -1, spliced == -1)
    with h5py.File(data) as file:
        lengths = np.abs(np.diff(file["data/start_ends"][()])).ravel()
    np.testing.assert_array_equal((coverage[..., 0] >= 0).sum(axis=1), lengths)


def test_replacing_leaves_no_hole_and_keeps_all_else(tmp_path):
    data = write_data(tmp_path / "training_data.h5")
    first = write_bam(tmp_path / "a.bam", random_reads(100, 1))
    second = write_bam(tmp_path / "b.bam", random_reads(100, 2))
    add(data=(data,), bams=(second,), prefix="other")
    with h5py.File(data, "r+") as file:
        file.attrs["made"] = "by hand"
        file["evaluation"].create_dataset("note", data=[1, 2])
    add(data=(data,), bams=(first,))
    other, size = coverage_of(data, "other"), data.stat().st_size
    for _ in range(3):
        add(data=(data,), bams=(first,), force=True)
    assert data.stat().st_size < 1.1 * size
    add(data=(data,), bams=(second,), force=True)
    np.testing.assert_array_equal(coverage_of(data)[0], other[0])
    np.testing.assert_array_equal(coverage_of(data, "other"), other)
    with h5py.File(data) as file:
        assert file.attrs["made"] == "by hand"
        assert file["evaluation/note"][()].tolist() == [1, 2]
        assert read_tracks(file, data, "rnaseq") == (Track("b"),)


def test_out_dir_leaves_the_source(tmp_path):
    data = write_data(tmp_path / "training_data.h5")
    data.chmod(0o444)
    before = data.read_bytes()
    bam = write_bam(tmp_path / "a.bam", random_reads(50, 1))
    outcome = add(data=(data,), bams=(bam,), out_dir=tmp_path / "new")
    assert data.read_bytes() == before
    assert outcome.files == (tmp_path / "new/training_data.h5",)
    assert coverage_of(outcome.files[0])[0].max() > 0
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["training_data.h5"]


def test_check_data_bring_their_introns(tmp_path):
    """`whole` and `freeze` ask for both."""
    (tmp_path / "data").mkdir()
    for name in ("training", "check"):
        write_data(tmp_path / f"data/{name}_data.h5")
    introns = tmp_path / "data/check_junctions.tsv"
    introns.write_text("seqid\tstart\tend\tstrand\treads\n")
    bam = write_bam(tmp_path / "a.bam", random_reads(50, 1))
    new = tmp_path / "new"
    add(data_dir=tmp_path / "data", bams=(bam,), out_dir=new)
    assert (new / introns.name).read_bytes() == introns.read_bytes()
    (new / introns.name).write_text("another one")
    for name in ("training", "check"):
        (new / f"{name}_data.h5").unlink()
    with pytest.raises(InputError, match=r"check_junctions.tsv: exists already"):
        add(data_dir=tmp_path / "data", bams=(bam,), out_dir=new)
    add(data_dir=tmp_path / "data", bams=(bam,), out_dir=new, force=True)
    assert (new / introns.name).read_bytes() == introns.read_bytes()
    add(data_dir=tmp_path / "data", bams=(bam,))
    assert introns.read_bytes() == (new / introns.name).read_bytes()


def test_check_data_of_other_data_are_not_left_beside_the_new_ones(tmp_path):
    (tmp_path / "data").mkdir()
    new = tmp_path / "new"
    new.mkdir()
    data = write_data(tmp_path / "data/training_data.h5")
    write_data(new / "check_data.h5")
    bam = write_bam(tmp_path / "a.bam", random_reads(50, 1))
    with pytest.raises(InputError, match=r"holds check_data.h5 of another preparation"):
        add(data_dir=tmp_path / "data", bams=(bam,), out_dir=new, force=True)
    add(data=(data,), bams=(bam,), out_dir=new)  # single files may go anywhere


@pytest.mark.parametrize("state", ["missing", "older"])
def test_an_index_is_made_where_none_can_be_used(tmp_path, state):
    """Nothing is written beside the reads, and an index of other reads is not trusted."""
    reads = random_reads(100, 5)
    bam = write_bam(tmp_path / "a.bam", reads, index=False)
    if state == "older":
        other = write_bam(tmp_path / "o.bam", random_reads(3, 1))
        old = (tmp_path / "o.bam.bai").rename(tmp_path / "a.bam.bai")
        other.unlink()
        past = time.time() - 1000
        os.utime(old, (past, past))
    data = write_data(tmp_path / "training_data.h5")
    before = sorted(path.name for path in tmp_path.iterdir())
    add(data=(data,), bams=(bam,))
    assert sorted(path.name for path in tmp_path.iterdir()) == before
    np.testing.assert_array_equal(coverage_of(data)[0][..., 0], expected(data, reads, "reverse")[0])


@pytest.mark.parametrize("name", ["a.bam.bai", "a.bai", "a.bam.csi", "a.csi"])
def test_an_index_is_found_by_any_of_its_names(tmp_path, name):
    """samtools, Picard, and `-c` for sequences beyond 512 Mb."""
    bam = write_bam(tmp_path / "a.bam", random_reads(9, 1), index=False)
    pysam.index(*(["-c"] if name.endswith("csi") else []), "-o", str(tmp_path / name), str(bam))
    assert usable_index(bam, tmp_path) == tmp_path / name


@pytest.mark.parametrize("state", ["empty", "half", "of another kind"])
def test_an_index_that_is_of_no_use_is_passed_over(tmp_path, state):
    bam = write_bam(tmp_path / "a.bam", random_reads(100, 5))
    index = tmp_path / "a.bam.bai"
    if state == "of another kind":
        index = index.rename(tmp_path / "a.crai")
    else:
        content = index.read_bytes()
        index.write_bytes(content[: len(content) // 2] if state == "half" else b"")
    other = tmp_path / "other"
    other.mkdir()
    assert usable_index(bam, other).parent == other


def test_cram_needs_no_reference(tmp_path):
    reads = [read for read in random_reads(100, 6) if read[0] < 2048]
    bam = write_bam(tmp_path / "a.bam", reads)
    generator = random.Random(0)
    fasta = tmp_path / "genome.fa"
    fasta.write_text(
        "".join(
            f">{name}\n{''.join(generator.choices('ACGT', k=length))}\n"
            for name, length in LENGTHS.items()
        )
    )
    cram = tmp_path / "a.cram"
    pysam.view("-C", "-T", str(fasta), "-o", str(cram), str(bam), catch_stdout=False)
    for path in tmp_path.glob("genome.fa*"):
        path.unlink()
    data = write_data(tmp_path / "training_data.h5")
    add(data=(data,), bams=(cram,))
    np.testing.assert_array_equal(coverage_of(data)[0][..., 0], expected(data, reads, "reverse")[0])


@pytest.mark.parametrize("name", ["training", "validation", "test"])
def test_helixers_own_coverage(shared, tmp_path, name):
    """Every base of every row as Helixer has it."""
    source = shared / "train/spombe_mini_rnaseq" / f"{name}_data.h5"
    bam = shared / "data/spombe_mini/rnaseq.bam"
    outcome = add(data=(source,), bams=(bam,), out_dir=tmp_path, force=True, strandedness="auto")
    assert outcome.tracks[0].strandedness == "reverse"
    for own, helixers in zip(coverage_of(outcome.files[0]), coverage_of(source), strict=True):
        assert own.dtype == helixers.dtype
        np.testing.assert_array_equal(own, helixers)
    with h5py.File(source) as file:
        assert read_tracks(file, source, "rnaseq") == (Track("rnaseq"),)
