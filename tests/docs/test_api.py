"""The code of docs/api.md, run from top to bottom."""

import re
from pathlib import Path

import h5py
import pytest

from tests.docs.pages import ROOT

TEXT = (ROOT / "docs/api.md").read_text(encoding="utf-8")
SHOWN = re.sub(r"<!--.*?-->", "", TEXT, flags=re.S)
BLOCKS = re.findall(r"^## ([^\n]*)\n|^```python\n(.*?)^```", SHOWN, re.M | re.S)


@pytest.fixture(scope="module")
def session(tmp_path_factory) -> dict[str, object]:
    """The names that the page's code leaves, and what each section printed, in a folder."""
    folder, section = tmp_path_factory.mktemp("notebook"), ""
    printed: dict[str, list[str]] = {}
    names: dict[str, object] = {}

    def keep(*values: object) -> None:
        printed[section].append(" ".join(map(str, values)))

    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        names["print"] = keep
        for title, code in BLOCKS:
            if title:
                section = title
                printed[section] = []
            else:
                exec(compile(code, f"docs/api.md, {section}", "exec"), names)  # noqa: S102 - ours
    return names | {"printed": printed, "folder": folder}


def test_data(session):
    sets = session["preparation"].sets
    assert list(sets) == ["training", "validation", "test"]
    lines = session["printed"]["Data"]
    assert f"training {sets['training'].subsequences} windows, " in lines[0]
    assert sum(line.startswith("Warning: ") for line in lines) == len(lines) - 3 > 0


def test_inspection(session):
    assert "39272 parameters; 3528 of them train with freeze" in session["printed"][
        "What is in a file"
    ][1]  # fmt: skip


def test_scores(session):
    score = session["score"].confusion
    assert 0 < score.genic_f1 < 0.9
    assert session["printed"]["Scores"][0] == f"genic F1 {score.genic_f1}"
    with h5py.File(session["folder"] / "data/test_data.h5") as file:
        valid = file["data/sample_weights"][:].sum()
    assert 0 <= valid - score.genic_matrix.sum() < 2 * 9  # bases of steps that are not whole


def test_predictions(session):
    assert session["probabilities"].shape == (1008, 4)
    assert session["prediction"].request.prediction_output_path == Path("predictions.h5")


def test_gene_models_equal_themselves(session):
    lines = session["printed"]["Gene models against a reference"]
    assert [line.split(maxsplit=1) for line in lines] == [
        [name, "1.0 1.0"] for name in ("base", "exon", "intron", "transcript", "gene")
    ]


def test_gene_models_without_a_reference_have_scores(session):
    lines = session["printed"]["Gene models without a reference"]
    scores = dict(line.split(maxsplit=1) for line in lines)
    assert scores["complete_orf"] == scores["canonical_introns"] == "1.0 1.0 1.0"
    assert "intron_recall" not in scores


def test_errors_are_messages(session):
    (line,) = session["printed"]["Progress, interruption, errors"]
    assert line.startswith("sim/genome.fa: ")
    assert "expected" in line


def test_every_command_with_a_result_is_there():
    for function in (
        "prepare",
        "inspect",
        "evaluate",
        "predict",
        "evaluate_genes",
        "fine_tune",
        "score_without_reference",
    ):
        assert re.search(rf"^from helixer_ft\.[\w.]+ import {function}$", TEXT, re.M), function
