"""The outcome of pseudo-labelling as values, and as the JSON object of `pseudo_label.json`."""

import shlex
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any

from helixer_ft.formats.data_names import CHECK, DEFAULT_LENGTH
from helixer_ft.formats.label_source import LabelSource
from helixer_ft.preparation.outputs import SPLIT_FILE
from helixer_ft.preparation.report import Preparation
from helixer_ft.preparation.split import Split
from helixer_ft.pseudo_labels.estimate import LabelsEstimate
from helixer_ft.pseudo_labels.evidence import MIN_OVERHANG, Junctions
from helixer_ft.pseudo_labels.judging import Judged
from helixer_ft.pseudo_labels.predicting import GENES
from helixer_ft.pseudo_labels.previous import RoundChange, split_record, supported_on_check
from helixer_ft.pseudo_labels.request import PseudoLabelRequest
from helixer_ft.pseudo_labels.selection import Stratum, counts_per_stratum
from helixer_ft.settings import AUTO


@dataclass(frozen=True)
class PlannedLabels:
    """What a dry run found: everything is in order before anything is predicted.

    Attributes
    ----------
    request
        What is asked for.
    sequences, bases
        That would be predicted; bp of one strand.
    windows
        Windows of each model, both strands.
    helixerpost
        Which it is.
    junctions
        Introns of reads; None without reads.
    estimate
        What is left of it, and what that would take.
    """

    request: PseudoLabelRequest
    sequences: int
    bases: int
    windows: int
    helixerpost: str
    junctions: Junctions | None
    estimate: LabelsEstimate

    def to_dict(self) -> dict[str, Any]:
        """As `--json` prints it."""
        return {
            "dry_run": True,
            "estimate": self.estimate.to_dict(),
            "models": [str(path) for path in self.request.load_model_paths],
            "sequences": self.sequences,
            "bases": self.bases,
            "windows": self.windows,
            "helixerpost": self.helixerpost,
            "reads": reads_dict(self.junctions),
            "settings": self.request.settings(),
        }


@dataclass(frozen=True)
class PseudoLabels:
    """What was labelled.

    Attributes
    ----------
    request
        What is asked for.
    number
        Of the round.
    originals
        SHA-256 of the models that the first round began with.
    original_path
        Of the first of them, as far as it is known.
    label_source
        As it is in the data.
    judged
        The candidates.
    split
        Where the genome went.
    intergenic_share
        Of the confident intergenic bases, what is trained on.
    junctions
        Introns of reads; None without reads.
    change
        Against the round before; None in the first one.
    preparation
        The data, as `prepare` reports them.
    files
        That were written.
    seconds
        That it took.
    """

    request: PseudoLabelRequest
    number: int
    originals: tuple[str, ...]
    original_path: str
    label_source: LabelSource
    judged: Judged
    split: Split
    intergenic_share: float
    junctions: Junctions | None
    change: RoundChange | None
    preparation: Preparation
    files: Sequence[Path] = ()
    seconds: float = 0.0

    @cached_property
    def strata(self) -> dict[str, Stratum]:
        """Exons -> genes outside of the check sequences."""
        return counts_per_stratum(self.judged.candidates)

    @property
    def outcomes(self) -> dict[str, int]:
        """Outcome -> genes; one that fails for several reasons counts for each."""
        return _counted(one.outcome.split(",") for one in self.judged.candidates)

    @property
    def faults(self) -> dict[str, int]:
        """Why genes fail the gate -> how many, whether or not they are kept."""
        return _counted(one.faults for one in self.judged.candidates)

    @property
    def faults_of_kept(self) -> dict[str, int]:
        """The same of genes that are kept."""
        return _counted(one.faults for one in self.judged.candidates if one.is_kept)

    @property
    def check_sequences(self) -> list[str]:
        """Those that check stretches are on."""
        return list(dict.fromkeys(piece.seqid for piece in self.split.sets.get(CHECK, ())))

    @property
    def kept(self) -> int:
        """Genes that are labelled."""
        return sum(one.is_kept for one in self.judged.candidates)

    @property
    def commands(self) -> list[str]:
        """What to run next: train, predict, compare on the check sequences."""
        request, out = self.request, self.request.out_dir
        name = out.resolve().name or request.genome_species  # "." has no name
        student, genes = f"{name}.student.h5", f"{name}.student.gff3"
        fasta = shlex.quote(str(request.fasta))
        length = request.subsequence_length
        window = "" if length == DEFAULT_LENGTH else f" --subsequence-length {length}"
        reads = "".join(f" --bam {shlex.quote(str(path))}" for path in request.bams)
        if reads:  # introns as they counted here
            if request.strandedness != AUTO:
                reads += f" --strandedness {request.strandedness}"
            reads += f" --min-reads {request.min_junction_reads} --min-overhang {MIN_OVERHANG}"
        return [
            f"helixer-ft whole -l {shlex.quote(self.original_path)} -d {shlex.quote(str(out))} "
            f"-s {shlex.quote(student)}",
            f"helixer-ft predict -l {shlex.quote(student)} --fasta {fasta}{window} "
            f"--gff3-out {shlex.quote(genes)}",
            f"helixer-ft evaluate-genes --predicted {shlex.quote(str(out / GENES))} "
            f"--predicted {shlex.quote(genes)} --fasta {fasta}{reads} "
            f"--split {shlex.quote(str(out / SPLIT_FILE))}",
        ]

    def to_dict(self) -> dict[str, Any]:
        """The object of `pseudo_label.json` and of `--json`."""
        judged, preparation = self.judged, self.preparation.to_dict()
        return {
            "round": self.number,
            "originals": list(self.originals),
            "label_source": self.label_source.to_dict(),
            "settings": self.request.settings(),
            "genes": {
                "candidates": len(judged.candidates),
                "passed": sum(one.passes for one in judged.candidates),
                "kept": self.kept,
                "outcomes": self.outcomes,
                "faults": self.faults,
                "strata": {name: one._asdict() for name, one in self.strata.items()},
            },
            "introns": {"all": judged.introns, "canonical": judged.canonical},
            "intergenic": {
                "mean_probability": round(judged.mean_intergenic, 4),
                "share_kept": round(self.intergenic_share, 4),
            },
            "reads": reads_dict(self.junctions),
            "check": {
                "sequences": self.check_sequences,
                "bases": sum(piece.length for piece in self.split.sets.get(CHECK, ())),
                "genes": sum(one.part == CHECK for one in judged.candidates),
                "supported_introns": supported_on_check(judged.candidates),
            },
            "split": split_record(self.split),
            "previous": self.change
            and {"folder": str(self.request.previous)} | self.change.to_dict(),
            "sets": preparation["sets"],
            "species": preparation["species"],
            "notices": preparation["notices"],
            "warnings": preparation["warnings"],
            "commands": self.commands,
            "versions": preparation["versions"],
            "command_line": self.request.command_line,
            "files": [path.name for path in self.files],
            "seconds": round(self.seconds, 3),
        }


def _counted(words: Iterable[Iterable[str]]) -> dict[str, int]:
    """How often each occurs, the most frequent first."""
    return dict(Counter(chain.from_iterable(words)).most_common())


def reads_dict(junctions: Junctions | None) -> dict[str, Any] | None:
    """What reads show, as JSON values."""
    if junctions is None:
        return None
    tables: Mapping[str, Any] = junctions.tables
    return {
        "files": [file.to_dict() for file in junctions.files],
        "min_reads": junctions.min_reads,
        "min_overhang": MIN_OVERHANG,
        "supported_introns": sum(len(junctions.supported(seqid)) for seqid in tables),
    }
