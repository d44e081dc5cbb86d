"""Chunks compressed outside of HDF5: by zlib, or by zlib-ng where it is installed."""

import os
import subprocess
import sys
import zlib

import h5py
import numpy as np
import pytest

from helixer_ft.formats import hdf5
from helixer_ft.formats.hdf5 import compressed_chunk

FAKE = """
import zlib

def compress(data, level):
    return zlib.compress(data, 0)  # larger than anything zlib makes by default
"""


@pytest.mark.parametrize("library", ["zlib", "zlib_ng.zlib_ng"])
def test_hdf5_reads_what_either_library_compressed(tmp_path, monkeypatch, library):
    monkeypatch.setattr(hdf5, "deflate", pytest.importorskip(library))
    values = np.random.default_rng(4).random((3, 50, 4)).astype(np.float16)
    with h5py.File(tmp_path / "rows.h5", "w") as file:
        dataset = file.create_dataset(
            "X", values.shape, values.dtype, chunks=(1, 50, 4), compression="gzip", shuffle=True
        )
        for i, row in enumerate(values):
            dataset.id.write_direct_chunk((i, 0, 0), compressed_chunk(row.tobytes(), row.itemsize))
    with h5py.File(tmp_path / "rows.h5") as file:
        assert np.array_equal(file["X"][:], values)


def test_zlib_ng_compresses_where_it_is_installed(tmp_path):
    (tmp_path / "zlib_ng").mkdir()
    (tmp_path / "zlib_ng/__init__.py").touch()
    (tmp_path / "zlib_ng/zlib_ng.py").write_text(FAKE)
    code = (
        "from helixer_ft.formats.hdf5 import compressed_chunk as c; print(len(c(bytes(5000), 1)))"
    )
    paths = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", ""), os.getcwd()])
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(done.stdout) > 5000 > len(zlib.compress(bytes(5000)))
