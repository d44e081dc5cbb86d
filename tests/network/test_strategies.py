"""The strategies: which layers train, which are new, and what the written file then holds."""

from dataclasses import replace

import numpy as np
import pytest
from conftest import tiny_architecture

from helixer_ft.errors import InputError
from helixer_ft.formats.coverage_h5 import Track
from helixer_ft.formats.model_h5 import write_model_file
from helixer_ft.network.architecture import BatchNorm, Dense
from helixer_ft.network.config_reader import parse_config
from helixer_ft.network.config_writer import render_config
from helixer_ft.network.coverage import CoverageInput
from helixer_ft.network.model import load_model
from helixer_ft.network.strategies import initial_head_weights
from tests.network.builders import layer_of, nested_coverage, random_model, split_coverage
from tests.plans import plan_freeze, plan_whole

BODY = ["conv1d", "batch_normalization", "conv1d_1", "reshape", "bidirectional"]
TINY = random_model(tiny_architecture(), seed=4)
"""conv 84, batch norm 16 (8 of them statistics), conv 84, LSTM 960, dense 504 parameters."""
TWO_TRACKS = CoverageInput("rnaseq", "log", (Track("leaf"), Track("root", "signal")))


def coverage_model(form=nested_coverage, tracks=1):
    config = form(render_config(tiny_architecture()), tracks)
    return random_model(parse_config(config, ""), seed=4, config=config)


def tuned_before(*, hidden):
    """A model as `freeze` leaves it."""
    head = (Dense("dense", 5, "relu"), Dense("dense_1", 72)) if hidden else tiny_architecture().head
    architecture = replace(tiny_architecture(), head=head)
    return random_model(architecture, seed=6, provenance={"strategy": "freeze + new head"})


def counts(plan):
    return {layer.name: (count, trains) for layer, count, trains in plan.layers()}


# -- what trains -------------------------------------------------------------------------------


def test_whole_trains_everything_but_the_statistics():
    plan = plan_whole(TINY)
    assert plan.strategy == "whole network"
    assert plan.trainable == {*BODY, "dense"}
    assert plan.new == ()
    assert not plan.body_is_frozen
    assert plan.batchnorm_statistics
    assert plan.notices == ()
    assert plan.model is TINY
    assert (plan.trainable_parameters, plan.total_parameters) == (1640, 1648)
    assert counts(plan) == {
        "conv1d": (84, 84),
        "batch_normalization": (16, 8),
        "conv1d_1": (84, 84),
        "reshape": (0, 0),
        "bidirectional": (960, 960),
        "dense": (504, 504),
    }


def test_whole_with_frozen_batchnorm_still_trains_scale_and_offset():
    plan = plan_whole(TINY, freeze_batchnorm=True)
    assert not plan.batchnorm_statistics
    assert plan.trainable == {*BODY, "dense"}
    assert plan.trainable_parameters == 1640
    assert any("batch norm keeps its trained statistics" in text for text in plan.notices)


def test_frozen_batchnorm_needs_batchnorm():
    model = random_model(tiny_architecture(convs=1))
    assert not any(isinstance(layer, BatchNorm) for layer in model.architecture.body)
    with pytest.raises(InputError, match=r"--freeze-batchnorm.*no batch normalisation"):
        plan_whole(model, freeze_batchnorm=True)


def test_new_head():
    plan = plan_freeze(TINY)
    assert plan.strategy == "freeze + new head"
    assert plan.trainable == {"dense"}
    assert plan.new == ("dense",)
    assert plan.body_is_frozen
    assert (plan.trainable_parameters, plan.total_parameters) == (504, 1648)
    assert plan.model.architecture.head == (Dense("dense", 72),)
    assert plan.notices == ()


def test_hidden_layer_is_half_as_wide_as_what_feeds_it():
    plan = plan_freeze(TINY, hidden_layer=True)
    assert plan.strategy == "freeze + hidden layer"
    assert plan.trainable == {"dense", "dense_1"}
    assert plan.new == ("dense", "dense_1")
    assert plan.model.architecture.head == (Dense("dense", 3, "relu"), Dense("dense_1", 72))
    # (6 + 1) x 3 and (3 + 1) x 72
    assert (plan.trainable_parameters, plan.total_parameters) == (21 + 288, 1144 + 309)


def test_hidden_layer_of_a_given_width():
    plan = plan_freeze(TINY, hidden_layer=True, hidden_units=10)
    assert [dense.units for dense in plan.model.architecture.head] == [10, 72]
    assert plan.trainable_parameters == 7 * 10 + 11 * 72
    assert [array.shape for array in plan.model.weights["dense"]] == [(6, 10), (10,)]
    assert [array.shape for array in plan.model.weights["dense_1"]] == [(10, 72), (72,)]


def test_coverage_joins_the_features_of_a_new_head():
    plan = plan_freeze(TINY, coverage=TWO_TRACKS)
    assert plan.model.architecture.coverage_channels == 4
    assert plan.model.weights["dense"][0].shape == (6 + 9 * 4, 72)
    assert plan.trainable_parameters == (6 + 9 * 4 + 1) * 72
    assert plan.model.coverage == TWO_TRACKS
    assert plan.notices == ()


def test_a_new_head_without_coverage_says_so():
    model = replace(coverage_model(nested_coverage, 2), coverage=TWO_TRACKS)
    (notice,) = plan_freeze(model).notices
    assert "takes coverage of 2 track(s), the new head none" in notice
    assert plan_freeze(model, coverage=TWO_TRACKS).notices == ()
    assert plan_freeze(model, keep_head=True).notices == ()


@pytest.mark.parametrize("form", [nested_coverage, split_coverage])
def test_coverage_counts_as_width_that_feeds_the_hidden_layer(form):
    plan = plan_freeze(coverage_model(form, 2), hidden_layer=True, coverage=TWO_TRACKS)
    # 6 features and 2 x 2 values of 9 bases
    assert plan.model.architecture.head_input_width == 42
    assert plan.model.architecture.head[0] == Dense("dense", 21, "relu")


def test_a_hidden_layer_has_at_least_one_unit():
    body = tiny_architecture(lstms=0, pool=1, convs=1).body
    narrow = replace(tiny_architecture(pool=1), body=(replace(body[0], filters=1),))
    plan = plan_freeze(random_model(narrow), hidden_layer=True)
    assert plan.model.architecture.head[0].units == 1


def test_keep_head():
    plan = plan_freeze(TINY, keep_head=True)
    assert plan.strategy == "freeze + trained head kept"
    assert plan.trainable == {"dense"}
    assert plan.new == ()
    assert plan.model is TINY
    assert (plan.trainable_parameters, plan.total_parameters) == (504, 1648)


def test_without_phase_the_head_is_half_as_wide():
    plan = plan_freeze(random_model(tiny_architecture(phase=False)))
    assert plan.model.architecture.head == (Dense("dense", 36),)
    assert plan.trainable_parameters == 7 * 36


def test_dropout_is_active_in_whole_and_inactive_in_freeze():
    model = random_model(tiny_architecture(dropout=0.2))
    assert any("dropout layers are active" in text for text in plan_whole(model).notices)
    for keep in (True, False):
        notices = plan_freeze(model, keep_head=keep).notices
        assert any("dropout layers are inactive" in text for text in notices)


def test_dropout_of_rate_0_is_not_worth_a_word():
    architecture = tiny_architecture(dropout=0.5)
    body = tuple(
        replace(layer, rate=0.0) if layer.name == "dropout" else layer
        for layer in architecture.body
    )
    assert plan_freeze(random_model(replace(architecture, body=body))).notices == ()


@pytest.mark.parametrize("units", [None, 4])
def test_keep_head_contradicts_a_hidden_layer(units):
    with pytest.raises(InputError, match=r"--keep-head.*--post-coverage-hidden-layer"):
        plan_freeze(TINY, keep_head=True, hidden_layer=True, hidden_units=units)


@pytest.mark.parametrize("keep", [True, False])
def test_hidden_units_need_a_hidden_layer(keep):
    with pytest.raises(InputError, match=r"--hidden-units.*--post-coverage-hidden-layer"):
        plan_freeze(TINY, hidden_units=4, keep_head=keep)


# -- weights -----------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{}, {"hidden_layer": True}, {"keep_head": True}], ids=str)
def test_the_body_keeps_its_weights(options):
    plan = plan_freeze(TINY, **options)
    for name in BODY:
        assert len(plan.model.weights[name]) == len(TINY.weights[name])
        for one, other in zip(plan.model.weights[name], TINY.weights[name], strict=True):
            assert np.array_equal(one, other)


@pytest.mark.parametrize("hidden", [False, True])
def test_new_weights_depend_on_the_seed_alone(hidden):
    def head(model, seed):
        plan = plan_freeze(model, hidden_layer=hidden, seed=seed)
        return [array for name in plan.new for array in plan.model.weights[name]]

    other = random_model(tiny_architecture(), seed=77)
    for one, same in zip(head(TINY, 5), head(other, 5), strict=True):
        assert np.array_equal(one, same)
    for one, new in zip(head(TINY, 5)[::2], head(TINY, 6)[::2], strict=True):
        assert np.isclose(one, new).mean() < 0.02
    # kernels are new, not the trained ones, and biases start at 0
    assert not np.array_equal(head(TINY, 5)[-2], TINY.weights["dense"][0])
    assert not any(bias.any() for bias in head(TINY, 5)[1::2])


def test_new_weights_are_glorot_uniform():
    head = (Dense("dense", 400, "relu"), Dense("dense_1", 72))
    architecture = replace(tiny_architecture(), head=head)
    weights = initial_head_weights(architecture, seed=1)
    for name, inputs, outputs in (("dense", 6, 400), ("dense_1", 400, 72)):
        kernel = weights[name][0]
        limit = np.sqrt(6 / (inputs + outputs))
        assert kernel.shape == (inputs, outputs)
        assert kernel.dtype == np.float32
        assert 0.99 * limit < np.abs(kernel).max() <= np.float32(limit)
        assert abs(kernel.mean()) < 0.05 * limit
        assert kernel.std() == pytest.approx(limit / np.sqrt(3), rel=0.05)


# -- the file ----------------------------------------------------------------------------------


def written(plan, tmp_path):
    path = tmp_path / "tuned.h5"
    write_model_file(path, plan.model.to_file({"strategy": str(plan.strategy)}))
    return load_model(path)


@pytest.mark.parametrize(
    "model",
    [
        TINY,
        random_model(tiny_architecture(phase=False)),
        tuned_before(hidden=False),
        tuned_before(hidden=True),
        coverage_model(nested_coverage),
        coverage_model(split_coverage, 2),
    ],
    ids=["plain", "no phase", "tuned", "tuned hidden", "nested coverage", "split coverage"],
)
@pytest.mark.parametrize(
    "options",
    [
        None,
        {},
        {"hidden_layer": True},
        {"keep_head": True},
        {"coverage": TWO_TRACKS},
        {"coverage": TWO_TRACKS, "hidden_layer": True},
    ],
    ids=str,
)
def test_every_plan_is_written_as_it_is(model, options, tmp_path):
    plan = plan_whole(model) if options is None else plan_freeze(model, **options)
    read = written(plan, tmp_path)
    assert [
        (layer.name, type(layer), layer.parameters(width), layer.output_width(width))
        for layer, width in read.architecture.layers()
    ] == [
        (layer.name, type(layer), layer.parameters(width), layer.output_width(width))
        for layer, width in plan.model.architecture.layers()
    ]
    expected = model.architecture.coverage_channels if options in (None, {"keep_head": True}) else 0
    expected = 4 if options and "coverage" in options else expected
    assert read.architecture.coverage_channels == expected
    assert read.coverage == plan.model.coverage
    for name, arrays in plan.model.weights.items():
        for one, other in zip(read.weights[name], arrays, strict=True):
            assert np.array_equal(one, other)
    dense = [name for name in read.file.weights if name.startswith("dense")]
    assert dense == [layer.name for layer in plan.model.architecture.head]
    order = [layer["name"] for layer in read.file.config["config"]["layers"]]
    assert list(read.file.weights) == order
    for dense in plan.model.architecture.head:
        options = layer_of(read.file.config, dense.name)["config"]
        assert (options["units"], options["activation"]) == (dense.units, dense.activation)


def test_the_hidden_layer_has_its_activation_in_the_file(tmp_path):
    read = written(plan_freeze(TINY, hidden_layer=True), tmp_path)
    assert layer_of(read.file.config, "dense")["config"]["activation"] == "relu"
    assert layer_of(read.file.config, "dense_1")["config"]["activation"] == "linear"
    assert layer_of(read.file.config, "tf.split")["inbound_nodes"][0][0] == "dense_1"
    assert read.file.provenance == {"strategy": "freeze + hidden layer"}


# -- fine-tuned again --------------------------------------------------------------------------


@pytest.mark.parametrize("hidden", [False, True])
def test_whole_goes_on_with_every_layer_of_a_tuned_model(hidden):
    plan = plan_whole(tuned_before(hidden=hidden))
    head = ["dense", "dense_1"] if hidden else ["dense"]
    assert plan.trainable == {*BODY, *head}
    assert plan.trainable_parameters == 1136 + (6 + 1) * (5 if hidden else 72) + hidden * 6 * 72
    assert plan.notices == ()


@pytest.mark.parametrize("hidden", [False, True])
def test_keep_head_goes_on_with_the_head_of_a_tuned_model(hidden):
    model = tuned_before(hidden=hidden)
    plan = plan_freeze(model, keep_head=True)
    assert plan.trainable == ({"dense", "dense_1"} if hidden else {"dense"})
    assert plan.new == ()
    assert plan.notices == ()
    for one, other in zip(plan.model.weights["dense"], model.weights["dense"], strict=True):
        assert one is other


@pytest.mark.parametrize("again_hidden", [False, True])
@pytest.mark.parametrize("hidden", [False, True])
def test_a_new_head_on_a_tuned_model_says_what_goes(hidden, again_hidden):
    plan = plan_freeze(tuned_before(hidden=hidden), hidden_layer=again_hidden)
    (notice,) = plan.notices
    assert "fine-tuned before" in notice
    assert "--keep-head" in notice
    assert ("head of 2 layers (5 → 72 units)" in notice) == hidden
    assert [dense.units for dense in plan.model.architecture.head] == (
        [3, 72] if again_hidden else [72]
    )
    assert set(plan.model.weights) == {*BODY, *plan.new}


def test_a_two_layer_head_without_provenance_is_noticed_too():
    model = replace(
        tuned_before(hidden=True), file=replace(tuned_before(hidden=True).file, provenance={})
    )
    (notice,) = plan_freeze(model).notices
    assert "head of 2 layers" in notice


def test_a_released_model_needs_no_notice():
    assert plan_freeze(TINY).notices == ()
