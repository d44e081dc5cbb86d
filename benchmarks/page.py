"""Sections of a Markdown page that a benchmark writes, and the machine they were measured on."""

import os
import platform
import re
from pathlib import Path
from typing import Any


def write_section(path: Path, program: str, text: str) -> None:
    """Put a program's section into the page, in place of an earlier one or at the end."""
    begin, end = (f"<!-- {word} of benchmarks/{program} -->" for word in ("begin", "end"))
    section = f"{begin}\n{text}\n{end}\n"
    page = path.read_text() if path.exists() else ""
    if begin in page:
        before, rest = page.split(begin, 1)
        after = rest.split(end, 1)[-1].removeprefix("\n")
        page = before + section + after
    else:
        page = f"{page.rstrip()}\n\n{section}".lstrip()
    path.write_text(page)


def machine() -> dict[str, Any]:
    """Cores that this process may use, processor, memory."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    processor = platform.processor() or platform.machine()
    if (path := Path("/proc/cpuinfo")).exists():
        names = re.findall(r"^model name\s*:\s*(.+)$", path.read_text(), re.MULTILINE)
        processor = names[0] if names else processor
    return {"cores": cores, "processor": processor, "memory": memory}
