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
    source_sequences=1,
    subsequence_length=1350,
    freeze_epochs=4,
    whole_epochs=4,
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
    """The demonstration fails at its fourth step, the first one that computes."""

    def fail(*_: object) -> None:
        raise HelixerFtError("the disk is full")

    monkeypatch.setattr(library, "evaluate", fail)
    work.size = TINY
    return work


def genic_classes(path: Path) -> np.ndarray:
    with h5py.File(path) as file:
        return file["predictions"][:].argmax(axis=-1)


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
    """Good at home, weak abroad, and better than that after tuning."""
    rows = {row.scores.strategy: row for row in outcome.rows}
    assert list(rows) == [
        *("freeze", "freeze --post-coverage-hidden-layer", "freeze --input-coverage", "whole")
    ]
    assert outcome.at_home.genic_f1 > 0.75 > 0.6 > outcome.abroad.genic_f1
    for row in rows.values():
        assert row.scores.before == pytest.approx(outcome.abroad.genic_f1, abs=1e-4)
        assert row.scores.errors_before == pytest.approx(outcome.abroad.errors, abs=1e-4)
        assert row.scores.interval.blocks >= 20
    for name, ratio in (("freeze --input-coverage", 2.2), ("whole", 1.4)):
        assert rows[name].scores.verdict == "better"
        assert rows[name].error_ratio > ratio


def check_models(outcome: DemoOutcome) -> None:
    """The frozen strategies keep the body, `whole` does not."""
    base = load_model(SOURCE_MODEL).weights["conv1d"]
    for row in outcome.rows:
        tuned = load_model(row.request.save_model_path).weights["conv1d"]
        kept = all(np.array_equal(*pair) for pair in zip(base, tuned, strict=True))
        assert kept == (row.scores.strategy != "whole")


def check_predictions(outcome: DemoOutcome) -> None:
    """By the best model on the validation data: as many errors as it was scored with."""
    best = max(outcome.rows, key=lambda row: row.validation_f1)
    request = outcome.prediction.request
    assert request.load_model_path == best.request.save_model_path
    with h5py.File(request.test_data) as file:
        labels, valid = file["data/y"][:].argmax(axis=-1), file["data/sample_weights"][:] > 0
    wrong = genic_classes(request.prediction_output_path) != labels
    # windows overlap in predictions, so they differ a little
    assert wrong[valid].mean() == pytest.approx(best.scores.errors_after, abs=0.02)


def check_commands(outcome: DemoOutcome, shown: str) -> None:
    """Each step with its number and its command, in order."""
    commands = [step.command for step in outcome.steps if step.command]
    assert re.findall(r"\$ (.*)", shown) == commands
    assert [command.split()[1] for command in commands] == [
        *("prepare", "prepare", "evaluate", "freeze", "freeze", "add-coverage", "freeze"),
        *("whole", "predict"),
    ]
    steps = re.findall(r"^\[(\d+)/(\d+)\] ", shown, re.M)
    assert steps == [(str(number + 1), str(library.STEPS)) for number in range(library.STEPS)]


def check_table(outcome: DemoOutcome, text: str) -> None:
    """What the table says of each strategy is what its interval says."""
    lines = {re.split(r"\s{2,}", line)[0]: line.strip() for line in text.splitlines()}
    scores = [row.scores for row in outcome.rows]
    for row in scores:
        assert re.split(r"\s{2,}", lines[row.strategy])[1:-1] == [
            f"{row.trainable_parameters:,}",
            f"{row.after:.4f}",
            f"{row.interval.low:+.4f} to {row.interval.high:+.4f}",
            f"{row.errors_after:.1%}",
            f"{row.errors_before / row.errors_after:.1f} x",
            row.verdict,
        ]
    better = [row for row in scores if row.interval.low > 0]
    (line,) = (line for line in text.splitlines() if line.startswith("Better than"))
    assert f"{len(better)} of 4 strategies" in line
    for row in scores:
        assert (f"{row.strategy}: {row.verdict}" in line) == (row not in better)
    for command in NEXT_STEPS:
        assert f"\n  {command}\n" in text


def check_files(outcome: DemoOutcome) -> None:
    """Everything in one folder, and a page that leads to those of the runs."""
    folder = outcome.request.out_dir
    assert {path.name for path in folder.iterdir()} == {
        *("genome.fa", "genes.gff3", "rnaseq.bam", "rnaseq.bam.bai", "source", "data", "models"),
        *("predictions.h5", "report.html"),
    }
    page = (folder / "report.html").read_text()
    for row in outcome.rows:
        assert row.scores.strategy in page
        assert row.scores.report.is_file()
        assert f'href="./{row.scores.report.relative_to(folder)}"' in page


def check_json(outcome: DemoOutcome) -> None:
    """Every number of the table, and every command; every key is documented."""
    found = json.loads(json.dumps(outcome.to_dict()))
    section = PAGE.read_text(encoding="utf-8").split("## `--json`\n")[1]
    words = set(re.findall(r"`(\w+)`", section))
    parts = [found, *found["strategies"], *found["steps"], *found["untouched"].values()]
    parts += [value for one in parts for value in one.values() if isinstance(value, dict)]
    assert set().union(*(part for part in parts if part is not found["versions"])) <= words
    for row, of_strategy in zip(outcome.rows, found["strategies"], strict=True):
        assert of_strategy["strategy"] == row.scores.strategy
        assert of_strategy["verdict"] == row.scores.verdict
        assert of_strategy["tuned"]["errors"] == row.scores.errors_after
        assert Path(of_strategy["model"]).is_file()
    assert found["untouched"]["source"]["genic_f1"] == outcome.at_home.genic_f1
    assert found["untouched"]["target"]["errors"] == outcome.abroad.errors
    assert [step["command"] for step in found["steps"]] == [s.command for s in outcome.steps]
    assert Path(found["report"]) == outcome.request.out_dir / "report.html"


def test_options_change_what_is_simulated(first_steps):
    for name, options in {"a": [], "again": [], "seed": ["--seed", 1]}.items():
        result = first_steps.run("--out-dir", first_steps.folder / name, *options)
        assert result.exit_code == 1
        assert "the disk is full" in result.stderr
    names = ("genome.fa", "genes.gff3", "rnaseq.bam", "source/genome.fa", "data/test_data.h5")
    for name in names[:4]:
        one, again, other = (
            (first_steps.folder / run / name).read_bytes() for run in ("a", "again", "seed")
        )
        assert one == again, name
        assert one != other, name
    assert (first_steps.folder / "seed" / names[4]).is_file()


def test_held_out_source_sequences_are_not_those_the_model_was_trained_on(first_steps):
    from helixer_ft.simulate.files import SOURCE_SEED
    from helixer_ft.simulate.genome import simulate
    from helixer_ft.simulate.species import SOURCE

    first_steps.run("--seed", SOURCE_SEED)
    text = (first_steps.out_dir / "source/genome.fa").read_text()
    shown = "".join(line for line in text.splitlines() if line[0] != ">")
    trained_on = simulate(SOURCE, 1, TINY.sequence_length, SOURCE_SEED).sequences["chr01"]
    assert len(shown) > 1000
    assert shown[:1000] != trained_on[:1000]


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
    assert "[1/10] " in first_steps.run().stderr
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
    scores = {str(row.request.save_model_path): row.scores for row in outcome.rows}
    predicted = genic_classes(work.out_dir / "predictions.h5")
    for step in outcome.steps[1:]:
        arguments = [*shlex.split(step.command)[1:], "--force", "--json"]
        result = CliRunner().invoke(main, arguments)
        assert result.exit_code == 0, result.output
        found = json.loads(result.stdout)
        if arguments[0] in ("freeze", "whole"):
            row = scores.pop(found["save_model_path"])
            assert found["verdict"] == row.verdict
            assert found["test"]["tuned"]["genic_f1"] == pytest.approx(row.after, abs=1e-3)
    assert scores == {}
    again = genic_classes(work.out_dir / "predictions.h5")
    assert (again != predicted).mean() < 1e-3


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_at_full_size_two_strategies_or_more_are_better(tmp_path, seed):
    arguments = ["demo", "--out-dir", str(tmp_path / "demo"), "--seed", str(seed), "--json", "-q"]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    outcome = json.loads(result.stdout)
    verdicts = {row["strategy"]: row["verdict"] for row in outcome["strategies"]}
    assert list(verdicts.values()).count("better") >= 2
    ratios = {row["strategy"]: row["error_ratio"] for row in outcome["strategies"]}
    assert ratios["freeze --input-coverage"] > 3
    assert ratios["whole"] > 2.5
    for row in outcome["strategies"]:
        assert (row["verdict"] == "better") == (row["difference"]["low"] > 0)
