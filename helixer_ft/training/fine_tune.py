"""One fine-tuning run: a request becomes an outcome, a tuned model and the folder of its run."""

import contextlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from helixer_ft.engine import Engine, engine_class
from helixer_ft.errors import HelixerFtError, Interrupted
from helixer_ft.network.model import TrainedModel
from helixer_ft.network.strategies import Plan
from helixer_ft.runtime.backend import chosen_options, determinism, versions
from helixer_ft.runtime.processes import Processes, Together
from helixer_ft.settings import AUTO
from helixer_ft.training.check_introns import CheckedIntrons, check_introns, has_check_introns
from helixer_ft.training.coverage_worth import Tuned, compare_coverage
from helixer_ft.training.data_checks import learnt
from helixer_ft.training.device_features import keep_features_on_device
from helixer_ft.training.history import TrainingProgress
from helixer_ft.training.loop import train
from helixer_ft.training.outcome import (
    Comparison,
    Outcome,
    compare,
)
from helixer_ft.training.outcome_warnings import outcome_warnings
from helixer_ft.training.partial_tuning import best_part, weights_to_keep
from helixer_ft.training.prepared import PreparedRun, check_save_path, prepare_run
from helixer_ft.training.record import (
    WITHOUT_COVERAGE,
    Record,
    baseline_check,
    provenance_of_run,
)
from helixer_ft.training.request import FineTuneRequest
from helixer_ft.training.run_folder import RunFolder
from helixer_ft.training.run_lock import run_lock
from helixer_ft.training.run_state import RunState, data_origin, settings_origin
from helixer_ft.training.scoring import (
    DatasetScore,
    choose_windows_at_once,
    predict_windows,
    score_dataset,
)
from helixer_ft.training.views import WindowView, choose_windows, view_windows
from helixer_ft.training.workbench import Workbench


def fine_tune(
    request: FineTuneRequest,
    progress: TrainingProgress | None = None,
    *,
    report: Callable[[Outcome, Path], None] | None = None,
    on_prepared: Callable[[PreparedRun], None] = lambda _: None,
    processes: Processes | None = None,
    workbench: Workbench | None = None,
) -> Outcome:
    """Tune a model: check everything, train, compare, and write the page about it.

    Parameters
    ----------
    request
        What is asked for.
    progress
        Reports the work.
    report
        Writes the page, `helixer_ft.report.write_report`; None: none is written. Where it fails
        that is a warning, and the result is returned all the same.
    on_prepared
        Called between the checks and the training.
    processes
        Those that work on the run; None: this one alone.
    workbench
        That of several runs, which share what they read and compute; None: the run is alone.

    Raises
    ------
    InputError
        Anything that would spoil the run; another process works on it.
    Interrupted, HelixerFtError
        See `run`.
    """
    progress, processes = progress or TrainingProgress(), processes or Processes()
    check_save_path(request)
    folder = RunFolder(request.save_model_path)

    def finish(outcome: Outcome) -> None:
        if report is None or not processes.is_first:
            return
        try:
            report(outcome, folder.report_path)
        except Exception as error:  # whatever it is, hours of training must not end in it
            text = f"{folder.report_path}: the report could not be written: {error}"
            progress.warning(text)

    with run_lock(folder.path, progress) if processes.is_first else contextlib.nullcontext():
        prepared = prepare_run(request, progress, processes=processes, workbench=workbench)
        on_prepared(prepared)
        return run(prepared, progress, finish)


def run(
    prepared: PreparedRun,
    progress: TrainingProgress,
    finish: Callable[[Outcome], None] = lambda _: None,
) -> Outcome:
    """Score the untouched model, train, save the best check, compare; or resume that.

    Parameters
    ----------
    prepared
        The run.
    progress
        Reports the work.
    finish
        What to do with the outcome while the run can still be resumed: a run that is killed here
        repeats it.

    Raises
    ------
    Interrupted
        The work was asked to stop (`Progress.interrupted`); the state of the run is written.
    HelixerFtError
        The loss is no longer a number, the disk is full, a data file changed; the best model so
        far stays saved.
    """
    state = prepared.resumed or _start(prepared)
    state.writes = prepared.processes.is_first
    progress.agree = prepared.processes.stop_together
    if prepared.resumed is not None:
        progress.notice(f"resuming after {state.place}")
        state.set_determinism(determinism())
    state.start_clock()
    try:
        outcome = _run(prepared, state, progress)
    except Interrupted as error:
        raise Interrupted(_where_it_resumes(prepared, state)) from error
    finish(outcome)
    state.remove()
    return outcome


def score_untouched(prepared: PreparedRun, progress: TrainingProgress) -> dict[str, DatasetScore]:
    """Scores of the untouched model of a run by set: `training` (the subset that is scored at each
    check), `validation` and, where given, `test`. Its workbench keeps them for runs to come.

    Raises
    ------
    Interrupted, HelixerFtError
        See `run`.
    """
    progress.agree = prepared.processes.stop_together
    state = RunState(Path(), {}, {}, writes=False)
    state.start_clock()
    _score_untouched(prepared.with_features(progress), state, progress)
    return state.baseline


def _start(prepared: PreparedRun) -> RunState:
    """The state of a run at its very beginning."""
    request = prepared.request
    folder = RunFolder(request.save_model_path)
    if prepared.processes.is_first:
        folder.create(request.strategy.command, request.options() | chosen_options())
    origin = settings_origin(request, prepared.base.file.sha256)
    origin |= data_origin(prepared.summaries)
    return RunState(folder.state_path, origin, provenance_of_run(prepared))


def _where_it_resumes(prepared: PreparedRun, state: RunState) -> str:
    if not state.place:
        return "nothing was scored or trained yet, so the run will start from the beginning."
    text = f"{state.path} is written; the run will resume after {state.place}."
    if prepared.caches_features and not prepared.request.cache.keep:
        text += " It will evaluate the frozen body again (--keep-cache keeps its output)."
    return text


def _run(prepared: PreparedRun, state: RunState, progress: TrainingProgress) -> Outcome:
    request, plan = prepared.request, prepared.plan
    resumed_from = state.position if prepared.resumed else None
    prepared = prepared.with_features(progress)
    engine = _score_untouched(prepared, state, progress)
    baseline = state.baseline
    progress.check(baseline_check(baseline))
    without: Tuned | None = None
    if prepared.comparison is not None:
        progress.notice("the same without coverage first, to compare with")
        other = _for(prepared.comparison.model, replace(prepared, plan=prepared.comparison))
        record = Record(other, WITHOUT_COVERAGE, state)
        without = _tune(other, record, progress, ", without coverage")
        progress.notice("now with coverage")
    tuning = _for(plan.model, prepared)
    name = "with_coverage" if without else "tuned"
    record = Record(tuning, name, state)
    tuned = _tune(tuning, record, progress, "", engine)
    compared = {
        name: compare(tuning.scored[name], baseline[name], score, prepared.settings.seed)
        for name, score in tuned.scores.items()
    }
    validation, test = compared["validation"], compared.get("test")
    coverage = None
    if request.strategy.input_coverage:
        coverage = compare_coverage(tuning, tuned, without, progress)
    introns = None
    if not (test or validation).trusted:
        tuned_model = plan.model.with_weights(record.best[1])
        introns = _introns(prepared, tuned_model, progress)
    return Outcome(
        prepared=prepared,
        checks=tuple(record.checks),
        best=record.best[0],
        share=record.share,
        validation=validation,
        test=test,
        coverage=coverage,
        introns=introns,
        ended=tuned.ended,
        warnings=(
            *outcome_warnings(
                record.checks,
                validation,
                test,
                prepared.summaries[0].valid_fractions[0],
                share=record.share,
            ),
            *(coverage.warnings if coverage else ()),
        ),
        seconds=state.elapsed(),
        versions=versions(),
        resumed_from=resumed_from,
        views=_views(prepared, tuned.engine, test or validation, progress),
    )


def _tune(
    prepared: PreparedRun,
    record: "Record",
    progress: TrainingProgress,
    remark: str,
    engine: Engine | None = None,
) -> Tuned:
    """Train the plan of a run, keep its best check, score that on the test data.

    Parameters
    ----------
    prepared
        The run.
    record
        Takes in the checks.
    progress
        Reports them.
    remark
        Added to the names of tasks, to tell the models apart.
    engine
        The network to train, where it is at hand.
    """
    settings, plan, training = prepared.settings, prepared.plan, record.training
    for check in training.checks:
        progress.check(check)
    if training.ended:  # before the run was interrupted
        engine = _engine(plan.model.with_weights(record.best[1]), None, prepared)
    else:
        engine = engine or _engine(plan.model, plan, prepared)
        data = keep_features_on_device(engine, prepared.data, settings, progress)
        ended = train(
            engine,
            data,
            settings,
            progress,
            record.add,
            keeps_last=prepared.keeps_last,
            start=training.position,
            save=record.save,
        )
        engine.set_weights(record.best[1])
        start = weights_to_keep(prepared)
        if start is not None and record.share == 1:
            before = None if prepared.adaptation else record.state.baseline["validation"]
            record.keep(*best_part(engine, start, before, record.best, data, settings, progress))
        if prepared.test is not None:
            size, task = settings.val_test_batch_size, f"scoring the tuned model{remark}: test data"
            score = score_dataset(engine, prepared.test, size, progress, task)
            training.scores["test"] = score
        training.ended = ended
        record.state.save()
    scores = {"validation": record.best[0].validation} | training.scores
    return Tuned(engine, scores, len(training.checks), training.ended)


def _introns(
    prepared: PreparedRun, tuned: TrainedModel, progress: TrainingProgress
) -> CheckedIntrons | None:
    """Introns of the untouched and the tuned model, where the data have some to judge them by; in
    the first process, for which the others wait.
    """
    folder, processes, found = prepared.request.data_dir, prepared.processes, None
    if processes.gather(str(has_check_introns(folder)))[0] == str(False):
        return None
    together = Together(progress, processes)  # asks no other process between two steps
    if processes.is_first:
        try:
            found = check_introns(
                *(folder, (prepared.base, tuned), learnt(prepared.summaries)),
                *(prepared.settings, together),
            )
        except Interrupted:
            raise
        except HelixerFtError as error:  # the run's result is complete all the same
            progress.notice(f"introns are not compared with those of reads: {error}")
    processes.gather("", together.pass_on_a_stop)
    return found


def _views(
    prepared: PreparedRun, engine: Engine, compared: Comparison, progress: TrainingProgress
) -> tuple[WindowView, ...]:
    """A few windows as both models have them; `engine`, the tuned one, may be left untouched."""
    chosen = choose_windows(compared.baseline, compared.tuned)
    if not chosen:
        return ()
    base, on = prepared.base, "test" if prepared.test else "validation"
    size = prepared.settings.val_test_batch_size
    numbers = np.array(list(chosen.values()))
    dataset = _for(prepared.plan.model, prepared).scored[on]
    untouched = _for(base, prepared.for_untouched_body())
    try:
        after = predict_windows(engine, dataset, numbers, size)
        same = untouched.caches_features == prepared.caches_features
        if same and base.architecture.computes_like(engine.architecture):  # nothing to compile
            engine.set_weights(base.weights)
        else:
            engine = _engine(base, None, untouched)
        before = predict_windows(engine, untouched.scored[on], numbers, size)
        return view_windows(chosen, dataset, base.architecture.pool_size, before, after)
    except HelixerFtError as error:  # the run's result is complete all the same
        progress.notice(f"no windows can be shown: {error}")
        return ()


def _engine(model: TrainedModel, plan: Plan | None, prepared: PreparedRun) -> Engine:
    """A network to train by a plan, or (None) to score."""
    settings = prepared.settings
    engine = engine_class()(
        model.architecture,
        model.weights,
        plan,
        settings,
        from_features=prepared.caches_features,
    )
    if settings.val_test_batch_size == AUTO:
        data = _for(model, prepared)
        sets = [data.data.subset, *data.scored.values()]
        batch, sizes = sets[0].read(np.arange(1)), list(map(len, sets))
        engine.windows_at_once = choose_windows_at_once(
            engine, batch, sizes, prepared.processes.least
        )
    return engine


def _for(model: TrainedModel, prepared: PreparedRun) -> PreparedRun:
    """The run on data as a network takes them, with coverage or without."""
    return prepared if model.architecture.coverage_channels else prepared.without_coverage()


def _score_untouched(
    prepared: PreparedRun, state: RunState, progress: TrainingProgress
) -> Engine | None:
    """Score the untouched model on the training subset and the sets that are compared on.

    Returns
    -------
    Engine
        The network to train, where it had to be made for that.
    """
    plan, base = prepared.plan, prepared.base
    size = prepared.settings.val_test_batch_size
    engine = untouched = None
    data, known = _for(base, prepared.for_untouched_body()), prepared.untouched_scores
    same = prepared.adaptation is None and not plan.new
    # the head to train may score with the weights of the untouched one: nothing to compile
    lent = data.caches_features and base.architecture.computes_like(plan.model.architecture)
    state.baseline = known | state.baseline
    for name, dataset in {"training": data.data.subset, **data.scored}.items():
        if name in state.baseline:  # by another run, or before this one was interrupted
            continue
        if untouched is None and (same or lent):
            untouched = engine = _engine(plan.model, plan, prepared)
            engine.set_weights(base.weights)
        elif untouched is None:
            untouched = _engine(base, None, data)
        task = f"scoring the untouched model: {name} data"
        state.baseline[name] = score_dataset(untouched, dataset, size, progress, task)
        state.save()
    if engine is not None:
        engine.set_weights(plan.model.weights)
    known |= state.baseline
    return engine
