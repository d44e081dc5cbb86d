"""Mutations of BAM and bigWig."""

import random
from pathlib import Path

import pysam

from tests.bad_files.kinds import ANY_FILE, Kind, Mutation, piece


def truncate(path: Path, generator: random.Random) -> Kind:
    content = path.read_bytes()
    path.write_bytes(content[: generator.randrange(1, len(content))])
    return Kind.BROKEN


def no_end_mark(path: Path, generator: random.Random) -> Kind:
    path.write_bytes(path.read_bytes()[:-28])
    return Kind.BROKEN


def overwrite(path: Path, generator: random.Random) -> Kind:
    content = bytearray(path.read_bytes())
    place = piece(len(content), generator)
    content[place] = generator.randbytes(place.stop - place.start)
    path.write_bytes(content)
    return Kind.OTHER


def other_header(path: Path, generator: random.Random) -> Kind:
    """Sequences of absurd lengths, names twice, none at all, reads out of order."""
    chosen = generator.randrange(4)
    with pysam.AlignmentFile(str(path), "rb") as old:
        header, reads = old.header.to_dict(), list(old)
    if chosen == 0:
        header["SQ"] = [{**line, "LN": 1} for line in header["SQ"]]
    elif chosen == 1:
        header["SQ"] = [{**line, "SN": f"other{line['SN']}"} for line in header["SQ"]]
    elif chosen == 2:
        header, reads = {"HD": {"VN": "1.6"}}, []
    else:
        header["HD"]["SO"] = "queryname"
    with pysam.AlignmentFile(str(path), "wb", header=header) as new:
        for read in reads:
            new.write(pysam.AlignedSegment.from_dict(read.to_dict(), new.header))
    return Kind.BROKEN


def wrong_index(path: Path, generator: random.Random) -> Kind:
    path.with_name(f"{path.name}.bai").write_bytes(generator.randbytes(200))
    return Kind.BROKEN


BAM: tuple[Mutation, ...] = (
    *ANY_FILE, truncate, truncate, no_end_mark, overwrite, overwrite, other_header, wrong_index
)  # fmt: skip
BIGWIG: tuple[Mutation, ...] = (*ANY_FILE, truncate, truncate, overwrite)
