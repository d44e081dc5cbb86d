"""One fine-tuning run, from the untouched model's scores to the verdict."""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from helixer_ft.backend import versions
from helixer_ft.errors import HelixerFtError
from helixer_ft.formats.model_h5 import write_model_file
from helixer_ft.network.model import TrainedModel
from helixer_ft.network.strategies import Plan
from helixer_ft.network.weights import LayerWeights
from helixer_ft.training.engine import Engine, engine_class
from helixer_ft.training.features import FeatureCaches
from helixer_ft.training.history import Check, TrainingProgress
from helixer_ft.training.loop import train
from helixer_ft.training.outcome import (
    Comparison,
    CoverageComparison,
    Outcome,
    compare,
    outcome_warnings,
)
from helixer_ft.training.prepared import PreparedRun
from helixer_ft.training.run_folder import RunFolder
from helixer_ft.training.scoring import DatasetScore, predict_windows, score_dataset
from helixer_ft.training.views import WindowView, choose_windows, view_windows


def run(prepared: PreparedRun, progress: TrainingProgress) -> Outcome:
    """Score the untouched model, train, save the best check, compare.

    Raises
    ------
    HelixerFtError
        The loss is not a number any more, the disk is full, a data file changed; the best model up
        to then stays saved.
    """
    started = time.monotonic()
    request, plan, base = prepared.request, prepared.plan, prepared.base
    folder = RunFolder(request.save_model_path)
    folder.create(request.command, request.options())
    if prepared.caches_features:
        prepared = _with_features(prepared, progress)
    engine = None
    if plan.new:
        untouched = _engine(base, None, prepared)
    else:  # the network to train still is the untouched one
        untouched = engine = _engine(plan.model, plan, prepared)
    baseline = _score_all(untouched, _for(base, prepared), progress, "the untouched model")
    del untouched
    progress.check(_baseline_check(baseline))
    without: _Tuned | None = None
    if prepared.comparison is not None:
        progress.notice("the same without coverage first, to compare with")
        other = _for(prepared.comparison.model, replace(prepared, plan=prepared.comparison))
        record = _Record(other, folder.without_coverage_path, folder.write_other_history, baseline)
        without = _tune(other, record, progress, ", without coverage")
        progress.notice("now with coverage")
    tuning = _for(plan.model, prepared)
    record = _Record(tuning, request.save_model_path, folder.write_history, baseline)
    tuned = _tune(tuning, record, progress, "", engine)
    compared = {
        name: compare(tuning.scored[name], baseline[name], score, request.settings.seed)
        for name, score in tuned.scores.items()
    }
    validation, test = compared["validation"], compared.get("test")
    coverage = None
    if request.input_coverage:
        coverage = _compare_coverage(tuning, tuned, without, progress)
    return Outcome(
        prepared=prepared,
        checks=tuple(record.checks),
        best=record.best[0],
        validation=validation,
        test=test,
        coverage=coverage,
        ended=tuned.ended,
        warnings=(
            *outcome_warnings(record.checks, record.best[0], validation, test),
            *(coverage.warnings if coverage else ()),
        ),
        seconds=time.monotonic() - started,
        versions=versions(),
        views=_views(tuning, tuned.engine, test or validation, progress),
    )


@dataclass(frozen=True)
class _Tuned:
    """A network after its training: scores of its best check per set, the number of its checks,
    and why training ended.
    """

    engine: Engine
    scores: dict[str, DatasetScore]
    checks: int
    ended: str


def _tune(
    prepared: PreparedRun,
    record: "_Record",
    progress: TrainingProgress,
    remark: str,
    engine: Engine | None = None,
) -> _Tuned:
    """Train the plan of a run, keep its best check, score that on the test data.

    Parameters
    ----------
    prepared
        The run.
    record
        Takes in the checks.
    progress
        Told of them.
    remark
        Of the model, for the names of tasks.
    engine
        The network to train, where it is at hand.
    """
    settings, plan = prepared.request.settings, prepared.plan
    engine = engine or _engine(plan.model, plan, prepared)
    ended = train(engine, prepared.data, settings, progress, record.add)
    best, weights = record.best
    engine.set_weights(weights)
    scores = {"validation": best.validation}
    if prepared.test is not None:
        size, task = settings.val_test_batch_size, f"scoring the tuned model{remark}: test data"
        scores["test"] = score_dataset(engine, prepared.test, size, progress, task)
    return _Tuned(engine, scores, len(record.checks) - 1, ended)


def _compare_coverage(
    prepared: PreparedRun,
    tuned: _Tuned,
    without: _Tuned | None,
    progress: TrainingProgress,
) -> CoverageComparison:
    """What coverage was worth, on the data that the verdict is taken on."""
    request, coverage = prepared.request, prepared.plan.model.coverage
    assert coverage is not None, "the plan takes coverage"
    on = "test" if prepared.test else "validation"
    dataset = prepared.scored[on]
    silenced = None
    if request.ablate_coverage:
        size, task = request.settings.val_test_batch_size, f"scoring without its tracks: {on} data"
        silenced = score_dataset(tuned.engine, dataset.silenced(), size, progress, task)
    return CoverageComparison(
        input=coverage,
        tuned=tuned.scores[on],
        without=None
        if without is None
        else compare(dataset, without.scores[on], tuned.scores[on], request.settings.seed),
        silenced=silenced,
        checks=(without.checks if without else 0, tuned.checks),
    )


def _views(
    prepared: PreparedRun, engine: Engine, compared: Comparison, progress: TrainingProgress
) -> tuple[WindowView, ...]:
    """A few windows as both models have them; `engine`, the tuned one, may be left untouched."""
    chosen = choose_windows(compared.baseline, compared.tuned)
    if not chosen:
        return ()
    base, on = prepared.base, "test" if prepared.test else "validation"
    size = prepared.request.settings.val_test_batch_size
    numbers = np.array(list(chosen.values()))
    dataset = prepared.scored[on]
    try:
        after = predict_windows(engine, dataset, numbers, size)
        if base.architecture == engine.architecture:  # nothing is compiled anew
            engine.set_weights(base.weights)
        else:
            engine = _engine(base, None, prepared)
        before = predict_windows(engine, _for(base, prepared).scored[on], numbers, size)
        return view_windows(chosen, dataset, base.architecture.pool_size, before, after)
    except (
        HelixerFtError
    ) as error:  # a data file is gone: the run's result is complete all the same
        progress.notice(f"no windows can be shown: {error}")
        return ()


def _engine(model: TrainedModel, plan: Plan | None, prepared: PreparedRun) -> Engine:
    """A network to train by a plan, or (None) to score."""
    return engine_class()(
        model.architecture,
        model.weights,
        plan,
        prepared.request.settings,
        from_features=prepared.caches_features,
    )


def _for(model: TrainedModel, prepared: PreparedRun) -> PreparedRun:
    """The run on data as a network takes them, with coverage or without."""
    return prepared if model.architecture.coverage_channels else prepared.without_coverage()


def _with_features(prepared: PreparedRun, progress: TrainingProgress) -> PreparedRun:
    """The run on the output of its frozen body."""
    assert prepared.cache_folder is not None, "a dry run trains nothing"
    request = prepared.request
    fingerprints = {summary.name: summary.fingerprint for summary in prepared.summaries}
    sets = {
        "validation": prepared.data.validation,
        "training": prepared.data.training,
        **prepared.scored,
    }
    features = FeatureCaches(
        prepared.plan.model,
        {name: (dataset, fingerprints[name]) for name, dataset in sets.items()},
        request.settings,
        request.cache,
        prepared.cache_folder,
        progress,
    )
    features.fill()
    caches = features.caches
    return prepared.on(lambda name, dataset: replace(dataset, features=caches[name]))


class _Record:
    """Keeps the checks of a training, and writes its models and history as they come.

    Parameters
    ----------
    prepared
        The run, with the plan that is trained.
    path
        Of the best check's model.
    write_history
        Writes the checks so far.
    baseline
        Scores of the untouched model.
    """

    def __init__(
        self,
        prepared: PreparedRun,
        path: Path,
        write_history: Callable[[Sequence[Check]], None],
        baseline: dict[str, DatasetScore],
    ) -> None:
        self.prepared = prepared
        self.path = path
        self.write_history = write_history
        self.checks = [_baseline_check(baseline).summed()]
        self.folder = RunFolder(prepared.request.save_model_path)
        self.provenance = _provenance(prepared)
        self._best: tuple[Check, LayerWeights] | None = None

    @property
    def best(self) -> tuple[Check, LayerWeights]:
        """The check whose model is saved, and its weights; there is one after any check."""
        assert self._best is not None, "no check was made"
        return self._best

    def add(self, check: Check, weights: LayerWeights) -> None:
        """Take in a check: save its model where it is the best or all are kept."""
        request = self.prepared.request
        self.checks.append(check.summed())
        model = self.prepared.plan.model.with_weights(weights).to_file(
            self.provenance | {"epoch": str(check.epoch), "batch": str(check.batch)}
        )
        is_result = self.path == request.save_model_path
        if check.improved:
            force = request.force or self._best is not None or not is_result
            write_model_file(self.path, model, force=force)
            self._best = check, weights
        if request.settings.save_every_check and is_result:
            write_model_file(self.folder.check_model_path(check), model, force=True)
        self.write_history(self.checks)


def _score_all(
    engine: Engine, prepared: PreparedRun, progress: TrainingProgress, which: str
) -> dict[str, DatasetScore]:
    """Scores of the training subset and of the sets that are compared on."""
    size = prepared.request.settings.val_test_batch_size
    sets = {"training": prepared.data.subset, **prepared.scored}
    return {
        name: score_dataset(engine, dataset, size, progress, f"scoring {which}: {name} data")
        for name, dataset in sets.items()
    }


def _baseline_check(baseline: dict[str, DatasetScore]) -> Check:
    return Check(
        number=0,
        epoch=0,
        batch=0,
        training_loss=None,
        subset=baseline["training"],
        validation=baseline["validation"],
        improved=False,
        failed_in_a_row=0,
        seconds=0.0,
    )


def _settings(prepared: PreparedRun) -> dict[str, Any]:
    """Settings that the result follows from."""
    settings = asdict(prepared.request.settings)
    if prepared.caches_features:
        settings["cache_precision"] = prepared.request.cache.precision
    return settings


def _provenance(prepared: PreparedRun) -> dict[str, str]:
    """What the written model says about itself (HDF5 attributes)."""
    request, base = prepared.request, prepared.base
    data = {summary.name: summary.fingerprint for summary in prepared.summaries}
    if prepared.plan.model.coverage is not None:
        data |= {
            f"{summary.name} coverage": summary.coverage_fingerprint
            for summary in prepared.summaries
        }
    record = {
        "version": versions()["helixer_ft"],
        "base_model": str(request.load_model_path),
        "base_model_sha256": base.file.sha256,
        "strategy": str(prepared.plan.strategy),
        "new_layers": ", ".join(prepared.plan.new),
        "trainable_parameters": str(prepared.plan.trainable_parameters),
        "data_fingerprints": json.dumps(data),
        "settings": json.dumps(_settings(prepared)),
        "versions": json.dumps(versions()),
        "command_line": request.command_line,
    }
    if base.file.provenance:
        record["base_model_provenance"] = json.dumps(dict(base.file.provenance))
    return record
