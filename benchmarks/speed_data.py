"""Data folders of speed.py: what is in them, cut down, repeated."""

import sys
from pathlib import Path

import h5py
import numpy as np

KINDS = ("training_data", "validation_data")


def data_files(folder: Path, kind: str) -> list[Path]:
    """The files that both programs take from a data folder."""
    paths = sorted(folder.glob(f"{kind}*h5"))
    if not paths:
        sys.exit(f"Error: {folder}: has no {kind}*h5.")
    return paths


def usable_rows(path: Path) -> list[int]:
    """Rows that both programs train on or validate with."""
    with h5py.File(path) as file:
        return np.flatnonzero(file["data/is_annotated"][:] & file["data/err_samples"][:]).tolist()


def count_windows(folder: Path) -> dict[str, int]:
    """Usable windows of each kind."""
    return {
        kind: sum(len(usable_rows(path)) for path in data_files(folder, kind)) for kind in KINDS
    }


def cut_down(source: Path, target: Path, windows: dict[str, int]) -> Path:
    """A data folder with the first usable windows of another."""
    target.mkdir()
    for kind, left in windows.items():
        for path in data_files(source, kind):
            rows = usable_rows(path)[:left]
            left -= len(rows)
            if rows:
                copy_rows(path, target / path.name, rows)
    return target


def repeat_data(source: Path, target: Path, times: int) -> None:
    """A data folder with every usable window of another, `times` times over."""
    target.mkdir()
    for kind in KINDS:
        for path in data_files(source, kind):
            copy_rows(path, target / path.name, usable_rows(path), times)


def copy_rows(source: Path, target: Path, rows: list[int], times: int = 1) -> None:
    """Copy rows of a data file, `times` times over, each time with other sequence names."""
    with h5py.File(source) as old, h5py.File(target, "w") as new:
        new.attrs.update(old.attrs)
        for name, dataset in old["data"].items():
            shape = (len(rows) * times, *dataset.shape[1:])
            if dataset.ndim < 2:
                values = np.tile(dataset[:][rows], times)
                if name == "seqids":
                    values = renamed(values, len(rows))
                new.create_dataset(f"data/{name}", data=values)
                continue
            copy = new.create_dataset(
                f"data/{name}", shape, dataset.dtype,
                chunks=(1, *shape[1:]), compression="gzip", shuffle=True,
            )  # fmt: skip
            for i, row in enumerate(rows):  # one at a time: data may be larger than memory
                copied = dataset[row]
                for repeat in range(times):
                    copy[repeat * len(rows) + i] = copied


def renamed(seqids: np.ndarray, n: int) -> np.ndarray:
    """Sequence names with a number for all but the first `n`."""
    copies = [b"_copy%d" % (i // n) if i >= n else b"" for i in range(len(seqids))]
    return np.char.add(seqids.astype("S"), copies).astype("S50")
