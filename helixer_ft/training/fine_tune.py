"""One fine-tuning run from files to verdict."""

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from helixer_ft.backend import versions
from helixer_ft.errors import InputError
from helixer_ft.formats import atomic
from helixer_ft.formats.model_h5 import write_model_file
from helixer_ft.metrics import Interval, paired_bootstrap
from helixer_ft.network.model import TrainedModel, load_model
from helixer_ft.network.strategies import Plan
from helixer_ft.network.weights import LayerWeights
from helixer_ft.progress import Progress
from helixer_ft.training.data_checks import SetSummary, find_files, summarise, warnings
from helixer_ft.training.dataset import Dataset, check_lengths, open_dataset
from helixer_ft.training.engine import Engine, engine_class
from helixer_ft.training.history import Check, TrainingProgress, overfitting_began
from helixer_ft.training.loop import TrainingData, fixed_subset, train
from helixer_ft.training.request import FineTuneRequest
from helixer_ft.training.run_folder import RunFolder
from helixer_ft.training.scoring import DatasetScore, score_dataset

MAX_SUBSET = 128
"""Most training subsequences that are scored at each check."""


@dataclass(frozen=True)
class PreparedRun:
    """A run of which everything is checked and nothing is started.

    Attributes
    ----------
    request, base, plan
        What was asked, the untouched model, the strategy applied to it.
    data, test
        The sets; test is None without test data.
    summaries
        Content of training, validation and test data.
    notices, warnings
        What the user should know.
    """

    request: FineTuneRequest
    base: TrainedModel
    plan: Plan
    data: TrainingData
    test: Dataset | None
    summaries: tuple[SetSummary, ...]
    notices: tuple[str, ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class Comparison:
    """Untouched and tuned model on the same data."""

    baseline: DatasetScore
    tuned: DatasetScore
    interval: Interval


@dataclass(frozen=True)
class Outcome:
    """What a run came to.

    Attributes
    ----------
    prepared
        The run.
    checks
        All of them; the first is the untouched model.
    best
        The check whose model was saved.
    validation, test
        Untouched against tuned model; test is None without test data.
    ended
        Why training ended.
    warnings
        What the result itself gives reason to say.
    seconds
        The whole run.
    """

    prepared: PreparedRun
    checks: tuple[Check, ...]
    best: Check
    validation: Comparison
    test: Comparison | None
    ended: str
    warnings: tuple[str, ...]
    seconds: float
    versions: dict[str, str] = field(default_factory=dict)

    @property
    def verdict_on(self) -> str:
        """The data the verdict is taken on: "test" where there is test data."""
        return "test" if self.test else "validation"

    @property
    def decisive(self) -> Comparison:
        """The comparison the verdict is taken from."""
        return self.test or self.validation

    @property
    def verdict(self) -> str:
        """ "better", "not better" or "cannot tell"."""
        return self.decisive.interval.verdict


def prepare_run(request: FineTuneRequest, progress: Progress) -> PreparedRun:
    """Read model and data, apply the strategy, check everything; writes nothing.

    Raises
    ------
    InputError
        Anything that would spoil the run.
    """
    _check_output(request)
    training_files = find_files(request.data_dir, "training_data")
    validation_files = find_files(request.data_dir, "validation_data")
    base = load_model(request.load_model_path)
    architecture = base.architecture
    if architecture.coverage_channels:
        raise InputError(
            f"{request.load_model_path}: takes coverage of "
            f"{architecture.coverage_channels // 2} track(s) beside the bases; fine-tuning such a "
            "model is not possible yet. Tune the model it was made from."
        )
    plan = request.plan(base)
    pool = architecture.pool_size
    phase = architecture.has_phase
    training = open_dataset(
        training_files,
        pool_size=pool,
        phase=phase,
        transitions=request.settings.transition_weights is not None,
    )
    validation = open_dataset(validation_files, pool_size=pool, phase=phase, transitions=False)
    test = None
    if request.test_data:
        test = open_dataset(
            request.test_data, pool_size=pool, phase=phase, transitions=False, all_rows=True
        )
    sets = [s for s in (training, validation, test) if s is not None]
    check_lengths([file for dataset in sets for file in dataset.files])
    names = ("training", "validation", "test")
    summaries = tuple(
        summarise(dataset, name, pool, progress) for dataset, name in zip(sets, names, strict=False)
    )
    notices = list(plan.notices)
    overhang = training.files[0].length - training.length
    if overhang:
        notices.append(
            f"the last {overhang} of {training.files[0].length} bases of each subsequence are left "
            f"out: the model pools {pool} bases (prepare data of a length divisible by {pool})"
        )
    size = min(len(training), len(validation), MAX_SUBSET)
    subset = training.subset(fixed_subset(len(training), size, request.settings.seed))
    return PreparedRun(
        request=request,
        base=base,
        plan=plan,
        data=TrainingData(training, subset, validation),
        test=test,
        summaries=summaries,
        notices=tuple(notices),
        warnings=tuple(warnings(summaries)),
    )


def _check_output(request: FineTuneRequest) -> None:
    path = request.save_model_path
    atomic.check_writable(path, force=request.force)
    if path.suffix != ".h5":
        raise InputError(
            f"{path}: does not end in .h5, expected a name that does: Helixer takes no other model "
            "file."
        )
    if path.resolve() == request.load_model_path.resolve():
        raise InputError(
            f"{path}: is the model to load, which is never overwritten. "
            "Give another --save-model-path."
        )
    RunFolder(path).check_free(request.force)


def run(prepared: PreparedRun, progress: TrainingProgress) -> Outcome:
    """Score the untouched model, train, save the best check, compare.

    Raises
    ------
    HelixerFtError
        The loss is not a number any more, the disk is full, a data file changed; the best model up
        to then stays saved.
    """
    started = time.monotonic()
    request, settings = prepared.request, prepared.request.settings
    folder = RunFolder(request.save_model_path)
    folder.create(request.command, request.options())
    make_engine = engine_class()

    baseline = _score_sets(
        make_engine(prepared.base.architecture, prepared.base.weights),
        prepared,
        progress,
        "untouched model",
    )
    checks = [_baseline_check(baseline).summed()]
    progress.check(checks[0])
    engine = make_engine(
        prepared.plan.model.architecture, prepared.plan.model.weights, prepared.plan, settings
    )
    best: dict[str, Any] = {}
    provenance = _provenance(prepared)

    def on_check(check: Check, weights: LayerWeights) -> None:
        checks.append(check.summed())
        model = prepared.plan.model.with_weights(weights).to_file(
            provenance | {"epoch": str(check.epoch), "batch": str(check.batch)}
        )
        if check.improved:
            force = request.force or "check" in best
            write_model_file(request.save_model_path, model, force=force)
            best.update(check=check, weights=weights)
        if settings.save_every_check:
            write_model_file(folder.check_model_path(check), model, force=True)
        folder.write_history(checks)

    ended = train(engine, prepared.data, settings, progress, on_check)
    chosen: Check = best["check"]
    validation = _compare(
        prepared.data.validation, baseline["validation"], chosen.validation, settings.seed
    )
    test = None
    if prepared.test is not None:
        engine.set_weights(best["weights"])
        tuned = score_dataset(
            engine,
            prepared.test,
            settings.val_test_batch_size,
            progress,
            "scoring the tuned model: test data",
        )
        test = _compare(prepared.test, baseline["test"], tuned, settings.seed)
    return Outcome(
        prepared=prepared,
        checks=tuple(checks),
        best=chosen,
        validation=validation,
        test=test,
        ended=ended,
        warnings=tuple(_outcome_warnings(checks, chosen, validation, test)),
        seconds=time.monotonic() - started,
        versions=versions(),
    )


def _score_sets(
    engine: Engine, prepared: PreparedRun, progress: Progress, which: str
) -> dict[str, DatasetScore]:
    sets = {"training": prepared.data.subset, "validation": prepared.data.validation}
    if prepared.test is not None:
        sets["test"] = prepared.test
    size = prepared.request.settings.val_test_batch_size
    return {
        name: score_dataset(engine, dataset, size, progress, f"scoring the {which}: {name} data")
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


def _compare(
    dataset: Dataset, baseline: DatasetScore, tuned: DatasetScore, seed: int
) -> Comparison:
    interval = paired_bootstrap(
        baseline.genic_counts, tuned.genic_counts, dataset.regions, seed=seed
    )
    return Comparison(baseline, tuned, interval)


def _outcome_warnings(
    checks: Sequence[Check], best: Check, validation: Comparison, test: Comparison | None
) -> list[str]:
    result = []
    if test is None:
        result.append(
            "the verdict is taken on the validation data, which also chose the checkpoint: it is "
            "optimistic. Give held-out sequences with --test-data."
        )
    decisive = test or validation
    if decisive.interval.verdict == "cannot tell":
        blocks = decisive.interval.blocks
        result.append(
            f"only {blocks} genome blocks to score on: too few to tell. Use more sequence."
            if blocks < 20
            else "the interval of the difference includes 0. Use more sequence to score on."
        )
    began = overfitting_began(checks[1:])
    if began is not None:
        result.append(
            f"overfitting began after check {began}: from there on the training data were fitted "
            "better and the validation data worse. More data, a smaller --learning-rate or "
            "earlier checks (--check-every-nth-batch) help."
        )
    truth, predicted = (best.validation.genic_matrix.sum(axis=axis) for axis in (1, 0))
    result += [
        f"the tuned model never predicts {name} in the validation data. Train longer, or look at "
        "the class's share in the training data."
        for i, name in enumerate(("intergenic", "UTR", "CDS", "intron"))
        if truth[i] and not predicted[i]
    ]
    return result


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
        "settings": json.dumps(asdict(request.settings)),
        "versions": json.dumps(versions()),
        "command_line": request.command_line,
    }
    if base.file.provenance:
        record["base_model_provenance"] = json.dumps(dict(base.file.provenance))
    return record
