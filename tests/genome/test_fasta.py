"""Reading genomes, and refusing what is none."""

import gzip
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pysam
import pytest

from helixer_ft.errors import HelixerFtError, InputError
from helixer_ft.genome import fasta, packed_text
from helixer_ft.genome.fasta import open_fasta

TEXT = b">chr1 first of two\nACGTacgt\nNNry\n\n>chr2\nux\nA\n"
CHR1, CHR2 = b"ACGTACGTNNRY", b"TNA"


def bgzip(path):
    with pysam.BGZFile(str(path), "wb", None) as file:
        file.write(TEXT)


FORMS = {
    "plain": lambda path: path.write_bytes(TEXT),
    "DOS line ends": lambda path: path.write_bytes(TEXT.replace(b"\n", b"\r\n")),
    "no line end at the end": lambda path: path.write_bytes(TEXT.rstrip()),
    "byte order mark": lambda path: path.write_bytes(b"\xef\xbb\xbf" + TEXT),
    "gzip": lambda path: path.write_bytes(gzip.compress(TEXT)),
    "gzip in two parts": lambda path: path.write_bytes(
        gzip.compress(TEXT[:20]) + gzip.compress(TEXT[20:])
    ),
    "bgzip": bgzip,
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_bases(tmp_path, form):
    path = tmp_path / "genome"
    FORMS[form](path)
    with open_fasta(path) as genome:
        assert list(genome.lengths.items()) == [("chr1", 12), ("chr2", 3)]
        assert genome.read("chr2").tobytes() == CHR2
        assert genome.read("chr1").tobytes() == CHR1
    assert os.listdir(tmp_path) == ["genome"]


def test_sequences_are_read_by_several_threads_and_in_parts(tmp_path, monkeypatch):
    monkeypatch.setattr(fasta, "_MAX_READ", 1000)
    generator = np.random.default_rng(1)
    texts = {f"s{i}": generator.choice(list(b"ACGT"), 5000 + i) for i in range(8)}
    path = tmp_path / "genome.fa"
    path.write_bytes(
        b"".join(
            b">%s\n%s\n" % (n.encode(), bytes(t.astype(np.uint8).tolist()))
            for n, t in texts.items()
        )
    )
    with open_fasta(path, scratch=tmp_path) as genome, ThreadPoolExecutor(4) as pool:
        assert os.listdir(tmp_path) == ["genome.fa"]
        for name, read in zip(texts, pool.map(genome.read, texts), strict=True):
            assert read.dtype == np.uint8
            np.testing.assert_array_equal(read, texts[name])


BROKEN = {
    "empty": (b"", ["is empty"]),
    "blank lines": (b"\n \n", ["is empty"]),
    "empty gzip": (gzip.compress(b""), ["is empty"]),
    "text": (b"hello\n", ["begins with 'hello'", "begins with '>'"]),
    "GFF3": (b"##gff-version 3\nchr1\t.\tgene\n", ["begins with '##gff-version 3'"]),
    "FASTQ": (b"@r\nACGT\n+\nIIII\n", ["begins with '@r'"]),
    "FASTQ below": (b">a\nAC\n@r\nACGT\n+\nIIII\n", ["'+'", "FASTQ"]),
    "binary": (b">a\nAC\0\1\2\n", ["binary"]),
    "cut gzip": (gzip.compress(b">a\n" + b"ACGT\n" * 99999)[:-20], ["damaged or truncated"]),
    "no gzip": (b"\x1f\x8b" + b"x" * 40, ["damaged or truncated"]),
    "Latin-1 name": (b">\xe4\nAC\n", ["bytes that are not text (0xe4)"]),
    "no name": (b">a\nAC\n>\nAC\n", ["sequence 2 has no name"]),
    "name twice": (b">a 1\nAC\n>b\nA\n>a 2\nAC\n", ["'a' is not unique", "1 and 3"]),
    "long name": (b">" + b"n" * 51 + b"\nAC\n", ["has 51 bytes", "hold 50"]),
    "no bases": (b">a\nAC\n>b\n>c\nAC\n", ["'b' is empty"]),
    "protein": (
        b">p\nMKLEF*\n",
        ["4 characters that are not IUPAC", "position 3", "protein"],
    ),
    "gaps": (b">a\nAC--GT\n", ["2 characters", "'-'", "position 3", "replace them by N"]),
    "blanks": (b">a\nAC GT\n", ["1 characters", "' '"]),
}


@pytest.mark.parametrize("case", BROKEN)
def test_what_is_no_genome_is_refused(tmp_path, capfd, case):
    content, parts = BROKEN[case]
    path = tmp_path / "genome.fa"
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        open_fasta(path, scratch=tmp_path)
    for part in [f"{path}: ", *parts]:
        assert part in str(caught.value)
    assert capfd.readouterr() == ("", "")  # htslib is silent
    assert os.listdir(tmp_path) == ["genome.fa"]


def test_missing_file_and_folder(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        open_fasta(tmp_path / "no.fa")
    with pytest.raises(InputError, match="is a folder"):
        open_fasta(tmp_path)


def test_a_full_disk_is_said(tmp_path, monkeypatch):
    (tmp_path / "genome.fa").write_bytes(TEXT)

    def full(**_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(fasta.tempfile, "TemporaryFile", full)
    with pytest.raises(HelixerFtError, match=r"No space left on device.*one byte per base"):
        open_fasta(tmp_path / "genome.fa", scratch=tmp_path)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_disk_that_becomes_full(tmp_path, monkeypatch):
    """Closing the store fails once more."""
    path = tmp_path / "g.fa"
    path.write_text(">a\nACGT\n")
    full = open("/dev/full", "r+b")  # noqa: SIM115
    monkeypatch.setattr(fasta.tempfile, "TemporaryFile", lambda **_: full)
    with pytest.raises(HelixerFtError, match=r"g.fa: its bases could not be stored in .*one byte"):
        open_fasta(path, scratch=tmp_path)


@pytest.mark.parametrize("form", [form for form in FORMS if form != "byte order mark"])
def test_blocks_may_end_anywhere(tmp_path, monkeypatch, form):
    path = tmp_path / "genome"
    FORMS[form](path)
    for block in (11, 12, 15, 17):
        monkeypatch.setattr(packed_text, "_BLOCK", block)
        with open_fasta(path) as genome:
            assert list(genome.lengths.items()) == [("chr1", 12), ("chr2", 3)]
            assert [genome.read(name).tobytes() for name in ("chr1", "chr2")] == [CHR1, CHR2]


def test_a_zero_byte_far_behind_does_not_cut_a_sequence_short(tmp_path):
    """C strings end there: what follows would be lost, and nothing said."""
    path = tmp_path / "genome.fa"
    path.write_bytes(b">a\n" + b"ACGT" * 30_000 + b"\0" + b"ACGT" * 30_000 + b"\n")
    with pytest.raises(InputError, match="is a binary file"):
        open_fasta(path)


def test_letters_that_are_no_bases_are_counted_over_blocks(tmp_path, monkeypatch):
    monkeypatch.setattr(packed_text, "_BLOCK", 10)
    path = tmp_path / "genome.fa"
    path.write_bytes(b">a\n" + b"ACGT\n" * 10 + b"-ACG\n" * 3)
    with pytest.raises(InputError, match=r"has 3 characters .*'-'; the first at position 41"):
        open_fasta(path)


def test_bgzip_that_is_cut_between_two_blocks(tmp_path):
    path = tmp_path / "genome.fa.gz"
    bgzip(path)
    path.write_bytes(path.read_bytes()[:-28])
    with pytest.raises(InputError, match="the end mark of bgzip is missing"):
        open_fasta(path)
