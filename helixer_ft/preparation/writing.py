"""A genome and where its pieces go -> data files, row by row."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from helixer_ft import __version__
from helixer_ft.formats.data_names import ANNOTATION_WARNING
from helixer_ft.formats.data_writer import DataWriter
from helixer_ft.formats.label_source import LabelSource
from helixer_ft.preparation.genome import Genome, Survey, labelled
from helixer_ft.preparation.outputs import data_file, label_source
from helixer_ft.preparation.pieces import Piece, whole
from helixer_ft.preparation.split import Split
from helixer_ft.preparation.usability import unusable_warning
from helixer_ft.preparation.windows import Rows, count_rows, pack_rows, rows_of
from helixer_ft.progress import Progress
from helixer_ft.runtime.parallel import ahead, default_threads


@dataclass(frozen=True)
class Plan:
    """A genome, what is in it, and where its pieces go.

    Attributes
    ----------
    genome, survey
        The genome, and what is in it; None without annotation.
    sets
        Set -> its pieces: what is written.
    split
        Where all of the genome went; None where it is not split.
    label_source
        Where the labels come from; None: from the annotation of the genome.
    """

    genome: Genome
    survey: Survey | None
    sets: Mapping[str, Sequence[Piece]]
    split: Split | None = None
    label_source: LabelSource | None = None


def write_data(plan: Plan, folder: Path, pool: Executor, progress: Progress) -> None:
    """Write the data files of one genome to a folder that is there.

    Rows are compressed in threads, and written in order.
    """
    species, request = plan.genome.sample.species, plan.genome.request
    length = request.subsequence_length
    provenance = {
        "helixer_ft_version": __version__,
        "helixer_ft_command_line": request.command_line,
    }
    if plan.survey is not None:
        unusable = unusable_warning(plan.survey.content(whole(plan.genome.lengths)).genes)
        if unusable is not None:
            provenance[ANNOTATION_WARNING] = f"{species}: {unusable}"
    source = plan.label_source
    if source is None and plan.survey is not None:
        source = label_source(plan.genome, plan.survey)
    counts = {
        name: sum(count_rows(piece.length, length) for piece in pieces)
        for name, pieces in plan.sets.items()
    }
    with ExitStack() as stack:
        writers = {
            name: stack.enter_context(
                DataWriter(
                    folder / data_file(name, species, request),
                    count,
                    length,
                    labels=request.labelled,
                    provenance=provenance,
                    label_source=source,
                )
            )
            for name, count in counts.items()
            if count
        }
        rows = _rows(plan, pool)
        threads = request.threads or default_threads()
        done = ahead(pool, lambda task: pack_rows(task[2]), rows, budget=2 * threads)
        for (name, seqid, _), packed in progress.track(
            f"writing {species}",
            sum(counts.values()),
            done,
            "windows",
            lambda item: len(item[1].values["start_ends"]),
        ):
            writers[name].append(packed, seqid, species, plan.genome.is_annotated(seqid))


def _rows(plan: Plan, pool: Executor) -> Iterator[tuple[str, str, Rows]]:
    """Yield (set, sequence, rows) in the order of the files."""
    pieces: dict[str, list[tuple[str, Piece]]] = {}
    for name, parts in plan.sets.items():
        for piece in parts:
            pieces.setdefault(piece.seqid, []).append((name, piece))
    wanted = [seqid for seqid in plan.genome.row_order if seqid in pieces]
    length = plan.genome.request.subsequence_length
    for seqid, bases, labels in labelled(plan.genome, wanted, pool):
        for name, piece in pieces[seqid]:
            region = piece.start, piece.end
            for rows in rows_of(bases, labels, length, region):
                yield name, seqid, rows
        del bases, labels
