"""Whole inputs through `prepare`: its exit status, what it says, and what is in the data.

The same kinds as files that people sent, kept beside the repository, where they are at hand.
"""

import csv
import json
import re
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
from click.testing import CliRunner
from conftest import SHARED

from helixer_ft.cli import main
from tests.dialects.odd_files import ODD, PLAIN
from tests.dialects.rewriting import DIALECTS, Style, write

KEEP = ("--missing-utr", "keep", "--no-split", "--subsequence-length", 9000)


def run(*arguments: object):
    result = CliRunner().invoke(main, ["prepare", *map(str, arguments)])
    assert "Traceback" not in result.output
    return result


def prepared(fasta: Path, genes: Path, out: Path, *options: object):
    """prepare.json and rows of masked.tsv."""
    result = run("--fasta", fasta, "--gff3", genes, "--out-dir", out, "--species", "s", *options)
    assert result.exit_code == 0, result.output
    with open(out / "s.masked.tsv", newline="") as file:
        masked = list(csv.DictReader(file, delimiter="\t"))
    return json.loads((out / "prepare.json").read_text()), masked


# ---------------------------------------------------------------- no gene can be used


def unlinked(genes, bases) -> str:
    """Exons name transcripts, CDS others that are not in the file."""
    lines = write(genes, bases, PLAIN).splitlines()
    return "\n".join(line + ".old" if "\tCDS\t" in line else line for line in lines) + "\n"


@pytest.mark.parametrize("options", [("--no-split",), (), ("--test-fraction", 0)])
@pytest.mark.parametrize("dry", [(), ("--dry-run",)])
def test_no_usable_gene_is_refused_in_every_mode(simulated, tmp_path, options, dry):
    fasta, bases, genes, _ = simulated
    path = tmp_path / "genes.gff3"
    path.write_text(unlinked(genes, bases))
    n = sum(len(gene.transcripts) for there in genes.values() for gene in there)
    result = run(*("--fasta", fasta, "--gff3", path, "--out-dir", tmp_path / "out", *options, *dry))
    assert result.exit_code == 2
    assert not (tmp_path / "out").exists()
    message = result.stderr.splitlines()[-1]
    assert f"{path}: no coding gene can be used: all {n} are masked" in message
    assert f"{n} for unknown_parent (CDS whose parent is not in the file, as " in message
    line = next(i for i, text in enumerate(path.read_text().splitlines(), 1) if "\tCDS\t" in text)
    assert f" on line {line};" in message
    assert "Give each CDS the ID of its transcript as Parent" in message


def test_a_role_of_the_sheet_makes_no_difference(simulated, tmp_path):
    fasta, bases, genes, _ = simulated
    (tmp_path / "bad.gff3").write_text(unlinked(genes, bases))
    (tmp_path / "good.gff3").write_text(write(genes, bases, PLAIN))
    sheet = tmp_path / "sheet.tsv"
    for role in ("train", "validation", "test", "split"):
        other = "split" if role != "split" else "train"
        sheet.write_text(
            "species\tfasta\tgff3\trole\n"
            f"A\t{fasta}\tgood.gff3\t{other}\nB\t{fasta}\tbad.gff3\t{role}\n"
        )
        result = run("--samples", sheet, "--out-dir", tmp_path / "out")
        assert result.exit_code == 2
        assert "bad.gff3: no coding gene can be used: all " in result.stderr


def test_genes_that_are_labelled_but_all_masked_are_refused_for_that(simulated, tmp_path):
    """Without phases and start codons: each CDS is masked, though its gene is trusted."""
    _, bases, genes, _ = simulated
    text = write(genes, bases, Style(gtf=False, phases="."))
    other = tmp_path / "other.fa"
    # another genome of the same lengths
    other.write_text(
        "".join(f">{name}\n{'ACGTAACTAGCTAGCCTGA' * (len(b) // 19 + 1)}"[: len(b) + len(name) + 2]
                + "\n" for name, b in bases.items())
    )  # fmt: skip
    path = tmp_path / "genes.gff3"
    path.write_text(text)
    for options in ((), ("--no-split",)):
        result = run("--fasta", other, "--gff3", path, "--out-dir", tmp_path / "out", *options)
        assert result.exit_code == 2
        assert "no coding gene can be used: all " in result.stderr
        assert "for unknown_phase (first CDS piece without phase" in result.stderr
        assert "the genome of the same version" in result.stderr


def test_most_genes_unusable_is_a_warning_that_goes_with_the_data(simulated, tmp_path):
    fasta, bases, genes, _ = simulated
    lines = unlinked(genes, bases).splitlines()
    sound = write(genes, bases, PLAIN).splitlines()
    path = tmp_path / "genes.gff3"
    for share, warned in ((0.7, True), (0.3, False)):
        cut = int(share * len(lines))
        path.write_text("\n".join([*lines[:cut], *sound[cut:]]) + "\n")
        report, _ = prepared(fasta, path, tmp_path / f"out{share}", *KEEP)
        found = [text for text in report["warnings"] if "for one reason: unknown_parent" in text]
        assert len(found) == warned
        with h5py.File(tmp_path / f"out{share}" / "s.h5") as file:
            written = file.attrs.get("helixer_ft_annotation_warning")
        assert written == (found[0] if warned else None)


def test_fine_tuning_repeats_the_warning(simulated, tmp_path, model_path):
    fasta, bases, genes, _ = simulated
    lines, sound = unlinked(genes, bases).splitlines(), write(genes, bases, PLAIN).splitlines()
    # on every sequence the first two thirds of the genes cannot be used
    bad = {gene.id for there in genes.values() for gene in there[: int(0.67 * len(there))]}
    both = [
        odd if any(f"={name}." in odd for name in bad) else line
        for odd, line in zip(lines, sound, strict=True)
    ]
    path = tmp_path / "genes.gff3"
    path.write_text("\n".join(both) + "\n")
    arguments = ("--fasta", fasta, "--gff3", path, "--missing-utr", "keep")
    result = run(*arguments, "--out-dir", tmp_path / "data", "--subsequence-length", 900)
    assert result.exit_code == 0, result.output
    (warning,) = re.findall(r"Warning: (.* for one reason: unknown_parent .*)", result.stderr)
    tuning = CliRunner().invoke(
        main,
        [
            *("freeze", "-l", str(model_path), "--data-dir", str(tmp_path / "data")),
            *("--save-model-path", str(tmp_path / "tuned.h5"), "--dry-run"),
        ],
    )
    assert tuning.exit_code == 0, tuning.output
    assert f"Warning: {warning}" in tuning.stderr


# ---------------------------------------------------------------- notices, counts, options


def test_the_same_data_from_gtf_and_gff3(simulated, tmp_path):
    fasta, bases, genes, _ = simulated
    data = []
    for name, style in (("a.gff3", PLAIN), ("a.gtf", DIALECTS["BRAKER, TSEBRA (GTF)"])):
        path = tmp_path / name
        path.write_text(write(genes, bases, style))
        report, _ = prepared(fasta, path, tmp_path / name[2:], *KEEP)
        with h5py.File(tmp_path / name[2:] / "s.h5") as file:
            data.append({key: file["data"][key][()] for key in file["data"]})
    assert set(data[0]) == set(data[1])
    for key, values in data[0].items():
        np.testing.assert_array_equal(values, data[1][key], err_msg=key)
    notices = report["species"]["s"]["annotation_notices"]
    (stops,) = (n for n in notices if n["kind"].endswith("outside the CDS, taken in"))
    transcripts = [len(gene.transcripts) for there in genes.values() for gene in there]
    assert stops["count"] == sum(transcripts)


def test_one_trans_spliced_gene_is_counted_once(simulated, tmp_path):
    fasta, bases, genes, _ = simulated
    path = tmp_path / "genes.gff3"
    path.write_text(ODD["trans-splicing"](genes, bases)[0])
    report, masked = prepared(fasta, path, tmp_path / "out", *KEEP)
    rows = [row for row in masked if row["error"] == "mixed_strands"]
    assert len({row["gene"] for row in rows}) == 1
    assert len(rows) == 2
    assert report["species"]["s"]["masked"]["mixed_strands"]["genes"] == 1
    n = sum(len(there) for there in genes.values())
    assert report["species"]["s"]["genes"] == n
    assert report["species"]["s"]["usable_genes"] == n - 1
    assert report["species"]["s"]["other_genes"] == 0


def test_strict_ends_at_the_first_odd_line(simulated, tmp_path):
    fasta, bases, genes, _ = simulated
    path = tmp_path / "genes.gff3"
    path.write_text(ODD["end before start"](genes, bases)[0])
    arguments = ("--fasta", fasta, "--gff3", path, *KEEP)
    assert run(*arguments, "--out-dir", tmp_path / "a").exit_code == 0
    result = run(*arguments, "--out-dir", tmp_path / "b", "--strict")
    assert result.exit_code == 2
    assert "expected 1 ≤ start ≤ end" in result.stderr
    assert not (tmp_path / "b").exists()
    result = run("--fasta", fasta, "--out-dir", tmp_path / "c", "--strict")
    assert result.exit_code == 2
    assert "--strict concerns labels, which need --gff3" in result.stderr


def test_slippage_is_noticed(tmp_path):
    n = 9000
    (tmp_path / "g.fa").write_text(">s\n" + "ACGTTGCAAT" * (n // 10) + "\n")
    rows = ["gene\t1001\t1901\t.\t+\t.\tID=g", "exon\t1001\t1901\t.\t+\t.\tParent=g"]
    rows += [f"CDS\t{s}\t{e}\t.\t+\t0\tParent=g" for s, e in ((1101, 1400), (1402, 1701))]
    (tmp_path / "g.gff3").write_text("".join(f"s\tx\t{row}\n" for row in rows))
    report, masked = prepared(tmp_path / "g.fa", tmp_path / "g.gff3", tmp_path / "out", *KEEP)
    (notice,) = (text for text in report["notices"] if "ribosomal slippage" in text)
    assert notice.endswith("masked there: 1 (for example g)")
    (row,) = (row for row in masked if row["error"] == "frame_shift")
    assert (row["start"], row["end"]) in {("1397", "1404"), ("1398", "1404")}
    with h5py.File(tmp_path / "out" / "s.h5") as file:
        phases = file["data/phases"][0].argmax(axis=1)
    assert (phases[1100], phases[1401]) == (1, 1)


# ---------------------------------------------------------------- as people sent them

EXPECTED = {
    # case: exit status, usable genes, what is masked as a whole
    "cds_without_parent": (0, 3, None),
    "end_before_start_one_line": (0, 2, "end_before_start"),
    "gene_and_transcript_share_id": (0, 3, None),
    "gffread_advice_empties_input": (0, 3, None),
    "gffread_output_isoforms_as_genes": (0, 3, None),
    "multiline_gene_is_ordered": (0, 3, None),
    "multiline_other_feature": (0, 3, None),
    "no_gene_is_usable": (2, 0, "unknown_parent"),
    "noncoding_feature_behind_the_end": (0, 3, None),
    "phases_all_zero": (0, 3, None),
    "pseudogene_with_cds": (0, 1, "pseudogene"),
    "ribosomal_slippage_phase": (0, 2, "frame_shift"),
    "stop_codon_outside_cds": (0, 3, None),
    "trailing_tab": (0, 3, None),
    "trans_spliced_two_genes_one_mrna": (2, 0, "mixed_strands"),
}
MISSING_UTR = {"missing_utr_5p", "missing_utr_3p"}


@pytest.mark.parametrize("case", EXPECTED)
def test_files_that_people_sent(case, tmp_path):
    folder = SHARED / "cases" / case
    if not folder.is_dir():
        pytest.skip("needs the files that are not part of the repository")
    for name in ("in.fa", "in.gff3"):
        shutil.copyfile(folder / name, tmp_path / name)
    status, usable, error = EXPECTED[case]
    arguments = ("--fasta", tmp_path / "in.fa", "--gff3", tmp_path / "in.gff3", *KEEP[:3])
    result = run(*arguments, "--out-dir", tmp_path / "out")
    assert result.exit_code == status, result.output
    if status:
        assert f" for {error} (" in result.stderr
        return
    report = json.loads((tmp_path / "out/prepare.json").read_text())["species"]["in"]
    assert report["usable_genes"] == usable
    assert set(report["masked"]) - MISSING_UTR == ({error} if error else set())
