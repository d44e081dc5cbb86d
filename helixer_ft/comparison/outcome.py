"""The result of a comparison: every model side by side, and which one to take."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from helixer_ft.comparison.bases import Base
from helixer_ft.comparison.candidates import NAMES
from helixer_ft.comparison.folder import CompareFolder
from helixer_ft.comparison.recommend import UNTOUCHED, Recommendation, Regions, Row, recommend
from helixer_ft.comparison.request import CompareRequest
from helixer_ft.comparison.state import CompareState, Trained
from helixer_ft.metrics import differences_dict, paired_bootstrap
from helixer_ft.runtime.backend import determinism, versions
from helixer_ft.runtime.hardware import hardware
from helixer_ft.training.dataset_score import DatasetScore
from helixer_ft.training.outcome import Comparison
from helixer_ft.training.run_folder import RunFolder


@dataclass(frozen=True)
class CompareOutcome:
    """The result of a comparison, or what there is of it so far.

    Attributes
    ----------
    request
        What was asked for.
    rows
        Untouched models in the order given, then tuned ones.
    trained
        What is known of each training, by name.
    chosen_models
        Names of the untouched models that were tuned.
    recommendation
        Which model to take.
    left_out
        What was not trained -> why: models or data do not allow it.
    not_begun
        What was not trained because of the time limit.
    failed
        Model or training that failed -> its error.
    warnings
        About the data.
    complete
        Whether nothing is left to do.
    seconds
        Of work, the parts before interruptions included.
    versions
        Versions of what the result depends on.
    """

    request: CompareRequest
    rows: tuple[Row, ...]
    trained: Mapping[str, Trained]
    chosen_models: tuple[str, ...]
    recommendation: Recommendation
    left_out: Mapping[str, str]
    not_begun: tuple[str, ...]
    failed: Mapping[str, str]
    warnings: tuple[str, ...]
    complete: bool
    seconds: float
    versions: dict[str, str] = field(default_factory=dict)

    @property
    def verdict_on(self) -> str:
        """The data that verdicts are taken on."""
        return "test" if self.request.test_data else "validation"

    @property
    def blocks(self) -> int:
        """Genome blocks that verdicts rest on; 0 where nothing was tuned."""
        return next((row.decisive.interval.blocks for row in self.rows if row.decisive), 0)

    def report(self, row: Row) -> Path | None:
        """The page of a training, where there is one."""
        path = RunFolder(row.path).report_path
        return path if row.is_tuned and path.is_file() else None

    def notes(self) -> list[str]:
        """What was left out, and why, in plain words."""
        result = []
        if len(self.request.load_model_paths) > 1 and not self.request.train_all_models:
            best = ", ".join(self.chosen_models)
            result.append(
                f"Tuned: {best}, the best of the untouched models by genic F1 on the validation "
                "data (--train-all-models tunes all)."
            )
        shares = {name: one.tuning_share for name, one in self.trained.items()}
        result += [_share_text(name, share) for name, share in shares.items() if share < 1]
        result += [f"Left out: {name}: {reason}" for name, reason in self.left_out.items()]
        if self.not_begun:
            result.append(
                f"Not begun, as they would not fit into the time limit: "
                f"{', '.join(self.not_begun)}. --resume with another --time-limit trains them."
            )
        return result + [f"Failed: {name}: {error}" for name, error in self.failed.items()]

    def to_dict(self) -> dict[str, Any]:
        """As `--json` prints it."""
        return {
            "recommendation": self.recommendation.to_dict(),
            "verdict_on": self.verdict_on,
            "models": [self._row_dict(row) for row in self.rows],
            "tuned_models": list(self.chosen_models),
            "left_out": dict(self.left_out),
            "not_begun": list(self.not_begun),
            "failed": dict(self.failed),
            "warnings": list(self.warnings),
            "complete": self.complete,
            "out_dir": str(self.request.out_dir),
            "report": str(CompareFolder(self.request).report_path),
            "seconds": round(self.seconds, 3),
            "versions": self.versions,
            "hardware": hardware().to_dict(),
            "determinism": determinism(),
        }

    def _row_dict(self, row: Row) -> dict[str, Any]:
        found = {
            "name": row.name,
            "model": row.model,
            "path": str(row.path),
            "strategy": row.strategy,
            "trainable_parameters": row.trainable_parameters,
            "total_parameters": row.total_parameters,
            "verdict": row.verdict or None,
        }
        found |= {
            name: score.to_dict() | {"wrong_bases": score.wrong_share}
            for name, score in row.scores.items()
        }
        found["difference"] = {
            name: differences_dict(compared.intervals) for name, compared in row.compared.items()
        }
        if (trained := self.trained.get(row.name)) and row.is_tuned:
            found |= {
                "started_from": trained.started_from or None,
                "checks": trained.checks,
                "epoch": trained.best_epoch,
                "batch": trained.best_batch,
                "tuning_share": trained.tuning_share,
                "ended": trained.ended,
                "warnings": list(trained.warnings),
                "seconds": round(trained.seconds, 3),
            }
        return found


def outcome_of(
    request: CompareRequest,
    bases: Sequence[Base],
    chosen: Sequence[str],
    state: CompareState,
    regions: Regions,
    *,
    not_begun: Sequence[str],
    left_out: Mapping[str, str],
    failed: Mapping[str, str],
    warnings: Sequence[str],
) -> CompareOutcome:
    """The outcome of what is in a state.

    Parameters
    ----------
    request
        What was asked for.
    bases, chosen
        The models, and the names of those that are tuned.
    state
        What was scored and trained.
    regions
        Genome blocks by set.
    not_begun, failed, warnings
        See `CompareOutcome`.
    left_out
        What proved impossible when its turn came, besides what the models say.
    """
    rows = [
        *map(partial(_untouched_row, state), bases),
        *_tuned_rows(request, bases, state, regions),
    ]
    wanted = {
        request.result_name(base.label, possible.candidate.name)
        for base in bases
        if base.label in chosen
        for possible in base.possible
    }
    impossible = {
        request.result_name(base.label, name): reason
        for base in bases
        if base.label in chosen
        for name, reason in base.left_out.items()
    } | dict(left_out)
    return CompareOutcome(
        request=request,
        rows=tuple(rows),
        trained=state.trained,
        chosen_models=tuple(chosen),
        recommendation=recommend(rows, regions, request.settings.seed),
        left_out=impossible,
        not_begun=tuple(not_begun),
        failed=dict(failed),
        warnings=tuple(warnings),
        complete=wanted <= state.trained.keys() | left_out.keys(),
        seconds=state.seconds,
        versions=versions(),
    )


def _untouched_row(state: CompareState, base: Base) -> Row:
    return Row(
        name=base.label,
        model=base.label,
        path=base.path,
        strategy=UNTOUCHED,
        trainable_parameters=0,
        total_parameters=base.parameters,
        scores=_compared_sets(state.untouched[base.label]),
        compared={},
    )


def _tuned_rows(
    request: CompareRequest, bases: Sequence[Base], state: CompareState, regions: Regions
) -> Iterator[Row]:
    """The trainings that are done, by models and candidates."""
    folder, seed = CompareFolder(request), request.settings.seed
    labels = [base.label for base in bases]
    done = [one for one in state.trained.values() if one.model in labels]
    done.sort(key=lambda one: (labels.index(one.model), NAMES.index(one.candidate)))
    for trained in done:
        untouched = state.untouched[trained.model]
        yield Row(
            name=trained.name,
            model=trained.model,
            path=folder.model(trained.name),
            strategy=trained.strategy,
            trainable_parameters=trained.trainable_parameters,
            total_parameters=trained.total_parameters,
            scores=trained.scores,
            compared={
                on: _compare(untouched[on], score, regions[on], seed)
                for on, score in trained.scores.items()
            },
            seconds=trained.seconds,
        )


def _compared_sets(scores: Mapping[str, DatasetScore]) -> dict[str, DatasetScore]:
    """Scores of the sets that models are compared on, not of the training subset."""
    return {name: score for name, score in scores.items() if name != "training"}


def _compare(
    untouched: DatasetScore, tuned: DatasetScore, regions: Sequence[Any], seed: int
) -> Comparison:
    found = paired_bootstrap(untouched.counts, tuned.counts, regions, seed=seed)
    return Comparison(untouched, tuned, found)


def _share_text(name: str, share: float) -> str:
    """Of a model that has not all of its tuning."""
    if share == 0:
        return (
            f"{name}: no part of its tuning is better beyond doubt on the validation data, so the "
            "saved model has none of it."
        )
    return (
        f"{name}: the saved model has {share:.0%} of its tuning, which is the best part on the "
        "validation data."
    )
