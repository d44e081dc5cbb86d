"""The same figures as gffcompare: those kept beside this file, and of the program where it is."""

import random
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from conftest import SHARED

from helixer_ft.genes.evaluate import evaluate_genes
from helixer_ft.simulate.files import to_fasta, to_gff3
from helixer_ft.simulate.genome import simulate
from helixer_ft.simulate.species import TARGET

GFFCOMPARE = shutil.which("gffcompare")
KEPT = Path(__file__).parent / "gffcompare"
ROW = re.compile(r"^ *(\w[\w ]*) level: +([\d.]+) +\| +([\d.]+)", re.M)
SPECIES = ("athaliana", "celegans", "cneoformans")


def assert_same_figures(stats: str, *files: Path) -> dict[str, tuple[float, float]]:
    """`files`: predicted, reference, genome. gffcompare prints one decimal."""
    theirs = {
        name.lower(): (float(recall), float(precision))
        for name, recall, precision in ROW.findall(stats)
    }
    ours = evaluate_genes(*files).comparison.exons
    assert set(theirs) == set(ours)
    for name, level in ours.items():
        found = 100 * level.recall, 100 * level.precision
        assert found == pytest.approx(theirs[name], abs=0.051), name
    return theirs


def test_figures_of_gffcompare(tmp_path):
    """A made-up prediction with every kind of slip; one transcript per gene on both sides."""
    genome = tmp_path / "genome.fa"
    stats = (KEPT / "stats.txt").read_text()
    assert stats.startswith("# gffcompare v0.12.10")
    lengths = {"chr01": 70_000, "chr02": 70_000, "chr03": 70_000}
    genome.write_text("".join(f">{name}\n{'N' * n}\n" for name, n in lengths.items()))
    files = KEPT / "predicted.gff3.gz", KEPT / "reference.gff3.gz", genome
    theirs = assert_same_figures(stats, *files)
    # neither all right nor all wrong, and the levels differ
    assert all(20 < value < 99 for pair in theirs.values() for value in pair)
    assert len(set(theirs.values())) >= 5


@pytest.mark.parametrize("species", SPECIES)
@pytest.mark.parametrize("options", ["", ".T"])
def test_figures_of_predictions_of_real_species(species, options):
    folder, data = SHARED / "oracles/gffcompare", SHARED / "data" / species
    if not folder.is_dir():
        pytest.skip("needs predictions that are not part of the repository")
    files = (
        folder / f"{species}.predicted.gff3.gz",
        data / "annotation.gff3.gz",
        data / "genome.fa.gz",
    )
    assert_same_figures((folder / f"{species}{options}.stats.txt").read_text(), *files)


def shifted(lines: list[str], rng: random.Random) -> list[str]:
    """Some exons begin three bases later, so that they hold neither their CDS nor their UTR."""
    result = []
    for line in lines:
        columns = line.split("\t")
        if len(columns) == 9 and columns[2] == "exon" and rng.random() < 0.2:
            columns[3] = str(int(columns[3]) + 3)
        result.append("\t".join(columns))
    return result


def test_exons_that_do_not_hold_their_cds_and_utrs_reach_over_them(tmp_path):
    """As gffcompare has it: the shifted prediction is as good as the one before."""
    genome = simulate(TARGET, 1, 30_000, seed=7)
    (tmp_path / "genome.fa").write_bytes(to_fasta(genome))
    reference = to_gff3(genome).decode()
    (tmp_path / "reference.gff3").write_text(reference)
    lines = shifted(reference.splitlines(), random.Random(1))
    assert lines != reference.splitlines()
    (tmp_path / "predicted.gff3").write_text("\n".join(lines) + "\n")
    files = [tmp_path / name for name in ("predicted.gff3", "reference.gff3", "genome.fa")]
    outcome = evaluate_genes(*files)
    assert all(level.f1 == 1 for level in outcome.comparison.exons.values())
    assert any("UTR pieces outside the exons" in notice for notice in outcome.notices)


@pytest.mark.skipif(GFFCOMPARE is None, reason="needs gffcompare")
def test_exon_levels(tmp_path):
    """One transcript per gene, so that gffcompare's pairing of transcripts plays no part."""
    genome = simulate(TARGET, 3, 60_000, seed=7)
    (tmp_path / "genome.fa").write_bytes(to_fasta(genome))
    reference = to_gff3(genome).decode()
    (tmp_path / "reference.gff3").write_text(reference)
    rng = random.Random(1)
    names = {gene.gene_id for gene in genome.genes if rng.random() < 0.3}
    lines = [
        line
        for line in shifted(reference.splitlines(), rng)
        if not any(re.search(rf"=({name})([.;]|$)", line.split("\t")[-1]) for name in names)
    ]
    (tmp_path / "predicted.gff3").write_text("\n".join(lines) + "\n")
    subprocess.run(
        [str(GFFCOMPARE), "-T", "-r", "reference.gff3", "-o", "out", "predicted.gff3"],
        cwd=tmp_path,
        check=True,
        capture_output=True,
    )
    files = [tmp_path / name for name in ("predicted.gff3", "reference.gff3", "genome.fa")]
    assert_same_figures((tmp_path / "out.stats").read_text(), *files)
