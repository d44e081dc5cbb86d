"""Names from files on the terminal: what steers a terminal is shown and not sent."""

import json

import h5py
import numpy as np
import pytest
from click.testing import CliRunner
from conftest import random_rows, tiny_architecture

from helixer_ft.cli import main
from helixer_ft.cli.printable import PlainConsole, one_line, printable
from helixer_ft.formats.model_h5 import write_model_file
from helixer_ft.network.config_reader import parse_config
from tests.data_files import write_data_file
from tests.network.builders import random_model, rename

RED, TITLE, UP = "\x1b[31m", "\x1b]0;title\x07", "\x1b[2A\r"
EVIL = f"chr{RED}1{TITLE}"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Ärabidopsis × 2 → ok – fine", "Ärabidopsis × 2 → ok – fine"),
        (RED, "\\x1b[31m"),
        ("a\rb\x07\x9b\x7f", "a\\rb\\x07\\x9b\\x7f"),
        ("\u202egenes", "\\u202egenes"),
        ("two\nlines", "two\nlines"),
        ("\udcff", "\\udcff"),
        ("[bold]a[/] :smile:", "[bold]a[/] :smile:"),
    ],
)
def test_what_is_shown(text, shown, capsys):
    assert printable(text) == shown
    PlainConsole(width=100).print(text)
    assert capsys.readouterr().out == shown + "\n"


def test_one_line_stays_one_line():
    assert one_line("gene\nVerdict: better\x1b") == "gene\\nVerdict: better\\x1b"


def run(*arguments):
    result = CliRunner().invoke(main, [str(argument) for argument in arguments], color=True)
    for text in (result.stdout, result.stderr):
        assert all(letter.isprintable() or letter == "\n" for letter in text)
    return result


def test_names_in_a_data_file(tmp_path):
    path = tmp_path / "data.h5"
    rows = random_rows(2)
    rows["seqids"] = np.full(4, EVIL.encode(), "S50")
    rows["species"] = np.full(4, b"a\nCoverage: none[/red]", "S25")
    write_data_file(path, rows)
    with h5py.File(path, "a") as file:
        file.attrs["helixer_ft_command_line"] = f"helixer-ft {UP} --fasta\nx"
    result = run("inspect", path)
    assert result.exit_code == 0, result.output
    assert "4 windows of chr\\x1b[31m1\\x1b]0;title\\x07" in result.stdout
    assert "Species a\\nCoverage: none[/red]: 4 windows" in result.stdout
    assert "helixer_ft_command_line: helixer-ft \\x1b[2A\\r --fasta\\nx" in result.stdout
    assert EVIL in json.dumps(json.loads(run("inspect", path, "--json").stdout)).encode().decode(
        "unicode_escape"
    )


def test_names_of_layers_are_no_markup(tmp_path):
    """Rich would take [bold] for one."""
    path = tmp_path / "model.h5"
    architecture = tiny_architecture()
    model = random_model(architecture)
    name = f"[bold]{RED}"
    config = rename(model.file.config, "bidirectional", name)
    next(layer for layer in config["config"]["layers"] if layer["name"] == name)["config"][
        "name"
    ] = name
    renamed = random_model(parse_config(config, "test"), config=config)
    write_model_file(path, renamed.to_file({"note": UP}))
    result = run("inspect", path)
    assert result.exit_code == 0, result.output
    assert "[bold]\\x1b[31m BiLSTM" in " ".join(result.stdout.split())
    assert "note: \\x1b[2A\\r" in result.stdout


def test_errors_that_quote_a_file(tmp_path):
    fasta = tmp_path / "genome.fa"
    fasta.write_text(f">{EVIL}\nACGT\n>{EVIL}\nACGT\n")
    result = run("prepare", "--fasta", fasta, "--out-dir", tmp_path / "out")
    assert result.exit_code == 2
    assert "the sequence name 'chr\\x1b[31m1\\x1b]0;title\\x07' is not unique" in result.stderr
    config = tmp_path / "config.toml"
    config.write_text('"\\u001b[31mred" = 1\n')
    result = run("whole", "-l", "x.h5", "-d", tmp_path, "--config", config)
    assert result.exit_code == 2
    assert "has the unknown option(s) \\x1b[31mred" in result.stderr


def test_notices_that_quote_a_file(tmp_path):
    fasta, gff3 = tmp_path / "genome.fa", tmp_path / "genes.gff3"
    fasta.write_text(f">a\n{'ACGT' * 300}\n>b\n{'ACGT' * 300}\n")
    line = "{}\tx\t{}\t1\t{}\t.\t+\t{}\t{}\n"
    gff3.write_text(
        line.format("a", "gene", 900, ".", "ID=g")
        + line.format("a", "CDS", 900, 0, "ID=c;Parent=g")
        + line.format("b", "mRNA", 90, ".", "ID=m%1b%0d;Parent=%1b[31mnobody%0aError: x")
        + line.format("b", "exon", 90, ".", "Parent=m%1b%0d")
    )
    options = ("--no-split", "--subsequence-length", 900, "--out-dir", tmp_path / "out")
    result = run("prepare", "--fasta", fasta, "--gff3", gff3, *options)
    assert result.exit_code == 0, result.output
    assert "\\x1b[31mnobody\\nError: x" in result.stderr
