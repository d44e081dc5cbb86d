"""The command-line reference is up to date, and documented commands are commands."""

import importlib.util
import re
import shlex
from pathlib import Path

import click
import pytest

from tests.docs.pages import PAGES, ROOT, command_lines, page_name


def _load_generator():
    spec = importlib.util.spec_from_file_location("generate_cli", ROOT / "docs/generate_cli.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


GENERATOR = _load_generator()
COMMANDS = {context.info_name: context for context in GENERATOR.contexts()[1:]}


def options(context: click.Context) -> list[click.Option]:
    """The options of a command that its help shows."""
    parameters = context.command.get_params(context)
    return [p for p in parameters if isinstance(p, click.Option) and not p.hidden]


_COMMAND = re.compile(
    r"(?:"
    r"helixer-ft"
    r"|(?:docker|apptainer) run .*? helixer-ft(?::cuda|(?:-cuda)?\.sif)?"
    r") (?P<arguments>.*)"
    r'|(?:\w+=\$\()?sbatch .* --wrap "helixer-ft (?P<wrapped>.*)"\)?'
)
"""As typed, in a container, or as a job of its own."""


def documented_commands(text: str) -> list[str]:
    """Commands in the code blocks of a page, or in a script, as `helixer-ft ...`."""
    found = [match for line in command_lines(text) if (match := _COMMAND.fullmatch(line))]
    arguments = [match["arguments"] or match["wrapped"] for match in found]
    return ["helixer-ft " + re.split(r"\s(?:#|\d?>|\||&)", line)[0] for line in arguments]


EXAMPLES = [
    pytest.param(line, id=f"{page_name(path)}: {line}"[:80])
    for path in (*PAGES, *sorted(ROOT.glob("docs/slurm/*.sh")))
    if path != GENERATOR.PATH
    for line in documented_commands(path.read_text(encoding="utf-8"))
]
"""Every command shown to users outside the reference itself."""


def parse(line: str) -> None:
    """Check that a command line is one that helixer-ft takes; nothing runs.

    Raises click's own error for an unknown command or option, a value that its option does not
    take, a missing or a superfluous argument.
    """
    _, name, *arguments = shlex.split(re.sub(r"\$i\b", "1", line))  # in a loop over numbers
    if name.startswith("-"):
        assert name in ("-h", "--help", "--version")
        return
    if name not in COMMANDS:
        raise click.NoSuchOption(name)
    context = COMMANDS[name]
    values, rest, given = context.command.make_parser(context).parse_args(arguments)
    assert not rest, f"superfluous: {rest}"
    for parameter in dict.fromkeys(given):
        parameter.type_cast_value(context, values[parameter.name])
    missing = {p for p in context.command.params if p.required} - set(given)
    assert not missing or {"config", "help"} & set(values), f"missing: {missing}"


def test_reference_is_what_help_says():
    text = GENERATOR.PATH.read_text(encoding="utf-8")
    assert text == GENERATOR.render(), "out of date: run python docs/generate_cli.py"


def test_reference_has_every_command_and_nothing_wider_than_a_terminal():
    text = GENERATOR.PATH.read_text(encoding="utf-8")
    names = re.findall(r"^## (.*)$", text, re.M)
    assert names == ["helixer-ft", *(f"helixer-ft {name}" for name in COMMANDS)]
    help_text = "".join(re.findall(r"^```text\n(.*?)^```", text, re.M | re.S))
    assert max(map(len, help_text.splitlines())) <= GENERATOR.WIDTH


@pytest.mark.parametrize("context", COMMANDS.values(), ids=COMMANDS)
def test_every_command_and_option_has_help(context):
    assert context.command.help
    assert [option.opts[-1] for option in options(context) if not option.help] == []


@pytest.mark.parametrize("context", COMMANDS.values(), ids=COMMANDS)
def test_every_command_has_an_example(context):
    """`test_documented_command_parses` runs these, as they stand in docs/cli.md, too."""
    lines = documented_commands(context.get_help())
    assert any(f"{line} ".startswith(f"{context.command_path} ") for line in lines)


@pytest.mark.parametrize("context", COMMANDS.values(), ids=COMMANDS)
def test_every_option_is_in_its_section_of_the_reference(context):
    text = GENERATOR.PATH.read_text(encoding="utf-8")
    section = text.split(f"## {context.command_path}\n")[1].split("\n## ")[0]
    words = set(re.findall(r"(?<![\w-])--?[a-zA-Z][\w-]*", section))
    names = {name for option in options(context) for name in option.opts}
    assert names >= {"--json", "--debug"} or context.info_name == "completion"
    assert names - words == set()


@pytest.mark.parametrize("line", EXAMPLES)
def test_documented_command_parses(line, monkeypatch):
    monkeypatch.setattr("helixer_ft.cli.types.find_released", Path)  # as if all were downloaded
    parse(line)


def test_training_page_shows_every_strategy():
    lines = documented_commands((ROOT / "training.md").read_text(encoding="utf-8"))
    used = " ".join(lines)
    assert {line.split()[1] for line in lines} >= {"whole", "freeze"}
    for option in ("--post-coverage-hidden-layer", "--keep-head", "--freeze-batchnorm"):
        assert option in used


@pytest.mark.parametrize(
    "line",
    [
        "helixer-ft wohle -l a.h5 -d data",
        "helixer-ft whole -l a.h5 -d data --keep-head",
        "helixer-ft whole -l a.h5 -d data -e many",
        "helixer-ft freeze -l a.h5",
        "helixer-ft freeze -l a.h5 -d data more",
    ],
)
def test_wrong_command_does_not_parse(line):
    with pytest.raises((click.ClickException, AssertionError)):
        parse(line)


def test_commands_are_found_in_pages_and_scripts():
    page = "helixer-ft in prose\n```bash\nhelixer-ft whole \\\n  -l a.h5 > log  # note\nls\n```\n"
    assert [line.split() for line in documented_commands(page)] == [
        ["helixer-ft", "whole", "-l", "a.h5"]
    ]
    assert documented_commands("# x\nhelixer-ft --help\n") == ["helixer-ft --help"]


@pytest.mark.parametrize(
    ("line", "command"),
    [
        ('docker run --rm -v "$PWD:/data" helixer-ft inspect a.h5', "helixer-ft inspect a.h5"),
        (
            "apptainer run --nv helixer-ft-cuda.sif whole -l a.h5 -d d",
            "helixer-ft whole -l a.h5 -d d",
        ),
        ('x=$(sbatch --mem=1G --wrap "helixer-ft inspect a.h5")', "helixer-ft inspect a.h5"),
        ('sbatch --mem=1G --wrap "helixer-ft inspect a.h5"', "helixer-ft inspect a.h5"),
        ("apptainer build helixer-ft.sif containers/helixer-ft.def", None),
    ],
)
def test_commands_are_found_in_containers_and_jobs(line, command):
    assert documented_commands(line) == ([command] if command else [])
