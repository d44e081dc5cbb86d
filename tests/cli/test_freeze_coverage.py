"""`freeze --input-coverage` and models that take coverage, from the command line."""

import json
import tomllib
from pathlib import Path
from types import SimpleNamespace

import h5py
import numpy as np
import pytest
from click.testing import CliRunner, Result
from conftest import add_coverage, random_rows, tiny_architecture, tiny_model

from helixer_ft.cli import main
from helixer_ft.cli.run_output import coverage_line
from helixer_ft.formats.coverage_h5 import Track
from helixer_ft.formats.data_h5 import DataFile
from helixer_ft.formats.model_h5 import write_model_file
from helixer_ft.metrics import Interval
from helixer_ft.network.config_reader import parse_config
from helixer_ft.network.config_writer import render_config
from helixer_ft.network.coverage import CoverageInput
from helixer_ft.network.model import load_model
from helixer_ft.network.strategies import Freeze
from helixer_ft.training.history import TrainingProgress
from helixer_ft.training.outcome import Comparison, CoverageComparison
from helixer_ft.training.prepared import PreparedRun, prepare_run
from helixer_ft.training.request import FineTuneRequest
from helixer_ft.training.run_folder import RunFolder
from tests.data_files import write_data_file
from tests.network.builders import nested_coverage, random_model
from tests.plans import plan_freeze

pytestmark = pytest.mark.usefixtures("all_of_the_tuning")

LEAF = CoverageInput("rnaseq", "log", (Track("leaf"),))
BODY = ("conv1d", "batch_normalization", "conv1d_1", "bidirectional")


class Work:
    """A tiny model and data with one coverage track `leaf`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.model, self.out = folder / "base.h5", folder / "tuned.h5"
        self.data, self.test = folder / "data", folder / "test_data.h5"
        self.files = [
            self.data / "training_data.h5", self.data / "validation_data.h5", self.test,
        ]  # fmt: skip

    def invoke(self, *options: object, command: str = "freeze") -> Result:
        arguments = [
            *(command, "-l", self.model, "-d", self.data, "-t", self.test, "-s", self.out),
            *("-e", "1", "-b", "4", "--val-test-batch-size", "8", "--learning-rate", "0.05"),
            *options,
        ]
        return CliRunner().invoke(main, [str(argument) for argument in arguments])

    def run(self, *options: object, command: str = "freeze") -> Result:
        result = self.invoke(*options, command=command)
        assert result.exit_code == 0, result.output
        return result

    def json(self, *options: object, command: str = "freeze") -> dict:
        return json.loads(self.run("--json", *options, command=command).stdout)

    def prepare(self, **options) -> PreparedRun:
        """Everything read and checked, nothing compiled."""
        files = (self.model, self.data, self.out, (self.test,))
        request = FineTuneRequest(Freeze(**options), *files)
        return prepare_run(request, TrainingProgress(), dry=True)

    def refused(self, *options: object, parts: list[str], command: str = "freeze") -> None:
        before = sorted(self.folder.rglob("*"))
        result = self.invoke(*options, command=command)
        assert result.exit_code == 2, result.output
        assert isinstance(result.exception, SystemExit)
        for part in parts:
            assert part in result.stderr
        assert sorted(self.folder.rglob("*")) == before

    def takes(self, coverage: CoverageInput) -> None:
        """Start from a model that takes coverage, as `freeze` writes it."""
        plan = plan_freeze(load_model(self.model), coverage=coverage)
        self.model = self.folder / "coverage.h5"
        write_model_file(self.model, plan.model.to_file({"strategy": "freeze + new head"}))

    def without_coverage(self) -> None:
        for path in self.files:
            with h5py.File(path, "r+") as file:
                del file["evaluation"]


@pytest.fixture
def plain(tmp_path, model_path, data_dir, test_path) -> Work:
    return Work(tmp_path)


@pytest.fixture
def work(plain) -> Work:
    for path in plain.files:
        add_coverage(path, "leaf")
    return plain


@pytest.fixture(scope="module")
def done(tmp_path_factory) -> tuple[Work, dict]:
    """A run of two epochs with coverage, its tracks silenced too, and its outcome."""
    folder = tmp_path_factory.mktemp("coverage")
    write_model_file(folder / "base.h5", tiny_model().to_file({}))
    (folder / "data").mkdir()
    work = Work(folder)
    for number, (path, n) in enumerate(zip(work.files, (6, 4, 25), strict=True), start=1):
        write_data_file(path, random_rows(n, seed=number, seqid=f"chr{number}"))
        add_coverage(path, "leaf")
    return work, work.json("-e", 2, "--input-coverage", "--ablate-coverage")


def same_weights(one: Path, other: Path, names=None) -> bool:
    first, second = load_model(one).weights, load_model(other).weights
    return all(
        np.array_equal(a, b)
        for name in names or first
        for a, b in zip(first[name], second[name], strict=True)
    )


# -- what a run does ---------------------------------------------------------------------------


def test_outcome_with_coverage(done):
    work, outcome = done
    coverage = outcome["coverage"]
    assert coverage["tracks"] == [{"name": "leaf", "kind": "reads"}]
    assert (coverage["prefix"], coverage["normalization"]) == ("rnaseq", "log")
    assert outcome["trainable_parameters"] == (6 + 9 * 2 + 1) * 72
    assert coverage["with"] == outcome["test"]["tuned"]
    f1 = {name: coverage[name]["genic_f1"] for name in ("without", "with", "silenced")}
    assert coverage["difference"]["genic_f1"] == pytest.approx(f1["with"] - f1["without"])
    assert coverage["difference"]["blocks"] == 25
    assert coverage["checks"] == {"without": 2, "with": 2}
    # the tracks tell the labels: they help, and without them the head is lost
    assert coverage["verdict"] == "better"
    assert coverage["with"]["f1"]["CDS"] > coverage["without"]["f1"]["CDS"]
    assert f1["silenced"] < f1["with"]
    model = load_model(work.out)
    assert model.coverage.to_dict() == {
        key: coverage[key] for key in ("prefix", "normalization", "tracks")
    }
    assert same_weights(work.model, work.out, BODY)
    data = json.loads(model.file.provenance["data_fingerprints"])
    assert len({data[f"{name} coverage"] for name in ("training", "validation", "test")}) == 3


def test_the_head_without_coverage_is_the_one_that_freeze_trains(done, tmp_path):
    """Kept beside the run, with the same settings and seed."""
    work, outcome = done
    beside = work.folder / "tuned.run" / "without_coverage.h5"
    history = (work.folder / "tuned.run" / "without_coverage.csv").read_text().splitlines()
    assert len(history) == 4  # a heading, the untouched model, two checks
    assert history != (work.folder / "tuned.run" / "history.csv").read_text().splitlines()
    alone = work.json("-e", 2, "-s", tmp_path / "alone.h5")
    assert "coverage" not in alone
    assert same_weights(beside, tmp_path / "alone.h5")
    assert outcome["coverage"]["without"] == alone["test"]["tuned"]
    assert load_model(beside).coverage is None


def test_the_written_model_scores_as_reported(done, tmp_path):
    """Read back, with coverage read anew, it starts from the scores it was saved with."""
    work, first = done
    path = tmp_path / "again.h5"
    again = work.json("-l", work.out, "-s", path, "--keep-head", "--input-coverage")
    assert again["test"]["baseline"]["genic_f1"] == first["test"]["tuned"]["genic_f1"]
    assert again["baseline"]["loss"] == pytest.approx(first["best"]["loss"], rel=1e-5)
    assert again["strategy"] == "freeze + trained head kept"
    for key in ("without", "difference", "verdict", "silenced"):
        assert again["coverage"][key] is None
    assert load_model(path).coverage == load_model(work.out).coverage
    assert not same_weights(work.out, path, ["dense"])
    assert same_weights(work.out, path, BODY)
    assert not (tmp_path / "again.run" / "without_coverage.h5").exists()


@pytest.mark.slow
def test_without_the_feature_cache_the_result_is_the_same(work):
    common = ["--input-coverage", "--ablate-coverage", "--post-coverage-hidden-layer"]
    cached = work.json(*common)["coverage"]
    first, work.out = load_model(work.out), work.folder / "uncached.h5"
    uncached = work.json(*common, "--no-cache-features")["coverage"]
    other = load_model(work.out)
    for name in ("without", "with", "silenced"):
        assert cached[name]["loss"] == pytest.approx(uncached[name]["loss"], rel=1e-5)
    for name in ("dense", "dense_1"):
        for one, two in zip(first.weights[name], other.weights[name], strict=True):
            assert one == pytest.approx(two, rel=1e-4, abs=1e-5)
    assert first.architecture.head[0].units == (6 + 9 * 2) // 2


def test_the_table_without_test_data(work):
    arguments = ["freeze", "-l", work.model, "-d", work.data, "-s", work.out, "-e", "1", "-b", "4"]
    arguments += ["--input-coverage", "--ablate-coverage"]
    result = CliRunner().invoke(main, list(map(str, arguments)))
    assert "Coverage: leaf (reads); prefix rnaseq, normalisation log" in result.stdout
    table = result.stdout.split("F1 on the validation data: coverage\n")[1].splitlines()
    assert table[0].split() == ["untouched", "without", "coverage", "with", "silenced"]
    (cds,) = [line.split() for line in table if line.startswith("CDS")]
    assert len(cds) == 5
    assert result.stdout.splitlines()[-2].startswith("Whether coverage helped cannot be told")
    assert f"Saved, without coverage: {work.folder / 'tuned.run'}" in result.stdout
    assert "optimistic" in result.stderr


@pytest.mark.parametrize(
    ("checks", "warned"), [((9, 46), True), ((46, 9), True), ((23, 46), False), ((0, 9), False)]
)
def test_trainings_of_different_lengths_are_hard_to_compare(checks, warned):
    compared = SimpleNamespace() if checks[0] else None
    found = CoverageComparison(LEAF, SimpleNamespace(), compared, None, checks).warnings
    assert bool(found) == warned
    if warned:
        assert f"without coverage was trained for {checks[0]} checks" in found[0]
        assert "--patience" in found[0]


@pytest.mark.parametrize(
    ("high", "blocks", "sentence"),
    [(0.3, 25, "Coverage helped"), (0, 25, "Coverage did not help"), (0.3, 5, "Whether coverage")],
)
def test_the_sentence(high, blocks, sentence):
    scores = SimpleNamespace(genic_f1=0.5), SimpleNamespace(genic_f1=0.6)
    compared = Comparison(*scores, {"genic": Interval(0.1, high - 0.2, high, blocks)})
    outcome = SimpleNamespace(coverage=SimpleNamespace(without=compared), verdict_on="test")
    text = coverage_line(outcome)
    assert text.startswith(sentence)
    assert "0.5000 without, 0.6000 with (+0.1000, 95 % interval" in text


def test_keep_head_takes_everything_from_the_model(plain):
    coverage = CoverageInput("cage", "linear", (Track("leaf"), Track("root")))
    plain.takes(coverage)
    for path in plain.files:
        add_coverage(path, "leaf", "root", prefix="cage")
    prepared = plain.prepare(keep_head=True)
    assert prepared.plan.model.coverage == coverage
    assert prepared.plan.trainable == {"dense"}
    assert prepared.comparison is None
    assert prepared.data.training.read(np.arange(2)).coverage.shape == (2, 90, 4)


def test_whole_trains_a_coverage_model(work):
    work.takes(LEAF)
    outcome = work.json("--learning-rate", "0.001", command="whole")
    assert outcome["trainable_parameters"] == load_model(work.model).architecture.parameters() - 8
    assert load_model(work.out).coverage == LEAF
    for name in (*BODY, "dense"):
        assert not same_weights(work.model, work.out, [name])


def test_a_new_head_without_coverage_on_a_model_with(work):
    work.takes(LEAF)
    result = work.run()
    assert "takes coverage of 1 track(s), the new head none" in result.stderr
    model = load_model(work.out)
    assert model.coverage is None
    assert model.architecture.input_width == 4
    assert same_weights(work.model, work.out, BODY)
    assert "coverage" in json.loads(model.file.provenance["base_model_provenance"])


@pytest.mark.parametrize("norm", ["log", "linear", "none"])
def test_normalisation(work, norm):
    prepared = work.prepare(input_coverage=True, coverage_norm=norm)
    batch = prepared.data.training.read(np.arange(12))
    assert batch.coverage.dtype == np.float16
    expected = CoverageInput("rnaseq", norm, (Track("leaf"),)).normalize(
        DataFile(work.files[0], coverage_prefix="rnaseq").read(range(12)).coverage
    )
    assert np.array_equal(batch.coverage, expected)
    assert prepared.plan.model.coverage.normalization == norm
    silenced = prepared.data.training.silenced().read(np.arange(12)).coverage
    zero, padding = prepared.plan.model.coverage.silence
    padded = expected == padding
    assert padded.any()
    assert np.array_equal(silenced, np.where(padded, padding, zero))


def test_the_configuration_is_repeated(done):
    work, _ = done
    values = tomllib.loads((work.folder / "tuned.run" / "config.toml").read_text())
    assert (values["input_coverage"], values["ablate_coverage"]) == (True, True)
    assert not {"coverage_prefix", "coverage_norm"} & values.keys()
    config = ["--config", work.folder / "tuned.run" / "config.toml", "--force", "--dry-run"]
    again = CliRunner().invoke(main, ["freeze", *map(str, config), "--coverage-norm", "none"])
    assert "Coverage: leaf (reads); prefix rnaseq, normalisation none" in again.stdout


def test_a_dry_run_counts_coverage(work):
    with_coverage = work.json("--input-coverage", "--dry-run")
    plain = work.json("--dry-run")
    more = with_coverage["estimate"]["feature_bytes"] - plain["estimate"]["feature_bytes"]
    assert more == (12 + 8 + 50) * 90 * 2 * 2  # bases, coverage and spliced, float16
    assert not work.out.exists()


def test_a_kept_cache_knows_its_coverage(work):
    """Another normalisation is another file; the body's output is that of any coverage."""
    cache = work.folder / "cache"
    keep = ["--cache-dir", cache, "--keep-cache"]
    first = work.json("--input-coverage", *keep)["coverage"]
    kept = {path: path.stat().st_mtime_ns for path in cache.glob("*.npy")}
    assert len([path for path in kept if path.name.startswith("coverage-")]) == 3
    work.out = work.folder / "b.h5"
    assert work.json("--input-coverage", *keep)["coverage"] == first
    assert {path: path.stat().st_mtime_ns for path in cache.glob("*.npy")} == kept
    work.out = work.folder / "c.h5"
    other = work.json("--input-coverage", "--coverage-norm", "none", *keep)["coverage"]
    assert other["with"]["loss"] != first["with"]["loss"]
    new = {path.name.partition("-")[0] for path in set(cache.glob("*.npy")) - kept.keys()}
    assert new == {"coverage"}


def test_coverage_is_read_once(work, monkeypatch):
    read = []
    compute = DataFile.read_coverage

    def counted(self, rows):
        rows = list(rows)
        read.extend((self.path.name, row) for row in rows)
        return compute(self, rows)

    monkeypatch.setattr(DataFile, "read_coverage", counted)
    work.run("--input-coverage", "-e", 2)
    assert len(read) == len(set(read)) == 12 + 8 + 50


@pytest.mark.slow
@pytest.mark.parametrize("options", [[], ["--no-cache-features"]])
def test_mixed_precision(work, options):
    outcome = work.json("--input-coverage", "--precision", "mixed_bfloat16", *options)
    assert outcome["coverage"]["with"]["genic_f1"] > 0


# -- models of Helixer itself ------------------------------------------------------------------


@pytest.fixture
def helixers(plain) -> Work:
    """Helixer's own coverage model of two tracks, which does not say how they were normalised."""
    config = nested_coverage(render_config(tiny_architecture()), 2)
    model = random_model(parse_config(config, ""), config=config)
    write_model_file(plain.model, model.to_file({}), force=True)
    for path in plain.files:
        add_coverage(path, "leaf", "root")
    return plain


@pytest.mark.parametrize("command", ["whole", "freeze"])
def test_a_model_that_does_not_say_how_it_was_normalised(helixers, command):
    parts = [f"{helixers.model}: takes coverage of 2 track(s)", "--coverage-norm", "normalised"]
    helixers.refused(command=command, parts=parts)


@pytest.mark.parametrize("options", [["--keep-head"], []])
def test_the_user_says_how_it_was_normalised(helixers, options):
    helixers.run("--input-coverage", "--coverage-norm", "linear", *options)
    model = load_model(helixers.out)
    assert (model.coverage.prefix, model.coverage.normalization) == ("rnaseq", "linear")
    assert [track.name for track in model.coverage.tracks] == ["leaf", "root"]
    assert model.architecture.coverage_channels == 4


def test_another_number_of_tracks_than_helixers_model_takes(helixers):
    helixers.without_coverage()
    for path in helixers.files:
        add_coverage(path, "leaf")
    helixers.refused(
        *("--input-coverage", "--keep-head", "--coverage-norm", "log"),
        parts=[f"{helixers.model}: takes coverage of 2 track(s), found 1 (leaf (reads))"],
    )


# -- bad input ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "option", [["--coverage-norm", "log"], ["--coverage-prefix", "cage"], ["--ablate-coverage"]]
)
def test_options_that_need_input_coverage(work, option):
    work.refused(*option, parts=[f"{option[0]} requires --input-coverage"])


def test_whole_has_no_such_option(work):
    result = work.invoke("--input-coverage", command="whole")
    assert result.exit_code == 2
    assert "No such option" in result.stderr


def test_a_kept_head_cannot_take_coverage_it_never_took(work):
    parts = [f"{work.model}: takes no coverage", "--keep-head", "--input-coverage"]
    work.refused("--input-coverage", "--keep-head", parts=parts)


def test_data_without_coverage(plain):
    parts = [f"{plain.files[0]}: has no coverage", "helixer-ft add-coverage"]
    plain.refused("--input-coverage", parts=parts)


def test_coverage_of_another_prefix(work):
    parts = [f"{work.files[0]}: has coverage of rnaseq only", "evaluation/cage_coverage"]
    work.refused("--input-coverage", "--coverage-prefix", "cage", parts=parts)


@pytest.mark.parametrize("prefix", ["a/b", "../x"])
def test_a_prefix_that_is_none(work, prefix):
    work.refused("--input-coverage", "--coverage-prefix", prefix, parts=["coverage prefix"])


@pytest.mark.parametrize(
    ("command", "options"), [("freeze", ["--keep-head"]), ("freeze", []), ("whole", [])]
)
def test_a_coverage_model_on_data_without(plain, command, options):
    work = plain
    work.takes(LEAF)
    parts = [f"{work.files[0]}: has no coverage", f"{work.model} takes coverage of 1 track"]
    work.refused(*options, command=command, parts=parts)


@pytest.mark.parametrize("number", [1, 2], ids=["validation", "test"])
@pytest.mark.parametrize("names", [["root"], ["leaf", "root"]], ids=["name", "count"])
def test_tracks_that_differ_between_files(plain, number, names):
    for i, path in enumerate(plain.files):
        add_coverage(path, *(names if i == number else ["leaf"]))
    parts = [f"{plain.files[number]}: its 'rnaseq' coverage has", "leaf (reads)", "same tracks"]
    plain.refused("--input-coverage", parts=parts)


def test_tracks_that_differ_from_the_models(work):
    work.takes(LEAF)
    work.without_coverage()
    for path in work.files:
        add_coverage(path, "root")
    parts = ["has the track(s) root (reads), expected leaf (reads)", "--track-names"]
    work.refused("--keep-head", parts=parts)
    work.refused("--input-coverage", parts=parts)


@pytest.mark.parametrize(
    "option", [("--coverage-norm", "linear", "log"), ("--coverage-prefix", "cage", "rnaseq")]
)
def test_another_coverage_than_the_model_was_trained_with(work, option):
    name, given, its = option
    work.takes(LEAF)
    parts = [f"{name} is {given}, but {work.model} was trained with {its}"]
    for head in ([], ["--keep-head"]):
        work.refused("--input-coverage", *head, name, given, parts=parts)


@pytest.mark.parametrize("value", [-7.0, np.nan])
def test_a_signal_that_has_no_logarithm(plain, value):
    for path in plain.files:
        add_coverage(path, "h3k4", kind="signal", values=lambda x: np.where(x > 0, value, x))
    parts = [f"{plain.files[0]}: its 'rnaseq' coverage has values", "--coverage-norm"]
    plain.refused("--input-coverage", parts=parts)
    if not np.isnan(value):
        assert plain.prepare(input_coverage=True, coverage_norm="linear")


def test_too_large_without_normalisation(plain):
    for path in plain.files:
        add_coverage(path, "leaf", values=lambda x: x * 1e4)
    parts = ["its 'rnaseq' coverage has values up to", "Give --coverage-norm log"]
    plain.refused("--input-coverage", "--coverage-norm", "none", parts=parts)
    assert plain.prepare(input_coverage=True)


def test_silent_tracks_are_warned_of(plain):
    for path in plain.files:
        add_coverage(path, "leaf", "root", values=lambda x: x * (x != 31))
    warned = plain.prepare(input_coverage=True).warnings
    for name in ("training", "validation", "test"):
        text = f"the coverage track(s) root have no coverage anywhere in the {name} data"
        assert sum(text in warning for warning in warned) == 1


def test_the_model_of_an_earlier_run_is_kept(work):
    folder = work.folder / "tuned.run"
    folder.mkdir()
    (folder / "without_coverage.h5").write_text("precious")
    work.refused("--input-coverage", parts=["holds the files of an earlier run"])
    RunFolder(work.out).create("freeze", {})
    assert not (folder / "without_coverage.h5").exists()


def test_a_damaged_attribute(work):
    work.takes(LEAF)
    with h5py.File(work.model, "r+") as file:
        file.attrs["helixer_ft_coverage"] = "leaf"
    work.refused("--keep-head", parts=["helixer_ft_coverage cannot be read"])
