"""Which genomes to prepare: one on the command line, or a sheet of several."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from helixer_ft.errors import InputError
from helixer_ft.formats.data_names import check_species
from helixer_ft.formats.input_file import read_text_file

Role = Literal["train", "validation", "test", "split"]
ROLES: tuple[Role, ...] = get_args(Role)
COLUMNS = ("species", "fasta", "gff3", "role")
WHAT = f"a sheet: a table with tabs and the columns {', '.join(COLUMNS)}"


@dataclass(frozen=True)
class Sample:
    """One genome.

    Attributes
    ----------
    species
        Its name in the data files, and in file names.
    fasta
        Its sequences.
    gff3
        Its genes; None: no labels.
    role
        The set that all of it goes to, or "split": among all three.
    """

    species: str
    fasta: Path
    gff3: Path | None = None
    role: Role = "split"


def read_sheet(path: Path) -> tuple[Sample, ...]:
    """Read a sheet of genomes.

    Tab-separated, a header of `COLUMNS` in any order, one genome per line; blank lines and lines
    that begin with # are skipped. Relative paths are looked up in the working directory, then in
    the sheet's folder.

    Raises
    ------
    InputError
        Not readable, no such table, unknown or missing columns, an unknown role, an empty cell, a
        file that is not there, a duplicate species.
    """
    lines = [
        (number, line.split("\t"))
        for number, line in enumerate(read_text_file(path, WHAT).splitlines(), start=1)
        if line.strip() and not line.startswith("#")
    ]
    if not lines:
        raise InputError(f"{path}: is empty, expected {WHAT}.")
    header = [cell.strip() for cell in lines[0][1]]
    _check_header(path, header)
    samples = [_sample(path, number, header, cells) for number, cells in lines[1:]]
    if not samples:
        raise InputError(f"{path}: has a header and no line below it, expected one per genome.")
    names = [sample.species for sample in samples]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError(
            f"{path}: the species {', '.join(twice)} is listed more than once, expected one line "
            "per species. Give the others another name."
        )
    return tuple(samples)


def _check_header(path: Path, header: Sequence[str]) -> None:
    unknown = [name for name in header if name not in COLUMNS]
    missing = [name for name in COLUMNS if name not in header]
    if len(header) == 1 and missing:
        raise InputError(
            f"{path}: its first line, '{header[0][:60]}', has no tab, expected the header of "
            f"{WHAT}."
        )
    problems = []
    if unknown:
        problems.append(f"has the unknown column(s) {', '.join(map(repr, unknown))}")
    if missing:
        problems.append(f"lacks the column(s) {', '.join(missing)}")
    if len(set(header)) < len(header) and not unknown:
        problems.append("has a duplicate column")
    if problems:
        raise InputError(f"{path}: {' and '.join(problems)}, expected {', '.join(COLUMNS)}.")


def _sample(path: Path, number: int, header: Sequence[str], cells: Sequence[str]) -> Sample:
    where = f"{path}: line {number}"
    cells = [cell.strip() for cell in cells]
    while len(cells) > len(header) and not cells[-1]:
        cells = cells[:-1]
    if len(cells) != len(header):
        raise InputError(f"{where} has {len(cells)} columns, the header has {len(header)}.")
    row = dict(zip(header, cells, strict=True))
    empty = [name for name in COLUMNS if not row[name]]
    if empty:
        raise InputError(
            f"{where} has no {' and no '.join(empty)}, expected all of {', '.join(COLUMNS)}."
        )
    check_species(row["species"], f"{where}: species")
    role = next((role for role in ROLES if role == row["role"]), None)
    if role is None:
        raise InputError(
            f"{where} has the role '{row['role']}', expected one of {', '.join(ROLES)}."
        )
    fasta, gff3 = (_find(path, number, name, row[name]) for name in ("fasta", "gff3"))
    return Sample(row["species"], fasta, gff3, role)


def _find(sheet: Path, number: int, column: str, name: str) -> Path:
    for path in (Path(name), sheet.parent / name):
        if path.exists():
            return path
    raise InputError(
        f"{sheet}: line {number}: {column}: {name}: no such file, neither from the working "
        "directory nor from the sheet's folder."
    )
