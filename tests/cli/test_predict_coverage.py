"""`helixer-ft predict` with models that take coverage, from the command line."""

import json
import re
import shlex
from pathlib import Path

import h5py
import numpy as np
import pytest
from click.testing import CliRunner, Result
from conftest import add_coverage, random_rows, tiny_architecture, tiny_model

from helixer_ft.cli import main
from helixer_ft.formats.coverage_h5 import Track
from helixer_ft.formats.model_h5 import write_model_file
from helixer_ft.network.config_reader import parse_config
from helixer_ft.network.config_writer import render_config
from helixer_ft.network.coverage import CoverageInput
from helixer_ft.simulate.files import to_fasta, to_gff3
from helixer_ft.simulate.genome import simulate
from helixer_ft.simulate.reads import write_reads
from helixer_ft.simulate.species import TARGET
from tests.data_files import write_data_file
from tests.network.builders import nested_coverage, random_model
from tests.plans import plan_freeze

PAGE = Path(__file__).parents[2] / "docs/coverage.md"
LEAF = CoverageInput("rnaseq", "log", (Track("leaf"),))


class Work:
    """A model that takes one track `leaf`, data with it, and the command."""

    def __init__(self, folder: Path) -> None:
        self.model, self.data, self.out = folder / "m.h5", folder / "d.h5", folder / "p.h5"
        plan = plan_freeze(tiny_model(), coverage=LEAF)
        write_model_file(self.model, plan.model.to_file({}))
        write_data_file(self.data, random_rows(3))
        add_coverage(self.data, "leaf")

    def helixers_own(self) -> None:
        """A model as Helixer leaves it, which does not say how coverage was normalised."""
        config = nested_coverage(render_config(tiny_architecture()))
        model = random_model(parse_config(config, "x"), config=config)
        write_model_file(self.model, model.file, force=True)

    def run(self, *options: object) -> Result:
        given = [] if "--fasta" in options else ["-t", self.data]
        arguments = ["-l", self.model, *given, "-p", self.out, "--val-test-batch-size", 6]
        return CliRunner().invoke(main, ["predict", *map(str, [*arguments, *options])])

    def predicted(self, *options: object) -> np.ndarray:
        result = self.run("--force", "--no-overlap", *options)
        assert result.exit_code == 0, result.output
        with h5py.File(self.out) as file:
            return file["predictions"][:].astype(np.float64)

    def refused(self, *options: object, parts: list[str]) -> None:
        result = self.run(*options)
        assert result.exit_code == 2, result.output
        assert "Traceback" not in result.stderr
        for part in parts:
            assert part in result.stderr
        assert not self.out.exists()


@pytest.fixture
def work(tmp_path) -> Work:
    return Work(tmp_path)


def test_the_model_says_everything(work):
    result = work.run("--json")
    assert result.exit_code == 0, result.output
    assert "coverage: leaf (reads); prefix rnaseq, normalisation log" in result.stderr
    assert json.loads(result.stdout)["coverage"] == LEAF.to_dict()
    saying_it_too = work.predicted("--coverage-prefix", "rnaseq", "--coverage-norm", "log")
    assert np.array_equal(work.predicted(), saying_it_too)


def test_coverage_changes_the_result(work):
    before = work.predicted()
    with h5py.File(work.data, "r+") as file:
        file["evaluation/rnaseq_coverage"][:] = 0
    assert np.abs(work.predicted() - before).max() > 0.01


@pytest.mark.parametrize(
    "option", [("--coverage-norm", "linear", "log"), ("--coverage-prefix", "cage", "rnaseq")]
)
def test_what_contradicts_the_model(work, option):
    name, given, its = option
    work.refused(name, given, parts=[f"{name} is {given}, but {work.model} was trained with {its}"])


@pytest.mark.parametrize("option", [("--coverage-norm", "log"), ("--coverage-prefix", "cage")])
def test_options_without_a_coverage_model(work, option):
    write_model_file(work.model, tiny_model().to_file({}), force=True)
    work.refused(*option, parts=[f"{option[0]} is {option[1]}, but {work.model} takes no coverage"])


@pytest.mark.parametrize("names", [["root"], ["leaf", "root"]], ids=["name", "count"])
def test_other_tracks(work, names):
    with h5py.File(work.data, "r+") as file:
        del file["evaluation"]
    add_coverage(work.data, *names)
    found = ", ".join(f"{name} (reads)" for name in names)
    work.refused(
        parts=[
            f"{work.data}: its 'rnaseq' coverage has the track(s) {found}, expected leaf (reads)"
        ]
    )


def test_data_without_coverage(work):
    with h5py.File(work.data, "r+") as file:
        del file["evaluation"]
    work.refused(parts=[f"{work.data}: has no coverage", "helixer-ft add-coverage"])


def test_a_genome_without_coverage(work, tmp_path):
    (tmp_path / "g.fa").write_text(">a\nACGT\n")
    parts = [f"{work.model}: takes coverage of 1 track(s)", "prepare", "add-coverage", "-t."]
    work.refused("--fasta", tmp_path / "g.fa", parts=parts)


def test_a_model_of_helixers_own(work):
    work.helixers_own()
    work.refused(parts=["does not say how it was normalised", "--coverage-norm"])
    work.refused("--coverage-prefix", "rnaseq", parts=["Say so with --coverage-norm"])
    found = [work.predicted("--coverage-norm", norm) for norm in ("log", "linear", "none")]
    for one, other in ((0, 1), (1, 2), (0, 2)):
        assert np.abs(found[one] - found[other]).max() > 0.01
    add_coverage(work.data, "leaf", prefix="cage", values=lambda x: 2 * x)
    cage = work.predicted("--coverage-norm", "log", "--coverage-prefix", "cage")
    assert np.abs(cage - found[0]).max() > 0.01
    with h5py.File(work.data, "r+") as file:
        del file["evaluation"]
    add_coverage(work.data, "leaf", "root")
    work.out.unlink()
    parts = [f"{work.model}: takes coverage of 1 track(s), found 2 (leaf (reads), root (reads))"]
    work.refused("--coverage-norm", "log", parts=parts)


def test_the_four_commands_of_the_page(tmp_path, monkeypatch):
    """From FASTA, GFF3 and BAM to predictions with coverage, as docs/coverage.md has it."""
    monkeypatch.chdir(tmp_path)
    page = PAGE.read_text(encoding="utf-8").split("## Predicting with coverage\n")[1]
    block = re.search(r"```bash\n(.*?)```", page, re.S)
    commands = [shlex.split(line)[1:] for line in block[1].replace("\\\n", " ").splitlines()]
    assert [command[0] for command in commands] == ["prepare", "add-coverage", "freeze", "predict"]
    genome = simulate(TARGET, 3, 15_000, seed=1)
    Path("genome.fa").write_bytes(to_fasta(genome))
    Path("genes.gff3").write_bytes(to_gff3(genome))
    write_reads(Path("leaf.bam"), genome, 1)
    write_reads(Path("root.bam"), genome, 2)
    write_model_file(Path("land_plant.h5"), tiny_model().to_file({}))
    shortened = {
        "prepare": ["--subsequence-length", "900", "-q"],
        "freeze": ["-e", "1", "--val-test-batch-size", "8"],
        "predict": ["--val-test-batch-size", "8", "--json"],
    }
    for command in commands:
        result = CliRunner().invoke(main, [*command, *shortened.get(command[0], [])])
        assert result.exit_code == 0, result.output
    outcome = json.loads(result.stdout)
    tracks = [{"name": name, "kind": "reads"} for name in ("leaf", "root")]
    assert outcome["coverage"]["tracks"] == tracks
    with h5py.File(outcome["prediction_output_path"]) as file, h5py.File("data/test_data.h5") as of:
        assert file["predictions"].shape == of["data/X"].shape
        assert file["predictions"][:].sum(-1) == pytest.approx(1, abs=2e-3)
