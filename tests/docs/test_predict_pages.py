"""What the pages say of predictions is what `predict` writes."""

import json
import re
from pathlib import Path

import h5py
import pytest
from click.testing import CliRunner
from conftest import tiny_model

from helixer_ft.cli import main
from helixer_ft.formats.model_h5 import write_model_file

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
    arguments = ["-l", folder / "m.h5", "--fasta", folder / "g.fa", "-p", folder / "p.h5"]
    options = ["--subsequence-length", 90, "--json", "--val-test-batch-size", 2]
    result = CliRunner().invoke(main, ["predict", *map(str, [*arguments, *options])])
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout), folder / "p.h5"


def test_datasets_and_attributes(predicted):
    with h5py.File(predicted[1]) as file:
        found = {*file, *file.attrs}
    assert found == set(first_column("Predictions file (`--prediction-output-path`)"))


def test_keys_of_the_json_output(predicted):
    assert list(predicted[0]) == first_column("`predict --json`")
