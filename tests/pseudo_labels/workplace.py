"""A simulated genome, predictions that are sure of its genes, and the command on both: neither a
network nor HelixerPost is needed.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from click.testing import CliRunner, Result
from conftest import tiny_model

from helixer_ft.cli import main
from helixer_ft.formats.model_h5 import write_model_file
from helixer_ft.formats.predictions_h5 import PredictionsWriter, pack
from helixer_ft.inference.request import PredictRequest
from helixer_ft.preparation.prepare import prepare
from helixer_ft.preparation.request import PrepareRequest
from helixer_ft.preparation.samples import Sample
from helixer_ft.pseudo_labels import teachers
from helixer_ft.pseudo_labels.request import PseudoLabelRequest
from helixer_ft.simulate.files import to_fasta, to_gff3
from helixer_ft.simulate.genome import SimulatedGenome, simulate
from helixer_ft.simulate.species import TARGET
from tests.cli.workplace import CommandFolder

LENGTH = 1800
SURE, UNSURE = 0.97, 0.6
"""Probability of the label, of genes that the predictions are sure of, and of others."""


def simulated(n: int = 8, length: int = 12_000, seed: int = 1) -> SimulatedGenome:
    return simulate(TARGET, n, length, seed=seed)


def probabilities(
    genome: SimulatedGenome, folder: Path, doubtful: Mapping[str, float] | None = None
) -> np.ndarray:
    """(rows, 2, L, 4) probabilities of class and phase of a genome in `folder` ("g.fa",
    "g.gff3"), rows in the order of `predict --fasta`.

    `doubtful` has the probability of the label over some genes: name -> probability.
    """
    out = folder / "labels"
    sample = Sample("sp", folder / "g.fa", folder / "g.gff3")
    prepare(PrepareRequest((sample,), out, subsequence_length=LENGTH, split=False))
    with h5py.File(out / "sp.h5") as file:
        labels = np.stack([file["data/y"][:], file["data/phases"][:]], axis=1)
        seqids = [name.decode() for name in file["data/seqids"]]
        start_ends = file["data/start_ends"][:]
    order = list(genome.sequences)
    rows = np.argsort([order.index(name) for name in seqids], kind="stable")
    sure = np.full(labels.shape[:1] + labels.shape[2:3], SURE, np.float32)
    genes = {gene.gene_id: gene for gene in genome.genes}
    for name, probability in (doubtful or {}).items():
        gene = genes[name]
        for row in rows:
            start, end = start_ends[row]
            if seqids[row] == gene.seqid and (start < end) == (gene.strand == "+"):
                at = np.arange(min(start, end), max(start, end))
                at = at if start < end else at[::-1]
                there = np.flatnonzero((at >= gene.start) & (at < gene.end))
                sure[row, there] = probability
    given = labels * sure[:, None, :, None]
    rest = (1 - labels) * (1 - sure[:, None, :, None]) / 3
    return (given + rest)[rows].astype(np.float32)


def write_predictions(path: Path, rows: np.ndarray) -> None:
    attributes = {"model_md5sum": "x"}
    with PredictionsWriter(path, len(rows), rows.shape[2], 2, attributes, path) as writer:
        for row in rows:
            writer.append(pack(row))


class PseudoFolder(CommandFolder):
    """A folder with a model, a genome, and a HelixerPost that gives the genome's own genes.

    Parameters
    ----------
    folder
        An empty one.
    monkeypatch
        Replaces what predicts, and the PATH.
    doubtful
        See `probabilities`.
    network
        Whether the model predicts, rather than `probabilities`.
    """

    every = False
    """Whether all genes are labelled; else the options begin with `--keep 1`."""

    def __init__(
        self,
        folder: Path,
        monkeypatch: Any,
        *,
        genome: SimulatedGenome | None = None,
        doubtful: Mapping[str, float] | None = None,
        least_genes: int = 5,
        edit_gff3: Callable[[str], str] = str,
        network: bool = False,
    ) -> None:
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self.genome = genome or simulated()
        self.model, self.fasta, self.out = folder / "m.h5", folder / "g.fa", folder / "out"
        write_model_file(self.model, tiny_model().to_file({}))
        self.fasta.write_bytes(to_fasta(self.genome))
        (folder / "g.gff3").write_bytes(to_gff3(self.genome))
        (folder / "post.gff3").write_text(edit_gff3((folder / "g.gff3").read_text()))
        program = folder / "bin" / "helixer_post_bin"
        program.parent.mkdir()
        program.write_text(f'#!/bin/sh\ncp {folder}/post.gff3 "$7"\n')
        program.chmod(0o755)
        self.predicted: list[PredictRequest] = []
        monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
        if not network:
            self.rows = probabilities(self.genome, folder, doubtful)
            monkeypatch.setattr(teachers, "predict", self._predict)
        monkeypatch.setattr(PseudoLabelRequest, "min_genes", least_genes)

    def _predict(self, request: PredictRequest, _progress: Any, *, processes: Any) -> None:
        self.predicted.append(request)
        assert request.prediction_output_path is not None
        write_predictions(request.prediction_output_path, self.rows)

    def run(self, *options: Any) -> Result:
        given = ["-l", self.model, "--fasta", self.fasta, "--out-dir", self.out]
        given += ["--subsequence-length", LENGTH, *([] if self.every else ["--keep", 1]), *options]
        return CliRunner().invoke(main, ["pseudo-label", *map(str, given)])

    def done(self, *options: Any) -> Result:
        result = self.run(*options)
        assert result.exit_code == 0, result.output
        return result

    def genes(self, out: str = "out") -> dict[str, dict[str, str]]:
        """Gene -> the cells of its line in genes.tsv."""
        header, *lines = (self.folder / out / "genes.tsv").read_text().splitlines()
        rows = [dict(zip(header.split("\t"), line.split("\t"), strict=True)) for line in lines]
        return {row["gene"]: row for row in rows}
