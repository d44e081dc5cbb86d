"""Which sequences of a genome are predicted, and what short ones cost."""

from collections.abc import Mapping

from helixer_ft.errors import InputError
from helixer_ft.formats.data_names import POOL_SIZE
from helixer_ft.inference.request import PredictRequest
from helixer_ft.inference.source import Source
from helixer_ft.progress import Progress

_MANY_ROWS, _MOSTLY_PADDING = 200, 0.5
"""From so many rows on, with more padding than that, the user is told before the work begins."""
_SHORT = 1_000
"""In bp; an example for --min-length."""
_LONGEST_TEXT = 16_000
"""Characters of an attribute; at most four bytes each."""


def select_sequences(
    lengths: Mapping[str, int], request: PredictRequest, progress: Progress
) -> dict[str, int]:
    """Sequence -> bp of those that are predicted, in their order.

    Parameters
    ----------
    lengths
        Sequence -> bp of the genome.
    request
        Has `--exclude`, `--seqids` and `--min-length`.
    progress
        Reports how much is left out or not computed.

    Raises
    ------
    InputError
        A name that is not there; nothing is left.
    """
    for option, names in (("--exclude", request.exclude), ("--seqids", request.seqids)):
        if unknown := [name for name in names if name not in lengths]:
            some = ", ".join(list(lengths)[:5]) + (", ..." if len(lengths) > 5 else "")
            raise InputError(
                f"{option}: no sequence is named {', '.join(map(repr, unknown))}, expected names "
                f"in {request.fasta}: {some}"
            )
    least, excluded, wanted = request.min_length or 0, set(request.exclude), set(request.seqids)
    kept = {
        name: n
        for name, n in lengths.items()
        if n >= least and name not in excluded and (not wanted or name in wanted)
    }
    if not kept:
        raise InputError(
            f"{request.fasta}: --exclude, --seqids and --min-length leave no sequence of "
            f"{len(lengths):,}, the longest of {max(lengths.values()):,} bp; expected some."
        )
    if len(kept) < len(lengths):
        bases, total = sum(kept.values()), sum(lengths.values())
        progress.notice(
            f"{len(kept):,} of {len(lengths):,} sequences are predicted, {bases / total:.1%} of "
            "the bases (--exclude, --seqids, --min-length)"
        )
    tiny = sum(n < request.shortest_computed for n in kept.values())
    if tiny:
        progress.notice(
            f"{tiny:,} sequences of fewer than {request.shortest_computed} bp, shorter than any "
            "gene that HelixerPost keeps, are not computed: their rows are 0 (--min-length 1 has "
            "them computed)"
        )
    return kept


def tell_of_padding(source: Source, lengths: Mapping[str, int] | None, progress: Progress) -> None:
    """Say before the work begins how much of it is padding, where that is most of a lot.

    Parameters
    ----------
    source
        What is predicted.
    lengths
        Sequence -> bp of a genome; None: a data file.
    progress
        Reports it.
    """
    rows = source.n_rows - int(source.skipped.sum())
    padding = 1 - source.bases / max(1, rows * source.length)
    if rows < _MANY_ROWS or padding < _MOSTLY_PADDING:
        return
    text = (
        f"{padding:.1%} of the {rows:,} rows of {source.length:,} bp to be computed is padding, as "
        f"sequences are short: as much work as {rows * source.length / 1e6:,.0f} Mb of both "
        f"strands, not {source.bases / 1e6:,.0f} Mb"
    )
    sizes = list(lengths.values()) if lengths is not None else []
    if short := [n for n in sizes if n < _SHORT]:
        text += (
            f". --min-length {_SHORT} would leave out {len(short):,} of {len(sizes):,} sequences "
            f"with {sum(short) / sum(sizes):.1%} of the bases"
        )
    enough = -(-max(sizes, default=source.length) // POOL_SIZE) * POOL_SIZE
    if enough < source.length:
        text += (
            f". No sequence is longer than {max(sizes):,} bp: --subsequence-length {enough} holds "
            "each in one row (less padding changes predictions, see docs/formats.md)"
        )
    progress.notice(text)


def selection_attributes(request: PredictRequest) -> dict[str, str | int]:
    """Attributes of a predictions file: which sequences of a genome are there, or computed."""
    names = {"exclude": request.exclude, "seqids": request.seqids}
    values: dict[str, str | int] = {
        f"helixer_ft_{name}": shortened(",".join(given)) for name, given in names.items() if given
    }
    if request.min_length is not None:
        return values | {"helixer_ft_min_length": request.min_length}
    return values | {"helixer_ft_shortest_computed": request.shortest_computed}


def shortened(text: str) -> str:
    """Text that fits into an attribute, which HDF5 limits to 64 kB."""
    return text if len(text) <= _LONGEST_TEXT else f"{text[:_LONGEST_TEXT]}..."
