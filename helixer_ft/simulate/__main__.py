"""``python -m helixer_ft.simulate``: write a small species with known genes to a folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import click

from helixer_ft.cli.base import Command
from helixer_ft.formats.data_names import POOL_SIZE
from helixer_ft.metrics import GENIC_CLASSES
from helixer_ft.preparation.report import SetReport
from helixer_ft.simulate.files import (
    DEFAULT_SEQUENCE_LENGTH,
    DEFAULT_SEQUENCES,
    DEFAULT_SUBSEQUENCE_LENGTH,
    MINIMUM_SEQUENCES,
    write_species,
)
from helixer_ft.simulate.genome import MINIMUM_SEQUENCE_LENGTH, simulate
from helixer_ft.simulate.reads import write_reads
from helixer_ft.simulate.species import SOURCE, TARGET

READS_FILE = "rnaseq.bam"
_SPECIES = {"source": SOURCE, "target": TARGET}


@click.command(cls=Command, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--out-dir",
    type=click.Path(path_type=Path),
    required=True,
    help="Folder to write: genome.fa, genes.gff3, three sets of data (.h5) and a trained model.",
)
@click.option(
    "--species",
    "species_name",
    type=click.Choice(sorted(_SPECIES)),
    default="target",
    show_default=True,
    help="Which of the two species: a model trained on one does clearly worse on the other.",
)
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Everything random follows from it.",
)
@click.option(
    "--subsequence-length",
    type=int,
    default=DEFAULT_SUBSEQUENCE_LENGTH,
    show_default=True,
    help=f"Window length in bp; a multiple of {POOL_SIZE}, "
    f"because Helixer's networks pool {POOL_SIZE} bases into one step.",
)
@click.option(
    "--sequences",
    type=click.IntRange(min=MINIMUM_SEQUENCES),
    default=DEFAULT_SEQUENCES,
    show_default=True,
    help="Number of sequences; a sixth each is set aside for validation and test.",
)
@click.option(
    "--sequence-length",
    type=click.IntRange(min=MINIMUM_SEQUENCE_LENGTH),
    default=DEFAULT_SEQUENCE_LENGTH,
    show_default=True,
    help="Length of a sequence in bp, give or take 10 %.",
)
@click.option(
    "--reads",
    "with_reads",
    is_flag=True,
    help=f"RNA-seq reads of the genes too, aligned: {READS_FILE} and its index.",
)
@click.option("--force", is_flag=True, help="Overwrite the files of an earlier call.")
def main(
    out_dir: Path,
    species_name: str,
    seed: int,
    subsequence_length: int,
    sequences: int,
    sequence_length: int,
    with_reads: bool,
    force: bool,
) -> None:
    """Simulate a small species with known genes, and prepare data of it.

    Beside them goes source_model.h5, a small trained model of the source species, to be tuned.
    """
    species = _SPECIES[species_name]
    sets = write_species(
        out_dir,
        species,
        seed,
        subsequence_length=subsequence_length,
        n_sequences=sequences,
        sequence_length=sequence_length,
        force=force,
    )
    if with_reads:
        genome = simulate(species, sequences, sequence_length, seed)
        write_reads(out_dir / READS_FILE, genome, seed, force=force)
    click.echo(f"{species.name} (seed {seed}), written to {out_dir}")
    click.echo(_table(sets))


def _table(sets: Mapping[str, SetReport]) -> str:
    """Return one line per data set, under a line of headings."""
    headings = ("set", "sequences", "genes", "windows", *GENIC_CLASSES)
    lines = ["".join(f"{heading:>12}" for heading in headings)]
    for name, part in sets.items():
        assert part.content is not None
        cells: list[object] = [name, part.sequences, len(part.content.genes), part.subsequences]
        cells += [f"{100 * fraction:.1f} %" for fraction in part.content.fractions]
        lines.append("".join(f"{cell:>12}" for cell in cells))
    return "\n".join(lines)


if __name__ == "__main__":
    main(prog_name="python -m helixer_ft.simulate")
