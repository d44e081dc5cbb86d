"""Introns of the untouched and the tuned model against those of reads, on check sequences."""

import json
import threading
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import random_rows, tiny_model

from helixer_ft.errors import InputError
from helixer_ft.formats.data_names import CHECK_DATA, CHECK_JUNCTIONS
from helixer_ft.network.model import load_model
from helixer_ft.network.strategies import Whole
from helixer_ft.progress import Progress
from helixer_ft.runtime.memory import OutOfMemoryError
from helixer_ft.settings import AUTO, TrainingSettings
from helixer_ft.training import check_introns as module
from helixer_ft.training import fine_tune
from helixer_ft.training.check_introns import CheckedIntrons, check_introns, has_check_introns
from helixer_ft.training.request import FineTuneRequest
from tests.data_files import say_predictions_with_check, write_data_file
from tests.inference.together import together
from tests.quick_engine import QuickEngine
from tests.training.test_resuming import Stopping
from tests.training.test_resuming import start as run

LENGTH = 90
SETTINGS = TrainingSettings(epochs=1, batch_size=4, val_test_batch_size=8)
INTERGENIC, UTR, CDS, INTRON = range(4)


class Sequences:
    """Check stretches, and what two models predict on them.

    `chr1` has the stretches 0-180 (two windows) and 900-960 (one with padding), `chr2` one of 90.
    """

    stretches = (("chr1", 0, 180), ("chr1", 900, 960), ("chr2", 0, 90))

    def __init__(self, folder, monkeypatch):
        self.folder = folder
        rows = [
            (seqid, *span) for seqid, start, end in self.stretches for span in _rows(start, end)
        ]
        self.rows = rows
        n = len(rows)
        x = np.zeros((n, LENGTH, 4), np.float16)
        for i, (_, start, end) in enumerate(rows):
            x[i, : abs(end - start), 0] = 1
        write_data_file(
            folder / CHECK_DATA,
            {
                "X": x,
                "seqids": np.array([seqid for seqid, *_ in rows], "S50"),
                "species": np.array(["sp"] * n, "S25"),
                "start_ends": np.array([span for _, *span in rows]),
            },
        )
        self.predicted = []
        monkeypatch.setattr(module, "predicted_rows", self._predict)
        monkeypatch.setattr(module, "prediction_function", lambda *_: None)
        monkeypatch.setattr(module, "batch_size_for", lambda *_: 4)

    def reads(self, *introns):
        lines = ["seqid\tstart\tend\tstrand\treads"]
        lines += [
            f"{seqid}\t{start + 1}\t{end}\t{strand}\t9" for seqid, start, end, strand in introns
        ]
        (self.folder / CHECK_JUNCTIONS).write_text("\n".join(lines) + "\n")

    def model(self, *introns, exon=CDS):
        """A model that predicts introns between 5 bases of exon, and nothing else."""
        classes = {
            (seqid, strand, start): np.zeros(end - start, int)
            for seqid, start, end in self.stretches
            for strand in "+-"
        }
        for seqid, start, end, strand in introns:
            for (name, own, first), array in classes.items():
                if name == seqid and own == strand and first <= start and end <= first + len(array):
                    array[max(0, start - 5 - first) : end + 5 - first] = exon
                    array[start - first : end - first] = INTRON
        self.predicted.append(classes)

    def compare(self) -> CheckedIntrons:
        models = 2 * (tiny_model(),)
        return check_introns(self.folder, models, (), SETTINGS, Progress())

    def _predict(self, *_):
        return self._rows_of(self.predicted.pop(0))

    def _rows_of(self, classes):
        for seqid, start, end in self.rows:
            strand = "+" if start < end else "-"
            low, high = sorted((start, end))
            (first,) = [s for n, a, b in self.stretches if n == seqid and a <= low < b for s in [a]]
            own = classes[seqid, strand, first][low - first : high - first]
            row = np.zeros((2, LENGTH, 4), np.float32)
            row[0, : high - low] = np.eye(4)[own if strand == "+" else own[::-1]]
            row[0, high - low :, INTRON] = 1  # padding is not looked at
            yield row


def _rows(start, end):
    plus = [(a, min(a + LENGTH, end)) for a in range(start, end, LENGTH)]
    return plus + [(b, a) for a, b in reversed(plus)]


@pytest.fixture
def sequences(tmp_path, monkeypatch):
    return Sequences(tmp_path, monkeypatch)


ACROSS = ("chr1", 70, 110, "+")
MINUS = ("chr1", 30, 60, "-")
LATE = ("chr1", 915, 940, "-")
OTHER = ("chr2", 20, 45, "+")


def test_introns_are_found_on_both_strands_and_across_windows(sequences):
    sequences.reads(ACROSS, MINUS, LATE, OTHER)
    sequences.model(ACROSS)
    sequences.model(ACROSS, MINUS, LATE, OTHER)
    found = sequences.compare()
    assert (found.untouched.read, found.untouched.predicted, found.untouched.found) == (4, 1, 1)
    assert found.untouched.f1 == pytest.approx(2 / 5)
    assert (found.tuned.recall, found.tuned.precision, found.tuned.f1) == (1, 1, 1)
    assert found.interval.difference == pytest.approx(3 / 5)


def test_both_ends_and_the_strand_must_be_right(sequences):
    sequences.reads(ACROSS, MINUS)
    sequences.model(("chr1", 71, 110, "+"), ("chr1", 30, 60, "+"))
    sequences.model(MINUS, OTHER)
    found = sequences.compare()
    assert (found.untouched.predicted, found.untouched.found) == (2, 0)
    assert (found.tuned.predicted, found.tuned.found) == (2, 1)
    assert found.tuned.f1 == 0.5


def test_what_no_exon_surrounds_or_is_too_short_is_no_intron(sequences):
    sequences.reads(ACROSS)
    sequences.model(("chr1", 0, 40, "+"), ("chr1", 140, 180, "-"), ("chr2", 30, 49, "+"))
    sequences.model(ACROSS, exon=INTERGENIC)
    found = sequences.compare()
    assert found.untouched.predicted == found.tuned.predicted == 0
    sequences.model(("chr2", 30, 50, "+"), exon=UTR)
    sequences.model()
    assert sequences.compare().untouched.predicted == 1


def test_without_an_intron_nothing_is_divided_by_zero(sequences):
    sequences.reads()
    sequences.model()
    sequences.model()
    found = sequences.compare()
    assert (found.tuned.f1, found.tuned.recall, found.tuned.precision) == (0, 0, 0)
    assert found.verdict == "cannot tell"
    assert json.loads(json.dumps(found.to_dict()))["supported_by_reads"] == 0


def test_the_verdict_needs_enough_blocks():
    """21 blocks in which the tuned model finds the intron that the untouched one misses."""
    few, many = (
        module._compared({("chr1", i): np.array([[1, 1, 0], [1, 1, 1.0]]) for i in range(n)}, 0)
        for n in (19, 21)
    )
    assert few.verdict == "cannot tell"
    assert many.verdict == "better"
    assert "Introns: better. F1 against the 21 that reads support" in many.text
    assert "0.0000 -> 1.0000 (+1.0000" in many.text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("seqid\tstart\tend\n", "lacks the column(s) strand"),
        ("", "lacks the column(s) seqid, start, end, strand"),
        ("seqid\tstart\tend\tstrand\nchr1\tx\t9\t+\n", "line 2: is damaged"),
        ("seqid\tstart\tend\tstrand\nchr1\t7\n", "line 2: is damaged"),
    ],
)
def test_a_damaged_table(sequences, text, expected):
    (sequences.folder / CHECK_JUNCTIONS).write_text(text)
    with pytest.raises(InputError) as caught:
        sequences.compare()
    assert expected in str(caught.value)
    assert CHECK_JUNCTIONS in str(caught.value)


# -- in a run --------------------------------------------------------------------------------------


@pytest.fixture
def request_(data_dir, model_path, tmp_path, monkeypatch) -> FineTuneRequest:
    """Labels are predictions; the check sequence is that of training data, without labels."""
    monkeypatch.setattr(fine_tune, "engine_class", lambda: QuickEngine)
    say_predictions_with_check(data_dir, random_rows(3, seed=7, seqid="chr9"))
    return FineTuneRequest(
        strategy=Whole(),
        load_model_path=model_path,
        data_dir=data_dir,
        save_model_path=tmp_path / "out" / "tuned.h5",
        settings=SETTINGS,
    )


def test_a_real_network_is_compared_on_real_rows(request_):
    outcome = run(request_, Stopping())
    assert outcome.verdict == "cannot tell"
    found = outcome.to_dict()["introns"]
    assert found["supported_by_reads"] == 1
    assert found["verdict"] == "cannot tell"
    base, tuned = (load_model(p) for p in (request_.load_model_path, request_.save_model_path))
    again = check_introns(request_.data_dir, (base, tuned), (), SETTINGS, Progress())
    assert again.to_dict() == found
    other = check_introns(request_.data_dir, (tuned, base), (), SETTINGS, Progress())
    assert other.tuned == again.untouched


def test_only_where_there_are_reads_and_no_trusted_labels(request_, test_path, monkeypatch):
    monkeypatch.setattr(fine_tune, "check_introns", lambda *_: "compared")
    assert run(request_, Stopping()).introns == "compared"
    asked = replace(request_, force=True)
    assert run(replace(asked, test_data=(test_path,)), Stopping()).introns is None
    (request_.data_dir / CHECK_JUNCTIONS).unlink()
    assert not has_check_introns(request_.data_dir)
    assert run(asked, Stopping()).introns is None


def test_the_other_processes_wait_for_the_first_and_no_step_asks_them(request_, monkeypatch):
    """A collective call that the first process made alone would never return."""
    asked, waited = [], threading.Event()

    def check(_folder, _models, _sets, _settings, progress):
        assert not waited.wait(0.3)
        progress.stop_if_interrupted()
        return "compared"

    class Collective(Stopping):
        agree = staticmethod(lambda flag: asked.append(flag) or flag)

    def work(processes):
        prepared = SimpleNamespace(
            request=request_, processes=processes, base=None, summaries=(), settings=SETTINGS
        )
        found = fine_tune._introns(prepared, None, Collective())
        waited.set()
        return found

    monkeypatch.setattr(fine_tune, "check_introns", check)
    assert together(3, work) == ["compared", None, None]
    assert asked == []


def test_the_batch_size_of_scores_is_that_of_the_comparison(request_, monkeypatch):
    sizes = []
    choose = module.batch_size_for
    monkeypatch.setattr(
        module, "batch_size_for", lambda *args: sizes.append(args[4]) or choose(*args)
    )
    base = load_model(request_.load_model_path)
    for size in (3, AUTO):
        settings = replace(SETTINGS, val_test_batch_size=size)
        check_introns(request_.data_dir, (base, base), (), settings, Progress())
    assert sizes == [3, 3, None, None]


def test_what_a_device_has_no_memory_for_costs_no_run(request_, monkeypatch):
    def fail(*_):
        raise OutOfMemoryError("out of memory")

    monkeypatch.setattr(fine_tune, "check_introns", fail)
    assert run(request_, Stopping()).introns is None
    assert request_.save_model_path.exists()


def test_a_damaged_file_costs_no_run(request_):
    (request_.data_dir / CHECK_JUNCTIONS).write_text("nothing\n")
    progress = Stopping()
    said = []
    progress.notice = said.append
    outcome = run(request_, progress)
    assert outcome.introns is None
    assert request_.save_model_path.exists()
    assert [text for text in said if text.startswith("introns are not compared with those of")]


def test_sequences_that_were_trained_on_say_nothing(request_):
    """As where data are made anew in a folder of other data."""
    (request_.data_dir / CHECK_DATA).unlink()
    rows = random_rows(3, seed=7, seqid="chr1")
    bare = {name: rows[name] for name in ("X", "seqids", "species", "start_ends")}
    write_data_file(request_.data_dir / CHECK_DATA, bare)
    said = []
    progress = Stopping()
    progress.notice = said.append
    assert run(request_, progress).introns is None
    (text,) = [text for text in said if text.startswith("introns are not compared")]
    assert "chr1 is in the training data, too" in text


def test_the_interval_does_not_follow_from_the_order_of_introns():
    """Sets of texts have another one in every process."""
    generator = np.random.default_rng(0)
    blocks = {("chr1", i): generator.integers(0, 5, (2, 3)).astype(float) for i in range(20)}
    one, other = (module._compared(dict(items), 3) for items in (
        blocks.items(), reversed(blocks.items())
    ))  # fmt: skip
    assert one.interval == other.interval


def test_a_model_that_takes_coverage_cannot_be_compared(request_, monkeypatch):
    """That is known before the other one predicts."""
    monkeypatch.setattr(module, "prediction_function", None)
    base = load_model(request_.load_model_path)
    with_coverage = replace(base, architecture=replace(base.architecture, coverage_channels=2))
    with pytest.raises(InputError, match="the tuned model takes coverage"):
        check_introns(request_.data_dir, (base, with_coverage), (), SETTINGS, Progress())
