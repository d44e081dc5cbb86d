"""What an evaluation is asked to do; defaults live here alone, command line and docs read them."""

from dataclasses import dataclass
from pathlib import Path

from helixer_ft.errors import InputError
from helixer_ft.formats.input_file import real_path, refuse_overwriting
from helixer_ft.inference.windows import Windowed
from helixer_ft.settings import Precision, check_precision, require


@dataclass(frozen=True)
class EvaluateRequest(Windowed):
    """One run of `evaluate`.

    Attributes
    ----------
    load_model_paths
        The models; the others are compared with the first.
    test_data
        Labelled data files, all of one subsequence length.
    overlap
        Predict in overlapping windows, and score the averages.
    overlap_offset, core_length
        In bp; None: 1/2 and 3/4 of the subsequence length.
    val_test_batch_size
        Windows at once; None: as many as fit into memory.
    precision
        Precision of the computation.
    predict_phase
        Every model must predict phase (HybridModel.py's option name).
    csv
        Where the numbers are written as a table too.
    force
        Overwrite that table.
    seed
        Seed of the bootstrap.
    skip_device_check
        Whether it was left out to compare the device with the CPU; for the record.
    """

    load_model_paths: tuple[Path, ...]
    test_data: tuple[Path, ...]
    overlap: bool = False
    overlap_offset: int | None = None
    core_length: int | None = None
    val_test_batch_size: int | None = None
    precision: Precision = "float32"
    predict_phase: bool = False
    csv: Path | None = None
    force: bool = False
    seed: int = 0
    skip_device_check: bool = False

    def __post_init__(self) -> None:
        for name, paths, remedy in (
            ("--load-model-path", self.load_model_paths, "a trained model (-l), or several"),
            ("--test-data", self.test_data, "a labelled data file (-t), or several"),
        ):
            if not paths:
                raise InputError(f"there is no {name}, expected {remedy}.")
        for i, path in enumerate(self.test_data):
            if real_path(path) in [real_path(other) for other in self.test_data[:i]]:
                raise InputError(
                    f"{path}: is given twice as --test-data; its bases would count twice. Give it "
                    "once."
                )
        for name in ("overlap_offset", "core_length", "val_test_batch_size"):
            require(name, getattr(self, name), 1)
        if not self.overlap and (self.overlap_offset or self.core_length):
            raise InputError(
                "--overlap-offset and --core-length require --overlap. Add --overlap, or leave "
                "them out."
            )
        check_precision(self.precision)
        if self.csv is not None:
            refuse_overwriting((*self.load_model_paths, *self.test_data), [self.csv], "--csv")
