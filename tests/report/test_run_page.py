"""The page about a run: what it says, and that nothing in it comes alive or leaves it."""

import os
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from helixer_ft.cli.output import Printer
from helixer_ft.cli.run_output import show
from helixer_ft.errors import HelixerFtError
from helixer_ft.formats.input_file import file_sha256
from helixer_ft.metrics import Interval, accuracy
from helixer_ft.report import write_report
from helixer_ft.report.figures import loss_curve
from helixer_ft.report.genome_view import COLUMNS, window_figure
from helixer_ft.report.page import percent, score, signed
from helixer_ft.report.run_page import verdict_sentences
from helixer_ft.runtime.backend import determinism
from helixer_ft.runtime.hardware import hardware
from helixer_ft.training.check_introns import CheckedIntrons, IntronScore
from helixer_ft.training.outcome import NOT_TRUSTED, Outcome
from helixer_ft.training.run_state import RunState
from tests.data_files import PREDICTED
from tests.report.html_page import Page
from tests.report.outcomes import check, comparison, coverage, outcome, view

HOSTILE = '<script>alert(1)</script>"><img src=x onerror=alert(2)>'


def page(result: Outcome, folder: Path) -> Page:
    path = folder / "report.html"
    write_report(result, path)
    return Page(path)


VIEWS = (view("best"), view("worst", strand="-", seed=2))


@pytest.fixture(scope="module")
def result(tmp_path_factory) -> Outcome:
    """A run with test data, coverage, warnings and overfitting."""
    folder = tmp_path_factory.mktemp("run")
    (folder / "tuned.h5").write_bytes(b"model")
    return outcome(
        folder,
        test=comparison(0.3, 0.6),
        coverage=coverage(),
        prepared={"warnings": ("the data overlap.",)},
        warnings=("a class is gone.",),
        views=VIEWS,
    )


@pytest.fixture(scope="module")
def one(result, tmp_path_factory) -> Page:
    """The page about it."""
    return page(result, tmp_path_factory.mktemp("page"))


@pytest.fixture(scope="module")
def plain(tmp_path_factory) -> Page:
    """The page about a run without any of these."""
    folder = tmp_path_factory.mktemp("plain")
    checks = tuple(check(number, 0.9 - 0.1 * number, 1 - 0.1 * number) for number in range(4))
    return page(outcome(folder, checks=checks, best=checks[3], views=()), folder)


@pytest.mark.parametrize(
    ("before", "after", "blocks", "verdict", "words"),
    [
        (0.3, 0.6, 30, "better", "predicts genes better than the untouched one"),
        (0.6, 0.3, 30, "not better", "is no better than the untouched one"),
        (0.3, 0.6, 10, "cannot tell", "These data cannot tell whether"),
    ],
)
def test_the_verdict_in_plain_words(tmp_path, before, after, blocks, verdict, words):
    compared = comparison(before, after, blocks=blocks)
    found = outcome(tmp_path, test=compared)
    assert found.verdict == verdict
    first, second = verdict_sentences(found)
    interval = compared.interval
    assert words in first
    assert (
        f"genic F1 on the test data went from {compared.baseline.genic_f1:.4f} to "
        f"{compared.tuned.genic_f1:.4f} ({signed(interval.difference)}, 95 % interval "
        f"{signed(interval.low)} to {signed(interval.high)}, {blocks} genome blocks)"
    ) in first
    right = [float(accuracy(of.genic_matrix)) for of in (compared.baseline, compared.tuned)]
    assert second == f"Wrong bases: {percent(1 - right[0])} before, {percent(1 - right[1])} after."


def test_agreement_with_predictions_is_no_verdict(tmp_path):
    compared = replace(comparison(0.3, 0.6), trusted=False)
    worth = replace(coverage(), without=replace(coverage().without, trusted=False))
    summaries = outcome(tmp_path).prepared.summaries[:2]
    summaries = tuple(replace(one, label_sources=(PREDICTED,)) for one in summaries)
    found = outcome(
        tmp_path,
        validation=compared,
        coverage=worth,
        prepared={"summaries": summaries},
        views=(),
    )
    first, second = verdict_sentences(found)
    assert first == f"{NOT_TRUSTED[0].upper()}{NOT_TRUSTED[1:]}."
    assert second.startswith("Agreement on the validation data (genic F1) went from ")
    assert found.to_dict()["coverage"]["verdict"] == "cannot tell"
    text = page(found, tmp_path).text
    assert "Cannot tell: tuned.h5" in text
    assert "Whether coverage helped cannot be told." in text
    assert "Agreement with predictions on the validation data, base by base" in text
    assert "training predictions of teacher.h5; validation predictions of teacher.h5." in text
    for word in ("Wrong bases", "predicts genes better", "Coverage helped"):
        assert word not in text


def test_introns_are_judged_where_labels_are_not_trusted(tmp_path, capsys):
    """In the sentences, the page, what is printed, and --json."""
    introns = CheckedIntrons(
        IntronScore(40, 30, 20), IntronScore(40, 36, 30), Interval(0.2, 0.1, 0.3, 25)
    )
    compared = replace(comparison(0.3, 0.6), trusted=False)
    found = outcome(tmp_path, validation=compared, introns=introns, views=())
    said = (
        "Introns: better. F1 against the 40 that reads support on the check sequences 0.5714 -> "
        "0.7895 (+0.2000, 95 % interval +0.1000 to +0.3000, 25 genome blocks)."
    )
    assert verdict_sentences(found)[-1] == said
    assert "Introns: better." in page(found, tmp_path).text
    show(found, Printer(quiet=False, as_json=False), report=None, verbose=False)
    assert said in " ".join(capsys.readouterr().out.split())
    assert found.to_dict()["introns"] == {
        "verdict": "better",
        "supported_by_reads": 40,
        "untouched": {
            **{"f1": 40 / 70, "recall": 0.5, "precision": 20 / 30},
            **{"predicted": 30, "found": 20},
        },
        "tuned": {
            **{"f1": 60 / 76, "recall": 0.75, "precision": 30 / 36},
            **{"predicted": 36, "found": 30},
        },
        "difference": {"f1": 0.2, "low": 0.1, "high": 0.3, "blocks": 25},
    }
    assert outcome(tmp_path, validation=compared, views=()).to_dict()["introns"] is None


def test_the_verdict_comes_first(one, result):
    first = one.text[: one.text.index("What to look at")]
    assert "Better: tuned.h5" in first
    for sentence in verdict_sentences(result):
        assert " ".join(sentence.split()) in first
    assert "504 of 1,648; freeze + new head" in first


def test_without_test_data_the_verdict_is_on_the_validation_data(plain, one):
    assert "genic F1 on the validation data went from" in plain.text
    assert "Scores on the test data" not in plain.text
    assert "The same on the validation data, which chose the checkpoint" in one.text


def test_scores_of_every_class_with_their_intervals(one, result):
    names = {"legacy_cds": "legacy CDS", "sub_genic": "sub-genic", "none": "no phase"}
    compared = result.test
    before = compared.baseline.genic | compared.baseline.phase
    for name, after in (compared.tuned.genic | compared.tuned.phase).items():
        interval = compared.intervals[name]
        assert one.row(names.get(name, name)) == [
            f"{score(before[name].precision)} → {score(after.precision)}",
            f"{score(before[name].recall)} → {score(after.recall)}",
            f"{score(before[name].f1)} → {score(after.f1)}",
            signed(interval.difference),
            f"{signed(interval.low)} to {signed(interval.high)}",
        ]
        assert interval.low < interval.high


def test_confusion_matrices_and_class_shares(one, result):
    shown = [row[1:] for row in one.rows if row[0] == "CDS" and "%" in row[1]]
    for cells, scored in zip(shown, (result.test.baseline, result.test.tuned), strict=True):
        counts = scored.genic_matrix[2]
        assert cells == [
            " ".join(f"{percent(n / counts.sum())}{n:,}".split()) for n in counts.tolist()
        ]
    sizes = ["4", "1", "1,000", "20.0 %", "62.5 %", "6.2 %", "18.8 %", "12.5 %"]
    assert one.row("test") == sizes
    assert "validation, valid: intergenic 62.5%, UTR 6.2%, CDS 18.8%, intron 12.5%" in one.text


def test_checks_and_where_overfitting_began(one, plain, result):
    saved = result.checks[2].validation
    losses = ["0.7000", "0.4000", score(result.checks[2].subset.genic_f1), "0.6000"]
    assert one.row("2 (saved)") == ["2", "3", *losses, score(saved.genic_f1)]
    assert one.row("untouched")[:4] == ["", "", "", "1.0000"]
    assert "It began after check 2" in one.text
    assert "It began after" not in plain.text
    assert "saved: check 2" in one.text
    assert "saved: check 3" in plain.text


def test_warnings_of_data_and_result(one, plain):
    assert "What to look at The data overlap. A class is gone." in one.text
    assert "No warnings about the data" in plain.text


def test_windows_with_their_coordinates_and_errors(one, plain):
    for shown, place in zip(VIEWS, ("1,000 to 1,300, plus", "1,300 to 1,000, minus"), strict=True):
        valid = np.arange(300) >= 30
        errors = [int(((p != shown.truth) & valid).sum()) for p in (shown.before, shown.after)]
        assert (
            f"sim chr1 , {place} strand. Wrong bases: {errors[0]} before, {errors[1]} after; "
            "10.0 % masked"
        ) in one.text
    assert "In the genome" not in plain.text


def test_tracks_are_drawn_in_the_direction_of_the_strand():
    """Coordinates fall from left to right on the minus strand."""
    for strand, rises in (("+", True), ("-", False)):
        svg = str(window_figure(view(strand=strand)))
        ticks = re.findall(r'x="([\d.]+)" y="[\d.]+" transform="[^"]*">([\d,]{4,})<', svg)
        places = sorted((float(x), int(label.replace(",", ""))) for x, label in ticks)
        labels = [label for _, label in places]
        assert labels == sorted(labels, reverse=not rises)
        assert len(labels) > 3


def test_errors_and_masks_are_drawn_where_there_are_some():
    shown = view()
    svg = str(window_figure(shown))
    assert svg.count("var(--wrong)") == 2
    assert "<pattern" in svg
    right = replace(shown, before=shown.truth, after=shown.truth, valid=np.ones(300, bool))
    svg = str(window_figure(right))
    assert "var(--wrong)" not in svg
    assert "<pattern" not in svg


def test_coverage_has_a_section_where_there_is_some(one, plain):
    compared = coverage()
    assert "Coverage helped." in one.text
    columns = [compared.without.baseline, compared.tuned, compared.silenced]
    (shown,) = [row for row in one.rows if row[0] == "genic" and len(row) == 5]
    assert shown[2:] == [score(of.genic_f1) for of in columns]
    assert "What coverage was worth" not in plain.text


def test_settings_versions_hashes_and_the_command(one, result):
    assert "helixer-ft freeze -l base.h5 -d . -s tuned.h5" in one.text
    assert "keras 3.15.0" in one.text
    assert f"hardware {hardware()}" in one.text
    assert f"determinism {determinism()}" in one.text
    assert f"Training ended: {result.ended}." in one.text
    assert "--learning-rate 0.0003" in one.text
    request = result.prepared.request
    assert file_sha256(request.load_model_path) in one.text
    assert file_sha256(request.save_model_path) in one.text
    for name in ("training", "validation", "test"):
        assert f"fingerprint-{name}" in one.text
    assert one.row("dense (new)") == ["Dense", "504", "504"]
    assert one.row("conv1d") == ["Conv", "84", "0"]


def test_the_command_is_the_one_that_started_the_run(tmp_path):
    resumed = RunState(tmp_path / "state.h5", {}, {"command_line": "helixer-ft whole first"})
    found = page(outcome(tmp_path, prepared={"resumed": resumed}), tmp_path)
    assert "helixer-ft whole first" in found.text
    assert "-l base.h5 -d ." not in found.text


def test_whatever_comes_from_files_is_text(tmp_path):
    folder = tmp_path / "a<b>&'"
    folder.mkdir()
    name = os.fsdecode(b'"><script>x<\xff.h5')  # nor is the last one UTF-8
    hostile = replace(view(), species=HOSTILE, sequence=HOSTILE + "$\\frac{")
    result = outcome(
        folder,
        request={"command_line": HOSTILE, "save_model_path": folder / name},
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
    assert 'Better: "><script>x<?.h5' in found.text
    assert "default-src 'none'" in found.attributes("content")[1]


def _with_track(name: str):
    found = coverage()
    (track,) = found.input.tracks
    return replace(found, input=replace(found.input, tracks=(replace(track, name=name),)))


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
    assert len(figures) == 7
    assert all(values["aria-labelledby"] in ids for values in figures)


def test_colours_come_from_the_page(one):
    style, _, rest = one.source.partition("</style>")
    assert not re.search(r"#[0-9a-fA-F]{6}\b", rest)
    for name in set(re.findall(r"var\(--([\w-]+)\)", rest)) - {"share", "on-class"}:
        definitions = re.findall(rf"--{name}: #", style)
        assert len(definitions) == 3, f"{name}: light, dark, print"


def test_the_same_outcome_gives_the_same_bytes(one, result, tmp_path):
    assert page(result, tmp_path).source == one.source


def test_long_trainings_and_noise_in_long_windows_stay_small(tmp_path):
    kinds = ("best", "typical", "worst")
    views = tuple(view(kind, length=21384, seed=i) for i, kind in enumerate(kinds))
    checks = tuple(check(number, 0.5, 0.5) for number in range(300))
    found = page(outcome(tmp_path, checks=checks, best=checks[251], views=views), tmp_path)
    assert len(found.source) < 2_000_000
    assert "151 of 300 rows, evenly spread, and the saved one" in found.text
    shown = {row[0] for row in found.rows}
    assert {"2", "298", "251 (saved)"} <= shown
    assert not {"199", "299"} & shown
    stretches = re.findall(r"M [\d.]+ [\d.]+ ?\nL", found.source)
    assert 3 * COLUMNS < len(stretches) < 12 * COLUMNS


def test_a_report_that_cannot_be_written_leaves_the_last_one(tmp_path):
    path = tmp_path / "report.html"
    path.mkdir()
    with pytest.raises(HelixerFtError, match="folder"):
        write_report(outcome(tmp_path), path)


def test_labels_of_a_flat_curve_keep_their_decimals():
    checks = [check(number, 0.5, 0.5 + 0.001 * number) for number in range(4)]
    svg = str(loss_curve(checks, checks[1], None))
    labels = re.findall(r">(0\.\d+)</text>", svg)
    assert len(labels) == len(set(labels)) > 3
    assert all(0.49 < float(label) < 0.51 for label in labels)
