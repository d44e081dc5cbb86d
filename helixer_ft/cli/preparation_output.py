"""Prints what was prepared: tables to standard output, warnings to standard error."""

from collections.abc import Iterator

from rich.table import Table

from helixer_ft.cli.output import Printer, percents, plain_table
from helixer_ft.metrics import GENIC_CLASSES
from helixer_ft.preparation.report import Content, Preparation, SetReport, SpeciesReport


def show(preparation: Preparation, printer: Printer) -> None:
    """The result of `prepare`: its sets, its genes, what was masked, and what to know."""
    for text in preparation.notices:
        printer.notice(text)
    if not printer.as_json:
        for report in preparation.species:
            if report.content is not None:
                printer.lines(*_genome_lines(report, report.content))
                if report.masked:
                    printer.table(_masked_table(report, report.content))
        printer.table(sets_table(preparation))
    for text in preparation.warnings:
        printer.warning(text)
    if printer.as_json:
        printer.json(preparation.to_dict())
    elif preparation.dry_run:
        printer.lines("Dry run: everything is in order; nothing was written.")
    else:
        names = ", ".join(path.name for path in preparation.files)
        folder = preparation.files[0].parent
        printer.lines(f"Written to {folder}: {names}; {preparation.seconds:.0f} s")


def _genome_lines(report: SpeciesReport, content: Content) -> Iterator[str]:
    trusted = sum(gene.trusted for gene in content.genes)
    introns = sum(gene.introns for gene in content.genes)
    yield (
        f"{report.sample.species}: {report.length / 1e6:.2f} Mb in {report.sequences:,} "
        f"sequence(s), {report.annotated_sequences:,} of them with coding genes."
    )
    yield (
        f"Coding genes: {len(content.genes):,}"
        + (f", {trusted:,} trusted" if trusted < len(content.genes) else "")
        + f", {content.usable_genes:,} usable; {introns:,} introns. "
        f"Other genes: {report.other_genes:,}."
    )
    lengths = report.lengths
    if lengths is not None:
        yield f"Gene length: median {lengths.median:,} bp, at most {lengths.maximum:,} bp."


def _masked_table(report: SpeciesReport, content: Content) -> Table:
    masked = int(content.bases.sum() - content.valid_bases.sum())
    rows = [
        (error, f"{total.genes:,}", f"{total.bases:,}", f"{total.bases / (2 * report.length):.2%}")
        for error, total in report.masked.items()
    ]
    rows.append(("all together", "", f"{masked:,}", f"{content.masked_share:.2%}"))
    columns = ("why", "genes", "bases", "share of the genome")
    return plain_table(f"Masked in {report.sample.species}", columns, rows)


def sets_table(preparation: Preparation) -> Table:
    """What is in each set."""
    columns = ("set", "windows", "seqs", "genes", "bases", *GENIC_CLASSES)
    labelled = any(part.content is not None for part in preparation.sets.values())
    rows = [row for name, part in preparation.sets.items() for row in _set_rows(name, part)]
    return plain_table("Data", columns if labelled else columns[:3], rows)


def _set_rows(name: str, part: SetReport) -> Iterator[tuple[str, ...]]:
    """All genes and bases, and below them those that can be learnt from."""
    size, content = (f"{part.subsequences:,}", f"{part.sequences:,}"), part.content
    if content is None:
        yield name, *size
        return
    everything = f"{len(content.genes):,}", f"{content.bases.sum() / 1e6:.2f} Mb"
    valid = f"{content.usable_genes:,}", f"{1 - content.masked_share:.1%}"
    yield name, *size, *everything, *percents(content.fractions)
    yield "  valid", "", "", *valid, *percents(content.valid_fractions)
