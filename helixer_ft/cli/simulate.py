"""`helixer-ft simulate`."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from helixer_ft.cli import option_kinds as kinds
from helixer_ft.cli.base import Command
from helixer_ft.cli.shared_options import output_options
from helixer_ft.formats.data_names import POOL_SIZE
from helixer_ft.simulate import sizes

if TYPE_CHECKING:
    from helixer_ft.preparation.report import SetReport

READS_FILE = "rnaseq.bam"


@click.command("simulate", cls=Command)
@kinds.path(
    "--out-dir",
    "Folder to write: genome.fa, genes.gff3, three sets of data (.h5) and a trained model.",
    "DIR",
    required=True,
)
@kinds.choice(
    "--species",
    "Which of the two species: a model trained on one does clearly worse on the other.",
    ["source", "target"],
    default="target",
)
@kinds.integer("--seed", "Random seed.", default=0, least=0)
@kinds.integer(
    "--subsequence-length",
    f"Window length in bp; a multiple of {POOL_SIZE}, "
    f"because Helixer's networks pool {POOL_SIZE} bases into one step.",
    default=sizes.DEFAULT_SUBSEQUENCE_LENGTH,
)
@kinds.integer(
    "--sequences",
    "Number of sequences; a sixth each is set aside for validation and test.",
    default=sizes.DEFAULT_SEQUENCES,
    least=sizes.MINIMUM_SEQUENCES,
)
@kinds.integer(
    "--sequence-length",
    "Length of a sequence in bp, give or take 10 %.",
    default=sizes.DEFAULT_SEQUENCE_LENGTH,
    least=sizes.MINIMUM_SEQUENCE_LENGTH,
)
@kinds.flag(
    "--reads", f"Also simulate aligned RNA-seq reads of the genes: {READS_FILE} and its index."
)
@output_options(
    outcome="what is in the sets", quiet=False, force="Overwrite the files of an earlier call."
)
def command(**options: Any) -> None:
    """Simulate a small species with known genes, and prepare data from it.

    Also writes source_model.h5, a small trained model of the source species, to be fine-tuned.

    \b
    Examples:
      helixer-ft simulate --out-dir sim
      helixer-ft simulate --species source --seed 3 --reads --out-dir home
    """
    from helixer_ft.cli.output import Printer
    from helixer_ft.simulate.files import write_species
    from helixer_ft.simulate.genome import simulate
    from helixer_ft.simulate.reads import write_reads
    from helixer_ft.simulate.species import SOURCE, TARGET

    printer = Printer(quiet=True, as_json=options["as_json"])
    species = SOURCE if options["species"] == "source" else TARGET
    out_dir, seed = options["out_dir"], options["seed"]
    sequences, length = options["sequences"], options["sequence_length"]
    sets = write_species(
        out_dir,
        species,
        seed,
        subsequence_length=options["subsequence_length"],
        n_sequences=sequences,
        sequence_length=length,
        force=options["force"],
    )
    if options["reads"]:
        genome = simulate(species, sequences, length, seed)
        write_reads(out_dir / READS_FILE, genome, seed, force=options["force"])
    if printer.as_json:
        what = {"species": species.name, "seed": seed, "out_dir": str(out_dir)}
        printer.json(what | {"sets": {name: part.to_dict() for name, part in sets.items()}})
        return
    click.echo(f"{species.name} (seed {seed}), written to {out_dir}")
    click.echo(_table(sets))


def _table(sets: Mapping[str, "SetReport"]) -> str:
    """One line per data set, under a line of headings."""
    from helixer_ft.metrics import GENIC_CLASSES

    headings = ("set", "sequences", "genes", "windows", *GENIC_CLASSES)
    lines = ["".join(f"{heading:>12}" for heading in headings)]
    for name, part in sets.items():
        assert part.content is not None
        cells: list[object] = [name, part.sequences, len(part.content.genes), part.subsequences]
        cells += [f"{100 * fraction:.1f} %" for fraction in part.content.fractions]
        lines.append("".join(f"{cell:>12}" for cell in cells))
    return "\n".join(lines)
