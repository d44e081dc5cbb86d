"""The sound files, the commands that read them, and what each must say of a sound file."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import pybigtools
import pysam
from conftest import random_rows, tiny_architecture

from helixer_ft.formats.model_h5 import write_model_file
from helixer_ft.simulate.files import to_fasta, to_gff3
from helixer_ft.simulate.genome import simulate
from helixer_ft.simulate.reads import write_reads
from helixer_ft.simulate.species import TARGET
from tests.bad_files.alignments import BAM, BIGWIG
from tests.bad_files.hdf5 import HDF5, MODEL
from tests.bad_files.kinds import Mutation
from tests.bad_files.text import FASTA, GFF3, TOML, no_end_of_bgzip
from tests.coverage.coverage_files import LENGTHS, random_reads, write_bam, write_data
from tests.data_files import write_data_file
from tests.network.builders import random_model

_FINE_TUNE = ("-l", "model.h5", "-d", "data", "-t", "test_data.h5", "-s", "out/tuned.h5")
_PREPARE = ("prepare", "--out-dir", "out/data", "--subsequence-length", "900", "--threads", "1")
_COVERAGE = ("add-coverage", "--data", "genome.h5", "--out-dir", "out", "--threads", "1")
_DATA = ("data/training_data.h5", "data/validation_data.h5", "test_data.h5")

COMMANDS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "inspect model": (("inspect", "model.h5"), ("model.h5",)),
    "inspect data": (("inspect", "test_data.h5"), ("test_data.h5",)),
    "inspect predictions": (("inspect", "predictions.h5"), ("predictions.h5",)),
    "prepare": (
        (*_PREPARE, "--fasta", "genome.fa", "--gff3", "genes.gff3"),
        ("genome.fa", "genes.gff3"),
    ),
    "prepare packed": (
        (*_PREPARE, "--fasta", "genome.fa.gz", "--gff3", "genes.gff3.gz"),
        ("genome.fa.gz", "genes.gff3.gz"),
    ),
    "add-coverage bam": (
        (*_COVERAGE, "--bam", "reads.bam", "--strandedness", "unstranded"),
        ("reads.bam", "genome.h5"),
    ),
    "evaluate-genes": (
        (
            *("evaluate-genes", "--predicted", "predicted.gff3", "--reference", "genes.gff3"),
            *("--fasta", "genome.fa"),
        ),
        ("predicted.gff3", "genes.gff3", "genome.fa"),
    ),
    "evaluate-genes without reference": (
        (
            *("evaluate-genes", "--predicted", "predicted.gff3", "--predicted", "genes.gff3"),
            *("--fasta", "genome.fa", "--bam", "rna.bam"),
        ),
        ("predicted.gff3", "genome.fa", "rna.bam", "rna.bam"),
    ),
    "whole --dry-run": (("whole", *_FINE_TUNE, "--dry-run"), ("model.h5", *_DATA)),
    "--config": (
        ("whole", *_FINE_TUNE, "--dry-run", "--config", "config.toml"),
        ("config.toml",),
    ),
    "evaluate": (("evaluate", "-l", "model.h5", "-t", "test_data.h5"), ("model.h5", _DATA[2])),
    "predict": (
        ("predict", "-l", "model.h5", "-t", "test_data.h5", "-p", "out/p.h5"),
        ("model.h5", "test_data.h5"),
    ),
    "predict genome": (
        (
            *("predict", "-l", "model.h5", "--fasta", "genome.fa.gz", "-p", "out/p.h5"),
            *("--subsequence-length", "900"),
        ),
        ("model.h5", "genome.fa.gz"),
    ),
    "whole": (("whole", *_FINE_TUNE, "-e", "1"), ("model.h5", *_DATA)),
    "freeze": (("freeze", *_FINE_TUNE, "-e", "1"), ("model.h5", *_DATA)),
    "add-coverage bigwig": ((*_COVERAGE, "--bigwig", "signal.bw"), ("signal.bw", "genome.h5")),
}
"""Name -> arguments, and the files among them that are mutated."""

QUICK = tuple(COMMANDS)[:8]
"""Those that compile no network and start no process."""

MUTATIONS: dict[str, tuple[Mutation, ...]] = {
    "model.h5": MODEL,
    "predictions.h5": HDF5,
    "genome.h5": HDF5,
    **dict.fromkeys(_DATA, HDF5),
    "genome.fa": FASTA,
    "genome.fa.gz": (*FASTA, no_end_of_bgzip),
    "genes.gff3": GFF3,
    "predicted.gff3": GFF3,
    "genes.gff3.gz": (*GFF3, no_end_of_bgzip),
    "config.toml": TOML,
    "reads.bam": BAM,
    "rna.bam": BAM,
    "signal.bw": BIGWIG,
}
"""File -> what may happen to it."""


def arguments_of(command: str) -> list[str]:
    """A command as it is called: its result is JSON, and standard error has problems only."""
    arguments = COMMANDS[command][0]
    return [*arguments, "--json", *([] if arguments[0] == "inspect" else ["-q"])]


@dataclass(frozen=True)
class Case:
    """A command of which one file is mutated.

    Attributes
    ----------
    command
        Key of `COMMANDS`.
    file
        Which of its files.
    mutation
        What happens to that file.
    seed
        Of the mutation's choices.
    """

    command: str
    file: str
    mutation: Mutation
    seed: int

    def __str__(self) -> str:
        return f"{self.command}, {self.file}: {self.mutation.__name__} ({self.seed})"


def cases(seed: int, n: int, commands: tuple[str, ...] = tuple(COMMANDS)) -> Iterator[Case]:
    """Yield `n` cases, the same ones for the same seed, all commands in turn."""
    generator = random.Random(seed)
    for i in range(n):
        command = commands[i % len(commands)]
        file = generator.choice(COMMANDS[command][1])
        yield Case(command, file, generator.choice(MUTATIONS[file]), generator.randrange(10**6))


def write_sound(folder: Path) -> None:
    """Every file that the commands read; `sound.h5` is for links out of a file."""
    (folder / "data").mkdir(parents=True)
    model = random_model(tiny_architecture(), seed=1).to_file({"settings": "{}"})
    write_model_file(folder / "model.h5", model)
    for seed, name in enumerate(_DATA, start=1):
        write_data_file(folder / name, random_rows(3, seed=seed, seqid=f"chr{seed}"))
    (folder / "sound.h5").write_bytes((folder / "test_data.h5").read_bytes())
    with h5py.File(folder / "predictions.h5", "w") as file:
        values = np.random.default_rng(1).random((4, 90, 4)).astype(np.float16)
        for name in ("predictions", "predictions_phase"):
            file.create_dataset(name, data=values, chunks=(1, 90, 4), compression="gzip")
        file.attrs["n_bases_removed"] = 0
        file.attrs["model_path"] = "model.h5"
    genome = simulate(TARGET, 3, 10_000, seed=1)
    (folder / "genome.fa").write_bytes(to_fasta(genome))
    (folder / "genes.gff3").write_bytes(to_gff3(genome))
    lines = to_gff3(genome).splitlines(keepends=True)
    (folder / "predicted.gff3").write_bytes(b"".join(lines[: len(lines) // 2]))
    for name in ("genome.fa", "genes.gff3"):
        with pysam.BGZFile(str(folder / f"{name}.gz"), "wb", None) as packed:
            packed.write((folder / name).read_bytes())
    write_data(folder / "genome.h5")
    write_bam(folder / "reads.bam", random_reads(200, seed=1))
    write_reads(folder / "rna.bam", genome, 1)
    values = [(name, i, i + 5, float(i)) for name in LENGTHS for i in range(0, 80, 10)]
    pybigtools.open(str(folder / "signal.bw"), "w").write(dict(LENGTHS), iter(values))
    (folder / "config.toml").write_text('command = "whole"\nepochs = 2\nlearning_rate = 0.001\n')
    (folder / "out").mkdir()
