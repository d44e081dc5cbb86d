"""A comparison: every model is scored untouched, every strategy trained, in one process."""

import contextlib
import gc
import json
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from helixer_ft.adaptation.adapt import require_enough
from helixer_ft.adaptation.windows import open_windows, source_digest
from helixer_ft.comparison.adapted import SCORED_AS, adapt_and_score
from helixer_ft.comparison.bases import Base, Possible, look_at_models, run_request
from helixer_ft.comparison.candidates import ADAPTED, HEADS, Candidate
from helixer_ft.comparison.folder import CompareFolder
from helixer_ft.comparison.outcome import CompareOutcome, outcome_of
from helixer_ft.comparison.progress import CompareProgress, Named
from helixer_ft.comparison.request import CompareRequest
from helixer_ft.comparison.state import CompareState, Trained, read_compare_state
from helixer_ft.comparison.time_limit import TimeLimit
from helixer_ft.errors import HelixerFtError, InputError, Interrupted
from helixer_ft.runtime.backend import versions
from helixer_ft.runtime.processes import Processes
from helixer_ft.training.fine_tune import fine_tune, score_untouched
from helixer_ft.training.outcome import Outcome
from helixer_ft.training.prepared import PreparedRun, prepare_run
from helixer_ft.training.request import FineTuneRequest
from helixer_ft.training.run_folder import RunFolder
from helixer_ft.training.run_state import data_origin
from helixer_ft.training.workbench import Workbench

_VERSIONS = ("helixer_ft", "keras", "backend", "numpy")
"""Those that a result follows from."""
_OTHERS = "The others go on."

WriteReport = Callable[[Outcome, Path], None]
WritePage = Callable[[CompareOutcome, Path], None]


def compare(
    request: CompareRequest,
    progress: CompareProgress | None = None,
    *,
    report: WriteReport | None = None,
    page: WritePage | None = None,
    on_prepared: Callable[[PreparedRun], None] = lambda _: None,
    processes: Processes | None = None,
) -> CompareOutcome:
    """Score every model untouched, train every strategy, and say which model to take.

    Each training is the run that `fine_tune` would make alone, with the same result; what they
    have in common (decoded data, output of the frozen body, scores of the untouched model) is
    computed once. A model or a training that fails is reported in the outcome, and the others go
    on; where several processes work on it, they end together.

    Parameters
    ----------
    request
        What is asked for.
    progress
        Reports the work.
    report, page
        Write the page of a training, and that of the comparison; None: none is written.
    on_prepared
        Called once, when the data are read.
    processes
        Those that work on it; None: this one alone.

    Raises
    ------
    InputError
        Models, data or a folder that cannot be used.
    Interrupted
        The work was asked to stop; its state is written.
    """
    work = Comparing(request, progress or CompareProgress(), processes or Processes())
    work.report, work.on_prepared = report, on_prepared
    with work.holding():
        outcome = work.run()
        if work.first and page is not None:
            try:
                page(outcome, work.folder.report_path)
            except Exception as error:  # whatever it is, hours of training must not end in it
                text = f"{work.folder.report_path}: the report could not be written: {error}"
                work.progress.warning(text)
    return outcome


class Comparing:
    """A comparison under way; making one checks everything that needs no data.

    Parameters
    ----------
    request, progress, processes
        As for `compare`.
    """

    report: WriteReport | None = None
    on_prepared: Callable[[PreparedRun], None] = staticmethod(lambda _: None)

    def __init__(
        self, request: CompareRequest, progress: CompareProgress, processes: Processes
    ) -> None:
        self.request, self.progress, self.processes = request, progress, processes
        self.first = processes.is_first
        self.folder = CompareFolder(request)
        self.bases, self.failed = look_at_models(request)
        if request.batchnorm_from is not None:
            with open_windows(request.batchnorm_from, progress=progress) as source:
                require_enough(source)
        self.names = [
            request.result_name(base.label, possible.candidate.name)
            for base in self.bases
            for possible in base.possible
        ]
        self.folder.check(self.names)
        self.limit = TimeLimit(request.time_limit)
        self.workbench = Workbench()
        self.regions: dict[str, list[tuple[str, str, int]]] = {}
        self.warnings: tuple[str, ...] = ()
        self.not_begun: list[str] = []
        self.left_out: dict[str, str] = {}

    def holding(self) -> AbstractContextManager[None]:
        """The folder is made, and held against other processes."""
        return self.folder.held(self.progress) if self.first else contextlib.nullcontext()

    def run(self) -> CompareOutcome:
        """Do what is left to do."""
        self.processes.any(False)  # the folder is there
        self.state = self._take_up()
        self._began = time.monotonic() - self.state.seconds
        for label, text in self.failed.items():
            self.progress.warning(f"{label}: {text} {_OTHERS}")
        self._score_all()
        todo = [(base, possible) for base in self.chosen for possible in base.possible]
        for number, (base, possible) in enumerate(todo, start=1):
            self._train(base, possible, number, len(todo))
        outcome = self.outcome()
        if self.first:
            self._write(outcome)
            if outcome.complete:
                self.folder.state_path.unlink(missing_ok=True)
        return outcome

    @property
    def chosen(self) -> list[Base]:
        """The models that are tuned: all, or the best one on the validation data."""
        if self.request.train_all_models:
            return self.bases
        scores = self.state.untouched
        return [max(self.bases, key=lambda base: scores[base.label]["validation"].genic_f1)]

    def outcome(self) -> CompareOutcome:
        """What there is so far."""
        return outcome_of(
            self.request,
            self.bases,
            [base.label for base in self.chosen],
            self.state,
            self.regions,
            not_begun=self.not_begun,
            left_out=self.left_out,
            failed=self.failed,
            warnings=self.warnings,
        )

    def prepare(self, base: Base, candidate: Candidate, *, dry: bool = False) -> PreparedRun:
        """The run of a candidate from the untouched model, checked; its data are read."""
        asked = run_request(self.request, base.path, candidate.name, candidate, resume=False)
        return prepare_run(
            asked,
            Named(base.label, self.progress),
            dry=dry,
            processes=self.processes,
            workbench=self.workbench,
        )

    def _take_up(self) -> CompareState:
        """The state to resume from, else that of a new comparison."""
        used = versions()
        origin = self.request.origin()
        origin |= {f"model {base.label}": base.sha256 for base in self.bases}
        origin |= {f"{name} version": used[name] for name in _VERSIONS}
        if self.request.batchnorm_from is not None:  # wherever it lies
            origin["--batchnorm-from"] = source_digest(self.request.batchnorm_from)
        unfinished = self.folder.is_unfinished
        self.processes.require_same(
            origin
            | {
                "--out-dir": str(self.folder.path.resolve()),
                "--strategies": list(self.request.strategies),
                "--time-limit": self.request.time_limit,
                "unfinished comparison": unfinished,
            }
        )
        if self.request.resume and unfinished:
            state = read_compare_state(self.folder.state_path)
            state.require_same(origin)
            done = ", ".join(state.trained) or "nothing"
            self.progress.notice(f"resuming the comparison in {self.folder.path}; trained: {done}")
            return state
        if self.request.resume:
            text = f"{self.folder.path}: there is no comparison to resume, so a new one starts"
            self.progress.notice(text)
        if self.first:
            self.folder.clear(self.names)
        self.processes.any(False)  # the others look at the folder when that is done
        return CompareState(self.folder.state_path, origin)

    def _score_all(self) -> None:
        """Score every model untouched; those that cannot be scored are left out."""
        errors: dict[str, HelixerFtError] = {}
        for base in self.bases:
            try:
                self._score_untouched(base)
            except Interrupted:
                raise
            except HelixerFtError as error:
                if self.processes.count > 1:  # the others may not have it
                    raise
                errors[base.label] = error
            else:
                self._save()
        self.bases = [base for base in self.bases if base.label not in errors]
        if not self.bases:
            raise next(iter(errors.values()))
        for label, failure in errors.items():
            self._report_failure(label, failure)

    def _score_untouched(self, base: Base) -> None:
        """Read the data, where they are not read, and score a model on them."""
        state, is_tuned = self.state, len(self.bases) == 1 or self.request.train_all_models
        # with the output of the frozen body, where heads will need that anyway
        first = base.possible[0].candidate if is_tuned else SCORED_AS
        if not first.trains:  # heads may start from the adapted model, whose body is another
            first = SCORED_AS
        prepared = self.prepare(base, first)
        # by model: which labels and windows are read depends on it
        present = {
            f"{base.label}: {name}": one
            for name, one in ({"test data": None} | data_origin(prepared.summaries)).items()
            if not name.startswith("coverage")
        }
        state.require_same(present if present.keys() & state.origin.keys() else {})
        state.origin |= present
        if not self.regions:
            self.regions = {name: one.regions for name, one in prepared.scored.items()}
            self.warnings = prepared.warnings
            self.on_prepared(prepared)
        known = prepared.untouched_scores
        known |= state.untouched.get(base.label, {})
        if not known.keys() >= {"training", *prepared.scored}:
            score_untouched(prepared, Named(base.label, self.progress))
        state.untouched[base.label] = dict(known)

    def _train(self, base: Base, possible: Possible, number: int, total: int) -> None:
        """One candidate, unless it is done, or there is no time left for it."""
        candidate, label = possible.candidate, base.label
        name = self.request.result_name(label, candidate.name)
        path = self.folder.model(name)
        if name in self.state.trained and path.is_file():
            return
        if self.not_begun:
            self.not_begun.append(name)
            return
        start = self._best_head(label) if candidate.from_best_head else None
        if candidate.from_best_head and start is None:
            self._report_failure(name, HelixerFtError("no head was trained that it starts from."))
            return
        asked = run_request(
            self.request,
            self.folder.model(start) if start else base.path,
            name,
            candidate,
            resume=self.request.resume and RunFolder(path).is_interrupted,
            adapted=candidate.keeps_statistics and self._adapted_is_better(label),
        )
        progress = Named(name, self.progress)
        try:
            if not self._fits(asked, candidate, progress):
                self.not_begun.append(name)
                return
            self.progress.training(number, total, name, possible.strategy)
            trained = self._run(asked, candidate, label, start or "", progress)
        except Interrupted as error:
            self._save()
            done = len(self.state.trained)
            raise Interrupted(f"{name}: {error} Done before: {done} of {total}.") from error
        except HelixerFtError as error:
            if (
                not candidate.trains
                and isinstance(error, InputError)
                and not self._named(candidate)
            ):
                self.left_out[name] = str(error)  # too little sequence, which all processes see
                return
            if self.processes.count > 1:  # the others may not have it
                raise
            self._report_failure(name, error)
            return
        finally:
            gc.collect()  # networks hold themselves; the next one needs the room
        self.state.trained[name] = trained
        if candidate.trains:
            self.limit.learn(candidate, trained.epochs)
        self._save()
        so_far = self.outcome()
        self.progress.trained(name, next(row.text for row in so_far.rows if row.name == name))
        if self.first:
            self._write(so_far)

    def _run(
        self,
        asked: FineTuneRequest,
        candidate: Candidate,
        label: str,
        start: str,
        progress: Named,
    ) -> Trained:
        """The training of a candidate, or what stands for one."""
        name, shared = asked.save_model_path.stem, (self.processes, self.workbench)
        if not candidate.trains:
            return adapt_and_score(self.request, asked, name, label, progress, *shared)
        processes, workbench = shared
        outcome = fine_tune(
            asked, progress, report=self.report, processes=processes, workbench=workbench
        )
        return _trained(outcome, name, candidate, label, start)

    def _named(self, candidate: Candidate) -> bool:
        """Whether a candidate was asked for by its name."""
        return candidate.name in self.request.strategies

    def _adapted_is_better(self, label: str) -> bool:
        """Whether there is an adapted model, better than the untouched one on validation data."""
        adapted = self.state.trained.get(self.request.result_name(label, ADAPTED))
        before = self.state.untouched[label]["validation"].genic_f1
        return adapted is not None and adapted.scores["validation"].genic_f1 > before

    def _fits(self, asked: FineTuneRequest, candidate: Candidate, progress: Named) -> bool:
        """Whether there is time for a training."""
        if not self.limit.is_set:
            return True
        if self.processes.any(self.limit.is_over):
            return False
        if not candidate.trains:
            return True
        prepared = prepare_run(asked, progress, processes=self.processes, workbench=self.workbench)
        late = self.limit.is_exceeded_by(prepared, candidate)
        return not self.processes.any(late)

    def _best_head(self, label: str) -> str | None:
        """Name of the best head on the validation data that was made of a model."""
        heads = [
            one
            for one in self.state.trained.values()
            if one.model == label and one.candidate in HEADS
        ]
        best = max(heads, key=lambda one: one.scores["validation"].genic_f1, default=None)
        return best.name if best else None

    def _report_failure(self, name: str, error: HelixerFtError) -> None:
        self.failed[name] = str(error)
        self.progress.warning(f"{name}: {error} {_OTHERS}")

    def _save(self) -> None:
        self.state.seconds = time.monotonic() - self._began
        if self.first:
            self.state.save()

    def _write(self, outcome: CompareOutcome) -> None:
        text = json.dumps(outcome.to_dict(), indent=2) + "\n"
        self.folder.write_results(text)


def _trained(outcome: Outcome, name: str, candidate: Candidate, label: str, start: str) -> Trained:
    """What is kept of a training."""
    plan, best = outcome.prepared.plan, outcome.best
    return Trained(
        name=name,
        candidate=candidate.name,
        model=label,
        strategy=plan.strategy,
        started_from=start,
        trainable_parameters=plan.trainable_parameters,
        total_parameters=plan.total_parameters,
        scores={on: compared.tuned for on, compared in outcome.comparisons.items()},
        checks=len(outcome.checks) - 1,
        epochs=outcome.checks[-1].epoch,
        best_epoch=best.epoch,
        best_batch=best.batch,
        tuning_share=outcome.share,
        ended=outcome.ended,
        seconds=outcome.seconds,
        warnings=outcome.warnings,
    )
