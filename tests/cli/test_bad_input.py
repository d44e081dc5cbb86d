"""Wrong models, data and options: one message, the documented status, and nothing written."""

import json
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from click.testing import CliRunner, Result
from conftest import random_rows, tiny_architecture

from helixer_ft.cli import main
from helixer_ft.formats.model_h5 import ModelFile, write_model_file
from tests.cli.workplace import CommandFolder
from tests.data_files import write_data_file
from tests.network.builders import layer_of, random_model


class Workplace(CommandFolder):
    """A folder with a sound model and sound data, and the command that uses them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.model = folder / "base.h5"
        self.data = folder / "data"
        self.training = self.data / "training_data.h5"
        self.validation = self.data / "validation_data.h5"
        self.test = folder / "test_data.h5"
        self.out = folder / "out" / "tuned.h5"

    def run(self, *options: str | Path, command: str = "whole") -> Result:
        """The command on these files; a later option overrides an earlier one."""
        arguments = [command, "-l", self.model, "-d", self.data, "-s", self.out, *options]
        if "--config" not in options:  # where a case is not refused, it shall not take long
            arguments[1:1] = ["-e", "1"]
        return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def sound_model() -> ModelFile:
    return random_model(tiny_architecture(), seed=1).to_file({})


@pytest.fixture
def work(tmp_path, sound_model) -> Workplace:
    work = Workplace(tmp_path)
    work.data.mkdir()
    work.out.parent.mkdir()
    write_model_file(work.model, sound_model)
    write_data_file(work.training, random_rows(4, seed=1, seqid="chr1"))
    write_data_file(work.validation, random_rows(3, seed=2, seqid="chr2"))
    write_data_file(work.test, random_rows(3, seed=3, seqid="chr3"))
    return work


def test_the_files_are_sound(work):
    before = work.content()
    result = work.run("--dry-run", "-t", work.test)
    assert result.exit_code == 0, result.output
    assert "nothing was trained or written" in result.stdout
    assert work.content() == before


# -- the model ---------------------------------------------------------------------------------


def zip_archive(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("model.weights.h5", "x")


def edit_model(change: Callable[[h5py.File], Any]) -> Callable[[Path], None]:
    def edit(path: Path) -> None:
        with h5py.File(path, "a") as file:
            change(file)

    return edit


def edit_config(change: Callable[[dict[str, Any]], Any]) -> Callable[[Path], None]:
    def edit(file: h5py.File) -> None:
        config = json.loads(file.attrs["model_config"])
        change(config)
        file.attrs["model_config"] = json.dumps(config)

    return edit_model(edit)


def set_config(text: Any) -> Callable[[Path], None]:
    return edit_model(lambda file: file.attrs.__setitem__("model_config", text))


def set_weight(values: Any, name: str = "dense/dense/kernel:0") -> Callable[[Path], None]:
    def edit(file: h5py.File) -> None:
        del file[f"model_weights/{name}"]
        if values is not None:
            file[f"model_weights/{name}"] = values

    return edit_model(edit)


def cut(share: float) -> Callable[[Path], None]:
    def edit(path: Path) -> None:
        whole = path.read_bytes()
        path.write_bytes(whole[: int(share * len(whole))])

    return edit


def external_weights(path: Path) -> None:
    with h5py.File(path, "a") as file:
        file.move("model_weights", "elsewhere")
        file["model_weights"] = h5py.ExternalLink("/etc/hosts", "/")


MODELS: dict[str, tuple[Callable[[Path], Any], list[str]]] = {
    "missing": (Path.unlink, ["no such file", "trained Helixer model"]),
    "text": (lambda path: path.write_text("not a model"), ["not an HDF5 file"]),
    "empty": (lambda path: path.write_bytes(b""), ["is empty", "trained Helixer model"]),
    "zip": (zip_archive, ["zip archive", ".keras", "trained Helixer model"]),
    **{
        f"cut to {share:.0%}": (cut(share), ["damaged or truncated", "Copy it again"])
        for share in (0.01, 0.2, 0.5, 0.8, 0.99)
    },
    "HDF5 of something else": (
        edit_model(lambda file: (file.attrs.clear(), file.clear())),
        ["no attribute 'model_config'"],
    ),
    "no config": (
        edit_model(lambda file: file.attrs.__delitem__("model_config")),
        ["no attribute 'model_config'", "saved whole"],
    ),
    "no weights": (
        edit_model(lambda file: file.__delitem__("model_weights")),
        ["'model_weights' is missing"],
    ),
    "broken JSON": (set_config('{"class_name": '), ["'model_config'", "not valid JSON"]),
    "JSON list": (set_config("[]"), ["'model_config'", "JSON list", "expected an object"]),
    "JSON of something else": (set_config("{}"), ["'model_config'", "not that of a Helixer"]),
    "endless JSON": (set_config("[" * 10**5), ["'model_config'", "not valid JSON"]),
    "config not UTF-8": (set_config(np.bytes_(b"{\xff}")), ["'model_config'", "not valid JSON"]),
    "Lambda": (
        edit_config(lambda config: layer_of(config, "reshape").update(class_name="Lambda")),
        ["'reshape' is a Lambda layer", "never executed"],
    ),
    "unknown class": (
        edit_config(lambda config: layer_of(config, "conv1d").update(class_name="Attention")),
        ["'conv1d'", "unknown class 'Attention'"],
    ),
    "unknown function": (
        edit_config(lambda config: layer_of(config, "tf.split")["config"].update(function="sin")),
        ["'tf.split'", "function 'sin'"],
    ),
    "circle": (
        edit_config(
            lambda config: layer_of(config, "conv1d").update(
                inbound_nodes=[[["bidirectional", 0, 0, {}]]]
            )
        ),
        ["'bidirectional' is used more than once"],
    ),
    "missing weight": (set_weight(None), ["'dense/kernel:0' of layer 'dense' is missing"]),
    "missing layer": (
        edit_model(lambda file: file["model_weights"].__delitem__("conv1d")),
        ["weights of layer 'conv1d' are missing"],
    ),
    "wrong shape": (set_weight(np.ones((6, 71))), ["'dense/kernel:0'", "(6, 71)", "(6, 72)"]),
    "NaN": (set_weight(np.full((6, 72), np.nan)), ["'dense/kernel:0'", "432 values", "NaN"]),
    "integers": (set_weight(np.ones((6, 72), int)), ["'dense/kernel:0'", "int64"]),
    "text as weight": (set_weight(np.bytes_(b"x")), ["'dense/kernel:0'", "|S1"]),
    "link": (external_weights, ["link to elsewhere", "ExternalLink"]),
}


@pytest.mark.parametrize("case", MODELS)
@pytest.mark.parametrize("command", ["whole", "freeze"])
def test_models(work, case, command):
    spoil, parts = MODELS[case]
    spoil(work.model)
    work.refused(parts=[f"{work.model}: ", *parts], command=command)


def test_a_folder_as_model(work):
    work.refused("-l", work.data, parts=[f"{work.data}: is a folder", "trained Helixer model"])


def test_a_keras_3_file(work):
    work.model.rename(work.folder / "model.keras")
    zip_archive(work.folder / "model.keras")
    work.refused("-l", work.folder / "model.keras", parts=["model.keras: is a zip archive"])


def test_data_as_model_and_model_as_data(work):
    work.refused("-l", work.training, parts=[f"{work.training}: ", "'model_config'"])
    work.training.write_bytes(work.model.read_bytes())
    work.refused(parts=[f"{work.training}: data/X is missing"])


def test_a_model_without_permission(work):
    before = work.model.read_bytes()
    work.model.chmod(0)
    if os.access(work.model, os.R_OK):
        pytest.skip("root may read everything")
    result = work.run()
    work.model.chmod(0o600)
    assert result.exit_code == 2
    assert f"{work.model}' is not readable" in result.stderr
    assert work.model.read_bytes() == before


# -- the output --------------------------------------------------------------------------------


def test_an_existing_output_is_kept(work):
    work.out.write_bytes(b"precious")
    work.refused(parts=[f"{work.out}: exists already", "--force"])
    assert work.run("--dry-run", "--force").exit_code == 0
    assert work.out.read_bytes() == b"precious"


def test_the_files_of_an_earlier_run_are_kept(work):
    folder = work.out.with_suffix(".run")
    folder.mkdir()
    (folder / "history.csv").write_text("precious")
    work.refused(parts=[f"{folder}: holds the files of an earlier run", "--force"])
    assert work.run("--dry-run", "--force").exit_code == 0
    assert (folder / "history.csv").read_text() == "precious"


def test_a_file_where_the_run_folder_goes(work):
    work.out.with_suffix(".run").write_text("a file")
    work.refused("--force", parts=["tuned.run: is a file"])


def test_a_missing_output_folder(work):
    work.refused("-s", work.folder / "nowhere" / "x.h5", parts=["nowhere does not exist"])


def test_an_unwritable_output_folder(work):
    work.out.parent.chmod(0o500)
    if os.access(work.out.parent, os.W_OK):
        pytest.skip("root may write everywhere")
    try:
        work.refused(parts=[f"{work.out}: the folder {work.out.parent} is not writable"])
    finally:
        work.out.parent.chmod(0o700)


def test_a_folder_as_output(work):
    work.refused("-s", work.data, "--force", parts=[f"{work.data}: is a folder"])


@pytest.mark.parametrize("folder", [".", "/", ""])
def test_a_folder_without_a_name_as_output(work, folder):
    work.refused("-s", folder, "--force", parts=["is a folder, expected a file name"])


@pytest.mark.parametrize("name", ["tuned", "tuned.keras", "tuned.h5.gz", ".h5"])
def test_a_name_that_helixer_would_not_take(work, name):
    work.refused("-s", work.folder / name, parts=[f"{name}: does not end in .h5"])


def test_a_device_as_output(work):
    """As root the rename would put a file in its place."""
    pipe = work.folder / "pipe.h5"
    os.mkfifo(pipe)
    result = work.run("-s", pipe, "--force")
    assert result.exit_code == 2
    assert f"{pipe}: is not a regular file" in result.stderr
    assert pipe.is_fifo()


def test_too_long_a_name_as_output(work):
    work.refused("-s", work.folder / ("x" * 300), parts=["name is too long"])


@pytest.mark.parametrize("way", ["plain", "roundabout", "link"])
def test_the_input_model_is_never_the_output(work, way):
    target = {
        "plain": work.model,
        "roundabout": work.data / ".." / work.model.name,
        "link": work.folder / "link.h5",
    }[way]
    if way == "link":
        target.symlink_to(work.model)
    said = f"{work.model}: is read, and never overwritten. Give another --save-model-path"
    work.refused("-s", target, "--force", parts=[said])


@pytest.mark.parametrize("name", ["training_data.h5", "training_data_tuned.h5", "test.h5"])
def test_data_are_never_the_output(work, name):
    """Nor does a model lie where it would be read as data."""
    test = work.data / "test.h5"
    test.write_bytes((work.data / "validation_data.h5").read_bytes())
    before = test.read_bytes()
    says = "is read, and never" if name == "test.h5" else "would be taken for data of"
    work.refused("-t", test, "-s", work.data / name, "--force", parts=[says, "--save-model-path"])
    assert test.read_bytes() == before


def test_check_sequences_are_never_the_output(work):
    """They are read when training has ended."""
    path = work.data / "check_data.h5"
    path.write_bytes((work.data / "validation_data.h5").read_bytes())
    work.refused("-s", path, "--force", parts=["check_data.h5: is read, and never overwritten"])


@pytest.mark.parametrize("place", ["checks/check_0001.h5", "without_coverage.h5", "state/m.h5"])
def test_the_folder_of_the_run_holds_nothing_that_is_read(work, place):
    path = work.folder / "again.run" / place
    path.parent.mkdir(parents=True)
    path.write_bytes(work.model.read_bytes())
    arguments = ["-s", work.folder / "again.h5", "--force"]
    work.refused("-l", path, *arguments, parts=[f"{path}: is read, and never overwritten"])
    if path.parent.name == "state":
        work.refused("--cache-dir", path.parent, *arguments, parts=["Give another --cache-dir"])
    assert path.exists()


# -- the data ----------------------------------------------------------------------------------


def edit_data(name: str, change: Callable[[h5py.Group], Any]) -> Callable[[Workplace], None]:
    def edit(work: Workplace) -> None:
        with h5py.File(getattr(work, name), "a") as file:
            change(file["data"])

    return edit


def drop(name: str) -> Callable[[h5py.Group], None]:
    return lambda data: data.__delitem__(name)


def put(name: str, values: Any) -> Callable[[h5py.Group], None]:
    def edit(data: h5py.Group) -> None:
        new = values(data[name][()]) if callable(values) else values
        del data[name]
        data[name] = new

    return edit


def fill(name: str, value: Any, *, where: Any = ()) -> Callable[[h5py.Group], None]:
    return lambda data: data[name].__setitem__(where, value)


def label(column: int) -> Callable[[h5py.Group], None]:
    """Every labelled base gets the class `column`."""

    def edit(data: h5py.Group) -> None:
        labelled = data["y"][()].any(axis=-1)
        new = np.zeros(data["y"].shape, np.int8)
        new[labelled, column] = 1
        data["y"][...] = new

    return edit


def shorter(name: str, length: int) -> Callable[[Workplace], None]:
    return lambda work: write_data_file(getattr(work, name), random_rows(3, length, seed=5))


DATASETS = [
    "X", "y", "phases", "transitions", "sample_weights", "seqids", "species", "start_ends",
    "is_annotated", "err_samples",
]  # fmt: skip

DATA: dict[str, tuple[Callable[[Workplace], Any], str, list[str]]] = {
    **{
        f"without {name}": (
            edit_data("training", drop(name)),
            "training",
            [f"data/{name} is missing", "helixer-ft prepare"],
        )
        for name in DATASETS
    },
    "without labels": (
        edit_data("validation", drop("y")),
        "validation",
        ["data/y is missing", "expected (6, 90, 4)"],
    ),
    "X of wrong rank": (
        edit_data("training", put("X", lambda x: x[0])),
        "training",
        ["data/X is of shape (90, 4)", "expected (rows, subsequence length, 4)"],
    ),
    "X of wrong width": (
        edit_data("training", put("X", lambda x: x[..., :3])),
        "training",
        ["data/X is of shape (8, 90, 3)"],
    ),
    "y of fewer rows": (
        edit_data("training", put("y", lambda y: y[1:])),
        "training",
        ["data/y is of shape (7, 90, 4)", "expected (8, 90, 4)"],
    ),
    "no rows": (
        edit_data("training", put("X", np.zeros((0, 90, 4), np.float16))),
        "training",
        ["holds no subsequences"],
    ),
    "NaN": (
        edit_data("training", fill("X", np.nan, where=(3, 7, 1))),
        "training",
        ["data/X row 3", "NaN"],
    ),
    "bases above 1": (
        edit_data("validation", fill("X", 2.5, where=(1, 0, 0))),
        "validation",
        ["data/X row 1", "not between 0 and 1"],
    ),
    "two labels": (
        edit_data("training", fill("y", 1, where=(2, 5))),
        "training",
        ["data/y", "one-hot"],
    ),
    "two phases": (
        edit_data("validation", fill("phases", 1, where=(2, 5))),
        "validation",
        ["data/phases", "one-hot"],
    ),
    "labels as text": (
        edit_data("training", put("y", np.full((8, 90, 4), b"1"))),
        "training",
        ["data/y holds |S1", "expected numbers"],
    ),
    "coordinates as text": (
        edit_data("training", put("start_ends", np.full((8, 2), b"1"))),
        "training",
        ["data/start_ends holds |S1", "expected integers"],
    ),
    "names as numbers": (
        edit_data("training", put("seqids", np.arange(8))),
        "training",
        ["data/seqids holds int64", "expected text"],
    ),
    "null": (
        edit_data("training", put("species", h5py.Empty("S25"))),
        "training",
        ["data/species", "None"],
    ),
    "link": (
        edit_data("training", put("y", h5py.SoftLink("/data/phases"))),
        "training",
        ["data/y is a link to elsewhere"],
    ),
    "no annotated row": (
        edit_data("training", fill("is_annotated", False)),
        "training",
        ["no annotated subsequence with a valid base", "sequence names"],
    ),
    "no row with a valid base": (
        edit_data("validation", fill("err_samples", False)),
        "validation",
        ["no annotated subsequence with a valid base"],
    ),
    "no valid base": (
        edit_data("training", fill("sample_weights", 0)),
        "training",
        ["training data have no valid base", "masked"],
    ),
    "no genic base": (
        edit_data("training", label(0)),
        "training",
        ["training data have no valid genic base"],
    ),
    "no genic base in validation": (
        edit_data("validation", label(0)),
        "validation",
        ["validation data have no valid genic base"],
    ),
    "no intergenic base": (
        edit_data("training", label(2)),
        "training",
        ["training data have no valid intergenic base"],
    ),
    "no intergenic base in validation": (
        edit_data("validation", label(3)),
        "validation",
        ["validation data have no valid intergenic base"],
    ),
    "another length": (
        shorter("validation", 99),
        "validation",
        ["different subsequence lengths", "90: ", "99: ", "--subsequence-length"],
    ),
    "less than a pooled step": (
        lambda work: (shorter("training", 8)(work), shorter("validation", 8)(work)),
        "training",
        ["8 bases", "9 bases that the model pools"],
    ),
    "not HDF5": (
        lambda work: work.training.write_text(">chr1\nACGT\n"),
        "training",
        ["not an HDF5"],
    ),
    "empty": (lambda work: work.validation.write_bytes(b""), "validation", ["is empty"]),
    **{
        f"cut to {share:.0%}": (
            lambda work, share=share: cut(share)(work.training),
            "training",
            ["damaged or truncated"],
        )
        for share in (0.02, 0.3, 0.7, 0.97)
    },
}


@pytest.mark.parametrize("case", DATA)
def test_data(work, case):
    spoil, name, parts = DATA[case]
    spoil(work)
    work.refused(parts=[str(getattr(work, name)), *parts])


def test_damaged_values_in_a_data_file(work):
    with h5py.File(work.validation) as file:
        chunk = file["data/phases"].id.get_chunk_info(4)
    content = bytearray(work.validation.read_bytes())
    content[chunk.byte_offset : chunk.byte_offset + chunk.size] = bytes(chunk.size)
    work.validation.write_bytes(content)
    work.refused(parts=[f"{work.validation}: is damaged or truncated"])


@pytest.mark.parametrize(
    ("name", "files", "part"),
    [
        ("training", ["validation_data.h5"], "has no training_data*h5 (there is validation_data"),
        ("validation", ["training_data.h5"], "has no validation_data*h5 (there is training_data"),
        ("all", [], "has no training_data*h5 (there is no .h5 file)"),
    ],
)
def test_data_files_that_are_not_there(work, name, files, part):
    for path in (work.training, work.validation):
        if path.name not in files:
            path.unlink()
    work.refused(parts=[f"{work.data}: {part}", "--data-dir"])


def test_a_data_folder_that_is_not_there(work):
    work.refused("-d", work.folder / "no", parts=["no: is not a folder", "training_data*h5"])
    work.refused("-d", work.training, parts=["training_data.h5: is not a folder"])


def test_phases_are_needed_by_a_model_with_phase_alone(work):
    for path in (work.training, work.validation):
        with h5py.File(path, "a") as file:
            del file["data/phases"]
    work.refused(parts=["data/phases is missing"])
    model = random_model(tiny_architecture(phase=False)).to_file({})
    write_model_file(work.model, model, force=True)
    assert work.run("--dry-run").exit_code == 0


def test_transitions_are_needed_by_transition_weights_alone(work):
    with h5py.File(work.validation, "a") as file:
        del file["data/transitions"]
    assert work.run("--dry-run").exit_code == 0  # validation is unweighted
    with h5py.File(work.training, "a") as file:
        del file["data/transitions"]
    work.refused(parts=[f"{work.training}: data/transitions is missing"])
    assert work.run("--dry-run", "--transition-weights", "none").exit_code == 0


def test_names_that_are_not_utf8_are_no_obstacle(work):
    edit_data("training", fill("seqids", b"chr\xff\xfe"))(work)
    result = work.run("--dry-run")
    assert result.exit_code == 0, result.output


TEST_DATA: dict[str, tuple[Callable[[Workplace], Any], list[str]]] = {
    "missing": (lambda work: work.test.unlink(), ["no such file"]),
    "another length": (shorter("test", 180), ["different subsequence lengths", "180: "]),
    "cut": (lambda work: cut(0.6)(work.test), ["damaged or truncated"]),
    "without labels": (edit_data("test", drop("y")), ["data/y is missing"]),
    "no genic base": (edit_data("test", label(0)), ["test data have no valid genic base"]),
    "no valid base": (edit_data("test", fill("sample_weights", 0)), ["test data have no valid"]),
}


@pytest.mark.parametrize("case", TEST_DATA)
def test_held_out_data(work, case):
    spoil, parts = TEST_DATA[case]
    spoil(work)
    work.refused("-t", work.test, parts=[str(work.test), *parts])


def test_held_out_data_may_be_genic_throughout(work):
    edit_data("test", label(2))(work)
    assert work.run("--dry-run", "-t", work.test).exit_code == 0


# -- options -----------------------------------------------------------------------------------

OPTIONS = [
    *(
        ([option, value], [option, *parts])
        for option, length in (("--class-weights", 4), ("--transition-weights", 6))
        for value, parts in (
            ("1,2,3", ["3 values", f"expected {length} numbers"]),
            (",".join("1" * (length + 1)), [f"{length + 1} values"]),
            (",".join(["-1"] * length), ["at least 0"]),
            (",".join(["nan"] * length), ["nan"]),
            (",".join(["inf"] * length), ["inf"]),
            (",".join(["1e300"] * length), ["at most 1e+30"]),
            (",".join("0" * length), ["all zero"]),
            ("1,x,1,1", ["not a list of numbers"]),
            ("", ["not a list of numbers"]),
            ("[1,1,1,1", ["only one bracket"]),
            ("__import__('os').getcwd()", ["not a list of numbers"]),
        )
    ),
    *(
        ([option, value], [option, value, "at least 1"])
        for option in (
            "--epochs",
            "--batch-size",
            "--val-test-batch-size",
            "--accumulate",
            "--patience",
            "--check-every-nth-batch",
        )
        for value in ("0", "-3")
    ),
    *(
        ([option, value], [option, value, "above 0"])
        for option in ("--learning-rate", "--clip-norm")
        for value in ("0", "-0.1", "nan", "inf")
    ),
    (["--seed", "-1"], ["--seed is -1", "at least 0"]),
    (["--weight-decay", "-1"], ["--weight-decay is -1"]),
    (["--weight-decay", "nan"], ["--weight-decay is nan"]),
    (["--epochs", "many"], ["--epochs", "'many'"]),
    (["--batch-size", "1.5"], ["--batch-size", "'1.5'"]),
    (["--batch-size", "none"], ["'none' is neither a whole number nor auto"]),
    (["--learning-rate", "fast"], ["--learning-rate", "'fast' is neither a number nor auto"]),
    (["--patience", "2.5"], ["--patience", "'2.5'"]),
    (["--check-every-nth-batch", "never"], ["--check-every-nth-batch", "'never'"]),
    (["--recipe", "cake"], ["--recipe", "'cake'", "default", "helixer"]),
    (["--recipe", "auto"], ["--recipe", "'auto'"]),
    (["--optimizer", "sgd"], ["--optimizer", "'sgd'", "adamw"]),
    (["--optimizer", "adam", "--weight-decay", "0.1"], ["--weight-decay", "--optimizer adamw"]),
    (["--precision", "float8"], ["--precision", "'float8'", "mixed_bfloat16"]),
    (["--cache-precision", "float16"], ["--cache-precision"]),
    (["--no-cache-features"], ["--no-cache-features"]),
    (["--backend", "torch"], ["--backend", "'torch'", "jax"]),
    (["--gpu-id", "-1"], ["--gpu-id"]),
    (["--fine-tune"], ["--fine-tune keeps the body fixed", "helixer-ft freeze"]),
    (["--fine-tune-resume"], ["--fine-tune-resume keeps the body fixed", "helixer-ft freeze"]),
    (["--keep-head"], ["--keep-head"]),
    (["--no-such-option"], ["--no-such-option"]),
    (["surplus"], ["surplus"]),
]


@pytest.mark.parametrize(("options", "parts"), OPTIONS, ids=lambda value: " ".join(value)[:60])
def test_options(work, options, parts):
    work.refused(*options, parts=parts)


FREEZE_OPTIONS = [
    (["--keep-head", "--post-coverage-hidden-layer"], ["--keep-head", "Give one of the two"]),
    (["--fine-tune-resume", "--post-coverage-hidden-layer"], ["--keep-head", "one of the two"]),
    (["--hidden-units", "5"], ["--hidden-units", "--post-coverage-hidden-layer"]),
    (["--hidden-units", "5", "--keep-head"], ["--hidden-units", "--post-coverage-hidden-layer"]),
    (["--post-coverage-hidden-layer", "--hidden-units", "0"], ["--hidden-units", "0"]),
    (["--post-coverage-hidden-layer", "--hidden-units", "-2"], ["--hidden-units", "-2"]),
    (["--freeze-batchnorm"], ["--freeze-batchnorm"]),
    (["--cache-precision", "float8"], ["--cache-precision", "'float8'", "float16"]),
]


@pytest.mark.parametrize(("options", "parts"), FREEZE_OPTIONS, ids=lambda v: " ".join(v)[:60])
def test_options_of_freeze(work, options, parts):
    work.refused(*options, parts=parts, command="freeze")


@pytest.mark.parametrize("command", ["whole", "freeze"])
@pytest.mark.parametrize("below", ["", "folder"])
def test_a_file_as_cache_folder(work, command, below):
    path = work.training / below
    parts = [f"{path}: the folder of the cache could not be made", "--cache-dir"]
    work.refused("--cache-dir", path, parts=parts, command=command)
    work.refused("--cache-dir", path, "--keep-cache", parts=parts, command=command)
    assert work.run("--cache-dir", path, "--dry-run").exit_code == 0  # nothing is written


def test_a_cache_folder_that_cannot_be_written_to(work, monkeypatch):
    folder = work.folder / "cache"
    folder.mkdir()
    access = os.access

    def no_writing(path, mode):
        return access(path, mode) and not (Path(path) == folder and mode & os.W_OK)

    monkeypatch.setattr(os, "access", no_writing)
    parts = [f"{folder}: is not writable", "--keep-cache", "--cache-dir"]
    work.refused("--cache-dir", folder, "--keep-cache", parts=parts)
    result = work.run("--cache-dir", folder, command="freeze")
    assert result.exit_code == 0, result.output
    assert f"{folder}: is not writable, so nothing is cached on disk" in result.stderr
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("options", [[], ["--keep-cache"]], ids=str)
def test_a_cache_folder_made_for_nothing_is_removed(work, options):
    edit_data("validation", fill("X", 2.5, where=(1, 0, 0)))(work)
    parts = ["data/X row 1"]
    work.refused("--cache-dir", work.folder / "cache", *options, parts=parts)


def test_keep_cache_leaves_nothing_of_a_run_that_is_refused(work, monkeypatch):
    """Its folder would be in the folder of the run."""
    for name in ("SLURM_TMPDIR", "TMPDIR"):
        monkeypatch.delenv(name, raising=False)
    edit_data("training", fill("X", np.nan, where=(1, 0, 0)))(work)
    work.refused("--keep-cache", parts=["data/X row 1"])


@pytest.mark.parametrize("missing", ["-l", "-d"])
def test_what_has_to_be_given(work, missing):
    given = {"-l": work.model, "-d": work.data}
    del given[missing]
    arguments = ["whole", *(str(part) for pair in given.items() for part in pair)]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 2
    assert f"'{missing}'" in result.stderr


def test_freezing_batchnorm_where_there_is_none(work):
    model = random_model(tiny_architecture(convs=1)).to_file({})
    write_model_file(work.model, model, force=True)
    work.refused("--freeze-batchnorm", parts=["--freeze-batchnorm", "no batch normalisation"])


def test_predict_phase_where_there_is_none(work):
    model = random_model(tiny_architecture(phase=False)).to_file({})
    write_model_file(work.model, model, force=True)
    text = work.refused("--predict-phase", parts=[f"{work.model}: does not predict phase"])
    assert "Leave it out" in text
    cache = work.folder / "cache"
    work.refused("--predict-phase", "--cache-dir", cache, parts=["does not predict phase"])


def test_an_unknown_backend_in_the_environment(work, monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    work.refused(parts=["'torch' (KERAS_BACKEND)", "tensorflow, jax"])


def test_wrong_usage_comes_before_wrong_files(work):
    """Nothing is read for a command that cannot run anyway."""
    work.refused("-l", work.folder / "no.h5", "--epochs", "0", parts=["--epochs is 0"])


# -- --config ----------------------------------------------------------------------------------

CONFIGS = [
    ("learning_rat = 1e-3", ["unknown option(s) learning_rat", "names of options of 'whole'"]),
    ("a = 1\nb = 2", ["unknown option(s) a, b"]),
    ("keep_head = true", ["unknown option(s) keep_head"]),
    ('command = "freeze"', ["configuration of 'freeze'", "this command is 'whole'"]),
    ("epochs == 3", ["could not be read as TOML"]),
    ("epochs = 'many'", ["--epochs", "'many'"]),
    ("epochs = 2.5", ["--epochs", "'2.5'"]),
    ("epochs = true", ["--epochs"]),
    ("recipe = 'cake'", ["--recipe", "'cake'"]),
    ("epochs = 0", ["--epochs is 0"]),
    ("epochs = [1]", ["epochs = [1]", "a single value"]),
    ("[epochs]\nx = 1", ["epochs = {'x': 1}", "a single value"]),
    ("data_dir = ['x', 'y']", ["data_dir = ['x', 'y']", "a single value"]),
    ("config = 'x.toml'", ["unknown option(s) config"]),
    ("class_weights = [1, 2]", ["--class-weights has 2 values"]),
    ("class_weights = [1, 2, 3, 'x']", ["not a list of numbers"]),
    ("transition_weights = [[1], 1, 1, 1, 1, 1]", ["not a list of numbers"]),
    ("freeze_batchnorm = 'perhaps'", ["perhaps"]),
    ("optimizer = 'sgd'", ["--optimizer", "'sgd'"]),
    ("precision = 'float8'", ["--precision", "'float8'"]),
    ("keep_cache = 'perhaps'", ["perhaps"]),
    ("cache_precision = 'float16'", ["unknown option(s) cache_precision"]),
]


@pytest.mark.parametrize(("text", "parts"), CONFIGS, ids=lambda value: str(value)[:40])
def test_config_files(work, text, parts):
    path = work.folder / "config.toml"
    path.write_text(text)
    work.refused("--config", path, parts=parts)


def test_config_files_that_cannot_be_read(work):
    no_file = work.folder / "no.toml"
    work.refused("--config", no_file, parts=[f"{no_file}: no such file", "TOML"])
    work.refused("--config", work.folder, parts=["is a folder", "TOML"])
    binary = work.folder / "binary.toml"
    binary.write_bytes(b"\xff\xfe\x00")
    work.refused("--config", binary, parts=[f"{binary}: could not be read"])


@pytest.mark.parametrize(
    ("text", "trainable"),
    [("freeze_batchnorm = true", True), ("freeze_batchnorm = false", False)],
)
def test_flags_in_config_files_mean_what_they_say(work, text, trainable):
    path = work.folder / "config.toml"
    path.write_text(text)
    result = work.run("--dry-run", "--config", path)
    assert result.exit_code == 0, result.output
    assert ("keeps its trained statistics" in result.stderr) == trainable
