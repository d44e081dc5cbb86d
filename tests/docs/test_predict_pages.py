"""What the pages say of predictions is what `predict` writes."""

import json
import re
from pathlib import Path

import h5py
import pytest
from click.testing import CliRunner
from conftest import add_coverage, random_rows, tiny_model

from helixer_ft.cli import main
from helixer_ft.formats.coverage_h5 import Track
from helixer_ft.formats.model_h5 import write_model_file
from helixer_ft.network.coverage import CoverageInput
from tests.data_files import write_data_file
from tests.plans import plan_freeze

FORMATS = Path(__file__).parents[2] / "docs/formats.md"


def first_column(title: str) -> list[str]:
    """What the tables of a section of formats.md explain."""
    text = FORMATS.read_text(encoding="utf-8").split(f"# {title}\n", 1)[1]
    part = re.split(r"^##+ ", text, maxsplit=1, flags=re.M)[0]
    cells = re.findall(r"^\| (`.*?) \|", part, re.M)
    return re.findall(r"`([^`]+)`", " ".join(cells))


@pytest.fixture(scope="module")
def predicted(tmp_path_factory) -> tuple[dict, Path]:
    folder = tmp_path_factory.mktemp("predicted")
    write_model_file(folder / "m.h5", tiny_model().to_file({}))
    (folder / "g.fa").write_text(">a\n" + "ACGT" * 50 + "\n")
    genome = ["-l", folder / "m.h5", "--fasta", folder / "g.fa", "--subsequence-length", 90]
    return run(*genome, "-p", folder / "p.h5"), folder / "p.h5"


def run(*arguments: object) -> dict:
    options = ["--json", "--val-test-batch-size", 2]
    result = CliRunner().invoke(main, ["predict", *map(str, [*arguments, *options])])
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_datasets_and_attributes(predicted, tmp_path):
    coverage = CoverageInput("rnaseq", "log", (Track("leaf"),))
    model = plan_freeze(tiny_model(), coverage=coverage).model
    write_model_file(tmp_path / "m.h5", model.to_file({"batchnorm": "{}"}))
    write_data_file(tmp_path / "d.h5", random_rows(1))
    add_coverage(tmp_path / "d.h5", "leaf")
    outcome = run("-l", tmp_path / "m.h5", "-t", tmp_path / "d.h5", "-p", tmp_path / "c.h5")
    assert outcome["coverage"] == coverage.to_dict()
    with h5py.File(predicted[1]) as file, h5py.File(tmp_path / "c.h5") as other:
        found = {*file, *file.attrs}
        of_some_models = set(other.attrs) - found
        assert of_some_models == {"helixer_ft_coverage", "helixer_ft_batchnorm"}
    (tmp_path / "g.fa").write_text(">a\nACGTACGTA\n>b\nACGT\n")
    choice = ["--seqids", "a", "--exclude", "b", "--min-length", 9, "--subsequence-length", 90]
    model_path = predicted[1].with_name("m.h5")
    run("-l", model_path, "--fasta", tmp_path / "g.fa", *choice, "-p", tmp_path / "s.h5")
    with h5py.File(tmp_path / "s.h5") as file:
        found |= set(file.attrs)
    skipped = {"helixer_ft_device_check"}  # of runs with --skip-device-check
    assert found | skipped | of_some_models == set(
        first_column("Predictions file (`--prediction-output-path`)")
    )


def test_keys_of_the_json_output(predicted):
    assert list(predicted[0]) == first_column("`predict --json`")
