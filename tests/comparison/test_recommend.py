"""Which model is recommended, and why."""

from dataclasses import replace

import pytest

from helixer_ft.comparison.recommend import Recommendation, Row, recommend
from helixer_ft.comparison.state import Trained
from tests.comparison.outcomes import BLOCKS, compared, regions, tuned, untouched


def asked(*rows: Row, blocks: int = BLOCKS) -> Recommendation:
    return recommend(
        [untouched(blocks=blocks, test="test" in rows[0].scores), *rows], regions(blocks)
    )


def test_the_best_on_the_validation_data_where_it_is_clearly_so():
    found = asked(tuned("head", 0.5, trainable_parameters=10), tuned("whole", 0.7))
    assert found.row.name == "whole"
    assert found.runner_up == "head"
    assert found.interval.low > 0
    assert found.reasons[0].startswith(
        "whole is better on the validation data than the second, head"
    )
    assert found.reasons[1].startswith("It is better than the untouched model on the test data")
    assert found.text == "use whole.h5 (freeze)"


@pytest.mark.parametrize(
    ("head", "whole", "seeds"), [(0.5, 0.5, (1, 2)), (0.5, 0.5, (2, 1))], ids=["a", "b"]
)
def test_of_two_that_cannot_be_told_apart_the_simpler_one(head, whole, seeds):
    """Whichever of them happens to be a little higher."""
    rows = (
        tuned("whole", whole, trainable_parameters=1000, seed=seeds[0]),
        tuned("head", head, trainable_parameters=10, seed=seeds[1]),
    )
    found = asked(*rows)
    assert rows[0].validation_f1 != rows[1].validation_f1
    assert found.interval.low < 0
    assert found.row.name == "head"
    assert "cannot be told apart" in found.reasons[0]
    assert "head is the simpler one (10 parameters trained, not 1,000)" in found.reasons[0]


def test_of_two_with_as_many_parameters_the_earlier_one():
    rows = [tuned("whole", 0.5, seed=seed) for seed in (1, 2)]
    for first, second in (rows, rows[::-1]):
        one = Row(**vars(first) | {"name": "whole"})
        other = Row(**vars(second) | {"name": "head-then-whole"})
        found = asked(one, other)
        assert found.row.name == "whole"
        assert "in fewer steps" in found.reasons[0]


def test_a_third_one_changes_nothing():
    rows = [tuned("a", 0.7), tuned("b", 0.5)]
    assert asked(*rows, tuned("c", 0.4)).interval == asked(*rows).interval


def test_the_test_data_judge_what_the_validation_data_chose():
    """The model that is best on the test data is not taken for that."""
    found = asked(tuned("head", 0.5, 0.6), tuned("whole", 0.7, 0.2))
    assert found.row.name == "base"
    assert found.text == "keep the untouched model, base.h5"
    assert found.runner_up == "head"
    assert "It is no better than the untouched model on the test data" in found.reasons[1]


def test_what_cannot_be_told_from_the_untouched_model_is_not_recommended():
    found = asked(tuned("head", 0.4, 0.295))
    assert "cannot be told" in found.reasons[1]
    assert not found.row.is_tuned


@pytest.mark.parametrize("right", [0.2, 0.3])
def test_what_is_no_better_than_the_untouched_model_where_it_was_chosen(right):
    """With 0.3 it is the untouched model, as where no part of a tuning is kept."""
    found = asked(tuned("head", right, 0.9, seed=0))
    assert not found.row.is_tuned
    before = untouched().validation_f1
    told = f"it is no better than the untouched model ({before:.4f})"
    assert told in found.reasons[1]
    assert len(found.reasons) == 2


def test_too_few_blocks_for_a_verdict():
    rows = tuned("head", 0.6, blocks=9), tuned("whole", 0.9, blocks=9)
    found = asked(*rows, blocks=9)
    assert found.row.name == "whole"
    assert found.is_tentative
    assert found.text == "use whole.h5 (freeze) for now"
    assert "9 genome blocks are too few for a verdict (20 are needed)" in found.reasons[2]
    worse = asked(tuned("head", 0.32, 0.25, blocks=9), blocks=9)
    assert not worse.row.is_tuned
    assert not worse.is_tentative


def test_without_test_data_it_says_what_that_is_worth():
    found = asked(tuned("head", 0.5, test=False))
    assert found.row.name == "head"
    assert "on the validation data" in found.reasons[1]
    assert "There are no test data" in found.reasons[2]
    assert "optimistic" in found.reasons[2]


def test_the_best_untouched_model_is_what_counts():
    """Better than the model it was made from is not enough."""
    rows = [untouched("base"), untouched("other", 0.8), tuned("head", 0.6)]
    assert rows[2].verdict == "better"
    found = recommend(rows, regions())
    assert found.row.name == "other"


def test_nothing_tuned():
    found = recommend([untouched()], regions())
    assert (found.row.name, found.reasons) == ("base", ("Nothing was tuned.",))
    assert found.to_dict()["difference"] is None


def test_to_dict():
    found = asked(tuned("head", 0.5), tuned("whole", 0.7)).to_dict()
    assert found["name"] == "whole"
    assert found["path"] == "whole.h5"
    assert found["difference"]["low"] > 0
    assert found["runner_up"] == "head"
    assert len(found["reasons"]) == 2


def test_a_part_of_a_tuning_is_named(tmp_path):
    """The best part on the validation data was kept; of which, the table says nothing."""
    outcome = compared(tmp_path, [untouched(), tuned("whole", 0.5)])
    kept = Trained(
        name="whole", candidate="whole", model="base", strategy="whole network", started_from="",
        trainable_parameters=1000, total_parameters=2000, scores={}, checks=3, epochs=3,
        best_epoch=2, best_batch=4, tuning_share=0.25, ended="", seconds=1.0, warnings=(),
    )  # fmt: skip
    outcome = replace(outcome, trained={"whole": kept})
    assert outcome.to_dict()["models"][1]["tuning_share"] == 0.25
    assert any("whole: the saved model has 25% of its tuning" in note for note in outcome.notes())
    nothing = replace(outcome, trained={"whole": replace(kept, tuning_share=0.0)})
    assert any(note.startswith("whole: no part of its tuning is") for note in nothing.notes())
    everything = replace(outcome, trained={"whole": replace(kept, tuning_share=1.0)})
    assert not any("of its tuning" in note for note in everything.notes())


def test_models_with_and_without_phase():
    def without_phase(row: Row) -> Row:
        scores = {on: replace(one, counts=one.counts[:, :1]) for on, one in row.scores.items()}
        return replace(row, scores=scores)

    rows = tuned("head", 0.5, trainable_parameters=10), tuned("whole", 0.7)
    same = asked(*rows)
    for mixed in ((rows[0], without_phase(rows[1])), (without_phase(rows[0]), rows[1])):
        found = asked(*mixed)
        assert found.reasons == same.reasons
        assert found.interval == same.interval
