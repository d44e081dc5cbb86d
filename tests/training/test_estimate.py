"""What a dry run says of time, memory and batch size."""

from dataclasses import replace

import pytest

from helixer_ft.engine import Engine, engine_class
from helixer_ft.network.strategies import Freeze, Whole
from helixer_ft.progress import Progress
from helixer_ft.settings import CacheSettings, TrainingSettings
from helixer_ft.training import estimate as module
from helixer_ft.training.estimate import estimate
from helixer_ft.training.prepared import prepare_run
from helixer_ft.training.request import FineTuneRequest

MIB = 2**20


class Memory:
    """A device on which every subsequence of the last step took 10 MiB, beside 100 MiB."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.subsequences = 0

    def in_use(self) -> int:
        return 100 * MIB

    def available(self) -> int:
        return self.limit - self.in_use()

    def peak(self) -> int:
        return self.in_use() + 10 * MIB * self.subsequences

    def reset_peak(self) -> None:
        self.subsequences = 0


@pytest.fixture
def prepared(model_path, data_dir, test_path, tmp_path):
    def make(strategy=None, **settings):
        request = FineTuneRequest(
            strategy=strategy or Whole(),
            load_model_path=model_path,
            data_dir=data_dir,
            test_data=(test_path,),
            save_model_path=tmp_path / "tuned.h5",
            settings=TrainingSettings(**settings),
        )
        return prepare_run(request, Progress(), dry=True)

    return make


@pytest.fixture
def device(monkeypatch):
    """Engines on a device of so much memory; remembers the batches that it ran."""

    def make(limit):
        memory, ran = Memory(limit), []
        for name in ("_gradients", "_score"):
            compute = getattr(engine_class(), name)

            def counted(self, batch, *args, compute=compute):
                memory.subsequences = max(memory.subsequences, len(batch))
                ran.append(len(batch))
                return compute(self, batch, *args)

            monkeypatch.setattr(engine_class(), name, counted)
        init = Engine.__init__

        def with_memory(self, *args, **options):
            init(self, *args, **options)
            self.memory = memory

        monkeypatch.setattr(Engine, "__init__", with_memory)
        return ran

    return make


def test_the_largest_batch_that_fits(prepared, device):
    ran = device(500 * MIB)
    result = estimate(prepared(batch_size=4, val_test_batch_size=4))
    assert result.memory_limit == 500 * MIB
    assert result.memory == 140 * MIB
    assert result.batch_size == 30  # 80 % of the limit, less 100 MiB, 10 MiB each
    assert set(ran) == {1, 4}


def test_a_batch_that_does_not_fit_is_not_run(prepared, device):
    ran = device(150 * MIB)
    result = estimate(prepared(batch_size=12, val_test_batch_size=2))
    assert result.memory == 220 * MIB
    assert result.batch_size == 2
    assert max(ran) < 12


def test_not_even_one_subsequence_fits(prepared, device):
    device(105 * MIB)
    assert estimate(prepared()).batch_size == 0


def test_times_add_up(prepared, monkeypatch):
    """12 training, 8 validation, 8 subset and 50 test subsequences, two seconds a call."""
    monkeypatch.setattr(module, "_seconds", lambda run: (run(), 2.0)[1])
    whole = estimate(prepared(batch_size=4, val_test_batch_size=4))
    assert whole.step_seconds == 2
    assert whole.epoch_seconds == pytest.approx(3 * 2 + 16 * 2 / 4)
    assert whole.once_seconds == pytest.approx((16 + 2 * 50) * 2 / 4)
    assert whole.feature_bytes == 0
    freeze = estimate(prepared(Freeze(), batch_size=4, val_test_batch_size=4))
    assert freeze.epoch_seconds == whole.epoch_seconds
    assert freeze.once_seconds - whole.once_seconds == pytest.approx((12 + 8 + 50) * 2 / 4)
    assert freeze.feature_bytes == 70 * 10 * 6 * 4  # 10 steps of 6 features


def test_feature_bytes_follow_the_cache_settings(prepared):
    run = prepared(Freeze())
    for cache, expected in (
        (CacheSettings(precision="float16"), 70 * 10 * 6 * 2),
        (CacheSettings(features=False), 0),
    ):
        request = replace(run.request, cache=cache)
        assert estimate(replace(run, request=request)).feature_bytes == expected


def test_nothing_is_written_and_no_weight_changes(prepared, tmp_path):
    run = prepared()
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    weights = {name: [a.copy() for a in arrays] for name, arrays in run.plan.model.weights.items()}
    estimate(run)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    for name, arrays in run.plan.model.weights.items():
        assert all((a == b).all() for a, b in zip(arrays, weights[name], strict=True))
