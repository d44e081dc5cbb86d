"""The parts of benchmarks/adaptation*.py that need no species."""

import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import random_rows

from tests.data_files import write_data_file

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
import adaptation_data
import adaptation_drivers
import adaptation_page

SETTINGS = {
    "model": "m.h5", "knows": ["c"], "species": ["a", "b", "c"], "pairs": ["a+b"], "deep": "",
    "amounts": ["a"], "tuning": ["-e", "2"], "also": {},
}  # fmt: skip


def record(untouched: float, adapted: float, shift: float, auto: float) -> dict:
    steps = {"0": untouched, "0.25": untouched, "0.5": adapted, "1": adapted}
    numbers = dict.fromkeys(adaptation_page.NUMBERS, shift)
    return {
        "f1": steps | {format(auto, "g"): (untouched + adapted) / 2},
        "auto": auto,
        "shift": {"batch_normalization": shift},
        "label_free": {k: v for k, v in numbers.items() if not k.endswith("_change")}
        | {f"{k}_{when}": shift * (1 if when == "adapted" else -1)
           for k in ("entropy", "stops", "genic") for when in ("untouched", "adapted")},
    }  # fmt: skip


def test_regions_have_both_strands_in_genome_order(tmp_path):
    write_data_file(tmp_path / "a.h5", random_rows(3))
    assert adaptation_data.regions_of(tmp_path / "a.h5") == [[0, 5], [1, 4], [2, 3]]


def test_a_model_that_was_tuned_elsewhere():
    settings = SETTINGS | {"also": {"tuned": ["b"]}}
    kinds = [adaptation_page.kind_of("tuned", species, settings) for species in ("a", "b", "z")]
    assert kinds[1:] == [adaptation_page.KNOWN, adaptation_page.STRANGER]
    assert kinds[0] == (
        adaptation_page.FORMER if "a" in SETTINGS["knows"] else adaptation_page.STRANGER
    )


def test_who_knows_whom():
    kinds = {
        (model, species): adaptation_page.kind_of(model, species, SETTINGS)
        for model in ("m", "a+b")
        for species in "abcd"
    }
    known = [pair for pair, kind in kinds.items() if kind == adaptation_page.KNOWN]
    assert known == [("m", "c"), ("a+b", "a"), ("a+b", "b")]
    former = [pair for pair, kind in kinds.items() if kind == adaptation_page.FORMER]
    assert former == [("a+b", "c")]


def test_rank_correlation():
    assert adaptation_page.spearman([1, 2, 3, 4], [2, 4, 6, 50]) == pytest.approx(1)
    assert adaptation_page.spearman([1, 2, 3], [3, 2, 1]) == pytest.approx(-1)
    assert adaptation_page.ranks([5, 1, 5]).tolist() == [1.5, 0, 1.5]


def test_the_page_has_the_figures():
    page = adaptation_page.render(
        {
            "date": "2026-01-01",
            "machine": {"cores": 2, "processor": "P"},
            "versions": {"helixer-ft": "1", "keras": "3"},
            "settings": SETTINGS,
            "records": {
                "pair/m/a": record(0.2, 0.6, 0.2, 0.9),
                "pair/m/b": record(0.3, 0.5, 0.1, 0.8),
                "pair/m/c": record(0.9, 0.8, 0.02, 0.02),
                "pair/a+b/c": record(0.7, 0.6, 0.03, 0.06),
                "amount/a/10000/0": {
                    "apart": 0.03, "shift": 0.1, "auto": 0.9,
                    "f1": {"full": 0.4, "whole": 0.6, "untouched": 0.2},
                },
                "amount/a/30000/0": None,
            },
        }
    )  # fmt: skip
    assert "| m | a | stranger | 0.200 | 0.200 | 0.200 | 0.600 | 0.600 | 0.400 (0.9) |" in page
    assert "| stranger | 2 | +0.150 | +0.100 | +0.200 |" in page
    assert "| known | 1 | -0.050 | -0.050 | -0.050 |" in page
    assert "| a | 10,000 | 1 | 0.030 | 0.100 | 0.400 (0.400–0.400) |" in page
    assert "30,000" not in page
    assert "| shift of the means, first batch norm | +0.95 |" in page
    assert "--pairs a+b \\\n    --amounts a" in page


def test_stops_in_frame_are_counted():
    # CDS throughout, frame 0: ATG TAA ACG ATA A; the last codons have nothing beyond them
    codes = np.array([["?CATG".index(base) for base in "ATGTAAACGATAA"]], np.uint8)
    found = np.zeros((1, 2, codes.shape[1], 4))
    found[:, 0, :, 2] = 1
    found[0, 1, np.arange(codes.shape[1]), 1 + np.arange(codes.shape[1]) % 3] = 1
    view = {"genic": [], "entropy": 0.0, "bases": 0, "codons": 0, "stops": 0, "agree": 0}
    view["margin"] = 0.0
    adaptation_drivers.add_view(view, found, codes)
    assert (view["codons"], view["stops"]) == (3, 1)
    assert view["agree"] == view["bases"] == view["margin"] == codes.shape[1]
