"""What a training leaves behind as it goes: models with their provenance, history, state."""

import json
from dataclasses import asdict

import numpy as np

from helixer_ft.formats.model_h5 import LABEL_SOURCES, ModelFile, write_model_file
from helixer_ft.network.weights import LayerWeights
from helixer_ft.runtime.backend import determinism, versions
from helixer_ft.runtime.hardware import hardware
from helixer_ft.training.adapted_base import batchnorm_provenance
from helixer_ft.training.dataset_score import DatasetScore
from helixer_ft.training.history import Check
from helixer_ft.training.loop import Position
from helixer_ft.training.prepared import PreparedRun
from helixer_ft.training.run_folder import RunFolder
from helixer_ft.training.run_state import Best, LayerArrays, RunState, Training

WITHOUT_COVERAGE = "without_coverage"
"""Name of the training of a head without coverage, to compare with."""


class Record:
    """Keeps the checks of a training, and writes its models and history as they come.

    Parameters
    ----------
    prepared
        The run, with the plan that is trained.
    name
        Name of the training in the run's state: "tuned", "with_coverage" or `WITHOUT_COVERAGE`.
    state
        State of the run; where it has the training already, the files are put back to it.
    """

    def __init__(
        self,
        prepared: PreparedRun,
        name: str,
        state: RunState,
    ) -> None:
        self.prepared = prepared
        self.state = state
        self.folder = RunFolder(prepared.request.save_model_path)
        self.is_result = name != WITHOUT_COVERAGE
        self.path = prepared.request.save_model_path
        if not self.is_result:
            self.path = self.folder.without_coverage_path
        if name not in state.trainings:
            state.trainings[name] = Training(
                name, state.provenance | provenance_of_training(prepared)
            )
        self.training = state.trainings[name]
        self.writes = prepared.processes.is_first
        if self.training.checks and self.writes:
            self._put_back()

    @property
    def checks(self) -> list[Check]:
        """All so far, the untouched model's first."""
        return [baseline_check(self.state.baseline).summed(), *self.training.checks]

    @property
    def best(self) -> tuple[Check, LayerWeights]:
        """The check whose model is saved, and its weights; there is one after any check."""
        best = self.training.best
        assert best is not None, "no check was made"
        unchanged = self.prepared.plan.model.weights
        return best.check, unchanged | {one.layer: one.arrays for one in best.weights}

    @property
    def share(self) -> float:
        """How much of the tuning the kept model has (`Best.share`)."""
        return self.training.best.share if self.training.best else 1.0

    def add(self, check: Check, weights: LayerWeights) -> None:
        """Take in a check: save its model where it is the best or all are kept."""
        request, training = self.prepared.request, self.training
        training.checks.append(check.summed())
        first = training.best is None and self.prepared.resumed is None
        if check.improved:
            training.best = Best(check, self._changed(weights))
        if not self.writes:
            return
        model = self._model_file(check, weights)
        if check.improved:
            write_model_file(
                self.path, model, force=request.force or not (first and self.is_result)
            )
        if self.prepared.settings.save_every_check and self.is_result:
            write_model_file(self.folder.check_model_path(check), model, force=True)
        self._write_history()

    def keep(self, check: Check, weights: LayerWeights, share: float) -> None:
        """Keep a model instead of that of the best check, after training ended; see `Best`."""
        self.training.best = Best(check, self._changed(weights), share)
        if self.writes:
            write_model_file(self.path, self._model_file(*self.best), force=True)

    def save(self, position: Position) -> None:
        """Write the state of the run at this position."""
        self.training.position = position
        self.state.save()

    def _changed(self, weights: LayerWeights) -> list[LayerArrays]:
        """See `Best.weights`."""
        before = self.prepared.plan.model.weights
        return [
            LayerArrays(layer, arrays)
            for layer, arrays in weights.items()
            if not all(map(np.array_equal, arrays, before[layer]))
        ]

    def _put_back(self) -> None:
        """Make the files what they were when the state was written: an interrupted process may have
        gone beyond.
        """
        write_model_file(self.path, self._model_file(*self.best), force=True)
        if self.is_result:
            self.folder.remove_checks_after(len(self.training.checks))
        self._write_history()

    def _write_history(self) -> None:
        self.folder.write_history(self.checks, with_other_model=not self.is_result)

    def _model_file(self, check: Check, weights: LayerWeights) -> ModelFile:
        place = {"epoch": str(check.epoch), "batch": str(check.batch)}
        if self.share < 1:
            place["tuning_share"] = f"{self.share:g}"
        if self.share == 0:
            base, adaptation = self.prepared.base, self.prepared.adaptation
            place |= batchnorm_provenance(base, adaptation, fixed=True)
        model = self.prepared.plan.model.with_weights(weights)
        return model.to_file(self.training.provenance | place)


def baseline_check(baseline: dict[str, DatasetScore]) -> Check:
    """The untouched model as check 0."""
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


def provenance_of_run(prepared: PreparedRun) -> dict[str, str]:
    """What every written model says about itself (HDF5 attributes)."""
    request, base = prepared.request, prepared.base
    settings = asdict(prepared.settings)
    if prepared.caches_features:
        settings["cache_precision"] = request.cache.precision
    record = {
        "version": versions()["helixer_ft"],
        "base_model": str(request.load_model_path),
        "base_model_sha256": base.file.sha256,
        "settings": json.dumps(settings),
        "versions": json.dumps(versions()),
        "hardware": json.dumps(hardware().to_dict()),
        "determinism": determinism(),
        "command_line": request.command_line,
    }
    if request.skip_device_check:
        record["device_check"] = "skipped"
    fixed = request.strategy.fixes_body
    record |= batchnorm_provenance(base, prepared.adaptation, fixed=fixed)
    if base.file.provenance:
        record["base_model_provenance"] = json.dumps(dict(base.file.provenance))
    return record


def provenance_of_training(prepared: PreparedRun) -> dict[str, str]:
    """What the models of one training say in addition."""
    data = {summary.name: summary.fingerprint for summary in prepared.summaries}
    if prepared.plan.model.coverage is not None:
        data |= {
            f"{summary.name} coverage": summary.coverage_fingerprint
            for summary in prepared.summaries
        }
    sources = {
        summary.name: [source.to_dict() for source in summary.label_sources]
        for summary in prepared.summaries
    }
    labels = {LABEL_SOURCES: json.dumps(sources)}
    predicted = any(summary.is_predicted for summary in prepared.summaries)
    return (labels if predicted else {}) | {
        "strategy": prepared.plan.strategy,
        "new_layers": ", ".join(prepared.plan.new),
        "trainable_parameters": str(prepared.plan.trainable_parameters),
        "data_fingerprints": json.dumps(data),
    }
