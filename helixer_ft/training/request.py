"""What a fine-tuning run is asked to do, as a value that can be written down and repeated."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from helixer_ft.adaptation.mix import AUTO_MIX, Mix, check_mix
from helixer_ft.errors import InputError
from helixer_ft.formats.input_file import real_path
from helixer_ft.network.coverage import CoverageInput
from helixer_ft.network.model import TrainedModel
from helixer_ft.network.strategies import Plan, Strategy
from helixer_ft.settings import CacheSettings, TrainingOptions, TrainingSettings


@dataclass(frozen=True)
class FineTuneRequest:
    """One run that tunes a model.

    Attributes
    ----------
    strategy
        What trains, with its options: `Whole()`, `Freeze()`.
    load_model_path, data_dir, test_data, save_model_path
        Files read and written; see `docs/formats.md`.
    settings
        Settings of the training loop; those that are "auto" are chosen when the data are known.
    cache
        What is kept of what would be computed again and again, and where.
    batchnorm_from, batchnorm_mix
        Genome or data whose batch-norm statistics the training starts from (None: the model's),
        and their share, 0 to 1; "auto": the best on the validation data.
    predict_phase
        The model must predict phase (HybridModel.py's option name).
    mix_label_sources
        Training and validation data may have labels of an annotation and labels that are
        predictions.
    force
        Overwrite the output.
    resume
        Resume an interrupted run, where there is one.
    skip_device_check
        Whether it was left out to compare the device with the CPU; for the record.
    compare_coverage
        Where a new head takes coverage, train one without it too, to compare with.
    command_line
        As it was typed, for the record.
    """

    strategy: Strategy
    load_model_path: Path
    data_dir: Path
    save_model_path: Path
    test_data: tuple[Path, ...] = ()
    settings: TrainingOptions = field(default_factory=TrainingOptions)
    cache: CacheSettings = field(default_factory=CacheSettings)
    batchnorm_from: Path | None = None
    batchnorm_mix: Mix = AUTO_MIX
    predict_phase: bool = False
    mix_label_sources: bool = False
    force: bool = False
    resume: bool = False
    skip_device_check: bool = False
    compare_coverage: bool = True
    command_line: str = ""

    def __post_init__(self) -> None:
        check_mix(self.batchnorm_mix)
        if self.batchnorm_from is None and self.batchnorm_mix != AUTO_MIX:
            raise InputError(
                "--batchnorm-mix requires --batchnorm-from, a genome or data. Give it, or leave "
                "--batchnorm-mix out."
            )

    @property
    def chosen_settings(self) -> TrainingSettings:
        """The settings of a run that is prepared, in which nothing is left to be chosen."""
        assert isinstance(self.settings, TrainingSettings), "chosen when the data were opened"
        return self.settings

    def plan(self, model: TrainedModel, coverage: CoverageInput | None = None) -> Plan:
        """The strategy applied to a model; `coverage` is what a new head takes."""
        return self.strategy.plan(model, coverage=coverage, seed=self.settings.seed)

    def options(self) -> dict[str, Any]:
        """Options that shape the result, named as on the command line; unset ones are left out."""
        options: dict[str, Any] = {
            "load_model_path": str(real_path(self.load_model_path)),
            "data_dir": str(real_path(self.data_dir)),
            "test_data": [str(real_path(path)) for path in self.test_data],
            "save_model_path": str(real_path(self.save_model_path)),
        }
        if self.cache.folder is not None:
            options["cache_dir"] = str(real_path(self.cache.folder))
        options["keep_cache"] = self.cache.keep
        options["skip_device_check"] = self.skip_device_check
        if self.mix_label_sources:
            options["mix_label_sources"] = True
        if self.batchnorm_from is not None:
            options["batchnorm_from"] = str(real_path(self.batchnorm_from))
            options["batchnorm_mix"] = self.batchnorm_mix
        options |= self.strategy.options()
        if self.strategy.fixes_body:
            options["cache_features"] = self.cache.features
            options["cache_precision"] = self.cache.precision
        for name, value in vars(self.settings).items():
            if name.endswith("_weights"):
                value = "none" if value is None else list(value)
            options[name] = value
        return {name: value for name, value in options.items() if value is not None}
