"""The learning rate and the average from update to update; the numbers chosen from the data."""

from dataclasses import replace

import numpy as np
import pytest

from helixer_ft.errors import InputError
from helixer_ft.recipes import RECIPES, Recipe, choice_notices, choose
from helixer_ft.settings import AUTO, CHOSEN_FROM_DATA, TrainingOptions, TrainingSettings


def test_the_rate_rises_then_falls_along_half_a_cosine():
    recipe = Recipe(warmup=4, last_rate=0.1)
    rates = [recipe.rate(2.0, update, 24) for update in range(25)]
    assert rates[:4] == pytest.approx([0.4, 0.8, 1.2, 1.6])
    assert rates[4] == 2.0
    assert rates[14] == pytest.approx(2.0 * (0.1 + 0.9 / 2))  # halfway down
    assert rates[24] == pytest.approx(0.2)
    assert all(np.diff(rates[4:]) < 0)


def test_the_warmup_is_at_most_a_quarter():
    recipe = Recipe(warmup=100)
    rates = [recipe.rate(1.0, update, 8) for update in range(8)]
    assert rates == pytest.approx([1 / 3, 2 / 3, 1, 1, 1, 1, 1, 1])


def test_the_originals_recipe_changes_nothing():
    recipe = RECIPES["helixer"]
    assert recipe.is_constant
    assert recipe.average is None
    assert {recipe.rate(3e-4, update, 10) for update in range(10)} == {3e-4}


def test_the_average_leaves_its_start_behind():
    recipe = Recipe(average=0.9)
    shares = [recipe.share(n) for n in range(1, 200)]
    assert shares[0] == pytest.approx(2 / 11)
    assert max(shares) == 0.9 == shares[-1]
    assert sorted(shares) == shares


def test_auto_becomes_numbers_and_given_ones_stay():
    options = TrainingOptions(epochs=7, learning_rate=0.5, seed=3, clip_norm=2.0)
    chosen = choose(options, 50, head_alone=False)
    assert type(chosen) is TrainingSettings
    assert (chosen.epochs, chosen.learning_rate, chosen.seed, chosen.clip_norm) == (7, 0.5, 3, 2.0)
    assert AUTO not in [getattr(chosen, name) for name in CHOSEN_FROM_DATA]
    assert chosen.recipe == "default"


def test_the_originals_numbers():
    chosen = choose(TrainingOptions(recipe="helixer"), 50, head_alone=False)
    assert chosen == TrainingSettings()
    numbers = [getattr(chosen, name) for name in CHOSEN_FROM_DATA]
    assert numbers == [100, 8, 3e-4, None, 3]


@pytest.mark.parametrize(
    ("recipe", "head_alone", "windows", "epochs"),
    [
        *(("helixer", head_alone, 500, 10) for head_alone in (False, True)),
        ("default", True, 500, 10),
        ("default", False, 500, 5),  # no more than of an annotation
        ("default", False, 60, 10),  # where that would be 14
    ],
)
def test_training_on_predictions_is_not_long_and_does_not_end_by_them(
    recipe, head_alone, windows, epochs
):
    options, both = TrainingOptions(recipe=recipe), ("training", "validation")
    chosen = choose(options, windows, head_alone=head_alone, predicted=both)
    every, n_batches = chosen.check_every_nth_batch, -(-windows // chosen.batch_size)
    checks = sum(
        batch == n_batches or (bool(every) and batch % every == 0)
        for batch in range(1, n_batches + 1)
    )
    assert chosen.epochs == epochs
    assert chosen.patience == epochs * checks
    text = choice_notices(options, chosen, windows)[0]
    assert f"--epochs {epochs}, " in text
    assert f"--patience {chosen.patience}" in text


def test_trusted_validation_data_end_a_training_on_predictions():
    options = TrainingOptions()
    some = choose(options, 500, head_alone=False, predicted=["training"])
    assert (some.epochs, some.patience) == (5, 4)  # a share of 10 checks
    other = choose(options, 500, head_alone=False, predicted=["validation"])
    usual = choose(options, 500, head_alone=False)
    assert other.epochs == usual.epochs
    assert other.patience > usual.patience
    assert choose(options, 500, head_alone=False, predicted=["test"]) == usual


def test_numbers_that_are_given_count_for_predictions_too():
    both = ("training", "validation")
    options = TrainingOptions(epochs=20, patience=2)
    chosen = choose(options, 500, head_alone=False, predicted=both)
    assert (chosen.epochs, chosen.patience) == (20, 2)
    settings = TrainingSettings()
    assert choose(settings, 500, head_alone=False, predicted=both) is settings


def test_numbers_stay_as_they_are():
    settings = TrainingSettings(recipe="default", epochs=2, batch_size=5)
    assert choose(settings, 50, head_alone=True) is settings


@pytest.mark.parametrize("head_alone", [False, True])
def test_more_windows_have_larger_batches_and_fewer_epochs(head_alone):
    chosen = [
        choose(TrainingOptions(), windows, head_alone=head_alone)
        for windows in (1, 20, 100, 400, 1600, 6400, 100_000)
    ]
    sizes = [one.batch_size for one in chosen]
    assert sizes == sorted(sizes)
    assert (sizes[0], sizes[-1]) == (4 if head_alone else 2, 8)
    epochs = [one.epochs for one in chosen]
    assert epochs == sorted(epochs, reverse=True)
    rates = {one.batch_size: one.learning_rate for one in chosen}
    assert rates[8] == pytest.approx(2**0.5 * rates[4], rel=0.02)


@pytest.mark.parametrize("windows", [1, 3, 30, 300, 3000, 30_000])
def test_a_training_has_some_ten_checks_where_there_are_batches(windows):
    chosen = choose(TrainingOptions(), windows, head_alone=False)
    n_batches = -(-windows // chosen.batch_size)
    every = chosen.check_every_nth_batch or n_batches
    checks = chosen.epochs * -(-n_batches // every)
    assert checks >= min(8, chosen.epochs * n_batches)
    assert 3 <= chosen.patience < checks


def test_the_rate_follows_a_given_batch_size():
    """Up to batches of 8."""
    small, large, huge = (
        choose(TrainingOptions(batch_size=size), 50, head_alone=False) for size in (2, 8, 64)
    )
    assert large.learning_rate == pytest.approx(2 * small.learning_rate, rel=0.02)
    assert huge.learning_rate == large.learning_rate


def test_accumulated_batches_make_one():
    parts, whole = (
        choose(TrainingOptions(batch_size=size, accumulate=n), 100_000, head_alone=False)
        for size, n in ((2, 4), (8, 1))
    )
    assert (parts.batch_size, parts.accumulate) == (2, 4)
    for name in ("learning_rate", "epochs", "patience"):
        assert getattr(parts, name) == getattr(whole, name)
    assert parts.check_every_nth_batch == 4 * whole.check_every_nth_batch


@pytest.mark.parametrize(("every", "checks_of_an_epoch"), [(None, 1), (10, 10)])
def test_patience_follows_given_checks(every, checks_of_an_epoch):
    asked = TrainingOptions(epochs=20, batch_size=4, check_every_nth_batch=every)
    chosen = choose(asked, 400, head_alone=False)
    assert chosen.check_every_nth_batch == every
    assert 0.2 < chosen.patience / (20 * checks_of_an_epoch) < 0.8


def test_what_was_chosen_is_said():
    options = TrainingOptions(batch_size=4)
    chosen = choose(options, 1234, head_alone=False)
    (text,) = choice_notices(options, chosen, 1234)
    assert text.startswith("recipe default, for 1,234 training windows: ")
    assert f"--epochs {chosen.epochs}" in text
    assert "--batch-size" not in text
    numbers = replace(chosen, recipe="default")
    assert choice_notices(numbers, numbers, 1234) == ()


def test_an_unknown_recipe():
    with pytest.raises(InputError, match="--recipe is cake, expected one of default, helixer"):
        TrainingOptions(recipe="cake")
