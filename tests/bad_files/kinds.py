"""What a mutation makes of a sound file, and so what a command may make of it."""

import random
from collections.abc import Callable
from enum import Enum
from pathlib import Path


class Kind(Enum):
    """What a file is after a mutation."""

    BROKEN = "refused, or of no influence where the command does not use what is broken"
    OTHER = "refused, or what is in it is read"
    HARMLESS = "read as before"


Mutation = Callable[[Path, random.Random], Kind]
"""Changes the file at a path in place; the random generator makes every choice."""


def piece(size: int, generator: random.Random, longest: int = 512) -> slice:
    """Some bytes of a file of `size`."""
    start = generator.randrange(size)
    return slice(start, min(size, start + generator.choice([1, 4, 8, 64, longest])))


# -- any file ----------------------------------------------------------------------------------


def empty(path: Path, generator: random.Random) -> Kind:
    path.write_bytes(b"")
    return Kind.BROKEN


def folder(path: Path, generator: random.Random) -> Kind:
    path.unlink()
    path.mkdir()
    return Kind.BROKEN


def pipe(path: Path, generator: random.Random) -> Kind:
    import os

    path.unlink()
    os.mkfifo(path)
    return Kind.BROKEN


def device(path: Path, generator: random.Random) -> Kind:
    path.unlink()
    path.symlink_to("/dev/zero")
    return Kind.BROKEN


def dangling_link(path: Path, generator: random.Random) -> Kind:
    path.unlink()
    path.symlink_to("nowhere")
    return Kind.BROKEN


def circular_link(path: Path, generator: random.Random) -> Kind:
    path.unlink()
    path.symlink_to(path.name)
    return Kind.BROKEN


def link_to_the_file(path: Path, generator: random.Random) -> Kind:
    target = path.rename(path.with_name(f"moved_{path.name}.away"))
    path.symlink_to(target.name)
    return Kind.HARMLESS


def zeros_instead(path: Path, generator: random.Random) -> Kind:
    path.write_bytes(bytes(path.stat().st_size))
    return Kind.BROKEN


def noise(path: Path, generator: random.Random) -> Kind:
    path.write_bytes(generator.randbytes(path.stat().st_size))
    return Kind.BROKEN


ANY_FILE: tuple[Mutation, ...] = (
    empty, folder, pipe, device, dangling_link, circular_link, link_to_the_file, zeros_instead,
    noise,
)  # fmt: skip
