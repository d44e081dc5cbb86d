"""`helixer-ft add-coverage` as a user calls it: what each option does, and what it refuses."""

import json
import os
import resource
import shlex
import subprocess
import sys
from contextlib import chdir
from itertools import groupby
from pathlib import Path

import h5py
import numpy as np
import pybigtools
import pysam
import pytest
from click.testing import CliRunner, Result

from helixer_ft.cli import main
from helixer_ft.errors import InputError
from tests.cli.workplace import CommandFolder
from tests.coverage.coverage_files import (
    LENGTHS,
    coverage_of,
    data_rows,
    random_reads,
    write_bam,
    write_data,
)
from tests.data_files import write_data_file

GENES = {"chr1": [("+", 100, 300), ("-", 400, 700)]}


def write_bigwig(path: Path, intervals, lengths=LENGTHS) -> Path:
    """(seqid, start, end, value) to a bigWig."""
    pybigtools.open(str(path), "w").write(dict(lengths), iter(intervals))
    return path


def dutp_reads() -> list:
    """Enough reads over the genes to tell a dUTP library."""
    rng = np.random.default_rng(0)
    reads = []
    for strand, start, end in GENES["chr1"]:
        for _ in range(60):
            for is_second in (False, True):
                backwards = is_second == (strand == "-")
                flag = 1 + (128 if is_second else 64) + (16 if backwards else 0)
                reads.append((flag, "chr1", int(rng.integers(start, end - 8)), [("M", 8)]))
    return reads


def write_genome(path: Path) -> Path:
    letters = np.random.default_rng(0)
    sequences = ("".join(letters.choice(list("ACGT"), size)) for size in LENGTHS.values())
    path.write_text("".join(f">{n}\n{s}\n" for n, s in zip(LENGTHS, sequences, strict=True)))
    return path


def to_cram(bam: Path, path: Path) -> Path:
    genome = write_genome(path.with_name("genome.fa"))
    pysam.view("-C", "-T", str(genome), "-o", str(path), str(bam), catch_stdout=False)
    pysam.index(str(path))
    return path


def run_advised(message: str, folder: Path) -> None:
    """Run the samtools command that a message gives, in the folder of the file."""
    command = shlex.split(" ".join(message[message.rindex(": samtools ") + 2 :].split()))
    steps = [list(step) for bar, step in groupby(command, "|".__eq__) if not bar]
    for number, (program, name, *arguments) in enumerate(steps):
        assert program == "samtools"
        if number < len(steps) - 1:
            arguments = ["-o", "piped", *arguments]
        arguments = ["piped" if argument == "-" else argument for argument in arguments]
        with chdir(folder):
            getattr(pysam, name)(*arguments, catch_stdout=False)


class Workplace(CommandFolder):
    """A folder with two data files and reads, and the command that adds the one to the other."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.data.mkdir()
        self.training = write_data(self.data / "training_data.h5", "chr1", genes=GENES)
        self.validation = write_data(self.data / "validation_data.h5", "chr2", "chr3")
        self.bam = write_bam(folder / "leaf.bam", dutp_reads())

    def run(self, *options: object) -> Result:
        arguments = [*options, *([] if "--threads" in options else ["--threads", 1])]
        if not {"--bam", "--bigwig"} & set(options):
            arguments += ["--bam", self.bam]
        if not {"-d", "--data-dir", "--data"} & set(options):
            arguments += ["-d", self.data]
        return CliRunner().invoke(main, ["add-coverage", *map(str, arguments)])

    def added(self, *options: object) -> dict:
        result = self.run(*options, "--json", "-q")
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)


@pytest.fixture
def place(tmp_path) -> Workplace:
    return Workplace(tmp_path)


# -- what it does ------------------------------------------------------------------------------


def test_tables_and_notices(place):
    result = place.run("-v")
    assert result.exit_code == 0, result.output
    assert "Note: leaf.bam: reverse (" in result.stderr
    lines = result.stdout.splitlines()
    assert lines[0] == "Coverage tracks"
    assert lines[2].split()[:4] == ["leaf", "reads", "reverse", "240"]
    assert lines[3] == "Reads within labelled genes"
    assert lines[5].split()[:4] == ["leaf", "read", "1", "0"]
    assert lines[-1].startswith(
        f"Written to {place.data}: training_data.h5, validation_data.h5 "
        "(evaluation/rnaseq_coverage and rnaseq_spliced_coverage)"
    )
    quiet = place.run("--force", "-q")
    assert quiet.stderr == ""
    assert "Reads within labelled genes" not in quiet.stdout


def test_json(place):
    outcome = place.added()
    assert outcome["prefix"] == "rnaseq"
    assert outcome["files"] == [str(place.training), str(place.validation)]
    (track,) = outcome["tracks"]
    assert track["name"] == "leaf"
    assert track["kind"] == "reads"
    assert track["strandedness"] == "reverse"
    assert track["reads"] == 240
    assert track["evidence"]["forward_share"] == 0
    assert track["evidence"]["read 2"]["antisense"] == 0
    assert track["evidence"]["reads"] > 200
    assert outcome["warnings"] == []
    values = np.concatenate([coverage_of(path)[0].ravel() for path in map(Path, outcome["files"])])
    assert track["mean"] == pytest.approx(values[values >= 0].mean())


def test_strandedness(place):
    totals = {}
    for name in ("auto", "reverse", "forward", "unstranded"):
        place.added("--strandedness", name, "--out-dir", place.folder / name)
        coverage = coverage_of(place.folder / name / "training_data.h5")[0]
        rows = len(coverage) // 2
        totals[name] = [int(part[part >= 0].sum()) for part in (coverage[:rows], coverage[rows:])]
    assert totals["auto"] == totals["reverse"] == totals["forward"][::-1] == [960, 960]
    plus, minus = (coverage_of(place.folder / n / "training_data.h5")[0] for n in
                   ("reverse", "unstranded"))  # fmt: skip
    assert not np.array_equal(plus, minus)


def test_prefix_names_and_order(place):
    root = write_bam(place.folder / "root.bam", random_reads(50, 1))
    place.added("--coverage-prefix", "tissue", "--strandedness", "reverse", "--track-names",
                "second, first", "--bam", root, "--bam", place.bam)  # fmt: skip
    with h5py.File(place.training) as file:
        meta = file["evaluation/tissue_meta"]
        assert meta["track_names"][()].tolist() == [b"second", b"first"]
        assert meta["bam_files"][()].tolist() == [b"root.bam", b"leaf.bam"]
        assert "add-coverage" not in meta.attrs["helixer_ft_version"]
    assert coverage_of(place.training, "tissue")[0][..., 1].clip(0).sum() == 240 * 8


def test_single_files(place):
    outcome = place.added("--data", place.training)
    assert outcome["files"] == [str(place.training)]
    with h5py.File(place.validation) as file:
        assert "evaluation" not in file


def test_a_file_is_one_by_whatever_name(place):
    roundabout = place.training.parent / ".." / place.training.parent.name
    link = place.training.with_name("link.h5")
    link.symlink_to(place.training.name)
    outcome = place.added(
        *("--data", place.training, "--data", roundabout / place.training.name),
        *("--data", roundabout / place.validation.name, "--data", link),
    )
    assert len(outcome["files"]) == 2
    assert link.is_symlink()
    for path in (place.training, place.validation):
        with h5py.File(path) as file:
            assert "evaluation" in file


def test_other_prefixes_are_kept_and_named(place):
    place.added("--coverage-prefix", "cage")
    result = place.run()
    assert "Note: training_data.h5: coverage kept: cage" in result.stderr
    np.testing.assert_array_equal(coverage_of(place.training, "cage"), coverage_of(place.training))


def test_threads_change_nothing(place):
    place.added("--out-dir", place.folder / "one")
    place.added("--out-dir", place.folder / "two", "--threads", 2)
    for name in ("training_data.h5", "validation_data.h5"):
        one, two = (coverage_of(place.folder / folder / name) for folder in ("one", "two"))
        np.testing.assert_array_equal(one, two)


def test_unlabelled_data_need_the_protocol(place):
    with h5py.File(place.training, "r+") as file, h5py.File(place.validation, "r+") as other:
        del file["data/y"], other["data/y"], file["data/fully_intergenic_samples"]
    place.refused(
        parts=["cannot be determined, because the data have no labels", "--strandedness rev"]
    )
    result = place.run("--strandedness", "reverse")
    assert result.exit_code == 0
    assert "without labels that cannot be checked" in result.stderr


# -- signals -----------------------------------------------------------------------------------


def test_bigwigs_come_after_bams(place):
    both = write_bigwig(place.folder / "cons.bw", [("chr1", 10, 20, 0.5), ("chr2", 0, 91, 2.5)])
    plus = write_bigwig(place.folder / "cage_plus.bw", [("chr1", 0, 5, 3.0)])
    minus = write_bigwig(place.folder / "cage_minus.bw", [("chr1", 0, 5, -4.0)])
    result = place.run("--bigwig", both, "--bigwig", f"{plus},{minus}", "--bam", place.bam)
    assert result.exit_code == 0, result.output
    assert "cage_minus.bw: has no positive value, as some programs write" in result.stderr
    assert "Warning" not in result.stderr
    coverage, spliced = coverage_of(place.training)
    assert coverage.dtype == spliced.dtype == np.float32
    assert coverage.shape[2] == 3
    with h5py.File(place.training) as file:
        start_ends = file["data/start_ends"][()].tolist()
        meta = file["evaluation/rnaseq_meta"]
        assert meta["track_names"][()].tolist() == [b"leaf", b"cons", b"cage_plus"]
        assert meta["track_kinds"][()].tolist() == [b"reads", b"signal", b"signal"]
        assert meta["track_strandedness"][()].tolist() == [b"reverse", b"unstranded", b"stranded"]
        assert meta["bam_files"][2] == b"cage_plus.bw,cage_minus.bw"
    first, last = start_ends.index([0, 90]), start_ends.index([90, 0])
    np.testing.assert_array_equal(np.flatnonzero(coverage[first, :, 1]), range(10, 20))
    np.testing.assert_array_equal(np.flatnonzero(coverage[last, :, 1]), range(70, 80))
    assert set(coverage[first, 10:20, 1]) == {0.5}
    assert coverage[first, :6, 2].tolist() == [3, 3, 3, 3, 3, 0]
    assert coverage[last, -6:, 2].tolist() == [0, 4, 4, 4, 4, 4]
    np.testing.assert_array_equal(spliced[..., 1] == -1, coverage[..., 1] == -1)
    assert spliced[..., 1:].max() == 0
    assert coverage_of(place.validation)[0][..., 1].max() == 2.5
    assert "cons.bw: has no values on 1 of the 3 sequences of the data (chr3)" in result.stderr


def test_values_that_are_not_finite_are_zero_and_counted(place):
    values = [("chr1", 0, 3, float("nan")), ("chr1", 5, 7, float("inf")), ("chr1", 9, 10, 1.0)]
    path = write_bigwig(place.folder / "s.bw", values)
    result = place.run("--bigwig", path)
    assert result.exit_code == 0, result.output
    assert "s.bw: 5 values are NaN or infinite, taken as 0" in result.stderr
    assert coverage_of(place.training)[0][..., 0].clip(0).sum() == 2


def test_negative_signals_are_warned_of(place):
    path = write_bigwig(place.folder / "s.bw", [("chr1", 0, 3, -2.5), ("chr1", 3, 4, 1.0)])
    (warning,) = place.added("--bigwig", path)["warnings"]
    assert "s.bw: has values down to -2.5: train with --coverage-norm none or linear" in warning


def test_bad_bigwigs(place):
    place.refused("--bigwig", place.folder / "no.bw", parts=["no.bw: no such file, expected a big"])
    other = write_bigwig(place.folder / "o.bw", [("1", 0, 3, 1.0)], {"1": 5000})
    place.refused("--bigwig", other, parts=["has none of the 3 sequences", "It has: 1"])
    junk = place.folder / "junk.bw"
    junk.write_bytes(b"no bigWig" * 100)
    place.refused("--bigwig", junk, parts=["junk.bw: cannot be read", "expected a bigWig file"])
    good = write_bigwig(place.folder / "g.bw", [("chr1", 0, 500, 1.0)]).read_bytes()
    junk.write_bytes(good[: len(good) // 2])
    place.refused("--bigwig", junk, parts=["junk.bw: cannot be read"])
    place.refused("--bigwig", place.bam, parts=["has the extension '.bam', expected a bigWig"])


def test_a_bigwig_that_ends_its_reader(place):
    """Whatever damage does to the reading process, the command ends in a message."""
    path = write_bigwig(place.folder / "s.bw", [("chr1", i, i + 1, 1.0) for i in range(900)])
    data = bytearray(path.read_bytes())
    start = int.from_bytes(data[16:24], "little")
    for i in range(start + 8, start + 200):
        data[i] ^= 0x5A
    path.write_bytes(data)
    before = place.content()
    result = place.run("--bigwig", path)
    assert result.exit_code in (1, 2)
    assert "Error: " in result.stderr
    assert "Traceback" not in result.stderr
    assert place.content() == before


@pytest.mark.parametrize("value", ["a.bw,b.bw,c.bw", ",a.bw", ""])
def test_a_list_of_bigwigs_that_is_none(place, value):
    result = place.run("--bigwig", value)
    assert result.exit_code == 2
    assert "expected one file for both strands, or PLUS,MINUS" in result.stderr


# -- wrong reads -------------------------------------------------------------------------------


def test_no_alignments(place):
    folder = place.folder
    (folder / "not.bam").write_text("no reads\n" * 50)
    (folder / "empty.bam").touch()
    for name, part in (
        ("none.bam", "no such file"),
        ("data", "is a folder"),
        ("not.bam", "cannot be read (file does not contain alignment data)"),
        ("empty.bam", "cannot be read"),
    ):
        place.refused("--bam", folder / name, parts=[f"{folder / name}: ", part, "BAM or CRAM"])


def test_sam_text(place):
    sam = place.folder / "a.sam"
    pysam.view("-h", "-o", str(sam), str(place.bam), catch_stdout=False)
    text = place.refused("--bam", sam, parts=["is SAM text", "samtools sort -o sorted.bam a.sam"])
    run_advised(text, place.folder)
    assert place.added("--bam", place.folder / "sorted.bam")["tracks"][0]["reads"] == 240


def test_sam_text_without_header(place):
    """It names no sequence, and samtools sort would refuse it."""
    sam, bam = place.folder / "a.sam", place.folder / "sorted.bam"
    pysam.view("-o", str(sam), str(place.bam), catch_stdout=False)
    write_genome(place.folder / "genome.fa")
    text = place.refused("--bam", sam, parts=["is SAM text without a header", "no @SQ line"])
    run_advised(text, place.folder)
    assert place.added("--bam", bam)["tracks"][0]["reads"] == 240


@pytest.mark.parametrize("index", [True, False])
@pytest.mark.parametrize("marker", [True, False])
def test_truncated(place, index, marker):
    reads = random_reads(2500, 1)
    whole = write_bam(place.folder / "whole.bam", reads, index=index)
    data = whole.read_bytes()
    whole.write_bytes(data[: len(data) // 2] + (data[-28:] if marker else b""))
    if index:
        os.utime(f"{whole}.bai")
    text = place.refused("--bam", whole, "--strandedness", "reverse", parts=[f"{whole}: "])
    assert "damaged" in text


@pytest.mark.parametrize("said", ["queryname", "coordinate"])
def test_unsorted(place, said):
    """Whether the header admits it or not."""
    path = place.folder / "u.bam"
    write_bam(path, list(reversed(dutp_reads())), index=False, sort=False)
    if said == "queryname":
        pysam.sort("-n", "-o", str(path), str(place.bam))
    text = place.refused(
        "--bam", path, parts=["is not sorted by coordinate", "samtools sort -o sorted.bam u.bam"]
    )
    run_advised(text, place.folder)
    assert place.added("--bam", place.folder / "sorted.bam")["tracks"][0]["reads"] == 240


@pytest.mark.parametrize("name", ["sorted.bam", "a b.bam"])
def test_the_advised_command_never_writes_what_it_reads(place, name):
    path = write_bam(place.folder / name, dutp_reads()[::-1], index=False, sort=False)
    run_advised(place.refused("--bam", path, parts=["samtools sort"]), place.folder)
    (other,) = {"sorted.bam", "sorted_by_coordinate.bam"} & {
        p.name for p in place.folder.iterdir()
    } - {name}
    assert place.added("--bam", place.folder / other)["tracks"][0]["reads"] == 240


@pytest.mark.parametrize("order", ["unsorted", "sorted", "unknown", None])
@pytest.mark.parametrize("kind", ["bam", "cram"])
def test_the_index_decides_whatever_the_header_says_of_the_order(place, kind, order):
    """Old samtools and pysam leave another word than "coordinate" in files that are sorted."""
    path = place.folder / f"o.{kind}"
    write_bam(place.folder / "o.bam", dutp_reads(), order=order)
    if kind == "cram":
        to_cram(place.folder / "o.bam", path)
    (track,) = place.added("--bam", path)["tracks"]
    (expected,) = place.added("--force")["tracks"]
    assert track == {**expected, "name": "o", "files": path.name}
    assert track["reads"] == 240


def test_a_cram_that_is_not_sorted(place):
    """samtools indexes it all the same, and would then miss reads."""
    write_bam(place.folder / "u.bam", dutp_reads()[::-1], index=False, sort=False, order="unsorted")
    path = to_cram(place.folder / "u.bam", place.folder / "u.cram")
    text = place.refused(
        "--bam",
        path,
        "--strandedness",
        "reverse",
        parts=["is not sorted by coordinate (a read at chr1:", "sort --reference genome.fa -o so"],
    )
    run_advised(text, place.folder)
    assert place.added("--bam", place.folder / "sorted.bam")["tracks"][0]["reads"] == 240


def test_other_genomes(place):
    for lengths, parts in (
        ({"1": 1000, "2": 270, "3": 91}, ["has none of the 3 sequences", "missing: chr1, chr2, c"]),
        ({"chr1": 1000, "2": 270}, ["lacks 2 of the 3 sequences of the data, 26.5% of their bases",
                                    "helixer-ft prepare --exclude chr2,chr3). Otherwise"]),
        ({**LENGTHS, "chr2": 200}, ["1 of the 3 sequences are shorter", "chr2 has 200 bp, the data "
                                    "reach to 270"]),
    ):  # fmt: skip
        name = next(iter(lengths))
        path = write_bam(place.folder / "o.bam", [(0, name, 5, [("M", 3)])], lengths=lengths)
        place.refused("--bam", path, parts=[str(path), *parts])


@pytest.mark.parametrize(("length", "read"), [(13, True), (14, False)])
def test_small_sequences_without_reads(place, length, read):
    """Up to a hundredth of the bases of the data."""
    data = place.folder / "all.h5"
    write_data_file(data, data_rows({"chr1": 1287, "chrM": length}, genes=GENES))
    path = write_bam(place.folder / "o.bam", dutp_reads(), lengths={"chr1": 1287})
    if not read:
        part = "lacks 1 of the 2 sequences of the data, 1.1% of their bases, expected at most 1%"
        place.refused(
            "--data", data, "--bam", path, parts=[part, "(helixer-ft prepare --exclude chrM)"]
        )
        return
    result = place.run("--data", data, "--bam", path, "--json")
    assert result.exit_code == 0, result.output
    assert (
        "o.bam: lacks 1 of the 2 sequences of the data (chrM), 1.00% of their bases; coverage is 0"
        in result.stderr
    )
    (track,) = json.loads(result.stdout)["tracks"]
    assert (track["missing_sequences"], track["reads"]) == (["chrM"], 240)
    with h5py.File(data) as file:
        missing = file["data/seqids"][:] == b"chrM"
    for values in coverage_of(data):
        assert (values[missing, :length] == 0).all()
        assert (values[missing, length:] == -1).all()


@pytest.mark.parametrize("case", ["bam_header_says_unsorted", "bam_lacks_small_contigs"])
def test_cases(shared, tmp_path, case):
    folder = shared / "cases" / case
    command = ["prepare", "--fasta", folder / "in.fa", "--gff3", folder / "in.gff3", "--no-split"]
    command += ["--missing-utr", "keep", "--out-dir", tmp_path / "out"]
    assert CliRunner().invoke(main, list(map(str, command))).exit_code == 0
    command = ["add-coverage", "--data", tmp_path / "out/in.h5", "--bam", folder / "in.bam"]
    command += ["--strandedness", "unstranded", "--threads", 1]
    result = CliRunner().invoke(main, list(map(str, command)))
    if case == "bam_lacks_small_contigs":
        assert result.exit_code == 2
        assert "(helixer-ft prepare --exclude chrM,scaffold_9)" in result.stderr
        return
    assert result.exit_code == 0, result.output
    plus = coverage_of(tmp_path / "out/in.h5")[0][0, :8000, 0]
    starts = (1099, 1199, 1299)
    expected = np.zeros(8000, np.int64)
    for start in starts:
        expected[start : start + 50] += 1
        expected[start + 150 : start + 200] += 1
    np.testing.assert_array_equal(plus, expected)


def test_longer_sequences_are_noted(place):
    path = write_bam(place.folder / "o.bam", dutp_reads(), lengths={**LENGTHS, "chr3": 95})
    result = place.run("--bam", path)
    assert result.exit_code == 0
    assert "o.bam: 1 of the 3 sequences extend beyond their data (chr3)" in result.stderr


def test_no_read_in_the_data(place):
    path = write_bam(place.folder / "o.bam", [(4, "chr1", 5, [])])
    text = place.refused("--bam", path, parts=["only 0 reads lie within the annotated genes"])
    assert "Is this the genome that the reads were aligned to?" in text
    result = place.run("--bam", path, "--strandedness", "forward")
    assert result.exit_code == 0
    assert "Warning: o.bam: no reads overlap the data; its track is 0 throughout" in result.stderr


# -- wrong names and data ----------------------------------------------------------------------


def test_names(place):
    again = place.folder / "again"
    again.mkdir()
    write_bam(again / "leaf.bam", dutp_reads())
    two = ["--bam", place.bam, "--bam", again / "leaf.bam"]
    place.refused(*two, parts=["two tracks are named 'leaf'", "--track-names"])
    place.refused(*two, "--track-names", "a,a", parts=["two tracks are named 'a'"])
    place.refused(*two, "--track-names", "a", parts=["gives 1 name(s), expected 2"])
    place.refused("--track-names", " ", parts=["is empty or not printable"])
    for prefix in ("a/b", "", "rnaseq_spliced", ".."):
        place.refused("--coverage-prefix", prefix, parts=[f"coverage prefix '{prefix}'"])
    assert place.added(*two, "--track-names", "a,b")["tracks"][1]["name"] == "b"


def test_what_is_asked_for(place):
    place.refused("-d", place.data, "--data", place.training, parts=["either --data-dir"])
    place.refused("--threads", 0, parts=["--threads is 0"])
    result = CliRunner().invoke(main, ["add-coverage", "-d", str(place.data)])
    assert result.exit_code == 2
    assert "no track is given, expected --bam or --bigwig" in result.stderr
    arguments = ["-d", place.data, "--bigwig", "x.bw", "--strandedness", "forward"]
    result = CliRunner().invoke(main, ["add-coverage", *map(str, arguments)])
    assert result.exit_code == 2
    assert "--strandedness is about reads (--bam), and there are none" in result.stderr


def test_coverage_that_is_there(place):
    place.added("--data", place.training)
    place.refused(parts=[
        f"{place.training}: has coverage evaluation/rnaseq_coverage already, 1 other file(s) do "
        "not", "--force",
    ])  # fmt: skip
    place.added("--force")
    place.refused(parts=["training_data.h5, ", "validation_data.h5: have coverage"])


def test_out_dir_with_files(place):
    place.added("--out-dir", place.folder / "new")
    place.refused("--out-dir", place.folder / "new", parts=["exists already", "--force"])
    place.added("--out-dir", place.folder / "new", "--force")
    place.refused("--out-dir", place.bam, parts=["is not a folder"])
    copy = place.folder / "copy"
    copy.mkdir()
    other = write_data(copy / "training_data.h5", "chr1", genes=GENES)
    place.refused(
        "--data", place.training, "--data", other, "--out-dir", place.folder / "third",
        parts=["several files are named training_data.h5"],
    )  # fmt: skip


def test_data(place):
    empty = place.folder / "nothing"
    empty.mkdir()
    place.refused("-d", empty, parts=["holds no Helixer data file"])
    place.refused("-d", place.folder / "no", parts=["no such folder"])
    place.refused("--data", place.bam, parts=["leaf.bam: is not an HDF5 file"])
    whole = place.validation.read_bytes()
    place.validation.write_bytes(whole[: len(whole) // 2])
    place.refused(parts=["validation_data.h5: is damaged or truncated"])
    for name, values, part in (
        (
            "start_ends",
            np.zeros((len(LENGTHS), 3), int),
            "data/start_ends is of shape (3, 3)",
        ),
        ("seqids", None, "data/seqids is missing"),
        ("start_ends", "long", "data/start_ends has a row of 900 or 1 bp"),
    ):
        place.validation.write_bytes(whole)
        with h5py.File(place.validation, "r+") as file:
            old = file[f"data/{name}"][()]
            del file[f"data/{name}"]
            if isinstance(values, str):
                old[0, 1] = 900
                values = old
            if values is not None:
                file[f"data/{name}"] = values
        place.refused(parts=[part])


def test_two_species(place):
    with h5py.File(place.validation, "r+") as file:
        file["data/species"][:] = b"other"
    place.refused(parts=["the data are of 2 species (other, sim)", "with --data"])


def test_other_h5_files_are_left_alone(place):
    (place.data / "model.h5").write_bytes(b"weights")
    result = place.run()
    assert result.exit_code == 0
    assert "not data files, left alone: model.h5" in result.stderr
    assert (place.data / "model.h5").read_bytes() == b"weights"


def test_links_out_of_a_file_are_not_followed(place):
    place.added()
    with h5py.File(place.training, "r+") as file:
        file["evaluation/far"] = h5py.ExternalLink(str(place.validation), "/data/X")
    place.refused("--force", parts=["evaluation/far is a link to elsewhere (ExternalLink)"])


# -- a disk that is full -----------------------------------------------------------------------


@pytest.mark.parametrize("force", [False, True])
def test_disk_full_half_way(place, force):
    """The training data are complete when the validation data no longer fit."""
    sizes = [place.training.stat().st_size, place.validation.stat().st_size]
    if force:
        place.added()
    limit = min(sizes) + 2000
    before = place.content()
    command = [sys.executable, "-m", "helixer_ft", "add-coverage", "-d", str(place.data)]
    command += ["--bam", str(place.bam), "--threads", "1", *(["--force"] if force else [])]
    result = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )
    assert result.returncode == 1, result.stderr
    assert f"Error: {place.data}: could not be written" in result.stderr
    assert "Nothing was changed there; free disk space" in result.stderr
    assert "Traceback" not in result.stderr
    assert place.content() == before


def test_debug_shows_the_error(place):
    result = place.run("--bam", place.folder / "none.bam", "--debug")
    assert isinstance(result.exception, InputError)
