"""Which sequences of a genome are predicted, and what is said of it beforehand."""

from pathlib import Path

import numpy as np
import pytest

from helixer_ft.errors import InputError
from helixer_ft.inference.request import HelixerPostSettings, PredictRequest
from helixer_ft.inference.selection import select_sequences, tell_of_padding
from helixer_ft.progress import Progress

LENGTHS = {"chr1": 9_000, "s1": 940, "chrM": 59, "s2": 1}


class Notices(Progress):
    def __init__(self) -> None:
        self.notices: list[str] = []

    def notice(self, text: str) -> None:
        self.notices.append(text)


def request(**options) -> PredictRequest:
    return PredictRequest(Path("m.h5"), Path("p.h5"), fasta=Path("g.fa"), **options)


@pytest.mark.parametrize(
    ("options", "kept", "said"),
    [
        ({}, ["chr1", "s1", "chrM", "s2"], ["2 sequences of fewer than 60 bp"]),
        ({"min_length": 1}, ["chr1", "s1", "chrM", "s2"], []),
        ({"min_length": 59}, ["chr1", "s1", "chrM"], ["3 of 4 sequences are predicted, 100.0%"]),
        ({"min_length": 60}, ["chr1", "s1"], ["2 of 4 sequences are predicted, 99.4%"]),
        (
            {"exclude": ("chr1", "s2")},
            ["s1", "chrM"],
            ["2 of 4 sequences are predicted, 10.0%", "1 sequences of fewer than 60 bp"],
        ),
        ({"seqids": ("s1", "chr1")}, ["chr1", "s1"], ["2 of 4 sequences are predicted, 99.4%"]),
        ({"seqids": ("s1", "chrM"), "min_length": 60}, ["s1"], ["1 of 4 sequences are predicted"]),
        (
            {"helixerpost": HelixerPostSettings(min_coding_length=1_000)},
            list(LENGTHS),
            ["3 sequences of fewer than 1000 bp"],
        ),
        ({"helixerpost": HelixerPostSettings(min_coding_length=1)}, list(LENGTHS), []),
    ],
)
def test_what_is_kept_and_said(options, kept, said):
    progress = Notices()
    assert select_sequences(LENGTHS, request(**options), progress) == {
        name: LENGTHS[name] for name in kept
    }
    assert len(progress.notices) == len(said)
    for notice, part in zip(progress.notices, said, strict=True):
        assert part in notice


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"exclude": ("chrN", "s1")}, "--exclude: no sequence is named 'chrN', expected names in"),
        ({"seqids": ("x", "y")}, "--seqids: no sequence is named 'x', 'y', expected .* s1, chrM"),
        ({"min_length": 9_001}, "leave no sequence of 4, the longest of 9,000 bp"),
        ({"seqids": ("s2",), "min_length": 2}, "leave no sequence of 4"),
    ],
)
def test_what_cannot_be_selected(options, said):
    with pytest.raises(InputError, match=said):
        select_sequences(LENGTHS, request(**options), Progress())


class Rows:
    """What of a source the share of padding follows from."""

    def __init__(self, n_rows: int, bases: int, skipped: int = 0) -> None:
        self.n_rows, self.bases, self.length = n_rows, bases, 10_000
        self.skipped = np.arange(n_rows) < skipped


def test_a_fragmented_assembly_is_announced():
    lengths = {f"c{i}": 400 if i % 4 else 4_000 for i in range(100_000)}
    source = Rows(200_000, 2 * sum(lengths.values()))
    progress = Notices()
    tell_of_padding(source, lengths, progress)
    assert progress.notices == [
        "87.0% of the 200,000 rows of 10,000 bp to be computed is padding, as sequences are short: "
        "as much work as 2,000 Mb of both strands, not 260 Mb. --min-length 1000 would leave out "
        "75,000 of 100,000 sequences with 23.1% of the bases. No sequence is longer than 4,000 bp: "
        "--subsequence-length 4005 holds each in one row (less padding changes predictions, see "
        "docs/formats.md)"
    ]
    progress = Notices()
    tell_of_padding(source, lengths | {"long": 10_000}, progress)
    assert "--subsequence-length" not in progress.notices[0]


@pytest.mark.parametrize(
    ("source", "lengths", "said"),
    [
        (Rows(200, 1_000_000), None, "50.0% of the 200 rows"),
        (Rows(200, 1_000_001), None, None),
        (Rows(199, 199), None, None),
        (Rows(1_000, 900, skipped=801), {"a": 1}, None),
        (Rows(1_000, 20_000, skipped=800), {"a": 1_000}, "99.0% of the 200 rows"),
    ],
)
def test_where_padding_is_worth_a_word(source, lengths, said):
    """Rows that are not computed cost nothing."""
    progress = Notices()
    tell_of_padding(source, lengths, progress)
    assert len(progress.notices) == (said is not None)
    assert said is None or progress.notices[0].startswith(said)
    assert not any("--min-length" in notice for notice in progress.notices)
