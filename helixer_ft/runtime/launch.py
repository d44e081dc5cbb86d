"""Which of several processes this one is: from options, or from what SLURM sets for its tasks.

JAX finds SLURM's tasks, too, but has no public function that says what it found, is not imported
yet when the backend is chosen, and gives all steps of a job the same port.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from helixer_ft.errors import InputError


@dataclass(frozen=True)
class Launch:
    """Where one of several processes finds the others.

    Attributes
    ----------
    coordinator
        "HOST:PORT" of the first process, the same for all.
    count, index
        Number of processes, and which one this is, from 0.
    """

    coordinator: str
    count: int
    index: int

    @property
    def name(self) -> str:
        """For messages, counted as in --process-id."""
        return f"process {self.index} (of {self.count})"


def launch_from(
    coordinator: str | None,
    num_processes: int | None,
    process_id: int | None,
    environ: Mapping[str, str],
) -> Launch | None:
    """Which of several processes this one is; None: it is one alone.

    Parameters
    ----------
    coordinator, num_processes, process_id
        As given on the command line: all three, or none.
    environ
        Where none is given: variables that SLURM sets for each task that srun starts.

    Raises
    ------
    InputError
        Options that do not belong together.
    """
    given = {
        "--coordinator": coordinator,
        "--num-processes": num_processes,
        "--process-id": process_id,
    }
    missing = [name for name, value in given.items() if value is None]
    if len(missing) == len(given):
        return _launch_of_slurm(environ)
    if coordinator is None or num_processes is None or process_id is None:
        raise InputError(
            f"{' and '.join(missing)} must be given too: several processes need --coordinator "
            "HOST:PORT (of the first one), --num-processes and --process-id (0 for the first one)."
        )
    if num_processes < 1:
        raise InputError(f"--num-processes is {num_processes}, expected at least 1.")
    if not 0 <= process_id < num_processes:
        raise InputError(
            f"--process-id is {process_id}, expected 0 to {num_processes - 1} with --num-processes "
            f"{num_processes}."
        )
    host, _, port = coordinator.rpartition(":")
    number = _whole_number(port)
    if not host or number is None or not 0 < number < 65536:
        raise InputError(
            f"--coordinator is '{coordinator}', expected HOST:PORT: the name of the machine of "
            "process 0 and a free port on it, for example node001:12345."
        )
    if num_processes == 1:
        return None
    return Launch(coordinator, num_processes, process_id)


def _launch_of_slurm(environ: Mapping[str, str]) -> Launch | None:
    """From what srun sets; the batch script itself and `srun -n 1` are one process alone."""
    names = ("SLURM_STEP_NODELIST", "SLURM_STEP_NUM_TASKS", "SLURM_PROCID", "SLURM_JOB_ID")
    nodes, *texts = (environ.get(name, "") for name in names)
    count, index, job = map(_whole_number, texts)
    if not nodes or count is None or index is None or job is None or count < 2:
        return None
    if index >= count:
        raise InputError(
            f"SLURM_PROCID is {index}, expected 0 to {count - 1} as SLURM_STEP_NUM_TASKS is "
            f"{count}. Start the processes with srun, or give --coordinator, --num-processes and "
            "--process-id."
        )
    step = _whole_number(environ.get("SLURM_STEP_ID", "0")) or 0
    port = 61440 + (job * 64 + step) % 4096  # two steps of a job may meet
    return Launch(f"{_first_host(nodes)}:{port}", count, index)


def _whole_number(text: str) -> int | None:
    """The number that a text is; None: it is not one."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


def _first_host(nodes: str) -> str:
    """The first of SLURM's node list: node[003-007,012],other -> node003."""
    found = re.match(r"(?:[^,\[]|\[[^\]]*\])*", nodes)
    assert found is not None, "any text matches"
    return re.sub(r"\[([^\],-]*)[^\]]*\]", r"\1", found.group())
