"""`--val-test-batch-size auto`: what it comes to, and that no result depends on it."""

import csv
import tomllib
from dataclasses import replace

import pytest
from conftest import tiny_model

from helixer_ft.engine import Engine, engine_class
from helixer_ft.engine.windows_at_once import MAX_ON_HOST, windows_at_once
from helixer_ft.errors import InputError
from helixer_ft.formats.model_h5 import write_model_file
from helixer_ft.network.model import load_model
from helixer_ft.network.strategies import Freeze, Whole
from helixer_ft.runtime.resources import ProcessMemory
from helixer_ft.settings import TrainingSettings
from helixer_ft.training import fine_tune
from helixer_ft.training.history import TrainingProgress
from helixer_ft.training.prepared import prepare_run
from helixer_ft.training.request import FineTuneRequest


class Memory(ProcessMemory):
    """A device of 1000 bytes, or such a host."""

    def __init__(self, is_host: bool = False) -> None:
        self.is_host = is_host

    def in_use(self) -> int:
        return 100

    def available(self) -> int:
        return 900


@pytest.mark.parametrize(
    ("sets", "each", "options", "expected"),
    [
        ([10_000], 1, {}, 250),  # even batches of at most 256
        ([512], 1, {}, 256),
        ([300], 1, {}, 150),
        ([3], 1, {}, 3),
        ([10_000], 7, {}, 100),  # 700 bytes are left
        ([10_000], 70, {}, 10),
        ([10_000], 500, {}, 1),
        ([10_000], 900, {}, 0),
        ([1024], 1, {"devices": 2}, 512),
        ([10_000], 7, {"agree": lambda room: room // 2}, 50),  # another process has less room
    ],
)
def test_as_many_as_fit_on_a_device(sets, each, options, expected):
    assert windows_at_once(sets, Memory(), lambda n: n * each, **options) == expected


def test_few_on_processors_and_where_nothing_is_told():
    assert windows_at_once([10_000], Memory(is_host=True), lambda n: n) == MAX_ON_HOST == 8
    assert windows_at_once([9_999], Memory(is_host=True), lambda n: 200 * n) == 3
    assert windows_at_once([10_000], None, lambda n: n) in range(16, 33)


# -- runs ----------------------------------------------------------------------------------------


@pytest.fixture
def request_(data_dir, model_path, test_path, tmp_path) -> FineTuneRequest:
    write_model_file(model_path, tiny_model(dropout=0.3).to_file({}), force=True)
    return FineTuneRequest(
        strategy=Whole(),
        load_model_path=model_path,
        data_dir=data_dir,
        test_data=(test_path,),
        save_model_path=tmp_path / "tuned.h5",
        settings=TrainingSettings(epochs=2, batch_size=4, learning_rate=0.01),
        force=True,
    )


def run(request: FineTuneRequest) -> list[dict[str, str]]:
    """The history of a run."""
    progress = TrainingProgress()
    fine_tune.run(prepare_run(request, progress), progress)
    with open(request.save_model_path.with_suffix(".run") / "history.csv") as file:
        return [
            {name: value for name, value in row.items() if "seconds" not in name}
            for row in csv.DictReader(file)
        ]


def number(text: str) -> float:
    """A number of a history; "yes" and "no" are 1 and 0, nothing is 0."""
    return float({"yes": "1", "no": "0", "": "0"}.get(text, text))


@pytest.mark.parametrize(
    "strategy", [Whole(), pytest.param(Freeze(), marks=pytest.mark.slow)], ids=["whole", "freeze"]
)
def test_no_result_depends_on_it(request_, strategy):
    """But for rounding: other programs may add up in another order."""
    found = []
    for size in ("auto", 32, 8):
        settings = replace(request_.settings, val_test_batch_size=size)
        history = run(replace(request_, strategy=strategy, settings=settings))
        config = tomllib.loads(
            (request_.save_model_path.with_suffix(".run") / "config.toml").read_text()
        )
        assert config["val_test_batch_size"] == size
        found.append((history, load_model(request_.save_model_path).weights))
    for history, weights in found[1:]:
        for row, expected in zip(history, found[0][0], strict=True):
            assert [*map(number, row.values())] == pytest.approx(
                [*map(number, expected.values())], rel=1e-5
            )
        for name, arrays in weights.items():
            for ours, theirs in zip(arrays, found[0][1][name], strict=True):
                assert ours == pytest.approx(theirs, abs=1e-5)


def test_a_number_is_used_as_it_is_and_auto_is_what_fits(request_, monkeypatch):
    """Sets of 8, 8 and 50 windows; a set of fewer is scored at once."""
    sizes = []
    score = Engine.score
    monkeypatch.setattr(
        Engine, "score", lambda self, batch, size: (sizes.append(size), score(self, batch, size))[1]
    )
    run(replace(request_, settings=replace(request_.settings, val_test_batch_size=5)))
    assert set(sizes) == {5}
    sizes.clear()
    run(request_)
    assert set(sizes) == {4}  # of at most 8, the number that leaves least to be filled up
    sizes.clear()
    monkeypatch.setattr(engine_class(), "step_bytes", lambda self, *_, **__: float("inf"))
    run(request_)
    assert set(sizes) == {1}


@pytest.mark.parametrize("size", [0, -3])
def test_what_it_cannot_be(size):
    with pytest.raises(InputError, match=f"--val-test-batch-size is {size}"):
        TrainingSettings(val_test_batch_size=size)


def test_a_batch_that_is_computed_in_parts_is_cut_into_full_ones():
    """430 windows: 86 batches of 5 leave nothing to be filled up, but come to 86 of two times 3."""

    def filled(size: int) -> int:
        parts = -(-size // 4)
        return parts * -(-size // parts)

    memory = Memory(is_host=True)
    assert windows_at_once([430], memory, lambda n: n) == 5
    assert windows_at_once([430], memory, lambda n: n, filled=filled) == 8
    assert windows_at_once([430], None, lambda n: n, filled=filled) in (16, 24, 32)
