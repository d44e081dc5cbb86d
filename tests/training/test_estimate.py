"""What a dry run says of time, memory and batch size."""

from contextlib import contextmanager
from dataclasses import replace

import keras
import pytest

from helixer_ft.engine import Engine, engine_class
from helixer_ft.formats import atomic
from helixer_ft.network.strategies import Freeze, Whole
from helixer_ft.progress import Progress
from helixer_ft.runtime.batch_size import BatchAdvice
from helixer_ft.runtime.memory import MAX_SUGGESTION
from helixer_ft.runtime.resources import ProcessMemory
from helixer_ft.settings import CacheSettings, TrainingSettings
from helixer_ft.training import estimate as module
from helixer_ft.training.disk import run_disk
from helixer_ft.training.estimate import estimate
from helixer_ft.training.fine_tune import fine_tune
from helixer_ft.training.history import TrainingProgress
from helixer_ft.training.prepared import prepare_run
from helixer_ft.training.request import FineTuneRequest

MIB = 2**20


class Memory(ProcessMemory):
    """A device of so many bytes, 100 MiB of which are in use."""

    is_host = False

    def __init__(self, limit: int) -> None:
        self.limit = limit

    def in_use(self) -> int:
        return 100 * MIB

    def available(self) -> int:
        return self.limit - self.in_use()


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
    """Engines on a device of so much memory, where a subsequence takes 10 MiB in training and 5 in
    scoring; remembers the batches that were computed.
    """

    def make(limit, kind=Memory):
        ran = []
        for name in ("_gradients", "_score"):
            compute = getattr(engine_class(), name)

            def counted(self, batch, *args, compute=compute):
                ran.append(len(batch))
                return compute(self, batch, *args)

            monkeypatch.setattr(engine_class(), name, counted)
        init = Engine.__init__

        def with_memory(self, *args, **options):
            init(self, *args, **options)
            self.memory = kind(limit) if kind else None

        def taken(self, batch, n, *, training):
            return (10 if training else 5) * MIB * n

        monkeypatch.setattr(Engine, "__init__", with_memory)
        monkeypatch.setattr(engine_class(), "step_bytes", taken)
        return ran

    return make


def test_the_largest_batch_that_fits(prepared, device):
    ran = device(500 * MIB)
    result = estimate(prepared(batch_size=4, val_test_batch_size=4))
    assert result.memory_limit == 500 * MIB
    assert result.memory == 140 * MIB
    assert result.batch_size == 30  # 80 % of the limit, less 100 MiB, 10 MiB each
    assert set(ran) == {4}


def test_a_batch_that_does_not_fit_is_not_run(prepared, device):
    ran = device(150 * MIB)
    result = estimate(prepared(batch_size=12, val_test_batch_size=2))
    assert result.memory == 220 * MIB
    assert result.batch_size == 2
    assert set(ran) == {1, 2}


def test_not_even_one_subsequence_fits(prepared, device):
    device(105 * MIB)
    assert estimate(prepared()).batch_size == 0


@pytest.mark.parametrize(
    ("limit", "kind", "expected"),
    [
        (500 * MIB, Memory, 50),  # of 8, 8 and 50; 60 would fit
        (250 * MIB, Memory, 10),  # 20 would fit: 80 % of the limit, less 100 MiB, 5 MiB each
        (2**40, type("Host", (Memory,), {"is_host": True}), 4),  # at most 8
        (0, None, 17),  # at most 32
    ],
)
def test_how_many_are_scored_at_once(prepared, device, limit, kind, expected):
    device(limit, kind)
    found = estimate(prepared())
    assert found.val_test_batch_size == expected
    assert (found.batch_size is None) == (found.memory is None) == (kind is None)
    assert estimate(prepared(val_test_batch_size=3)).val_test_batch_size == 3


def test_a_larger_batch_is_advised_on_an_accelerator_alone(prepared, device, monkeypatch):
    run = prepared(batch_size=2, learning_rate=1e-3)
    monkeypatch.setattr("helixer_ft.runtime.batch_size.UPDATES_PER_EPOCH", 2)
    assert estimate(run).advice is None  # on the CPU
    device(2**40)
    assert estimate(run).advice == BatchAdvice(4, 1.4e-3)  # of 12 subsequences, two updates
    assert estimate(prepared(batch_size=2, accumulate=2)).advice is None


def test_xla_plans_what_the_dry_run_says(prepared):
    """The memory of a real step, and of the largest batch that fits, on the process's own."""
    if keras.backend.backend() != "jax":
        pytest.skip("XLA plans the memory")
    result = estimate(prepared(batch_size=4))
    assert 0 < result.memory < result.memory_limit
    assert result.batch_size == MAX_SUGGESTION
    assert result.val_test_batch_size == 4


def test_times_add_up(prepared, monkeypatch):
    """12 training, 8 validation, 8 subset and 50 test subsequences, two seconds a call."""
    monkeypatch.setattr(module, "_seconds", lambda run: (run(), 2.0)[1])
    whole = estimate(prepared(batch_size=4, val_test_batch_size=4, epochs=9))
    assert whole.step_seconds == 2
    assert whole.epoch_seconds == pytest.approx(3 * 2 + 16 * 2 / 4)
    assert whole.once_seconds == pytest.approx((16 + 2 * 50) * 2 / 4)
    assert whole.most_seconds == pytest.approx(whole.once_seconds + 9 * whole.epoch_seconds)
    assert whole.disk_free > whole.disk > 0
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


def test_disk_is_enough_for_a_run_and_not_much_more(prepared, tmp_path, monkeypatch):
    """Of what its files take at the most."""
    run = prepared(epochs=2)
    needed, free = run_disk(run, 0)
    assert free > needed
    most = 0
    write = atomic.staged_file

    @contextmanager
    def watched(path, **options):
        nonlocal most
        with write(path, **options) as partial:
            yield partial
            files = [file for file in tmp_path.rglob("*") if "tuned" in str(file)]
            most = max(most, sum(file.stat().st_size for file in files if file.is_file()))

    monkeypatch.setattr(atomic, "staged_file", watched)
    fine_tune(run.request, TrainingProgress())
    assert most > 0
    overhead = 300_000  # of HDF5, which in a model of 1,648 parameters is nearly all
    assert most - overhead < needed < 3 * most + overhead


def test_what_needs_more_disk(prepared, tmp_path, monkeypatch):
    run = prepared(epochs=2)
    plain, _ = run_disk(run, 0)
    every, _ = run_disk(prepared(epochs=2, save_every_check=True), 0)
    assert every - plain == 2 * 4 * 1648  # the parameters of two checks
    kept = replace(run, request=replace(run.request, cache=CacheSettings(folder=tmp_path)))
    decoded = sum(len(one) for one in (run.data.training, run.data.validation, run.test)) * 90 * 3
    assert run_disk(kept, 1000)[0] - plain == decoded + 1000
    monkeypatch.setattr("helixer_ft.dataset.cache_folder.CACHE_MEMORY_SHARE", 0)
    assert run_disk(run, 1000)[0] - plain == decoded + 1000
