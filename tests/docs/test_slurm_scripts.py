"""The SLURM scripts run as they stand, with SLURM's commands and helixer-ft replaced by ones that
write down how they were called.
"""

import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest

from tests.docs.test_cli_reference import parse

SCRIPTS = sorted((Path(__file__).parents[2] / "docs/slurm").glob("*.sh"))
VARIABLES = {
    "MODEL": "land plant.h5",
    "DATA": "data",
    "TEST": "test_data.h5",
    "OUT": "out.h5",
    "FASTA": "genome.fa.gz",
}
NEEDED = [
    (script, name)
    for script in SCRIPTS
    for name in re.findall(r'"\$\{(\w+):\?', script.read_text())
]


class Cluster:
    """Commands of SLURM in a folder."""

    def __init__(self, folder: Path, status: int = 0) -> None:
        self.folder = folder
        self.log = folder / "log"
        write = f'printf "%q " "$(basename "$0")" "$@" >> {self.log}; echo >> {self.log}\n'
        for name, then in (
            ("srun", 'exec "$@"\n'),
            ("scontrol", ""),
            ("helixer-ft", f"exit {status}\n"),
        ):
            path = folder / name
            path.write_text("#!/bin/bash\n" + ("" if name == "srun" else write) + then)
            path.chmod(0o755)

    def run(self, script: Path, **variables: str) -> tuple[int, list[str]]:
        """Exit status, and the commands that ran."""
        path = f"{self.folder}:{os.environ['PATH']}"
        done = subprocess.run(
            ["bash", script],
            env={"PATH": path, "SLURM_JOB_ID": "17"} | variables,
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
        )
        ran = self.log.read_text().splitlines() if self.log.exists() else []
        return done.returncode, [line.strip() for line in ran]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_script_runs_a_command_that_helixer_ft_takes(script, tmp_path):
    status, ran = Cluster(tmp_path).run(script, **VARIABLES)
    assert status == 0
    (command,) = ran
    parse(command)
    words = shlex.split(command)
    assert words[words.index("--load-model-path") + 1] == "land plant.h5"
    (output,) = {"--save-model-path", "--prediction-output-path"} & set(words)
    assert words[words.index(output) + 1] == "out.h5"
    assert {"--resume", "--require-gpu"} <= set(words)


def test_what_scripts_need():
    needed = {script.name: {name for one, name in NEEDED if one == script} for script in SCRIPTS}
    assert needed.pop("predict.sh") == {"MODEL", "FASTA", "OUT"}
    assert all(names == {"MODEL", "DATA", "TEST", "OUT"} for names in needed.values())


@pytest.mark.parametrize(
    ("script", "missing"), NEEDED, ids=lambda one: one if isinstance(one, str) else one.name
)
def test_script_needs_its_variables(script, missing, tmp_path):
    given = {name: value for name, value in VARIABLES.items() if name != missing}
    status, ran = Cluster(tmp_path).run(script, **given)
    assert status != 0
    assert ran == []


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_script_is_told_of_its_time_limit(script):
    """The signal goes to the steps, so the command must be one: srun."""
    text = script.read_text()
    assert re.search(r"^#SBATCH --signal=USR1@\d+$", text, re.M)
    assert re.search(r"^srun helixer-ft ", text, re.M)


@pytest.mark.parametrize(("status", "requeued"), [(0, False), (1, False), (75, True)])
def test_an_interrupted_job_goes_back_into_the_queue(tmp_path, status, requeued):
    script = next(path for path in SCRIPTS if path.name == "preemptible.sh")
    ended, ran = Cluster(tmp_path, status).run(script, **VARIABLES)
    assert ended == status
    assert ("scontrol requeue 17" in ran) == requeued
    assert re.search(r"^#SBATCH --requeue$", script.read_text(), re.M)
