"""The same figures as gffcompare, where it is installed and definitions are the same."""

import random
import re
import shutil
import subprocess

import pytest

from helixer_ft.genes.evaluate import evaluate_genes
from helixer_ft.simulate.files import to_fasta, to_gff3
from helixer_ft.simulate.genome import simulate
from helixer_ft.simulate.species import TARGET

GFFCOMPARE = shutil.which("gffcompare")
ROW = re.compile(r"^ *(\w[\w ]*) level: +([\d.]+) +\| +([\d.]+)", re.M)


@pytest.mark.skipif(GFFCOMPARE is None, reason="needs gffcompare")
def test_exon_levels(tmp_path):
    """One transcript per gene, so that gffcompare's pairing of transcripts plays no part."""
    genome = simulate(TARGET, 3, 60_000, seed=7)
    (tmp_path / "genome.fa").write_bytes(to_fasta(genome))
    reference = to_gff3(genome).decode()
    (tmp_path / "reference.gff3").write_text(reference)
    rng = random.Random(1)
    names = {gene.gene_id for gene in genome.genes if rng.random() < 0.3}
    lines = []
    for line in reference.splitlines():
        columns = line.split("\t")
        if len(columns) == 9 and columns[2] == "exon" and rng.random() < 0.2:
            columns[3] = str(int(columns[3]) + 3)
        if not any(re.search(rf"=({name})([.;]|$)", columns[-1]) for name in names):
            lines.append("\t".join(columns))
    (tmp_path / "predicted.gff3").write_text("\n".join(lines) + "\n")
    subprocess.run(
        [str(GFFCOMPARE), "-T", "-r", "reference.gff3", "-o", "out", "predicted.gff3"],
        cwd=tmp_path,
        check=True,
        capture_output=True,
    )
    theirs = {
        name.lower(): (float(recall), float(precision))
        for name, recall, precision in ROW.findall((tmp_path / "out.stats").read_text())
    }
    files = [tmp_path / name for name in ("predicted.gff3", "reference.gff3", "genome.fa")]
    ours = evaluate_genes(*files).comparison.exons
    assert set(theirs) == set(ours)
    for name, level in ours.items():
        assert (100 * level.recall, 100 * level.precision) == pytest.approx(theirs[name], abs=0.06)
