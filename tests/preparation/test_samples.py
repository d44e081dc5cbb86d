"""Sheets of genomes, and names of species."""

from pathlib import Path

import pytest

from helixer_ft.errors import InputError
from helixer_ft.formats.data_names import species_of
from helixer_ft.preparation.samples import Sample, read_sheet

HEADER = "species\tfasta\tgff3\trole\n"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    for name in ("a.fa", "a.gff3", "b.fa", "b.gff3"):
        (tmp_path / name).touch()
    monkeypatch.chdir("/")
    return tmp_path


def sheet(folder, text):
    path = folder / "sheet.tsv"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def test_a_sheet_is_read(folder):
    found = read_sheet(sheet(folder, f"{HEADER}A\ta.fa\ta.gff3\ttrain\nB\tb.fa\tb.gff3\tsplit\n"))
    assert found == (
        Sample("A", folder / "a.fa", folder / "a.gff3", "train"),
        Sample("B", folder / "b.fa", folder / "b.gff3", "split"),
    )


def test_columns_in_any_order_comments_blank_lines_dos_and_byte_order_mark(folder):
    text = "# mine\r\n\r\nrole\tgff3\tfasta\tspecies\r\ntest\ta.gff3\ta.fa\tA\r\n\r\n"
    (found,) = read_sheet(sheet(folder, b"\xef\xbb\xbf" + text.encode()))
    assert found == Sample("A", folder / "a.fa", folder / "a.gff3", "test")


def test_paths_are_of_the_working_directory_first(folder, monkeypatch):
    (folder / "work").mkdir()
    (folder / "work" / "a.fa").touch()
    monkeypatch.chdir(folder / "work")
    (found,) = read_sheet(sheet(folder, f"{HEADER}A\ta.fa\ta.gff3\ttrain\n"))
    assert found.fasta == Path("a.fa")
    assert found.gff3 == folder / "a.gff3"


BAD = {
    "empty": ("", ["is empty", "species, fasta, gff3, role"]),
    "header alone": (HEADER, ["no line below it"]),
    "commas": ("species,fasta,gff3,role\nA,a.fa,a.gff3,train\n", ["has no tab"]),
    "unknown column": (
        "species\tfasta\tgff3\trole\tbam\nA\ta.fa\ta.gff3\ttrain\tx\n",
        ["unknown column(s) 'bam'", "expected species, fasta, gff3, role"],
    ),
    "missing column": ("species\tfasta\tgff3\nA\ta.fa\ta.gff3\n", ["lacks the column(s) role"]),
    "column twice": (
        "species\tfasta\tgff3\trole\trole\nA\ta.fa\ta.gff3\ttrain\ttest\n",
        ["has a duplicate column"],
    ),
    "unknown role": (
        f"{HEADER}A\ta.fa\ta.gff3\ttraining\n",
        ["line 2 has the role 'training'", "one of train, validation, test, split"],
    ),
    "too few cells": (f"{HEADER}A\ta.fa\n", ["line 2 has 2 columns, the header has 4"]),
    "too many cells": (f"{HEADER}A\ta.fa\ta.gff3\ttrain\tx\n", ["has 5 columns"]),
    "empty cell": (f"{HEADER}A\ta.fa\t\ttrain\n", ["line 2 has no gff3"]),
    "missing file": (f"{HEADER}A\tno.fa\ta.gff3\ttrain\n", ["fasta: no.fa: no such file"]),
    "species twice": (
        f"{HEADER}A\ta.fa\ta.gff3\ttrain\nA\tb.fa\tb.gff3\ttest\n",
        ["species A is listed more than once"],
    ),
    "blank in a name": (f"{HEADER}A b\ta.fa\ta.gff3\ttrain\n", ["line 2: species is 'A b'"]),
    "path as a name": (f"{HEADER}../A\ta.fa\ta.gff3\ttrain\n", ["species is '../A'"]),
    "long name": (f"{HEADER}{'A' * 26}\ta.fa\ta.gff3\ttrain\n", ["26 characters", "hold 25"]),
    "binary": (b"\xff\xfe\x00\x01", ["is not a text file"]),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_sheets(folder, case):
    text, parts = BAD[case]
    path = sheet(folder, text)
    with pytest.raises(InputError) as caught:
        read_sheet(path)
    for part in [f"{path}: ", *parts]:
        assert part in str(caught.value)


def test_no_sheet(folder):
    with pytest.raises(InputError, match="no such file"):
        read_sheet(folder / "no.tsv")
    with pytest.raises(InputError, match="is a folder"):
        read_sheet(folder)
    with pytest.raises(InputError, match="not a regular file"):
        read_sheet(Path("/dev/zero"))


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("genome.fa", "genome"),
        ("A_thaliana.TAIR10.dna.fa.gz", "A_thaliana.TAIR10.dna"),
        ("my genome (new).fasta.bgz", "my_genome_new_"),
        ("noend", "noend"),
        ("x.fna", "x"),
        (f"{'g' * 30}.fa", "g" * 25),
        ("().fa", "genome"),
    ],
)
def test_species_from_the_name_of_the_file(file, name):
    assert species_of(Path("/data") / file) == name
