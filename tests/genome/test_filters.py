"""Filters that the header of a file names."""

import gzip

import pytest

from helixer_ft.genome.filters import COMPLETE_ORF, SINGLE_EXON, filters_line, read_filters

GENE = "chr1\tx\tgene\t1\t9\t.\t+\t.\tID=g"


@pytest.mark.parametrize("packed", [False, True])
def test_what_is_written_is_read(tmp_path, packed):
    text = "\n".join(["##gff-version 3", filters_line([COMPLETE_ORF, SINGLE_EXON]), GENE]) + "\n"
    path = tmp_path / "g.gff3"
    path.write_bytes(gzip.compress(text.encode()) if packed else text.encode())
    assert read_filters(path) == (COMPLETE_ORF, SINGLE_EXON)


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["##gff-version 3", GENE], ()),
        (["##helixer-ft-filters: a,b", "", "##helixer-ft-filters: b, c ,", GENE], ("a", "b", "c")),
        (["##helixer-ft-filters:", GENE], ()),
        ([GENE, "##helixer-ft-filters: a"], ()),  # header lines only
        (["##helixer-ft-filters: a\r", f"{GENE}\r"], ("a",)),
        (["\ufeff##helixer-ft-filters: a"], ("a",)),
        ([], ()),
    ],
)
def test_lines(tmp_path, lines, expected):
    path = tmp_path / "g.gff3"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    assert read_filters(path) == expected
