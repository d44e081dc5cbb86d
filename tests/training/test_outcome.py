"""What the result itself gives reason to say."""

from dataclasses import replace

import numpy as np
import pytest

from helixer_ft.metrics import GENIC_CLASSES, Interval
from helixer_ft.training.dataset_score import DatasetScore
from helixer_ft.training.history import Check
from helixer_ft.training.outcome import NOT_TRUSTED, Comparison
from helixer_ft.training.outcome_warnings import outcome_warnings

GOOD = np.array([[800, 5, 5, 0], [5, 50, 0, 0], [5, 0, 90, 5], [0, 0, 0, 50]])


def score(matrix: np.ndarray = GOOD, loss: float = 0.5) -> DatasetScore:
    return DatasetScore(matrix[None, None], loss)


def interval(low: float, high: float, blocks: int = 40) -> Interval:
    return Interval((low + high) / 2, low, high, blocks)


def compared(
    low: float = 0.1,
    high: float = 0.2,
    blocks: int = 40,
    tuned: np.ndarray = GOOD,
    **classes: Interval,
) -> Comparison:
    intervals = {name: interval(low, high, blocks) for name in ("genic", *GENIC_CLASSES)}
    return Comparison(score(), score(tuned), intervals | classes)


def check(number: int, subset_loss: float = 0.5, loss: float = 0.5) -> Check:
    return Check(number, number, 1, 0.5, score(loss=subset_loss), score(loss=loss), True, 0, 1.0)


def warnings(
    test: Comparison | None,
    *,
    losses=((0.5, 0.5),),
    validation: Comparison | None = None,
    intergenic_share: float = 0.3,
    share: float = 1.0,
) -> list[str]:
    checks = [check(number, *pair) for number, pair in enumerate([(1.0, 1.0), *losses])]
    return outcome_warnings(checks, validation or compared(), test, intergenic_share, share=share)


def test_nothing_to_say_of_a_good_result_on_held_out_data():
    assert warnings(compared()) == []


def test_agreement_with_predictions_is_no_score():
    absent = GOOD.copy()
    absent[:, 0] += absent[:, 1]
    absent[:, 1] = 0
    predicted = replace(compared(-0.3, -0.1, blocks=5, tuned=absent), trusted=False)
    assert predicted.verdict == "cannot tell"
    reason, missing = warnings(None, losses=((0.5, 0.4), (0.2, 0.9)), validation=predicted)
    assert reason.startswith(f"{NOT_TRUSTED}. Give data labelled by an annotation")
    assert missing.startswith("the tuned model never predicts UTR in the validation data")


def test_trusted_test_data_are_scored_whatever_the_validation_data_are():
    predicted = replace(compared(blocks=5), trusted=False)
    assert warnings(compared(), losses=((0.5, 0.4), (0.2, 0.9)), validation=predicted) == []


def test_a_verdict_on_the_data_that_chose_the_checkpoint():
    (text,) = warnings(None)
    assert "verdict is based on the validation data, which also chose the checkpoint" in text


@pytest.mark.parametrize(
    ("low", "high", "blocks", "words"),
    [
        (0.1, 0.2, 19, "only 19 genome blocks to score on: too few to tell"),
        (-0.01, 0.03, 40, "the interval of the difference includes 0. It is wider (0.0400) than "),
        (0.001, 0.1, 40, "how large the gain is stays uncertain: its interval (0.0990 wide)"),
        (-0.3, -0.1, 40, None),
    ],
)
def test_intervals_that_are_too_wide(low, high, blocks, words):
    found = warnings(compared(low, high, blocks))
    if words is None:
        assert found == []
    else:
        (text,) = found
        assert text.startswith(words)
        assert "Use more sequence" in text


def test_where_overfitting_began():
    (text,) = warnings(compared(), losses=[(0.6, 0.6), (0.4, 0.5), (0.2, 0.9)])
    assert text.startswith("overfitting began after check 2")
    assert warnings(compared(), losses=[(0.6, 0.6), (0.4, 0.5), (0.6, 0.9)]) == []


def test_a_class_that_is_never_predicted():
    """Which is no fault of a tuning of which nothing was kept."""
    gone = GOOD.copy()
    gone[:, 2] += gone[:, 1]
    gone[:, 1] = 0
    assert warnings(compared(tuned=gone), share=0) == []
    (text, more) = warnings(compared(tuned=gone))
    assert text.startswith("the tuned model never predicts UTR in the test data")
    assert more.startswith("more of the test bases are wrong than before (2.5% -> 7.4%), although")
    assert warnings(None, validation=compared(tuned=gone))[1].startswith(
        "the tuned model never predicts UTR in the validation data"
    )


def test_classes_that_got_worse():
    worse = {"UTR": interval(-0.2, -0.1), "intron": interval(-0.2, 0.0), "CDS": interval(-0.2, 0.1)}
    (text,) = warnings(compared(**worse))
    assert text.startswith("the tuned model is worse than the untouched one at UTR (F1 0.9")
    assert "intron" not in text
    assert len(warnings(compared(-0.02, 0.01, **worse))) == 2  # "cannot tell", and this
    assert warnings(compared(-0.2, -0.1, **worse)) == []  # as a whole, so the verdict says it
    few = {name: interval(-0.2, -0.1, blocks=19) for name in worse}
    assert warnings(compared(**few)) == []


def test_more_wrong_bases_in_a_better_model():
    more = GOOD.copy()
    more[0, 0], more[0, 2] = 780, 25
    (text,) = warnings(compared(tuned=more))
    assert text.startswith("more of the test bases are wrong than before (2.5% -> 4.4%), although")
    assert warnings(compared(-0.2, -0.1, tuned=more)) == []


def test_few_blocks_to_choose_the_checkpoint_by():
    (text,) = warnings(compared(), validation=compared(blocks=4))
    assert text.startswith("the validation data are only 4 genome blocks: the choice of the check")
    assert len(warnings(None, validation=compared(blocks=4))) == 2  # said of the verdict


@pytest.mark.parametrize(
    ("moved", "words"),
    [
        (200, "the tuned model calls 39.9% of the test bases genic, more than the 20.2% that are"),
        (-140, "the tuned model calls 6.4% of the test bases genic, less than the 20.2% that are"),
        (60, None),
        (-50, None),
    ],
)
def test_far_more_or_fewer_genes_than_there_are(moved, words):
    """Of 1015 bases 205 are genic, and as many are called so before any are moved."""
    matrix = GOOD.copy()
    if moved > 0:
        matrix[0, 0], matrix[0, 2] = 800 - moved, 5 + moved
    else:
        fewer = np.array([0, 30, 70, 40]) * -moved // 140
        matrix[range(4), range(4)] -= fewer
        matrix[:, 0] += fewer
    found = warnings(compared(-0.2, -0.1, tuned=matrix))
    if words is None:
        assert found == []
    else:
        (text,) = found
        assert text.startswith(words)


def test_what_helps_against_too_many_genes():
    """Intergenic sequence where training has less of it than there is; else the model is green."""
    matrix = GOOD.copy()
    matrix[0, 0], matrix[0, 2] = 600, 205
    for share, words in ((0.3, "Add intergenic sequence"), (0.7, "Train longer")):
        (text,) = warnings(compared(-0.2, -0.1, tuned=matrix), intergenic_share=share)
        assert words in text


WORSE = np.array([[800, 5, 5, 0], [25, 30, 0, 0], [45, 0, 50, 5], [20, 0, 0, 30]])


def test_where_no_check_was_better_than_the_untouched_model():
    unclear = compared(-0.1, 0.1)
    worse = compared(-0.2, -0.1, tuned=WORSE)
    (text,) = [one for one in warnings(unclear, validation=worse) if "no check was better" in one]
    assert "(genic F1 0.6" in text
    assert "use the untouched model" in text
    for test, validation in ((unclear, compared()), (compared(), worse)):
        assert not any(
            "no check was better" in one for one in warnings(test, validation=validation)
        )
