"""One fine-tuning run, from the untouched model's scores to the verdict."""

import json
import time
from dataclasses import asdict, replace
from typing import Any

from helixer_ft.backend import versions
from helixer_ft.formats.model_h5 import write_model_file
from helixer_ft.network.weights import LayerWeights
from helixer_ft.training.engine import Engine, engine_class
from helixer_ft.training.features import FeatureCaches
from helixer_ft.training.history import Check, TrainingProgress
from helixer_ft.training.loop import TrainingData, train
from helixer_ft.training.outcome import Outcome, compare, outcome_warnings
from helixer_ft.training.prepared import PreparedRun
from helixer_ft.training.run_folder import RunFolder
from helixer_ft.training.scoring import DatasetScore, score_dataset


def run(prepared: PreparedRun, progress: TrainingProgress) -> Outcome:
    """Score the untouched model, train, save the best check, compare.

    Raises
    ------
    HelixerFtError
        The loss is not a number any more, the disk is full, a data file changed; the best model up
        to then stays saved.
    """
    started = time.monotonic()
    settings, plan = prepared.request.settings, prepared.plan
    RunFolder(prepared.request.save_model_path).create(
        prepared.request.command, prepared.request.options()
    )
    cached = prepared.caches_features
    if cached:
        prepared = _with_features(prepared, progress)
    engine = engine_class()(
        plan.model.architecture, plan.model.weights, plan, settings, from_features=cached
    )
    # without a new head, the network to train still is the untouched one
    base = prepared.base
    untouched = engine
    if plan.new:
        untouched = engine_class()(
            base.architecture, base.weights, settings=settings, from_features=cached
        )
    baseline = _score_untouched(untouched, prepared, progress)
    del untouched
    record = _Record(prepared, _baseline_check(baseline))
    progress.check(record.checks[0])
    ended = train(engine, prepared.data, settings, progress, record.add)
    best, weights = record.best
    validation = compare(
        prepared.data.validation, baseline["validation"], best.validation, settings.seed
    )
    test = None
    if prepared.test is not None:
        engine.set_weights(weights)
        tuned = score_dataset(
            engine,
            prepared.test,
            settings.val_test_batch_size,
            progress,
            "scoring the tuned model: test data",
        )
        test = compare(prepared.test, baseline["test"], tuned, settings.seed)
    return Outcome(
        prepared=prepared,
        checks=tuple(record.checks),
        best=best,
        validation=validation,
        test=test,
        ended=ended,
        warnings=tuple(outcome_warnings(record.checks, best, validation, test)),
        seconds=time.monotonic() - started,
        versions=versions(),
    )


def _with_features(prepared: PreparedRun, progress: TrainingProgress) -> PreparedRun:
    """The run on the output of its frozen body."""
    assert prepared.cache_folder is not None, "a dry run trains nothing"
    request, data = prepared.request, prepared.data
    fingerprints = {summary.name: summary.fingerprint for summary in prepared.summaries}
    sets = {"validation": data.validation, "training": data.training}
    if prepared.test is not None:
        sets["test"] = prepared.test
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
    return replace(
        prepared,
        data=TrainingData(
            training=replace(data.training, features=caches["training"]),
            subset=replace(data.subset, features=caches["training"]),
            validation=replace(data.validation, features=caches["validation"]),
        ),
        test=prepared.test and replace(prepared.test, features=caches["test"]),
    )


class _Record:
    """Keeps the checks of a run, and writes its models and history as they come."""

    def __init__(self, prepared: PreparedRun, untouched: Check) -> None:
        self.prepared = prepared
        self.checks = [untouched.summed()]
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
        if check.improved:
            force = request.force or self._best is not None
            write_model_file(request.save_model_path, model, force=force)
            self._best = check, weights
        if request.settings.save_every_check:
            write_model_file(self.folder.check_model_path(check), model, force=True)
        self.folder.write_history(self.checks)


def _score_untouched(
    engine: Engine, prepared: PreparedRun, progress: TrainingProgress
) -> dict[str, DatasetScore]:
    sets = {"training": prepared.data.subset, "validation": prepared.data.validation}
    if prepared.test is not None:
        sets["test"] = prepared.test
    size = prepared.request.settings.val_test_batch_size
    return {
        name: score_dataset(
            engine, dataset, size, progress, f"scoring the untouched model: {name} data"
        )
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
