"""The files of a data directory, by their names."""

from collections.abc import Collection
from pathlib import Path

from helixer_ft.errors import InputError
from helixer_ft.formats.data_names import CHECK, CHECK_DATA, CHECK_JUNCTIONS, SETS
from helixer_ft.formats.input_file import real_path

DATA_PREFIXES = ("training_data", "validation_data")
"""How the names of the files of a data directory begin, as Helixer has them."""


def files_of(folder: Path) -> list[Path]:
    """Training data, then validation data, each by name; empty: there are none."""
    return [path for prefix in DATA_PREFIXES for path in sorted(folder.glob(f"{prefix}*h5"))]


def check_files_of(folder: Path) -> list[Path]:
    """Check sequences, and introns of reads on them; as far as they are there."""
    return [folder / name for name in (CHECK_DATA, CHECK_JUNCTIONS) if (folder / name).exists()]


def refuse_other_data(folder: Path, written: Collection[str]) -> None:
    """Refuse to write data beside others that would be used together with them.

    Parameters
    ----------
    folder
        Where they go.
    written
        Names of the files that are written.

    Raises
    ------
    InputError
        There are others.
    """
    there = {path.name for name in (*SETS, CHECK) for path in folder.glob(f"{name}_data*h5")}
    if (folder / CHECK_JUNCTIONS).exists():
        there.add(CHECK_JUNCTIONS)
    if strange := sorted(there - set(written)):
        raise InputError(
            f"{folder}: holds {', '.join(strange)} of another preparation, which would be used "
            "together with the new data. Remove them, or give another --out-dir."
        )


def refuse_data_name(path: Path, folder: Path) -> None:
    """Refuse to write a model to what would be taken for data of a folder.

    Raises
    ------
    InputError
        It would.
    """
    if path.name.startswith(DATA_PREFIXES) and real_path(path.parent) == real_path(folder):
        raise InputError(
            f"{path}: would be taken for data of {folder} because of its name. Give another "
            "--save-model-path."
        )
