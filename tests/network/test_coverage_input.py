"""What a network takes beside the bases: values, tracks, and what the model file says of them."""

import numpy as np
import pytest

from helixer_ft.errors import InputError
from helixer_ft.formats.coverage_h5 import Track
from helixer_ft.formats.model_h5 import write_model_file
from helixer_ft.network.coverage import CoverageInput
from helixer_ft.network.model import load_model
from tests.network.test_strategies import TINY
from tests.plans import plan_freeze

LEAF, ROOT = Track("leaf"), Track("root", "signal")
RAW = np.array([-1, 0, 1, 99, 4000], np.float32)


@pytest.mark.parametrize(
    ("normalization", "expected"),
    [
        ("none", [-1, 0, 1, 99, 4000]),
        ("linear", [-0.01, 0, 0.01, 0.99, 40]),
        ("log", [np.log(0.1), np.log(1.1), np.log(2.1), np.log(100.1), np.log(4001.1)]),
    ],
)
def test_normalised_values_are_float16(normalization, expected):
    coverage = CoverageInput("rnaseq", normalization, (LEAF,))
    values = coverage.normalize(RAW)
    assert values.dtype == np.float16
    assert np.array_equal(values, np.array(expected).astype(np.float16))
    assert coverage.silence == (values[1], values[0])
    assert coverage.channels == 2


@pytest.mark.parametrize("value", [-1.5, -3, -np.inf])
def test_what_has_no_logarithm_is_refused_with_log_alone(value):
    with pytest.raises(InputError, match=r"down to .*--coverage-norm log. Give --coverage-norm li"):
        CoverageInput("x", "log", (ROOT,)).normalize(np.array([value], np.float32))
    if np.isfinite(value):
        (linear,) = CoverageInput("x", "linear", (ROOT,)).normalize(np.array([value], np.float32))
        assert linear == np.float16(value / 100)


@pytest.mark.parametrize("normalization", ["log", "linear", "none"])
def test_nan_is_refused(normalization):
    with pytest.raises(InputError, match=r"NaN.*--coverage-norm"):
        CoverageInput("x", normalization, (ROOT,)).normalize(np.array([1, np.nan], np.float32))


def test_what_16_bits_do_not_hold_is_refused():
    high = np.array([70000], np.float32)
    with pytest.raises(InputError, match=r"up to 70000.*Give --coverage-norm log"):
        CoverageInput("x", "none", (LEAF,)).normalize(high)
    assert np.isfinite(CoverageInput("x", "linear", (LEAF,)).normalize(high)).all()


def test_an_unknown_normalisation():
    with pytest.raises(InputError, match="--coverage-norm is sqrt, expected one of log, linear"):
        CoverageInput("x", "sqrt", (LEAF,))


@pytest.mark.parametrize(
    "tracks", [(LEAF,), (ROOT, LEAF), (LEAF, Track("stem", "signal")), (LEAF, Track("root")), ()]
)
def test_other_tracks_are_refused(tmp_path, tracks):
    coverage = CoverageInput("rnaseq", "log", (LEAF, ROOT))
    coverage.check(tmp_path, (LEAF, ROOT))
    with pytest.raises(InputError, match=r"expected leaf \(reads\), root \(signal\), in this ord"):
        coverage.check(tmp_path, tracks)


def written(tmp_path, **provenance):
    path = tmp_path / "tuned.h5"
    plan = plan_freeze(TINY, coverage=CoverageInput("cage", "linear", (LEAF, ROOT)))
    file = plan.model.to_file({"strategy": "x"})
    from dataclasses import replace

    file = replace(file, provenance={**file.provenance, **provenance})
    write_model_file(path, file, force=True)
    return path


def test_the_model_file_says_what_it_takes(tmp_path):
    model = load_model(written(tmp_path))
    assert model.coverage == CoverageInput("cage", "linear", (LEAF, ROOT))
    assert model.file.provenance["coverage"] == (
        '{"prefix": "cage", "normalization": "linear", "tracks": '
        '[{"name": "leaf", "kind": "reads"}, {"name": "root", "kind": "signal"}]}'
    )
    assert load_model(written(tmp_path)).architecture.coverage_channels == 4


@pytest.mark.parametrize(
    "text",
    [
        "no json",
        "[]",
        '{"prefix": "x", "normalization": "log"}',
        '{"prefix": "x", "normalization": "log", "tracks": []}',
        '{"prefix": "x", "normalization": "sqrt", "tracks": [{"name": "a", "kind": "reads"}]}',
        '{"prefix": "x", "normalization": "log", "tracks": [{"name": "a", "kind": "sound"}]}',
        '{"prefix": "x", "normalization": ["log"], "tracks": [{"name": "a", "kind": "reads"}]}',
    ],
)
def test_a_damaged_attribute(tmp_path, text):
    with pytest.raises(InputError, match="its attribute helixer_ft_coverage cannot be read"):
        load_model(written(tmp_path, coverage=text))


def test_an_attribute_of_another_network(tmp_path):
    one = CoverageInput("rnaseq", "log", (LEAF,)).to_json()
    with pytest.raises(InputError, match=r"takes coverage of 2 track\(s\), found 1 \(leaf"):
        load_model(written(tmp_path, coverage=one))
