"""The Markdown that adaptation.py makes of its figures."""

from statistics import mean
from typing import Any

import numpy as np

Record = dict[str, Any]
KNOWN, STRANGER, FORMER = "known", "stranger", "known before tuning"
MIXES = ("0", "0.25", "0.5", "1")
NUMBERS = {
    "mean_shift": "shift of the means, mean of the batch norms (drives `auto`)",
    "first_shift": "shift of the means, first batch norm",
    "max_layer_shift": "shift of the means, the batch norm with the largest",
    "max_channel_shift": "shift of the mean, the channel with the largest",
    "variance_shift": "mean change of the log variance, without its sign",
    "variance_growth": "mean change of the log variance, with its sign",
    "changed": "share of bases whose class changes",
    "entropy_untouched": "mean entropy, untouched",
    "entropy_change": "mean entropy, adapted less untouched",
    "margin_untouched": "mean probability of the predicted class, untouched",
    "agree_untouched": "CDS agrees with phase, untouched",
    "stops_untouched": "stop codons in frame within CDS, untouched",
    "stops_change": "stop codons in frame within CDS, adapted less untouched",
    "genic_untouched": "share of genic bases, untouched",
    "genic_change": "share of genic bases, adapted less untouched",
}
"""Label-free number -> what it is."""


def render(results: Record) -> str:
    """The section: how it was measured, then a table per question."""
    records, settings = results["records"], results["settings"]
    pairs = {
        tuple(name.split("/")[1:]): record
        for name, record in records.items()
        if name.startswith("pair/")
    }
    parts = [introduction(results), mix_table(pairs, settings), summary(pairs, settings)]
    amounts = {name: record for name, record in records.items() if name.startswith("amount/")}
    if any(amounts.values()):
        parts += ["### How much sequence", amount_table(amounts)]
    spread = {name: record for name, record in records.items() if name.startswith("spread/")}
    if any(spread.values()):
        parts.append(spread_table(spread))
    if len(pairs) > 3:
        parts += ["### Which number tells without labels", number_table(pairs)]
    return "\n\n".join(parts)


def introduction(results: Record) -> str:
    """What was done, with which command."""
    machine, versions, settings = (results[name] for name in ("machine", "versions", "settings"))
    options = {"knows": settings["knows"], "pairs": settings["pairs"]}
    options |= {"amounts": settings["amounts"]}
    words = "".join(
        f" \\\n    --{name} {','.join(values)}" for name, values in options.items() if values
    )
    words += "".join(
        f" \\\n    --also {name}.h5={','.join(species)}"
        for name, species in settings["also"].items()
    )
    deep = f" --deep {settings['deep']}" if settings["deep"] else ""
    tuned = ""
    if settings["pairs"]:
        tuned = (
            f" `a+b` is `{settings['model']}` tuned on windows of these two species (helixer-ft "
            f"whole {' '.join(settings['tuning'])}): they are known to it, other species that no "
            "model here was tuned on are *known before tuning*, if the base knew them."
        )
    if settings["also"]:
        tuned += (
            " Models named after a species are the first one tuned on it (whole network, by "
            "`benchmarks/evidence.py`): it is known to them, what the first one knew is *known "
            "before tuning*."
        )
    if settings["deep"]:
        tuned += (
            f" *deep* is `{settings['model']}` with two more convolutions and batch norms "
            "(`benchmarks/adaptation_deep.py`), three in all, tuned on windows of "
            f"{' and '.join(settings['deep'].split('+'))}."
        )
    return (
        f"Measured on {results['date']} on {machine['cores']} core(s) of {machine['processor']}, "
        f"helixer-ft {versions['helixer-ft']}, Keras {versions['keras']}:\n\n"
        "```bash\n"
        f"python benchmarks/adaptation.py --model {settings['model']} --data species{words}{deep}"
        " \\\n    --work scratch --out docs/evidence.md\n```\n\n"
        "Statistics are of the first half of a genome (at most 60 windows of each strand), genic "
        f"F1 of up to 24 windows of each strand from the rest.{tuned} Labels judged, and chose "
        "nothing here."
    )


def kind_of(model: str, species: str, settings: Record) -> str:
    """Whether a model knows a species."""
    if model in settings["also"]:
        if species in settings["also"][model]:
            return KNOWN
        return FORMER if species in settings["knows"] else STRANGER
    tuned = settings["deep"] if model == "deep" else model
    if "+" in tuned:
        if species in tuned.split("+"):
            return KNOWN
        return FORMER if species in settings["knows"] else STRANGER
    return KNOWN if species in settings["knows"] else STRANGER


def mix_table(pairs: dict[tuple[str, ...], Record], settings: Record) -> str:
    """F1 by mix."""
    lines = [
        "| model | species | | shift | mix 0 | 0.25 | 0.5 | 1 | auto (its mix) |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for (model, species), record in pairs.items():
        f1, shifts = record["f1"], record["shift"].values()
        cells = [f"{f1[mix]:.3f}" for mix in MIXES]
        found = auto_f1(record)
        auto = f"{'not measured' if found is None else f'{found:.3f}'} ({record['auto']:g})"
        kind = kind_of(model, species, settings)
        shift = ", ".join(f"{value:.3f}" for value in shifts)
        lines.append(f"| {model} | {species} | {kind} | {shift} | {' | '.join(cells)} | {auto} |")
    return "\n".join(lines)


def changes(pairs: dict[tuple[str, ...], Record], settings: Record, kind: str) -> list[float]:
    """F1 with `auto` less F1 of the untouched model."""
    return [
        found - record["f1"]["0"]
        for (model, species), record in pairs.items()
        if kind_of(model, species, settings) == kind and (found := auto_f1(record)) is not None
    ]


def auto_f1(record: Record) -> float | None:
    """F1 with `auto`; None where the rule was another one when it was measured."""
    f1: float | None = record["f1"].get(format(record["auto"], "g"))
    return f1


def summary(pairs: dict[tuple[str, ...], Record], settings: Record) -> str:
    """Mean and worst change by `auto`."""
    lines = [
        "| with `auto` | pairs | mean change of genic F1 | worst | best |",
        "|---|---|---|---|---|",
    ]
    for kind in (STRANGER, KNOWN, FORMER):
        if found := changes(pairs, settings, kind):
            values = f"{mean(found):+.3f} | {min(found):+.3f} | {max(found):+.3f}"
            lines.append(f"| {kind} | {len(found)} | {values} |")
    return "\n".join(lines)


def amount_table(amounts: dict[str, Record | None]) -> str:
    """What little sequence does to the statistics and to F1."""
    lines = [
        "Statistics of one stretch of the first half, in several draws: their mean, and the range "
        "of F1. *Apart* is the shift between these statistics and those of the whole half. F1 is "
        "of every second window, at a mix of 1.",
        "",
        "| species | bp | draws | apart | shift | F1 |",
        "|---|---|---|---|---|---|",
    ]
    grouped: dict[tuple[str, int], list[Record]] = {}
    for name, record in amounts.items():
        _, species, size, _ = name.split("/")
        if record:
            grouped.setdefault((species, int(size)), []).append(record)
    for (species, size), draws in grouped.items():
        ends = draws[0]["f1"]
        if "whole" in ends:
            lines.append(f"| {species} | none | | | | {ends['untouched']:.3f} |")
        cells = [f"{mean(draw[key] for draw in draws):.3f}" for key in ("apart", "shift")]
        found = [draw["f1"]["full"] for draw in draws]
        cells.append(f"{mean(found):.3f} ({min(found):.3f}–{max(found):.3f})")
        lines.append(f"| {species} | {size:,} | {len(draws)} | {' | '.join(cells)} |")
    for (species, _), draws in grouped.items():
        if "whole" in draws[0]["f1"]:
            whole = draws[0]["f1"]["whole"]
            lines.append(f"| {species} | the half | | 0 | | {whole:.3f} |")
    return "\n".join(lines)


def spread_table(spread: dict[str, Record | None]) -> str:
    """How near the statistics of evenly spread windows are."""
    lines = [
        "Statistics of windows that are spread evenly over the whole genome, as of a large genome "
        "by `--max-bp`, and how far they are from those of all of it:",
        "",
        "| species | bp | apart | shift |",
        "|---|---|---|---|",
    ]
    for name, record in spread.items():
        _, species, size = name.split("/")
        if record:
            cells = f"{record['apart']:.4f} | {record['shift']:.3f}"
            lines.append(f"| {species} | {int(size):,} | {cells} |")
    return "\n".join(lines)


def number_table(pairs: dict[tuple[str, ...], Record]) -> str:
    """Rank correlation of each label-free number with what full adaptation changes."""
    gains = [record["f1"]["1"] - record["f1"]["0"] for record in pairs.values()]
    rows = []
    for name, text in NUMBERS.items():
        values = [number_of(record["label_free"], name) for record in pairs.values()]
        rows.append((spearman(values, gains), text))
    rows.sort(key=lambda row: -abs(row[0]))
    lines = [
        f"Spearman's rank correlation with the change of genic F1 from mix 0 to 1, over the "
        f"{len(pairs)} pairs of model and species above:",
        "",
        "| number | correlation |",
        "|---|---|",
        *(f"| {text} | {value:+.2f} |" for value, text in rows),
    ]
    return "\n".join(lines)


def number_of(found: Record, name: str) -> float:
    """A label-free number; `NAME_change` is adapted less untouched."""
    if name in found:
        return float(found[name])
    stem = name.removesuffix("_change")
    return float(found[f"{stem}_adapted"] - found[f"{stem}_untouched"])


def spearman(some: list[float], others: list[float]) -> float:
    """Rank correlation; equal values share the mean of their ranks."""
    return float(np.corrcoef(ranks(some), ranks(others))[0, 1])


def ranks(values: list[float]) -> np.ndarray:
    """Mean rank of each value."""
    array = np.array(values)
    below = (array[None] < array[:, None]).sum(axis=1)
    return below + ((array[None] == array[:, None]).sum(axis=1) - 1) / 2
