"""What is said of the data before training."""

import numpy as np
import pytest
from conftest import random_rows

from helixer_ft.dataset.dataset import open_dataset
from helixer_ft.errors import InputError
from helixer_ft.progress import Progress
from helixer_ft.training.data_checks import find_files, summarise, warnings
from tests.data_files import write_data_file


def summary(tmp_path, rows, name="training"):
    path = tmp_path / f"{name}.h5"
    write_data_file(path, rows)
    dataset = open_dataset([path], pool_size=9, phase=True, transitions=True)
    return summarise(dataset, name, 9, Progress())


def with_share(intergenic: float, *, seqid: str) -> dict[str, np.ndarray]:
    """Rows of which a share is intergenic, the rest UTR, CDS and intron."""
    rows = random_rows(4, seqid=seqid, masked=0)
    labelled = rows["y"].any(axis=2)
    codes = np.where(np.arange(90) < 90 * intergenic, 0, 1 + np.arange(90) % 3)
    rows["y"] = np.eye(4, dtype=np.int8)[np.broadcast_to(codes, labelled.shape)]
    rows["y"][~labelled] = 0
    return rows


def test_counts_of_all_and_of_valid_bases(tmp_path):
    rows = random_rows(3, masked=0)
    rows["sample_weights"][0, 4] = 0  # masks the step of nine bases around it
    result = summary(tmp_path, rows)
    labels = rows["y"].argmax(2)[rows["y"].any(2)]
    assert result.bases.tolist() == np.bincount(labels, minlength=4).tolist()
    # besides that step, six bases of each padded row share a step with padding: on disk 60 bases,
    # then padding; the network sees the minus-strand row with its 30 bases of padding first
    hidden = np.concatenate([rows["y"][0, :9], rows["y"][2, 54:60], rows["y"][3, :6]])
    expected = result.bases - np.bincount(hidden.argmax(1), minlength=4)
    assert result.valid_bases.tolist() == expected.tolist()
    assert result.masked_share == pytest.approx(21 / result.bases.sum())
    assert {name: stretches.tolist() for name, stretches in result.sequences.items()} == {
        ("sim", "chr1"): [[0, 240]]
    }


def test_fingerprint_follows_content_alone(tmp_path):
    rows = random_rows(3)
    one = summary(tmp_path, rows).fingerprint
    assert summary(tmp_path, rows, "again").fingerprint == one
    for name in ("X", "y", "sample_weights"):
        changed = {key: array.copy() for key, array in rows.items()}
        changed[name][0, 3] = np.roll(changed[name][0, 3], 1) if name != "sample_weights" else 0
        assert summary(tmp_path, changed, name).fingerprint != one


def test_shared_sequences_are_named(tmp_path):
    sets = [
        summary(tmp_path, random_rows(3, seqid="chr1"), "training"),
        summary(tmp_path, random_rows(3, seed=2, seqid="chr1"), "validation"),
        summary(tmp_path, random_rows(3, seed=3, seqid="chr2"), "test"),
    ]
    (text,) = warnings(sets)
    assert "training and validation data overlap, or touch, in 1 sequence(s) (sim chr1)" in text
    assert not warnings([sets[0], sets[2]])


@pytest.mark.parametrize(("start", "warned"), [(150, True), (240, True), (243, False)])
def test_parts_of_one_sequence_with_a_gap_between_are_not_named(tmp_path, start, warned):
    rows = random_rows(3, seqid="chr1")
    later = random_rows(3, seed=2, seqid="chr1")
    later["start_ends"] += start
    sets = [summary(tmp_path, rows, "training"), summary(tmp_path, later, "validation")]
    assert bool(warnings(sets)) is warned
    assert bool(warnings(sets[::-1])) is warned


def test_intergenic_shares_that_differ_are_named(tmp_path):
    sets = [
        summary(tmp_path, with_share(0.7, seqid="a"), "training"),
        summary(tmp_path, with_share(0.4, seqid="b"), "validation"),
    ]
    (text,) = warnings(sets)
    assert "the validation data do not represent the training data" in text
    sets.append(summary(tmp_path, with_share(0.7, seqid="c"), "test"))
    assert "the test data do not represent the validation data" in warnings(sets)[1]


def test_a_class_without_valid_bases_is_named(tmp_path):
    """In the training data: UTR is turned into intergenic sequence."""
    rows = random_rows(3)
    whole = summary(tmp_path, rows, "training")
    assert not warnings([whole])
    utr = rows["y"][..., 1] == 1
    rows["y"][utr] = [1, 0, 0, 0]
    (text,) = warnings([summary(tmp_path, rows, "other")])
    assert text.startswith("there is no valid UTR base in the training data: the tuned model will")


def test_little_intergenic_sequence_is_named(tmp_path):
    sets = [summary(tmp_path, with_share(0.1, seqid=name), name) for name in ("training", "test")]
    (text,) = warnings(sets)
    assert "see genes everywhere" in text


@pytest.mark.parametrize("value", [np.nan, np.inf, -1.0, 2.0])
def test_bases_that_are_no_shares_are_refused(tmp_path, value):
    rows = random_rows(3)
    rows["X"][4, 7, 1] = value
    with pytest.raises(InputError, match="data/X row 4"):
        summary(tmp_path, rows)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: rows["sample_weights"].fill(0), "no valid base"),
        (lambda rows: rows["y"].__setitem__((..., slice(1, 4)), 0), "no valid genic base"),
        (lambda rows: rows["y"].__setitem__((..., 0), 0), "no valid intergenic base"),
    ],
)
def test_sets_that_cannot_be_used_are_refused(tmp_path, change, message):
    rows = random_rows(3)
    change(rows)
    with pytest.raises(InputError, match=message):
        summary(tmp_path, rows)


def test_test_data_may_lack_intergenic_bases(tmp_path):
    rows = random_rows(3)
    rows["y"][..., 0] = 0
    assert summary(tmp_path, rows, "test").valid_bases[0] == 0


def test_every_matching_file_of_a_directory_is_found(tmp_path):
    for name in ("training_data.h5", "training_data.2.h5", "validation_data.h5", "other.h5"):
        (tmp_path / name).touch()
    names = [path.name for path in find_files(tmp_path, "training_data")]
    assert names == ["training_data.2.h5", "training_data.h5"]
    with pytest.raises(InputError, match=r"no test_data\*h5 \(there is other.h5"):
        find_files(tmp_path, "test_data")
    with pytest.raises(InputError, match="not a folder"):
        find_files(tmp_path / "missing", "training_data")
