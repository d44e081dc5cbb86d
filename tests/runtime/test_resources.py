"""How much memory a job may take, from control groups and variables of a made-up machine."""

from pathlib import Path

import pytest

from helixer_ft.runtime import resources

MIB = 2**20
V1_UNLIMITED = 0x7FFFFFFFFFFFF000


class Machine:
    """Files as the kernel shows them: 1000 MiB are left, of which limits may leave less."""

    def __init__(self, folder: Path) -> None:
        self.proc, self.cgroup = folder / "proc", folder / "cgroup"
        self.write(
            self.proc / "meminfo", "MemTotal: 9999999 kB\nMemAvailable: 1024000 kB\nCached: 5 kB\n"
        )
        self.write(self.proc / "self" / "status", "VmHWM:\t 30720 kB\nVmRSS:\t 20480 kB\n")

    def write(self, path: Path, content: object) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{content}\n")

    def is_in(self, *lines: str) -> None:
        """The control groups of this process."""
        self.write(self.proc / "self" / "cgroup", "\n".join(lines))

    def v2(self, group: str, limit: object, used: int, inactive: int = 0) -> None:
        folder = self.cgroup / group
        self.write(folder / "memory.max", limit)
        self.write(folder / "memory.current", used * MIB)
        self.write(folder / "memory.stat", f"anon 1\ninactive_file {inactive * MIB}\nother 2")

    def v1(self, group: str, limit: object, used: int, inactive: int = 0) -> None:
        folder = self.cgroup / "memory" / group
        self.write(folder / "memory.limit_in_bytes", limit)
        self.write(folder / "memory.usage_in_bytes", used * MIB)
        self.write(folder / "memory.stat", f"cache 7\ninactive_file {inactive * MIB}")


@pytest.fixture
def machine(tmp_path, monkeypatch) -> Machine:
    machine = Machine(tmp_path)
    monkeypatch.setattr(resources, "_PROC", machine.proc)
    monkeypatch.setattr(resources, "_CGROUP", machine.cgroup)
    for name in ("SLURM_MEM_PER_NODE", "SLURM_MEM_PER_CPU", "SLURM_CPUS_ON_NODE"):
        monkeypatch.delenv(name, raising=False)
    return machine


def available() -> float:
    """In MiB."""
    return resources.available_memory() / MIB


def test_a_machine_without_limits(machine):
    assert available() == 1000
    machine.is_in("0::/")
    assert available() == 1000


def test_memory_of_this_process(machine):
    memory = resources.ProcessMemory()
    assert resources.memory_in_use() == memory.in_use() == 20 * MIB
    assert memory.peak() == 30 * MIB
    assert memory.available() == 1000 * MIB
    memory.reset_peak()
    assert (machine.proc / "self" / "clear_refs").read_text() == "5"


def test_without_proc_half_of_the_machines_memory_may_be_taken(machine, monkeypatch):
    monkeypatch.setattr(resources, "_PROC", machine.proc / "not")
    assert resources.available_memory() == resources.machine_memory() // 2 > 0
    assert resources.memory_in_use() > MIB
    resources.ProcessMemory().reset_peak()


def test_version_2_counts_what_is_used_but_not_what_can_be_dropped(machine):
    machine.is_in("0::/job")
    machine.v2("job", 500 * MIB, used=300)
    assert available() == 200
    machine.v2("job", 500 * MIB, used=300, inactive=120)
    assert available() == 320
    machine.v2("job", "max", used=300)
    assert available() == 1000
    machine.v2("job", 100 * MIB, used=300)
    assert available() == 0


@pytest.mark.parametrize("tight", ["slice", "slice/job", "slice/job/step"])
def test_version_2_every_group_around_the_process_counts(machine, tight):
    machine.is_in("0::/slice/job/step")
    for group in ("slice", "slice/job", "slice/job/step"):
        machine.v2(group, 300 * MIB if group == tight else 900 * MIB, used=50)
    machine.v2("elsewhere", 60 * MIB, used=50)
    assert available() == 250


def test_version_2_within_a_container(machine):
    """The container's root is the group that has the limit."""
    machine.is_in("0::/")
    machine.v2(".", 400 * MIB, used=100)
    assert available() == 300
    machine.is_in("0::/../../outside")  # a path that is not to be seen from inside
    assert available() == 300


def test_version_1(machine):
    machine.is_in("5:cpu,cpuacct:/job", "4:memory:/slurm/job", "1:name=systemd:/", "0::/")
    machine.v1("slurm/job", 500 * MIB, used=300, inactive=100)
    machine.v1("slurm", V1_UNLIMITED, used=900)
    machine.v1(".", V1_UNLIMITED, used=900)
    assert available() == 300
    machine.v1("slurm", 600 * MIB, used=350)
    assert available() == 250
    machine.v2("job", 1 * MIB, used=0)  # no group of version 2
    assert available() == 250


def test_version_1_with_memory_among_other_controllers(machine):
    machine.is_in("4:hugetlb,memory:/job")
    machine.v1("job", 500 * MIB, used=300)
    assert available() == 200


@pytest.mark.parametrize("content", ["", "nonsense", "-"])
def test_limits_that_cannot_be_read_are_none(machine, content):
    machine.is_in("0::/job")
    machine.v2("job", content, used=0)
    assert available() == 1000
    machine.v2("job", 500 * MIB, used=0)
    machine.write(machine.cgroup / "job" / "memory.current", content)
    assert available() == 500


@pytest.mark.parametrize(
    ("variables", "left"),
    [
        ({"SLURM_MEM_PER_NODE": "300"}, 280),
        ({"SLURM_MEM_PER_CPU": "100", "SLURM_CPUS_ON_NODE": "4"}, 380),
        ({"SLURM_MEM_PER_NODE": "300", "SLURM_MEM_PER_CPU": "1", "SLURM_CPUS_ON_NODE": "4"}, 280),
        ({"SLURM_MEM_PER_NODE": "0"}, 1000),  # all of the node
        ({"SLURM_MEM_PER_CPU": "0", "SLURM_CPUS_ON_NODE": "4"}, 1000),
        ({"SLURM_MEM_PER_CPU": "100"}, 1000),
        ({"SLURM_MEM_PER_NODE": "much"}, 1000),
        ({"SLURM_MEM_PER_NODE": "10"}, 0),
    ],
    ids=str,
)
def test_slurm_grants_less_what_is_in_use(machine, monkeypatch, variables, left):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert available() == left


@pytest.mark.parametrize(("group", "slurm", "least"), [(400, 500, 400), (600, 500, 480)])
def test_the_least_wins(machine, monkeypatch, group, slurm, least):
    machine.is_in("0::/job")
    machine.v2("job", group * MIB, used=0)
    monkeypatch.setenv("SLURM_MEM_PER_NODE", str(slurm))
    assert available() == least
    machine.write(machine.proc / "meminfo", "MemAvailable: 102400 kB")
    assert available() == 100


def test_this_machine_has_some_memory_and_disk(tmp_path):
    assert resources.available_memory() > 0
    memory = resources.ProcessMemory()
    assert MIB < memory.in_use() <= memory.peak()
    memory.reset_peak()  # no error where that is not allowed
    assert memory.peak() > MIB
    assert resources.available_disk(tmp_path) > 0
