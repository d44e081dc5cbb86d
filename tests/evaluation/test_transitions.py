"""Classes of distance against a plain search."""

import numpy as np
import pytest

from helixer_ft.evaluation.transitions import DISTANCES, KINDS, distance_classes
from tests.evaluation.slow_evaluation import KINDS as COLUMNS
from tests.evaluation.slow_evaluation import distance_class, nearest


@pytest.mark.parametrize("minus", [False, True])
@pytest.mark.parametrize("n_marks", [0, 1, 12])
def test_distances_are_those_of_a_plain_search(minus, n_marks):
    generator = np.random.default_rng(n_marks)
    marks = generator.random((700, 6)).argsort(axis=0) < n_marks
    marks[0] = marks[-1] = n_marks == 12  # at the very ends too
    bits = np.packbits(marks, axis=-1, bitorder="little")[:, 0]
    found = distance_classes(bits, minus=minus)
    assert found.shape == (6, 700)
    for kind, classes in zip(KINDS, found, strict=True):
        marked = np.flatnonzero(marks[:, COLUMNS[kind]["-" if minus else "+"]]).tolist()
        expected = [distance_class(nearest(marked, place)) for place in range(700)]
        assert [DISTANCES[code] for code in classes] == expected


def test_limits_of_the_classes():
    """A donor between bases 199 and 200 of a plus row: column 2 is marked on both."""
    bits = np.zeros(400, np.uint8)
    bits[199:201] = 1 << 2
    donor = distance_classes(bits, minus=False)[KINDS.index("donor")]
    names = [DISTANCES[code] for code in donor]
    assert names[194:206] == ["0-5"] * 12
    assert {names[193], names[179], names[206], names[220]} == {"6-20"}
    assert {names[178], names[99], names[221], names[300]} == {"21-100"}
    assert {names[98], names[301]} == {">100"}
    # read as a minus row, the same column is the acceptor
    minus = distance_classes(bits, minus=True)
    assert (minus[KINDS.index("acceptor")] == donor).all()
    assert (minus[KINDS.index("donor")] == DISTANCES.index(">100")).all()
