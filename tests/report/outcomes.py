"""Outcomes of runs that nobody ran, for pages about them."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from conftest import tiny_model

from helixer_ft.formats.coverage_h5 import Track
from helixer_ft.formats.model_h5 import write_model_file
from helixer_ft.metrics import paired_bootstrap
from helixer_ft.network.coverage import CoverageInput
from helixer_ft.network.model import load_model
from helixer_ft.network.strategies import Freeze
from helixer_ft.runtime.processes import Processes
from helixer_ft.settings import TrainingSettings
from helixer_ft.training.data_checks import SetSummary
from helixer_ft.training.dataset_score import DatasetScore
from helixer_ft.training.history import Check
from helixer_ft.training.outcome import Comparison, CoverageComparison, Outcome
from helixer_ft.training.prepared import PreparedRun
from helixer_ft.training.request import FineTuneRequest
from helixer_ft.training.views import WindowView
from helixer_ft.training.workbench import Workbench


def score(right: float, *, blocks: int = 30, seed: int = 0, loss: float = 0.5) -> DatasetScore:
    """Both strands of so many blocks, of which about a share is predicted right."""
    generator = np.random.default_rng(seed)
    counts = generator.integers(5, 15, (2 * blocks, 2, 4, 4))
    counts[:, :, range(4), range(4)] += int(400 * right)
    return DatasetScore(counts, loss)


def comparison(before: float, after: float, *, blocks: int = 30) -> Comparison:
    scores = score(before, blocks=blocks, seed=1), score(after, blocks=blocks, seed=2)
    regions = [("sim", "chr1", i // 2) for i in range(2 * blocks)]
    return Comparison(*scores, paired_bootstrap(scores[0].counts, scores[1].counts, regions))


def check(number: int, subset_loss: float, loss: float) -> Check:
    return Check(
        number=number,
        epoch=number,
        batch=3 if number else 0,
        training_loss=0.7 if number else None,
        subset=score(0.6 + 0.01 * number, loss=subset_loss).summed(),
        validation=score(0.5, seed=number, loss=loss).summed(),
        improved=number == 2,
        failed_in_a_row=max(0, number - 2),
        seconds=2.0 * number,
    )


def view(kind: Any = "best", *, length: int = 300, strand: str = "+", seed: int = 0) -> WindowView:
    """A window of noise, its first 30 bases masked."""
    generator = np.random.default_rng(seed)
    truth, before, after = generator.integers(0, 4, (3, length)).astype(np.uint8)
    start, end = (1000, 1000 + length) if strand == "+" else (1000 + length, 1000)
    valid = np.arange(length) >= 30
    return WindowView(kind, "sim", "chr1", start, end, truth, before, after, valid)


def outcome(
    folder: Path,
    *,
    test: Comparison | None = None,
    validation: Comparison | None = None,
    prepared: dict[str, Any] | None = None,
    request: dict[str, Any] | None = None,
    **changes: Any,
) -> Outcome:
    """A run in `folder`: untouched model, tuned model, three checks of which the second is best.

    `prepared`, `request` and further arguments replace fields of the parts.
    """
    base = folder / "base.h5"
    write_model_file(base, tiny_model().to_file({}), force=True)
    asked = FineTuneRequest(
        strategy=Freeze(),
        load_model_path=base,
        data_dir=folder,
        save_model_path=folder / "tuned.h5",
        settings=TrainingSettings(),
        command_line="helixer-ft freeze -l base.h5 -d . -s tuned.h5",
    )
    asked = replace(asked, **(request or {}))
    model = load_model(base)
    summaries = tuple(
        SetSummary(
            bases=np.array([600, 100, 200, 100]) * size,
            valid_bases=np.array([500, 50, 150, 100]) * size,
            name=name,
            windows=4 * size,
            sequences={("sim", f"chr{size}"): np.array([[0, 1000]])},
            fingerprint=f"fingerprint-{name}",
        )
        for size, name in ((3, "training"), (2, "validation"), (1, "test"))
    )
    run = PreparedRun(
        request=asked,
        base=model,
        plan=asked.plan(model),
        data=None,  # type: ignore[arg-type]
        test=None,
        summaries=summaries,
        adaptation=None,
        comparison=None,
        cache_folder=None,
        workbench=Workbench(),
        processes=Processes(),
        resumed=None,
        notices=(),
        warnings=(),
    )
    losses = [(1.0, 1.1), (0.6, 0.7), (0.4, 0.6), (0.3, 0.9)]
    checks = tuple(check(number, *loss) for number, loss in enumerate(losses))
    values: dict[str, Any] = {
        "prepared": replace(run, **(prepared or {})),
        "checks": checks,
        "best": checks[2],
        "share": 1.0,
        "validation": validation or comparison(0.3, 0.5),
        "test": test,
        "coverage": None,
        "introns": None,
        "ended": "all 3 epochs are done (--epochs)",
        "warnings": (),
        "seconds": 12.3,
        "versions": {"helixer_ft": "1.2.3", "keras": "3.15.0"},
        "views": (view("best"), view("typical", seed=1), view("worst", strand="-", seed=2)),
    }
    return Outcome(**(values | changes))


def coverage() -> CoverageComparison:
    """A head tuned with one track, against one without."""
    return CoverageComparison(
        input=CoverageInput("rnaseq", "log", (Track("leaf"),)),
        tuned=score(0.8, seed=2),
        without=comparison(0.4, 0.8),
        silenced=score(0.2, seed=5),
        checks=(3, 3),
    )
