"""The page of pseudo_labels.py: tables in Markdown."""

import re
from collections.abc import Iterable, Mapping, Sequence
from statistics import mean, stdev
from typing import Any

from evidence_data import SPECIES

Record = Mapping[str, Any]
NAMES = {
    "chosen": "`pseudo-label`",
    "passing": "all genes that pass the gate",
    "random": "as many genes at random",
    "random passing": "as many genes as pass, at random",
    "all": "all genes of HelixerPost",
    "rows": "rows by agreement",
    "rows misaligned": "rows by agreement, misaligned",
    "true": "annotation (upper bound)",
}
TEACHERS = {
    "untouched": "the model",
    "adapted": "the model, adapted",
    "other": "the model, tuned on another species",
    "other-adapted": "the model, tuned on another species, adapted",
}


def render(content: Record) -> str:
    """The tables, from all figures."""
    records = {tuple(name.split("/")): record for name, record in content["records"].items()}
    audits = {key[1:]: record for key, record in records.items() if key[0] == "audit" and record}
    students: dict[tuple[str, ...], list[Record]] = {}
    for key, record in records.items():
        if key[0] == "student":
            students.setdefault(key[1:-1], []).append(record)
    sections = [*measured(content), "### What is labelled", audit_table(audits)]
    refused = [(key, record) for key, record in audits.items() if "refused" in record]
    if refused:
        sections.append("\n".join(f"- {refusal(key, record)}" for key, record in refused))
    if students:
        sections += ["### Students", student_table(students)]
    return "\n\n".join(sections)


def measured(content: Record) -> list[str]:
    """Where, and by which command."""
    computer, settings = content["machine"], content["settings"]
    versions = ", ".join(f"{name} {text}" for name, text in content["versions"].items())
    keys = [name.split("/")[1:] for name in content["records"] if name.startswith("audit/")]

    def used(i: int) -> str:
        return ",".join(dict.fromkeys(key[i] for key in keys))

    files = "".join(
        f" --{option} {name}=FILE"
        for option in ("other", "bam")
        for name in settings.get(option, ())
    )
    least = ",".join(f"{name}={bases}" for name, bases in settings.get("min_cds", {}).items())
    least = f" --min-cds {least}" if least else ""
    return [
        f"Measured on {content['date']} on {computer['cores']} core(s) of "
        f"{computer['processor']}: {versions}.",
        "```bash\npython benchmarks/pseudo_labels.py --genomes GENOMES "
        f"--model {settings['model']} --species {used(0)}{files}{least} "
        f"--min-confidence {settings['min_confidence']} "
        f"--teachers {used(1)} --labels {used(2)} --work WORK "
        "--out docs/evidence.md\n```",
    ]


def audit_table(audits: Mapping[tuple[str, ...], Record]) -> str:
    """Labels against known genes."""
    columns = ["species", "teacher", "labels", "genes", "exon precision", "exon recall"]
    rows = [audit_row(key, record) for key, record in audits.items()]
    text = "Exons and bases of coding sequence, against the known genes of the same sequences."
    return f"{table([*columns, 'base precision', 'base recall'], rows)}\n\n{text}"


def refusal(key: Sequence[str], record: Record) -> str:
    """Why there are no labels."""
    species, teacher, labels, _ = key
    why = re.sub(r"^\S*/", "", record["refused"])  # not where the files were
    return f"{', '.join(names(species, teacher, labels))}: {why}"


def student_table(students: Mapping[tuple[str, ...], Sequence[Record]]) -> str:
    """Students beside their teachers."""
    columns = ["species", "teacher", "labels", "settings", "n", "teacher F1", "student F1"]
    columns += ["difference", "interval (first seed)", "verdicts"]
    rows = [student_row(key, found) for key, found in students.items()]
    text = "Genic F1 on the test data, known genes: mean ± standard deviation over *n* seeds."
    return f"{table(columns, rows)}\n\n{text}"


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
