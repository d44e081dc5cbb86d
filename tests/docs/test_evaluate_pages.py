"""What the pages say of the output of `evaluate` is what it writes."""

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner
from conftest import random_rows, tiny_model

from helixer_ft.cli import main
from helixer_ft.evaluation.table import COLUMNS
from helixer_ft.formats.model_h5 import write_model_file
from tests.data_files import write_data_file

FORMATS = Path(__file__).parents[2] / "docs/formats.md"


def section(title: str) -> str:
    """The part of formats.md below a heading, up to the next one."""
    text = FORMATS.read_text(encoding="utf-8").split(f"# {title}\n", 1)[1]
    return re.split(r"^##+ ", text, maxsplit=1, flags=re.M)[0]


def first_column(title: str) -> list[str]:
    cells = re.findall(r"^\| (`.*?) \|", section(title), re.M)
    return re.findall(r"`([^`]+)`", " ".join(cells))


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory) -> tuple[dict, list[str]]:
    """The JSON object, and the tables that the CSV file has."""
    folder = tmp_path_factory.mktemp("evaluated")
    for name, seed in (("a", 0), ("b", 1)):
        write_model_file(folder / f"{name}.h5", tiny_model(seed).to_file({}))
    write_data_file(folder / "d.h5", random_rows(2))
    arguments = ["-l", folder / "a.h5", "-l", folder / "b.h5", "-t", folder / "d.h5"]
    options = ["--json", "--csv", folder / "s.csv", "--val-test-batch-size", 4]
    result = CliRunner().invoke(main, ["evaluate", *map(str, [*arguments, *options])])
    assert result.exit_code == 0, result.output
    lines = (folder / "s.csv").read_text().splitlines()
    assert tuple(lines[0].split(",")) == COLUMNS
    tables = dict.fromkeys(re.split(r',(?=[^"]*(?:"[^"]*"[^"]*)*$)', line)[4] for line in lines[1:])
    return json.loads(result.stdout), [table.strip('"') for table in tables]


def test_keys_of_the_json_output(evaluated):
    outcome, _ = evaluated
    assert list(outcome) == first_column("`evaluate --json`")
    words = set(re.findall(r"`([^`]+)`", " ".join(section("`evaluate --json`").split())))
    model = outcome["models"][1]
    classes = {"intergenic", "UTR", "CDS", "intron"}
    named = {*model, *model["genic"], *model["genic"]["scores"]["CDS"], *model["phase"]}
    named |= {*model["difference"], *model["difference"]["f1"]["CDS"], *model["transitions"]}
    named |= {*model["transitions"]["donor"], *model["transitions"]["donor"]["0-5"]}
    named |= {*model["calibration"]} - classes
    named |= {*model["calibration"]["CDS"], *model["calibration"]["CDS"]["bins"][0]}
    assert named - words == set()


def test_columns_and_tables_of_the_csv_file(evaluated):
    assert tuple(first_column("`evaluate --csv`")) == COLUMNS
    words = set(re.findall(r"`([^`]+)`", section("`evaluate --csv`")))
    general = {
        re.sub(r"^(distance to) .*", r"\1 KIND", re.sub(r"^(calibration), .*", r"\1, CLASS", table))
        for table in evaluated[1]
    }
    assert general - words == set()
    assert {word for word in words if " " in word} == general
