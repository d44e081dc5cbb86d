"""`helixer-ft pseudo-label` on a simulated genome: what is kept, what is written, what it says."""

import json
import re
from pathlib import Path
from types import SimpleNamespace

import h5py
import numpy as np
import pytest
from conftest import tiny_model

from helixer_ft.formats.data_h5 import DataFile
from helixer_ft.formats.model_h5 import write_model_file
from helixer_ft.genome.filters import read_filters
from helixer_ft.pseudo_labels.gate import REASONS
from helixer_ft.pseudo_labels.outcome import PseudoLabels
from helixer_ft.pseudo_labels.request import PseudoLabelRequest
from helixer_ft.simulate.reads import write_reads
from tests.coverage.coverage_files import write_bam
from tests.docs.pages import ROOT
from tests.pseudo_labels.workplace import LENGTH, UNSURE, PseudoFolder, simulated

FILES = {
    *("training_data.h5", "validation_data.h5", "kept.gff3", "genes.tsv", "g.masked.tsv"),
    *("split.tsv", "helixerpost.gff3", "pseudo_label.json"),
}


def record(place: PseudoFolder, out: str = "out") -> dict:
    return json.loads((place.folder / out / "pseudo_label.json").read_text())


def labels(path) -> dict[tuple[str, int, bool], tuple[np.ndarray, np.ndarray]]:
    """(sequence, lower coordinate, plus) -> genic codes and valid bases, in genomic order."""
    found = {}
    with h5py.File(path) as file:
        rows = zip(
            *(file[f"data/{name}"][:] for name in ("seqids", "start_ends", "y", "sample_weights")),
            strict=True,
        )
        for seqid, (start, end), y, weights in rows:
            n = abs(end - start)
            own = y[:n].argmax(axis=1), weights[:n].astype(bool)
            order = slice(None) if start < end else slice(None, None, -1)
            found[seqid.decode(), int(min(start, end)), bool(start < end)] = tuple(
                array[order] for array in own
            )
    return found


def over(place: PseudoFolder, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Genic codes and valid bases of the data over a gene, on its strand; (0,) where it is in
    neither file."""
    gene = next(gene for gene in place.genome.genes if gene.gene_id == name)
    codes, valid = [], []
    for kind in ("training", "validation"):
        for (seqid, start, plus), (y, v) in sorted(labels(place.out / f"{kind}_data.h5").items()):
            if seqid == gene.seqid and plus == (gene.strand == "+"):
                there = slice(max(0, gene.start - start), max(0, gene.end - start))
                codes.append(y[there])
                valid.append(v[there])
    nothing = np.zeros(0, np.uint8)
    return np.concatenate([nothing, *codes]), np.concatenate([nothing.astype(bool), *valid])


@pytest.fixture(scope="module")
def doubtful():
    """Every third gene, of which the predictions are not sure."""
    return {gene.gene_id: UNSURE for gene in simulated().genes[::3]}


@pytest.fixture(scope="module")
def done(tmp_path_factory, doubtful):
    """The command, done once; with what it printed."""
    with pytest.MonkeyPatch.context() as patch:
        place = PseudoFolder(tmp_path_factory.mktemp("done"), patch, doubtful=doubtful)
        yield place, place.done("--intergenic-confidence", 0.5)


def test_files_appear_and_predictions_are_gone(done):
    place, result = done
    assert {path.name for path in place.out.iterdir()} == FILES
    assert set(record(place)["files"]) == FILES
    assert (place.out / "helixerpost.gff3").read_text() == (place.folder / "post.gff3").read_text()
    assert "Next:" in result.stdout
    for command in record(place)["commands"]:
        assert command in result.stdout


def test_predictions_are_averaged_between_pooled_steps(done):
    place, _ = done
    (request,) = place.predicted
    overlap = request.windows(LENGTH, 9)
    assert overlap.offset % 9 == 4
    assert LENGTH / 2 - 9 < overlap.offset <= LENGTH / 2


def test_genes_are_labelled_or_masked(done, doubtful):
    place, _ = done
    rows = place.genes()
    assert set(rows) == {gene.gene_id for gene in place.genome.genes}
    outcomes = {name: row["outcome"] for name, row in rows.items()}
    assert {"kept", "check", "below_min_confidence"} <= set(outcomes.values())
    seen = 0
    for name, outcome in outcomes.items():
        codes, valid = over(place, name)
        if outcome == "check":
            assert len(codes) == 0
        elif outcome == "kept":
            assert name not in doubtful
            assert valid[codes >= 2].all()
            assert (codes >= 2).any()
            seen += 1
        else:
            assert not valid.any()
    assert seen >= 5
    assert all(
        float(rows[name]["confidence"]) == pytest.approx(UNSURE, abs=0.01) for name in doubtful
    )


def test_genes_on_check_sequences_are_in_no_file(done):
    place, _ = done
    found = record(place)
    check = set(found["check"]["sequences"])
    assert check
    rows = place.genes().values()
    assert check == {row["seqid"] for row in rows if row["set"] == "check"}
    used = {
        seqid
        for kind in ("training", "validation")
        for seqid in DataFile(place.out / f"{kind}_data.h5").seqids
    }
    assert not used & check
    split = [line.split("\t") for line in (place.out / "split.tsv").read_text().splitlines()]
    assert {row[1] for row in split if row[4] == "check"} == check
    assert {row[4] for row in split[1:]} == {"training", "validation", "check"}


def test_kept_genes_as_gff3(done):
    place, _ = done
    path = place.out / "kept.gff3"
    kept = {name for name, row in place.genes().items() if row["outcome"] == "kept"}
    lines = [line.split("\t") for line in path.read_text().splitlines() if line[0] != "#"]
    assert {line[8].removeprefix("ID=") for line in lines if line[2] == "gene"} == kept
    theirs = (place.out / "helixerpost.gff3").read_text().splitlines()
    assert set(map("\t".join, lines)) <= set(theirs)
    assert sum(line[2] == "mRNA" for line in lines) == len(kept)
    names = read_filters(path)
    assert {"complete_orf", "canonical_introns", "confidence"} <= set(names)
    assert "supported_introns" not in names
    assert read_filters(place.out / "helixerpost.gff3") == ()


def test_masked_genes_have_their_reason(done):
    place, _ = done
    header, *lines = (place.out / "g.masked.tsv").read_text().splitlines()
    rows = [dict(zip(header.split("\t"), line.split("\t"), strict=True)) for line in lines]
    reasons = {row["gene"]: row["error"] for row in rows if not row["transcript"] and row["gene"]}
    outcomes = {name: row["outcome"] for name, row in place.genes().items()}
    assert reasons == {name: word for name, word in outcomes.items() if word != "kept"}


def test_data_say_what_their_labels_are(done):
    place, _ = done
    for kind in ("training", "validation"):
        file = DataFile(place.out / f"{kind}_data.h5")
        source = file.label_source
        assert file.label_codes.tolist() == [1] * file.n_rows
        assert [teacher.name for teacher in source.teachers] == ["m.h5"]
        assert source.fasta is not None
        assert source.fasta.name == "g.fa"
        assert source.helixerpost is not None
        assert source.helixerpost.startswith("helixer_post_bin, SHA-256")
        assert source.counts["kept"] == record(place)["genes"]["kept"]
        assert source.filters == read_filters(place.out / "kept.gff3")


def test_what_it_prints(done):
    place, result = done
    genes = record(place)["genes"]
    assert f"{genes['passed']} pass, {genes['kept']} are kept" in result.stdout
    assert "less confident than --min-confidence" in result.stdout
    assert "they can teach, but not judge" in result.stdout
    assert "only" in result.stderr
    assert "usable training genes" in result.stderr


def test_everything_again_is_the_same(done, tmp_path, monkeypatch, doubtful):
    place, _ = done
    other = PseudoFolder(tmp_path / "other", monkeypatch, doubtful=doubtful)
    other.done("--intergenic-confidence", 0.5)
    for name in FILES - {"pseudo_label.json"}:
        if not name.endswith(".h5"):
            ours, theirs = ((folder.out / name).read_text() for folder in (place, other))
            assert ours == theirs.replace(str(other.folder), str(place.folder))
    for kind in ("training", "validation"):
        one, two = (labels(folder.out / f"{kind}_data.h5") for folder in (place, other))
        assert one.keys() == two.keys()
        assert all(np.array_equal(one[k], two[k]) for k in one)


def test_files_columns_and_keys_are_documented(done):
    place, _ = done
    page = (ROOT / "docs/formats.md").read_text(encoding="utf-8")
    own = page[page.index("## The folder of `pseudo-label`") : page.index("## The run folder")]
    words = set(re.findall(r"`([^`]+)`", own))
    assert {name.replace("g.masked", "SPECIES.masked") for name in FILES} <= words
    table = own[own.index("### `genes.tsv`") : own.index("### `check_junctions.tsv`")]
    first, outcomes = table.split("| outcome |")
    columns = re.findall(r"`(\w+)`", " ".join(re.findall(r"^\| (`.*?) \|", first, re.M)))
    assert columns == list(next(iter(place.genes().values())))
    named = re.findall(r"`(\w+)`", " ".join(re.findall(r"^\| (`.*?) \|", outcomes, re.M)))
    assert set(named) == {"kept", "check", *REASONS}
    keys = own[own.index("### `pseudo_label.json`") : own.index("### `pseudo-label --dry-run")]
    listed = re.findall(r"`(\w+)`", " ".join(re.findall(r"^\| (`.*?) \|", keys, re.M)))
    assert set(listed) == set(record(place))
    assert set(read_filters(place.out / "kept.gff3")) <= words


# -- options -------------------------------------------------------------------------------------


@pytest.fixture
def place(tmp_path, monkeypatch, doubtful):
    return PseudoFolder(tmp_path / "place", monkeypatch, doubtful=doubtful)


def outcomes(place: PseudoFolder, *options) -> list[str]:
    place.done("--force", "--intergenic-confidence", 0.5, *options)
    return [row["outcome"] for row in place.genes().values()]


def test_keep_and_confidence(place):
    everything = outcomes(place, "--min-confidence", 0.5)
    assert "below_min_confidence" not in everything
    fewer = outcomes(place, "--min-confidence", 0.5, "--keep", 0.6)
    assert fewer.count("below_keep_share") > 5
    assert fewer.count("kept") + fewer.count("below_keep_share") == everything.count("kept")
    sure = outcomes(place)
    assert sure.count("below_min_confidence") > 5


def test_all_genes(place, doubtful):
    """Also those that are not confident, and those that fail; all between them is intergenic."""
    lengths = sorted(int(row["cds_length"]) for row in place_genes(place))
    place.every = True
    printed = place.done("--force", "--min-cds", lengths[len(lengths) // 2]).stdout
    rows = place.genes()
    outcomes = {name: row["outcome"] for name, row in rows.items()}
    assert set(outcomes.values()) <= {"kept", "check", "between_sets", "family_in_other_set"}
    kept = [name for name, outcome in outcomes.items() if outcome == "kept"]
    assert len(kept) > len(rows) / 2
    assert set(kept) & set(doubtful)
    for name in kept:
        codes, valid = over(place, name)
        assert valid[codes >= 2].all()
        assert (codes >= 2).any()
    found = record(place)
    assert 5 < found["genes"]["passed"] < len(kept)
    faults = [row["faults"] for row in rows.values() if row["faults"]]
    assert found["genes"]["faults"] == {"short_cds": len(faults)}
    assert len(rows) - len(faults) == found["genes"]["passed"]
    of_kept = sum(bool(rows[name]["faults"]) for name in kept)
    assert of_kept < len(faults)
    assert re.search(rf"kept all the same\n.*\nshort_cds +{of_kept} ", printed)
    assert found["intergenic"]["share_kept"] == 1
    assert found["settings"]["genes"] == "all"
    for kind in ("training", "validation"):
        rows = labels(place.out / f"{kind}_data.h5").values()
        codes, valid = (np.concatenate(arrays) for arrays in zip(*rows, strict=True))
        assert valid[codes == 0].mean() > 0.95
    assert read_filters(place.out / "kept.gff3") == ()


@pytest.mark.parametrize("out", [".", "..", "/"])
def test_the_student_of_a_folder_without_a_name_of_its_own(out, tmp_path, monkeypatch):
    here = tmp_path / "above" / "data"
    here.mkdir(parents=True)
    monkeypatch.chdir(here)
    request = PseudoLabelRequest((Path("m.h5"),), Path("g.fa"), Path(out))
    outcome = SimpleNamespace(request=request, original_path="m.h5")
    name = {".": "data", "..": "above", "/": "g"}[out]
    train, *_ = PseudoLabels.commands.fget(outcome)
    assert train == f"helixer-ft whole -l m.h5 -d {out} -s {name}.student.h5"


def test_all_genes_are_not_chosen_by_confidence(place):
    place.every = True
    for name in ("keep", "min-confidence", "intergenic-confidence"):
        result = place.run("--genes", "all", f"--{name}", 0.5)
        assert result.exit_code == 2
        assert f"--{name} chooses by confidence, but --genes all labels every" in result.stderr


def test_min_cds_and_max_copies(place):
    lengths = sorted(int(row["cds_length"]) for row in place_genes(place))
    limit = lengths[len(lengths) // 4]
    found = outcomes(place, "--min-cds", limit)
    short = sum(length < limit for length in lengths)
    assert sum("short_cds" in one for one in found) == short


def place_genes(place: PseudoFolder):
    outcomes(place)
    return place.genes().values()


def test_seed(place):
    place.done("--intergenic-confidence", 0.5)
    one = (place.out / "split.tsv").read_text()
    outcomes(place, "--seed", 3)
    assert (place.out / "split.tsv").read_text() != one


def test_species_and_exclude(place):
    name = next(iter(place.genome.sequences))
    result = place.run("--species", "Mine", "--exclude", name)
    assert result.exit_code == 2  # the predictions given here are those of the whole genome
    assert "rows, expected" in result.stderr
    (request,) = place.predicted
    assert (request.exclude, request.species) == ((name,), "Mine")


def test_intergenic_that_is_not_confident(place):
    place.done("--intergenic-confidence", 0.5)
    some = record(place)["sets"]["training"]["valid_bases"]
    result = place.run("--force", "--intergenic-confidence", 0.99)
    assert result.exit_code == 2
    assert "no valid intergenic base" in result.stderr
    assert "in all" in result.stderr
    assert some


def test_intergenic_is_as_much_as_the_model_thinks(place):
    """Genes that are not kept would leave too much of it."""
    place.done("--intergenic-confidence", 0.5, "--keep", 0.6)
    found = record(place)["intergenic"]
    assert 0 < found["share_kept"] < 1
    counts = np.zeros(4)
    for kind in ("training", "validation"):
        for codes, valid in labels(place.out / f"{kind}_data.h5").values():
            counts += np.bincount(codes[valid], minlength=4)
    assert counts[0] / counts.sum() == pytest.approx(found["mean_probability"], abs=0.05)


def test_two_models_are_averaged(place):
    second = place.folder / "second.h5"
    write_model_file(second, tiny_model(seed=5).to_file({}))
    place.done("-l", second, "--intergenic-confidence", 0.5)
    assert [request.load_model_path for request in place.predicted] == [place.model, second]
    assert [t["name"] for t in record(place)["label_source"]["teachers"]] == ["m.h5", "second.h5"]


def test_json(place):
    result = place.done("--intergenic-confidence", 0.5, "--json", "-q")
    printed = json.loads(result.stdout)
    del printed["seconds"]
    assert printed == record(place)


def test_threads_change_nothing(place):
    place.done("--intergenic-confidence", 0.5, "--threads", 1)
    one = labels(place.out / "training_data.h5")
    outcomes(place, "--threads", 3)
    two = labels(place.out / "training_data.h5")
    assert all(np.array_equal(one[k], two[k]) for k in one)


def test_what_predict_is_told(place):
    place.done(
        *("--intergenic-confidence", 0.5, "--val-test-batch-size", 3),
        *("--precision", "mixed_bfloat16", "--checkpoint-minutes", 2),
    )
    (request,) = place.predicted
    assert (request.val_test_batch_size, request.precision) == (3, "mixed_bfloat16")
    assert (request.checkpoint_minutes, request.subsequence_length) == (2, LENGTH)


# -- reads ---------------------------------------------------------------------------------------


@pytest.fixture
def reads(place):
    path = place.folder / "reads.bam"
    write_reads(path, place.genome, 0, depth=30)
    return path


def test_genes_that_reads_support_are_kept_whatever_the_confidence(place, reads, doubtful):
    result = place.done("--intergenic-confidence", 0.5, "--bam", reads)
    rows = place.genes()
    assert {path.name for path in place.out.iterdir()} == FILES | {
        "check_data.h5",
        "check_junctions.tsv",
    }
    supported = [
        row
        for row in rows.values()
        if row["introns"] == row["supported_introns"] != "0" and row["set"] != "check"
        if row["outcome"] not in ("short_cds", "family_in_other_set")
    ]
    assert len(supported) > 10
    assert {row["outcome"] for row in supported} == {"kept"}
    assert any(row["gene"] in doubtful for row in supported)
    assert "supported_introns" in read_filters(place.out / "kept.gff3")
    assert "reverse" in result.stderr
    found = record(place)["reads"]
    assert found["files"][0]["strandedness"] == "reverse"
    fewer = place.done(
        *("--force", "--intergenic-confidence", 0.5, "--bam", reads),
        *("--min-junction-reads", 25, "--strandedness", "reverse"),
    )
    assert fewer
    assert record(place)["reads"]["supported_introns"] < found["supported_introns"]


def test_junctions_of_check_sequences(place, reads):
    place.done("--intergenic-confidence", 0.5, "--bam", reads)
    found = record(place)["check"]
    header, *lines = (place.out / "check_junctions.tsv").read_text().splitlines()
    assert header.split("\t") == ["seqid", "start", "end", "strand", "reads"]
    junctions = {tuple(line.split("\t")[:4]) for line in lines}
    assert {junction[0] for junction in junctions} <= set(found["sequences"])
    known = {
        (gene.seqid, str(start + 1), str(end), gene.strand)
        for gene in place.genome.genes
        for start, end in gene.introns
    }
    assert found["supported_introns"] == len(junctions & known) > 0
    rows = DataFile(place.out / "check_data.h5", labels=False)
    assert {str(name) for name in rows.seqids} == set(found["sequences"])
    bases = int(abs(rows.start_ends[:, 0] - rows.start_ends[:, 1]).sum())
    assert bases == 2 * found["bases"]
    x = rows.read(range(1)).bases[0]
    start, end = rows.start_ends[0].tolist()
    own = place.genome.sequences[str(rows.seqids[0])][start:end]
    assert "".join("CATG"[i] for i in x[: end - start].argmax(axis=1)) == own


def canonical_intron(bases: str, strand: str, start: int, end: int) -> tuple[int, int]:
    """Some canonical intron of 30 bp or more within a stretch."""
    first, last = ("GT", "AG") if strand == "+" else ("CT", "AC")
    return next(
        (a, b)
        for a in range(start, end)
        for b in range(a + 30, end)
        if bases[a : a + 2] == first and bases[b - 2 : b] == last
    )


@pytest.mark.parametrize("genes", ["passing", "all"])
def test_reads_against_a_gene_and_where_there_is_none(place, genes):
    """An intron in the last exon of a gene that is confident, another between two genes."""
    options = ("--force", "--intergenic-confidence", 0.5)
    if genes == "all":
        place.every, options = True, ("--force", "--genes", "all")
    place.done(*options)
    victim = next(
        gene
        for gene in place.genome.genes
        if place.genes()[gene.gene_id]["outcome"] == "kept" and gene.strand == "+"
    )
    bases = place.genome.sequences[victim.seqid]
    within = canonical_intron(bases, "+", victim.exons[-1][0] + 20, victim.exons[-1][1])
    ends = [gene.end for gene in place.genome.genes if gene.seqid == victim.seqid]
    between = canonical_intron(bases, "+", max(ends) + 50, len(bases))
    reads = [
        (0, victim.seqid, start - 25, [("M", 25), ("N", end - start), ("M", 25)])
        for start, end in (within, between)
        for _ in range(12)
    ]
    lengths = {name: len(text) for name, text in place.genome.sequences.items()}
    path = write_bam(place.folder / "few.bam", reads, lengths=lengths)
    place.done(*options, "--bam", path)
    row = place.genes()[victim.gene_id]
    assert (row["contradicting_reads"], row["outcome"]) == ("12", "contradicted_by_reads")
    assert not over(place, victim.gene_id)[1].any()
    found = [
        valid[between[0] - start : between[1] - start]
        for kind in ("training", "validation")
        for (seqid, start, plus), (_, valid) in labels(place.out / f"{kind}_data.h5").items()
        if seqid == victim.seqid and plus and start <= between[0] < start + LENGTH
    ]
    assert found
    assert not np.concatenate(found).any()
    masked = (place.out / "g.masked.tsv").read_text()
    assert "spliced_reads" in masked
    assert "contradicted_by_reads" in masked
    assert read_filters(place.out / "kept.gff3") == ("supported_introns",) or genes == "passing"
