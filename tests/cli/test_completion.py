"""What a shell completes, and how quickly it can: nothing heavy is imported."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.shell_completion import ShellComplete

from helixer_ft.cli import COMMANDS, main

ROOT = Path(__file__).parents[2]
VARIABLE = "_HELIXER_FT_COMPLETE"


def completed(*words: str) -> list[str]:
    """What is offered for the last word; the kind, where it is the shell's to complete."""
    *before, incomplete = words
    complete = ShellComplete(main, {}, "helixer-ft", VARIABLE)
    found = complete.get_completions(before, incomplete)
    return [item.value if item.type == "plain" else item.type for item in found]


def test_commands_in_their_order():
    assert completed("") == list(COMMANDS)
    assert completed("pre") == ["prepare", "predict"]
    assert completed("--v") == ["--version"]


def test_options_and_their_choices():
    assert completed("freeze", "--cache-p") == ["--cache-precision"]
    assert completed("whole", "--keep-h") == []
    assert completed("freeze", "--keep-h") == ["--keep-head"]
    assert completed("whole", "--backend", "") == ["auto", "tensorflow", "jax"]
    assert completed("predict", "--gpu") == []  # hidden: HybridModel.py's
    assert completed("completion", "") == ["bash", "zsh", "fish"]


@pytest.mark.parametrize("command", ["whole", "freeze", "evaluate", "predict"])
def test_lineages_where_no_file_begins_so(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert completed(command, "-l", "") == ["fungi", "invertebrate", "land_plant", "vertebrate"]
    assert completed(command, "-l", "la") == ["land_plant"]
    (tmp_path / "lab[1].h5").touch()
    assert completed(command, "-l", "la") == ["file"]
    assert completed(command, "-l", "lab[") == ["file"]
    assert completed(command, "-l", "lan") == ["land_plant"]


def test_paths():
    assert completed("prepare", "--fasta", "gen") == ["file"]
    assert completed("add-coverage", "--bigwig", "gen") == ["file"]
    assert completed("inspect", "tun") == ["file"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_script_names_the_program_and_its_variable(shell, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["completion", shell])
    assert ended.value.code == 0
    script = capsys.readouterr().out
    assert f"{VARIABLE}={shell}_complete" in script
    assert "helixer-ft" in script


def test_bash_completes(tmp_path):
    """A real bash, with the script loaded and a program of that name on the path."""
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("needs bash")
    report = "import atexit, sys; atexit.register(lambda: print(*sys.modules, file=sys.stderr))"
    program = tmp_path / "bin" / "helixer-ft"
    program.parent.mkdir()
    program.write_text(
        f"#!{sys.executable}\n{report}\n"
        "from helixer_ft.cli import main\nmain(prog_name='helixer-ft')\n"
    )
    program.chmod(0o755)
    asked = """
        source <(helixer-ft completion bash 2> /dev/null)
        complete -p helixer-ft
        COMP_WORDS=(helixer-ft freeze -l la) COMP_CWORD=3
        _helixer_ft_completion helixer-ft
        echo "${COMPREPLY[@]}"
    """
    done = subprocess.run(
        [bash, "--norc", "-c", asked],
        cwd=tmp_path, capture_output=True, text=True, check=True,
        env=os.environ | {
            "PATH": f"{program.parent}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)
        },
    )  # fmt: skip
    assert done.stdout.splitlines() == [
        "complete -o nosort -F _helixer_ft_completion helixer-ft",
        "land_plant",
    ]
    assert "click" in done.stderr.split()
    assert not {"keras", "tensorflow", "jax", "numpy", "h5py", "rich"} & set(done.stderr.split())
