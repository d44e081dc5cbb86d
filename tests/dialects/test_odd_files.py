"""Odd files are read as they are meant, one odd gene is masked alone, and what it is is said."""

import re
from collections import Counter
from pathlib import Path

import pytest

from helixer_ft.errors import InputError
from helixer_ft.genome.fasta import open_fasta
from helixer_ft.genome.mending import read_genes
from tests.dialects.labelled import assert_same_labels, labels_of
from tests.dialects.odd_files import ODD
from tests.dialects.rewriting import DIALECTS

NOTICES = {
    "trans-splicing": "genes masked: features on both strands or in several places",
    "pseudogene with CDS": "genes masked: pseudogenes with CDS",
    "`pseudo=true`": "genes masked: pseudogenes with CDS",
    "`gene_biotype=processed_pseudogene`": "genes masked: pseudogenes with CDS",
    "end before start": "genes masked: features that end before they start",
    "non-coding feature beyond the end": "features beyond the end of their sequence, cut there",
    "coding gene beyond the end": "genes masked: beyond the end of the sequence",
    "empty columns at the end": "lines with empty columns after the ninth, left out",
    "CDS without Parent": "CDS without Parent, taken as genes of their own",
    "CDS below exons": "exons with CDS below them",
    "CDS of a transcript that is not there": "genes masked: CDS whose parent is not in the file",
}
REFUSED = {name for name in NOTICES if NOTICES[name].startswith("genes masked")} | {
    "non-coding feature beyond the end",
    "empty columns at the end",
}


@pytest.mark.parametrize("kind", ODD)
def test_odd_files(simulated, tmp_path, kind):
    fasta_path, bases, genes, _ = simulated
    text, meant = ODD[kind](genes, bases)
    path = tmp_path / "genes.gff3"
    path.write_text(text)
    with open_fasta(fasta_path) as fasta:
        found = read_genes(path, fasta)
        if kind in REFUSED:
            with pytest.raises(InputError, match=r"genes\.gff3"):
                read_genes(path, fasta, strict=True)
        else:
            read_genes(path, fasta, strict=True)
    assert_same_labels(labels_of(found.genes, bases), labels_of(meant, bases))
    problems = [
        Counter(gene.problem for there in one.values() for gene in there if gene.problem)
        for one in (found.genes, meant)
    ]
    assert problems[0] == problems[1]
    counts = {notice.kind: notice.count for notice in found.notices}
    if kind in NOTICES:
        assert counts[NOTICES[kind]] >= 1
        if NOTICES[kind].startswith("genes masked"):
            assert counts[NOTICES[kind]] == 1
    else:
        assert not any(kind.startswith("genes masked") for kind in counts)


def test_every_dialect_of_the_table_is_tested():
    page = (Path(__file__).parents[2] / "docs/formats.md").read_text(encoding="utf-8")
    section = page.split("## Annotations: dialects\n")[1].split("\n## ")[0]
    rows = re.findall(r"^\| (.+?) \|", section, re.M)
    listed = [row for row in rows if row not in ("dialect", "found") and set(row) != {"-"}]
    assert sorted(listed) == sorted([*DIALECTS, *ODD])


SEQUENCE = "chr1"


def many(share: float, line: str, n: int = 100) -> str:
    """n genes with CDS, and after a share of them a line."""
    rows = []
    for i in range(n):
        start = 101 + 300 * i
        head = f"{SEQUENCE}\tx\t{{}}\t{start}\t{start + 89}\t.\t+\t{{}}\t"
        rows += [head.format("gene", ".") + f"ID=g{i}", head.format("CDS", 0) + f"Parent=g{i}"]
        if i < share * n:
            rows.append(line.format(i=i, start=start + 9, end=start))
    return "\n".join(rows) + "\n"


@pytest.fixture
def fasta(tmp_path):
    path = tmp_path / "genome.fa"
    path.write_text(f">{SEQUENCE}\n" + "ACGTTGCAAT" * 3050 + "\n")
    with open_fasta(path) as opened:
        yield opened


REVERSED = SEQUENCE + "\tx\tCDS\t{start}\t{end}\t.\t+\t0\tParent=g{i}"
BEYOND = SEQUENCE + "\tx\texon\t30000\t30600\t.\t+\t.\tParent=g{i}"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            REVERSED,
            r"line 3: has start 110 and end 101, expected .* 50 of 250 features end before",
        ),
        (BEYOND, r"50 of 250 features lie beyond the end .* same version of the assembly"),
    ],
)
def test_many_odd_lines_are_refused(fasta, tmp_path, line, message):
    path = tmp_path / "genes.gff3"
    path.write_text(many(0.5, line))
    with pytest.raises(InputError, match=message):
        read_genes(path, fasta)
    path.write_text(many(0.02, line))
    found = read_genes(path, fasta).genes[SEQUENCE]
    assert sum(gene.trusted for gene in found) == 98


def test_most_coding_genes_beyond_the_end_are_another_assembly(fasta, tmp_path):
    """Few features, but most of the genes of a small file."""
    path = tmp_path / "genes.gff3"
    path.write_text(many(0, "", 5) + many(1, BEYOND, 1).replace("=g", "=h"))
    assert sum(gene.trusted for gene in read_genes(path, fasta).genes[SEQUENCE]) == 5
    path.write_text(many(0, "", 1) + many(1, BEYOND, 2).replace("=g", "=h"))
    with pytest.raises(InputError, match=r"2 of 3 coding genes lie beyond the end"):
        read_genes(path, fasta)
    # altogether beyond it, too
    away = many(0, "", 130).splitlines()[-2 * 25 :]
    path.write_text(many(0, "", 3) + "\n".join(away[:4]) + "\n")
    counts = {notice.kind: notice.count for notice in read_genes(path, fasta).notices}
    assert counts["genes masked: beyond the end of the sequence"] == 2
    path.write_text(many(0, "", 1) + "\n".join(away[:4]) + "\n")
    with pytest.raises(InputError, match=r"2 of 3 coding genes lie beyond the end"):
        read_genes(path, fasta)
    path.write_text("\n".join(away[:4]) + "\n")
    with pytest.raises(InputError, match=r"2 of 2 coding genes lie beyond the end"):
        read_genes(path, fasta)
