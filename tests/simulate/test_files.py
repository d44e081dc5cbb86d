"""The files on disk: read back with code that shares nothing with what wrote them."""

import hashlib
import os
import resource
import shlex
import subprocess
from collections import defaultdict
from pathlib import Path

import h5py
import numpy as np
import pytest

from helixer_ft.errors import HelixerFtError, InputError
from helixer_ft.formats.data_h5 import DataFile
from helixer_ft.network.model import load_model
from helixer_ft.preparation.prepare import prepare
from helixer_ft.preparation.request import PrepareRequest
from helixer_ft.preparation.samples import Sample
from helixer_ft.simulate import files
from helixer_ft.simulate.files import held_out, to_fasta, to_gff3, write_species
from helixer_ft.simulate.genome import SimulatedGene, SimulatedGenome, simulate
from helixer_ft.simulate.species import SOURCE, STOP_CODONS, TARGET
from tests.simulate.reference_rows import expected_rows

NAMES = [
    "genes.gff3",
    "genome.fa",
    "source_model.h5",
    "test_data.h5",
    "training_data.h5",
    "validation_data.h5",
]
SMALL = {"subsequence_length": 1008, "n_sequences": 3, "sequence_length": 10_000}


def digests(folder):
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.iterdir()}


def parse_fasta(text):
    records = (record.split("\n", 1) for record in text.split(">")[1:])
    return {name: body.replace("\n", "") for name, body in records}


def parse_gff3(text):
    """Return the genes of a GFF3, after checking IDs, parents, UTRs and CDS phases."""
    lines = text.splitlines()
    assert lines[0] == "##gff-version 3"
    spans, parent_of, parts, seen = {}, {}, defaultdict(lambda: defaultdict(list)), {}
    for line in lines:
        if line.startswith("#"):
            continue
        seqid, _, kind, start, end, score, strand, phase, attributes = line.split("\t")
        fields = dict(field.split("=") for field in attributes.split(";"))
        interval = (int(start) - 1, int(end))
        assert score == "."
        assert (phase in "012") == (kind == "CDS")
        # Only the lines of one discontinuous feature share an ID.
        assert seen.setdefault(fields["ID"], (kind, fields.get("Parent"))) == (
            kind,
            fields.get("Parent"),
        )
        if kind == "gene":
            spans[fields["ID"]] = (seqid, strand, *interval)
        elif kind == "mRNA":
            assert spans[fields["Parent"]] == (seqid, strand, *interval)
            parent_of[fields["ID"]] = fields["Parent"]
        else:
            assert fields["Parent"] in parent_of
            parts[fields["Parent"]][kind].append((*interval, phase))
    genes = []
    for transcript, gene_id in parent_of.items():
        seqid, strand, start, end = spans[gene_id]
        cds = sorted(parts[transcript]["CDS"])
        exons = tuple((s, e) for s, e, _ in sorted(parts[transcript]["exon"]))
        before = 0
        for s, e, phase in cds if strand == "+" else cds[::-1]:
            assert (before + int(phase)) % 3 == 0
            before += e - s
        left, right = "five_prime_UTR", "three_prime_UTR"
        if strand == "-":
            left, right = right, left
        utr = {
            p for kind in (left, right) for s, e, _ in parts[transcript][kind] for p in range(s, e)
        }
        coding = {p for s, e, _ in cds for p in range(s, e)}
        assert utr | coding == {p for s, e in exons for p in range(s, e)}
        assert not utr & coding
        assert max(e for _, e, _ in parts[transcript][left]) <= cds[0][0]
        assert min(s for s, _, _ in parts[transcript][right]) >= cds[-1][1]
        pieces = tuple((s, e) for s, e, _ in cds)
        genes.append(SimulatedGene(gene_id, seqid, strand, start, end, exons, pieces))
    return tuple(genes)


@pytest.mark.parametrize("species", [SOURCE, TARGET], ids=lambda species: species.name)
def test_fasta_and_gff3_give_the_genome_back(species):
    genome = simulate(species, 3, 30_000, seed=6)
    assert parse_fasta(to_fasta(genome).decode()) == genome.sequences
    assert parse_gff3(to_gff3(genome).decode()) == genome.genes
    assert max(map(len, to_fasta(genome).splitlines())) == 80


def datasets(path):
    with h5py.File(path) as file:
        return {name: dataset[:] for name, dataset in file["data"].items()}


def test_a_sixth_of_the_sequences_each_is_held_out():
    twelve, three = (simulate(SOURCE, n, 10_000, seed=0) for n in (12, 3))
    assert held_out(twelve) == (("chr09", "chr10"), ("chr11", "chr12"))
    assert held_out(three) == (("chr02",), ("chr03",))


def test_written_files_hold_what_was_simulated(tmp_path):
    out = tmp_path / "deep" / "out"
    sets = write_species(out, TARGET, 7, **{**SMALL, "n_sequences": 5})
    assert sorted(digests(out)) == NAMES
    assert os.listdir(out.parent) == ["out"]
    genome = simulate(TARGET, 5, 10_000, seed=7)
    assert parse_gff3((out / "genes.gff3").read_text()) == genome.genes
    assert parse_fasta((out / "genome.fa").read_text()) == genome.sequences
    everything = expected_rows(genome, 1008)
    members = {"training": ["chr01", "chr02", "chr03"], "validation": ["chr04"], "test": ["chr05"]}
    assert set(sets) == set(members)
    for name, seqids in members.items():
        own = np.isin(everything["seqids"].astype(str), seqids)
        found = datasets(out / f"{name}_data.h5")
        assert set(found) == set(everything)
        for key, array in everything.items():
            assert found[key].dtype == array.dtype
            np.testing.assert_array_equal(found[key], array[own], err_msg=key)
        content = sets[name].content
        assert (sets[name].sequences, sets[name].subsequences) == (len(seqids), own.sum())
        assert len(content.genes) == sum(gene.seqid in seqids for gene in genome.genes)
        counts = everything["y"][own].sum(axis=(0, 1), dtype=int)
        assert content.valid_bases.tolist() == content.bases.tolist() == counts.tolist()


def strands_of(rows):
    """Yield (bases, genic classes, phases) of every strand, put together from its windows."""
    plus = rows["start_ends"][:, 0] < rows["start_ends"][:, 1]
    for seqid in np.unique(rows["seqids"]):
        for strand in (True, False):
            own = (rows["seqids"] == seqid) & (plus == strand)
            real = rows["sample_weights"][own] == 1
            x, y, phases = (rows[name][own][real].argmax(axis=1) for name in ("X", "y", "phases"))
            yield np.array([*"CATG"])[x], y, phases - 1


def test_coding_sequences_translate_from_the_labels_alone(tmp_path):
    write_species(tmp_path, TARGET, 8, subsequence_length=2016, n_sequences=3)
    n_genes = 0
    for name in ("training", "validation", "test"):
        for letters, classes, phases in strands_of(datasets(tmp_path / f"{name}_data.h5")):
            assert ((phases >= 0) == (classes == 2)).all()
            # A gene is a run of bases that are not intergenic; its codons start at phase 0.
            codons, codon, in_gene = [], "", False
            for letter, label, phase in zip(letters, classes, phases, strict=True):
                if label == 2:
                    assert phase == -len(codon) % 3
                    codon += letter
                    if len(codon) == 3:
                        codons.append(codon)
                        codon = ""
                if in_gene and label == 0:
                    assert codon == ""
                    assert codons[0] == "ATG"
                    assert codons[-1] in STOP_CODONS
                    assert not set(codons[:-1]) & set(STOP_CODONS)
                    codons = []
                    n_genes += 1
                in_gene = label != 0
    assert n_genes == (tmp_path / "genes.gff3").read_text().count("\tgene\t") > 20


def test_the_package_reads_its_data_files_with_padding_first_on_minus(tmp_path):
    write_species(tmp_path / "out", SOURCE, 0, **SMALL)
    data = DataFile(tmp_path / "out" / "training_data.h5")
    assert data.length == 1008
    assert data.usable.all()
    windows = data.read(range(data.n_rows))
    n = data.n_rows // 2
    padded = np.flatnonzero(~windows.valid.all(axis=1))
    assert padded.tolist() == [n - 1, n]
    # As read, both strands of the padded region hold it in genomic place once one is reversed.
    np.testing.assert_array_equal(windows.valid[n - 1], windows.valid[n][::-1])
    np.testing.assert_array_equal(windows.bases[n - 1], windows.bases[n][::-1, ::-1])


def test_same_seed_same_bytes_other_seed_other_bytes(tmp_path):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        write_species(tmp_path / name, SOURCE, seed, **SMALL)
    first, again, other = (digests(tmp_path / name) for name in "abc")
    assert first == again
    assert {name for name in NAMES if first[name] == other[name]} == {"source_model.h5"}


def test_refuses_a_folder_with_something_in_it(tmp_path):
    (tmp_path / "keep.txt").write_text("mine")
    with pytest.raises(InputError, match="not empty"):
        write_species(tmp_path, SOURCE, 0, **SMALL)
    assert os.listdir(tmp_path) == ["keep.txt"]


def test_force_replaces_its_own_files_and_no_others(tmp_path):
    out = tmp_path / "out"
    write_species(out, SOURCE, 0, **SMALL)
    before = digests(out)
    (out / "keep.txt").write_text("mine")
    write_species(out, TARGET, 1, force=True, **SMALL)
    after = digests(out)
    assert (out / "keep.txt").read_text() == "mine"
    assert sorted(after) == sorted([*NAMES, "keep.txt"])
    assert {name for name in NAMES if before[name] == after[name]} == {"source_model.h5"}


def test_refuses_a_path_that_is_a_file(tmp_path):
    file = tmp_path / "file"
    file.write_text("mine")
    for path in (file, file / "below"):
        with pytest.raises(InputError, match="is not a folder"):
            write_species(path, SOURCE, 0, force=True, **SMALL)
    assert file.read_text() == "mine"


def test_empty_folder_is_taken_and_leftovers_of_a_killed_call_are_cleared(tmp_path):
    out = tmp_path / "out"
    (out / ".partial").mkdir(parents=True)
    (out / ".partial" / "genome.fa").write_text("half")
    write_species(out, SOURCE, 0, **SMALL)
    assert sorted(os.listdir(out)) == NAMES


@pytest.mark.parametrize("existing", [False, True])
@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_failure_half_way_leaves_nothing_behind(tmp_path, monkeypatch, existing, error):
    out = tmp_path / "out"
    before = {}
    if existing:
        write_species(out, SOURCE, 0, **SMALL)
        before = digests(out)

    def fail(_source, path):
        assert sorted(os.listdir(path.parent)) == sorted(set(NAMES) - {path.name})
        raise error

    monkeypatch.setattr(files.shutil, "copyfile", fail)
    expected = HelixerFtError if isinstance(error, OSError) else KeyboardInterrupt
    with pytest.raises(expected):
        write_species(out, TARGET, 1, force=True, **SMALL)
    assert (digests(out) if existing else os.listdir(tmp_path)) == (before if existing else [])


@pytest.mark.parametrize("limit", [1000, 40_000, 100_000], ids=["FASTA", "data", "model"])
def test_a_full_disk_is_told_of_the_folder_that_was_asked_for(tmp_path, limit):
    """A real one: no file above the limit can be written."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        with pytest.raises(HelixerFtError, match="could not be written") as error:
            write_species(tmp_path / "out", TARGET, 1, **SMALL)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert ".partial" not in str(error.value)
    assert "ree disk space" in str(error.value)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"subsequence_length": 1000}, "multiple of 9"),
        ({"n_sequences": 2}, "at least 3"),
        ({"sequence_length": 500}, "10000"),
    ],
)
def test_bad_numbers_are_refused_before_anything_is_written(tmp_path, change, said):
    with pytest.raises(InputError, match=said):
        write_species(tmp_path / "out", SOURCE, 0, **{**SMALL, **change})
    assert os.listdir(tmp_path) == []


@pytest.mark.peer
@pytest.mark.parametrize("species", [SOURCE, TARGET], ids=lambda species: species.name)
def test_helixers_own_tools_make_the_same_data_of_the_fasta_and_gff3(tmp_path, species):
    """GeenuFF and geenuff2h5.py, on a genome with an unannotated sequence among equal lengths."""
    peer = Path(os.environ["HELIXER_PEER"]).resolve()
    genome = simulate(species, 6, 30_000, seed=9)
    sequences = {name: text[:27_000] for name, text in genome.sequences.items()}
    sequences["chr06"] = sequences["chr06"][:26_900]
    genes = tuple(g for g in genome.genes if g.end < 26_500 and g.seqid != "chr01")
    genome = SimulatedGenome(genome.species, sequences, genes)
    (tmp_path / "g.fa").write_bytes(to_fasta(genome))
    (tmp_path / "g.gff3").write_bytes(to_gff3(genome))
    for command in (
        "rare-geenuff-import --fasta g.fa --gff3 g.gff3 --db-path g.db --log-file g.log "
        f"--species {genome.species}",
        "geenuff2h5.py --input-db-path g.db --h5-output-path g.h5 --no-multiprocess "
        "--subsequence-length 2700",
    ):
        script, *arguments = shlex.split(command)
        subprocess.run(
            [peer / "bin" / script, *arguments], cwd=tmp_path, check=True, capture_output=True
        )
    sample = Sample(genome.species, tmp_path / "g.fa", tmp_path / "g.gff3")
    prepare(PrepareRequest((sample,), tmp_path / "ours", subsequence_length=2700, split=False))
    ours = datasets(tmp_path / "ours" / f"{genome.species}.h5")
    assert not ours["is_annotated"].all()
    with h5py.File(tmp_path / "g.h5") as file:
        assert set(file["data"]) == set(ours)
        for name, array in ours.items():
            assert file["data"][name].dtype == array.dtype
            np.testing.assert_array_equal(file["data"][name][:], array, err_msg=name)


def test_shipped_model_goes_beside_the_data(tmp_path: Path) -> None:
    write_species(tmp_path / "with", TARGET, 0, n_sequences=3, sequence_length=12_000)
    write_species(
        tmp_path / "without", TARGET, 0, n_sequences=3, sequence_length=12_000, with_model=False
    )
    assert not (tmp_path / "without" / "source_model.h5").exists()
    model = load_model(tmp_path / "with" / "source_model.h5")
    assert model.architecture.has_phase
    assert 10_000 < model.architecture.parameters() < 100_000
