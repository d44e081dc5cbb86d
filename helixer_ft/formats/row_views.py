"""Some rows of an HDF5 file as a file of their own, without copying them: virtual datasets."""

from collections.abc import Sequence
from pathlib import Path

import h5py

from helixer_ft.formats.hdf5 import disk_errors, open_hdf5


def write_row_view(path: Path, source: Path, names: Sequence[str], first: int, end: int) -> None:
    """Write a file whose datasets are rows of another file's, which must stay where it is.

    Parameters
    ----------
    path
        To write; overwritten.
    source
        The other file.
    names
        Datasets of it; one that it does not have is left out. Its attributes come along.
    first, end
        First row, and the one after the last.

    Raises
    ------
    InputError
        `source` cannot be read.
    HelixerFtError
        The disk is full.
    """
    where = str(source.absolute()).replace("%", "%%")  # HDF5 would put block numbers there
    with open_hdf5(source, "HDF5") as whole, disk_errors(path), h5py.File(path, "w") as view:
        view.attrs.update(whole.attrs)
        for name in names:
            if name not in whole:
                continue
            rows = whole[name]
            layout = h5py.VirtualLayout((end - first, *rows.shape[1:]), rows.dtype)
            layout[:] = h5py.VirtualSource(where, name, rows.shape, rows.dtype)[first:end]
            view.create_virtual_dataset(name, layout)
