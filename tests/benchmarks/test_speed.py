"""The parts of benchmarks/speed*.py that need neither Helixer nor time."""

import json
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from conftest import random_rows, tiny_architecture

from tests.data_files import write_data_file

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
import speed
import speed_data
import speed_drivers
import speed_page
import speed_processes
from page import write_section
from speed_page import GIB


@pytest.fixture
def data(data_dir: Path) -> Path:
    """12 training windows, of which two cannot be used, and 8 for validation, in three files."""
    rows = random_rows(2, seed=3, seqid="chr3")
    rows["err_samples"][0] = rows["is_annotated"][2] = False
    write_data_file(data_dir / "training_data.2.h5", rows)
    return data_dir


def read(path: Path, name: str) -> np.ndarray:
    with h5py.File(path) as file:
        return file[f"data/{name}"][:]


def test_a_cut_down_folder_has_the_first_usable_windows(data, tmp_path):
    windows = {"training_data": 1, "validation_data": 3}
    part = speed_data.cut_down(data, tmp_path / "part", windows)
    assert speed_data.count_windows(part) == windows
    # files in the order of their names: the one with unusable rows comes first
    assert [path.name for path in speed_data.data_files(part, "training_data")] == [
        "training_data.2.h5"
    ]
    for name in ("X", "y", "transitions", "start_ends", "seqids"):
        copied = read(part / "training_data.2.h5", name)
        assert np.array_equal(copied, read(data / "training_data.2.h5", name)[1:2]), name


def test_a_cut_down_folder_goes_on_in_the_next_file(data, tmp_path):
    part = speed_data.cut_down(data, tmp_path / "part", {"training_data": 5, "validation_data": 9})
    assert len(read(part / "training_data.h5", "X")) == 3
    assert speed_data.count_windows(part) == {"training_data": 5, "validation_data": 8}


def test_repeated_data_has_every_window_under_other_names(data, tmp_path):
    speed_data.repeat_data(data, tmp_path / "3x", 3)
    assert speed_data.count_windows(tmp_path / "3x") == {"training_data": 42, "validation_data": 24}
    once = read(data / "validation_data.h5", "X")
    assert np.array_equal(read(tmp_path / "3x/validation_data.h5", "X"), np.tile(once, (3, 1, 1)))
    names = read(tmp_path / "3x/validation_data.h5", "seqids")
    assert names.dtype == "S50"
    assert names[::8].tolist() == [b"chr2", b"chr2_copy1", b"chr2_copy2"]


def test_attributes_of_a_data_file_are_copied(data, tmp_path):
    with h5py.File(data / "training_data.h5", "a") as file:
        file.attrs["input_path"] = "x.sqlite3"
    speed_data.repeat_data(data, tmp_path / "2x", 2)
    with h5py.File(tmp_path / "2x/training_data.h5") as file:
        assert file.attrs["input_path"] == "x.sqlite3"


def test_epochs_of_helixer_are_found_in_its_output():
    lines = [
        (4.0, "2026-01-01, I: Epoch lengths"),
        (5.0, "Epoch 1/2"),
        (6.5, " 1/18 [>....] - ETA: 2:20\b\b\b 2/18 [=>...]"),
        (9.0, "\b\b\r18/18 [=====] - 4s\rEpoch 2/2"),
    ]
    assert speed_processes.epoch_starts(lines) == [5.0, 9.0]


def test_epochs_of_ours_are_found_in_its_json():
    texts = [
        "Note: {",
        "{",
        '  "seconds": 9,',
        '  "check_seconds": [',
        "    5.5,",
        "    6.0",
        "  ]",
    ]
    lines = [(float(i), text) for i, text in enumerate([*texts, "}", "bye"])]
    assert speed_processes.check_seconds(lines) == [5.5, 6.0]


def test_extrapolation_adds_further_epochs():
    record = {"wall": 30.0, "epoch_ends": [10.0, 14.0, 20.0]}  # further ones take 4 and 6 s
    assert speed_page.further_epoch(record) == 5.0
    assert speed_page.extrapolated(record, 3) == 30.0
    assert speed_page.extrapolated(record, 10) == 65.0
    assert speed_page.extrapolated({"wall": 12.0, "epoch_ends": [10.0]}, 3) == 32.0


def test_multiply_adds_of_a_tiny_network():
    # two convolutions of 5 x 4 x 4 on 90 bases; on 10 steps the LSTM's two directions, 36 inputs
    # and 3 recurrent ones to 4 x 3 gates each, and the output layer
    expected = 2 * (5 * 4 * 4) * 90 + (2 * (36 + 3) * 12 + 6 * 72) * 10
    assert speed_drivers.multiply_adds(tiny_architecture(), 90) == expected


def test_a_process_is_measured(tmp_path):
    code = "import os; x = bytearray(50_000_000); print(os.environ['KERAS_BACKEND'])"
    done = speed_processes.run_process([sys.executable, "-c", code], "jax", tmp_path)
    assert [text for _, text in done.lines] == ["jax"]
    assert 50_000_000 < done.peak < 10 * GIB
    assert 0 <= done.lines[0][0] <= done.seconds


def test_a_process_that_fails_ends_the_benchmark(tmp_path):
    with pytest.raises(SystemExit, match="no such day"):
        speed_processes.run_process(
            [sys.executable, "-c", "raise ValueError('no such day')"], "jax", tmp_path
        )


def test_measurements_are_kept_and_not_repeated(tmp_path):
    path = tmp_path / "speed.json"
    header = {"date": "2026-01-01", "settings": {"batch_size": 4}}
    speed.Results(path, header).measure("peak/x/0", lambda: {"flops": 1.0})
    again = speed.Results(path, header | {"date": "2026-01-02"})
    again.measure("peak/x/0", lambda: pytest.fail("measured twice"))
    assert again.content["records"] == {"peak/x/0": {"flops": 1.0}}
    again.forget(["steps", "peak"])
    again.measure("peak/x/0", lambda: {"flops": 2.0})
    assert speed.Results(path, header).content["records"] == {"peak/x/0": {"flops": 2.0}}
    with pytest.raises(SystemExit, match="other settings"):
        speed.Results(path, header | {"settings": {"batch_size": 8}})


def step(seconds: float, gib: float) -> dict:
    return {"wall": 9.0, "peak": gib * GIB, "first": 5.0, "seconds": [seconds] * 3}


def run(wall: float, gib: float, *epoch_ends: float, **more) -> dict:
    return {"wall": wall, "peak": gib * GIB, "epoch_ends": list(epoch_ends), **more}


@pytest.fixture
def results() -> dict:
    """Figures made up."""
    settings = {
        "models": ["full.h5", "small.h5"], "quick": False,
        "windows": {"training_data": 70, "validation_data": 10}, "backends": "jax,tensorflow",
        "batch_size": 4, "score_batch_size": 8, "repeats": 2, "steps": 3, "epochs": "10,50",
        "peer_epochs": 3, "whole_windows": 16, "scale": 10,
    }  # fmt: skip
    ten = [20.0 + 0.1 * i for i in range(10)]
    fifty = [20.0 + 0.1 * i for i in range(50)]
    records = {
        "steps/full/whole/jax/0": step(6.0, 5), "steps/full/whole/jax/1": step(8.0, 5),
        "steps/full/whole/helixer/0": step(20.0, 10),
        "steps/full/forward/jax/0": step(4.0, 2),
        "commands/freeze/jax/10/0": run(40.0, 3, *ten),
        "commands/freeze/jax/50/0": run(44.0, 3, *fifty),
        "commands/freeze/helixer/3/0": run(310.0, 6, 100.0, 200.0, 300.0),
        "commands/hidden/tensorflow/10/0": run(62.0, 3, *ten),
        "commands/whole/jax/1/0": run(50.0, 4, 40.0),
        "memory/jax/0": run(30.0, 2, 20.0, cache=GIB),
        "memory/helixer/0": run(60.0, 4, 20.0),
        "memory/scaled/1x/0": run(10.0, 1, 5.0, cache=GIB // 10),
        "memory/scaled/10x/0": run(80.0, 1.5, 50.0, cache=GIB),
        "pipeline/kept_rows/0": {"rate": 300.0}, "pipeline/plain_files/0": {"rate": 150.0},
        "peak/numpy_peak/0": {"flops": 80e9}, "peak/jax_peak/0": {"flops": 100e9},
        "peak/work/full/0": {"multiply_adds": 10**10},
    }  # fmt: skip
    versions = {"helixer-ft": "0.1.0", "keras": "3", "jax": "0.9", "tensorflow": "2.20"}
    return {
        "date": "2026-01-01",
        "machine": {"cores": 2, "processor": "Some CPU", "memory": 23.6 * GIB},
        "versions": versions | {"Helixer": "0.3.9", "peer keras": "2", "peer tensorflow": "2.15"},
        "settings": settings,
        "records": records,
    }


@pytest.mark.parametrize(
    "row",
    [
        # 7 s per step of 4 windows, against 20 s; 5 GiB against 10
        "| full | whole network | helixer-ft, JAX | 7 (0.35) | 0.571 | 5 (0.50) |",
        "| full | whole network | Helixer | 20.0 (1.00) | 0.2 | 10.0 (1.00) |",
        "| full | forward pass, 8 windows | helixer-ft, JAX | 4 | 2 | 2 |",
        # measured at 10 and 50 epochs, Helixer's from 3: 310 + 7 x 100 and 310 + 47 x 100
        "| freeze, new head | helixer-ft, JAX | 19.1 (1.91) | 20.0 (0.20) | 0.1 (0.001) "
        "| 40.0 (0.04) | 44.0 (0.0088) | 3 (0.50) |",
        "| freeze, new head | Helixer | 10.0 (1.00) | 100 (1.00) | 100 (1.00) "
        "| ~1,010 (1.00) | ~5,010 (1.00) | 6 (1.00) |",
        # Helixer's freeze stands in for its missing hidden layer
        "| freeze, hidden layer | helixer-ft, TensorFlow | 41.1 (4.11) | 20.0 (0.20) | 0.1 (0.001) "
        "| 62.0 (0.061) | ~66.0 (0.013) | 3 (0.50) |",
        "| whole network | helixer-ft, JAX | 10.0 | 40.0 | 40.0 | ~410 | ~2,010 | 4 |",
        "| helixer-ft, JAX | full | 30.0 (0.50) | 1 | 2 (0.50) |",
        "| helixer-ft, JAX, data 10 times | small | 80.0 (8.00) | 1 (10.00) | 1.5 (1.50) |",
        "| helixer-ft, decoded windows kept | 300 (2.00) |",
        "| float32 matrix product, jax |  | 100 | 100% |",
        # 3 x 2 x 1e10 x 4 in 7 s
        "| whole network, helixer-ft, JAX | full | 34.3 | 34% |",
    ],
)
def test_the_page_has_the_figures(results, row):
    assert row in speed_page.render(results).splitlines()


def test_the_page_says_what_made_it(results):
    page = speed_page.render(results)
    assert "**A figure with ~ is extrapolated**" in page
    assert "2 cores of Some CPU, 24 GiB" in page
    assert (
        "python benchmarks/speed.py --peer HELIXER_ENV --model full.h5 --model small.h5 "
        "--data DATA_DIR --out docs/performance.md --steps 3\n"
    ) in page
    # 44 s against 4 s per 8 of 80 windows
    assert "takes 44.0 s (helixer-ft, JAX): 1.10 times the ~40.0 s of one forward" in page


def test_a_page_of_some_groups(results):
    results["records"] = {"pipeline/kept_rows/0": {"rate": 300.0}}
    page = speed_page.render(results)
    assert "| helixer-ft, decoded windows kept | 300 |" in page
    assert page.count("###") == 1


def test_the_section_replaces_its_predecessor(results, tmp_path):
    page = tmp_path / "performance.md"
    page.write_text("# Performance\n\nRead this.\n")
    write_section(page, "speed.py", speed_page.render(results))
    page.write_text(page.read_text() + "\nAnd this.\n")
    results["date"] = "2026-02-02"
    write_section(page, "speed.py", speed_page.render(results))
    text = page.read_text()
    begin, end = (f"<!-- {word} of benchmarks/speed.py -->" for word in ("begin", "end"))
    assert text.startswith(f"# Performance\n\nRead this.\n\n{begin}")
    assert text.endswith(f"{end}\n\nAnd this.\n")
    assert "2026-01-01" not in text
    assert text.count("2026-02-02") == 1


def test_a_page_is_written_from_kept_figures(results, tmp_path, monkeypatch):
    kept, page = tmp_path / "speed.json", tmp_path / "page.md"
    kept.write_text(json.dumps(results))
    monkeypatch.setattr(sys, "argv", ["speed.py", "--from-json", str(kept), "--out", str(page)])
    speed.main()
    assert speed_page.render(results) in page.read_text()
