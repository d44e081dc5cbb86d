"""Names of the files that a demo writes, and what it may replace."""

from collections.abc import Iterator
from pathlib import Path

from helixer_ft.comparison.candidates import NAMES
from helixer_ft.comparison.folder import REPORT, RESULTS, STATE
from helixer_ft.errors import InputError
from helixer_ft.formats import atomic
from helixer_ft.preparation.outputs import REPORT_FILE, SPLIT_FILE, masked_file
from helixer_ft.simulate.files import MODEL_FILE
from helixer_ft.simulate.species import TARGET

_SETS = tuple(f"{name}_data.h5" for name in ("training", "validation", "test"))


class DemoFiles:
    """Where everything of a demonstration is.

    Parameters
    ----------
    out_dir
        Its folder.
    """

    def __init__(self, out_dir: Path) -> None:
        self.out_dir = out_dir
        self.genome = out_dir / "genome.fa"
        self.genes = out_dir / "genes.gff3"
        self.reads = out_dir / "rnaseq.bam"
        self.data = out_dir / "data"
        self.test_data = self.data / _SETS[-1]
        self.source_model = out_dir / MODEL_FILE
        self.tuned = out_dir / "tuned"
        self.report = self.tuned / REPORT
        self.predictions = out_dir / "predictions.h5"

    def check(self, *, force: bool) -> None:
        """Refuse an unsuitable folder before any work.

        Raises
        ------
        InputError
            It is not empty (and `force` is false); cannot be written to; a file or a folder of
            the demo would take the place of something else; there are data that would be used
            together with the demo's.
        """
        for folder in self._folders():
            atomic.check_folder(folder)
        if not self.out_dir.is_dir():
            return
        if not force and any(self.out_dir.iterdir()):
            raise InputError(
                f"{self.out_dir}: exists already and is not empty. Give another --out-dir, or "
                "--force to replace the files of an earlier demo in it."
            )
        if any(path.exists() for path in self._files()) and not self.source_model.is_file():
            raise InputError(
                f"{self.out_dir}: contains files that are not from a demo ({self.source_model} is "
                "missing), and such files are never replaced. Give another --out-dir."
            )
        for path in (self.source_model, *self._files()):
            if path.parent.is_dir():
                atomic.check_writable(path, force=True)
        strange = sorted({path.name for path in self.data.glob("*.h5")} - set(_SETS))
        if strange:
            raise InputError(
                f"{self.data}: contains {', '.join(strange)}, which is not from a demo and would "
                "be used with its data. Remove it, or give another --out-dir."
            )

    def make_folders(self) -> None:
        """Make the folders, clear them of what an earlier demonstration wrote.

        The shipped model stays: it marks these as files of a demo.
        """
        for folder in self._folders():
            folder.mkdir(parents=True, exist_ok=True)
        for path in self._files():
            path.unlink(missing_ok=True)

    def _folders(self) -> tuple[Path, ...]:
        return self.out_dir, self.data, self.tuned

    def _files(self) -> Iterator[Path]:
        """Every file of a demonstration, but the shipped model and those in folders of runs."""
        yield from (self.genome, self.genes, self.reads, Path(f"{self.reads}.bai"))
        yield self.predictions
        yield from (self.data / name for name in (*_SETS, SPLIT_FILE, REPORT_FILE))
        yield self.data / masked_file(TARGET.name)
        yield from (self.tuned / name for name in (RESULTS, STATE, REPORT))
        yield from (self.tuned / f"{name}.h5" for name in NAMES)
