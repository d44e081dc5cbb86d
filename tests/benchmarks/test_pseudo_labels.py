"""benchmarks/pseudo_labels.py: the rows that are chosen as Helixer does, and the page."""

import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(autouse=True)
def _path(monkeypatch) -> None:
    monkeypatch.setattr(sys, "path", [str(BENCHMARKS), *sys.path])


def agreement(n: int = 40) -> dict:
    """Rows that are the farther from their labels the higher their number."""
    return {("training_data.h5", i): (i / n, 1.0 if i % 2 else 0.5) for i in range(n)}


def test_half_of_the_rows_of_each_bin_are_the_nearest_ones():
    from pseudo_labels_drivers import best_rows

    chosen = {row for _, row in best_rows(agreement())}
    assert len(chosen) == 20
    assert {row for row in chosen if row % 2} == set(range(1, 20, 2))
    assert {row for row in chosen if not row % 2} == set(range(0, 20, 2))


def test_most_rows_have_the_figures_of_others_where_files_are_misaligned():
    from pseudo_labels_drivers import misaligned

    before = agreement()
    after = misaligned(before)
    assert after.keys() == before.keys()
    assert sum(after[key] != before[key] for key in before) == 30
    assert sorted(after.values()) == sorted(before.values())


def test_genes_are_kept_with_their_row_and_strand(tmp_path):
    from pseudo_labels_drivers import genes_on

    for name, ends in (("training_data.h5", [[0, 100], [300, 200]]), ("validation_data.h5", [])):
        with h5py.File(tmp_path / name, "w") as file:
            file["data/seqids"] = np.array([b"chr1"] * len(ends), "S50")
            file["data/start_ends"] = np.array(ends, np.int64).reshape(-1, 2)
    genes = [(10, 90, "+", "a"), (10, 90, "-", "b"), (210, 290, "-", "c"), (90, 180, "+", "d")]
    lines = ["##gff-version 3\n"]
    for start, end, strand, name in genes:
        end_of_line = f"\t.\t{strand}\t.\tID={name}\n"
        lines.append(f"chr1\tHelixer\tgene\t{start}\t{end}{end_of_line}")
        lines.append(f"chr1\tHelixer\tmRNA\t{start}\t{end}{end_of_line}")
    path = tmp_path / "genes.gff3"
    path.write_text("".join(lines))
    kept = [line for line in genes_on(tmp_path, path) if "\tgene\t" in line]
    assert [line.strip()[-1] for line in kept] == ["a", "c"]
    assert len(genes_on(tmp_path, path)) == 1 + 2 * 2


def test_the_page_has_refusals_audits_and_students():
    from pseudo_labels_page import render

    levels = {level: {"precision": 0.5, "recall": 0.25} for level in ("exon", "base")}
    student = {
        "teacher": 0.5, "student": 0.6, "verdict": "better",
        "difference": {"low": 0.05, "high": 0.15},
    }  # fmt: skip
    page = render(
        {
            "date": "2026-01-01",
            "machine": {"cores": 2, "processor": "a processor"},
            "versions": {"helixer-ft": "1"},
            "settings": {"model": "small.h5", "min_confidence": 0.5},
            "records": {
                "audit/athaliana/untouched/chosen/0": {"refused": "why"},
                "audit/athaliana/50/chosen/0": {"genes": {"predicted": 7}, "coding": levels},
                "audit/athaliana/50/true/0": {},
                "student/athaliana/50/chosen/default/0": student,
                "student/athaliana/50/chosen/default/1": student | {"student": 0.7},
            },
        }
    )
    assert "| *A. thaliana* | the model | `pseudo-label` | 0 | refused |" in page
    assert "- *A. thaliana*, the model, `pseudo-label`: why\n" in page
    assert "--min-confidence 0.5 --teachers untouched,50 --labels chosen,true --work" in page
    assert "tuned on 50 % of the annotation | `pseudo-label` | 7 | 0.500 | 0.250 |" in page
    assert "| default | 2 | 0.5000 | 0.6500 ± 0.0707 | +0.1500 | +0.0500 to +0.1500 |" in page
