"""The commands that the fault tests run, on little data."""

from pathlib import Path

import numpy as np
from conftest import random_rows, tiny_model

from helixer_ft.formats.model_h5 import write_model_file
from helixer_ft.simulate.files import to_fasta, to_gff3
from helixer_ft.simulate.genome import simulate
from helixer_ft.simulate.species import TARGET
from tests.cli.test_add_coverage import GENES, dutp_reads
from tests.coverage.coverage_files import write_bam, write_data
from tests.data_files import write_data_file
from tests.faults.harness import Scenario


def _genome(folder: Path) -> None:
    genome = simulate(TARGET, 6, 20_000, seed=3)
    (folder / "g.fa").write_bytes(to_fasta(genome))
    (folder / "g.gff3").write_bytes(to_gff3(genome))


def _alignments(folder: Path) -> None:
    (folder / "data").mkdir()
    write_data(folder / "data/training_data.h5", "chr1", genes=GENES)
    write_data(folder / "data/validation_data.h5", "chr2", "chr3")
    write_bam(folder / "leaf.bam", dutp_reads())


def _model(folder: Path, **options: float) -> None:
    write_model_file(folder / "base.h5", tiny_model(**options).to_file({}))


def _to_predict_on(folder: Path) -> None:
    _model(folder)
    parts = [random_rows(60, 450, seed=seed, seqid=f"chr{seed}") for seed in (1, 2)]
    names = ("X", "seqids", "species", "start_ends")
    datasets = {name: np.concatenate([part[name] for part in parts]) for name in names}
    write_data_file(folder / "data.h5", datasets)


PREPARE = Scenario(
    "prepare",
    (
        *("prepare", "--fasta", "g.fa", "--gff3", "g.gff3", "--out-dir", "data"),
        *("--subsequence-length", "900"),
    ),
    _genome,
    "-q",
)
ADD_COVERAGE = Scenario(
    "add-coverage",
    ("add-coverage", "-d", "data", "--bam", "leaf.bam", "--threads", "2"),
    _alignments,
    "--force",
)
PREDICT = Scenario(
    "predict",
    (
        *("predict", "-l", "base.h5", "-t", "data.h5", "-p", "out.h5"),
        *("--val-test-batch-size", "4", "--checkpoint-minutes", "0"),
    ),
    _to_predict_on,
    "--resume",
)


def _to_train_on(folder: Path) -> None:
    _model(folder, dropout=0.2)
    (folder / "sets").mkdir()
    for name, windows, seed in (("training", 12, 1), ("validation", 8, 2), ("test", 8, 3)):
        rows = random_rows(windows, seed=seed, seqid=f"chr{seed}")
        write_data_file(folder / "sets" / f"{name}_data.h5", rows)


_TRAIN = (
    *("-l", "base.h5", "-d", "sets", "-t", "sets/test_data.h5", "-s", "tuned.h5", "-e", "6"),
    *("-b", "4", "--accumulate", "2", "--check-every-nth-batch", "3", "--learning-rate", "1e-2"),
    *("--patience", "20", "--save-every-check", "--checkpoint-minutes", "0"),
)
_GROW = ("tuned.h5", "tuned.run/state/state.h5")
WHOLE = Scenario("whole", ("whole", *_TRAIN), _to_train_on, "--resume", _GROW)
FREEZE = Scenario(
    "freeze",
    ("freeze", "--post-coverage-hidden-layer", "--keep-cache", "--cache-dir", "cache", *_TRAIN),
    _to_train_on,
    "--resume",
    _GROW,
)
SCENARIOS = {
    scenario.name: scenario for scenario in (PREPARE, ADD_COVERAGE, PREDICT, WHOLE, FREEZE)
}
