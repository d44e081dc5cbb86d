"""Prints what was labelled: tables to standard output, warnings to standard error."""

from collections.abc import Mapping

from rich.table import Table

from helixer_ft.cli.costs import show_disk
from helixer_ft.cli.output import Printer, plain_table
from helixer_ft.cli.prediction_output import HELIXERPOST_TIME, show_memory, time_line
from helixer_ft.cli.preparation_output import sets_table
from helixer_ft.formats.data_names import CHECK
from helixer_ft.progress import duration_text, size_text
from helixer_ft.pseudo_labels.candidates import KEPT
from helixer_ft.pseudo_labels.gate import REASONS
from helixer_ft.pseudo_labels.outcome import PlannedLabels, PseudoLabels

_MEANINGS = {KEPT: "labelled", CHECK: "on check sequences, which are only looked at"} | REASONS


def show(outcome: PseudoLabels | PlannedLabels, printer: Printer) -> None:
    """The result of `pseudo-label`: genes and why, data, and what to run next."""
    if isinstance(outcome, PlannedLabels):
        _show_plan(outcome, printer)
        return
    preparation, judged = outcome.preparation, outcome.judged
    for text in preparation.notices:
        printer.notice(text)
    if not printer.as_json:
        printer.lines(
            f"HelixerPost's genes: {len(judged.candidates):,}, "
            f"{sum(one.passes for one in judged.candidates):,} pass, {outcome.kept:,} are kept. "
            f"Introns: {judged.introns:,}, {judged.canonical:,} canonical."
        )
        printer.table(_outcome_table(outcome))
        printer.table(_stratum_table(outcome))
        trained = f"of the confident bases {outcome.intergenic_share:.0%} are trained on"
        if outcome.request.labels_all:
            trained = "what lies between genes is trained on, except where masked"
            printer.table(_fault_table(outcome))
        printer.lines(
            f"Intergenic: mean probability {judged.mean_intergenic:.1%} of the genome; {trained}."
        )
        printer.table(sets_table(preparation))
    for text in preparation.warnings:
        printer.warning(text)
    if printer.as_json:
        printer.json(outcome.to_dict())
        return
    if outcome.change is not None:
        verdict = "Stop here" if outcome.change.stop else "Go on"
        printer.lines(
            f"Round {outcome.number}: {outcome.change.genes_changed:.1%} of the genes changed. "
            f"{verdict}: {outcome.change.why}."
        )
    names = ", ".join(path.name for path in outcome.files)
    printer.lines(
        f"Written to {outcome.request.out_dir}: {names}; {duration_text(outcome.seconds)}",
        "The labels are predictions: they can teach, but not judge. Next:",
        *(f"  {command}" for command in outcome.commands),
    )


def _show_plan(plan: PlannedLabels, printer: Printer) -> None:
    if printer.as_json:
        printer.json(plan.to_dict())
        return
    reads = plan.to_dict()["reads"]
    if reads is not None:
        printer.lines(
            f"Reads: {reads['supported_introns']:,} canonical introns with at least "
            f"{reads['min_reads']} reads of {reads['min_overhang']} bases on either side."
        )
    printer.lines(
        f"To predict: {plan.bases / 1e6:.2f} Mb in {plan.sequences:,} sequence(s), "
        f"{plan.windows:,} windows, by {len(plan.request.load_model_paths)} model(s); genes by "
        f"{plan.helixerpost}.",
    )
    _show_costs(plan, printer)
    printer.lines("Dry run: everything is in order so far; nothing was predicted or written.")


def _show_costs(plan: PlannedLabels, printer: Printer) -> None:
    found, request = plan.estimate, plan.request
    several = len(found.models) > 1
    for path, one in zip(request.load_model_paths, found.models, strict=True):
        what = f"Time with {path}" if several else "Time"
        printer.lines(
            f"{what}: none, the predictions of an interrupted run are there"
            if one is None
            else time_line(one, request.subsequence_length, what)
        )
    if len(found.left) > 1:
        printer.lines(f"Time of all predictions: about {duration_text(found.seconds)}")
    if found.makes_genes:
        printer.lines(HELIXERPOST_TIME)
    processes = max((one.processes for one in found.left), default=1)
    show_memory(found.memory, found.memory_limit, processes, printer)
    sizes = {"Predictions": found.predictions_bytes, "Their average": found.average_bytes}
    for what, size in sizes.items():
        if size:
            printer.lines(f"{what}, gone at the end: about {size_text(size)}")
    printer.lines(f"Data: at most about {size_text(found.data_bytes)}")
    show_disk(found.disk, found.disk_free, request.out_dir, printer)


def _outcome_table(outcome: PseudoLabels) -> Table:
    return _meanings_table("Genes", "outcome", outcome.outcomes)


def _fault_table(outcome: PseudoLabels) -> Table:
    title = "Genes that do not pass, and are kept all the same"
    return _meanings_table(title, "why", outcome.faults_of_kept)


def _meanings_table(title: str, heading: str, counts: Mapping[str, int]) -> Table:
    rows = [(word, f"{n:,}", _MEANINGS.get(word, "")) for word, n in counts.items()]
    table = plain_table(title, (heading, "genes", "meaning"), rows)
    table.columns[-1].justify = "left"
    return table


def _stratum_table(outcome: PseudoLabels) -> Table:
    rows = [(name, *(f"{n:,}" for n in one)) for name, one in outcome.strata.items()]
    title = "Genes by number of exons, check stretches aside"
    return plain_table(title, ("exons", "genes", "pass", "kept"), rows)
