"""What the pages say of the folder of `prepare` is what `prepare` writes."""

import json
import re
from pathlib import Path

import pytest

from helixer_ft.preparation.prepare import prepare
from helixer_ft.preparation.request import PrepareRequest
from helixer_ft.preparation.samples import COLUMNS, Sample
from helixer_ft.simulate.files import to_fasta, to_gff3
from helixer_ft.simulate.genome import simulate
from helixer_ft.simulate.species import TARGET

FORMATS = Path(__file__).parents[2] / "docs/formats.md"


def section(title: str) -> str:
    """The part of formats.md below a heading, up to the next one."""
    text = FORMATS.read_text(encoding="utf-8")
    return re.split(r"^##+ ", text.split(f"# {title}\n", 1)[1], maxsplit=1, flags=re.M)[0]


def first_column(title: str) -> list[str]:
    """What the table of a section explains, in its order."""
    cells = re.findall(r"^\| (`.*?) \|", section(title), re.M)
    return re.findall(r"`([^`]+)`", " ".join(cells))


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """What is prepared of one sequence, which has to be cut."""
    folder = tmp_path_factory.mktemp("prepared")
    genome = simulate(TARGET, 1, 90_000, seed=2)
    (folder / "g.fa").write_bytes(to_fasta(genome))
    (folder / "g.gff3").write_bytes(to_gff3(genome))
    sample = Sample("SPECIES", folder / "g.fa", folder / "g.gff3")
    for name, split in (("data", True), ("whole", False)):
        prepare(PrepareRequest((sample,), folder / name, subsequence_length=900, split=split))
    return folder


def test_files(folder):
    written = {path.name for name in ("data", "whole") for path in (folder / name).iterdir()}
    assert written == set(first_column("The folder of `prepare`"))


@pytest.mark.parametrize("name", ["split.tsv", "SPECIES.masked.tsv"])
def test_columns(folder, name):
    header = (folder / "data" / name).read_text().splitlines()[0]
    assert header.split("\t") == first_column(f"`{name}`")


def test_sheet():
    assert set(first_column("The sheet (`--samples`)")) == set(COLUMNS)


def test_keys_of_the_report(folder):
    report = json.loads((folder / "data" / "prepare.json").read_text())
    assert set(first_column("`prepare.json`")) == set(report)
    words = set(re.findall(r"`([^`]+)`", section("`prepare.json`")))
    species = report["species"]["SPECIES"]
    named = {*species, *species["gene_lengths"], *report["sets"], *report["versions"]}
    for part in report["sets"].values():
        named |= {*part, *part["fractions_all"]}
    assert species["split_by"] == "blocks"
    assert named - words == set()
