"""What `adapt` is asked to do; defaults live here alone, command line and docs read them."""

from dataclasses import dataclass
from pathlib import Path

from helixer_ft.adaptation.mix import AUTO_MIX, Mix, check_mix
from helixer_ft.errors import InputError
from helixer_ft.formats.input_file import refuse_overwriting

DEFAULT_OUTPUT = "adapted.h5"
MAX_BP = 20_000_000
"""Most of a genome that statistics are taken of, in bp; see docs/evidence.md."""


@dataclass(frozen=True)
class AdaptRequest:
    """One run of `adapt`.

    Attributes
    ----------
    load_model_path
        The model.
    source
        What the statistics are taken of: a genome (FASTA), a folder of data files, or a data file.
    save_model_path
        The file to write.
    batchnorm_mix
        Share of its statistics, 0 to 1; "auto": by their shift.
    max_bp
        Most of the source that is measured, in bp, evenly spread; 0: all.
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
    source: Path
    save_model_path: Path = Path(DEFAULT_OUTPUT)
    batchnorm_mix: Mix = AUTO_MIX
    max_bp: int = MAX_BP
    dry_run: bool = False
    force: bool = False
    skip_device_check: bool = False
    command_line: str = ""

    def __post_init__(self) -> None:
        check_mix(self.batchnorm_mix)
        if self.max_bp < 0:
            raise InputError(
                f"--max-bp is {self.max_bp:,}, expected a number of bp, or 0 for the whole genome."
            )
        if self.save_model_path.suffix != ".h5":
            raise InputError(
                f"{self.save_model_path}: does not end in .h5, expected a name that does: Helixer "
                "takes no other model file."
            )
        refuse_overwriting(
            [self.load_model_path, self.source], [self.save_model_path], "--save-model-path"
        )
