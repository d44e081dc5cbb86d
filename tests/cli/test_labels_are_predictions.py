"""Labels that are predictions, from the command line: asked about, refused, said."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from click.testing import CliRunner, Result

from helixer_ft.cli import main
from helixer_ft.formats.data_h5 import DataFile
from helixer_ft.formats.input_file import file_sha256
from helixer_ft.formats.label_source import PREDICTIONS, LabelSource, SourceFile
from helixer_ft.genome.filters import filters_line
from helixer_ft.simulate.files import to_fasta, to_gff3
from helixer_ft.simulate.genome import simulate
from helixer_ft.simulate.species import TARGET
from tests.data_files import PREDICTED, say_predictions
from tests.quick_engine import use_quick

WHOLE_SOURCE = replace(
    PREDICTED,
    fasta=SourceFile("g.fa", "0b"),
    bams=(SourceFile("r.bam", "0c"),),
    helixerpost="0.1.0",
    filters=("complete_orf",),
    counts={"candidates": 5000, "kept": 2000},
)


def run(*arguments: object, status: int = 0) -> Result:
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exit_code == status, result.output
    assert "Traceback" not in result.stderr
    return result


# -- whole, freeze, compare, evaluate -----------------------------------------------------------


@pytest.fixture
def training(model_path, data_dir, tmp_path, monkeypatch) -> list[object]:
    """Options of a run that computes nothing, on predicted labels."""
    use_quick(monkeypatch)
    for path in data_dir.glob("*.h5"):
        say_predictions(path, WHOLE_SOURCE)
    common = ("-l", model_path, "-d", data_dir, "-e", 2, "-b", 4, "--val-test-batch-size", 8)
    return [*common, "--learning-rate", "0.01"]


@pytest.mark.parametrize("command", ["whole", "freeze"])
def test_a_run_says_what_its_labels_were(training, tmp_path, command):
    path = tmp_path / "tuned.h5"
    result = run(command, *training, "-s", path)
    last = result.stdout.splitlines()[-1]
    assert last.startswith(
        "Verdict: cannot tell. The labels are predictions: agreement with the teacher says "
        "nothing about accuracy. Agreement (genic F1) on the validation data 0."
    )
    assert "Agreement with predictions on the validation data" in result.stdout
    assert "Bases that differ from the labels in the validation data" in result.stdout
    assert "validation (predictions of teacher.h5)" in result.stdout
    assert result.stderr.count("agreement with predictions chooses nothing") == 1
    assert result.stderr.count("Give data labelled by an annotation with --test-data") == 1
    text = run("inspect", path).stdout
    assert (
        "Labels it was made with: training predictions of teacher.h5; validation predictions of "
        "teacher.h5\n"
    ) in text
    assert "label_sources:" not in text
    found = json.loads(run("inspect", path, "--json").stdout)
    assert found["labels"]["training"] == "predictions of teacher.h5"
    kept = found["provenance"]["label_sources"]["validation"]
    assert list(map(LabelSource.from_dict, kept)) == [WHOLE_SOURCE]


def test_the_last_check_is_marked(training, tmp_path):
    text = run("whole", *training, "-s", tmp_path / "tuned.h5").stderr
    marks = [line.split()[-1] for line in text.splitlines() if re.match(r" +\d+ +\d+ +\d+ ", line)]
    assert marks == ["last", "last"]


@pytest.mark.parametrize("command", ["whole", "freeze", "compare", "evaluate"])
def test_predictions_do_not_judge(training, test_path, model_path, tmp_path, command):
    say_predictions(test_path, PREDICTED)
    arguments = ["-l", model_path] if command == "evaluate" else training
    if command in ("whole", "freeze"):
        arguments = [*arguments, "-s", tmp_path / "tuned.h5"]
    result = run(command, *arguments, "-t", test_path, status=2)
    assert f"{test_path}: its labels are predictions of teacher.h5" in result.stderr
    assert not (tmp_path / "tuned.h5").exists()


@pytest.mark.parametrize("more", [[], ["--dry-run"], ["--strategies", "head"]])
def test_compare_does_not_choose_by_predictions(training, data_dir, tmp_path, more):
    out = tmp_path / "out"
    result = run("compare", *training, "--out-dir", out, *more, status=2)
    assert "compare chooses models and strategies on the validation data" in result.stderr
    assert f"{data_dir / 'validation_data.h5'}: its labels are predictions" in result.stderr
    assert not out.exists()


@pytest.fixture
def mixed(training, data_dir) -> list[object]:
    """The validation data have an annotation."""
    with h5py.File(data_dir / "validation_data.h5", "r+") as file:
        del file.attrs["label_source"], file["data/label_source"]
    return training


def test_sources_are_mixed_where_that_is_asked_for(mixed, tmp_path):
    path = tmp_path / "tuned.h5"
    refused = run("whole", *mixed, "-s", path, status=2).stderr
    assert "training_data.h5; annotation: " in refused
    result = run("whole", *mixed, "-s", path, "--mix-label-sources")
    assert "labels of different sources are used together" in result.stderr
    assert "mix_label_sources = true" in (tmp_path / "tuned.run/config.toml").read_text()
    again = ("--config", tmp_path / "tuned.run/config.toml", "-s", tmp_path / "again.h5")
    run("whole", *again)
    assert "Verdict: cannot tell. Genic F1 on the validation data" in result.stdout


def test_compare_takes_trusted_validation_data(mixed, tmp_path):
    out, some = tmp_path / "out", ("--strategies", "kept-head,whole")
    refused = run("compare", *mixed, "--out-dir", out, *some, status=2).stderr
    assert "--mix-label-sources" in refused
    result = run("compare", *mixed, "--out-dir", out, *some, "--mix-label-sources")
    assert "labels of different sources are used together" in result.stderr
    assert "training (predictions of teacher.h5)" in result.stdout
    assert len(json.loads((out / "compare.json").read_text())["models"]) == 3


# -- inspect ------------------------------------------------------------------------------------


def test_inspect_says_where_labels_come_from(data_dir):
    path = data_dir / "training_data.h5"
    before = run("inspect", path).stdout
    assert "Labels:" not in before
    found = json.loads(run("inspect", path, "--json").stdout)["labels"]
    assert (found["label_source"]["kind"], found["predicted_windows"]) == ("annotation", 0)
    say_predictions(path, WHOLE_SOURCE, slice(0, 9))
    assert (
        run("inspect", path).stdout.replace(
            "Labels: predictions of teacher.h5 (9 of 12 windows)\n"
            "  made from: g.fa, r.bam\n"
            "  HelixerPost: 0.1.0\n"
            "  filters: complete_orf\n"
            "  counts: candidates 5,000, kept 2,000\n",
            "",
        )
        == before
    )
    found = json.loads(run("inspect", path, "--json").stdout)["labels"]
    assert LabelSource.from_dict(found["label_source"]) == WHOLE_SOURCE
    assert found["predicted_windows"] == 9


def test_inspect_outlives_a_damaged_record_of_a_model(model_path):
    with h5py.File(model_path, "r+") as file:
        file.attrs["helixer_ft_label_sources"] = '{"training": [{"kind": "x"}]}'
    assert "Labels it was made with" not in run("inspect", model_path).stdout


# -- prepare ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def genome(tmp_path_factory) -> Path:
    """A folder with genome.fa and genes.gff3."""
    folder = tmp_path_factory.mktemp("genome")
    made = simulate(TARGET, 6, 20_000, seed=3)
    (folder / "genome.fa").write_bytes(to_fasta(made))
    (folder / "genes.gff3").write_bytes(to_gff3(made))
    return folder


@pytest.fixture
def work(genome, tmp_path) -> Path:
    for name in ("genome.fa", "genes.gff3"):
        shutil.copy(genome / name, tmp_path)
    return tmp_path


def from_helixer(path: Path, share: float = 1.0, header: str = "") -> None:
    """Make features of a GFF3 look like those of HelixerPost, from the first on."""
    lines = path.read_text().splitlines()
    features = [number for number, line in enumerate(lines) if line[:1] != "#"]
    for number in features[: int(share * len(features))]:
        columns = lines[number].split("\t")
        lines[number] = "\t".join([columns[0], "Helixer", *columns[2:]])
    path.write_text("\n".join([lines[0], *([header] if header else []), *lines[1:]]) + "\n")


def options(work: Path, *more: object) -> list[object]:
    files = ["--fasta", work / "genome.fa", "--gff3", work / "genes.gff3"]
    return ["prepare", *files, "--out-dir", work / "data", "--subsequence-length", 900, *more]


def test_helixerposts_genes_are_asked_about(work):
    from_helixer(work / "genes.gff3")
    refused = run(*options(work), status=2).stderr
    assert f"{work / 'genes.gff3'}: " in refused
    assert "features are predictions of Helixer" in refused
    assert "--labels-are-predictions" in refused
    assert not (work / "data").exists()


def test_a_real_file_of_helixerpost_is_recognised(shared, tmp_path):
    case = shared / "cases/predicted_gff3_name_with_comma"
    files = ["--fasta", case / "in.fa", "--gff3", case / "out.gff3"]
    refused = run("prepare", *files, "--out-dir", tmp_path / "data", status=2).stderr
    assert "are predictions of Helixer" in refused


def test_a_few_predictions_in_an_annotation_are_no_matter(work):
    from_helixer(work / "genes.gff3", share=0.4)
    run(*options(work))
    assert DataFile(work / "data/training_data.h5").label_source == LabelSource()


def test_data_of_predictions_say_so(work):
    from_helixer(work / "genes.gff3", header=filters_line(["complete_orf", "canonical_introns"]))
    result = run(*options(work, "--labels-are-predictions", "--seed", 5))
    assert "the labels are predictions, and the data files say so" in result.stderr
    assert sorted(path.name for path in (work / "data").glob("*.h5")) == [
        "training_data.h5",
        "validation_data.h5",
    ]
    genes = (work / "genes.gff3").read_text().count("\tgene\t")
    for path in (work / "data").glob("*.h5"):
        file = DataFile(path)
        source = file.label_source
        assert source.kind == PREDICTIONS
        assert source.teachers == ()
        assert source.fasta == SourceFile("genome.fa", file_sha256(work / "genome.fa"))
        assert source.gff3 == SourceFile("genes.gff3", file_sha256(work / "genes.gff3"))
        assert source.filters == ("complete_orf", "canonical_introns")
        assert source.seed == 5
        assert source.counts["genes"] == genes
        assert file.label_codes.all()
    settings = json.loads((work / "data/prepare.json").read_text())["settings"]
    assert settings["labels_are_predictions"] is True
    assert settings["test_fraction"] == 0


def test_nothing_but_the_source_differs(work):
    run(*options(work, "--no-split"))
    run(*options(work, "--no-split", "--labels-are-predictions", "--out-dir", work / "other"))
    with (
        h5py.File(next((work / "data").glob("*.h5"))) as one,
        h5py.File(next((work / "other").glob("*.h5"))) as other,
    ):
        assert set(other["data"]) - set(one["data"]) == {"label_source"}
        assert set(other.attrs) - set(one.attrs) == {"label_source"}
        for name, dataset in one["data"].items():
            assert np.array_equal(dataset[:], other["data"][name][:])


@pytest.mark.parametrize(
    ("more", "asked"),
    [
        (["--test-fraction", "0.2"], "--test-fraction"),
        (["--test-seqids", "chr01"], "--test-seqids"),
    ],
)
def test_predictions_are_no_test_data(work, more, asked):
    refused = run(*options(work, "--labels-are-predictions", *more), status=2).stderr
    assert f"{asked} asks for test data, which predictions cannot be" in refused
    run(*options(work, "--labels-are-predictions", "--test-fraction", "0", "--dry-run"))


def test_a_sheet_may_not_ask_for_a_test_either(work):
    sheet = work / "sheet.tsv"
    row = f"{work / 'genome.fa'}\t{work / 'genes.gff3'}"
    sheet.write_text(f"species\tfasta\tgff3\trole\nA\t{row}\tsplit\nB\t{row}\ttest\n")
    more = ["--samples", sheet, "--out-dir", work / "data", "--labels-are-predictions"]
    refused = run("prepare", *more, status=2).stderr
    assert "the role test of the sheet asks for test data" in refused


def test_without_genes_there_are_no_labels_to_be_predictions(work):
    more = ["--out-dir", work / "data", "--labels-are-predictions"]
    refused = run("prepare", "--fasta", work / "genome.fa", *more, status=2).stderr
    assert "--labels-are-predictions concerns labels, which need --gff3" in refused
