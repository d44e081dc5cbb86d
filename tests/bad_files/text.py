"""Mutations of FASTA, GFF3 and TOML, plain and packed."""

import bz2
import gzip
import random
from collections.abc import Callable
from pathlib import Path

import pysam

from tests.bad_files.kinds import ANY_FILE, Kind, Mutation, piece

Lines = list[bytes]


def _bytes(change: Callable[[bytes, random.Random], tuple[bytes, Kind]]) -> Mutation:
    """A mutation of the bytes as they are on disk."""

    def mutate(path: Path, generator: random.Random) -> Kind:
        content, kind = change(path.read_bytes(), generator)
        path.write_bytes(content)
        return kind

    mutate.__name__ = change.__name__
    return mutate


def _lines(change: Callable[[Lines, random.Random], Kind]) -> Mutation:
    """A mutation of the lines, in place; the file stays packed as it was."""

    def mutate(path: Path, generator: random.Random) -> Kind:
        content = path.read_bytes()
        packed = content[:2] == b"\x1f\x8b"
        lines = (gzip.decompress(content) if packed else content).split(b"\n")
        kind = change(lines, generator)
        new = b"\n".join(lines)
        if packed:
            with pysam.BGZFile(str(path), "wb", None) as file:
                file.write(new)
        else:
            path.write_bytes(new)
        return kind

    mutate.__name__ = change.__name__
    return mutate


# -- bytes -------------------------------------------------------------------------------------


@_bytes
def truncate(content: bytes, generator: random.Random) -> tuple[bytes, Kind]:
    return content[: generator.randrange(1, len(content))], Kind.OTHER


@_bytes
def flip(content: bytes, generator: random.Random) -> tuple[bytes, Kind]:
    new = bytearray(content)
    for _ in range(generator.choice([1, 3, 30])):
        new[generator.randrange(len(new))] = generator.randrange(256)
    return bytes(new), Kind.OTHER


@_bytes
def cut_out(content: bytes, generator: random.Random) -> tuple[bytes, Kind]:
    place = piece(len(content), generator, 4096)
    return content[: place.start] + content[place.stop :], Kind.OTHER


@_bytes
def double(content: bytes, generator: random.Random) -> tuple[bytes, Kind]:
    place = piece(len(content), generator, 4096)
    return content[: place.stop] + content[place], Kind.OTHER


@_bytes
def other_packing(content: bytes, generator: random.Random) -> tuple[bytes, Kind]:
    return bz2.compress(content), Kind.BROKEN


@_bytes
def other_encoding(content: bytes, generator: random.Random) -> tuple[bytes, Kind]:
    return content.decode("latin-1").encode("utf-16"), Kind.BROKEN


@_bytes
def garbage_behind(content: bytes, generator: random.Random) -> tuple[bytes, Kind]:
    return content + b"\xfe\xff" + generator.randbytes(50), Kind.OTHER


@_bytes
def no_end_of_bgzip(content: bytes, generator: random.Random) -> tuple[bytes, Kind]:
    """Cut at the end of a block, where every block that is there is whole."""
    return content[:-28], Kind.BROKEN


# -- lines -------------------------------------------------------------------------------------


@_lines
def zero_byte(lines: Lines, generator: random.Random) -> Kind:
    at = generator.randrange(len(lines))
    lines[at] += b"\0AC"
    return Kind.BROKEN


@_lines
def dos_ends(lines: Lines, generator: random.Random) -> Kind:
    lines[:] = [line + b"\r" if line else line for line in lines]
    return Kind.HARMLESS


@_lines
def blank_lines(lines: Lines, generator: random.Random) -> Kind:
    for _ in range(3):
        lines.insert(generator.randrange(len(lines)), b"")
    return Kind.HARMLESS


@_lines
def drop_lines(lines: Lines, generator: random.Random) -> Kind:
    for _ in range(generator.choice([1, 5])):
        del lines[generator.randrange(len(lines))]
    return Kind.OTHER


@_lines
def swap_lines(lines: Lines, generator: random.Random) -> Kind:
    one, other = (generator.randrange(len(lines)) for _ in range(2))
    lines[one], lines[other] = lines[other], lines[one]
    return Kind.OTHER


@_lines
def endless_line(lines: Lines, generator: random.Random) -> Kind:
    lines.insert(generator.randrange(len(lines)), b"N" * (2**24 + 2**21))
    return Kind.OTHER


@_lines
def steering_characters(lines: Lines, generator: random.Random) -> Kind:
    at = generator.randrange(len(lines))
    lines[at] = lines[at].replace(b"chr", b"chr\x1b]0;x\x07\x1b[31m", 1)
    return Kind.OTHER


# -- FASTA -------------------------------------------------------------------------------------


@_lines
def lower_case(lines: Lines, generator: random.Random) -> Kind:
    lines[:] = [line if line[:1] == b">" else line.lower() for line in lines]
    return Kind.HARMLESS


@_lines
def name_twice(lines: Lines, generator: random.Random) -> Kind:
    names = [line for line in lines if line[:1] == b">"]
    lines[lines.index(names[-1])] = names[0]
    return Kind.BROKEN


@_lines
def no_bases(lines: Lines, generator: random.Random) -> Kind:
    lines.insert(generator.randrange(len(lines)), b">another")
    lines.insert(0, b">nothing")
    return Kind.BROKEN


@_lines
def strange_letters(lines: Lines, generator: random.Random) -> Kind:
    at = generator.choice([i for i, line in enumerate(lines) if line and line[:1] != b">"])
    lines[at] += generator.choice([b"*", b"-", b"EFILPQ", b"\xff", b" A", b"1"])
    return Kind.BROKEN


# -- GFF3 --------------------------------------------------------------------------------------


def _column(number: int, values: list[bytes], kind: Kind) -> Callable[[Lines, random.Random], Kind]:
    """A value for a column of a feature line."""

    def change(lines: Lines, generator: random.Random) -> Kind:
        at = generator.choice([i for i, line in enumerate(lines) if line.count(b"\t") == 8])
        columns = lines[at].split(b"\t")
        columns[number] = generator.choice(values)
        lines[at] = b"\t".join(columns)
        return kind

    change.__name__ = f"column_{number}"
    return change


ODD_COLUMNS = tuple(
    _lines(_column(number, values, kind))
    for number, values, kind in (
        (0, [b"", b"%00", b"../../x", b"%1b[2J", b"chr99"], Kind.OTHER),
        (2, [b"", b"gene", b"CDS", b"mRNA", b"\xff"], Kind.OTHER),
        (3, [b"0", b"-1", b"1e3", b"9" * 5000, b"", b"\xd9\xa3x"], Kind.BROKEN),
        (4, [b"0", b"-1", b"99999999", b"9" * 5000, b"9" * 19, b""], Kind.BROKEN),
        (6, [b"", b".", b"?", b"+-"], Kind.OTHER),
        (7, [b"", b"3", b"-1", b"9" * 5000], Kind.OTHER),
        (8, [b"", b".", b"ID=", b"Parent=,", b"ID=%0a%1b[31m", b'gene_id "a"'], Kind.OTHER),
    )
)


@_lines
def parents_in_a_circle(lines: Lines, generator: random.Random) -> Kind:
    for name, parent in ((b"a", b"b"), (b"b", b"c"), (b"c", b"a")):
        lines.insert(1, b"chr01\tx\tmRNA\t1\t9\t.\t+\t.\tID=%b;Parent=%b" % (name, parent))
    return Kind.BROKEN


@_lines
def parents_without_end(lines: Lines, generator: random.Random) -> Kind:
    """Every feature has two parents, which have two each: 2^60 ways up."""
    for i in range(60):
        for name in (b"l", b"r"):
            values = (name, i, i + 1, i + 1)
            lines.insert(1, b"chr01\tx\tmRNA\t1\t9\t.\t+\t.\tID=%b%d;Parent=l%d,r%d" % values)
    return Kind.OTHER


@_lines
def long_line_of_parents(lines: Lines, generator: random.Random) -> Kind:
    new = [b"chr01\tx\tmRNA\t1\t9\t.\t+\t.\tID=n%d;Parent=n%d" % (i, i + 1) for i in range(5000)]
    lines[1:1] = new
    return Kind.OTHER


ANY_TEXT: tuple[Mutation, ...] = (
    *ANY_FILE, truncate, truncate, flip, flip, cut_out, double, other_packing, other_encoding,
    garbage_behind, zero_byte, zero_byte, dos_ends, drop_lines, swap_lines, endless_line,
    steering_characters,
)  # fmt: skip
FASTA: tuple[Mutation, ...] = (
    *ANY_TEXT, lower_case, name_twice, no_bases, strange_letters, blank_lines
)  # fmt: skip
GFF3: tuple[Mutation, ...] = (
    *ANY_TEXT, *ODD_COLUMNS, parents_in_a_circle, parents_without_end, long_line_of_parents,
    blank_lines,
)  # fmt: skip


# -- TOML --------------------------------------------------------------------------------------


@_lines
def odd_option(lines: Lines, generator: random.Random) -> Kind:
    lines.append(
        generator.choice(
            [
                b'"\\u001b[31mred" = 1', b"epochs = []", b"seed = {a = 1}", b"patience = nan",
                b"batch_size = " + b"9" * 5000, b"epochs = 1e999", b'learning_rate = "__import__"',
                b"a = " + b"[" * 5000, b"class_weights = [[1, 2], [3, 4]]", b"= 1", b"\xff = 1",
                b'precision = "\\u0000"',
            ]
        )
    )  # fmt: skip
    return Kind.BROKEN


TOML: tuple[Mutation, ...] = (*ANY_FILE, odd_option, odd_option, odd_option, truncate, flip)
