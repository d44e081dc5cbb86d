"""Lines of a dry run that all commands have."""

from pathlib import Path

from helixer_ft.cli.output import Printer
from helixer_ft.progress import size_text


def memory_line(used: int, limit: int) -> str:
    """Bytes that are used, and that may be."""
    return f"Memory: about {used / 1e9:.1f} GB of {limit / 1e9:.1f} GB"


def show_disk(needed: int, free: int, output: Path, printer: Printer) -> None:
    """Bytes that are needed where an output goes, and that are free; a warning if they are not."""
    printer.lines(
        f"Disk: about {size_text(needed)} while it works, of {size_text(free)} free beside {output}"
    )
    if needed > free:
        printer.warning(
            f"{output}: there is too little disk space. Free some, or give a path on another disk."
        )
