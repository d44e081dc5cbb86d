"""Signals per base (bigWig) -> values of a region, by strand."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pybigtools

from helixer_ft.errors import InputError, first_line
from helixer_ft.formats.input_file import check_input_file

WHAT = "a bigWig file (.bw, .bigWig)"
_SUFFIXES = (".bw", ".bigWig", ".bigwig")


@dataclass(frozen=True)
class SignalHeader:
    """What a bigWig says of itself.

    Attributes
    ----------
    lengths
        Sequence -> bp.
    minimum, maximum
        Of all values.
    """

    lengths: dict[str, int]
    minimum: float
    maximum: float


@dataclass(frozen=True)
class SignalSource:
    """One bigWig for both strands, or one per strand.

    Attributes
    ----------
    paths
        One, or plus and minus.
    negate_minus
        The minus strand's values are all negative, as some programs write them: their absolute
        values count.
    """

    paths: tuple[Path, ...]
    negate_minus: bool = False


@dataclass(frozen=True)
class RegionSignal:
    """Values over a region.

    Attributes
    ----------
    coverage
        For plus and for minus: (n,) float32, 0 where the file has no value.
    not_finite
        Bases whose value is NaN or infinite, and is taken as 0.
    """

    coverage: tuple[np.ndarray, np.ndarray]
    not_finite: int


def read_header(path: Path) -> SignalHeader:
    """Read the sequences and the range of values.

    Raises
    ------
    InputError
        Not a bigWig, truncated.
    """
    try:
        file = _open(path)
        summary = file.info()["summary"]
        return SignalHeader(dict(file.chroms()), float(summary["min"]), float(summary["max"]))
    except (KeyError, TypeError, ValueError) as error:
        raise _damaged(path, error) from error


def read_region(source: SignalSource, seqid: str, start: int, end: int) -> RegionSignal:
    """Read the values of a region."""
    values, not_finite = [], 0
    for path in source.paths:
        one, count = _read(path, seqid, start, end)
        values.append(one)
        not_finite += count
    if source.negate_minus:
        values[1] = -values[1]
    return RegionSignal((values[0], values[-1]), not_finite)


def _read(path: Path, seqid: str, start: int, end: int) -> tuple[np.ndarray, int]:
    file = _open(path)
    try:
        if seqid not in file.chroms():  # written without the sequences that have no value
            return np.zeros(end - start, np.float32), 0
        values = file.values(seqid, start, end, fillna=None).astype(np.float32)
        not_finite = int(np.isinf(values).sum())
        if np.isnan(file.info()["summary"]["sum"]):  # else NaN is where there is no value
            not_finite += sum(
                min(right, end) - max(left, start)
                for left, right, value in file.records(seqid, start, end)
                if np.isnan(value)
            )
    except Exception as error:
        raise _damaged(path, error) from error
    return np.where(np.isfinite(values), values, np.float32(0)), not_finite


def _open(path: Path) -> Any:
    check_input_file(path, WHAT)
    if path.suffix not in _SUFFIXES:
        raise InputError(f"{path}: has the extension '{path.suffix}', expected {WHAT}.")
    try:
        file = pybigtools.open(str(path))
    except Exception as error:
        raise _damaged(path, error) from error
    if not file.is_bigwig:
        raise InputError(f"{path}: is a bigBed, expected {WHAT}.")
    return file


def _damaged(path: Path, error: BaseException) -> InputError:
    return InputError(
        f"{path}: cannot be read ({first_line(error)}), expected {WHAT}. If it is one, it is "
        "damaged or truncated: copy it again."
    )
