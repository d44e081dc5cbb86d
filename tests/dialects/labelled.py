"""Labels of genes, and whether two are the same at every base."""

from collections.abc import Iterable, Mapping

import numpy as np

from helixer_ft.genome.annotation import Gene
from helixer_ft.preparation.labels import SequenceLabels, label_sequence


def labels_of(
    genes: Mapping[str, list[Gene]], bases: Mapping[str, np.ndarray]
) -> dict[str, SequenceLabels]:
    return {name: label_sequence(bases[name], there) for name, there in genes.items()}


def assert_same_labels(
    found: Mapping[str, SequenceLabels],
    expected: Mapping[str, SequenceLabels],
    untold: Iterable[tuple[str, str, int, int]] = (),
) -> None:
    """`untold` are (sequence, strand, start, end) where they may differ."""
    untold = list(untold)
    assert set(found) == set(expected)
    for name, labels in found.items():
        for strand in ("plus", "minus"):
            ours, theirs = getattr(labels, strand), getattr(expected[name], strand)
            for key in vars(theirs):
                a, b = getattr(ours, key).copy(), getattr(theirs, key).copy()
                for seqid, sign, start, end in untold:
                    if (seqid, sign) == (name, "+" if strand == "plus" else "-"):
                        a[start:end] = b[start:end] = 0
                np.testing.assert_array_equal(a, b, err_msg=f"{name} {strand} {key}")
        frames = ("unknown_phase", "mismatched_phase_5p") if untold else ()
        spans = [
            sorted(
                (mask.strand, mask.start, mask.end, mask.error)
                for mask in one.masked
                if mask.error not in frames
            )
            for one in (labels, expected[name])
        ]
        assert spans[0] == spans[1]
