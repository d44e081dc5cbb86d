"""Prints how far the batch-norm statistics of a genome are from a model's."""

from typing import TYPE_CHECKING

from rich.table import Table

from helixer_ft.cli.output import Printer, plain_table

if TYPE_CHECKING:
    from helixer_ft.adaptation.adapted import Adaptation
    from helixer_ft.adaptation.request import AdaptRequest


def show(adaptation: "Adaptation", request: "AdaptRequest", printer: Printer) -> None:
    """The result of `adapt`."""
    written = None if request.dry_run else str(request.save_model_path)
    printer.close()
    if printer.as_json:
        printer.json(adaptation.to_dict() | {"save_model_path": written})
        return
    printer.lines(measured_line(adaptation))
    printer.table(shift_table(adaptation))
    printer.lines(mix_line(adaptation), recommendation(adaptation))
    if written is None:
        printer.lines("Dry run: nothing was written.")
    else:
        printer.lines(f"Written: {written}")


def measured_line(adaptation: "Adaptation") -> str:
    """What was measured, and how much of all."""
    line = f"Measured on {adaptation.bases / 1e6:.2f} Mb of both strands, N left out"
    if adaptation.share == 1:
        return line
    return f"{line}: {adaptation.share:.1%} of the windows, spread evenly (--max-bp)"


def shift_table(adaptation: "Adaptation") -> Table:
    """The shift of each batch norm."""
    rows = [(name, f"{shift:.3f}") for name, shift in adaptation.shifts.items()]
    return plain_table("Shift of the means", ("batch norm", "in standard deviations"), rows)


def mix_line(adaptation: "Adaptation") -> str:
    """The mix, and who chose it."""
    by = {
        "shift": "auto: by the shift",
        "validation": "auto: best genic F1 on the validation data",
        "user": "--batchnorm-mix",
    }[adaptation.chosen_by]
    return f"Mix: {adaptation.mix:g} of the genome's statistics ({by})"


def recommendation(adaptation: "Adaptation") -> str:
    """What to make of the shift, in a sentence."""
    shift, mix = adaptation.shift, adaptation.recommended_mix
    if mix < 0.1:
        text = (
            "the genome looks to the convolutions like those the model was trained on: use the "
            "model as it is; adapting would gain little or harm"
        )
    elif mix < 0.9:
        text = (
            f"the genome is somewhat unlike those the model was trained on: a mix of {mix:g} is "
            "the safe choice; with labels, compare both models with helixer-ft evaluate"
        )
    else:
        text = "the genome is unlike those the model was trained on: use the adapted model"
    return f"Recommended at a shift of {shift:.3f}: {text}."
