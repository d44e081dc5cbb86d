"""What `pseudo-label --dry-run` says that it would take."""

import json
import re
import shutil
from dataclasses import replace

import pytest
from conftest import tiny_model

from helixer_ft.errors import InputError, Interrupted
from helixer_ft.formats.model_h5 import write_model_file
from helixer_ft.inference import predict as predict_module
from helixer_ft.pseudo_labels import predicting as predicting_module
from helixer_ft.pseudo_labels import pseudo_label as module
from helixer_ft.pseudo_labels import teachers
from helixer_ft.pseudo_labels.estimate import LabelsEstimate
from helixer_ft.pseudo_labels.outcome import PlannedLabels, PseudoLabels
from helixer_ft.pseudo_labels.pseudo_label import pseudo_label
from helixer_ft.pseudo_labels.request import PseudoLabelRequest
from tests.docs.pages import ROOT
from tests.pseudo_labels.workplace import LENGTH, PseudoFolder, simulated

ROWS = 50
"""Of each model."""


@pytest.fixture
def place(tmp_path, monkeypatch) -> PseudoFolder:
    place = PseudoFolder(tmp_path / "place", monkeypatch, genome=simulated(4, 10_000), network=True)
    write_model_file(place.folder / "second.h5", tiny_model(seed=5).to_file({}))
    return place


@pytest.fixture
def request_for(place) -> PseudoLabelRequest:
    """Of both models; any gene is kept."""
    return PseudoLabelRequest(
        *((place.model, place.folder / "second.h5"), place.fasta, place.out),
        subsequence_length=LENGTH,
        val_test_batch_size=4,
        **{"keep": 1.0, "min_confidence": 0.0, "intergenic_confidence": 0.0, "min_genes": 1},
    )


def planned(request: PseudoLabelRequest) -> LabelsEstimate:
    found = pseudo_label(replace(request, dry_run=True))
    assert isinstance(found, PlannedLabels)
    return found.estimate


def test_what_it_says(place):
    before = place.content()
    result = place.done("--dry-run")
    predict, time, post, memory, size, data, disk, last = result.stdout.splitlines()
    assert predict.startswith(
        f"To predict: 0.04 Mb in 4 sequence(s), {ROWS} windows, by 1 model(s)"
    )
    assert re.fullmatch(r"Time: about \d.* for 100 windows of 1,800 bp \(\d.* at once\)", time)
    assert post.startswith("Time of HelixerPost: not measured, on top")
    assert re.fullmatch(r"Memory: about \d+\.\d GB of \d+\.\d GB", memory)
    assert re.fullmatch(r"Predictions, gone at the end: about \d.* (kB|MB)", size)
    assert re.fullmatch(r"Data: at most about \d.* kB", data)
    assert re.fullmatch(rf"Disk: about .* while it works, of .* free beside {place.out}", disk)
    assert last.startswith("Dry run: everything is in order so far; nothing was predicted or")
    assert place.content() == before


def test_several_models(place):
    second = place.folder / "second.h5"
    lines = place.done("--dry-run", "-l", second).stdout.splitlines()
    assert lines[1].startswith(f"Time with {place.model}: about ")
    assert lines[2].startswith(f"Time with {second}: about ")
    assert re.fullmatch(r"Time of all predictions: about \d.* s", lines[3])
    assert [line.split(":")[0] for line in lines[6:8]] == [
        "Predictions, gone at the end",
        "Their average, gone at the end",
    ]
    found = json.loads(place.done("--dry-run", "-l", second, "--json", "-q").stdout)
    assert found["dry_run"] is True
    assert found["windows"] == ROWS
    estimate = found["estimate"]
    assert [one["rows"] for one in estimate["models"]] == [ROWS, ROWS]
    assert estimate["seconds"] == pytest.approx(sum(one["seconds"] for one in estimate["models"]))
    page = (ROOT / "docs/formats.md").read_text(encoding="utf-8")
    own = page[page.index("### `pseudo-label --dry-run --json`") : page.index("## The run folder")]
    keys = {*found, *estimate} - {"dry_run"}
    assert keys <= set(re.findall(r"`(\w+)`", own))


def test_a_warning_of_a_small_disk(place, monkeypatch):
    monkeypatch.setattr("helixer_ft.pseudo_labels.estimate.available_disk", lambda _: 10)
    result = place.done("--dry-run")
    assert f"Warning: {place.out}: there is too little disk space" in result.stderr


def test_sizes_are_those_of_the_files(place, request_for, monkeypatch):
    found = planned(request_for)
    sizes = {}
    write = module.write

    def measured(*arguments):
        folder = request_for.predictions
        sizes.update({path.name: path.stat().st_size for path in folder.iterdir()})
        return write(*arguments)

    monkeypatch.setattr(module, "write", measured)
    outcome = pseudo_label(request_for)
    assert isinstance(outcome, PseudoLabels)
    both = sizes["model1.h5"] + sizes["model2.h5"]
    assert found.predictions_bytes == pytest.approx(both, rel=0.1)
    assert found.average_bytes == pytest.approx(sizes["average.h5"], rel=0.4)
    data = sum(path.stat().st_size for path in outcome.files if path.suffix == ".h5")
    assert found.data_bytes == pytest.approx(data, rel=0.3)
    bases = sum(map(len, place.genome.sequences.values()))
    read = 0.4 * ROWS * LENGTH
    intergenic = ROWS * LENGTH / 8
    afterwards = found.average_bytes + max(read, found.data_bytes + intergenic)
    while_predicting = max(one.predictions_bytes for one in found.left) + bases
    assert while_predicting < afterwards
    assert found.disk == pytest.approx(bases + both + afterwards, rel=0.1)


def test_what_is_left(place, request_for, monkeypatch):
    """Of the second model some rows; then HelixerPost; then the labels alone."""
    again = replace(request_for, resume=True)
    whole = planned(request_for)
    assert [one and one.rows for one in whole.models] == [ROWS, ROWS]
    assert whole.makes_genes
    predict = teachers.predict

    def stopped(one, progress, **how):
        if one.load_model_path.name == "second.h5":
            monkeypatch.setattr(progress._progress, "interrupted", lambda: True)
        return predict(one, progress, **how)

    with monkeypatch.context() as patch:
        patch.setattr(teachers, "predict", stopped)
        with pytest.raises(Interrupted):
            pseudo_label(request_for)
    with pytest.raises(InputError, match="holds the predictions of an interrupted run"):
        planned(request_for)
    before = place.content()
    rows = planned(again)
    assert place.content() == before
    assert [one and one.rows for one in rows.models] == [None, ROWS - 1]
    assert rows.seconds < whole.seconds
    assert rows.predictions_bytes == pytest.approx(whole.left[1].predictions_bytes, rel=0.1)
    assert rows.average_bytes == pytest.approx(whole.average_bytes, rel=0.1)
    assert rows.disk < whole.disk

    def fails(*_arguments):
        raise InputError("no genes")

    with monkeypatch.context() as patch:
        patch.setattr(predicting_module, "write_genes_in_groups", fails)
        with pytest.raises(InputError, match="no genes"):
            pseudo_label(again)
    genes = planned(again)
    assert (genes.left, genes.seconds, genes.memory) == ([], 0, None)
    assert (genes.predictions_bytes, genes.average_bytes, genes.makes_genes) == (0, 0, True)
    with pytest.raises(InputError, match="expected at least"):
        pseudo_label(replace(again, min_genes=1000))
    labels = planned(again)
    assert not labels.makes_genes
    bases = sum(map(len, place.genome.sequences.values()))
    assert labels.disk == pytest.approx(bases + labels.data_bytes, rel=0.2)
    result = place.done("-l", place.folder / "second.h5", "--dry-run", "--resume")
    assert f"Time with {place.model}: none, the predictions of an interrupted" in result.stdout
    for word in ("all predictions", "HelixerPost:", "Memory", "gone at the end"):
        assert word not in result.stdout


def test_force_starts_anew(place, request_for):
    with pytest.raises(InputError, match="expected at least"):
        pseudo_label(replace(request_for, min_genes=1000))
    before = place.content()
    found = planned(replace(request_for, force=True))
    assert [one and one.rows for one in found.models] == [ROWS, ROWS]
    assert found.makes_genes
    assert found.average_bytes
    assert place.content() == before
    shutil.rmtree(request_for.predictions)
    assert planned(replace(request_for, resume=True)).makes_genes


def test_every_model_is_timed_by_itself(request_for, monkeypatch):
    timed = []
    plan = teachers.plan_prediction

    def noted(one, *arguments, **how):
        timed.append(one.load_model_path.name)
        return plan(one, *arguments, **how)

    monkeypatch.setattr(teachers, "plan_prediction", noted)
    planned(request_for)
    assert timed == ["m.h5", "second.h5"]
    assert predict_module.predict is teachers.predict
