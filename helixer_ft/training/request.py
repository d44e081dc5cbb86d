"""What a fine-tuning run is asked to do, as a value that can be written down and repeated."""

from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

from helixer_ft.formats.input_file import real_path
from helixer_ft.network.coverage import CoverageInput
from helixer_ft.network.model import TrainedModel
from helixer_ft.network.strategies import Plan, plan_freeze, plan_whole
from helixer_ft.settings import CacheSettings, TrainingSettings


@dataclass(frozen=True)
class FineTuneRequest:
    """One run of `whole` or `freeze`.

    Attributes
    ----------
    command
        "whole" or "freeze".
    load_model_path, data_dir, test_data, save_model_path
        Files read and written; see `docs/formats.md`.
    freeze_batchnorm
        `whole`: keep the trained batch-norm statistics.
    post_coverage_hidden_layer, hidden_units, keep_head
        `freeze`: which head is trained.
    input_coverage
        `freeze`: the head takes coverage beside the body's features.
    coverage_prefix, coverage_norm
        Of the coverage; None: those of the model, else `rnaseq` and `log`.
    ablate_coverage
        Also score the tuned model with its tracks silenced.
    settings
        Of the training loop.
    cache
        What is kept of what would be computed again and again, and where.
    predict_phase
        The model must predict phase (HybridModel.py's word).
    force
        Overwrite the output.
    resume
        Go on with an interrupted run, where there is one.
    skip_device_check
        Whether it was left out to compare the device with the CPU; for the record.
    command_line
        As it was typed, for the record.
    """

    command: Literal["whole", "freeze"]
    load_model_path: Path
    data_dir: Path
    save_model_path: Path
    test_data: tuple[Path, ...] = ()
    freeze_batchnorm: bool = False
    post_coverage_hidden_layer: bool = False
    hidden_units: int | None = None
    keep_head: bool = False
    input_coverage: bool = False
    coverage_prefix: str | None = None
    coverage_norm: str | None = None
    ablate_coverage: bool = False
    settings: TrainingSettings = field(default_factory=TrainingSettings)
    cache: CacheSettings = field(default_factory=CacheSettings)
    predict_phase: bool = False
    force: bool = False
    resume: bool = False
    skip_device_check: bool = False
    command_line: str = ""

    def plan(self, model: TrainedModel, coverage: CoverageInput | None = None) -> Plan:
        """The strategy applied to a model; `coverage` is what a new head takes."""
        if self.command == "whole":
            return plan_whole(model, freeze_batchnorm=self.freeze_batchnorm)
        return plan_freeze(
            model,
            hidden_layer=self.post_coverage_hidden_layer,
            hidden_units=self.hidden_units,
            keep_head=self.keep_head,
            coverage=coverage,
            seed=self.settings.seed,
        )

    def options(self) -> dict[str, Any]:
        """Options that shape the result, named as on the command line; unset ones are left out."""
        own: dict[str, Any] = {
            "load_model_path": str(real_path(self.load_model_path)),
            "data_dir": str(real_path(self.data_dir)),
            "test_data": [str(real_path(path)) for path in self.test_data],
            "save_model_path": str(real_path(self.save_model_path)),
        }
        if self.cache.folder is not None:
            own["cache_dir"] = str(real_path(self.cache.folder))
        own["keep_cache"] = self.cache.keep
        own["skip_device_check"] = self.skip_device_check
        if self.command == "whole":
            own |= {"freeze_batchnorm": self.freeze_batchnorm}
        else:
            own |= {
                "post_coverage_hidden_layer": self.post_coverage_hidden_layer,
                "hidden_units": self.hidden_units,
                "keep_head": self.keep_head,
                "input_coverage": self.input_coverage,
                "coverage_prefix": self.coverage_prefix,
                "coverage_norm": self.coverage_norm,
                "ablate_coverage": self.ablate_coverage,
                "cache_features": self.cache.features,
                "cache_precision": self.cache.precision,
            }
        for setting in fields(self.settings):
            value = getattr(self.settings, setting.name)
            if setting.name.endswith("_weights"):
                value = "none" if value is None else list(value)
            own[setting.name] = value
        return {name: value for name, value in own.items() if value is not None}
