"""Chunks compressed outside of HDF5, which reads them."""

import h5py
import numpy as np

from helixer_ft.formats.hdf5 import compressed_chunk


def test_hdf5_reads_what_was_compressed_outside_of_it(tmp_path):
    values = np.random.default_rng(4).random((3, 50, 4)).astype(np.float16)
    with h5py.File(tmp_path / "rows.h5", "w") as file:
        dataset = file.create_dataset(
            "X", values.shape, values.dtype, chunks=(1, 50, 4), compression="gzip", shuffle=True
        )
        for i, row in enumerate(values):
            dataset.id.write_direct_chunk((i, 0, 0), compressed_chunk(row.tobytes(), row.itemsize))
    with h5py.File(tmp_path / "rows.h5") as file:
        assert np.array_equal(file["X"][:], values)


def test_what_repeats_is_made_small():
    assert len(compressed_chunk(bytes(50_000), 1)) < 500
    assert len(compressed_chunk(bytes(50_000), 1, level=0)) > 50_000
