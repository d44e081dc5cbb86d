"""The page about a run: what it says, and that nothing in it comes alive or leaves it."""

import os
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from helixer_ft.errors import HelixerFtError
from helixer_ft.formats.model_h5 import file_sha256
from helixer_ft.metrics import accuracy
from helixer_ft.report import write_report
from helixer_ft.report.genome_view import COLUMNS, window_figure
from helixer_ft.report.page import percent, score, signed
from tests.report.html_page import Page
from tests.report.outcomes import check, comparison, coverage, outcome, view

HOSTILE = '<script>alert(1)</script>"><img src=x onerror=alert(2)>'


def page(result, folder: Path) -> Page:
    path = folder / "report.html"
    write_report(result, path)
    return Page(path)


@pytest.fixture
def one(tmp_path) -> Page:
    """A page with everything on it."""
    result = outcome(tmp_path, test=comparison(0.3, 0.6), coverage=coverage())
    return page(result, tmp_path)


@pytest.mark.parametrize(
    ("before", "after", "blocks", "heading", "words"),
    [
        (0.3, 0.6, 30, "Better", "predicts genes better than the untouched one"),
        (0.6, 0.3, 30, "Not better", "is no better than the untouched one"),
        (0.3, 0.6, 10, "Cannot tell", "cannot be told from these data"),
    ],
)
def test_the_verdict_comes_first_with_its_numbers(tmp_path, before, after, blocks, heading, words):
    compared = comparison(before, after, blocks=blocks)
    found = page(outcome(tmp_path, test=compared), tmp_path)
    assert f"Better: {'tuned.h5'}" in found.text or heading != "Better"
    first = found.text[: found.text.index("What to look at")]
    assert heading in first
    assert words in first
    interval = compared.interval
    assert (
        f"genic F1 on the test data went from {score(compared.baseline.genic_f1)} to "
        f"{score(compared.tuned.genic_f1)} ({signed(interval.difference)}, 95 % interval "
        f"{signed(interval.low)} to {signed(interval.high)}, {blocks} genome blocks)"
    ) in first
    wrong = [
        percent(1 - float(accuracy(s.genic_matrix))) for s in (compared.baseline, compared.tuned)
    ]
    # white space is one space in `text`
    assert " ".join(f"Wrong bases: {wrong[0]} before, {wrong[1]} after.".split()) in first


def test_without_test_data_the_verdict_is_on_the_validation_data(tmp_path):
    found = page(outcome(tmp_path), tmp_path)
    assert "genic F1 on the validation data went from" in found.text
    assert "Scores on the test data" not in found.text


def test_scores_of_every_class_with_their_intervals(tmp_path):
    compared = comparison(0.3, 0.6)
    found = page(outcome(tmp_path, test=compared), tmp_path)
    names = {"legacy_cds": "legacy CDS", "sub_genic": "sub-genic", "none": "no phase"}
    before = compared.baseline.genic | compared.baseline.phase
    for name, after in (compared.tuned.genic | compared.tuned.phase).items():
        interval = compared.intervals[name]
        assert found.row(names.get(name, name)) == [
            f"{score(before[name].precision)} → {score(after.precision)}",
            f"{score(before[name].recall)} → {score(after.recall)}",
            f"{score(before[name].f1)} → {score(after.f1)}",
            signed(interval.difference),
            f"{signed(interval.low)} to {signed(interval.high)}",
        ]
        assert interval.low < interval.high


def test_confusion_matrices_and_class_shares(tmp_path):
    compared = comparison(0.3, 0.6)
    found = page(outcome(tmp_path, test=compared), tmp_path)
    matrices = [row for row in found.rows if row[0] == "CDS" and "%" in row[1]]
    for shown, scored in zip(matrices, (compared.baseline, compared.tuned), strict=True):
        counts = scored.genic_matrix[2]
        expected = [" ".join(f"{percent(n / counts.sum())}{n:,}".split()) for n in counts.tolist()]
        assert shown[1:] == expected
    sizes = ["4", "1", "1,000", "20.0 %", "62.5 %", "6.2 %", "18.8 %", "12.5 %"]
    assert found.row("test") == sizes
    assert "validation, valid: intergenic 62.5%, UTR 6.2%, CDS 18.8%, intron 12.5%" in found.text


def test_checks_and_where_overfitting_began(one):
    assert one.row("2 (saved)") == ["2", "3", *["0.7000", "0.4000"], *one.row("2 (saved)")[4:]]
    assert one.row("untouched")[:4] == ["", "", "", "1.0000"]
    assert "It began after check 2" in one.text
    assert "saved: check 2" in one.text


def test_no_overfitting_where_there_is_none(tmp_path):
    checks = tuple(check(number, 0.9 - 0.1 * number, 1 - 0.1 * number) for number in range(4))
    found = page(outcome(tmp_path, checks=checks, best=checks[3]), tmp_path)
    assert "It began after" not in found.text


def test_a_long_training_has_a_short_table(tmp_path):
    checks = tuple(check(number, 0.5, 0.5) for number in range(300))
    found = page(outcome(tmp_path, checks=checks, best=checks[250]), tmp_path)
    assert "The first 200 of 300 rows" in found.text
    assert found.row("199")
    assert not any(row[0] == "200" for row in found.rows)


def test_warnings_of_data_and_result(tmp_path):
    changes = {"prepared": {"warnings": ("the data overlap.",)}, "warnings": ("a class is gone.",)}
    found = page(outcome(tmp_path, **changes), tmp_path)
    assert "What to look at The data overlap. A class is gone." in found.text
    quiet = page(outcome(tmp_path), tmp_path)
    assert "gives reason for a warning" in quiet.text


def test_windows_with_their_coordinates_and_errors(tmp_path):
    plus, minus = view("best"), view("worst", strand="-", seed=2)
    found = page(outcome(tmp_path, views=(plus, minus)), tmp_path)
    for one, place in ((plus, "1,000 to 1,300, plus"), (minus, "1,300 to 1,000, minus")):
        valid = np.arange(300) >= 30
        before, after = (int(((p != one.truth) & valid).sum()) for p in (one.before, one.after))
        text = (
            f"sim chr1 , {place} strand. Wrong bases: {before} before, {after} after; 10.0 % masked"
        )
        assert text in found.text
    assert "In the genome" not in page(outcome(tmp_path, views=()), tmp_path).text


def test_tracks_read_in_the_direction_of_the_strand():
    """Coordinates fall from left to right on the minus strand."""
    for strand, rises in (("+", True), ("-", False)):
        svg = str(window_figure(view(strand=strand)))
        ticks = re.findall(r'x="([\d.]+)" y="[\d.]+" transform="[^"]*">([\d,]{4,})<', svg)
        places = sorted((float(x), int(label.replace(",", ""))) for x, label in ticks)
        labels = [label for _, label in places]
        assert labels == sorted(labels, reverse=not rises)
        assert len(labels) > 3


def test_equal_tracks_are_drawn_alike_and_errors_are_not():
    one = view()
    same = replace(one, before=one.truth, after=one.truth)
    assert str(window_figure(same)).count("var(--wrong)") == 0
    assert str(window_figure(one)).count("var(--wrong)") == 2
    unmasked = replace(one, valid=np.ones(300, bool))
    assert "<pattern" in str(window_figure(one))
    assert "<pattern" not in str(window_figure(unmasked))


def test_coverage_has_a_section_where_there_is_some(one, tmp_path):
    compared = coverage()
    assert "Coverage helped." in one.text
    columns = [compared.without.baseline, compared.tuned, compared.silenced]
    assert one.row("class")[-4:] != []
    shown = [row for row in one.rows if row[0] == "genic" and len(row) == 5]
    assert [cells[2:] for cells in shown] == [[score(s.genic_f1) for s in columns]]
    assert "What coverage was worth" not in page(outcome(tmp_path), tmp_path).text


def test_settings_versions_hashes_and_the_command(tmp_path):
    result = outcome(tmp_path)
    (tmp_path / "tuned.h5").write_bytes(b"model")
    found = page(result, tmp_path)
    assert "helixer-ft freeze -l base.h5 -d . -s tuned.h5" in found.text
    assert "keras 3.15.0" in found.text
    assert "--learning-rate 0.0003" in found.text
    assert file_sha256(tmp_path / "base.h5") in found.text
    assert file_sha256(tmp_path / "tuned.h5") in found.text
    for name in ("training", "validation", "test"):
        assert f"fingerprint-{name}" in found.text
    assert found.row("dense (new)") == ["Dense", "504", "504"]
    assert found.row("conv1d") == ["Conv", "84", "0"]


def test_whatever_comes_from_files_is_text(tmp_path):
    folder = tmp_path / "a<b>&'"
    folder.mkdir()
    hostile = replace(view(), species=HOSTILE, sequence=HOSTILE + "$\\frac{")
    result = outcome(
        folder,
        request={"command_line": HOSTILE, "save_model_path": folder / '"><script>x<.h5'},
        prepared={"warnings": (HOSTILE,), "notices": (HOSTILE,)},
        warnings=(HOSTILE,),
        ended=HOSTILE,
        versions={HOSTILE: HOSTILE},
        views=(hostile,),
    )
    result = replace(result, coverage=_with_track(HOSTILE))
    found = page(result, tmp_path)
    assert not found.names & {"script", "img", "iframe", "object", "form", "base"}
    assert not [name for _, values in found.elements for name in values if name.startswith("on")]
    assert found.text.count("<script>alert(1)</script>") >= 9
    assert "script-src" not in found.source
    assert "default-src 'none'" in found.attributes("content")[1]


def _with_track(name: str):
    found = coverage()
    (track,) = found.input.tracks
    return replace(found, input=replace(found.input, tracks=(replace(track, name=name),)))


def test_names_of_files_that_are_no_text(tmp_path):
    name = os.fsdecode(b"tuned\xff.h5")
    found = page(outcome(tmp_path, request={"save_model_path": tmp_path / name}), tmp_path)
    assert "tuned?.h5" in found.text


def test_nothing_leaves_the_page(one):
    assert not re.search(r"https?:", one.source)
    assert not re.search(r"@import|url\((?!#)", one.source)
    for address in one.attributes("src", "href", "srcset", "data", "action"):
        assert address == "data:," or address.startswith("#")


def test_the_page_is_well_formed_and_its_names_are_its_own(one):
    assert one.unclosed == []
    ids = one.attributes("id")
    assert len(ids) == len(set(ids))
    used = {address[1:] for address in one.attributes("href") if address.startswith("#")}
    used |= set(re.findall(r"url\(#([^)]+)\)", one.source))
    assert used
    assert used <= set(ids)
    figures = [values for name, values in one.elements if name == "svg"]
    assert len(figures) == 8
    assert all(values["aria-labelledby"] in ids for values in figures)


def test_colours_come_from_the_page(one):
    style, _, rest = one.source.partition("</style>")
    assert not re.search(r"#[0-9a-fA-F]{6}\b", rest)
    for name in set(re.findall(r"var\(--([\w-]+)\)", rest)) - {"share"}:
        definitions = re.findall(rf"--{name}: #", style)
        assert len(definitions) == 3, f"{name}: light, dark, print"


def test_the_same_outcome_gives_the_same_bytes(tmp_path):
    result = outcome(tmp_path, test=comparison(0.3, 0.6), coverage=coverage())
    first = page(result, tmp_path).source
    assert page(result, tmp_path).source == first


def test_a_page_of_noise_in_long_windows_stays_small(tmp_path):
    kinds = ("best", "typical", "worst")
    views = tuple(view(kind, length=21384, seed=i) for i, kind in enumerate(kinds))
    found = page(outcome(tmp_path, views=views), tmp_path)
    assert len(found.source) < 2_000_000
    drawn = re.findall(r"M [\d.]+ [\d.]+ ?\nL", str(window_figure(views[0])))
    assert COLUMNS / 2 < len(drawn) < 4 * COLUMNS


def test_a_report_that_cannot_be_written_leaves_the_last_one(tmp_path):
    path = tmp_path / "report.html"
    path.mkdir()
    with pytest.raises(HelixerFtError, match="folder"):
        write_report(outcome(tmp_path), path)
