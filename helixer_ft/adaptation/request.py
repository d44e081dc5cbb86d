"""What `adapt` is asked to do; defaults live here alone, command line and docs read them."""

from dataclasses import dataclass
from pathlib import Path

from helixer_ft.adaptation.mix import AUTO_MIX, Mix, check_mix
from helixer_ft.errors import InputError
from helixer_ft.formats.input_file import refuse_overwriting

DEFAULT_OUTPUT = "adapted.h5"


@dataclass(frozen=True)
class AdaptRequest:
    """One run of `adapt`.

    Attributes
    ----------
    load_model_path, save_model_path
        The model, and the file to write.
    fasta, data_dir, test_data
        What the statistics are taken of, one of the three: a genome, a folder of data files, or a
        data file.
    batchnorm_mix
        Share of its statistics, 0 to 1; "auto": by their shift.
    dry_run
        Measure and report, write nothing.
    force
        Overwrite the output.
    skip_device_check
        Whether it was left out to compare the device with the CPU; for the record.
    command_line
        As it was typed, for the record.
    """

    load_model_path: Path
    save_model_path: Path = Path(DEFAULT_OUTPUT)
    fasta: Path | None = None
    data_dir: Path | None = None
    test_data: Path | None = None
    batchnorm_mix: Mix = AUTO_MIX
    dry_run: bool = False
    force: bool = False
    skip_device_check: bool = False
    command_line: str = ""

    def __post_init__(self) -> None:
        given = [path for path in (self.fasta, self.data_dir, self.test_data) if path is not None]
        if len(given) != 1:
            raise InputError(
                f"{len(given) or 'none'} of --fasta, --data-dir and --test-data is given, expected "
                "one: a genome (--fasta), a folder of data files (-d) or a data file (-t)."
            )
        check_mix(self.batchnorm_mix)
        if self.save_model_path.suffix != ".h5":
            raise InputError(
                f"{self.save_model_path}: does not end in .h5, expected a name that does: Helixer "
                "takes no other model file."
            )
        refuse_overwriting(
            [self.load_model_path, *given], [self.save_model_path], "--save-model-path"
        )

    @property
    def source(self) -> Path:
        """What the statistics are taken of."""
        path = self.fasta or self.data_dir or self.test_data
        assert path is not None, "one is given"
        return path
