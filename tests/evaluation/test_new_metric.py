"""A metric is added in one place: CONTRIBUTING.md says so, and this one is."""

import csv
import json

from click.testing import CliRunner
from conftest import random_rows, tiny_model

from helixer_ft import metrics
from helixer_ft.cli import main
from helixer_ft.formats.model_h5 import write_model_file
from tests.data_files import write_data_file


def test_a_new_metric_appears_everywhere(tmp_path, monkeypatch, compiled_once):
    tallies = metrics._tallies

    def with_exonic(matrices, classes):
        """The toy: UTR and CDS as one class."""
        result = tallies(matrices, classes)
        if tuple(classes) == metrics.GENIC_CLASSES:
            exonic, other = [1, 2], [0, 3]
            result["exonic"] = (
                matrices[..., exonic, :][..., exonic].sum(axis=(-2, -1)),
                matrices[..., other, :][..., exonic].sum(axis=(-2, -1)),
                matrices[..., exonic, :][..., other].sum(axis=(-2, -1)),
            )
        return result

    monkeypatch.setattr(metrics, "_tallies", with_exonic)
    models = [tmp_path / f"{seed}.h5" for seed in (0, 1)]
    for seed, path in enumerate(models):
        write_model_file(path, tiny_model(seed).to_file({}))
    write_data_file(tmp_path / "data.h5", random_rows(4))
    table = tmp_path / "scores.csv"
    command = ["evaluate", "-l", models[0], "-l", models[1], "-t", tmp_path / "data.h5"]
    command += ["--csv", table, "--val-test-batch-size", 8]
    shown = CliRunner().invoke(main, [str(word) for word in command])
    assert shown.exit_code == 0, shown.output
    assert "exonic" in shown.stdout
    printed = CliRunner().invoke(main, [*map(str, command), "--force", "--json"])
    assert printed.exit_code == 0, printed.output
    for score in json.loads(printed.stdout)["overall"]:
        genic = score["genic"]
        matrix = genic["confusion_matrix"]
        hits = sum(matrix[i][j] for i in (1, 2) for j in (1, 2))
        assert genic["scores"]["exonic"]["recall"] == hits / sum(map(sum, matrix[1:3]))
    assert set(score["difference"]["f1"]["exonic"]) == {"difference", "low", "high"}
    with open(table, newline="") as file:
        assert {row["row"] for row in csv.DictReader(file) if row["table"] == "genic scores"} >= {
            "exonic", "genic",
        }  # fmt: skip
