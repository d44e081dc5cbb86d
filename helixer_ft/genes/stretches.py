"""Stretches of sequences on which genes are scored, as the table `split.tsv` lists them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from helixer_ft.errors import InputError
from helixer_ft.formats.data_names import CHECK
from helixer_ft.formats.input_file import damaged_line, read_rows

_WHAT = "a table of a split: tabs, and the columns seqid, start, end, set (split.tsv)"
_COLUMNS = ("seqid", "start", "end", "set")


@dataclass(frozen=True)
class Stretch:
    """Part of a sequence, or all of it: bases [start, end) in bp."""

    seqid: str
    start: int
    end: int

    @property
    def name(self) -> str:
        """Different from that of any other."""
        return f"{self.seqid}:{self.start + 1}-{self.end}"

    def holds(self, start: int, end: int) -> bool:
        """Whether something lies within as a whole."""
        return self.start <= start and end <= self.end


def read_stretches(path: Path, lengths: Mapping[str, int]) -> list[Stretch]:
    """The check stretches of a table, in the order of the genome.

    Parameters
    ----------
    path
        1-based, inclusive coordinates.
    lengths
        Sequence -> bp of the genome.

    Raises
    ------
    InputError
        No such table; none of set `CHECK` in it; stretches that are not within the genome.
    """
    found = []
    for number, row in read_rows(path, _WHAT, _COLUMNS):
        if row.get("set") != CHECK:
            continue
        try:
            one = Stretch(row["seqid"], int(row["start"]) - 1, int(row["end"]))
        except (KeyError, ValueError) as error:
            raise damaged_line(path, number, _WHAT) from error
        if not 0 <= one.start < one.end <= lengths.get(one.seqid, 0):
            raise InputError(
                f"{path}, line {number}: the genome has no {one.name}. Give the genome that was "
                "split."
            )
        found.append(one)
    if not found:
        raise InputError(
            f"{path}: has no stretch of the set {CHECK}, expected some. Give the split.tsv of "
            "helixer-ft pseudo-label, or name whole sequences with --seqids."
        )
    order = {name: i for i, name in enumerate(lengths)}
    return sorted(found, key=lambda one: (order[one.seqid], one.start))
