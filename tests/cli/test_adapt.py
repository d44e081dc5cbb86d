"""`helixer-ft adapt`, `predict --adapt` and `inspect` of what they write, as a user calls them."""

import json
from pathlib import Path

import h5py
import numpy as np
import pytest
from click.testing import CliRunner, Result
from conftest import random_rows, tiny_model

from helixer_ft.cli import main
from helixer_ft.formats.model_h5 import write_model_file
from helixer_ft.network.model import load_model
from tests.adaptation.genomes import random_sequence, write_fasta
from tests.cli.workplace import CommandFolder
from tests.data_files import write_data_file

BASES = 50_000


class Workplace(CommandFolder):
    """A folder with a model and a genome, and the command."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.model = folder / "model.h5"
        self.fasta = folder / "genome.fa"
        self.out = folder / "adapted.h5"

    def run(self, *options: object) -> Result:
        source = [] if {"-t", "-d", "--fasta"} & set(options) else ["--fasta", self.fasta]
        words = ["-l", self.model, "-s", self.out, *source, *options]
        return CliRunner().invoke(main, ["adapt", *map(str, words)])

    def json(self, *options: object) -> dict:
        result = self.run("--json", *options)
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)


@pytest.fixture
def work(tmp_path) -> Workplace:
    work = Workplace(tmp_path)
    write_model_file(work.model, tiny_model(convs=3).to_file({}))
    write_fasta(work.fasta, random_sequence(BASES, 0.3))
    return work


def test_of_a_large_genome_a_part_is_measured(work):
    write_fasta(work.fasta, random_sequence(3 * BASES, 0.3))
    result = work.run("--max-bp", 60_000)
    assert result.exit_code == 0, result.output
    assert (
        "of both strands, N left out: 37.5% of the windows, spread evenly (--max" in result.stdout
    )
    part = work.json("--max-bp", 60_000, "--force")
    every = work.json("--max-bp", 0, "--force")
    assert (part["share_of_windows"], every["share_of_windows"]) == (0.375, 1)
    assert part["bases"] < every["bases"] * 0.45
    assert part["shift"] != every["shift"]


def test_too_small_a_part_is_refused(work):
    refused = work.run("--max-bp", 2000)
    assert refused.exit_code == 2
    assert "where --max-bp ends, expected at least 100,000" in refused.stderr
    assert "Give a larger --max-bp." in refused.stderr
    assert "--max-bp is -1, expected a number of bp" in work.run("--max-bp", -1).stderr
    assert not work.out.exists()


def test_what_is_printed_and_written(work):
    result = work.run("--batchnorm-mix", "0.5")
    assert result.exit_code == 0, result.output
    assert "Measured on 0.10 Mb of both strands" in result.stdout
    for name in ("batch_normalization ", "batch_normalization_1 "):
        assert name in result.stdout
    assert "Mix: 0.5 of the genome's statistics (--batchnorm-mix)" in result.stdout
    assert "Recommended at a shift of " in result.stdout
    assert f"Written: {work.out}" in result.stdout
    assert "layer 1 of 2 (6 windows)" in result.stderr
    before, after = load_model(work.model).weights, load_model(work.out).weights
    assert not np.array_equal(after["batch_normalization"][2], before["batch_normalization"][2])
    assert np.array_equal(after["dense"][0], before["dense"][0])


def test_the_mix_and_json(work):
    kept, full = (work.json("--batchnorm-mix", mix, "--force") for mix in (0, 1))
    assert (kept["mix"], full["mix"]) == (0, 1)
    assert kept["shift"] == full["shift"]
    assert list(kept["shift"]) == ["batch_normalization", "batch_normalization_1"]
    assert full["save_model_path"] == str(work.out)
    auto = work.json("--force")
    assert auto["mix"] == auto["recommended_mix"]
    assert auto["chosen_by"] == "shift"


def test_a_dry_run(work):
    before = work.content()
    assert "Dry run: nothing was written." in work.run("--dry-run").stdout
    assert work.json("--dry-run")["save_model_path"] is None
    assert work.content() == before


def test_data_as_the_source(work):
    folder = work.folder / "data"
    folder.mkdir()
    for name, seed in (("training_data.h5", 1), ("validation_data.h5", 2)):
        write_data_file(folder / name, random_rows(60, 999, seed=seed))
    both = work.json("-d", folder)
    assert both["bases"] == 4 * (60 * 999 - 333)
    assert list(both["sources"]) == ["training_data.h5", "validation_data.h5"]
    assert work.json("-t", folder / "training_data.h5", "--force")["bases"] == both["bases"] // 2


def test_inspect_shows_it_without_the_numbers(work):
    work.json()
    result = CliRunner().invoke(main, ["inspect", str(work.out), "--json"])
    provenance = json.loads(result.stdout)["provenance"]
    assert provenance["batchnorm"]["bases"] == 2 * BASES
    kept = "kept, of batch_normalization, batch_normalization_1"
    assert provenance["batchnorm_original"] == kept


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        (["--batchnorm-mix", "2"], ["--batchnorm-mix is 2.0"]),
        (["-d", "nowhere"], ["nowhere", "no such file"]),
        (["-t", "genome.fa", "-d", "."], ["2 of --fasta, --data-dir and --test-data"]),
        (["-s", "nowhere/a.h5"], ["the folder nowhere does not exist"]),
        (["-s", "genome.fa"], ["does not end in .h5"]),
    ],
)
def test_what_is_refused(work, options, parts, monkeypatch):
    monkeypatch.chdir(work.folder)
    work.refused(*options, parts=parts)


def test_bad_input(work):
    write_fasta(work.fasta, "N" * BASES)
    work.refused(parts=["genome.fa: has no base but N"])
    write_fasta(work.fasta, "MKVLEFPQ" * 100)
    work.refused(parts=["Is this protein sequence?"])
    write_model_file(work.model, tiny_model(convs=1).to_file({}), force=True)
    work.refused(parts=["model.h5: has no batch normalisation"])


def test_a_word_for_the_mix(work):
    result = work.run("--batchnorm-mix", "much")
    assert result.exit_code == 2
    assert "'much' is neither a number nor auto" in result.stderr


def predicted(work: Workplace, model: Path, *options: object) -> tuple[np.ndarray, dict, str]:
    out = work.folder / "predictions.h5"
    words = ["-l", model, "--fasta", work.fasta, "-p", out, "--force", "--no-overlap"]
    words += ["--subsequence-length", 9000, "--val-test-batch-size", 4, *options]
    result = CliRunner().invoke(main, ["predict", *map(str, words)])
    assert result.exit_code == 0, result.output
    with h5py.File(out) as file:
        return file["predictions"][()], dict(file.attrs), result.stdout


def test_predict_adapt_is_adapt_and_predict(work):
    work.json("--batchnorm-mix", 1)
    untouched, attributes, _ = predicted(work, work.model)
    assert "helixer_ft_batchnorm" not in attributes
    once, attributes, text = predicted(work, work.model, "--adapt", "--batchnorm-mix", 1)
    both, of_file, _ = predicted(work, work.out)
    # windows of 9,000 bases have more edges than those of 21,384
    np.testing.assert_allclose(once, both, atol=2e-3)
    assert np.abs(once.astype(float) - untouched).max() > 0.01
    assert "Mix: 1 of the genome's statistics" in text
    said, kept = (json.loads(of["helixer_ft_batchnorm"]) for of in (attributes, of_file))
    assert said["mix"] == kept["mix"] == 1
    assert said["sources"] == kept["sources"]


def test_predict_adapt_json_and_what_it_refuses(work):
    *_, text = predicted(work, work.model, "--adapt", "--json")
    found = json.loads(text)["batchnorm"]
    assert found["mix"] == found["recommended_mix"]
    # of the whole genome, whatever is predicted, but for what does not belong to it
    words = ["--adapt", "--json", "--seqids", "chr1"]
    write_fasta(work.fasta, work.fasta.read_text().split()[1], random_sequence(900), "AC" * 200)
    *_, text = predicted(work, work.model, *words, "--exclude", "chr3")
    assert json.loads(text)["batchnorm"]["bases"] == 2 * (BASES + 900)
    *_, text = predicted(work, work.model, "--json")
    assert json.loads(text)["batchnorm"] is None
    data = work.folder / "data.h5"
    write_data_file(data, random_rows(2))
    for words, part in (
        (["-t", data, "--adapt"], "--adapt requires --fasta"),
        (["-t", data, "--batchnorm-mix", "1"], "--batchnorm-mix requires --adapt"),
    ):
        words = ["predict", "-l", work.model, "-p", work.folder / "p.h5", *words]
        result = CliRunner().invoke(main, [str(word) for word in words])
        assert result.exit_code == 2
        assert part in result.stderr


def test_the_statistics_are_of_one_source(work):
    """A genome, a folder of data, or a data file."""
    both = work.run("--fasta", work.fasta, "-d", work.folder)
    assert both.exit_code == 2
    assert "2 of --fasta, --data-dir and --test-data is given, expected one" in both.stderr
    words = ["adapt", "-l", str(work.model), "-s", str(work.out)]
    none = CliRunner().invoke(main, words)
    assert none.exit_code == 2
    assert "none of --fasta, --data-dir and --test-data is given" in none.stderr
