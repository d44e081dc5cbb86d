"""`helixer-ft evaluate` as a user calls it: what each option does, and what it refuses."""

import csv
import json
import os
import re
from pathlib import Path

import h5py
import numpy as np
import pytest
from click.testing import CliRunner, Result
from conftest import add_coverage, random_rows, tiny_architecture, tiny_model

from helixer_ft.cli import main, progress_display
from helixer_ft.errors import HelixerFtError
from helixer_ft.evaluation.table import COLUMNS
from helixer_ft.formats import atomic
from helixer_ft.formats.coverage_h5 import Track
from helixer_ft.formats.model_h5 import write_model_file
from helixer_ft.metrics import genic_f1
from helixer_ft.network.config_reader import parse_config
from helixer_ft.network.config_writer import render_config
from helixer_ft.network.coverage import CoverageInput
from helixer_ft.network.model import load_model
from tests.cli.workplace import CommandFolder
from tests.data_files import write_data_file
from tests.network.builders import nested_coverage, random_model
from tests.plans import plan_freeze

pytestmark = pytest.mark.usefixtures("compiled_once")


class Workplace(CommandFolder):
    """A folder with two models and labelled data, and the command."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.base, self.tuned = folder / "base.h5", folder / "tuned.h5"
        self.data = folder / "data.h5"
        self.csv = folder / "scores.csv"

    def run(self, *options: object) -> Result:
        """The command; both models on the data file, unless told otherwise."""
        arguments = [] if "-l" in options else ["-l", self.base, "-l", self.tuned]
        arguments += [] if "-t" in options else ["-t", self.data]
        if "--val-test-batch-size" not in options:  # one shape less to compile
            arguments += ["--val-test-batch-size", 10]
        return CliRunner().invoke(main, ["evaluate", *map(str, [*arguments, *options])])

    def json(self, *options: object) -> dict:
        result = self.run("--json", *options)
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)


@pytest.fixture
def work(tmp_path) -> Workplace:
    work = Workplace(tmp_path)
    write_model_file(work.base, tiny_model().to_file({}))
    write_model_file(work.tuned, tiny_model(5).to_file({}))
    write_data_file(work.data, random_rows(5))
    return work


# -- what it does ------------------------------------------------------------------------------


def test_tables(work, test_path):
    """Side by side, nothing cut off, though the terminal has 80 columns."""
    result = work.run("-t", test_path, "-l", work.base, "-l", work.tuned, "-l", work.base)
    assert result.exit_code == 0, result.output
    text = result.stdout
    assert "…" not in text
    outcome = work.json("-t", test_path)
    first, second = (model["genic"] for model in outcome["overall"])
    lines = {line.split("  ")[0]: line for line in text.splitlines()}
    difference = outcome["overall"][1]["difference"]
    cds = [f"{first['scores']['CDS'][name]:.4f}" for name in ("precision", "recall", "f1")]
    cds += [f"{second['scores']['CDS'][name]:.4f}" for name in ("precision", "recall", "f1")]
    f1 = difference["f1"]["CDS"]
    cds += [f"{f1['difference']:+.4f}", f"{f1['low']:+.4f} to {f1['high']:+.4f}"]
    assert re.split(r"\s{2,}", lines["CDS"])[:1] == ["CDS"]
    table = text.split("Scores on all data, 25 genome blocks\n")[1].split("Confusion")[0]
    row = next(line for line in table.splitlines() if line.startswith("CDS "))
    assert re.split(r"\s{2,}", row)[1:9] == cds
    assert re.split(r"\s{2,}", row)[12:] == ["+0.0000", "+0.0000 to +0.0000"]
    accuracies = re.search(r"genic accuracy +(\S+) +(\S+) +(\S+)", table)
    assert accuracies[1] == f"{first['accuracy']:.4f}"
    assert accuracies[3] == f"{second['accuracy'] - first['accuracy']:+.4f}"
    for number in (1, 2, 3):
        for output in ("genic", "phase"):
            assert f"Confusion matrix on all data: {output}, model {number} (bases)" in text
    n, total = first["confusion_matrix"][2][1], sum(first["confusion_matrix"][2])
    assert f"{n:,} ({n / total:.1%})" in text
    near = outcome["overall"][0]["transitions"]["donor"]["6-20"]
    assert re.search(rf"donor 6-20 +{near['bases']:,} +{near['accuracy']:.4f}", text)
    error = outcome["overall"][1]["calibration"]["predicted class"]["expected_calibration_error"]
    assert f"{error:.4f}" in lines["expected calibration error"]
    assert "distort probabilities on purpose" in result.stderr
    assert (
        f"Model 2 against model 1: {difference['verdict']}. Genic F1 {first['genic_f1']:.4f} -> "
        f"{second['genic_f1']:.4f} ({difference['genic_f1']:+.4f}, 95 % interval "
        f"{difference['low']:+.4f} to {difference['high']:+.4f}, 25 genome blocks)."
    ) in text
    assert "Model 3 against model 1: not better." in text


def test_too_few_blocks(work):
    text = work.run().stdout
    assert text.count("too few to tell") == 12  # 7 genic rows, 4 phases and the verdict
    assert "Model 2 against model 1: cannot tell." in text
    assert "5 genome blocks are too few to tell)" in text


def test_one_model_alone(work):
    result = work.run("-l", work.base)
    assert result.exit_code == 0
    assert " 1 model(s); " in result.stdout
    assert "against" not in result.stdout
    assert "interval" not in result.stdout


def test_json(work):
    outcome = work.json("-q")
    assert outcome["overlap"] is False
    assert outcome["rows"] == 10
    assert [(model["path"], model["data"]) for model in outcome["models"]] == [
        (str(work.base), str(work.data)),
        (str(work.tuned), str(work.data)),
    ]
    first, second = outcome["models"]
    assert first["difference"] is None
    assert second["difference"]["verdict"] == "cannot tell"
    assert second["difference"]["blocks"] == 5
    for model in outcome["models"]:
        for output in ("genic", "phase"):
            matrix = np.array(model[output]["confusion_matrix"])
            assert matrix.shape == (4, 4)
            assert model[output]["accuracy"] == pytest.approx(np.trace(matrix) / matrix.sum())
        matrix = np.array(model["genic"]["confusion_matrix"])
        assert model["genic"]["genic_f1"] == pytest.approx(float(genic_f1(matrix)))
        assert model["genic"]["scores"]["genic"]["f1"] == model["genic"]["genic_f1"]
        curve = model["calibration"]["predicted class"]["bins"]
        assert sum(found["bases"] for found in curve) == matrix.sum()
        right = sum(found["bases"] * (found["observed"] or 0) for found in curve)
        assert right == pytest.approx(np.trace(matrix))
    overall = [{"path": m.pop("path"), **m} for m in outcome["models"] if m.pop("data")]
    assert outcome["overall"] == overall
    assert outcome["species"] == {"sim": overall}


def test_several_files_and_verbose(work, test_path):
    outcome = work.json("-t", work.data, "-t", test_path)
    assert [model["data"] for model in outcome["models"]] == [str(work.data), str(test_path)] * 2
    assert outcome["test_data"] == [str(work.data), str(test_path)]
    brief, verbose = (work.run("-t", work.data, "-t", test_path, *v).stdout for v in ([], ["-v"]))
    for text in (brief, verbose):
        assert f"Scores on {work.data}, 5 genome blocks" in text
        assert f"Scores on {test_path}, 25 genome blocks" in text
    for text in (
        f"Calibration on {test_path}: intron",
        f"Genic classes on {work.data} by distance",
        "Calibration on all data: intron",
    ):
        assert text in verbose
        assert text not in brief


def test_csv(work):
    result = work.run("--csv", work.csv)
    assert f"Note: written: {work.csv}" in result.stderr
    with open(work.csv, newline="") as file:
        lines = list(csv.DictReader(file))
    assert tuple(lines[0]) == COLUMNS
    assert {line["model"] for line in lines} == {"1", "2"}
    assert {line["path"] for line in lines} == {str(work.base), str(work.tuned)}
    assert {line["data"] for line in lines} == {"", str(work.data)}
    assert {line["species"] for line in lines} == {"", "sim"}
    outcome = work.json()
    found = {
        (line["table"], line["row"], line["column"]): line["value"]
        for line in lines
        if (line["model"], line["data"], line["species"]) == ("2", "", "")
    }
    model = outcome["overall"][1]
    for place, expected in {
        ("genic scores", "CDS", "recall"): model["genic"]["scores"]["CDS"]["recall"],
        ("phase scores", "all", "accuracy"): model["phase"]["accuracy"],
        ("genic confusion matrix", "CDS", "UTR"): model["genic"]["confusion_matrix"][2][1],
        ("F1 difference", "phase 1", "high"): model["difference"]["f1"]["phase 1"]["high"],
        ("F1 difference", "genic", "blocks"): 5,
        ("distance to donor", "0-5", "bases"): model["transitions"]["donor"]["0-5"]["bases"],
        ("calibration, UTR", "0.2-0.3", "bases"): model["calibration"]["UTR"]["bins"][2]["bases"],
    }.items():
        assert float(found[place]) == pytest.approx(expected)


def test_force(work):
    work.csv.write_text("precious")
    work.refused("--csv", work.csv, parts=[f"{work.csv}: exists already and is not overwritten"])
    assert work.run("--csv", work.csv, "--force").exit_code == 0
    assert work.csv.read_text().startswith("model,path,")


def test_a_full_disk_leaves_the_tables_on_the_screen(work, monkeypatch):
    def full(path, *_arguments, **_options):
        raise HelixerFtError(f"{path}: could not be written (no space left).")

    monkeypatch.setattr(atomic, "write_text", full)
    result = work.run("--csv", work.csv)
    assert result.exit_code == 1
    assert f"Error: {work.csv}: could not be written" in result.stderr
    assert "Model 2 against model 1: " in result.stdout
    assert not work.csv.exists()


def test_overlap_options_change_the_result(work):
    def matrix(*options):
        return work.json("-l", work.base, *options)["models"][0]["genic"]["confusion_matrix"]

    plain, averaged = matrix(), matrix("--overlap")
    assert matrix("--no-overlap") == plain
    assert matrix("--overlap", "--overlap-offset", 45, "--core-length", 67) == averaged
    assert plain != averaged
    assert matrix("--overlap", "--overlap-offset", 15) != averaged
    assert matrix("--overlap", "--core-length", 90) != averaged


def test_batch_size(work):
    expected = work.json()["models"][1]
    found = work.json("--val-test-batch-size", "auto")["models"][1]
    assert found["genic"] == expected["genic"]
    notice = "windows at once (--val-test-batch-size auto)"
    assert notice in work.run("--val-test-batch-size", "auto").stderr
    assert notice not in work.run("--val-test-batch-size", "auto", "-q").stderr


def test_precision(work):
    exact, rough = (
        work.json(*options)["models"][0]["calibration"]["CDS"]["bins"]
        for options in ([], ["--precision", "mixed_bfloat16"])
    )
    assert exact != rough


def test_seed(work, test_path):
    one, same, other = (
        work.json("-t", test_path, "--seed", seed)["overall"][1]["difference"] for seed in (0, 0, 1)
    )
    assert one == same
    assert one["genic_f1"] == other["genic_f1"]
    assert (one["low"], one["high"]) != (other["low"], other["high"])


def test_progress_in_a_log(work, monkeypatch):
    monkeypatch.setattr(progress_display, "LINE_SECONDS", 0)
    lines = work.run("-l", work.base).stderr.splitlines()
    lines = [line for line in lines if line.startswith("scoring model 1 (base.h5): ")]
    assert len(lines) == 10
    assert re.search(r": 5 of 10 \(50%\), \d\.\d{3} Mb/s, \d+(\.\d)? s left", lines[4])


def test_hybridmodels_words(work, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")  # given back afterwards
    result = work.run("-l", work.base, "--eval", "--predict-phase", "--workers", 4, "--gpu-id", 3)
    assert result.exit_code == 0, result.output
    assert "--workers is ignored" in result.stderr
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "3"
    write_model_file(work.tuned, tiny_model(phase=False).to_file({}), force=True)
    work.refused("--predict-phase", parts=[f"{work.tuned}: does not predict phase"])


def test_backend(work):
    pytest.importorskip("jax")
    running = os.environ["KERAS_BACKEND"]
    assert f"Keras backend: {running} (--backend)" in work.run("--backend", running).stderr
    other = "tensorflow" if running == "jax" else "jax"
    work.refused("--backend", other, parts=[f"Keras runs on '{running}'"])


def test_no_phase(work):
    write_model_file(work.tuned, tiny_model(phase=False).to_file({}), force=True)
    first, second = work.json()["models"]
    assert first["phase"] is not None
    assert second["phase"] is None
    assert "none" not in second["difference"]["f1"]
    result = work.run("--csv", work.csv)
    row = next(line for line in result.stdout.splitlines() if line.startswith("phase 1 "))
    assert re.split(r"\s+", row.strip())[-4:] == ["-"] * 4
    assert result.exit_code == 0


# -- what it refuses ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["-t", "d.h5"], ["Missing option '-l' / '--load-model-path'"]),
        (["-l", "m.h5"], ["Missing option '-t' / '--test-data'"]),
    ],
)
def test_no_model_or_no_data(arguments, parts):
    result = CliRunner().invoke(main, ["evaluate", *arguments])
    assert result.exit_code == 2
    for part in parts:
        assert part in result.stderr


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        (["-l", "nothing.h5"], ["nothing.h5: no such file"]),
        (["-t", "nothing.h5"], ["nothing.h5: no such file", "a Helixer data file"]),
        (["--overlap-offset", "30"], ["--overlap-offset and --core-length require --overlap"]),
        (["--core-length", "30"], ["--overlap-offset and --core-length require --overlap"]),
        (["--overlap", "--overlap-offset", "40"], ["a divisor of the subsequence length, 90"]),
        (["--overlap", "--core-length", "91"], ["--core-length is 91, expected at most", "90"]),
        (["--overlap", "--core-length", "0"], ["--core-length is 0, expected"]),
        (["--val-test-batch-size", "0"], ["--val-test-batch-size is 0"]),
        (["--precision", "float8"], ["float8"]),
        (["--seed", "-1"], ["--seed"]),
    ],
)
def test_options(work, options, parts):
    work.refused(*options, parts=parts)


def test_tables_that_cannot_be_written(work):
    work.refused("--csv", work.folder / "no/s.csv", parts=["no does not exist. Create it"])
    work.refused("--csv", work.folder, parts=["is a folder, expected a file name"])
    for path in (work.base, work.data):
        work.refused("--csv", path, "--force", parts=[f"{path}: is read, and never overwritten"])


def test_data_without_labels(work):
    with h5py.File(work.data, "a") as file:
        for name in ("y", "phases", "transitions", "sample_weights", "is_annotated"):
            del file[f"data/{name}"]
    work.refused(parts=[f"{work.data}: data/y is missing", "helixer-ft prepare, with --gff3"])


def test_the_same_data_twice(work):
    work.refused("-t", work.data, "-t", work.data, parts=["is given twice as --test-data"])


def test_different_subsequence_lengths(work):
    other = work.folder / "other.h5"
    write_data_file(other, random_rows(3, length=180))
    work.refused(
        "-t", work.data, "-t", other, parts=["different subsequence lengths", "90:", "180:"]
    )


def test_rows_shorter_than_a_step(work):
    write_data_file(work.data, random_rows(2, length=6))
    work.refused(parts=[f"{work.base} on these data: ", "6 bases, fewer than the 9 bases"])


def test_all_bases_masked(work, test_path):
    with h5py.File(work.data, "a") as file:
        file["data/sample_weights"][:, ::9] = 0
    parts = [f"{work.data}: has no base to score on: all 10 rows are masked", "9 bases"]
    work.refused(parts=parts)
    work.refused("-t", test_path, "-t", work.data, parts=parts)


def test_damaged_data(work):
    with h5py.File(work.data, "a") as file:
        file["data/X"][7, 3] = np.nan
    work.refused(parts=[f"{work.data}: data/X row 7 holds values"])


def test_rows_out_of_order(work):
    with h5py.File(work.data, "a") as file:
        file["data/start_ends"][2] = (90, 180)
    assert work.run().exit_code == 0
    work.refused("--overlap", parts=["belong together, but do not follow", "--no-overlap"])


def test_coverage_that_does_not_match(work):
    """None, the tracks of another model, and the right ones."""
    coverage = CoverageInput("rnaseq", "log", (Track("leaf"),))
    plan = plan_freeze(load_model(work.base), coverage=coverage)
    write_model_file(work.tuned, plan.model.to_file({}), force=True)
    work.refused(parts=[f"{work.tuned} on these data: ", "expected evaluation/rnaseq_coverage"])
    add_coverage(work.data, "root")
    parts = ["has the track(s) root (reads), expected leaf (reads), in this order"]
    work.refused(parts=[f"{work.tuned} on these data: {work.data}: ", *parts])
    write_data_file(work.data, random_rows(5))
    add_coverage(work.data, "leaf")
    assert work.run().exit_code == 0
    assert work.run("--overlap").exit_code == 0


def test_a_coverage_model_that_does_not_say_how(work):
    config = nested_coverage(render_config(tiny_architecture()))
    model = random_model(parse_config(config, "x"), config=config)
    write_model_file(work.tuned, model.file, force=True)
    work.refused(
        parts=[f"{work.tuned}: takes coverage of 1 track(s), but does not say which tracks"]
    )


def test_out_of_memory(work, monkeypatch):
    from helixer_ft.evaluation import scoring

    def network(*_):
        def run(_batch):
            raise MemoryError

        return run

    monkeypatch.setattr(scoring, "prediction_function", network)
    work.refused(parts=["out of memory with one window of", "--subsequence-length"], status=1)
