"""`helixer-ft demo` as a user calls it."""

import json
import re
import shlex
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from click.testing import CliRunner, Result

from helixer_ft.cli import main
from helixer_ft.cli.demo_output import NEXT_STEPS
from helixer_ft.demo import demo as library
from helixer_ft.demo.outcome import DemoOutcome
from helixer_ft.demo.request import DemoRequest, DemoSize
from helixer_ft.errors import HelixerFtError
from helixer_ft.network.model import load_model
from helixer_ft.simulate.files import SOURCE_MODEL
from tests.cli.workplace import CommandFolder

PAGE = Path(__file__).parents[2] / "docs/demo.md"
SMALL = DemoSize(
    sequences=3,
    sequence_length=40_000,
    subsequence_length=1350,
    epochs=4,
)
"""A fifth of the sequence, and too short a training for new layers on the frozen body."""
TINY = replace(SMALL, sequence_length=15_000)


class Workplace(CommandFolder):
    """A folder, and the command at a size that tests have time for; outcomes are kept."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.out_dir = folder / "demo"
        self.size = SMALL
        self.outcomes: list[DemoOutcome] = []
        self.whole_demo = library.demo

    def demo(self, request: DemoRequest, *others: object) -> DemoOutcome:
        self.outcomes.append(self.whole_demo(replace(request, size=self.size), *others))
        return self.outcomes[-1]

    def run(self, *options: object) -> Result:
        arguments = ["demo", "--out-dir", self.out_dir, *options]
        return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture
def work(tmp_path, monkeypatch) -> Workplace:
    work = Workplace(tmp_path)
    monkeypatch.setattr(library, "demo", work.demo)
    return work


@pytest.fixture
def first_steps(work, monkeypatch) -> Workplace:
    """The demonstration fails at its fourth step, the first one that trains."""

    def fail(*_: object, **__: object) -> None:
        raise HelixerFtError("the disk is full")

    monkeypatch.setattr(library, "compare", fail)
    work.size = TINY
    return work


def genic_classes(path: Path) -> np.ndarray:
    with h5py.File(path) as file:
        return file["predictions"][:].argmax(axis=-1)


@pytest.mark.slow
def test_from_a_genome_to_predictions_of_a_tuned_model(work):
    """One run, as it takes a while."""
    result = work.run()
    assert result.exit_code == 0, result.output
    (outcome,) = work.outcomes
    check_scores(outcome)
    check_models(outcome)
    check_predictions(outcome)
    check_commands(outcome, result.stderr)
    check_table(outcome, result.stdout)
    check_files(outcome)
    check_json(outcome)


def check_scores(outcome: DemoOutcome) -> None:
    """Weak untouched, and better than that after tuning."""
    comparison = outcome.comparison
    untouched, *tuned = comparison.rows
    rows = {row.name: row for row in tuned}
    assert list(rows) == ["adapted", "head", "hidden-layer", "head-coverage", "whole"]
    assert 0.2 < untouched.scores["test"].genic_f1 < 0.6
    assert comparison.blocks >= 20
    for name, ratio in (("head-coverage", 2.2), ("whole", 1.4)):
        found = rows[name].decisive
        assert rows[name].verdict == "better"
        assert found.baseline.wrong_share / found.tuned.wrong_share > ratio
    assert comparison.recommendation.row.name == "head-coverage"


def check_models(outcome: DemoOutcome) -> None:
    """The frozen strategies keep the body, `whole` does not."""
    base = load_model(SOURCE_MODEL).weights["conv1d"]
    for row in outcome.comparison.rows:
        tuned = load_model(row.path).weights["conv1d"]
        kept = all(np.array_equal(*pair) for pair in zip(base, tuned, strict=True))
        assert kept == (row.name != "whole")


def check_predictions(outcome: DemoOutcome) -> None:
    """By the recommended model: as many errors as it was scored with."""
    best = outcome.comparison.recommendation.row
    request = outcome.prediction.request
    assert request.load_model_path == best.path
    with h5py.File(request.test_data) as file:
        labels, valid = file["data/y"][:].argmax(axis=-1), file["data/sample_weights"][:] > 0
    wrong = genic_classes(request.prediction_output_path) != labels
    # windows overlap in predictions, so they differ a little
    assert wrong[valid].mean() == pytest.approx(best.scores["test"].wrong_share, abs=0.02)


def check_commands(outcome: DemoOutcome, shown: str) -> None:
    """Each step with its number and its command, in order."""
    commands = [step.command for step in outcome.steps if step.command]
    assert re.findall(r"\$ (.*)", shown) == commands
    assert [command.split()[1] for command in commands] == [
        *("prepare", "add-coverage", "compare", "predict")
    ]
    steps = re.findall(rf"^\[(\d+)/({library.STEPS})\] ", shown, re.M)
    numbers = [int(number) for number, _ in steps if number]
    assert sorted(set(numbers)) == list(range(1, library.STEPS + 1))


def check_table(outcome: DemoOutcome, text: str) -> None:
    """The table and the recommendation are those of the comparison."""
    lines = {re.split(r"\s{2,}", line)[0].rstrip(" *"): line for line in text.splitlines()}
    for row in outcome.comparison.rows[1:]:
        assert f"{row.scores['test'].genic_f1:.4f}" in lines[row.name]
        assert f"  {row.verdict}  " in lines[row.name]
    assert f"\nRecommendation: {outcome.comparison.recommendation.text}.\n" in text
    for command in NEXT_STEPS:
        assert f"\n  {command}\n" in text


def check_files(outcome: DemoOutcome) -> None:
    """Everything in one folder, and a page that leads to those of the runs."""
    folder = outcome.request.out_dir
    assert {path.name for path in folder.iterdir()} == {
        *("genome.fa", "genes.gff3", "rnaseq.bam", "rnaseq.bam.bai", "source_model.h5", "data"),
        *("tuned", "predictions.h5"),
    }
    page = (folder / "tuned" / "report.html").read_text()
    for row in outcome.comparison.rows[1:]:
        assert row.name in page
        report = outcome.comparison.report(row)
        assert (report is None) == (row.name == "adapted")  # nothing was trained
        if report is not None:
            assert f'href="./{report.relative_to(folder / "tuned")}"' in page


def check_json(outcome: DemoOutcome) -> None:
    """The comparison, and every command; every key is documented."""
    found = json.loads(json.dumps(outcome.to_dict()))
    section = PAGE.read_text(encoding="utf-8").split("## `--json`\n")[1]
    words = set(re.findall(r"`(\w+)`", section))
    assert {*found, *found["steps"][0]} <= words
    assert found["comparison"] == json.loads(json.dumps(outcome.comparison.to_dict()))
    assert found["predicted_by"] == found["comparison"]["recommendation"]["path"]
    assert [step["command"] for step in found["steps"]] == [s.command for s in outcome.steps]
    assert Path(found["report"]) == outcome.request.out_dir / "tuned" / "report.html"


def test_options_change_what_is_simulated(first_steps):
    for name, options in {"a": [], "again": [], "seed": ["--seed", 1]}.items():
        result = first_steps.run("--out-dir", first_steps.folder / name, *options)
        assert result.exit_code == 1
        assert "the disk is full" in result.stderr
    names = ("genome.fa", "genes.gff3", "rnaseq.bam", "data/test_data.h5")
    for name in names[:3]:
        one, again, other = (
            (first_steps.folder / run / name).read_bytes() for run in ("a", "again", "seed")
        )
        assert one == again, name
        assert one != other, name
    assert (first_steps.folder / "seed" / names[3]).is_file()


def test_a_demo_that_was_interrupted_is_replaced_with_force(first_steps):
    assert first_steps.run().exit_code == 1
    (first_steps.out_dir / "notes.txt").write_text("mine")
    (first_steps.out_dir / "predictions.h5").write_text("of an earlier demo")
    before = (first_steps.out_dir / "genome.fa").read_bytes()
    first_steps.refused("--seed", 1, parts=["demo: exists already and is not empty", "--force"])
    assert first_steps.run("--seed", 1, "--force").exit_code == 1
    assert (first_steps.out_dir / "genome.fa").read_bytes() != before
    assert (first_steps.out_dir / "notes.txt").read_text() == "mine"
    assert not (first_steps.out_dir / "predictions.h5").exists()


def test_quiet(first_steps):
    assert "[1/5] " in first_steps.run().stderr
    assert first_steps.run("--force", "-q").stderr == "Error: the disk is full\n"


def test_debug(first_steps):
    assert isinstance(first_steps.run("--debug").exception, HelixerFtError)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--seed", "-1"], "--seed"),
        (["--backend", "torch"], "--backend"),
        (["more"], "unexpected extra argument"),
    ],
)
def test_wrong_usage(work, options, message):
    result = work.run(*options)
    assert result.exit_code == 2
    assert message in result.stderr
    assert list(work.folder.iterdir()) == []


def test_a_file_in_the_place_of_the_folder(work):
    work.out_dir.write_text("x")
    work.refused(parts=["demo: is not a folder"])


@pytest.mark.slow
def test_commands_pasted_give_the_same_results(work, monkeypatch):
    """At the small size, over the files of the demonstration."""
    work.run("-q")
    (outcome,) = work.outcomes
    predicted = genic_classes(work.out_dir / "predictions.h5")
    for step in outcome.steps[1:]:
        arguments = [*shlex.split(step.command)[1:], "--force", "--json"]
        result = CliRunner().invoke(main, arguments)
        assert result.exit_code == 0, result.output
        found = json.loads(result.stdout)
        if arguments[0] == "compare":
            for row, one in zip(found["models"], outcome.comparison.rows, strict=True):
                assert row["verdict"] == (one.verdict or None)
                assert row["test"]["genic_f1"] == pytest.approx(
                    one.scores["test"].genic_f1, abs=1e-3
                )
    again = genic_classes(work.out_dir / "predictions.h5")
    assert (again != predicted).mean() < 1e-3


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_at_full_size_two_strategies_or_more_are_better(tmp_path, seed):
    arguments = ["demo", "--out-dir", str(tmp_path / "demo"), "--seed", str(seed), "--json", "-q"]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    comparison = json.loads(result.stdout)["comparison"]
    untouched, *tuned = comparison["models"]
    assert [row["verdict"] for row in tuned].count("better") >= 2
    before = untouched["test"]["wrong_bases"]
    ratios = {row["name"]: before / row["test"]["wrong_bases"] for row in tuned}
    assert ratios["head-coverage"] > 3
    assert ratios["whole"] > 2.5
    for row in tuned:
        better = row["difference"]["test"]["low"] > 0
        assert (row["verdict"] == "better") == better
