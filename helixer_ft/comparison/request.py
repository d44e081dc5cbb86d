"""What a comparison of strategies is asked to do; its defaults."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from helixer_ft.adaptation.mix import AUTO_MIX, Mix, check_mix
from helixer_ft.comparison.candidates import ADAPTED, Candidate, candidates_named
from helixer_ft.errors import InputError
from helixer_ft.formats.input_file import real_path
from helixer_ft.settings import CacheSettings, TrainingOptions


@dataclass(frozen=True)
class CompareRequest:
    """One comparison.

    Attributes
    ----------
    load_model_paths
        The trained models.
    data_dir, test_data
        As for a single run.
    out_dir
        Folder for everything that is written.
    strategies
        Names of candidates; none: all that models and data allow.
    train_all_models
        Train every model, not only the one that is best untouched.
    time_limit
        Seconds after which no training begins; None: no limit.
    coverage_prefix, coverage_norm
        Of the coverage that heads take; None: `rnaseq` and `log`.
    batchnorm_from, batchnorm_mix
        What the batch-norm statistics of the adapted model are of, and how much of them; None: of
        the training and validation data.
    settings, cache
        Of every training.
    predict_phase, mix_label_sources, skip_device_check, command_line
        As for a single run.
    force
        Overwrite an earlier comparison.
    resume
        Resume one that was interrupted or reached its time limit.
    """

    load_model_paths: tuple[Path, ...]
    data_dir: Path
    out_dir: Path = Path("comparison")
    test_data: tuple[Path, ...] = ()
    strategies: tuple[str, ...] = ()
    train_all_models: bool = False
    time_limit: float | None = None
    coverage_prefix: str | None = None
    coverage_norm: str | None = None
    batchnorm_from: Path | None = None
    batchnorm_mix: Mix = AUTO_MIX
    settings: TrainingOptions = field(default_factory=TrainingOptions)
    cache: CacheSettings = field(default_factory=CacheSettings)
    predict_phase: bool = False
    mix_label_sources: bool = False
    force: bool = False
    resume: bool = False
    skip_device_check: bool = False
    command_line: str = ""

    def __post_init__(self) -> None:
        if not self.load_model_paths:
            raise InputError("there is no --load-model-path, expected a trained model (-l).")
        for i, path in enumerate(self.load_model_paths):
            if real_path(path) in map(real_path, self.load_model_paths[:i]):
                raise InputError(f"{path}: is given twice as --load-model-path. Give it once.")
        if self.time_limit is not None and not self.time_limit > 0:
            raise InputError(
                f"--time-limit is {self.time_limit:g} s, expected more than nothing: 90m, 8h, 1d."
            )
        check_mix(self.batchnorm_mix)
        chosen = candidates_named(self.strategies)
        asked = self.batchnorm_from is not None or self.batchnorm_mix != AUTO_MIX
        if asked and all(one.trains for one in chosen):
            raise InputError(
                "--batchnorm-from and --batchnorm-mix say what the adapted model is made of, which "
                f"--strategies leaves out. Add {ADAPTED} to it, or leave them out."
            )

    @property
    def batchnorm_source(self) -> Path:
        """What the statistics of the adapted model are of."""
        return self.batchnorm_from or self.data_dir

    @property
    def candidates(self) -> tuple[Candidate, ...]:
        """What is to be trained, where models and data allow it, in this order."""
        chosen = candidates_named(self.strategies)
        return tuple(one.with_coverage(self.coverage_prefix, self.coverage_norm) for one in chosen)

    @property
    def labels(self) -> tuple[str, ...]:
        """What the models are called: the names of their files, numbered where two are alike."""
        stems = tuple(path.stem for path in self.load_model_paths)
        if len(set(stems)) == len(stems):
            return stems
        return tuple(f"{number}-{stem}" for number, stem in enumerate(stems, start=1))

    def result_name(self, label: str, candidate: str) -> str:
        """What a tuned model is called, in tables and as a file."""
        return f"{label}.{candidate}" if self.train_all_models else candidate

    def origin(self) -> dict[str, Any]:
        """Options that all results follow from, named as on the command line."""
        free = {"val_test_batch_size", "checkpoint_minutes"}
        options = {name: value for name, value in vars(self.settings).items() if name not in free}
        options |= {
            "train_all_models": self.train_all_models,
            "batchnorm_from": None if self.batchnorm_from is None else str(self.batchnorm_from),
            "batchnorm_mix": self.batchnorm_mix,
            "coverage_prefix": self.coverage_prefix,
            "coverage_norm": self.coverage_norm,
            "cache_precision": self.cache.precision,
        }
        return {
            "--" + name.replace("_", "-"): list(value) if isinstance(value, tuple) else value
            for name, value in options.items()
        }
