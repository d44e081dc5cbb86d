"""The recipes for containers install what the package has, and both the same."""

import re
import subprocess
import tomllib

import pytest

from helixer_ft.runtime.backend import LEAST_KERAS
from tests.docs.pages import ROOT

DOCKERFILE = (ROOT / "containers/Dockerfile").read_text(encoding="utf-8")
DEFINITION = (ROOT / "containers/helixer-ft.def").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def docker_instructions() -> list[tuple[str, str]]:
    """Keyword and arguments of each."""
    joined = re.sub(r"^#.*\n", "", DOCKERFILE, flags=re.M).replace("\\\n", " ")
    return [tuple(line.split(maxsplit=1)) for line in joined.splitlines() if line.strip()]


def apptainer_sections() -> dict[str, list[str]]:
    """Lines of each section."""
    parts = re.split(r"^%(\w+)\n", DEFINITION, flags=re.M)[1:]
    names, bodies = parts[::2], parts[1::2]
    return {
        name: [line.strip() for line in body.splitlines() if line.strip()]
        for name, body in zip(names, bodies, strict=True)
    }


def commands_of_docker() -> list[str]:
    runs = [arguments for keyword, arguments in docker_instructions() if keyword == "RUN"]
    assert runs.pop().startswith("mkdir"), "the folder of a volume, which Apptainer does not have"
    return [" ".join(command.split()) for run in runs for command in run.split("&&")]


def test_both_run_the_same_commands_on_the_same_base():
    sections = apptainer_sections()
    theirs = [line.replace("{{ EXTRA }}", "$EXTRA") for line in sections["post"]]
    assert [*theirs, *sections["test"]] == commands_of_docker()
    (base,) = [arguments for keyword, arguments in docker_instructions() if keyword == "FROM"]
    assert f"From: {base}\n" in DEFINITION


def test_what_is_copied_is_there_and_enough_to_install():
    copied = [
        word
        for keyword, arguments in docker_instructions()
        if keyword == "COPY"
        for word in arguments.split()[:-1]
    ]
    assert copied == [line.split()[0] for line in apptainer_sections()["files"]]
    assert all((ROOT / name).exists() for name in copied)
    assert {"pyproject.toml", "helixer_ft", PROJECT["readme"], *PROJECT["license-files"]} <= set(
        copied
    )


def test_extras_and_program_are_those_of_the_package():
    named = set(re.findall(r"EXTRA=(\w+)", DOCKERFILE + DEFINITION))
    assert named == {"jax", "cuda"}
    assert named <= set(PROJECT["optional-dependencies"])
    assert ("ENTRYPOINT", '["helixer-ft"]') in docker_instructions()
    assert apptainer_sections()["runscript"] == ['exec helixer-ft "$@"']
    assert "helixer-ft" in PROJECT["scripts"]


def test_both_show_the_gpus_and_keep_what_is_compiled():
    variables = " ".join(
        arguments for keyword, arguments in docker_instructions() if keyword == "ENV"
    )
    lines = apptainer_sections()["environment"]
    for name, value in {
        "NVIDIA_VISIBLE_DEVICES": "all", "NVIDIA_DRIVER_CAPABILITIES": "compute,utility",
    }.items():  # fmt: skip
        assert f"{name}={value}" in variables.split()
        assert f'export {name}="${{{name}:-{value}}}"' in lines
    assert "JAX_COMPILATION_CACHE_DIR=/cache/jax" in variables
    assert ("VOLUME", "/cache") in docker_instructions()
    assert any(line.startswith("export JAX_COMPILATION_CACHE_DIR=") for line in lines)


def test_base_has_a_python_that_the_package_takes():
    major, minor = re.search(r"^FROM python:(\d+)\.(\d+)", DOCKERFILE, re.M).groups()
    needed = re.fullmatch(r">=(\d+)\.(\d+)", PROJECT["requires-python"]).groups()
    assert (int(major), int(minor)) >= tuple(map(int, needed))


@pytest.mark.parametrize("command", [*commands_of_docker(), *apptainer_sections()["post"]])
def test_commands_are_valid_shell(command):
    done = subprocess.run(["sh", "-n", "-c", command], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_least_keras_is_that_of_the_package():
    (keras,) = [text for text in PROJECT["dependencies"] if text.startswith("keras")]
    least = ".".join(map(str, LEAST_KERAS))
    assert keras.startswith(f"keras>={least},<3.")
