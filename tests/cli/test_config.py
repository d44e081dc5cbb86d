"""`--config`: options of any command from a file; those on the command line override."""

import os
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from helixer_ft.cli import main

SOME = {
    "prepare": (
        'fasta = "g.fa"\nout_dir = "data"\nexclude = ["chrM", "chrC"]\nno_split = true\n'
        "utr_flank = 50\nvalidation_fraction = 0.2",
        {
            "fasta": Path("g.fa"), "out_dir": Path("data"), "exclude": ("chrM", "chrC"),
            "no_split": True, "utr_flank": 50, "validation_fraction": 0.2,
        },
        (["--utr-flank", "70"], "utr_flank", 70),
    ),
    "add-coverage": (
        'data_dir = "data"\nbam = "leaf.bam"\nbigwig = ["a.bw,b.bw", "c.bw"]\n'
        'coverage_prefix = "cage"\ntrack_names = "x,y,z"',
        {
            "data_dir": Path("data"), "bam": (Path("leaf.bam"),), "prefix": "cage",
            "bigwig": ((Path("a.bw"), Path("b.bw")), (Path("c.bw"),)),
            "track_names": ("x", "y", "z"),
        },
        (["--bam", "root.bam"], "bam", (Path("root.bam"),)),
    ),
    "evaluate": (
        'load_model_path = ["a.h5", "b.h5"]\ntest_data = "t.h5"\noverlap = true\nseed = 3',
        {
            "load_model_path": (Path("a.h5"), Path("b.h5")), "test_data": (Path("t.h5"),),
            "overlap": True, "seed": 3,
        },
        (["--no-overlap"], "overlap", False),
    ),
    "predict": (
        'command = "predict"\nload_model_path = "a.h5"\nfasta = "g.fa"\noverlap = false\n'
        'val_test_batch_size = 7\ndeterministic = true\nbackend = "jax"\njson = true',
        {
            "load_model_path": Path("a.h5"), "fasta": Path("g.fa"), "overlap": False,
            "val_test_batch_size": 7, "deterministic": True, "backend": "jax", "as_json": True,
        },
        (["--backend", "auto"], "backend", "auto"),
    ),
    "evaluate-genes": (
        'predicted = "p.gff3"\nreference = "r.gff3"\nfasta = "g.fa"\nseqids = "chr1,chr2"',
        {"predicted": (Path("p.gff3"),), "seqids": ("chr1", "chr2")},
        (["--seqids", "chr3"], "seqids", ("chr3",)),
    ),
}  # fmt: skip


def parsed(command: str, *arguments: object) -> dict[str, Any]:
    """The parameters that a command would run with."""
    found = main.get_command(click.Context(main), command)
    return found.make_context(command, list(map(str, arguments)), **main.context_settings).params


@pytest.mark.parametrize("command", SOME)
def test_options_from_a_file(command, tmp_path):
    text, expected, (flags, name, value) = SOME[command]
    path = tmp_path / "run.toml"
    path.write_text(text)
    values = parsed(command, "--config", path)
    assert {key: values[key] for key in expected} == expected
    assert parsed(command, "--config", path, *flags) == values | {name: value}


REQUIRED = {
    "predict": ["-l", "a.h5"],
    "evaluate": ["-l", "a.h5", "-t", "t.h5"],
    "prepare": ["--out-dir", "d"],
    "add-coverage": [],
}
REFUSED = [
    ("predict", "fast = 'g.fa'", ["unknown option(s) fast", "names of options of 'predict'"]),
    ("predict", "config = 'g.toml'", ["unknown option(s) config"]),
    ("predict", "as_json = true", ["unknown option(s) as_json"]),
    ("predict", 'command = "whole"', ["configuration of 'whole'", "command is 'predict'"]),
    ("predict", 'load_model_path = "a\\u0000b"', ["NUL character in load_model_path"]),
    ("evaluate", 'test_data = ["a", "b\\u0000"]', ["NUL character in test_data"]),
    ("predict", "overlap = 'maybe'", ["maybe", "set in the --config file"]),
    ("predict", "load_model_path = ['a', 'b']", ["load_model_path = ['a', 'b']", "single value"]),
    ("evaluate", "seed = -1", ["-1", "x>=0", "set in the --config file"]),
    ("evaluate", "test_data = {a = 1}", ["test_data = {'a': 1}", "expected a list"]),
    ("prepare", "utr_flank = 'wide'", ["'wide' is not a valid integer", "--config file"]),
    ("add-coverage", "bigwig = ['a,b,c']", ["'a,b,c'", "--config file"]),
]


@pytest.mark.parametrize(("command", "text", "parts"), REFUSED)
def test_what_cannot_be_used(command, text, parts, tmp_path):
    path = tmp_path / "run.toml"
    path.write_text(text)
    with pytest.raises(click.BadParameter) as caught:
        parsed(command, *REQUIRED[command], "--config", path)
    for part in parts:
        assert part in caught.value.format_message()


def test_an_error_on_the_command_line_is_not_the_file_s(tmp_path):
    path = tmp_path / "run.toml"
    path.write_text("utr_flank = 3")
    with pytest.raises(click.BadParameter) as caught:
        parsed("prepare", "--out-dir", "d", "--config", path, "--utr-flank", "wide")
    assert "'wide'" in caught.value.format_message()
    assert "--config" not in caught.value.format_message()


def test_the_backend_of_the_file_is_taken_and_said(model_path, data_dir, tmp_path):
    name = os.environ["KERAS_BACKEND"]
    path = tmp_path / "run.toml"
    path.write_text(
        f'load_model_path = "{model_path}"\ndata_dir = "{data_dir}"\nbackend = "{name}"'
    )
    arguments = ["freeze", "--config", str(path), "--dry-run"]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    assert f"Keras backend: {name} (--config)" in result.stderr
    result = CliRunner().invoke(main, [*arguments, "--backend", name])
    assert f"Keras backend: {name} (--backend)" in result.stderr
