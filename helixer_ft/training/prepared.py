"""A run that is read and checked, but not started."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

from helixer_ft.adaptation.adapted import Adaptation
from helixer_ft.adaptation.windows import source_files
from helixer_ft.dataset.cache_folder import CacheFolder
from helixer_ft.dataset.dataset import Dataset
from helixer_ft.errors import InputError
from helixer_ft.formats import atomic
from helixer_ft.formats.data_folder import check_files_of, files_of, refuse_data_name
from helixer_ft.formats.input_file import refuse_overwriting
from helixer_ft.formats.model_h5 import BATCHNORM
from helixer_ft.formats.origin import digest
from helixer_ft.network.model import TrainedModel
from helixer_ft.network.strategies import Plan
from helixer_ft.progress import Progress
from helixer_ft.recipes import choice_notices
from helixer_ft.runtime.processes import Processes
from helixer_ft.settings import TrainingOptions, TrainingSettings, option
from helixer_ft.training.adapted_base import adapted_base, batchnorm_notices
from helixer_ft.training.data_checks import (
    SetSummary,
    label_notices,
    warnings,
)
from helixer_ft.training.dataset_score import DatasetScore
from helixer_ft.training.history import TrainingProgress
from helixer_ft.training.loop import TrainingData, fixed_subset
from helixer_ft.training.planned import plan_run
from helixer_ft.training.request import FineTuneRequest
from helixer_ft.training.run_folder import RunFolder
from helixer_ft.training.run_state import (
    RunState,
    data_origin,
    read_run_state,
    require_same,
    settings_origin,
)
from helixer_ft.training.workbench import Workbench

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
    adaptation
        The batch-norm statistics of a genome that the plan starts from; None: those of the base.
    comparison
        The plan of the same head without coverage, trained for comparison; else None.
    resumed
        The interrupted run to resume; None: start.
    processes
        Those that work on the run.
    cache_folder
        Where caches go on disk; None for a dry run, which writes nothing.
    workbench
        What runs before it have left, and runs after it will use.
    notices, warnings
        What the user should know.
    """

    request: FineTuneRequest
    base: TrainedModel
    plan: Plan
    data: TrainingData
    test: Dataset | None
    summaries: tuple[SetSummary, ...]
    adaptation: Adaptation | None
    comparison: Plan | None
    resumed: RunState | None
    processes: Processes
    cache_folder: CacheFolder | None
    workbench: Workbench
    notices: tuple[str, ...]
    warnings: tuple[str, ...]

    @property
    def settings(self) -> TrainingSettings:
        """Those of the training, in which nothing is left to be chosen."""
        return self.request.chosen_settings

    @property
    def keeps_last(self) -> bool:
        """Whether the last weights are kept: there are no trusted labels to choose a check by."""
        return any(one.is_predicted for one in self.summaries if one.name == "validation")

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

    @property
    def untouched_scores(self) -> dict[str, DatasetScore]:
        """Scores of the untouched model that the workbench has, by set; new ones go there too."""
        takes_coverage = self.base.architecture.coverage_channels > 0
        data = tuple(
            (one.name, one.fingerprint, one.coverage_fingerprint if takes_coverage else "")
            for one in self.summaries
        )
        settings, cache = self.settings, self.request.cache
        from_features = self.caches_features and self.adaptation is None
        rounded = cache.precision if from_features else type(cache).precision
        return self.workbench.untouched(
            (self.base.file.sha256, data, settings.seed, settings.precision, rounded)
        )

    def to_dict(self) -> dict[str, Any]:
        """What trains on what, as `--json` prints it."""
        return {
            "strategy": self.plan.strategy,
            "trainable_parameters": self.plan.trainable_parameters,
            "total_parameters": self.plan.total_parameters,
            "new_layers": list(self.plan.new),
            "batchnorm": self.adaptation and self.adaptation.to_dict(),
            "notices": list(self.notices),
            "warnings": list(self.warnings),
            "data": {
                summary.name: {
                    "subsequences": summary.windows,
                    "label_sources": [source.brief() for source in summary.label_sources],
                }
                | summary.class_shares()
                for summary in self.summaries
            },
        }

    def without_coverage(self) -> "PreparedRun":
        """The same data for a network that takes no coverage."""
        return self.on(lambda _, dataset: dataset.without_coverage())

    def for_untouched_body(self) -> "PreparedRun":
        """The run without the kept output of its body, where that is not the base's."""
        if self.adaptation is None:
            return self
        cache = replace(self.request.cache, features=False)
        plain = replace(self, request=replace(self.request, cache=cache))
        return plain.on(lambda _, dataset: replace(dataset, features=None))

    def with_features(self, progress: TrainingProgress) -> "PreparedRun":
        """The run on the output of its frozen body, which is evaluated where it was not before."""
        if not self.caches_features:
            self.workbench.forget_features()
            return self
        assert self.cache_folder is not None, "a dry run trains nothing"
        fingerprints = {summary.name: summary.fingerprint for summary in self.summaries}
        sets = {
            "validation": self.data.validation,
            "training": self.data.training,
            **self.scored,
        }
        caches = self.workbench.features(
            self.plan.model,
            {name: (dataset, fingerprints[name]) for name, dataset in sets.items()},
            self.settings,
            self.request.cache,
            self.cache_folder,
            progress,
            self.processes,
        )
        return self.on(lambda name, dataset: replace(dataset, features=caches[name]))

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
    workbench: Workbench | None = None,
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
    workbench
        That of several runs; None: the run shares nothing.

    Raises
    ------
    InputError
        Anything that would spoil the run.
    """
    processes, workbench = processes or Processes(), workbench or Workbench()
    run_folder = RunFolder(request.save_model_path)
    _check_output(request, run_folder)
    planned, asked = plan_run(request, progress), request.settings
    base, architecture = planned.base, planned.base.architecture
    resumed = _interrupted_run(request, base, run_folder, progress)
    request, settings = planned.request, planned.request.chosen_settings
    folder = None if dry else CacheFolder(request.cache, run_folder.path, progress, processes)
    sets, summaries = workbench.read(planned.sets, architecture.pool_size, folder, progress)
    if resumed is not None:
        _require_same_data(resumed, summaries, asked, settings)
    before = None if resumed is None else resumed.provenance
    validation = next(one for one in summaries if one.name == "validation")
    asked_for = request.batchnorm_from, request.batchnorm_mix, (before or {}).get(BATCHNORM)
    adaptation = workbench.adapted(
        (base.file.sha256, *asked_for, validation.fingerprint, settings.precision),
        lambda: adapted_base(request, base, sets["validation"], before, processes, progress),
    )
    if adaptation is not None:
        planned = planned.on(adaptation.model)
    plan = planned.plan
    prepared = PreparedRun(
        request=request,
        base=base,
        plan=plan,
        data=_training_data(sets["training"], sets["validation"], settings.seed),
        test=sets.get("test"),
        summaries=summaries,
        adaptation=adaptation,
        comparison=planned.comparison,
        resumed=resumed,
        processes=processes,
        cache_folder=folder,
        workbench=workbench,
        notices=(
            *plan.notices,
            *label_notices(summaries, may_be_mixed=request.mix_label_sources),
            *choice_notices(asked, settings, len(sets["training"])),
            *batchnorm_notices(request, base, adaptation),
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
    refuse_data_name(path, request.data_dir)
    measured = [] if request.batchnorm_from is None else source_files(request.batchnorm_from)
    data = [*files_of(request.data_dir), *check_files_of(request.data_dir)]
    read = (*(request.load_model_path, *request.test_data), *data, *measured)
    cleared = RunFolder(path).cleared
    refuse_overwriting(read, [path], "--save-model-path", cleared)
    refuse_overwriting([request.cache.folder], [], "--cache-dir", cleared)


def _check_output(request: FineTuneRequest, folder: RunFolder) -> None:
    """Refuse to overwrite an earlier run."""
    check_save_path(request)
    folder.check_free(force=request.force, resume=request.resume)
    atomic.check_writable(request.save_model_path, force=request.force or folder.is_interrupted)
