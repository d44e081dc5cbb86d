"""The steps of pseudo_labels.py: teachers, labels, their audit, students."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from evidence_data import SPECIES, cut_genome, make_data, reduced
from speed_data import copy_rows, usable_rows

Record = dict[str, Any]
LABELS = (
    *("chosen", "passing", "random", "random passing"),
    *("all", "rows", "rows misaligned", "true"),
)
"""Labels to train on: of `helixer-ft pseudo-label`; of all genes that pass its gate, confident or
not; of as many genes as are chosen, or as pass, at random; of all genes of HelixerPost; of rows by
agreement, each with its own or most with another's; of the annotation."""
GENES, KEPT = "helixerpost.gff3", "kept.gff3"
SHARE_OF_ROWS, BINS, MISALIGNED = 0.5, 10, 0.75


@dataclass(frozen=True)
class Folders:
    """Where the files of a species and a teacher are.

    Attributes
    ----------
    genomes, work
        As on the command line.
    species, teacher
        Names.
    """

    genomes: Path
    work: Path
    species: str
    teacher: str

    @property
    def data(self) -> Path:
        """Labelled data of all sets."""
        name = self.species
        return make_data(SPECIES[name], self.genomes / name, self.work / "data" / name)

    @property
    def here(self) -> Path:
        """Of this teacher."""
        return self.work / self.species / self.teacher

    @property
    def fasta(self) -> Path:
        """The training and validation sequences; made once."""
        return self._genome() / "genome.fa"

    @property
    def truth(self) -> Path:
        """The known genes on them."""
        return self._genome() / "genes.gff3"

    def labels(self, name: str) -> Path:
        """The data folder of labels of that name."""
        return self.data if name == "true" else self.here / name.replace(" ", "_")

    def _genome(self) -> Path:
        folder = self.work / self.species / "genome"
        if folder.exists():
            return folder
        part = folder.with_suffix(".part")
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        genome = self.genomes / self.species
        sets = cut_genome(SPECIES[self.species], genome, part / "all.fa", part / "all.gff3")
        wanted = {c.name for name in ("training", "validation") for c in sets[name]}
        lines = (part / "all.fa").read_text().split("\n")
        with open(part / "genome.fa", "w") as file:
            for head, bases in zip(lines[::2], lines[1::2], strict=False):
                if head[1:] in wanted:
                    file.write(f"{head}\n{bases}\n")
        genes = (part / "all.gff3").read_text().splitlines(keepends=True)
        kept = [line for line in genes if line[0] == "#" or line.split("\t")[0] in wanted]
        (part / "genes.gff3").write_text("".join(kept))
        part.rename(folder)
        return folder


def command(*words: object) -> str:
    """Run helixer-ft to its end; its standard output."""
    texts = [sys.executable, "-m", "helixer_ft", *map(str, words)]
    done = subprocess.run(texts, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(texts)}: exit status {done.returncode}\n{done.stderr[-2000:]}")
    return done.stdout


def make_teacher(folders: Folders, model: Path, other: Path | None) -> Path:
    """What predicts: the model, with the genome's statistics, or tuned elsewhere or a little."""
    if folders.teacher == "untouched":
        return model
    if folders.teacher == "other":
        assert other is not None, "one is given"
        return other
    path = folders.here / "teacher.h5"
    if path.exists():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name("part.h5")
    if folders.teacher.endswith("adapted"):
        base = model if folders.teacher == "adapted" else other
        command("adapt", "-l", base, "--fasta", folders.fasta, "-s", part, "--force")
    else:
        data = reduced(folders.data, int(folders.teacher), 0)
        command("whole", "-l", model, "-d", data, "-s", part, "--force")
    part.rename(path)
    return path


def make_labels(folders: Folders, model: Path, labels: str, rules: Record) -> None:
    """Make the data folder of these labels; made once."""
    target = folders.labels(labels)
    if target.exists():
        return
    part = target.with_name(f"{target.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.parent.mkdir(parents=True, exist_ok=True)
    if labels.endswith("passing"):
        rules = rules | {"keep": 1.0, "min_confidence": 0.0}
    if labels == "all":
        rules = {name: rules[name] for name in ("min_cds", "bams")} | {"genes": "all"}
    if labels in ("rows", "rows misaligned"):
        agreeing_rows(folders, model, part, misalign=labels != "rows")
    else:
        pseudo_labels(folders, model, part, rules, at_random=labels.startswith("random"))
    part.rename(target)


def pseudo_labels(
    folders: Folders, model: Path, target: Path, rules: Record, *, at_random: bool
) -> None:
    """`helixer-ft pseudo-label`, however few genes pass; or as many genes at random."""
    from helixer_ft.pseudo_labels.pseudo_label import pseudo_label
    from helixer_ft.pseudo_labels.request import PseudoLabelRequest

    request = PseudoLabelRequest(
        (model,), folders.fasta, target, species=folders.species, min_genes=1, **rules
    )
    if not at_random:
        pseudo_label(request)
        return
    with selected_at_random():
        pseudo_label(request)


@contextmanager
def selected_at_random() -> Iterator[None]:
    """As many genes are kept as otherwise, drawn from all."""
    from helixer_ft.pseudo_labels import pseudo_label as module
    from helixer_ft.pseudo_labels.candidates import KEPT as IS_KEPT
    from helixer_ft.pseudo_labels.selection import counts_per_stratum, random_selection

    select = module.select

    def drawn(candidates: Sequence[Any], keep: float, min_confidence: float) -> None:
        select(candidates, keep, min_confidence)
        counts = {name: one.kept for name, one in counts_per_stratum(candidates).items()}
        chosen = {id(one) for one in random_selection(candidates, counts, seed=0)}
        for one in candidates:
            if id(one) in chosen:
                one.outcome = IS_KEPT
            elif one.is_kept:
                one.outcome = "not_drawn"

    module.select = drawn
    try:
        yield
    finally:
        module.select = select


def agreeing_rows(folders: Folders, model: Path, target: Path, *, misalign: bool) -> None:
    """All genes of HelixerPost as labels, in the rows that agree best with the predictions."""
    predictions, genes = folders.here / "predictions.h5", folders.here / GENES
    if not genes.exists():
        command(
            *("predict", "-l", model, "--fasta", folders.fasta, "--species", folders.species),
            *("--prediction-output-path", predictions, "--gff3-out", genes, "--overlap", "--force"),
        )
    command(
        *("prepare", "--fasta", folders.fasta, "--gff3", genes, "--out-dir", target),
        *("--species", folders.species, "--labels-are-predictions"),
    )
    unlabelled = folders.here / "unlabelled"
    if not unlabelled.exists():  # in the order of the predictions
        command("prepare", "--fasta", folders.fasta, "--out-dir", unlabelled)
    agreement = agreements(predictions, next(unlabelled.glob("*.h5")), target)
    if misalign:
        agreement = misaligned(agreement)
    chosen = best_rows(agreement)
    for name in ("training_data.h5", "validation_data.h5"):
        rows = [row for row in usable_rows(target / name) if (name, row) in chosen]
        copy_rows(target / name, target / "part.h5", rows)
        (target / "part.h5").replace(target / name)
    (target / KEPT).write_text("".join(genes_on(target, genes)))


Agreement = dict[tuple[str, int], tuple[float, float]]
"""(file, row) -> distance of predictions and labels, and share of intergenic labels."""


def agreements(predictions: Path, rows: Path, data: Path) -> Agreement:
    """How far what was predicted is from what HelixerPost made of it, in each row."""
    result: Agreement = {}
    with h5py.File(predictions) as file, h5py.File(rows) as order:
        names, ends = order["data/seqids"][:], order["data/start_ends"][:]
        places = {place(*one): i for i, one in enumerate(zip(names, ends, strict=True))}
        predicted = file["predictions"]
        for name in ("training_data.h5", "validation_data.h5"):
            with h5py.File(data / name) as labelled:
                own = zip(labelled["data/seqids"][:], labelled["data/start_ends"][:], strict=True)
                for row, one in enumerate(own):
                    found = places.get(place(*one))
                    if found is None:
                        continue
                    labels = labelled["data/y"][row].astype(np.float32)
                    bases = labels.any(axis=1)
                    apart = np.abs(predicted[found].astype(np.float32) - labels)[bases].sum(axis=1)
                    distance = float(apart.mean() / 2)
                    result[name, row] = distance, float(labels[bases, 0].mean())
    return result


def place(seqid: bytes, ends: np.ndarray) -> tuple[bytes, int, int]:
    """A row's place."""
    return seqid, int(ends[0]), int(ends[1])


def misaligned(agreement: Agreement) -> Agreement:
    """Three of four rows with the figures of another."""
    keys, generator = list(agreement), np.random.default_rng(0)
    moved = generator.permutation(len(keys))[: round(MISALIGNED * len(keys))]
    others = dict(zip(moved.tolist(), np.roll(moved, 1).tolist(), strict=True))
    return {key: agreement[keys[others.get(i, i)]] for i, key in enumerate(keys)}


def best_rows(agreement: Agreement) -> set[tuple[str, int]]:
    """The half of the rows of each bin of intergenic share that are nearest to their labels."""
    shares = np.array([share for _, share in agreement.values()])
    edges = np.unique(np.quantile(shares, np.linspace(0, 1, BINS + 1)[1:-1]))
    bins = np.digitize(shares, edges)
    keys, chosen = list(agreement), set()
    for one in np.unique(bins):
        own = [keys[i] for i in np.flatnonzero(bins == one)]
        own.sort(key=lambda key: agreement[key][0])
        chosen.update(own[: max(1, round(SHARE_OF_ROWS * len(own)))])
    return chosen


def genes_on(data: Path, genes: Path) -> list[str]:
    """Lines of the genes whose middle is in a row of the data, on its strand."""
    rows: dict[tuple[str, str], list[tuple[int, int]]] = {}
    for name in ("training_data.h5", "validation_data.h5"):
        with h5py.File(data / name) as file:
            own = zip(file["data/seqids"][:], file["data/start_ends"][:].tolist(), strict=True)
            for seqid, (start, end) in own:
                strand = "+" if start < end else "-"
                rows.setdefault((seqid.decode(), strand), []).append(
                    (min(start, end), max(start, end))
                )
    lines, keep = [], True
    for line in genes.read_text().splitlines(keepends=True):
        fields = line.split("\t")
        if len(fields) == 9 and fields[2] == "gene":
            middle = (int(fields[3]) + int(fields[4])) // 2
            own = rows.get((fields[0], fields[6]), [])
            keep = any(start <= middle < end for start, end in own)
        if keep:
            lines.append(line)
    return lines


def audit(folders: Folders, model: Path, labels: str, rules: Record) -> Record:
    """Genes that are labelled against the known ones; or why there are none."""
    from helixer_ft.errors import InputError
    from helixer_ft.genes.evaluate import evaluate_genes

    if labels == "true":
        return {}
    try:
        make_labels(folders, model, labels, rules)
    except InputError as error:
        return {"refused": str(error)}
    target = folders.labels(labels)
    found = evaluate_genes(target / KEPT, folders.truth, folders.fasta).to_dict()
    record: Record = {"genes": found["genes"], "coding": found["coding"]}
    table = target / "pseudo_label.json"
    if table.exists():
        told = json.loads(table.read_text())
        record |= {"told": told["genes"], "intergenic": told["intergenic"]}
    return record


def train(folders: Folders, model: Path, labels: str, seed: int, options: Sequence[str]) -> Record:
    """A student, and its scores beside its teacher's on the test data, with known genes."""
    student = folders.here / f"student.{labels.replace(' ', '_')}.h5"
    if labels == "true":  # as anybody with an annotation trains
        options = ()
    said: Mapping[str, Any] = json.loads(
        command(
            *("whole", "-l", model, "-d", folders.labels(labels)),
            *("-t", folders.data / "test_data.h5", "-s", student, "--seed", seed),
            *("--json", "--force", *options),
        )
    )
    return {
        "teacher": said["test"]["baseline"]["genic_f1"],
        "student": said["test"]["tuned"]["genic_f1"],
        "difference": said["difference"],
        "verdict": said["verdict"],
        "seconds": said["seconds"],
    }
