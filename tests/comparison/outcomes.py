"""Models that nobody trained, to recommend one of them and to make tables of."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from helixer_ft.comparison.outcome import CompareOutcome
from helixer_ft.comparison.recommend import UNTOUCHED, Row, recommend
from helixer_ft.comparison.request import CompareRequest
from helixer_ft.metrics import paired_bootstrap
from helixer_ft.training.dataset_score import DatasetScore
from helixer_ft.training.outcome import Comparison

BLOCKS = 30
SETS = ("validation", "test")


def regions(blocks: int = BLOCKS) -> dict[str, list]:
    return {name: [("sim", "chr1", i // 2) for i in range(2 * blocks)] for name in SETS}


def score(right: float, *, blocks: int = BLOCKS, seed: int = 0) -> DatasetScore:
    """Both strands of so many blocks; a higher `right` is a higher genic F1."""
    generator = np.random.default_rng(seed)
    counts = generator.integers(5, 15, (2 * blocks, 2, 4, 4))
    counts[:, :, range(4), range(4)] += int(400 * right)
    return DatasetScore(counts, 0.5)


def untouched(name: str = "base", right: float = 0.3, *, blocks=BLOCKS, test=True) -> Row:
    scores = {on: score(right, blocks=blocks) for on in SETS[: 1 + test]}
    return Row(name, name, Path(f"{name}.h5"), UNTOUCHED, 0, 2000, scores, {})


def tuned(
    name: str,
    right: float,
    test_right: float | None = None,
    *,
    trainable_parameters: int = 1000,
    blocks: int = BLOCKS,
    test: bool = True,
    seed: int = 1,
) -> Row:
    """One that is `right` on the validation data, and perhaps another share on the test data."""
    before = untouched(blocks=blocks, test=test)
    wanted = dict(zip(SETS, (right, right if test_right is None else test_right), strict=True))
    scores = {on: score(wanted[on], blocks=blocks, seed=seed) for on in before.scores}
    found = {
        on: Comparison(
            before.scores[on],
            scores[on],
            paired_bootstrap(before.scores[on].counts, scores[on].counts, regions(blocks)[on]),
        )
        for on in scores
    }
    path = Path(f"{name}.h5")
    return Row(name, "base", path, "freeze", trainable_parameters, 2000, scores, found, 90.0)


def compared(
    folder: Path,
    rows: Sequence[Row],
    *,
    test: bool = True,
    left_out: dict[str, str] | None = None,
    failed: dict[str, str] | None = None,
    not_begun: Sequence[str] = (),
) -> CompareOutcome:
    return CompareOutcome(
        request=CompareRequest(
            (Path("base.h5"),),
            Path("data"),
            out_dir=folder,
            test_data=(Path("test_data.h5"),) if test else (),
        ),
        rows=tuple(rows),
        trained={},
        chosen_models=("base",),
        recommendation=recommend(rows, regions()),
        left_out=left_out or {},
        not_begun=tuple(not_begun),
        failed=failed or {},
        warnings=(),
        complete=True,
        seconds=100.0,
    )
