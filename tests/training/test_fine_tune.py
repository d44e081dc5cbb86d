"""`fine_tune`, the whole run as one call; a strategy that is one class and one command."""

import json
import tomllib
from dataclasses import dataclass, replace
from typing import ClassVar

import click
import numpy as np
import pytest
from click.testing import CliRunner

from helixer_ft.cli import main
from helixer_ft.cli import option_kinds as kinds
from helixer_ft.cli.base import Command
from helixer_ft.cli.fine_tuning import fine_tune_request, run_command
from helixer_ft.cli.training_options import training_options
from helixer_ft.errors import InputError
from helixer_ft.formats.model_h5 import read_model_file
from helixer_ft.network.architecture import BiLSTM
from helixer_ft.network.coverage import CoverageInput
from helixer_ft.network.model import TrainedModel, load_model
from helixer_ft.network.strategies import Freeze, Plan, Strategy, Whole
from helixer_ft.settings import CacheSettings, TrainingSettings
from helixer_ft.training import fine_tune as module
from helixer_ft.training.fine_tune import fine_tune
from helixer_ft.training.history import TrainingProgress
from helixer_ft.training.request import FineTuneRequest
from helixer_ft.training.run_folder import RunFolder
from helixer_ft.training.run_lock import run_lock

ONE_EPOCH = TrainingSettings(epochs=1, batch_size=4, learning_rate=0.01)


@dataclass(frozen=True)
class Last(Strategy):
    """The last LSTMs and the head train on, what comes before them stays."""

    command: ClassVar[str] = "last"

    lstms: int = 1

    def plan(
        self, model: TrainedModel, *, coverage: CoverageInput | None = None, seed: int = 0
    ) -> Plan:
        """See `Strategy`."""
        body, head = model.architecture.body, model.architecture.head
        lstms = [layer.name for layer in body if isinstance(layer, BiLSTM)]
        if self.lstms > len(lstms):
            raise InputError(f"--lstms is {self.lstms}, but the model has {len(lstms)}.")
        return Plan(
            strategy="last layers",
            model=model,
            trainable=frozenset(lstms[-self.lstms :]) | {dense.name for dense in head},
            batchnorm_statistics=False,
        )


@click.command("last", cls=Command)
@training_options
@kinds.integer("--lstms", "How many LSTMs train.", default=Last.lstms)
def last(**options):
    """Train the last layers."""
    run_command(fine_tune_request(Last, options), options)


class Told(TrainingProgress):
    """Remembers warnings and checks."""

    def __init__(self) -> None:
        self.warnings: list[str] = []
        self.checks: list[int] = []

    def warning(self, text: str) -> None:
        self.warnings.append(text)

    def check(self, check) -> None:
        self.checks.append(check.number)


@pytest.fixture
def request_(model_path, data_dir, tmp_path) -> FineTuneRequest:
    path = tmp_path / "tuned.h5"
    return FineTuneRequest(Freeze(), model_path, data_dir, path, settings=ONE_EPOCH)


@pytest.fixture
def typed(model_path, data_dir, test_path, tmp_path) -> list[str]:
    """Options of a command that trains one epoch."""
    words = ["-l", model_path, "-d", data_dir, "-t", test_path, "-s", tmp_path / "tuned.h5"]
    numbers = ["-e", "1", "-b", "4", "--learning-rate", "0.01"]
    return [*map(str, words), "--recipe", "helixer", *numbers, "--json"]


def moved(before: TrainedModel, after: TrainedModel) -> set[str]:
    """Layers whose weights differ."""
    return {
        name
        for name, arrays in before.weights.items()
        if not all(map(np.array_equal, arrays, after.weights[name]))
    }


def test_five_lines_of_a_notebook(model_path, data_dir, test_path, tmp_path, monkeypatch):
    """What docs/api.md shows, on small data."""
    monkeypatch.chdir(tmp_path)
    from helixer_ft.report import write_report

    request = FineTuneRequest(Freeze(), model_path, data_dir, tmp_path / "tuned.h5", (test_path,))
    request = replace(request, settings=ONE_EPOCH)
    outcome = fine_tune(request, report=write_report)
    assert outcome.verdict in ("better", "not better", "cannot tell")
    assert moved(load_model(model_path), load_model(request.save_model_path)) == {"dense"}
    names = sorted(path.name for path in (tmp_path / "tuned.run").iterdir())
    assert names == ["config.toml", "history.csv", "report.html"]


def test_no_page_unless_one_is_asked_for(request_):
    told = Told()
    outcome = fine_tune(request_, told)
    assert told.checks == [0, 1] == [check.number for check in outcome.checks]
    assert not RunFolder(request_.save_model_path).report_path.exists()


def test_a_page_that_cannot_be_written_is_a_warning(request_):
    def fail(_outcome, _path):
        raise OSError("no space left on device")

    told = Told()
    outcome = fine_tune(request_, told, report=fail)
    assert outcome.best.number == 1
    assert told.warnings == [
        f"{RunFolder(request_.save_model_path).report_path}: the report could not be written: no "
        "space left on device"
    ]


def test_one_process_at_a_time(request_):
    folder = RunFolder(request_.save_model_path).path
    with run_lock(folder, TrainingProgress()), pytest.raises(InputError, match="is in use by"):
        fine_tune(request_)
    assert not request_.save_model_path.exists()


def test_the_head_to_train_scores_the_untouched_model_first(request_, tmp_path, monkeypatch):
    """The untouched model has a head of the same form, so that one engine does for both."""
    made = []
    engine = module._engine
    monkeypatch.setattr(module, "_engine", lambda *given: made.append(given) or engine(*given))
    lent = fine_tune(request_)
    assert len(made) == 1
    apart = replace(
        request_, cache=CacheSettings(features=False), save_model_path=tmp_path / "other.h5"
    )
    own = fine_tune(apart)
    assert len(made) > 2
    assert np.array_equal(lent.validation.baseline.counts, own.validation.baseline.counts)
    tuned = [load_model(path).weights for path in (request_.save_model_path, apart.save_model_path)]
    for name, arrays in tuned[0].items():
        assert all(map(np.array_equal, arrays, tuned[1][name])), name


def test_nothing_is_called_before_the_checks(request_, tmp_path):
    bad = replace(request_, save_model_path=tmp_path / "tuned.txt")
    with pytest.raises(InputError, match=r"does not end in \.h5"):
        fine_tune(bad, on_prepared=lambda _: pytest.fail("the checks were not done"))
    seen = []
    outcome = fine_tune(request_, on_prepared=seen.append)
    assert [prepared.plan for prepared in seen] == [outcome.prepared.plan]


@pytest.mark.parametrize(
    "strategy",
    [Freeze(post_coverage_hidden_layer=True), pytest.param(Whole(), marks=pytest.mark.slow)],
    ids=type,
)
def test_an_outcome_is_what_json_prints(request_, typed, test_path, strategy):
    request_ = replace(request_, strategy=strategy, test_data=(test_path,))
    outcome = json.loads(json.dumps(fine_tune(request_).to_dict()))
    result = CliRunner().invoke(main, [*strategy.typed.split(), *typed, "--force"])
    printed = json.loads(result.stdout)
    assert printed.pop("report") is None
    assert printed["notices"].pop().startswith("recipe helixer, for ")
    times = ("seconds", "check_seconds")
    assert {name: value for name, value in printed.items() if name not in times} == {
        name: value for name, value in outcome.items() if name not in times
    }
    assert list(printed) == list(outcome)


def test_another_strategy_is_one_class(request_):
    request_ = replace(request_, strategy=Last())
    outcome = fine_tune(request_)
    before, after = (load_model(p) for p in (request_.load_model_path, request_.save_model_path))
    assert moved(before, after) == {"bidirectional", "dense"}
    assert not outcome.prepared.caches_features
    assert outcome.to_dict()["strategy"] == "last layers"
    assert read_model_file(request_.save_model_path).provenance["strategy"] == "last layers"
    config = tomllib.loads((request_.save_model_path.parent / "tuned.run/config.toml").read_text())
    assert (config["command"], config["lstms"]) == ("last", 1)
    assert not {"freeze_batchnorm", "keep_head", "cache_features"} & set(config)


def test_another_strategy_is_one_command(typed, tmp_path):
    result = CliRunner().invoke(last, typed)
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["strategy"] == "last layers"
    result = CliRunner().invoke(last, [*typed, "--force", "--lstms", "2"])
    assert result.exit_code == 2
    assert result.stderr.endswith("Error: --lstms is 2, but the model has 1.\n")
    config = tmp_path / "tuned.run" / "config.toml"
    again = CliRunner().invoke(last, ["--config", str(config), "--force", "--json"])
    assert json.loads(again.stdout)["trainable_parameters"] == 960 + 504


def test_options_as_they_are_typed():
    assert Whole().typed == "whole"
    assert Freeze(keep_head=True, coverage_prefix="cage").typed == "freeze --keep-head"
    assert Last(2).options() == {"lstms": 2}
