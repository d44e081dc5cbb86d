"""Makes the data of evidence.py: training, validation and test data of each species.

Usage: `python benchmarks/evidence_data.py --genomes GENOMES --out DATA [--species athaliana,...]`

GENOMES has a folder per species with genome.fa.gz and annotation.gff3.gz. Long sequences are cut
into contigs in the middle of intergenic gaps, so that one chromosome is enough for all three sets;
`helixer-ft prepare` makes DATA/SPECIES/training_data.h5, validation_data.h5 and test_data.h5 of
them. What goes where is fixed in `SPECIES`.
"""

import argparse
import gzip
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import pairwise
from math import ceil
from pathlib import Path
from typing import Literal

import h5py
import numpy as np
from speed_data import copy_rows, usable_rows

from helixer_ft.formats.data_names import SETS
from helixer_ft.genome.fasta import open_fasta
from helixer_ft.genome.gff3 import read_annotation
from helixer_ft.preparation.prepare import prepare
from helixer_ft.preparation.request import PrepareRequest
from helixer_ft.preparation.samples import Sample

GENOME, ANNOTATION, CONTIGS, GENES = (
    "genome.fa.gz", "annotation.gff3.gz", "contigs.tsv", "genes.gff3",
)  # fmt: skip
WHOLE_SEQUENCE = ("region", "chromosome", "contig", "scaffold", "supercontig")
"""Types of GFF3 lines that are about a sequence and no gene."""


@dataclass(frozen=True)
class Species:
    """A species, and which of its sequences go to which set.

    Attributes
    ----------
    name
        In the page.
    training, validation, test
        Names of sequences or, where they are cut, of contigs (NAME_1, NAME_2, ...); `*` stands for
        anything. What no set names is left out.
    contig_kb
        About how long contigs are; None: sequences stay whole.
    missing_utr
        Of `helixer-ft prepare`.
    """

    name: str
    training: tuple[str, ...]
    validation: tuple[str, ...]
    test: tuple[str, ...]
    contig_kb: int | None = None
    missing_utr: Literal["mask", "keep"] = "mask"


SPECIES: Mapping[str, Species] = {
    "athaliana": Species("A. thaliana", ("Chr1", "Chr2"), ("Chr3",), ("Chr4",)),
    # ten contigs of one chromosome, in turns
    "cneoformans": Species(
        "C. neoformans",
        training=("*_1", "*_3", "*_5", "*_7", "*_9"),
        validation=("*_2", "*_6"),
        test=("*_4", "*_8", "*_10"),
        contig_kb=230,
    ),
    "pfalciparum": Species(
        "P. falciparum",
        training=("Pf3D7_02_v3_*",),
        validation=("Pf3D7_01_v3_1",),
        test=("Pf3D7_03_v3_1", "Pf3D7_03_v3_2"),
        contig_kb=330,
        missing_utr="keep",
    ),
    # most of what there is goes to the test: what matters is that nothing is lost
    "celegans": Species("C. elegans", ("V", "X"), ("IV",), ("I", "II", "III")),
    "spombe": Species("S. pombe", ("SPI_03", "SPI_06"), ("SPI_08",), ("SPI_01",)),
}
"""Folder -> species."""


@dataclass(frozen=True)
class Contig:
    """A piece of a sequence: bases `start` to `end`, 0-based, half-open."""

    name: str
    seqid: str
    start: int
    end: int


def main() -> None:
    """Make the data of the species that are asked for, or of all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--genomes", type=Path, required=True, help="folder with one per species")
    parser.add_argument("--out", type=Path, required=True, help="folder to write to")
    parser.add_argument("--species", default=",".join(SPECIES), help="default: %(default)s")
    parser.add_argument(
        "--share", type=int, default=100,
        help="per cent of the training windows; under 100 in DATA/SPECIES.SHARE.SEED (default 100)",
    )  # fmt: skip
    parser.add_argument("--seed", type=int, default=0, help="which windows these are (default 0)")
    args = parser.parse_args()
    for folder in args.species.split(","):
        if folder not in SPECIES:
            parser.error(f"--species: {folder}: expected some of {', '.join(SPECIES)}")
        data = make_data(SPECIES[folder], args.genomes / folder, args.out / folder)
        if args.share < 100:
            data = reduced(data, args.share, args.seed)
        windows = ", ".join(f"{n} {name}" for name, n in windows_of(data).items())
        print(f"{data}: {windows} windows; {count_genes(data)} training genes")


def make_data(species: Species, genome: Path, out: Path) -> Path:
    """The data of a species, from `genome`'s FASTA and GFF3; made once."""
    table, made_with = out / CONTIGS, f"# {species}\n"
    if table.exists():
        if not table.read_text().startswith(made_with):
            sys.exit(f"Error: {out}: was made with other sets. Remove it, or take another folder.")
        return out
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        fasta, gff3 = Path(scratch, "genome.fa"), out / GENES
        contigs = cut_genome(species, genome, fasta, gff3)
        sets = {name: [c.name for c in chosen] for name, chosen in contigs.items()}
        prepare(
            PrepareRequest(
                (Sample(out.name, fasta, gff3),),
                out,
                validation_seqids=tuple(sets["validation"]),
                test_seqids=tuple(sets["test"]),
                missing_utr=species.missing_utr,
                force=True,
            )
        )
    lines = [
        f"{c.name}\t{c.seqid}\t{c.start + 1}\t{c.end}\t{name}\n"
        for name, chosen in contigs.items()
        for c in chosen
    ]
    # last, as it says that all of it is there
    table.write_text(f"{made_with}contig\tseqid\tstart\tend\tset\n" + "".join(lines))
    return out


def cut_genome(species: Species, genome: Path, fasta: Path, gff3: Path) -> dict[str, list[Contig]]:
    """Write the contigs that go to a set, and their genes; set -> its contigs."""
    lines = annotation_lines(genome / ANNOTATION)
    with open_fasta(genome / GENOME) as source, open(fasta, "wb") as target:
        contigs = [
            contig
            for seqid, length in source.lengths.items()
            for contig in cut(seqid, length, spans_of(seqid, lines), species.contig_kb)
        ]
        sets = {name: named(getattr(species, name), contigs, name) for name in SETS}
        used = [contig for chosen in sets.values() for contig in chosen]
        if len(set(used)) < len(used):
            sys.exit(f"Error: {species.name}: a contig is in two sets.")
        for contig in used:
            bases = source.read(contig.seqid)[contig.start : contig.end].tobytes()
            target.write(b">%s\n%s\n" % (contig.name.encode(), bases))
    gff3.write_text("##gff-version 3\n" + "".join(moved(lines, used)))
    return sets


def annotation_lines(path: Path) -> list[list[str]]:
    """The fields of each line about genes, in the order of the file."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        rows = [line.rstrip("\n").split("\t") for line in file if not line.startswith("#")]
    return [row for row in rows if len(row) == 9 and row[2] not in WHOLE_SEQUENCE]


def spans_of(seqid: str, lines: Iterable[Sequence[str]]) -> list[tuple[int, int]]:
    """Stretches of a sequence with a feature on either strand, 0-based, half-open, merged."""
    merged: list[tuple[int, int]] = []
    for start, end in sorted((int(r[3]) - 1, int(r[4])) for r in lines if r[0] == seqid):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def cut(
    seqid: str, length: int, spans: Sequence[tuple[int, int]], contig_kb: int | None
) -> list[Contig]:
    """Cut a sequence into equal parts, each cut moved to the middle of the nearest gap.

    Parameters
    ----------
    length
        Of the sequence, bp.
    spans
        Stretches that stay whole, as `spans_of` gives them.
    contig_kb
        About how long the parts are; None: the sequence stays whole, and keeps its name.
    """
    if contig_kb is None:
        return [Contig(seqid, seqid, 0, length)]
    parts = max(1, round(length / (1000 * contig_kb)))
    middles = [(a[1] + b[0]) // 2 for a, b in pairwise(spans) if a[1] < b[0]]
    wanted = [length * i // parts for i in range(1, parts)]
    cuts = sorted({min(middles, key=lambda m: abs(m - at)) for at in wanted}) if middles else []
    bounds = [0, *cuts, length]
    return [
        Contig(f"{seqid}_{i}", seqid, start, end)
        for i, (start, end) in enumerate(pairwise(bounds), start=1)
    ]


def named(patterns: Sequence[str], contigs: Sequence[Contig], name: str) -> list[Contig]:
    """The contigs of a set, in the order of the genome."""
    for pattern in patterns:
        if not any(fnmatchcase(contig.name, pattern) for contig in contigs):
            found = ", ".join(contig.name for contig in contigs)
            sys.exit(f"Error: {name}: no sequence is named {pattern}; there are {found}.")
    return [c for c in contigs if any(fnmatchcase(c.name, pattern) for pattern in patterns)]


def moved(lines: Iterable[Sequence[str]], contigs: Sequence[Contig]) -> list[str]:
    """The lines within contigs, with the contigs' names and coordinates."""
    result = []
    for row in lines:
        start, end = int(row[3]) - 1, int(row[4])
        for c in contigs:
            if c.seqid == row[0] and c.start <= start and end <= c.end:
                place = [str(start - c.start + 1), str(end - c.start)]
                result.append("\t".join([c.name, *row[1:3], *place, *row[5:]]) + "\n")
    return result


def windows_of(data: Path) -> dict[str, int]:
    """Set -> windows that are trained on or scored."""
    return {name: len(usable_rows(data / f"{name}_data.h5")) for name in SETS}


def reduced(data: Path, share: int, seed: int) -> Path:
    """A data folder beside another, with a share of its training windows and all else; made once.

    Both strands of a region stay together. With the same seed, less is part of more.
    """
    target = data.with_name(f"{data.name}.{share}.{seed}")
    target.mkdir(exist_ok=True)
    training = target / "training_data.h5"
    if not training.exists():
        for name in ("validation_data.h5", "test_data.h5", GENES):
            (target / name).unlink(missing_ok=True)
            (target / name).symlink_to((data / name).resolve())
        part = training.with_suffix(".part")
        copy_rows(data / training.name, part, chosen_rows(data / training.name, share, seed))
        part.replace(training)
    return target


def chosen_rows(path: Path, share: int, seed: int) -> list[int]:
    """Rows of `share` per cent of the regions, at random; at least one region."""
    usable = usable_rows(path)
    with h5py.File(path) as file:
        starts = file["data/start_ends"][:].min(axis=1)
        places = list(zip(file["data/seqids"][:].tolist(), starts.tolist(), strict=True))
    regions = sorted({places[row] for row in usable})
    order = np.random.default_rng(seed).permutation(len(regions))
    chosen = {regions[i] for i in order[: ceil(share * len(regions) / 100)]}
    return [row for row in usable if places[row] in chosen]


def count_genes(data: Path) -> int:
    """Coding genes whose middle is in a training window of their strand."""
    with h5py.File(data / "training_data.h5") as file:
        rows = zip(file["data/seqids"][:], file["data/start_ends"][:].tolist(), strict=True)
        windows = [(seqid.decode(), start, end) for seqid, (start, end) in rows]
    rows = [line.split("\t") for line in (data / GENES).read_text().splitlines()[1:]]
    ends = {
        seqid: max(int(row[4]) for row in rows if row[0] == seqid) for seqid in {r[0] for r in rows}
    }
    genes = read_annotation(data / GENES, ends).genes
    middles: dict[tuple[str, str], list[int]] = {}
    for seqid, found in genes.items():
        for gene in found:
            if gene.coding:
                middles.setdefault((seqid, gene.strand), []).append((gene.start + gene.end) // 2)
    return sum(
        min(start, end) <= middle < max(start, end)
        for seqid, start, end in windows
        for middle in middles.get((seqid, "+" if start < end else "-"), ())
    )


if __name__ == "__main__":
    main()
