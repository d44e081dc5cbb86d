"""The Markdown and the figure that evidence.py makes of its records."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from evidence_data import SPECIES
from evidence_plan import CURVES, PEER, RECIPES, REFERENCE, ROWS, SHARES, TRIALS, row_name
from speed_page import table

Record = dict[str, Any]
NOTHING = "–"
PEER_RECIPE = "helixer"


@dataclass(frozen=True)
class Figures:
    """The records of one base model."""

    model: str
    records: Sequence[Record]

    @property
    def species(self) -> list[str]:
        """Those with records, in the order of the plan."""
        return [name for name in SPECIES if any(r["run"]["species"] == name for r in self.records)]

    def known(self, species: str) -> bool:
        """Whether the model was trained on the species."""
        return any(r["run"]["known"] for r in self.records if r["run"]["species"] == species)

    @property
    def targets(self) -> list[str]:
        """The species that the model was not trained on."""
        return [name for name in self.species if not self.known(name)]

    def find(self, species: str, row: str) -> list[Record]:
        """The records of a row in a species, one per seed."""
        return [r for r in self.records if r["run"]["species"] == species and row_of(r) == row]

    def values(self, species: str, row: str, value: Callable[[Record], Any]) -> list[float]:
        """A figure of each seed; of the runs that have it."""
        found = (value(record) for record in self.find(species, row))
        return [x for x in found if x is not None]

    def untouched(self, species: str) -> Record | None:
        """Scores of the model as it was; the same in every run."""
        scored = (
            r["measured"]["untouched"] for r in self.records if r["run"]["species"] == species
        )
        return next((scores for scores in scored if scores), None)

    def gain(self, species: str, row: str, reference: str | None = None) -> float | None:
        """Mean test F1 of a row, less that of the reference row (None: the untouched model)."""
        tuned = self.values(species, row, test_f1)
        if reference is None:
            before = self.untouched(species)
            others = [before["test"]["genic_f1"]] if before else []
        else:
            others = self.values(species, reference, test_f1)
        return mean(tuned) - mean(others) if tuned and others else None


def render(records: Sequence[Record], reference: str | None, figure: Path) -> str:
    """The section: how it was measured, the tables of each model, the learning curves.

    Parameters
    ----------
    records
        Of all runs.
    reference
        The row that others are compared with; None: that of the plan.
    figure
        Where the figure goes; the page links to it from the folder above.
    """
    if not records:
        return "Nothing is measured yet."
    reference = reference or REFERENCE
    parts = [introduction(records)]
    models = list(dict.fromkeys(r["run"]["model"] for r in records))
    for model in models:
        figures = Figures(model, [r for r in records if r["run"]["model"] == model])
        parts.append(f"### {model}.h5: mean over the target species")
        parts.append(overview(figures, reference))
        for species in figures.species:
            known = " (known to the model)" if figures.known(species) else ""
            parts.append(f"### {model}.h5: {SPECIES[species].name}{known}")
            parts.append(species_table(figures, species, reference))
        curves = curves_table(figures)
        if curves:
            path = figure if len(models) == 1 else figure.with_stem(f"{figure.stem}_{model}")
            draw(figures, path)
            link = f"{path.parent.name}/{path.name}"
            alt = "Genic F1 on the test data against the number of training genes"
            parts += [f"### {model}.h5: learning curves", f"![{alt}]({link})", curves]
    return "\n\n".join(part for part in parts if part)


def introduction(records: Sequence[Record]) -> str:
    """Machine, versions, command, recipes, and how to read the tables."""
    last = max(records, key=lambda record: record["date"])
    dates = sorted({record["date"] for record in records})
    when = dates[0] if len(dates) == 1 else f"{dates[0]} to {dates[-1]}"
    versions = ", ".join(f"{name} {number}" for name, number in last["versions"].items())
    computer, seeds = last["machine"], 1 + max(r["run"]["seed"] for r in records)
    models: dict[str, set[str]] = {record["run"]["model"]: set() for record in records}
    for run in (record["run"] for record in records):
        models[run["model"]] |= {run["species"]} if run["known"] else set()
    given = " ".join(
        f"--model {model}.h5" + (f"={','.join(sorted(known))}" if known else "")
        for model, known in models.items()
    )
    peer = " --peer HELIXER_ENV" if any(r["run"]["strategy"] in PEER for r in records) else ""
    shares = sorted({(r["jobs"], r["cores"]) for r in records})
    jobs = " or ".join(
        f"{jobs} run{'s' if jobs > 1 else ''} at a time on {cores} core{'s' if cores > 1 else ''}"
        + (" each" if jobs > 1 else "")
        for jobs, cores in shares
    )
    used = list(dict.fromkeys(recipe for _, recipe in ROWS))
    recipes = "; ".join(
        f"*{name}*: " + (f"`{' '.join(RECIPES[name])}`" if RECIPES[name] else "no option")
        for name in used
        if name in RECIPES
    )
    trials = ", ".join(f"*{name}*" for name in used if name in TRIALS)
    return "\n\n".join(
        [
            f"Measured on {when} with {computer['processor']}, "
            f"{computer['memory'] / 2**30:.0f} GiB of memory, {jobs}: {versions}. The command, "
            "with your own paths:",
            f"```bash\npython benchmarks/evidence.py --genomes GENOMES {given} --work WORK "
            f"--seeds {seeds}{peer} --jobs {last['jobs']} --out docs/evidence.md\n```",
            f"Recipes: {recipes}. Trials of what no option does (`benchmarks/evidence_trials.py`): "
            f"{trials}.",
            "Scores are genic F1: mean ± standard deviation over *n* seeds. Times are those of "
            "whole commands. **A time with ~ is extrapolated**: Helixer was stopped before its "
            "patience ended, and each missing epoch, up to as many as helixer-ft took with the "
            "same settings, is counted with the mean time of those that ran.",
        ]
    )


def overview(figures: Figures, reference: str) -> str:
    """One line per row: means over the target species, the worst of them, the known ones."""
    known = [name for name in figures.species if figures.known(name)]
    rows = []
    for strategy, recipe in all_rows():
        row = row_name(strategy, recipe)
        gains = [figures.gain(species, row) for species in figures.targets]
        against = [figures.gain(species, row, reference) for species in figures.targets]
        kept = [figures.gain(species, row) for species in known]
        if None in gains or not gains:
            continue  # means over different species could not be compared
        times = [figures.values(species, row, seconds) for species in figures.targets]
        rows.append(
            [
                strategy,
                recipe,
                signed(average(gains)),
                signed(average(against)),
                signed(None if None in against else min(against, default=None)),
                signed(None if None in kept else min(kept, default=None)),
                duration(mean(map(mean, times))),
            ]
        )
    targets = ", ".join(f"*{SPECIES[name].name}*" for name in figures.targets)
    note = (
        f"Target species: {targets}. Differences in genic F1 on the test data, to the untouched "
        f"model and to *{reference}*."
    )
    columns = [
        "strategy", "recipe", "to untouched", "to reference", "the same, worst species",
        "to untouched, worst known species", "time",
    ]  # fmt: skip
    return table(columns, rows, note)


def species_table(figures: Figures, species: str, reference: str) -> str:
    """All rows of one species."""
    before = figures.untouched(species)
    rows = []
    if before:
        wrong = f"{before['test']['wrong']:.1%}"
        scores = [f"{before[name]['genic_f1']:.4f}" for name in ("validation", "test")]
        rows.append(["untouched", "", "", *scores, "", "", wrong, "", "", ""])
    for strategy, recipe in all_rows():
        row = row_name(strategy, recipe)
        found = figures.find(species, row)
        if not found:
            continue
        rows.append(
            [
                strategy,
                recipe,
                str(len(found)),
                spread(figures.values(species, row, validation_f1)),
                spread(figures.values(species, row, test_f1)),
                signed(figures.gain(species, row)),
                signed(figures.gain(species, row, reference)),
                share(figures.values(species, row, wrong_bases)),
                verdicts(found),
                number(figures.values(species, row, lambda r: r["measured"]["epochs"])),
                time_cell(figures, species, row),
            ]
        )
    sizes = next(
        (r for r in figures.records if r["run"]["species"] == species and r["run"]["share"] == 100),
        None,
    )
    note = ""
    if sizes:
        windows = ", ".join(f"{n} {name}" for name, n in sizes["windows"].items())
        note = f"Windows: {windows}; {sizes['genes']} training genes."
    columns = [
        "strategy", "recipe", "n", "validation", "test", "to untouched", "to reference",
        "wrong bases", "better", "epochs", "time",
    ]  # fmt: skip
    return table(columns, rows, note)


def curves_table(figures: Figures) -> str:
    """Test F1 by amount of training data."""
    rows = []
    for species in figures.species:
        for strategy, recipe in CURVES:
            names = [row_name(strategy, recipe, percent) for percent in (*SHARES, 100)]
            if not any(figures.find(species, name) for name in names[:-1]):
                continue
            cells = []
            for name in names:
                genes = figures.values(species, name, lambda record: record["genes"])
                scored = figures.values(species, name, test_f1)
                cells.append(f"{spread(scored)} ({mean(genes):.0f})" if scored else NOTHING)
            rows.append([SPECIES[species].name, f"{strategy}, {recipe}", *cells])
    note = "Test genic F1; in brackets: training genes. Each seed takes other windows."
    columns = ["species", "strategy", *(f"{percent} %" for percent in (*SHARES, 100))]
    return table(columns, rows, note)


def draw(figures: Figures, path: Path) -> None:
    """A panel per species: test F1 against training genes."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "evidence"  # the same figures, the same file
    import matplotlib.pyplot as plt

    panels = [s for s in figures.species if any(curve(figures, s, *row) for row in CURVES)]
    figure, axes = plt.subplots(
        1, len(panels), figsize=(3.2 * len(panels), 3.0), squeeze=False, layout="constrained"
    )
    for species, axis in zip(panels, axes[0], strict=True):
        for strategy, recipe in CURVES:
            points = curve(figures, species, strategy, recipe)
            if points:
                genes, means, deviations = zip(*points, strict=True)
                axis.errorbar(
                    genes, means, deviations, marker="o", markersize=3, capsize=2,
                    label=f"{strategy}, {recipe}",
                )  # fmt: skip
        before = figures.untouched(species)
        if before:
            axis.axhline(
                before["test"]["genic_f1"], color="grey", linestyle="--", label="untouched"
            )
        axis.set_xscale("log")
        axis.set_title(SPECIES[species].name, style="italic", fontsize=10)
        axis.set_xlabel("training genes")
    axes[0][0].set_ylabel("genic F1, test data")
    axes[0][0].legend(fontsize=7)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


def curve(
    figures: Figures, species: str, strategy: str, recipe: str
) -> list[tuple[float, float, float]]:
    """(genes, mean test F1, its deviation) of each amount of data; empty without amounts."""
    points = []
    for percent in (*SHARES, 100):
        name = row_name(strategy, recipe, percent)
        scored = figures.values(species, name, test_f1)
        if scored:
            genes = mean(record["genes"] for record in figures.find(species, name))
            points.append((genes, mean(scored), stdev(scored) if len(scored) > 1 else 0.0))
    return points if len(points) > 1 else []


def all_rows() -> list[tuple[str, str]]:
    """Strategies and recipes of the tables, Helixer's own last."""
    return [*ROWS, *((name, PEER_RECIPE) for name in PEER)]


def row_of(record: Record) -> str:
    """The row of a record."""
    run = record["run"]
    return row_name(run["strategy"], run["recipe"], run["share"])


def score_of(record: Record, name: str, score: str) -> float | None:
    """A score of the tuned model; None where it was not scored."""
    tuned = record["measured"]["tuned"]
    return tuned[name][score] if tuned else None


def test_f1(record: Record) -> float | None:
    """Genic F1 on the test data."""
    return score_of(record, "test", "genic_f1")


def validation_f1(record: Record) -> float | None:
    """Genic F1 on the validation data."""
    return score_of(record, "validation", "genic_f1")


def wrong_bases(record: Record) -> float | None:
    """Share of the test bases that are called wrong."""
    return score_of(record, "test", "wrong")


def seconds(record: Record) -> float:
    """Of the whole run."""
    return record["measured"]["seconds"]


def time_cell(figures: Figures, species: str, row: str) -> str:
    """Mean time; with ~ for a run of Helixer that was cut short."""
    measured = [record["measured"] for record in figures.find(species, row)]
    if not any(one["extrapolated"] for one in measured):
        return duration(mean(one["seconds"] for one in measured))
    kind = PEER[figures.find(species, row)[0]["run"]["strategy"]]
    ours = row_name({"whole": "whole", "freeze": "head"}[kind], PEER_RECIPE)
    epochs = figures.values(species, ours, lambda record: record["measured"]["epochs"])
    if not epochs:
        return f"> {duration(mean(one['seconds'] for one in measured))}"
    return "~" + duration(
        mean(
            one["seconds"] + max(0.0, mean(epochs) - one["epochs"]) * one["epoch_seconds"]
            for one in measured
        )
    )


def verdicts(records: Sequence[Record]) -> str:
    """How many of the runs said "better"."""
    said = [record["measured"]["verdict"] for record in records]
    said = [verdict for verdict in said if verdict]
    return f"{said.count('better')}/{len(said)}" if said else NOTHING


def spread(values: Sequence[float]) -> str:
    """Mean ± sample standard deviation."""
    if not values:
        return NOTHING
    return f"{mean(values):.4f}" + (f" ± {stdev(values):.4f}" if len(values) > 1 else "")


def signed(value: float | None) -> str:
    """A difference."""
    return NOTHING if value is None else f"{value:+.4f}"


def share(values: Sequence[float]) -> str:
    """A mean share."""
    return f"{mean(values):.1%}" if values else NOTHING


def number(values: Sequence[float]) -> str:
    """A mean count."""
    return f"{mean(values):.0f}" if values else NOTHING


def average(values: Sequence[float | None]) -> float | None:
    """Mean, if all are there."""
    known = [value for value in values if value is not None]
    return mean(known) if known and len(known) == len(values) else None


def duration(seconds: float) -> str:
    """Seconds, minutes from two on."""
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.1f} min"
