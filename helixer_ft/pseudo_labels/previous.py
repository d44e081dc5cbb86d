"""The round before: whose student is the teacher now, and when to stop.

Each round restarts from the original model: what a student got wrong is not taught to it again.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from helixer_ft.errors import InputError
from helixer_ft.formats.data_names import CHECK
from helixer_ft.formats.input_file import read_text_file
from helixer_ft.formats.label_source import LabelSource
from helixer_ft.formats.model_h5 import LABEL_SOURCES
from helixer_ft.network.model import TrainedModel
from helixer_ft.preparation.pieces import Piece
from helixer_ft.preparation.split import Split
from helixer_ft.pseudo_labels.candidates import Candidate
from helixer_ft.pseudo_labels.tables import GENES_FILE, read_structures

RECORD = "pseudo_label.json"
STEADY = 0.05
"""Share of genes that changed, below which another round has nothing new to teach."""
ReadsKey = tuple[tuple[str, ...], str, int]
"""See `reads_key`."""
_WHAT = "a folder that helixer-ft pseudo-label wrote"


@dataclass(frozen=True)
class PreviousRound:
    """What the round before left.

    Attributes
    ----------
    folder
        Its files.
    number
        Of the round.
    originals
        SHA-256 of the models that the first round began with.
    label_source
        What its labels say of where they come from: teachers, genome, reads.
    supported_introns
        Of its candidates on check sequences, by reads; None without reads.
    reads
        SHA-256 of their files, and how they counted; see `reads_key`.
    structures
        Its candidates: sequence, strand, coding exons.
    split
        Of its genome, which stays as it is.
    """

    folder: Path
    number: int
    originals: tuple[str, ...]
    label_source: LabelSource
    supported_introns: int | None
    reads: ReadsKey
    structures: frozenset[tuple[Any, ...]]
    split: Split


@dataclass(frozen=True)
class RoundChange:
    """This round against the one before.

    Attributes
    ----------
    genes_changed
        Of the genes of either round, the share that is not in both, with the same coding exons.
    supported_introns_before, supported_introns
        On the check sequences; None without reads, the first also where they were others or
        counted otherwise.
    stop
        Whether to take the student of the round before, and stop here.
    why
        In words.
    """

    genes_changed: float
    supported_introns_before: int | None
    supported_introns: int | None
    stop: bool
    why: str

    def to_dict(self) -> dict[str, Any]:
        """As in `pseudo_label.json`."""
        return asdict(self)


def read_previous(folder: Path) -> PreviousRound:
    """Read what the round before left.

    Raises
    ------
    InputError
        There is none, or its files are damaged.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder, expected {_WHAT}.")
    path = folder / RECORD
    try:
        record = json.loads(read_text_file(path, f"the record in {_WHAT}"))
        source = LabelSource.from_dict(record["label_source"])
        return PreviousRound(
            folder=folder,
            number=int(record["round"]),
            originals=tuple(map(str, record["originals"])),
            label_source=source,
            supported_introns=_count_or_none(record["check"]["supported_introns"]),
            reads=reads_key(
                source,
                str(record["settings"]["strandedness"]),
                int(record["settings"]["min_junction_reads"]),
            ),
            structures=frozenset(read_structures(folder / GENES_FILE)),
            split=_split_of(record["split"]),
        )
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError(
            f"{path}: is damaged ({error}), expected the record in {_WHAT}. Begin with a first "
            "round, without --previous."
        ) from error


def check_previous(
    previous: PreviousRound, fasta: str, models: Sequence[TrainedModel], lengths: Mapping[str, int]
) -> None:
    """Refuse another genome, and teachers that are no students of the round before.

    Raises
    ------
    InputError
        Says which.
    """
    source = previous.label_source
    genome = source.fasta.sha256 if source.fasta else ""
    if genome != fasta:
        raise InputError(
            f"{previous.folder}: is a round on another genome (the FASTA's SHA-256 was "
            f"{genome[:16]}, is {fasta[:16]}). Give the same --fasta, or another --previous."
        )
    unknown = {piece.seqid for piece in _all_pieces(previous.split)} - set(lengths)
    if unknown:
        raise InputError(
            f"{previous.folder}: its split has the sequence(s) {', '.join(sorted(unknown)[:3])}, "
            "which are left out now. Give the same --exclude."
        )
    for model in models:
        path, base = model.file.path, model.file.provenance.get("base_model_sha256", "")
        if model.file.sha256 in [teacher.sha256 for teacher in source.teachers]:
            raise InputError(
                f"{path}: was a teacher of the round in {previous.folder} already, so the labels "
                "would be the same. Give the model that was trained on that round's data with -l."
            )
        if base not in previous.originals:
            found = f"was tuned from the model {base[:16]}" if base else "was not tuned"
            raise InputError(
                f"{path}: {found}, expected a model that was tuned from the one that the first "
                f"round began with ({', '.join(one[:16] for one in previous.originals)}, SHA-256), "
                f"on the data in {previous.folder}. Each round restarts from that."
            )
        if source not in _trained_on(model):
            raise InputError(
                f"{path}: was not trained on the data in {previous.folder}, expected the student "
                "of that round. Train the model that the first round began with on them."
            )


def _trained_on(model: TrainedModel) -> list[LabelSource]:
    """Where the labels of its training data come from, as its file says."""
    try:
        said = json.loads(model.file.provenance.get(LABEL_SOURCES, "{}"))
        return [LabelSource.from_dict(one) for one in said.get("training", [])]
    except (ValueError, TypeError, AttributeError, RecursionError):
        return []


def reads_key(source: LabelSource, strandedness: str, min_reads: int) -> ReadsKey:
    """What the support of introns follows from: SHA-256 of the files of reads, and how they are
    counted.
    """
    return tuple(sorted(one.sha256 for one in source.bams)), strandedness, min_reads


def compare_rounds(
    previous: PreviousRound, candidates: Sequence[Candidate], reads: ReadsKey
) -> RoundChange:
    """How far this round's genes differ from those of the round before; introns are compared if the
    same reads (`reads_key`) support them.
    """
    now = {one.structure for one in candidates}
    either = len(previous.structures | now)
    changed = len(previous.structures ^ now) / either if either else 0.0
    before, found = previous.supported_introns, supported_on_check(candidates)
    others = before is not None and found is not None and reads != previous.reads
    if others:
        before = None
    stop, why = False, "genes still change: train on these labels, from the original model"
    if before is not None and found is not None and found < before:
        stop = True
        why = (
            f"on the check sequences reads support {found:,} introns of the genes, {before:,} in "
            "the round before: the teacher of the round before was better"
        )
    elif changed < STEADY:
        stop = True
        why = f"fewer than {STEADY:.0%} of the genes changed: another round has nothing new"
    if others:
        why += (
            ". Introns were not compared: the reads, --strandedness or --min-junction-reads are "
            "not those of the round before"
        )
    return RoundChange(changed, before, found, stop, why)


def supported_on_check(candidates: Sequence[Candidate]) -> int | None:
    """Introns of the candidates on check sequences that reads support; None without reads."""
    if any(one.supported is None for one in candidates):
        return None
    return sum(one.supported or 0 for one in candidates if one.part == CHECK)


def split_record(split: Split) -> dict[str, Any]:
    """A split as JSON values, 0-based, half-open, that `read_previous` reads."""
    return {
        "sets": {name: [_interval(piece) for piece in own] for name, own in split.sets.items()},
        "left_out": [[*_interval(piece), why] for piece, why in split.left_out],
        "in_blocks": split.in_blocks,
    }


def _interval(piece: Piece) -> list[Any]:
    return [piece.seqid, piece.start, piece.end]


def _split_of(record: Mapping[str, Any]) -> Split:
    sets = {
        str(name): [Piece(str(seqid), int(start), int(end)) for seqid, start, end in own]
        for name, own in record["sets"].items()
    }
    left_out = [
        (Piece(str(seqid), int(start), int(end), gap=str(why).startswith("between")), str(why))
        for seqid, start, end, why in record["left_out"]
    ]
    return Split(sets, left_out, bool(record["in_blocks"]))


def _all_pieces(split: Split) -> list[Piece]:
    pieces = [piece for own in split.sets.values() for piece in own]
    return pieces + [piece for piece, why in split.left_out if why != "--exclude"]


def _count_or_none(value: Any) -> int | None:
    return None if value is None else int(value)
