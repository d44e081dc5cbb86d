"""The page of pseudo_labels.py: tables in Markdown."""

from collections.abc import Iterable, Mapping, Sequence
from statistics import mean, stdev
from typing import Any

from evidence_data import SPECIES

Record = Mapping[str, Any]
NAMES = {
    "chosen": "`pseudo-label`",
    "random": "as many genes at random",
    "all": "all genes of HelixerPost",
    "rows": "rows by agreement",
    "rows misaligned": "rows by agreement, misaligned",
    "true": "annotation (upper bound)",
}
TEACHERS = {
    "untouched": "the model",
    "adapted": "the model, adapted",
    "other": "the model, tuned on another species",
}


def render(content: Record) -> str:
    """The tables, from all figures."""
    records = {tuple(name.split("/")): record for name, record in content["records"].items()}
    audits = {key[1:]: record for key, record in records.items() if key[0] == "audit" and record}
    students: dict[tuple[str, ...], list[Record]] = {}
    for key, record in records.items():
        if key[0] == "student":
            students.setdefault(key[1:-1], []).append(record)
    versions = ", ".join(f"{name} {text}" for name, text in content["versions"].items())
    computer = content["machine"]
    return "\n\n".join(
        [
            f"Measured on {content['date']} with {computer['cores']} cores of "
            f"{computer['processor']}: {versions}.",
            "### What is labelled",
            table(
                ["species", "teacher", "labels", "genes", "exon precision", "exon recall",
                 "base precision", "base recall"],
                [audit_row(key, record) for key, record in audits.items()],
            ),
            "Exons and bases of coding sequence, against the known genes of the same sequences.",
            "### Students",
            table(
                ["species", "teacher", "labels", "settings", "n", "teacher F1", "student F1",
                 "difference", "interval (first seed)", "verdicts"],
                [student_row(key, found) for key, found in students.items()],
            ),
            "Genic F1 on the test data, known genes: mean ± standard deviation over *n* seeds.",
        ]
    )  # fmt: skip


def audit_row(key: Sequence[str], record: Record) -> list[str]:
    """Labels against known genes."""
    species, teacher, labels, _ = key
    if "refused" in record:
        return [*names(species, teacher, labels), "0", "refused", *[""] * 3]
    coding = record["coding"]
    figures = [coding[level][of] for level in ("exon", "base") for of in ("precision", "recall")]
    genes = str(record["genes"]["predicted"])
    return [*names(species, teacher, labels), genes, *(f"{one:.3f}" for one in figures)]


def student_row(key: Sequence[str], found: Sequence[Record]) -> list[str]:
    """All seeds of a student."""
    species, teacher, labels, settings = key
    first = found[0]["difference"]
    verdicts = [one["verdict"] for one in found]
    return [
        *names(species, teacher, labels),
        settings if settings == "default" else f"`{settings}`",
        str(len(found)),
        f"{found[0]['teacher']:.4f}",
        spread([one["student"] for one in found]),
        f"{mean(one['student'] - one['teacher'] for one in found):+.4f}",
        f"{first['low']:+.4f} to {first['high']:+.4f}",
        ", ".join(f"{verdicts.count(one)} {one}" for one in dict.fromkeys(verdicts)),
    ]


def names(species: str, teacher: str, labels: str) -> list[str]:
    """As the tables have them."""
    told = TEACHERS.get(teacher, f"the model, tuned on {teacher} % of the annotation")
    return [f"*{SPECIES[species].name}*", told, NAMES[labels]]


def spread(values: Sequence[float]) -> str:
    """Mean and standard deviation, where there are several."""
    text = f"{mean(values):.4f}"
    return f"{text} ± {stdev(values):.4f}" if len(values) > 1 else text


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """In Markdown."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
