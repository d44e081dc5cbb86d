"""Prints what a file contains."""

from collections.abc import Iterable, Iterator
from typing import Any

from rich.table import Table

from helixer_ft.cli.output import Printer, percents, plain_table
from helixer_ft.formats.coverage_h5 import Track
from helixer_ft.formats.model_h5 import LABEL_SOURCES
from helixer_ft.inspection.data import DataContent, LabelContent
from helixer_ft.inspection.inspect import FileContent
from helixer_ft.inspection.model import ModelContent
from helixer_ft.inspection.predictions import PredictionsContent
from helixer_ft.metrics import GENIC_CLASSES

_SHOWN = 10


def show(content: FileContent, printer: Printer) -> None:
    """The result of `inspect`."""
    if printer.as_json:
        printer.json(content.to_dict())
    elif isinstance(content, ModelContent):
        _show_model(content, printer)
    elif isinstance(content, DataContent):
        _show_data(content, printer)
    else:
        _show_predictions(content, printer)


def _show_model(content: ModelContent, printer: Printer) -> None:
    network = content.architecture
    printer.lines(
        f"{content.path}: a trained model",
        f"Network: {network.summary()}",
        f"Input: 4 bases, {_coverage(content)}",
        f"Outputs: {', '.join(network.outputs)}. Subsequence lengths: multiples of "
        f"{network.pool_size}",
    )
    printer.table(_layer_table(content))
    printer.table(_strategy_table(content))
    printer.lines(f"Written by Keras {content.keras_version}. SHA-256: {content.sha256}")
    if not content.provenance:
        printer.lines("Provenance: none recorded (not written by helixer-ft)")
        return
    if content.labels:
        found = "; ".join(f"{name} {text}" for name, text in content.labels.items())
        printer.lines(f"Labels it was made with: {found}")
    printer.lines("Provenance:")
    shown = {name: text for name, text in content.provenance.items() if name != LABEL_SOURCES}
    _show_values(shown, printer, "  ")


def _coverage(content: ModelContent) -> str:
    """What the model takes in addition to the bases."""
    count = content.architecture.coverage_channels // 2
    if not count:
        return "no coverage"
    if content.coverage is None:
        return f"coverage of {count} track(s); the file does not say which"
    return (
        f"coverage '{content.coverage.prefix}' ({content.coverage.normalization}): "
        f"{_names(content.coverage.tracks)}"
    )


def _names(tracks: Iterable[Track]) -> str:
    return ", ".join(f"{track.name} ({track.kind})" for track in tracks)


def _layer_table(content: ModelContent) -> Table:
    rows = []
    for layer in content.layers:
        length = "L" if layer.step == 1 else f"L/{layer.step}"
        shape = f"{length} × {layer.width}"
        rows.append((layer.name, layer.kind, shape, f"{layer.parameters:,}"))
    rows.append(("all", "", "", f"{content.parameters:,}"))
    return plain_table("Layers", ("layer", "kind", "output", "parameters"), rows)


def _strategy_table(content: ModelContent) -> Table:
    rows = [(name, f"{trains:,}", f"{total:,}") for name, (trains, total) in content.trains.items()]
    return plain_table("What would train", ("command", "parameters", "of"), rows)


def _show_values(values: dict[str, Any], printer: Printer, indent: str) -> None:
    for name, value in values.items():
        if isinstance(value, dict):
            printer.lines(f"{indent}{name}:")
            _show_values(value, printer, indent + "  ")
        else:
            printer.lines(f"{indent}{name}: {value}")


def _show_data(content: DataContent, printer: Printer) -> None:
    sequences = sum(len(counts) for counts in content.species.values())
    printer.lines(
        f"{content.path}: data, {'with' if content.labels else 'without'} labels",
        f"{content.windows:,} windows of {content.length:,} bp (both strands), "
        f"{sequences:,} sequence(s)",
    )
    for species, counts in content.species.items():
        names = ", ".join(list(counts)[:_SHOWN]) + (", ..." if len(counts) > _SHOWN else "")
        printer.lines(f"Species {species}: {sum(counts.values()):,} windows of {names}")
    if content.labels is not None:
        printer.lines(
            f"Annotated windows: {content.labels.annotated:,}; usable for training: "
            f"{content.labels.usable:,}. Masked: {content.labels.masked_share:.1%} of the bases",
        )
        if content.labels.predicted:
            printer.lines(*_source_lines(content.labels, content.windows))
        printer.table(_class_table(content.labels))
    for prefix, tracks in content.coverage.items():
        printer.lines(f"Coverage '{prefix}': {len(tracks)} track(s): {_names(tracks)}")
    if not content.coverage:
        printer.lines("Coverage: none")
    _show_values(dict(content.attributes), printer, "")


def _source_lines(labels: LabelContent, windows: int) -> Iterator[str]:
    """Where labels that are predictions come from."""
    source = labels.source
    yield f"Labels: {source.text} ({labels.predicted:,} of {windows:,} windows)"
    files = [one for one in (source.fasta, source.gff3, *source.bams) if one is not None]
    if files:
        yield f"  made from: {', '.join(one.name for one in files)}"
    if source.helixerpost is not None:
        yield f"  HelixerPost: {source.helixerpost}"
    if source.filters:
        yield f"  filters: {', '.join(source.filters)}"
    if source.counts:
        yield f"  counts: {', '.join(f'{name} {n:,}' for name, n in source.counts.items())}"


def _class_table(labels: LabelContent) -> Table:
    rows = [
        (name, f"{bases.sum() / 1e6:.2f} Mb", *percents(shares))
        for name, bases, shares in (
            ("all bases", labels.bases, labels.fractions),
            ("valid bases", labels.valid_bases, labels.valid_fractions),
        )
    ]
    return plain_table("Classes", ("", "bases", *GENIC_CLASSES), rows)


def _show_predictions(content: PredictionsContent, printer: Printer) -> None:
    printer.lines(f"{content.path}: predictions")
    for name, shape in content.shapes.items():
        windows, length, classes = shape
        printer.lines(
            f"{name}: {windows:,} windows of {length:,} bp, {classes} classes "
            f"({content.dtypes[name]})",
        )
    if content.model_summary:
        printer.lines(f"Network: {content.model_summary}")
    _show_values(dict(content.attributes), printer, "")
