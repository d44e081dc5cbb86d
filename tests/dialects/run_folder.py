"""Reads every annotation of a folder: which are accepted, why others are refused, what is usable.

    python -m tests.dialects.run_folder FOLDER [--tsv OUT.tsv]

Each annotation (.gff, .gff3, .gtf, also .gz) is read with the FASTA beside it that has its name
(genes.gff3 with genes.fa, .fasta, .fna, or .gz of these). Without one, made-up sequences are taken
that are as long as the annotation needs: what hangs on bases (stop codons, phases) says nothing
then, but lines and links are read. Suites of public tools are made of such files.
"""

import argparse
import csv
import gzip
import re
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from helixer_ft.errors import HelixerFtError
from helixer_ft.genome.fasta import open_fasta
from helixer_ft.genome.mending import read_genes
from helixer_ft.preparation.labels import label_sequence
from helixer_ft.preparation.pieces import Piece
from helixer_ft.preparation.survey import survey_sequence

ANNOTATIONS = re.compile(r"\.(gff|gff3|gtf)(\.gz)?$", re.IGNORECASE)
GENOMES = (".fa", ".fasta", ".fna")
_LONGEST = 50_000_000


@dataclass(frozen=True)
class Outcome:
    """What became of one file; `reason` is empty where it was accepted."""

    path: Path
    reason: str = ""
    message: str = ""
    coding: int = 0
    usable: int = 0
    masked: str = ""


def files_of(folder: Path) -> Iterator[Path]:
    """The annotations of a folder and those below it."""
    return (path for path in sorted(folder.rglob("*")) if ANNOTATIONS.search(path.name))


def genome_of(path: Path) -> Path | None:
    """The FASTA with an annotation's name."""
    stem = ANNOTATIONS.sub("", path.name)
    for suffix in GENOMES:
        for packed in ("", ".gz"):
            found = path.with_name(stem + suffix + packed)
            if found.exists():
                return found
    return None


def made_up_genome(path: Path, to: Path) -> bool:
    """Write sequences that an annotation's features fit on; False if it has none."""
    ends: Counter[str] = Counter()
    opened = gzip.open if path.suffix.lower() == ".gz" else open
    with opened(path, "rb") as file:
        for raw in file:
            columns = raw.decode("utf-8", "replace").split("\t")
            if len(columns) >= 9 and columns[0][:1] not in ("", "#", ">"):
                end = int(columns[4]) if columns[4].isdecimal() and len(columns[4]) < 10 else 0
                ends[columns[0]] = max(ends[columns[0]], end)
    ends = Counter({name: end for name, end in ends.items() if end and name.split()})
    if not ends or max(ends.values()) > _LONGEST:
        return False
    with open(to, "w") as out:
        for name, end in ends.items():
            out.write(f">{name}\n{'ACGTTGCAATGCC' * (end // 13 + 100)}\n")
    return True


def read(path: Path, scratch: Path) -> Outcome:
    """Read and label one annotation."""
    genome = genome_of(path)
    try:
        if genome is None:
            genome = scratch / "genome.fa"
            if not made_up_genome(path, genome):
                return Outcome(path, "no FASTA, and none can be made up")
        return _labelled(path, genome)
    except HelixerFtError as error:
        message = str(error)
        return Outcome(path, _kind(message, path), message)
    except (OSError, EOFError) as error:
        return Outcome(path, f"cannot be read: {type(error).__name__}", str(error))


def _labelled(path: Path, genome: Path) -> Outcome:
    coding = usable = 0
    reasons: Counter[str] = Counter()
    with open_fasta(genome) as fasta:
        annotation = read_genes(path, fasta)
        for seqid, genes in annotation.genes.items():
            if genes:
                labels = label_sequence(fasta.read(seqid), genes, missing_utr="keep")
                pieces = [Piece(seqid, 0, fasta.lengths[seqid])]
                records = survey_sequence(labels, genes, pieces).genes
                coding += len(records)
                usable += sum(record.usable for record in records)
                reasons.update(record.reason for record in records if record.reason)
    return Outcome(
        path,
        coding=coding,
        usable=usable,
        masked=", ".join(f"{reason} {n}" for reason, n in reasons.most_common()),
    )


def _kind(message: str, path: Path) -> str:
    """A message without what is of this file alone."""
    text = re.sub(r", line [\d,]+", "", message.removeprefix(str(path)))
    text = re.sub(r"'[^']*'|\d[\d,.]*", "...", text.split(". ")[0])
    return text.lstrip(": ,")[:100]


def main(arguments: list[str]) -> int:
    """Print the counts; the exit status is 0 whatever was found."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--tsv", type=Path, help="a row per file")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as scratch:
        outcomes = [read(path, Path(scratch)) for path in files_of(options.folder)]
    accepted = [outcome for outcome in outcomes if not outcome.reason]
    print(f"{len(outcomes)} file(s), {len(accepted)} accepted")
    print(f"coding genes: {sum(o.coding for o in accepted)}, usable: "
          f"{sum(o.usable for o in accepted)}")  # fmt: skip
    for reason, n in Counter(o.reason for o in outcomes if o.reason).most_common():
        print(f"{n:6}  {reason}")
    if options.tsv is not None:
        with open(options.tsv, "w", newline="") as file:
            writer = csv.writer(file, delimiter="\t")
            writer.writerow(["file", "accepted", "coding", "usable", "masked", "message"])
            for one in outcomes:
                row = (one.path, not one.reason, one.coding, one.usable, one.masked, one.message)
                writer.writerow(row)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
