"""`pseudo-label` in two processes on this machine: the files of one, to the byte.

tests/pseudo_labels/test_several_processes.py has the variants, with threads for processes.
"""

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import h5py
import pytest

from tests.cli.groups import Group
from tests.pseudo_labels.workplace import LENGTH, PseudoFolder, simulated

pytest.importorskip("jax")
pytestmark = pytest.mark.slow

FEW_GENES = """
from helixer_ft.pseudo_labels.request import PseudoLabelRequest
PseudoLabelRequest.min_genes = 5
from helixer_ft.cli import main
main(prog_name="helixer-ft")
"""
OPTIONS = [
    *("--min-confidence", "0", "--intergenic-confidence", "0", "--val-test-batch-size", "4"),
    *("--backend", "jax"),
]
COMMAND = [
    *("pseudo-label", "-l", "m.h5", "--fasta", "g.fa", "--out-dir", "two", "--keep", "1"),
    *("--subsequence-length", str(LENGTH), *OPTIONS),
]


@pytest.fixture
def place(tmp_path, monkeypatch) -> PseudoFolder:
    """A folder, in which commands are run."""
    place = PseudoFolder(tmp_path / "place", monkeypatch, genome=simulated(4, 10_000), network=True)
    place.model, place.fasta = Path("m.h5"), Path("g.fa")
    monkeypatch.chdir(place.folder)
    return place


@pytest.fixture
def slow_post(place) -> Path:
    """HelixerPost takes its time, once it is there; until a file "go" is."""
    program = place.folder / "bin/helixer_post_bin"
    wait = "[ -e go ] || { touch making; sleep 300; }\n"
    program.write_text(program.read_text().replace("cp ", f"{wait}cp "))
    return place.folder / "making"


@pytest.fixture
def group(place) -> Iterator[Group]:
    with Group(place.folder) as processes:
        yield processes


def start(group: Group, *options: str) -> None:
    """Two processes."""
    group.start(*[[*COMMAND, *options]] * 2, code=FEW_GENES)


def written(place: PseudoFolder, name: str) -> dict[str, bytes]:
    """The files of a folder, and the datasets of data files, but for how they were made."""
    found = {}
    for path in (place.folder / name).iterdir():
        if path.suffix == ".h5":
            with h5py.File(path) as file:
                data = file["data"].items()
                found |= {f"{path.name}/{key}": dataset[()].tobytes() for key, dataset in data}
        else:
            found[path.name] = path.read_bytes()
    assert found.pop("pseudo_label.json")
    assert len(found) > 20
    return found


def test_the_files_of_one_process(place, group):
    start(group, "--json")
    place.done(*OPTIONS, "--out-dir", "one")
    assert group.wait() == [0, 0], group.err(0) + group.err(1)
    assert written(place, "two") == written(place, "one")
    assert json.loads(group.out(0))["genes"]["kept"] > 5
    assert "2 processes share the rows" in group.err(0)
    assert group.out(1) == group.err(1) == ""


def test_what_it_would_take(place, group):
    start(group, "--dry-run")
    assert group.wait() == [0, 0], group.err(0) + group.err(1)
    assert ", 2 processes)" in group.out(0)
    assert "in each process" in group.out(0)
    assert group.out(1) == group.err(1) == ""
    assert not (place.folder / "two").exists()


def test_processes_that_do_not_do_the_same(place, group):
    group.start(COMMAND, [*COMMAND, "--min-cds", "90"])
    assert group.wait() == [2, 2], group.err(0) + group.err(1)
    for number in (0, 1):
        assert f"Error: process {number} (of 2):" in group.err(number)
        assert "differ in: --min-cds" in group.err(number)
    assert not (place.folder / "two").exists()


def test_where_the_first_one_refuses_the_genes_both_end(place, group):
    group.start(*[COMMAND] * 2)  # 200 genes are wanted
    assert group.wait() == [2, 2], group.err(0) + group.err(1)
    assert "expected at least 200" in group.err(0)
    assert "Error: process 1 (of 2): process 0 ended: g.fa: only" in group.err(1)
    assert "Traceback" not in group.err(0) + group.err(1)


@pytest.mark.parametrize("asked", [0, 1])
def test_a_signal_to_one_stops_both(place, slow_post, group, asked):
    """While the first one makes genes, and the other one waits."""
    start(group)
    group.wait_for(slow_post.name)
    group.processes[asked].send_signal(signal.SIGTERM)
    assert group.wait(60) == [75, 75], group.err(0) + group.err(1)
    assert "the gene models are not made yet" in group.err(0)
    assert "To resume:" in group.err(0)
    (place.folder / "go").touch()
    place.done(*OPTIONS, "--out-dir", "two", "--resume")
    place.done(*OPTIONS, "--out-dir", "one")
    assert written(place, "two") == written(place, "one")


@pytest.mark.parametrize("victim", [0, 1])
def test_a_killed_process_ends_the_other_one(place, slow_post, group, victim):
    start(group)
    group.wait_for(slow_post.name)
    group.kill_one(victim)
    assert [path.name for path in (place.folder / "two").iterdir() if path.is_dir()] == [
        "predictions"
    ]
    (place.folder / "go").touch()
    group.processes.clear()
    start(group, "--resume")
    assert group.wait() == [0, 0], group.err(0) + group.err(1)
    place.done(*OPTIONS, "--out-dir", "one")
    assert written(place, "two") == written(place, "one")
