"""How much memory and disk this job may use: its own limits, not the machine's total."""

import contextlib
import os
import shutil
from pathlib import Path

_MIB = 2**20
_CGROUP = Path("/sys/fs/cgroup")
_PROC = Path("/proc")


def available_memory() -> int:
    """Bytes that this process may still take.

    The least of what the machine has left (`/proc/meminfo`), of what every control group around
    this process has left (versions 1 and 2; page cache that can be dropped counts as free), and of
    what SLURM granted, less what is in use.
    """
    left = [_value(_PROC / "meminfo", "MemAvailable", 1024) or machine_memory() // 2]
    left += _cgroup_memory()
    if granted := _slurm_memory():
        left.append(granted - memory_in_use())
    return max(0, min(left))


class ProcessMemory:
    """Memory of this process; an accelerator's has the same methods (see the engines)."""

    is_host = True
    """Whether programs compute in the memory of the process itself."""

    def in_use(self) -> int:
        """Bytes in use now."""
        return memory_in_use()

    def available(self) -> int:
        """Bytes that may still be taken."""
        return available_memory()

    def peak(self) -> int:
        """Most bytes in use at once since `reset_peak`; since the start where that cannot be."""
        return _status("VmHWM")

    def reset_peak(self) -> None:
        """Forget the peak, where the system lets a process do so."""
        with contextlib.suppress(OSError):
            (_PROC / "self" / "clear_refs").write_text("5")


def memory_in_use() -> int:
    """Bytes of this process that are in memory now."""
    return _status("VmRSS")


def available_disk(folder: Path) -> int:
    """Bytes that can be written to the file system of a folder."""
    return shutil.disk_usage(folder).free


def machine_memory() -> int:
    """Bytes of the machine; 0 where the system does not tell."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):
        return 0


def _status(name: str) -> int:
    found = _value(_PROC / "self" / "status", name, 1024)
    if found is not None:
        return found
    import resource  # systems without /proc know the peak alone

    unit = 1 if os.uname().sysname == "Darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _value(path: Path, name: str, unit: int) -> int | None:
    """The value of a name in a file of lines "name[:] value", in bytes; None where it has none."""
    try:
        for line in path.read_text().splitlines():
            key, *value = line.split() or [""]
            if key.rstrip(":") == name:
                return int(value[0]) * unit
    except (OSError, ValueError, IndexError):
        pass
    return None


def _cgroup_memory() -> list[int]:
    """What is left in each control group from the process's own up to the root."""
    left = []
    for folder, limit, usage in _cgroup_files():
        granted = _number(folder / limit)
        if granted is None or granted >= 2**60:  # "max", and version 1's way of saying it
            continue
        reclaimable = _value(folder / "memory.stat", "inactive_file", 1) or 0
        left.append(granted - ((_number(folder / usage) or 0) - reclaimable))
    return left


def _cgroup_files() -> list[tuple[Path, str, str]]:
    """Folder of each control group, and the names of its limit and its usage."""
    try:
        lines = (_PROC / "self" / "cgroup").read_text().splitlines()
    except OSError:
        return []
    found = []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            root, names = _CGROUP, ("memory.max", "memory.current")
        elif "memory" in controllers.split(","):
            root = _CGROUP / "memory"
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes")
        else:
            continue
        own = root / path.lstrip("/")
        folders = [own, *own.parents]
        found += [(folder, *names) for folder in folders[: folders.index(root) + 1]]
    return found


def _slurm_memory() -> int | None:
    """Bytes that SLURM granted this job on this node; its variables are in MiB, 0 is all."""
    per_node = os.environ.get("SLURM_MEM_PER_NODE", "")
    if per_node.isdigit():
        return int(per_node) * _MIB or None
    per_cpu, cpus = (
        os.environ.get(name, "") for name in ("SLURM_MEM_PER_CPU", "SLURM_CPUS_ON_NODE")
    )
    if per_cpu.isdigit() and cpus.isdigit():
        return int(per_cpu) * int(cpus) * _MIB or None
    return None


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None
