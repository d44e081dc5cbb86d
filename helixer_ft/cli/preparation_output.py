"""Prints what was prepared: tables to standard output, warnings to standard error."""

import json
from collections.abc import Sequence

from rich.table import Table

from helixer_ft.cli.output import Printer, plain_table
from helixer_ft.metrics import GENIC_CLASSES
from helixer_ft.preparation.report import Content, Preparation, SpeciesReport


def show(preparation: Preparation, printer: Printer) -> None:
    """The result of `prepare`: its sets, its genes, what was masked, and what to know."""
    for text in preparation.notices:
        printer.notice(text)
    if not printer.as_json:
        for report in preparation.species:
            if report.content is not None:
                for line in _genome_lines(report):
                    printer.out.print(line, markup=False)
                if report.masked:
                    printer.table(_masked_table(report))
        printer.table(_sets_table(preparation))
    for text in preparation.warnings:
        printer.warning(text)
    if printer.as_json:
        printer.out.file.write(json.dumps(preparation.as_dict(), indent=2) + "\n")
    elif preparation.dry_run:
        printer.out.print("Dry run: everything is in order; nothing was written.")
    else:
        names = ", ".join(path.name for path in preparation.files)
        printer.out.print(
            f"Written to {preparation.files[0].parent}: {names}; {preparation.seconds:.0f} s",
            markup=False,
        )


def _genome_lines(report: SpeciesReport) -> list[str]:
    content, lengths = report.content, report.lengths
    assert content is not None
    trusted = sum(gene.trusted for gene in content.genes)
    introns = sum(gene.introns for gene in content.genes)
    lines = [
        f"{report.sample.species}: {report.length / 1e6:.2f} Mb in {report.sequences:,} "
        f"sequence(s), {report.annotated_sequences:,} of them with coding genes.",
        f"Coding genes: {len(content.genes):,}"
        + (f", {trusted:,} trusted" if trusted < len(content.genes) else "")
        + f", {content.usable_genes:,} usable; {introns:,} introns. "
        f"Other genes: {report.other_genes:,}.",
    ]
    if lengths is not None:
        lines.append(f"Gene length: median {lengths.median:,} bp, at most {lengths.maximum:,} bp.")
    return lines


def _masked_table(report: SpeciesReport) -> Table:
    table = plain_table(
        f"Masked in {report.sample.species}", "why", "genes", "bases", "share of the genome"
    )
    for error, total in report.masked.items():
        share = total.bases / (2 * report.length)
        table.add_row(error, f"{total.genes:,}", f"{total.bases:,}", f"{share:.2%}")
    content = report.content
    assert content is not None
    masked = int(content.bases.sum() - content.valid_bases.sum())
    table.add_row("all together", "", f"{masked:,}", f"{content.masked_share:.2%}")
    return table


def _sets_table(preparation: Preparation) -> Table:
    columns = ("windows", "seqs", "genes", "bases", *GENIC_CLASSES)
    labelled = any(part.content is not None for part in preparation.sets.values())
    table = plain_table("Data", "set", *(columns if labelled else columns[:2]))
    for name, part in preparation.sets.items():
        cells = [f"{part.subsequences:,}", f"{part.sequences:,}"]
        if part.content is None:
            table.add_row(name, *cells)
            continue
        for row in _content_rows(name, cells, part.content):
            table.add_row(*row)
    return table


def _content_rows(name: str, cells: Sequence[str], content: Content) -> list[list[str]]:
    """All genes and bases, and below them those that can be learnt from."""
    return [
        [
            name,
            *cells,
            f"{len(content.genes):,}",
            f"{content.bases.sum() / 1e6:.2f} Mb",
            *(f"{share:.1%}" for share in content.fractions),
        ],
        [
            "  valid",
            *[""] * len(cells),
            f"{content.usable_genes:,}",
            f"{1 - content.masked_share:.1%}",
            *(f"{share:.1%}" for share in content.valid_fractions),
        ],
    ]
