"""The whole way from FASTA and GFF3 to data, against independent labels and Helixer's own files."""

import csv
import hashlib
import json
import os

import h5py
import numpy as np
import pytest

from helixer_ft.errors import HelixerFtError, InputError
from helixer_ft.formats.data_h5 import DataFile
from helixer_ft.preparation import prepare as module
from helixer_ft.preparation.prepare import prepare
from helixer_ft.preparation.request import PrepareRequest
from helixer_ft.preparation.samples import Sample
from helixer_ft.simulate.files import to_fasta, to_gff3
from helixer_ft.simulate.genome import SimulatedGenome, simulate
from helixer_ft.simulate.species import SOURCE, TARGET
from tests.simulate.reference_rows import expected_rows, expected_strand

LENGTH = 1350


def write_genome(folder, genome, name="A"):
    (folder / f"{name}.fa").write_bytes(to_fasta(genome))
    (folder / f"{name}.gff3").write_bytes(to_gff3(genome))
    return Sample(name, folder / f"{name}.fa", folder / f"{name}.gff3")


def request(sample, out_dir, **options):
    samples = sample if isinstance(sample, tuple) else (sample,)
    return PrepareRequest(samples, out_dir, **{"subsequence_length": LENGTH, **options})


def digests(folder):
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.iterdir()}


def datasets(path):
    with h5py.File(path) as file:
        return {name: dataset[:] for name, dataset in file["data"].items()}


def table(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


@pytest.fixture(scope="module")
def genome():
    """Ten sequences, of equal length in part, one of them without a gene."""
    found = simulate(TARGET, 10, 24_000, seed=5)
    sequences = dict(found.sequences)
    for name in ("chr02", "chr03", "chr04"):
        sequences[name] = sequences[name][:21_000]
    genes = tuple(
        g for g in found.genes if g.seqid != "chr03" and g.end < len(sequences[g.seqid]) - 100
    )
    return SimulatedGenome("A", sequences, genes)


@pytest.fixture(scope="module")
def prepared(genome, tmp_path_factory):
    folder = tmp_path_factory.mktemp("prepared")
    sample = write_genome(folder, genome)
    return sample, prepare(request(sample, folder / "data")), folder / "data"


def test_one_file_is_what_the_simulation_says(genome, tmp_path):
    sample = write_genome(tmp_path, genome)
    result = prepare(request(sample, tmp_path / "data", split=False))
    assert sorted(os.listdir(tmp_path / "data")) == ["A.h5", "A.masked.tsv", "prepare.json"]
    expected = expected_rows(genome, LENGTH)
    assert not expected["is_annotated"].all()
    found = datasets(tmp_path / "data" / "A.h5")
    assert set(found) == set(expected)
    for name, array in expected.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array, err_msg=name)
    assert result.sets["all"].subsequences == len(expected["X"])
    counts = expected["y"].sum(axis=(0, 1), dtype=np.int64)
    np.testing.assert_array_equal(result.sets["all"].content.bases, counts)
    assert len(result.sets["all"].content.genes) == len(genome.genes)


def test_sets_hold_whole_sequences_in_the_order_of_helixer(genome, prepared):
    _, result, folder = prepared
    expected = expected_rows(genome, LENGTH)
    seen = []
    for name in ("training", "validation", "test"):
        found = datasets(folder / f"{name}_data.h5")
        own = set(found["seqids"].tolist())
        rows = np.isin(expected["seqids"], list(own))
        for key, array in expected.items():
            np.testing.assert_array_equal(found[key], array[rows], err_msg=key)
        assert result.sets[name].subsequences == rows.sum()
        assert result.sets[name].sequences == len(own)
        counts = found["y"].sum(axis=(0, 1), dtype=np.int64)
        np.testing.assert_array_equal(result.sets[name].content.bases, counts)
        valid = (found["y"] * found["sample_weights"][..., None]).sum(axis=(0, 1), dtype=np.int64)
        np.testing.assert_array_equal(result.sets[name].content.valid_bases, valid)
        assert (valid > 0).all()
        seen += own
    assert sorted(seen) == sorted(s.encode() for s in genome.sequences if s != "chr03")


def test_split_table_and_report_say_what_the_files_hold(genome, prepared):
    _, result, folder = prepared
    rows = table(folder / "split.tsv")
    assert [row["seqid"] for row in rows] == list(genome.sequences)
    for row in rows:
        length = len(genome.sequences[row["seqid"]])
        assert (row["species"], row["start"], row["end"]) == ("A", "1", str(length))
        assert int(row["genes"]) == sum(g.seqid == row["seqid"] for g in genome.genes)
        if row["seqid"] == "chr03":
            assert (row["set"], row["reason"]) == ("left out", "no trusted coding gene")
            continue
        own = datasets(folder / f"{row['set']}_data.h5")
        assert row["seqid"].encode() in own["seqids"]
    report = json.loads((folder / "prepare.json").read_text())
    again = json.loads(json.dumps(result.to_dict()))
    assert report == {k: v for k, v in again.items() if k not in ("seconds", "dry_run")}
    assert report["files"] == sorted(os.listdir(folder))
    assert report["species"]["A"]["split_by"] == "sequences"
    assert report["species"]["A"]["genes"] == len(genome.genes)
    assert report["settings"]["validation_fraction"] == 0.2
    assert any("1 sequence(s) with no trusted coding gene" in text for text in report["notices"])


def test_training_reads_the_files(prepared):
    _, _, folder = prepared
    for name in ("training", "validation", "test"):
        data = DataFile(folder / f"{name}_data.h5")
        assert data.usable.all()
        data.read(range(data.n_rows))


def test_threads_change_nothing_and_the_seed_does(prepared, tmp_path):
    sample, _, folder = prepared
    for threads in (1, 5):
        prepare(request(sample, tmp_path / str(threads), threads=threads))
        assert digests(tmp_path / str(threads)) == digests(folder)
    tables = set()
    for seed in range(4):
        prepare(request(sample, tmp_path / f"seed{seed}", seed=seed))
        tables.add((tmp_path / f"seed{seed}" / "split.tsv").read_text())
    assert len(tables) > 2


def test_a_dry_run_says_the_same_and_writes_nothing(prepared, tmp_path):
    sample, result, _ = prepared
    dry = prepare(request(sample, tmp_path / "new" / "data", dry_run=True))
    assert os.listdir(tmp_path) == []
    left_out = ("seconds", "files", "dry_run")
    one, other = (
        {k: v for k, v in r.to_dict().items() if k not in left_out} for r in (dry, result)
    )
    assert one == other
    assert (dry.dry_run, dry.files) == (True, ())


def test_the_share_of_a_set_that_is_named_counts_for_nothing(tmp_path):
    """Its sequences are chosen, however many they are."""
    sample = (Sample("s", tmp_path / "g.fa", tmp_path / "g.gff3"),)
    PrepareRequest(sample, tmp_path / "o", validation_fraction=0.92, test_seqids=("chr1",))
    PrepareRequest(sample, tmp_path / "o", test_fraction=0.85, validation_seqids=("chr1",))
    with pytest.raises(InputError, match="leave nothing to train on"):
        PrepareRequest(sample, tmp_path / "o", validation_fraction=0.92)


def test_blocks_of_one_sequence(tmp_path):
    genome = simulate(TARGET, 1, 120_000, seed=2)
    sample = write_genome(tmp_path, genome)
    result = prepare(request(sample, tmp_path / "data"))
    assert any("cut at intergenic gaps into blocks" in text for text in result.notices)
    whole = {strand: expected_strand(genome, "chr01", strand) for strand in "+-"}
    rows = table(tmp_path / "data" / "split.tsv")
    assert rows[0]["start"] == "1"
    assert rows[-1]["end"] == str(len(genome.sequences["chr01"]))
    n = len(genome.sequences["chr01"])
    for name in ("training", "validation", "test"):
        found = datasets(tmp_path / "data" / f"{name}_data.h5")
        regions = [(int(r["start"]) - 1, int(r["end"])) for r in rows if r["set"] == name]
        assert regions
        plus = [tuple(pair) for pair in found["start_ends"] if pair[0] < pair[1]]
        expected = [
            (a, min(a + LENGTH, end)) for start, end in regions for a in range(start, end, LENGTH)
        ]
        assert plus == expected
        for i, (start, end) in enumerate(found["start_ends"]):  # genomic, and labels to match
            own = slice(start, end) if start < end else slice(n - start, n - end)
            size = abs(end - start)
            for key in ("X", "y", "phases", "transitions", "gene_lengths"):
                row = whole["+" if start < end else "-"][key][own]
                np.testing.assert_array_equal(found[key][i, :size], row, err_msg=key)
                assert not found[key][i, size:].any()
    gaps = [row for row in rows if row["set"] == "left out"]
    assert (
        min(int(r["end"]) - int(r["start"]) + 1 for r in gaps)
        == (result.to_dict()["species"]["A"]["smallest_gap"])
    )
    assert [row["genes"] for row in gaps] == ["0"] * len(gaps)


def test_several_species_with_roles(tmp_path):
    parts = {"A": (TARGET, 4, "train"), "B": (SOURCE, 3, "validation"), "C": (SOURCE, 6, "split")}
    samples = []
    for seed, (name, (species, n, role)) in enumerate(parts.items()):
        sample = write_genome(tmp_path, simulate(species, n, 15_000, seed=seed), name)
        samples.append(Sample(name, sample.fasta, sample.gff3, role))
    result = prepare(request(tuple(samples), tmp_path / "data"))
    files = [
        "A.masked.tsv", "B.masked.tsv", "C.masked.tsv", "prepare.json", "split.tsv",
        "test_data.C.h5", "training_data.A.h5", "training_data.C.h5", "validation_data.B.h5",
        "validation_data.C.h5",
    ]  # fmt: skip
    assert sorted(os.listdir(tmp_path / "data")) == files
    assert [path.name for path in result.files] == files
    assert result.sets["training"].sequences == 4 + 4
    for file in (tmp_path / "data").glob("*_data.*.h5"):
        assert set(datasets(file)["species"].tolist()) == {file.stem.split(".")[1].encode()}


def test_without_annotation_there_are_bases_in_the_order_of_the_fasta(tmp_path):
    genome = simulate(SOURCE, 3, 12_000, seed=1)
    names = sorted(genome.sequences, key=lambda name: len(genome.sequences[name]))
    genome = SimulatedGenome("A", {name: genome.sequences[name] for name in names}, ())
    sample = Sample("A", write_genome(tmp_path, genome).fasta)
    result = prepare(request(sample, tmp_path / "data"))
    assert sorted(os.listdir(tmp_path / "data")) == ["A.h5", "prepare.json"]
    found = datasets(tmp_path / "data" / "A.h5")
    assert set(found) == {"X", "seqids", "species", "start_ends"}
    assert list(dict.fromkeys(found["seqids"].tolist())) == [name.encode() for name in names]
    expected = expected_rows(genome, LENGTH)
    for name in names:
        own, theirs = (d["seqids"] == name.encode() for d in (found, expected))
        np.testing.assert_array_equal(found["X"][own], expected["X"][theirs])
    assert result.sets["all"].content is None


def test_excluded_sequences_are_nowhere(prepared, tmp_path):
    sample, _, _ = prepared
    prepare(request(sample, tmp_path / "data", exclude=("chr01", "chr05")))
    rows = {row["seqid"]: row for row in table(tmp_path / "data" / "split.tsv")}
    assert [rows[name]["reason"] for name in ("chr01", "chr05")] == ["--exclude"] * 2
    for path in (tmp_path / "data").glob("*.h5"):
        assert not {b"chr01", b"chr05"} & set(datasets(path)["seqids"].tolist())


def test_named_sequences(prepared, tmp_path):
    sample, _, _ = prepared
    options = {"validation_seqids": ("chr01", "chr06"), "test_seqids": ("chr02",)}
    prepare(request(sample, tmp_path / "data", **options))
    for name, expected in (("validation", {b"chr01", b"chr06"}), ("test", {b"chr02"})):
        assert set(datasets(tmp_path / "data" / f"{name}_data.h5")["seqids"].tolist()) == expected


def test_genes_that_are_not_trusted_are_masked_and_never_intergenic(genome, prepared, tmp_path):
    sample, _, _ = prepared
    chosen = genome.genes[::2]
    (tmp_path / "list.txt").write_text("\n".join(g.gene_id for g in chosen) + "\n\n")
    options = {"genes": tmp_path / "list.txt", "split": False}
    result = prepare(request(sample, tmp_path / "data", **options))
    found = datasets(tmp_path / "data" / "A.h5")
    rows = {
        (s, min(pair), pair[0] < pair[1]): i
        for i, (s, pair) in enumerate(
            zip(found["seqids"].tolist(), found["start_ends"].tolist(), strict=True)
        )
    }
    for gene in genome.genes:
        for position in range(gene.start, gene.end, 97):
            start = position // LENGTH * LENGTH
            row = rows[(gene.seqid.encode(), start, gene.strand == "+")]
            end = max(found["start_ends"][row])
            i = position - start if gene.strand == "+" else end - 1 - position
            trusted = gene in chosen
            assert found["sample_weights"][row, i] == trusted
            assert (found["y"][row, i].argmax() > 0) == trusted
    report = result.to_dict()["species"]["A"]
    assert report["trusted_genes"] == report["usable_genes"] == len(chosen)
    assert report["genes"] == len(genome.genes)


def test_sequences_of_which_no_gene_is_trusted_are_in_no_set(genome, prepared, tmp_path):
    sample, _, _ = prepared
    trusted = [g.gene_id for g in genome.genes if g.seqid not in ("chr01", "chr06")]
    (tmp_path / "list.txt").write_text("\n".join(trusted))
    prepare(request(sample, tmp_path / "data", genes=tmp_path / "list.txt"))
    rows = {row["seqid"]: row for row in table(tmp_path / "data" / "split.tsv")}
    left_out = {name for name, row in rows.items() if row["set"] == "left out"}
    assert left_out == {"chr01", "chr03", "chr06"}


def test_existing_files_are_kept_without_force(prepared, tmp_path):
    sample, _, _ = prepared
    folder = tmp_path / "data"
    prepare(request(sample, folder))
    before = digests(folder)
    with pytest.raises(InputError, match=r"exists already.*--force"):
        prepare(request(sample, folder, seed=1))
    assert digests(folder) == before
    (folder / "mine.txt").write_text("keep")
    prepare(request(sample, folder, seed=1, force=True))
    after = digests(folder)
    assert (folder / "mine.txt").read_text() == "keep"
    assert after["split.tsv"] != before["split.tsv"]


def test_data_of_two_preparations_are_not_mixed(prepared, tmp_path):
    sample, _, _ = prepared
    (tmp_path / "training_data.B.h5").touch()
    with pytest.raises(InputError, match=r"holds training_data\.B\.h5 of another preparation"):
        prepare(request(sample, tmp_path, force=True))
    assert os.listdir(tmp_path) == ["training_data.B.h5"]


@pytest.mark.parametrize("existing", [False, True])
@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_failure_half_way_leaves_nothing_behind(prepared, tmp_path, monkeypatch, existing, error):
    sample, _, _ = prepared
    folder = tmp_path / "deep" / "data"
    before = {}
    if existing:
        prepare(request(sample, folder))
        before = digests(folder)

    def fail(*_, **__):
        raise error

    monkeypatch.setattr(module, "split_table", fail)
    with pytest.raises(HelixerFtError if isinstance(error, OSError) else KeyboardInterrupt):
        prepare(request(sample, folder, seed=1, force=True))
    assert (digests(folder) if existing else os.listdir(tmp_path)) == (before if existing else [])


ORACLES = ("celegans", "spombe")


@pytest.mark.parametrize("species", ORACLES)
def test_what_does_not_depend_on_genes_is_helixers_bit_for_bit(shared, tmp_path, species):
    with h5py.File(shared / f"oracles/prepare/{species}.h5") as oracle:
        expected = oracle["data"]
        folder = shared / "data" / species
        sample = Sample(
            expected["species"][0].decode(), folder / "genome.fa.gz", folder / "annotation.gff3.gz"
        )
        prepare(request(sample, tmp_path, split=False, subsequence_length=21_384))
        with h5py.File(tmp_path / f"{sample.species}.h5") as file:
            found = file["data"]
            assert set(found) == set(expected)
            for name, theirs in expected.items():
                ours = found[name]
                for what in ("dtype", "shape", "chunks", "compression", "shuffle", "maxshape"):
                    assert getattr(ours, what) == getattr(theirs, what), (name, what)
            for name in ("X", "start_ends", "seqids", "species", "is_annotated"):
                np.testing.assert_array_equal(found[name][:], expected[name][:], err_msg=name)
