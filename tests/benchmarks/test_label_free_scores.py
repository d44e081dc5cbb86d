"""The parts of benchmarks/label_free_scores.py that predict nothing."""

import sys
from argparse import Namespace
from pathlib import Path

import h5py
import numpy as np
import pytest
from conftest import tiny_model

from helixer_ft.formats.model_h5 import write_model_file
from helixer_ft.simulate.files import to_fasta, to_gff3
from helixer_ft.simulate.genome import simulate
from helixer_ft.simulate.species import TARGET

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
import label_free_scores as benchmark


def kernels(path: Path) -> dict[str, np.ndarray]:
    found = {}
    with h5py.File(path) as file:
        file["model_weights"].visititems(
            lambda name, item: found.update({name: item[()]} if hasattr(item, "shape") else {})
        )
    return found


def test_noise_goes_to_kernels_alone_and_follows_the_seed(tmp_path):
    paths = [tmp_path / f"{i}.h5" for i in range(4)]
    for path, (noise, seed) in zip(paths, [(0, 0), (0.5, 0), (0.5, 0), (0.5, 1)], strict=True):
        write_model_file(path, tiny_model().to_file({"version": "0"}))
        benchmark.perturb(path, noise, seed)
    clean, noisy, again, other = map(kernels, paths)
    for name, values in clean.items():
        assert np.array_equal(noisy[name], again[name])
        assert np.array_equal(noisy[name], values) == (values.ndim < 2)
        assert np.array_equal(noisy[name], other[name]) == (values.ndim < 2)
    original = tmp_path / "original.h5"
    write_model_file(original, tiny_model().to_file({"version": "0"}))
    assert all(np.array_equal(clean[name], values) for name, values in kernels(original).items())


def test_rank_correlation():
    assert benchmark.ranks(np.array([3.0, 1.0, 3.0, 9.0])).tolist() == [1.5, 0, 1.5, 3]

    def rows(scores, truth):
        return [{"s": s, "gene": f} for s, f in zip(scores, truth, strict=True)]

    assert benchmark.correlation(rows([1, 2, 30], [0.1, 0.2, 0.3]), "s", "gene") == pytest.approx(1)
    assert benchmark.correlation(rows([9, 2, 1], [0.1, 0.2, 0.3]), "s", "gene") == pytest.approx(-1)
    # 1 - 6 * sum(d ** 2) / (n ** 3 - n)
    found = benchmark.correlation(rows([1, 2, 4, 3], [0.1, 0.2, 0.3, 0.4]), "s", "gene")
    assert found == pytest.approx(1 - 6 * 2 / 60)
    assert np.isnan(benchmark.correlation(rows([1, 1, 1], [0.1, 0.2, 0.3]), "s", "gene"))
    assert np.isnan(benchmark.correlation(rows([1, 2, np.nan], [0.1, 0.2, 0.3]), "s", "gene"))


def test_files_of_a_folder_are_scored_and_ranked(tmp_path, monkeypatch):
    genome = simulate(TARGET, 2, 20_000, seed=1)
    (tmp_path / "genome.fa").write_bytes(to_fasta(genome))
    text = to_gff3(genome).decode()
    (tmp_path / "genes.gff3").write_text(text)
    folder = tmp_path / "work/sim"
    folder.mkdir(parents=True)
    names = [gene.gene_id for gene in genome.genes]
    for kept in (1.0, 0.6, 0.3):
        left_out = names[round(kept * len(names)) :]
        lines = [x for x in text.splitlines() if not any(f"={n}" in x for n in left_out)]
        (folder / f"{kept}.gff3").write_text("\n".join(lines) + "\n")
    (folder / "none.gff3").write_text("##gff-version 3\n")
    page = tmp_path / "page.md"
    arguments = ["--work", tmp_path / "work", "--out", page, "--species", "sim"]
    arguments += [tmp_path / "genome.fa", tmp_path / "genes.gff3"]
    monkeypatch.setattr(sys, "argv", ["label_free_scores.py", *map(str, arguments)])
    benchmark.main()
    lines = page.read_text().splitlines()
    rows = {line.split(" | ")[0]: line.strip("| ").split(" | ")[1:] for line in lines}
    assert rows["| genes per Mb"] == ["+1.00", "+1.00"]
    assert rows["| complete ORFs"] == ["–", "–"]
    assert "| with gene F1 | sim (3) | mean |" in lines
    assert "| with coding exon F1 | sim (3) | mean |" in lines
    (best, *_) = [line for line in lines if line.startswith("| sim | ")]
    assert best.startswith("| sim | 1.0 | 1.0000 | 1.0000 | 1.0000 | 1.000")


def test_too_few_files_say_so(tmp_path, monkeypatch):
    (tmp_path / "g").write_text("")
    arguments = ["x", "--work", tmp_path, "--out", tmp_path / "p", "--species"]
    arguments += ["sim", tmp_path / "g", tmp_path / "g"]
    monkeypatch.setattr(sys, "argv", list(map(str, arguments)))
    with pytest.raises(SystemExit, match="0 GFF3 files, expected at least 3"):
        benchmark.main()
    assert isinstance(benchmark.parse_arguments(), Namespace)
