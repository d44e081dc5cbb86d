"""Prints what `doctor` found."""

from rich.table import Table

from helixer_ft.cli.output import Printer, plain_table
from helixer_ft.doctor.comparison import QUANTITIES, Comparison
from helixer_ft.doctor.diagnosis import Diagnosis
from helixer_ft.doctor.speed import Speed
from helixer_ft.progress import duration_text, size_text

_BRACKETS = (
    "Differences are relative to the largest number; in brackets, the most that rounding explains.",
    "A GPU may multiply float32 numbers with the 10 bits of TF32: about 1e-3 of each product.",
)


def show(found: Diagnosis, printer: Printer) -> None:
    """The result of `doctor`; the verdict comes last."""
    if printer.as_json:
        printer.json(found.to_dict())
        return
    printer.lines(*_machine(found))
    printer.table(_comparisons(found.comparisons))
    printer.lines(*_BRACKETS)
    if found.speed is not None and found.speed.steps:
        printer.table(_times(found.speed))
        printer.lines(*_memory(found.speed))
    printer.lines(*_exchange(found), *_cache(found))
    for text in (*found.warnings, *found.problems):
        printer.warning(text)
    printer.lines(found.verdict)


def _machine(found: Diagnosis) -> list[str]:
    facts, backend = found.facts, found.backend
    rows = {
        "Machine": str(facts.machine),
        "Driver": facts.driver and f"NVIDIA {facts.driver}",
        "Devices": ", ".join(facts.device_files),
        "Versions": ", ".join(f"{name} {version}" for name, version in facts.versions.items()),
        "Settings": ", ".join(f"{name}={value}" for name, value in facts.variables.items()),
        "Backend": f"{backend.name} ({backend.reason}), on "
        + (", ".join(backend.accelerators) or "the CPU"),
    }
    lines = [f"{name + ':':<10}{text}" for name, text in rows.items() if text]
    lines += [
        f"{'GPU:':<10}{gpu.name}, {size_text(gpu.free)} of {size_text(gpu.memory)} free"
        + (", divided into parts (MIG)" if gpu.mig else "")
        for gpu in facts.gpus
    ]
    return lines


def _comparisons(comparisons: tuple[Comparison, ...]) -> Table:
    cells: dict[tuple[str, str], dict[str, str]] = {}
    for one in comparisons:
        mark = "" if one.agrees else "  WRONG"
        text = f"{one.difference:.0e} ({one.bound:.0e}){mark}"
        cells.setdefault((one.device, one.precision), {})[one.quantity] = text
    rows = [
        [device, precision, *(row.get(name, "") for name in QUANTITIES)]
        for (device, precision), row in cells.items()
    ]
    return plain_table("Small model, against NumPy", ("device", "precision", *QUANTITIES), rows)


def _times(speed: Speed) -> Table:
    columns = ("batch", "training step", "windows/s", "scored windows/s", "compiling")
    rows = [
        (
            str(step.windows),
            f"{1000 * step.training:,.0f} ms",
            f"{step.windows / step.training:.2f}",
            f"{step.windows / step.scoring:.2f}",
            duration_text(step.compiling),
        )
        for step in speed.steps
    ]
    title = f"Full-size network, float32, windows of {speed.length:,} bases"
    return plain_table(title, columns, rows)


def _memory(speed: Speed) -> list[str]:
    lines = []
    if speed.length != speed.usual_length:
        lines.append(
            f"Windows of {speed.usual_length:,} bases at that rate: "
            f"{speed.windows_per_second:.2g} trained per second"
        )
    if speed.memory_per_window is not None and speed.memory is not None:
        lines.append(
            f"Memory of a training step: {size_text(speed.memory_per_window)} per window of "
            f"{speed.usual_length:,} bases; about {speed.batch_size} fit into "
            f"{size_text(speed.memory)} (--batch-size)"
        )
    if speed.advice is not None:
        lines.append(
            f"To keep the GPU busy: --batch-size {speed.advice.batch_size} (a rule of thumb: see "
            "docs/devices.md)"
        )
    if speed.to_device is not None:
        lines.append(f"Host to device: {size_text(speed.to_device)}/s")
    return lines


def _exchange(found: Diagnosis) -> list[str]:
    one = found.exchange
    if one is None:
        return ["Exchange between devices: there is only one device"]
    return [
        f"Exchange between {one.devices} devices of {one.processes} "
        f"process{'es' if one.processes > 1 else ''}: gradients of all weights summed in "
        f"{1000 * one.seconds:.1f} ms by {one.library}, {'correct' if one.correct else 'WRONG'}"
    ]


def _cache(found: Diagnosis) -> list[str]:
    cache = found.cache
    if cache.problem:
        return []
    return [
        f"Folder for caches: {cache.folder.absolute()}, {size_text(cache.free)} free; writes "
        f"{size_text(cache.write)}/s, reads {size_text(cache.read)}/s"
    ]
