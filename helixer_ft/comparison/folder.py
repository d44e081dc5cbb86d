"""The files of a comparison, in one folder."""

import contextlib
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from helixer_ft.adaptation.windows import source_files
from helixer_ft.comparison.request import CompareRequest
from helixer_ft.errors import InputError
from helixer_ft.formats import atomic
from helixer_ft.formats.data_folder import files_of
from helixer_ft.formats.input_file import refuse_overwriting
from helixer_ft.progress import Progress
from helixer_ft.training.run_folder import RunFolder
from helixer_ft.training.run_lock import run_lock

RESULTS, STATE, REPORT, FEATURES = "compare.json", "compare.state.h5", "report.html", "features"


class CompareFolder:
    """Names what a comparison leaves behind, and says whether it may.

    Parameters
    ----------
    request
        What is asked for.
    """

    def __init__(self, request: CompareRequest) -> None:
        self.request = request
        self.path = request.out_dir
        self.results_path = self.path / RESULTS
        """The results, as `--json` prints them."""
        self.state_path = self.path / STATE
        """What `--resume` needs, until there is nothing left to do."""
        self.report_path = self.path / REPORT
        """The page about the comparison."""

    def model(self, name: str) -> Path:
        """Where a tuned model is saved; the folder of its run is next to it."""
        return self.path / f"{name}.h5"

    @property
    def is_unfinished(self) -> bool:
        """Whether there is a comparison to resume."""
        return self.state_path.exists()

    def check(self, names: Sequence[str]) -> None:
        """Refuse a folder that cannot be used, or holds an earlier comparison or what is read.

        Parameters
        ----------
        names
            Of the models that may be trained.

        Raises
        ------
        InputError
            Says which, and what to do.
        """
        request = self.request
        atomic.check_folder(self.path)
        models = [self.model(name) for name in names]
        runs = [RunFolder(path) for path in models]
        data = files_of(request.data_dir)
        if request.batchnorm_from is not None:
            data += source_files(request.batchnorm_from)
        files = [self.results_path, self.state_path, self.report_path]
        refuse_overwriting(
            (*request.load_model_paths, *request.test_data, *data),
            (*models, *files),
            "--out-dir",
            [path for run in runs for path in run.cleared],
        )
        if request.force or (self.is_unfinished and request.resume):
            return
        if self.is_unfinished:
            raise InputError(
                f"{self.path}: holds an unfinished comparison. Resume it with --resume, delete it "
                "and start again with --force, or give another --out-dir."
            )
        there = [*files, *models, *(run.path for run in runs)]
        if found := next((path for path in there if path.exists()), None):
            what = f"{found.name} is there already, and is not overwritten"
            if request.resume and self.results_path.exists():
                what = "the comparison there is complete: there is nothing to resume"
            raise InputError(
                f"{self.path}: {what}. Give another --out-dir, or --force to overwrite it."
            )

    @contextmanager
    def held(self, progress: Progress) -> Iterator[None]:
        """Make the folder and hold it against other processes; where nothing is written, it is
        gone afterwards.

        Raises
        ------
        InputError
            Another process works there; it cannot be made.
        """
        new = [path for path in self.path.absolute().parents if not path.exists()]
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(
                f"{self.path}: the folder could not be made ({error.strerror}). Give another "
                "--out-dir."
            ) from error
        try:
            with run_lock(self.path, progress, "--out-dir"):
                yield
        finally:
            for path in new:
                with contextlib.suppress(OSError):
                    path.rmdir()

    def clear(self, names: Sequence[str]) -> None:
        """Remove what an earlier comparison left, but for models, which are replaced one by one."""
        for path in (self.results_path, self.state_path, self.report_path):
            path.unlink(missing_ok=True)
        for name in names:
            shutil.rmtree(RunFolder(self.model(name)).state_path.parent, ignore_errors=True)

    def write_results(self, text: str) -> None:
        """Write `compare.json` anew."""
        atomic.write_text(self.results_path, text, force=True)
