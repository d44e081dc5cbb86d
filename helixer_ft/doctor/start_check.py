"""The check at the start of a run on an accelerator: does it compute what it should?

A wrong result of a driver or library is silent, and a run takes hours. The small model takes
seconds, once for a machine, its driver and versions: what passed is kept in the user's cache.
"""

import hashlib
import json
import os
import platform
from pathlib import Path

from helixer_ft.doctor.comparison import Quantity, compare
from helixer_ft.doctor.facts import VARIABLES, installed_versions
from helixer_ft.errors import HelixerFtError
from helixer_ft.formats.atomic import write_text
from helixer_ft.progress import Progress
from helixer_ft.runtime.accelerators import driver_version
from helixer_ft.runtime.devices import local_devices
from helixer_ft.runtime.processes import Processes

QUANTITIES: tuple[Quantity, ...] = ("predictions", "gradients")
"""What is compared: all others follow from these."""
_MOST_KEPT = 500


class DeviceCheckError(HelixerFtError):
    """A device computes wrong numbers."""


def check_at_start(
    precision: str, progress: Progress | None = None, processes: Processes | None = None
) -> None:
    """Compare what the accelerators compute with the reference, unless they passed before.

    Does nothing where the CPU computes. All processes of a run call this together.

    Parameters
    ----------
    precision
        Precision of the run.
    progress
        Receives a notice that devices are checked, and one if the result cannot be stored.
    processes
        The processes of the run.

    Raises
    ------
    DeviceCheckError
        A number is wrong by more than rounding.
    """
    progress, processes = progress or Progress(), processes or Processes()
    if not local_devices().accelerated:
        return
    key, kept = _key(precision), _kept()
    if not processes.any(key not in kept):
        return
    devices = " and ".join(dict.fromkeys(local_devices().names))
    progress.notice(f"checking {devices} against the CPU, once for this machine and these versions")
    wrong = [one for one in compare(precision, QUANTITIES) if not one.agrees]
    if processes.any(bool(wrong)):
        raise DeviceCheckError(
            _message(wrong[0].device, wrong[0].quantity, wrong[0].difference, wrong[0].bound)
            if wrong
            else "another process of this run has a device that computes wrong numbers: see its "
            "message."
        )
    try:
        _keep(key, kept)
    except (OSError, HelixerFtError) as error:
        progress.notice(
            f"{cache_file()}: could not be written, so the next run checks the device again "
            f"({error})"
        )


def cache_file() -> Path:
    """The file that records which devices passed."""
    given = os.environ.get("XDG_CACHE_HOME", "")
    home = Path(os.path.expanduser("~"))  # Path.home() fails where there is none
    folder = Path(given) if Path(given).is_absolute() else home / ".cache"
    return folder / "helixer-ft" / "device-check.json"


def _message(device: str, quantity: str, difference: float, bound: float) -> str:
    return (
        f"{device} computes wrong {quantity}: off by {difference:.1e}, expected at most "
        f"{bound:.0e}. Its results could not be trusted. helixer-ft doctor shows all "
        "comparisons and versions; another version of JAX, Keras or the driver, or --backend "
        "tensorflow, may compute correctly. --skip-device-check runs anyway, and the results say "
        "so."
    )


def _key(precision: str) -> str:
    """Hash of everything that the numbers depend on."""
    depends = {
        "machine": platform.node(),
        "driver": driver_version(),
        "devices": local_devices().names,
        "count": local_devices().all,
        "versions": installed_versions(),
        "variables": {name: os.environ.get(name) for name in VARIABLES},
        "precision": precision,
    }
    return hashlib.sha256(json.dumps(depends, sort_keys=True).encode()).hexdigest()


def _kept() -> list[str]:
    """Keys of what passed; none if the file is missing or not ours."""
    try:
        kept = json.loads(cache_file().read_text(encoding="utf-8"))["passed"]
    except (OSError, ValueError, TypeError, LookupError):
        return []
    return kept if isinstance(kept, list) and all(isinstance(key, str) for key in kept) else []


def _keep(key: str, kept: list[str]) -> None:
    path = cache_file()
    path.parent.mkdir(parents=True, exist_ok=True)
    passed = [*(other for other in kept if other != key), key][-_MOST_KEPT:]
    write_text(path, json.dumps({"passed": passed}, indent=1) + "\n", force=True)
