"""`helixer-ft compare` as a user calls it."""

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from conftest import random_rows, tiny_model

from helixer_ft.cli import main
from helixer_ft.cli.compare import request_from
from helixer_ft.cli.compare_output import class_table, closing_lines, table
from helixer_ft.cli.types import Duration
from helixer_ft.comparison.candidates import NAMES
from helixer_ft.comparison.request import CompareRequest
from helixer_ft.formats.model_h5 import write_model_file
from helixer_ft.network.model import load_model
from helixer_ft.runtime.interruption import Stop
from helixer_ft.settings import TrainingOptions
from helixer_ft.training.estimate import Estimate
from tests.cli.workplace import CommandFolder
from tests.comparison.outcomes import compared, tuned, untouched
from tests.data_files import write_data_file
from tests.quick_engine import use_quick

PAGE = Path(__file__).parents[2] / "docs/compare.md"


class Workplace(CommandFolder):
    """A folder with a model, data, and the command on them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.out_dir = folder / "out"

    def run(self, *options: object) -> Result:
        arguments = [
            *("compare", "-l", "base.h5", "-d", "data", "-t", "test_data.h5", "--out-dir", "out"),
            *("-e", "2", "-b", "4", "--val-test-batch-size", "8", "--patience", "99", *options),
        ]
        return CliRunner().invoke(main, [str(argument) for argument in arguments])

    def done(self, *options: object) -> dict:
        result = self.run("--json", *options)
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)


@pytest.fixture
def work(tmp_path, monkeypatch, model_path, data_dir, test_path) -> Workplace:
    """Nothing is compiled."""
    monkeypatch.chdir(tmp_path)

    use_quick(monkeypatch)
    return Workplace(tmp_path)


def options_of(*arguments: str) -> CompareRequest:
    """The request that a command line makes."""
    import click

    command = main.get_command(click.Context(main), "compare")
    context = command.make_context(
        "compare", ["-l", "a.h5", "-d", "data", *arguments], **main.context_settings
    )
    with context:
        return request_from(context.params)


# -- what is printed and written ----------------------------------------------------------------


def test_table_recommendation_and_files(work):
    result = work.run("--strategies", "head,whole", "-v")
    assert result.exit_code == 0, result.output
    found = json.loads((work.out_dir / "compare.json").read_text())
    lines = {re.split(r"\s{2,}", line)[0].rstrip(" *"): line for line in result.stdout.splitlines()}
    assert {"base (untouched)", "head", "whole"} <= lines.keys()
    for row in found["models"][1:]:  # -v: F1 per class, in the last line of this name
        cells = re.split(r"\s{2,}", lines[row["name"]])
        assert cells[1] == f"{row['test']['f1']['intergenic']:.4f}"
    last = result.stdout.splitlines()[-1]
    assert last.startswith("Recommendation: ")
    assert found["recommendation"]["path"] in last
    assert "[1/2] head: freeze + new head" in result.stderr
    assert "[2/2] whole: whole network" in result.stderr
    assert re.search(r"^head: (better|not better|cannot tell): genic F1", result.stderr, re.M)
    assert {path.name for path in work.out_dir.iterdir()} == {
        *("head.h5", "head.run", "whole.h5", "whole.run", "compare.json")
    }


def test_json_is_what_is_written(work):
    found = work.done("--strategies", "head,kept-head")
    assert found == json.loads((work.out_dir / "compare.json").read_text())
    assert [row["name"] for row in found["models"]] == ["base", "head", "kept-head"]
    assert found["complete"]
    assert found["verdict_on"] == "test"
    words = set(re.findall(r"`(\w+)`", PAGE.read_text(encoding="utf-8").split("## `--json`\n")[1]))
    assert {*found, *found["recommendation"], *found["models"][1]} <= words
    provenance = load_model(work.out_dir / "head.h5").file.provenance
    assert provenance["command_line"].startswith("helixer-ft")


@pytest.mark.usefixtures("pages")
def test_pages(work):
    work.done("--strategies", "head,kept-head")
    page = (work.out_dir / "report.html").read_text()
    for name in ("head", "kept-head"):
        assert f'href="./{name}.run/report.html"' in page
        assert (work.out_dir / f"{name}.run" / "report.html").is_file()


def test_the_cells_of_the_table(tmp_path):
    rows = [untouched(), tuned("head", 0.5, trainable_parameters=12345), tuned("whole", 0.7)]
    outcome = compared(tmp_path, rows)
    found = table(outcome)
    columns = [str(column.header) for column in found.columns]
    by_row = zip(*(column.cells for column in found.columns), strict=True)
    cells = [dict(zip(columns, row, strict=True)) for row in by_row]
    assert [row["model"] for row in cells] == ["base (untouched)", "head", "whole *"]
    one, interval = rows[1], rows[1].decisive.interval
    assert cells[1] == {
        "model": "head",
        "trained": "12,345",
        "F1 validation": f"{one.validation_f1:.4f}",
        "F1 test": f"{one.scores['test'].genic_f1:.4f}",
        "95 % interval of change": f"{interval.low:+.4f} to {interval.high:+.4f}",
        "wrong bases": f"{one.scores['test'].wrong_share:.1%}",
        "verdict": "better",
        "time": "90 s",
    }
    assert cells[0]["verdict"] == cells[0]["trained"] == cells[0]["time"] == ""
    assert "30 genome blocks" in str(found.title)
    per_class = class_table(outcome)
    assert [str(column.header) for column in per_class.columns][:3] == [
        "model",
        "intergenic",
        "UTR",
    ]
    assert list(per_class.columns[2].cells)[1] == f"{one.scores['test'].genic['UTR'].f1:.4f}"
    assert outcome.recommendation.reasons[0] in closing_lines(outcome)


@pytest.mark.usefixtures("work")
def test_without_test_data():
    arguments = ["compare", "-l", "base.h5", "-d", "data", "--out-dir", "two", "-e", "1"]
    arguments += ["--strategies", "kept-head", "--val-test-batch-size", "8"]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    assert "F1 test" not in result.stdout
    assert "on the validation data" in result.stdout


# -- options ------------------------------------------------------------------------------------


def test_what_options_ask_for():
    default = options_of()
    assert default == CompareRequest(
        (Path("a.h5"),), Path("data"), command_line=default.command_line
    )
    assert [one.name for one in default.candidates] == list(NAMES)
    given = options_of(
        *("-l", "b.h5", "--train-all-models", "--time-limit", "90m", "--strategies", "whole,head"),
        *("--coverage-prefix", "long", "--coverage-norm", "linear", "--learning-rate", "0.1"),
        *("--seed", "3", "--resume", "--force", "--cache-precision", "float16"),
        *("--strategies", "head-coverage", "--keep-cache", "--predict-phase"),
    )
    assert given.load_model_paths == (Path("a.h5"), Path("b.h5"))
    assert [one.name for one in given.candidates] == ["head", "head-coverage", "whole"]
    assert given.candidates[1].strategy.coverage_prefix == "long"
    assert given.candidates[1].strategy.coverage_norm == "linear"
    assert given.candidates[0].strategy.coverage_prefix is None
    assert given.settings == TrainingOptions(learning_rate=0.1, seed=3)
    assert given.time_limit == 5400
    assert (given.train_all_models, given.resume, given.force, given.predict_phase) == (True,) * 4
    assert given.cache.folder == Path("comparison/features")
    assert (given.cache.keep, given.cache.precision) == (True, "float16")


def test_the_help_names_every_strategy():
    text = " ".join(CliRunner().invoke(main, ["compare", "--help"]).stdout.split())
    for name in NAMES:
        assert re.search(rf"\b{name}[,.]", text) or f"{name}. " in text, name


@pytest.mark.parametrize(
    ("text", "seconds"), [("90m", 5400), ("8h", 28800), ("1d", 86400), ("1.5 h", 5400), ("7s", 7)]
)
def test_times(text, seconds):
    assert Duration().convert(text, None, None) == seconds


@pytest.mark.parametrize("text", ["8", "h", "-1h", "1w", "1h30m", ""])
def test_what_is_no_time(work, text):
    result = work.run("--time-limit", text)
    assert result.exit_code == 2
    assert "is not a time, expected one like 90m, 8h or 1d" in result.stderr


def test_the_time_limit_is_said(work, monkeypatch):
    estimate = Estimate(1.0, 1e6, 0.0, 0, None, None, None, 8, None)
    monkeypatch.setattr("helixer_ft.comparison.time_limit.estimate", lambda _: estimate)
    result = work.run("--strategies", "head,whole", "--time-limit", "1h")
    assert result.exit_code == 0, result.output
    assert "Not begun, as they would not fit into the time limit: head, whole" in result.stderr
    assert "keep the untouched model" in result.stdout


def test_several_models(work, tmp_path):
    write_model_file(tmp_path / "other.h5", tiny_model(3).to_file({}))
    found = work.done("-l", "other.h5", "--strategies", "kept-head", "--train-all-models")
    assert [row["name"] for row in found["models"]] == [
        *("base", "other", "base.kept-head", "other.kept-head")
    ]
    found = work.done("-l", "other.h5", "--strategies", "kept-head", "--force")
    assert len(found["models"]) == 3
    assert len(found["tuned_models"]) == 1


def test_dry_run_leaves_nothing(work, monkeypatch):
    estimate = Estimate(1.0, 2.0, 3.0, 0, 2 * 10**9, 10**10, None, 8, None, 7.0, 10**9, 10**12)
    monkeypatch.setattr("helixer_ft.comparison.dry_run.estimate", lambda _: estimate)
    before = work.content()
    result = work.run("--dry-run")
    assert result.exit_code == 0, result.output
    assert work.content() == before
    (line,) = (line for line in result.stdout.splitlines() if line.startswith("kept-head "))
    assert re.split(r"\s{2,}", line) == [
        *("kept-head", "freeze + trained head kept", "504", "2", "3.0 s", "2.0 s", "7.0 s")
    ]
    assert "Left out: head-coverage: " in result.stdout
    assert "Time: at most 42 s for all of them\n" in result.stdout  # six trainings
    assert "Memory: about 2.0 GB of 10.0 GB\n" in result.stdout
    assert "Disk: about 6.0 GB while it works, of 1.0 TB free beside " in result.stdout
    assert result.stdout.endswith("nothing was trained or written.\n")
    found = work.done("--dry-run")
    assert [one["name"] for one in found["trainings"]] == [
        *("head", "hidden-layer", "kept-head", "whole", "whole-batchnorm", "head-then-whole")
    ]
    assert found["trainings"][0]["estimate"]["epoch_seconds"] == 2.0
    assert found["estimate"] == {"most_seconds": 42, "disk": 6e9, "disk_free": 1e12}
    assert set(found["data"]) == {"training", "validation", "test"}


# -- bad input, failures, interruption ----------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        (["--strategies", "heads"], ["--strategies has heads", "expected names among adapted"]),
        (["--strategies", "head-coverage"], ["--strategies head-coverage: ", "rnaseq"]),
        (["--strategies", "head-then-whole"], ["starts from the best head"]),
        (["-l", "base.h5"], ["base.h5: is given twice"]),
        (["--resume", "-d", "nowhere"], ["nowhere: is not a folder"]),
        (["--out-dir", "base.h5"], ["base.h5: is not a folder"]),
        (["--out-dir", "base.h5/below"], ["base.h5: is not a folder"]),
        (["-t", "base.h5"], ["base.h5"]),
    ],
)
def test_bad_input_changes_nothing(work, options, parts):
    work.refused(*options, parts=parts)


def test_a_model_without_batch_norm(work, model_path):
    write_model_file(model_path, tiny_model(convs=1).to_file({}), force=True)
    work.refused("--strategies", "whole-batchnorm", parts=["has no batch normalisation"])


def test_a_model_without_phase(work, model_path):
    write_model_file(model_path, tiny_model(phase=False).to_file({}), force=True)
    work.refused("--predict-phase", parts=["phase"])


def test_a_broken_model_among_several_is_status_1(work, tmp_path):
    (tmp_path / "broken.h5").write_bytes(b"no model")
    result = work.run("-l", "broken.h5", "--strategies", "kept-head", "--json")
    assert result.exit_code == 1
    found = json.loads(result.stdout)
    assert list(found["failed"]) == ["broken"]
    assert [row["name"] for row in found["models"]] == ["base", "kept-head"]
    assert "Warning: broken: " in result.stderr
    assert "The others go on." in result.stderr


def test_an_earlier_comparison_is_not_overwritten(work):
    work.done("--strategies", "kept-head")
    work.refused("--strategies", "kept-head", parts=["is there already", "--force"])
    work.refused("--strategies", "kept-head", "--resume", parts=["nothing to resume"])
    work.done("--strategies", "kept-head", "--force")


def test_interrupted_and_resumed(work, monkeypatch):
    asked = []

    def requested(_: Stop) -> bool:
        asked.append(1)
        return len(asked) == 40

    with monkeypatch.context() as patch:
        patch.setattr(Stop, "requested", requested)
        result = work.run("--strategies", "kept-head,whole")
    assert result.exit_code == 75, result.output
    assert re.search(r"Interrupted: (kept-head|whole): .*Done before: \d of 2\.", result.stderr)
    assert "--resume" in result.stderr
    options = ("--strategies", "kept-head,whole")
    work.refused(*options, parts=["unfinished comparison", "--resume"])
    work.refused(
        *(*options, "--resume", "--learning-rate", "0.5"),
        parts=["out: the comparison there", "--learning-rate was auto, now 0.5"],
    )
    write_data_file(work.folder / "data" / "training_data.h5", random_rows(6, seed=11))
    result = work.run(*options, "--resume")
    assert result.exit_code == 2
    assert "training data have changed" in result.stderr
    write_data_file(work.folder / "data" / "training_data.h5", random_rows(6, seed=1, seqid="chr1"))
    found = work.done(*options, "--resume")
    assert [row["name"] for row in found["models"]] == ["base", "kept-head", "whole"]
