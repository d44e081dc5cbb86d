"""Resuming an interrupted prediction: what must be as it was, and what its journals say."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from helixer_ft import __version__
from helixer_ft.errors import InputError, Interrupted
from helixer_ft.formats import atomic
from helixer_ft.formats.input_file import file_sha256
from helixer_ft.formats.origin import differing
from helixer_ft.formats.predictions_h5 import PredictionsFile
from helixer_ft.inference.attributes import file_attributes
from helixer_ft.inference.parts import Kept, Parts
from helixer_ft.inference.prepared import PreparedPrediction
from helixer_ft.inference.request import PredictRequest
from helixer_ft.progress import Progress
from helixer_ft.runtime.backend import versions

_ORIGIN, _ATTRIBUTES, _BATCH_SIZE = "origin", "attributes", "batch_size"

Header = Mapping[str, Any]


def open_parts(request: PredictRequest) -> Parts:
    """The journals of a run, the first of which is the lock on its output.

    Raises
    ------
    InputError
        Another process writes the output; an interrupted run left its rows, and the request says
        neither to resume nor to overwrite; an output cannot be written, or exists already.
    """
    for path in (request.output, request.journal_path):
        atomic.check_writable(path, force=True)
    parts = Parts(request)
    kept = parts.kept
    try:
        if kept.rows and not (request.resume or request.force):
            raise InputError(
                f"{request.output}: an interrupted prediction left {kept.rows:,} rows in "
                f"{parts.main.path.name}. Resume it with --resume, start again with --force, or "
                "give another path."
            )
        for output in (request.prediction_output_path, request.gff3_out):
            if output is not None:
                own = request.resume and kept.header is not None and is_written(kept.header, output)
                atomic.check_writable(output, force=request.force or own)
    except BaseException:
        parts.__exit__()
        raise
    return parts


def origin(prepared: PreparedPrediction) -> dict[str, Any]:
    """What predictions follow from, to the bit; keys are for messages."""
    request, model, source = prepared.request, prepared.model, prepared.source
    overlap = prepared.overlap
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


def alike(request: PredictRequest) -> dict[str, Any]:
    """What else must be the same in all processes; keys are for messages."""
    outputs = {
        "--prediction-output-path": request.prediction_output_path,
        "--gff3-out": request.gff3_out,
    }
    return {
        **{name: path and str(path.resolve()) for name, path in outputs.items()},
        "options of HelixerPost": asdict(request.helixerpost),
        "--val-test-batch-size": request.val_test_batch_size,
        "--resume": request.resume,
        "--force": request.force,
    }


def resumed(
    parts: Parts, request: PredictRequest, present: Mapping[str, Any], progress: Progress
) -> Kept:
    """What an interrupted run left, and this one goes on with; nothing: the run starts.

    Parameters
    ----------
    parts
        See `open_parts`.
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
        return Kept()
    kept = parts.kept
    if kept.header is None:
        progress.notice(f"{request.output}: there is nothing to resume, so the prediction starts")
        return kept
    before = kept.header.get(_ORIGIN, {})
    changed = [
        f"{name} was {then}, is {now}" for name, then, now in differing(before, present, present)
    ]
    if changed:
        raise InputError(
            f"{request.output}: the interrupted prediction cannot be resumed: "
            f"{'; '.join(changed)}. Give the same options and files, or start again with --force "
            "instead of --resume."
        )
    progress.notice(f"resuming after {kept.rows:,} of {present['rows']:,} rows")
    return kept


def new_header(
    prepared: PreparedPrediction, present: Mapping[str, Any], batch_size: int
) -> dict[str, Any]:
    """The header of the journals of a new run."""
    attributes = file_attributes(prepared)
    return {_ORIGIN: dict(present), _ATTRIBUTES: attributes, _BATCH_SIZE: batch_size}


def batch_size(header: Header) -> int:
    """Windows at once, of the first start: rounding may follow from it."""
    return int(header[_BATCH_SIZE])


def attributes(header: Header) -> dict[str, str | int]:
    """Attributes of the predictions file."""
    return dict(header[_ATTRIBUTES])


def is_written(header: Header, path: Path) -> bool:
    """Whether the predictions file is that of this very run, by its attributes, among them the time
    of the first start.
    """
    try:
        return PredictionsFile(path).attributes == attributes(header)
    except InputError:
        return False


@contextmanager
def kept(parts: Parts, n_rows: int, progress: Progress) -> Iterator[None]:
    """Where the block fails, say what is kept."""
    try:
        yield
    except Interrupted:
        raise
    except BaseException:
        if parts.main.records:
            progress.notice(
                f"{parts.main.records:,} of {n_rows:,} rows are kept in {parts.main.path}: the "
                "same command with --resume continues from there"
            )
        raise
