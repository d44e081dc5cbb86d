"""Which data files get the tracks, and where the new ones go."""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from helixer_ft.coverage.regions import RowTable
from helixer_ft.coverage.request import CoverageRequest
from helixer_ft.errors import InputError
from helixer_ft.formats.atomic import check_folder, refuse_existing, staged_folder
from helixer_ft.formats.coverage_h5 import members
from helixer_ft.formats.data_folder import refuse_other_data
from helixer_ft.formats.data_names import CHECK_DATA, CHECK_JUNCTIONS, SETS, WHAT
from helixer_ft.formats.hdf5 import find, open_hdf5
from helixer_ft.formats.input_file import real_path
from helixer_ft.progress import Progress


def find_data_files(request: CoverageRequest, progress: Progress) -> list[RowTable]:
    """The data files asked for, their rows read.

    Raises
    ------
    InputError
        A folder without data files; a file that is not one; coverage of the prefix in a file,
        without `force`.
    """
    if request.data_dir is None:
        paths = list({real_path(path): path for path in request.data}.values())
    else:
        paths = _in_folder(request.data_dir, progress)
    tables = [RowTable(path) for path in paths]
    prefix = request.prefix
    present = [table.path for table in tables if prefix in table.prefixes]
    if present and not request.force:
        others = len(tables) - len(present)
        raise InputError(
            f"{', '.join(map(str, present))}: {'have' if len(present) > 1 else 'has'} coverage "
            f"{members(prefix)[0]} already"
            + (f", {others} other file(s) do not" if others else "")
            + ". Give --force to replace it, or another --coverage-prefix."
        )
    for table in tables:
        kept = [name for name in table.prefixes if name != prefix]
        if kept:
            progress.notice(f"{table.path.name}: coverage kept: {', '.join(kept)}")
    return tables


@contextmanager
def staged(targets: Sequence[Path]) -> Iterator[list[Path]]:
    """Give a path to write to for each target; all take their places if the block succeeds.

    Raises
    ------
    HelixerFtError
        Writing failed; all files are then as they were.
    """
    with ExitStack() as stack:
        folders = {
            folder: stack.enter_context(staged_folder(folder))
            for folder in dict.fromkeys(target.parent for target in targets)
        }
        yield [folders[target.parent] / target.name for target in targets]


def output_paths(tables: Sequence[RowTable], request: CoverageRequest) -> list[Path]:
    """Where the new files go.

    Raises
    ------
    InputError
        A new file would overwrite another (without `force`), two have the same name, or the
        folder is no folder or not writable.
    """
    targets = [
        real_path(table.path) if request.out_dir is None else request.out_dir / table.path.name
        for table in tables
    ]
    for folder in dict.fromkeys(target.parent for target in targets):
        check_folder(folder)
    names = [target.name for target in targets]
    if request.out_dir is None:
        return targets
    for target in targets:
        if names.count(target.name) > 1:
            raise InputError(
                f"--data: several files are named {target.name}, and would overwrite each other "
                f"in {request.out_dir}. Add coverage to them in separate runs."
            )
    targets_beside = [request.out_dir / path.name for path in _junctions(tables)]
    if request.data_dir is not None:
        refuse_other_data(request.out_dir, [path.name for path in (*targets, *targets_beside)])
    for target in (*targets, *targets_beside):
        may_be_replaced = request.force and not target.is_dir()
        refuse_existing(target, force=may_be_replaced, other="--out-dir")
    return targets


def copy_junctions(tables: Sequence[RowTable], copies: Sequence[Path]) -> None:
    """Give the copy of check data the introns of the reads that lie beside them; OSError where that
    fails.
    """
    for path in _junctions(tables):
        shutil.copyfile(path, copies[0].parent / path.name)


def _junctions(tables: Sequence[RowTable]) -> list[Path]:
    """Where there are check data, the table that belongs to them."""
    folders = [table.path.parent for table in tables if table.path.name == CHECK_DATA]
    return [path for folder in folders if (path := folder / CHECK_JUNCTIONS).exists()]


def _in_folder(folder: Path, progress: Progress) -> list[Path]:
    """Sets of data by their names, and every other .h5 file that holds rows."""
    if not folder.is_dir():
        found = "is not a folder" if folder.exists() else "no such folder"
        raise InputError(f"{folder}: {found}, expected a folder with Helixer data files (.h5).")
    by_name = {path for name in SETS for path in folder.glob(f"{name}_data*h5")}
    skipped = []
    for path in sorted(set(folder.glob("*.h5")) - by_name):
        if _has_rows(path):
            by_name.add(path)
        else:
            skipped.append(path.name)
    if not by_name:
        raise InputError(
            f"{folder}: holds no Helixer data file (training_data*h5, validation_data*h5, "
            "test_data*h5, or another .h5 with data/X). Make them with helixer-ft prepare."
        )
    if skipped:
        progress.notice(f"{folder}: not data files, left alone: {', '.join(skipped)}")
    return sorted(by_name)


def _has_rows(path: Path) -> bool:
    try:
        with open_hdf5(path, WHAT) as file:
            return all(find(file, f"data/{name}") for name in ("X", "seqids", "start_ends"))
    except InputError:
        return False
