"""The small model on this machine's device, against the same in NumPy; a fault is seen."""

import numpy as np
import pytest
from conftest import tiny_model

from helixer_ft.doctor import comparison
from helixer_ft.doctor.comparison import QUANTITIES, compare, difference
from helixer_ft.doctor.reference import reference
from helixer_ft.engine import engine_class
from helixer_ft.network.strategies import Whole
from helixer_ft.runtime import devices
from helixer_ft.settings import TrainingSettings
from tests.doctor.broken import break_recurrence


def test_everything_agrees_in_float32():
    found = list(compare("float32"))
    assert [one.quantity for one in found] == list(QUANTITIES)
    assert all(one.agrees for one in found), found
    for one in found[:3]:
        assert 0 < one.difference < 2e-5, one
    assert found[0].device == "CPU"


@pytest.mark.parametrize(
    "precision", ["mixed_bfloat16", pytest.param("mixed_float16", marks=pytest.mark.slow)]
)
def test_mixed_precisions_agree_within_their_bounds(precision):
    quantities = ("predictions", "gradients", "step")
    found = {one.quantity: one for one in compare(precision, quantities)}
    assert all(one.agrees for one in found.values()), found
    assert found["predictions"].difference > 1e-3, "nothing was rounded: is it float32?"


def test_reversed_backward_states_are_seen_in_every_precision(monkeypatch):
    break_recurrence(monkeypatch)
    for precision in ("float32", "mixed_bfloat16"):
        (one,) = compare(precision, ("predictions",))
        assert not one.agrees
        assert one.difference > 2 * one.bound


def test_wrong_gradients_alone_are_seen(monkeypatch):
    engine = engine_class()
    right = engine._gradients

    def wrong(self, *arguments):
        total, parts, gradients = right(self, *arguments)
        *others, last = gradients
        return total, parts, [*others, last * 1.01]

    monkeypatch.setattr(engine, "_gradients", wrong)
    found = {one.quantity: one for one in compare("float32", ("gradients", "step"))}
    assert not found["gradients"].agrees
    assert found["step"].agrees, "the step follows from the gradients that are there"


def test_a_wrong_step_is_seen(monkeypatch):
    monkeypatch.setattr(engine_class(), "_apply", lambda self, gradients: None)
    found = {one.quantity: one for one in compare("float32", ("gradients", "step"))}
    assert found["gradients"].agrees
    assert not found["step"].agrees


def test_bounds_of_accelerators_leave_room_for_tf32(monkeypatch):
    on_cpu = comparison._bound("float32", "states")
    monkeypatch.setattr(devices, "uses_accelerator", lambda: True)
    assert comparison._bound("float32", "states") > 100 * on_cpu
    assert comparison._bound("float32", "step") == comparison._STEP


def test_difference():
    assert difference([1.0, -4.5], np.array([1.0, -5.0])) == pytest.approx(0.1)
    assert difference([1.0, np.nan], np.array([1.0, 2.0])) == float("inf")


@pytest.mark.parametrize(
    "options",
    [
        {"lstms": 2},
        *(pytest.param(one, marks=pytest.mark.slow) for one in ({"phase": False}, {"pool": 1})),
    ],
    ids=str,
)
def test_the_reference_on_other_networks(options, random_batch):
    """Losses and gradients of the engine; two LSTMs, no phase, no pooling."""
    model, settings = tiny_model(**options), TrainingSettings()
    batch = random_batch()
    expected = reference(model.architecture, model.weights, batch, settings)
    engine = engine_class()(model.architecture, model.weights, Whole().plan(model), settings)
    loss, _ = engine.add_gradients(batch, len(batch))
    assert loss == pytest.approx(expected.loss, rel=1e-5)
    ((_, gradients),) = engine.state().accumulated
    exact = [one for layer in engine.model.layers for one in expected.gradients.get(layer.name, [])]
    assert len(exact) == len(gradients)
    for found, wanted in zip(gradients, exact, strict=True):
        assert difference(found, wanted) < 1e-4


@pytest.fixture
def random_batch():
    def made():
        from dataclasses import replace

        batch = comparison._batch(4)
        return replace(batch, rows=batch.rows[:, :, :90])

    return made
