"""Resuming an interrupted prediction: its journal, and what must be as it was.

The journal has a record for each row that is predicted, its parts the compressed chunks that go
to the predictions file. Its header says what the rows follow from, how many windows the network saw
at once, and the attributes of the file, which are those of the first start.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from helixer_ft import __version__
from helixer_ft.errors import InputError, Interrupted
from helixer_ft.formats import atomic
from helixer_ft.formats.input_file import file_sha256
from helixer_ft.formats.journal import Journal
from helixer_ft.formats.origin import differing
from helixer_ft.formats.predictions_h5 import PredictionsFile
from helixer_ft.inference.request import PredictRequest
from helixer_ft.inference.source import Source
from helixer_ft.inference.windows import Overlap
from helixer_ft.network.model import TrainedModel
from helixer_ft.progress import Progress
from helixer_ft.runtime.backend import versions

_ORIGIN, _ATTRIBUTES, _BATCH_SIZE = "origin", "attributes", "batch_size"


def open_journal(request: PredictRequest) -> Journal:
    """The journal of a run, which is the lock on its output too.

    Raises
    ------
    InputError
        Another process writes the output; an interrupted run left its rows, and the request says
        neither to resume nor to overwrite; an output cannot be written, or exists already.
    """
    for path in (request.output, request.journal_path):
        atomic.check_writable(path, force=True)
    journal = Journal(request.journal_path, request.output)
    try:
        if journal.records and not (request.resume or request.force):
            raise InputError(
                f"{request.output}: an interrupted prediction left {journal.records:,} rows in "
                f"{journal.path.name}. Resume it with --resume, start again with --force, or give "
                "another path."
            )
        resumes = bool(journal.records) and request.resume
        for output in (request.prediction_output_path, request.gff3_out):
            if output is not None:
                own = resumes and is_written(journal, output)
                atomic.check_writable(output, force=request.force or own)
    except BaseException:
        journal.__exit__()
        raise
    return journal


def origin(
    request: PredictRequest, model: TrainedModel, source: Source, overlap: Overlap
) -> dict[str, Any]:
    """What predictions follow from, to the bit; keys are for messages."""
    # asking imports the backend, which takes seconds
    used = versions() if source.ranges else {"helixer_ft": __version__}
    return {
        "model (SHA-256)": model.file.sha256,
        "data (SHA-256)": file_sha256(source.path),
        "rows": source.n_rows,
        "subsequence length": overlap.length,
        "overlap offset": overlap.offset,
        "core length": overlap.core,
        "species": request.genome_species if request.fasta is not None else None,
        "--exclude": ",".join(sorted(request.exclude)) or None,
        "--seqids": ",".join(sorted(request.seqids)) or None,
        "--min-length": request.min_length,
        "rows not computed": int(source.skipped.sum()),
        "coverage": None if model.coverage is None else model.coverage.to_json(),
        "--adapt": request.batchnorm_mix if request.adapt else None,
        "--precision": request.precision,
        "helixer-ft": used["helixer_ft"],
        "Keras": used.get("keras"),
        "backend": used.get("backend"),
    }


def resumed_rows(
    journal: Journal, request: PredictRequest, present: Mapping[str, Any], progress: Progress
) -> int | None:
    """How many rows an interrupted run left; None: the run starts.

    Parameters
    ----------
    journal
        See `open_journal`.
    request
        The request of this run.
    present
        See `origin`.
    progress
        Reports what is resumed.

    Raises
    ------
    InputError
        What the rows follow from is not what it was.
    """
    if not request.resume:
        return None
    if not journal.records:
        progress.notice(f"{request.output}: there is nothing to resume, so the prediction starts")
        return None
    assert journal.header is not None, "there are records"
    before = journal.header.get(_ORIGIN, {})
    changed = [
        f"{name} was {then}, is {now}" for name, then, now in differing(before, present, present)
    ]
    if changed:
        raise InputError(
            f"{request.output}: the interrupted prediction cannot be resumed: "
            f"{'; '.join(changed)}. Give the same options and files, or start again with --force "
            "instead of --resume."
        )
    progress.notice(f"resuming after {journal.records:,} of {present['rows']:,} rows")
    return journal.records


def begin(
    journal: Journal,
    present: Mapping[str, Any],
    attributes: Mapping[str, str | int],
    batch_size: int,
) -> None:
    """Start the journal of a new run."""
    journal.begin({_ORIGIN: present, _ATTRIBUTES: attributes, _BATCH_SIZE: batch_size})


def batch_size(journal: Journal) -> int:
    """Windows at once, of the first start: rounding may follow from it."""
    assert journal.header is not None, "the journal was begun"
    return int(journal.header[_BATCH_SIZE])


def attributes(journal: Journal) -> dict[str, str | int]:
    """Attributes of the predictions file."""
    assert journal.header is not None, "the journal was begun"
    return dict(journal.header[_ATTRIBUTES])


def is_written(journal: Journal, path: Path) -> bool:
    """Whether the predictions file is that of this very run, by its attributes, among them the time
    of the first start.
    """
    try:
        return PredictionsFile(path).attributes == attributes(journal)
    except InputError:
        return False


@contextmanager
def kept(journal: Journal, n_rows: int, progress: Progress) -> Iterator[None]:
    """Where the block fails, say what is kept."""
    try:
        yield
    except Interrupted:
        raise
    except BaseException:
        if journal.records:
            progress.notice(
                f"{journal.records:,} of {n_rows:,} rows are kept in {journal.path}: the same "
                "command with --resume continues from there"
            )
        raise
