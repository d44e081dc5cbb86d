"""A run that is read and checked, but not started."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from helixer_ft.dataset.cache_folder import CacheFolder
from helixer_ft.dataset.coverage import CoverageWanted
from helixer_ft.dataset.dataset import Dataset, check_lengths, keep_rows, open_dataset
from helixer_ft.errors import InputError
from helixer_ft.formats import atomic
from helixer_ft.formats.input_file import real_path, refuse_overwriting
from helixer_ft.formats.origin import digest
from helixer_ft.network.architecture import Architecture
from helixer_ft.network.coverage import CoverageInput
from helixer_ft.network.model import TrainedModel, load_model
from helixer_ft.network.strategies import Plan
from helixer_ft.progress import Progress
from helixer_ft.recipes import choice_notices, choose
from helixer_ft.runtime.processes import Processes
from helixer_ft.settings import TrainingOptions, TrainingSettings, option
from helixer_ft.training.coverage import wanted_coverage
from helixer_ft.training.data_checks import (
    DATA_PREFIXES,
    SetSummary,
    find_files,
    summarise,
    warnings,
)
from helixer_ft.training.loop import TrainingData, fixed_subset
from helixer_ft.training.request import FineTuneRequest
from helixer_ft.training.run_folder import RunFolder
from helixer_ft.training.run_state import (
    RunState,
    data_origin,
    read_run_state,
    require_same,
    settings_origin,
)

MAX_SUBSET = 128
"""Most training subsequences that are scored at each check."""


@dataclass(frozen=True)
class PreparedRun:
    """A run that is checked, but not started.

    Attributes
    ----------
    request, base, plan
        What was asked, the untouched model, the strategy applied to it.
    data, test
        The sets; test is None without test data.
    summaries
        Content of training, validation and test data.
    comparison
        The plan of the same head without coverage, trained for comparison; else None.
    resumed
        The interrupted run to resume; None: start.
    processes
        Those that work on the run.
    cache_folder
        Where caches go on disk; None for a dry run, which writes nothing.
    notices, warnings
        What the user should know.
    """

    request: FineTuneRequest
    base: TrainedModel
    plan: Plan
    data: TrainingData
    test: Dataset | None
    summaries: tuple[SetSummary, ...]
    comparison: Plan | None
    resumed: RunState | None
    processes: Processes
    cache_folder: CacheFolder | None
    notices: tuple[str, ...]
    warnings: tuple[str, ...]

    @property
    def settings(self) -> TrainingSettings:
        """Those of the training, in which nothing is left to be chosen."""
        settings = self.request.settings
        assert isinstance(settings, TrainingSettings), "chosen when the data were opened"
        return settings

    @property
    def caches_features(self) -> bool:
        """Whether the head alone trains, on the body's output computed once."""
        return self.plan.body_is_frozen and self.request.cache.features

    @property
    def command_line(self) -> str:
        """The command that started the run."""
        return (
            self.resumed.provenance["command_line"] if self.resumed else self.request.command_line
        )

    @property
    def scored(self) -> dict[str, Dataset]:
        """The sets that models are compared on: validation and, where given, test."""
        return {"validation": self.data.validation} | ({"test": self.test} if self.test else {})

    def to_dict(self) -> dict[str, Any]:
        """What trains on what, as `--json` prints it."""
        return {
            "strategy": self.plan.strategy,
            "trainable_parameters": self.plan.trainable_parameters,
            "total_parameters": self.plan.total_parameters,
            "new_layers": list(self.plan.new),
            "notices": list(self.notices),
            "warnings": list(self.warnings),
            "data": {
                summary.name: {"subsequences": summary.windows} | summary.class_shares()
                for summary in self.summaries
            },
        }

    def without_coverage(self) -> "PreparedRun":
        """The same data for a network that takes no coverage."""
        return self.on(lambda _, dataset: dataset.without_coverage())

    def on(self, change: Callable[[str, Dataset], Dataset]) -> "PreparedRun":
        """The run with every set changed: its name (of the data it is from), and the set."""
        data = TrainingData(
            training=change("training", self.data.training),
            subset=change("training", self.data.subset),
            validation=change("validation", self.data.validation),
        )
        return replace(self, data=data, test=self.test and change("test", self.test))


def prepare_run(
    request: FineTuneRequest,
    progress: Progress,
    *,
    dry: bool = False,
    processes: Processes | None = None,
) -> PreparedRun:
    """Read model and data, apply the strategy, check everything.

    Parameters
    ----------
    request
        What is asked for.
    progress
        Reports what is read.
    dry
        Write nothing: the decoded data are not kept.
    processes
        Those that work on the run; all of them prepare it.

    Raises
    ------
    InputError
        Anything that would spoil the run.
    """
    processes = processes or Processes()
    run_folder = RunFolder(request.save_model_path)
    _check_output(request, run_folder)
    data_files = [find_files(request.data_dir, prefix) for prefix in DATA_PREFIXES]
    base = load_model(request.load_model_path)
    resumed = _interrupted_run(request, base, run_folder, progress)
    architecture = base.architecture
    wanted = wanted_coverage(request, base)
    if request.predict_phase:
        base.require_phase(request.load_model_path)
    takes_coverage = wanted is not None and architecture.coverage_channels > 0
    if wanted is not None and takes_coverage:
        progress.notice(
            f"{request.load_model_path} takes coverage of {architecture.coverage_channels // 2} "
            f"track(s), prefix {wanted.prefix}, normalisation {wanted.normalization}: all data "
            "must have it"
        )
    sets, coverage = _open_sets(request, architecture, wanted, *data_files)
    if coverage is not None and takes_coverage:
        base = base.with_coverage(coverage, str(request.load_model_path))
    plan = request.plan(base, coverage if request.strategy.input_coverage else None)
    comparison = request.plan(base) if plan.new and plan.model.coverage else None
    windows, asked = len(sets["training"]), request.settings
    settings = choose(asked, windows, head_alone=plan.body_is_frozen)
    request = replace(request, settings=settings)
    folder = None if dry else CacheFolder(request.cache, run_folder.path, progress, processes)
    summaries = _read_sets(sets, architecture, folder, progress)
    if resumed is not None:
        _require_same_data(resumed, summaries, asked, settings)
    prepared = PreparedRun(
        request=request,
        base=base,
        plan=plan,
        data=_training_data(sets["training"], sets["validation"], settings.seed),
        test=sets.get("test"),
        summaries=summaries,
        comparison=comparison,
        resumed=resumed,
        processes=processes,
        cache_folder=folder,
        notices=(
            *plan.notices,
            *choice_notices(asked, settings, windows),
            *sets["training"].overhang_notices(architecture.pool_size),
        ),
        warnings=(*_annotation_warnings(sets.values()), *warnings(summaries)),
    )
    processes.require_same(_alike(prepared, sets.values(), dry=dry))
    return prepared


def _alike(prepared: PreparedRun, sets: Iterable[Dataset], *, dry: bool) -> dict[str, Any]:
    """What must be the same in all processes of a run."""
    request, resumed = prepared.request, prepared.resumed
    weights = prepared.plan.model.weights.values()
    return (
        settings_origin(request, prepared.base.file.sha256)
        | data_origin(prepared.summaries)
        | {
            "--val-test-batch-size": request.settings.val_test_batch_size,
            "--save-model-path": str(request.save_model_path.resolve()),
            "--dry-run": dry,
            "interrupted run": resumed.place if resumed else "",
            "weights": digest(array for layer in weights for array in layer),
            "codes of bases": [one.source.table.vectors.tolist() for one in sets],
        }
    )


def _annotation_warnings(sets: Iterable[Dataset]) -> list[str]:
    """What `prepare` wrote into the data files about their annotations, each once."""
    texts = [file.annotation_warning for one in sets for file in one.source.files]
    return [text for text in dict.fromkeys(texts) if text]


def _training_data(training: Dataset, validation: Dataset, seed: int) -> TrainingData:
    size = min(len(training), len(validation), MAX_SUBSET)
    subset = training.subset(fixed_subset(len(training), size, seed))
    return TrainingData(training, subset, validation)


def _read_sets(
    sets: dict[str, Dataset],
    architecture: Architecture,
    folder: CacheFolder | None,
    progress: Progress,
) -> tuple[SetSummary, ...]:
    """Read all rows once, keep them in `folder` (None: nowhere), and say what they hold."""
    caches = [rows for one in sets.values() for rows in (one.decoded, one.coverage) if rows]
    try:
        if folder is not None:
            keep_rows(list(sets.values()), folder, progress)
        summaries = tuple(
            summarise(dataset, name, architecture.pool_size, progress)
            for name, dataset in sets.items()
        )
    except BaseException:
        for rows in caches:
            rows.forget()
        if folder is not None:
            folder.remove_if_empty()
        raise
    for rows in caches:
        rows.publish()
    return summaries


def _open_sets(
    request: FineTuneRequest,
    architecture: Architecture,
    coverage: CoverageWanted | None,
    training_files: list[Path],
    validation_files: list[Path],
) -> tuple[dict[str, Dataset], CoverageInput | None]:
    """Training, validation and, where asked for, test data, all of one subsequence length; and
    their coverage.
    """
    common: dict[str, Any] = {
        "pool_size": architecture.pool_size,
        "phase": architecture.has_phase,
        "coverage_prefix": coverage.prefix if coverage else None,
    }
    transitions = request.settings.transition_weights is not None
    sets = {
        "training": open_dataset(training_files, transitions=transitions, **common),
        "validation": open_dataset(validation_files, transitions=False, **common),
    }
    if request.test_data:
        sets["test"] = open_dataset(request.test_data, transitions=False, all_rows=True, **common)
    files = [file for dataset in sets.values() for file in dataset.source.files]
    check_lengths(files)
    if coverage is None:
        return sets, None
    found = coverage.found_in(files)
    return {name: dataset.with_coverage(found) for name, dataset in sets.items()}, found


def _interrupted_run(
    request: FineTuneRequest, base: TrainedModel, folder: RunFolder, progress: Progress
) -> RunState | None:
    """The run to resume, where that is asked for and there is one."""
    if not request.resume:
        return None
    if not folder.is_interrupted:
        progress.notice(f"{folder.path}: there is no interrupted run, so a new one starts")
        return None
    state = read_run_state(folder.state_path)
    later = set(map(option, request.settings.chosen_from_data))  # when the data are the same
    names = {name for name in state.origin if not name.endswith(" data")}
    present = settings_origin(request, base.file.sha256)
    known = {name: value for name, value in present.items() if name not in later}
    require_same(state, names - later, known)
    return state


def _require_same_data(
    state: RunState,
    summaries: tuple[SetSummary, ...],
    asked: TrainingOptions,
    settings: TrainingSettings,
) -> None:
    """Refuse to resume with other data, or with numbers other than those that follow from them."""
    names = {name for name in state.origin if name.endswith(" data")}
    require_same(state, names, data_origin(summaries))
    chosen = {option(name): getattr(settings, name) for name in asked.chosen_from_data}
    require_same(state, set(), chosen)


def check_save_path(request: FineTuneRequest) -> None:
    """Refuse a path that no model could be written to, whether or not it exists.

    Raises
    ------
    InputError
        Nothing can be written there; not an `.h5`; a file that is read, or would be taken for data;
        the folder of the run holds a file that is read, or caches.
    """
    path = request.save_model_path
    atomic.check_writable(path, force=True)
    if path.suffix != ".h5":
        raise InputError(
            f"{path}: does not end in .h5, expected a name that does: Helixer takes no other model "
            "file."
        )
    data = [file for prefix in DATA_PREFIXES for file in request.data_dir.glob(f"{prefix}*h5")]
    if real_path(path.parent) == real_path(request.data_dir) and path.name.startswith(
        DATA_PREFIXES
    ):
        raise InputError(
            f"{path}: would be taken for data of {request.data_dir} because of its name. Give "
            "another --save-model-path."
        )
    read = (request.load_model_path, *request.test_data, *data)
    cleared = RunFolder(path).cleared
    refuse_overwriting(read, [path], "--save-model-path", cleared)
    refuse_overwriting([request.cache.folder], [], "--cache-dir", cleared)


def _check_output(request: FineTuneRequest, folder: RunFolder) -> None:
    """Refuse to overwrite an earlier run."""
    check_save_path(request)
    folder.check_free(force=request.force, resume=request.resume)
    atomic.check_writable(request.save_model_path, force=request.force or folder.is_interrupted)
