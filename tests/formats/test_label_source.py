"""Where labels come from: written, read back, and refused where it is not what it should be."""

import json

import h5py
import numpy as np
import pytest
from conftest import add_coverage

from helixer_ft.errors import InputError
from helixer_ft.formats.coverage_h5 import copy_data_file
from helixer_ft.formats.data_h5 import DataFile
from helixer_ft.formats.data_writer import DataWriter
from helixer_ft.formats.label_source import (
    ANNOTATION,
    PREDICTIONS,
    LabelSource,
    SourceFile,
    Teacher,
    write_label_source,
)
from helixer_ft.formats.model_h5 import BATCHNORM_ORIGINAL, ModelFile
from tests.data_files import write_data_file
from tests.formats.test_data_h5 import PADDED, rows
from tests.preparation.test_writer import LENGTH, sequence, write  # noqa: F401 - a fixture

WHOLE = LabelSource(
    kind=PREDICTIONS,
    teachers=(
        Teacher("a.h5", "0a", {"strategy": "whole network", "command_line": "é"}),
        Teacher("b.h5", "0b"),
    ),
    fasta=SourceFile("genome.fa.gz", "0c"),
    gff3=SourceFile("genes.gff3", "0d"),
    bams=(SourceFile("one.bam", "0e"), SourceFile("two.bam", "0f")),
    helixerpost="0.1.0",
    filters=("complete_orf", "supported_introns"),
    seed=7,
    counts={"candidates": 500, "kept": 200},
)


@pytest.fixture
def path(tmp_path):
    """A data file of six rows, which says nothing."""
    write_data_file(tmp_path / "data.h5", rows(PADDED))
    return tmp_path / "data.h5"


def say(path, attribute=None, codes=None):
    """Write the attribute and the dataset, whatever they are."""
    with h5py.File(path, "r+") as file:
        if attribute is not None:
            file.attrs["label_source"] = attribute
        if codes is not None:
            file["data/label_source"] = codes


def record(**changed):
    return json.dumps(WHOLE.to_dict() | changed)


def test_a_file_that_says_nothing_has_an_annotation(path):
    file = DataFile(path)
    assert file.label_source == LabelSource(ANNOTATION)
    assert not file.label_source.is_predicted
    assert file.label_codes.tolist() == [0] * 6


def test_what_is_written_reads_back(path):
    with h5py.File(path, "r+") as file:
        write_label_source(file, WHOLE, np.array([1, 1, 0, 0, 1, 0], np.uint8))
        assert file["data/label_source"].dtype == np.uint8
    file = DataFile(path)
    assert file.label_source == WHOLE
    assert file.label_source.text == "predictions of a.h5, b.h5"
    assert file.label_codes.tolist() == [1, 1, 0, 0, 1, 0]


def test_what_is_left_out_is_unknown(path):
    say(path, '{"kind": "predictions", "something": "of a later version"}')
    file = DataFile(path)
    assert file.label_source == LabelSource(PREDICTIONS)
    assert file.label_source.text == "predictions"
    assert file.label_codes.tolist() == [1] * 6


@pytest.mark.parametrize(("codes", "kind"), [([0] * 6, ANNOTATION), ([0, 1] * 3, PREDICTIONS)])
def test_the_dataset_alone_is_enough(path, codes, kind):
    say(path, codes=np.array(codes, np.int64))
    file = DataFile(path)
    assert file.label_source.kind == kind
    assert file.label_codes.tolist() == codes


def test_data_to_predict_on_have_no_labels_to_come_from_anywhere(path):
    say(path, "not JSON")
    assert DataFile(path, labels=False).label_codes.tolist() == [0] * 6


@pytest.mark.parametrize(
    ("attribute", "message"),
    [
        ("{", "cannot be read (Expecting property name"),
        ("[" * 100_000, "cannot be read (maximum recursion depth"),
        ("[]", "the record is '[]', not a dict"),
        ("{}", "kind is None, not one of annotation, predictions"),
        (record(kind="guesses"), "kind is 'guesses', not one of"),
        (record(teachers={}), "teachers is '{}', not a list"),
        (record(teachers=["a.h5"]), "a teacher is 'a.h5', not a dict"),
        (record(teachers=[{"name": "a.h5"}]), "sha256 is 'None', not a str"),
        (
            record(teachers=[{"name": "a", "sha256": "b", "provenance": {"x": 1}}]),
            "provenance x is '1', not a str",
        ),
        (record(fasta="genome.fa"), "fasta is 'genome.fa', not a dict"),
        (record(bams=[1]), "one of bams is '1', not a dict"),
        (record(filters=[1]), "one of filters is '1', not a str"),
        (record(seed=True), "seed is 'True', not a int"),
        (record(counts={"kept": 0.5}), "counts of kept is '0.5', not a int"),
        (record(helixerpost=1), "helixerpost is '1', not a str"),
    ],
)
def test_an_attribute_that_is_no_record_is_refused(path, attribute, message):
    say(path, attribute)
    with pytest.raises(InputError) as caught:
        DataFile(path)
    text = str(caught.value)
    assert message in text
    assert text.startswith(f"{path}: its attribute 'label_source'")
    assert "make it anew" in text


@pytest.mark.parametrize(
    ("codes", "message"),
    [
        (np.zeros(5, np.uint8), r"data/label_source is of shape \(5,\), expected \(6,\)"),
        (np.zeros((6, 1), np.uint8), r"is of shape \(6, 1\), expected \(6,\)"),
        (np.zeros(6, np.float32), "holds float32, expected whole numbers"),
        (np.array([0, 1, 0, 2, 1, 1], np.uint8), r"has the code 2, expected 0 \(annotation\) or 1"),
        (np.array([0, -1, 0, 0, 1, 1], np.int8), "has the code -1, expected 0"),
    ],
)
def test_a_dataset_of_another_form_is_refused(path, codes, message):
    say(path, record(), codes)
    with pytest.raises(InputError, match=message):
        DataFile(path)


def test_a_group_in_its_place_is_refused(path):
    with h5py.File(path, "r+") as file:
        file.create_group("data/label_source")
    with pytest.raises(InputError, match="data/label_source is a group"):
        DataFile(path)


def test_rows_that_contradict_the_attribute_are_refused(path):
    say(path, '{"kind": "annotation"}', np.array([0, 0, 1, 1, 0, 0], np.uint8))
    with pytest.raises(InputError, match="2 of 6 rows of data/label_source say predictions, but"):
        DataFile(path)


def test_a_writer_gives_all_rows_their_source(tmp_path, sequence):  # noqa: F811
    write(tmp_path / "with.h5", sequence, label_source=WHOLE)
    write(tmp_path / "without.h5", sequence)
    file = DataFile(tmp_path / "with.h5")
    assert file.label_source == WHOLE
    assert file.label_codes.tolist() == [1] * file.n_rows
    with h5py.File(tmp_path / "with.h5") as one, h5py.File(tmp_path / "without.h5") as other:
        assert one["data/label_source"].chunks == (1,)
        assert set(one["data"]) - set(other["data"]) == {"label_source"}
        assert set(one.attrs) - set(other.attrs) == {"label_source"}


def test_no_rows_have_a_source_too(tmp_path):
    with DataWriter(tmp_path / "data.h5", 0, LENGTH, labels=True, label_source=WHOLE):
        pass
    with h5py.File(tmp_path / "data.h5") as file:
        assert file["data/label_source"].shape == (0,)


def test_a_teacher_is_a_model_file_without_the_numbers_it_once_had(tmp_path):
    model = ModelFile(
        config={},
        weights={},
        provenance={"strategy": "whole network", BATCHNORM_ORIGINAL: "long"},
        path=tmp_path / "teacher.h5",
        sha256="0a",
    )
    assert Teacher.of_model(model) == Teacher("teacher.h5", "0a", {"strategy": "whole network"})


def test_a_source_file_is_known_by_its_content(tmp_path):
    (tmp_path / "a.fa").write_text("ACGT")
    (tmp_path / "b.fa").write_text("ACGT")
    one, other = SourceFile.of(tmp_path / "a.fa"), SourceFile.of(tmp_path / "b.fa")
    assert (one.name, other.name) == ("a.fa", "b.fa")
    assert one.sha256 == other.sha256
    assert len(one.sha256) == 64


@pytest.mark.parametrize("prefix", ["rnaseq", "other"])
def test_add_coverage_keeps_the_source(path, tmp_path, prefix):
    """Whether the file is copied byte by byte, or object by object without its old coverage."""
    add_coverage(path, "leaf")
    with h5py.File(path, "r+") as file:
        write_label_source(file, WHOLE, np.array([1, 1, 0, 0, 1, 0], np.uint8))
    copy_data_file(path, tmp_path / "copy.h5", prefix)
    copy = DataFile(tmp_path / "copy.h5")
    assert copy.label_source == WHOLE
    assert copy.label_codes.tolist() == [1, 1, 0, 0, 1, 0]
