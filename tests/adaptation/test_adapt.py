"""From statistics to the adapted model: mix, shift, what the file says, what is refused."""

import json
from dataclasses import replace

import numpy as np
import pytest
from conftest import tiny_model

from helixer_ft.adaptation.adapt import MIN_BASES, adapt, adapt_model
from helixer_ft.adaptation.adapted import mix_for, mixed_statistics
from helixer_ft.adaptation.record import original_of
from helixer_ft.adaptation.request import AdaptRequest
from helixer_ft.adaptation.statistics import LayerStatistics, statistics_of
from helixer_ft.adaptation.windows import open_windows
from helixer_ft.errors import InputError
from helixer_ft.formats.coverage_h5 import Track
from helixer_ft.formats.model_h5 import BATCHNORM, BATCHNORM_ORIGINAL, write_model_file
from helixer_ft.network.architecture import BatchNorm
from helixer_ft.network.coverage import CoverageInput
from helixer_ft.network.model import load_model
from helixer_ft.network.strategies import Freeze
from tests.adaptation.genomes import random_sequence, write_fasta
from tests.docs.test_pages import ADAPTED
from tests.plans import plan_freeze

GENOME = random_sequence(MIN_BASES // 2, 0.3)


@pytest.fixture
def fasta(tmp_path):
    return write_fasta(tmp_path / "genome.fa", GENOME)


@pytest.fixture
def request_(tmp_path, fasta):
    path = tmp_path / "model.h5"
    write_model_file(path, tiny_model(convs=3).to_file({"strategy": "whole network"}))
    return AdaptRequest(path, fasta, tmp_path / "adapted.h5", batchnorm_mix=1.0)


def adapted(model, fasta, **options):
    with open_windows(fasta) as source:
        return adapt_model(model, source, **options)


def test_all_other_weights_stay_bit_for_bit(request_):
    adaptation = adapt(request_)
    before, after = load_model(request_.load_model_path), load_model(request_.save_model_path)
    assert after.architecture == before.architecture
    norms = [layer.name for layer in before.architecture.body if isinstance(layer, BatchNorm)]
    for name, arrays in before.weights.items():
        same = [np.array_equal(*pair) for pair in zip(arrays, after.weights[name], strict=True)]
        assert same == ([True, True, False, False] if name in norms else [True] * len(arrays))
    for name, measured in adaptation.measured.items():
        assert np.array_equal(after.weights[name][2], measured.mean)
        assert np.array_equal(after.weights[name][3], measured.variance)
    assert list(after.file.weights) == list(before.file.weights)
    assert after.file.config == before.file.config


def test_mix_0_and_1_are_exact_and_between_is_the_mixture(fasta):
    model = tiny_model()
    full = adapted(model, fasta, mix=1.0)
    (name,) = full.original
    old, new = full.original[name], full.measured[name]
    for mix, expected in ((0, old), (1, new)):
        found = statistics_of(full.with_mix(mix, "user").model)[name]
        assert np.array_equal(found.mean, expected.mean)
        assert np.array_equal(found.variance, expected.variance)
    values = np.random.default_rng(0).normal([1, 5], [2, 0.5], (400, 2))
    parts = values[:100], values[100:] + 3
    moments = [LayerStatistics(part.mean(0), part.var(0)) for part in parts]
    found = mixed_statistics(*moments, 0.75)
    joined = np.concatenate(parts)
    np.testing.assert_allclose(found.mean, joined.mean(0), rtol=1e-6)
    np.testing.assert_allclose(found.variance, joined.var(0), rtol=1e-6)


def test_the_shift_is_in_what_a_layer_divides_by(fasta):
    full = adapted(tiny_model(convs=3), fasta)
    for name, shift in full.shifts.items():
        old, new = full.original[name], full.measured[name]
        expected = np.mean(np.abs(new.mean - old.mean) / np.sqrt(old.variance + 1e-3))
        assert shift == pytest.approx(expected, rel=1e-5)
    assert full.shift == pytest.approx(np.mean(list(full.shifts.values())))


def test_auto_follows_the_shift_alone(fasta):
    full = adapted(tiny_model(), fasta)
    assert full.mix == full.recommended_mix == mix_for(full.shift)
    assert full.chosen_by == "shift"
    assert adapted(tiny_model(), fasta, mix=0.3).mix == 0.3
    shifts = np.linspace(0, 1, 200)
    mixes = [mix_for(shift) for shift in shifts]
    assert mixes == sorted(mixes)
    assert mixes[0] == 0
    assert 0.99 <= mixes[-1] <= 1
    assert mix_for(0.025) <= 0.05  # a species that the model knows
    assert mix_for(0.11) >= 0.75
    # nothing moves where the statistics are those of the genome already
    again = adapted(full.with_mix(1, "user").model, fasta)
    assert again.shift < 1e-6
    assert again.mix == 0


def test_a_model_is_adapted_from_what_it_came_with(request_, tmp_path):
    adapt(request_)
    other = write_fasta(tmp_path / "other.fa", random_sequence(len(GENOME), 0.7, seed=1))
    second = replace(
        request_,
        load_model_path=request_.save_model_path,
        save_model_path=tmp_path / "again.h5",
        source=other,
        batchnorm_mix=0.5,
    )
    twice = adapt(second)
    once = adapt(replace(second, load_model_path=request_.load_model_path, force=True))
    for name, one in once.original.items():
        assert np.array_equal(twice.original[name].mean, one.mean)
        assert np.array_equal(twice.measured[name].variance, once.measured[name].variance)
    assert twice.shifts == once.shifts
    back = adapt(replace(second, batchnorm_mix=0.0, force=True))
    first = load_model(request_.load_model_path)
    for name, one in statistics_of(first).items():
        assert np.array_equal(statistics_of(back.model)[name].mean, one.mean)
        assert np.array_equal(statistics_of(back.model)[name].variance, one.variance)


def test_the_file_says_what_was_done(request_, fasta):
    adaptation = adapt(replace(request_, command_line="helixer-ft adapt"))
    model = load_model(request_.save_model_path)
    said = model.file.provenance
    assert json.loads(said[BATCHNORM]) == adaptation.to_dict()
    assert adaptation.to_dict()["sources"].keys() == {fasta.name}
    assert adaptation.to_dict()["bases"] == 2 * len(GENOME)
    assert said["adapted_model_sha256"] == load_model(request_.load_model_path).file.sha256
    assert said["adapt_command_line"] == "helixer-ft adapt"
    assert set(said) == ADAPTED | {"strategy", "version"}
    assert said["strategy"] == "whole network"  # of the weights, as it was
    for name, one in adaptation.original.items():
        kept = original_of(model)[name]
        assert np.array_equal(kept.mean, one.mean)
        assert np.array_equal(kept.variance, one.variance)


def test_an_adapted_model_is_none_that_was_fine_tuned(request_):
    write_model_file(request_.load_model_path, tiny_model().to_file({}), force=True)
    adapt(request_)
    assert Freeze().plan(load_model(request_.save_model_path)).notices == ()


def test_a_dry_run_writes_nothing(request_, tmp_path):
    before = sorted(tmp_path.iterdir())
    assert adapt(replace(request_, dry_run=True)).mix == 1
    assert sorted(tmp_path.iterdir()) == before


def test_a_coverage_model_is_adapted_by_its_bases(fasta):
    plain = tiny_model()
    coverage = CoverageInput("rnaseq", "log", (Track("leaf", "reads"),))
    taking = plan_freeze(plain, coverage=coverage).model
    assert taking.architecture.coverage_channels
    found, expected = (adapted(model, fasta) for model in (taking, plain))
    for name, one in expected.measured.items():
        assert np.array_equal(found.measured[name].mean, one.mean)
    assert found.model.coverage == taking.coverage


@pytest.mark.parametrize(
    ("sequence", "parts"),
    [
        ("N" * 60_000, ["has no base but N", f"at least {MIN_BASES:,}"]),
        (GENOME[:-1], [f"has {MIN_BASES - 2:,} bases that are not N, both strands counted"]),
        ("MKVLEF" * 10, ["Is this protein sequence?"]),
    ],
    ids=["n", "short", "protein"],
)
def test_sequence_that_says_nothing_is_refused(request_, sequence, parts):
    write_fasta(request_.source, sequence)
    with pytest.raises(InputError) as error:
        adapt(request_)
    for part in (str(request_.source), *parts):
        assert part in str(error.value)
    assert not request_.save_model_path.exists()


def test_a_model_without_batch_norm_is_refused(request_):
    write_model_file(request_.load_model_path, tiny_model(convs=1).to_file({}), force=True)
    with pytest.raises(InputError, match=r"model\.h5: has no batch normalisation"):
        adapt(request_)


@pytest.mark.parametrize("damage", ["{", "{}", '{"batch_normalization": {"mean": "AAAA"}}'])
def test_damaged_statistics_of_before_are_refused(request_, damage):
    file = tiny_model().to_file({BATCHNORM_ORIGINAL: damage})
    write_model_file(request_.load_model_path, file, force=True)
    with pytest.raises(InputError, match="helixer_ft_batchnorm_original cannot be read"):
        adapt(request_)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"batchnorm_mix": 1.5}, "--batchnorm-mix is 1.5, expected auto or a number from 0"),
        ({"batchnorm_mix": float("nan")}, "--batchnorm-mix is nan"),
        ({"save_model_path": "a.hdf"}, "does not end in .h5"),
    ],
)
def test_options_that_are_refused(request_, tmp_path, options, text):
    if "save_model_path" in options:
        options = {"save_model_path": tmp_path / options["save_model_path"]}
    with pytest.raises(InputError, match=text):
        replace(request_, **options)


def test_overwriting_is_refused(request_):
    for source in (data := request_.save_model_path.with_name("training_data.h5"), data.parent):
        data.touch()
        with pytest.raises(InputError, match=r"training_data\.h5: is read, and never overwritten"):
            adapt(replace(request_, source=source, save_model_path=data, force=True))
    beside = data.with_name("training_data.adapted.h5")
    with pytest.raises(InputError, match="would be taken for data of"):
        adapt(replace(request_, source=data.parent, save_model_path=beside))
    with pytest.raises(InputError, match="would be taken for data of"):
        adapt(replace(request_, source=data, save_model_path=beside))
    data.unlink()
    with pytest.raises(InputError, match="is read, and never overwritten"):
        replace(request_, save_model_path=request_.load_model_path)
    adapt(request_)
    with pytest.raises(InputError, match="exists already"):
        adapt(request_)
    adapt(replace(request_, force=True))
