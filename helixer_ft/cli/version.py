"""What `helixer-ft --version` says; no backend is loaded for it."""

import platform

from helixer_ft import __version__
from helixer_ft.progress import size_text
from helixer_ft.runtime.accelerators import installed_version
from helixer_ft.runtime.backend import BACKENDS, likely_backend
from helixer_ft.runtime.hardware import hardware

_DISTRIBUTIONS = {"tensorflow": ("tensorflow", "tensorflow-cpu", "tensorflow-intel")}


def version_text() -> str:
    """The version, then the Keras backend that a command would take, and the machine."""
    backend = likely_backend()
    machine = hardware()
    others = [name for name in BACKENDS if name != backend.name and _version(name)]
    rows = {
        "backend": f"{backend.name} {_version(backend.name) or 'not installed'} ({backend.reason})",
        "others": ", ".join(f"{name} {_version(name)}" for name in others),
        "keras": f"{_version('keras')}, numpy {_version('numpy')}, h5py {_version('h5py')}",
        "python": f"{platform.python_version()} on {platform.system()} {platform.machine()}",
        "CPU": f"{machine.cpu}, {machine.cores} cores, {size_text(machine.memory)}",
        "GPU": ", ".join(machine.gpus) or "none",
    }
    lines = [f"{name:<8} {text}" for name, text in rows.items() if text]
    return "\n".join([f"helixer-ft {__version__}", *lines])


def _version(name: str) -> str:
    """The version of an installed package, or ""."""
    return next(filter(None, map(installed_version, _DISTRIBUTIONS.get(name, (name,)))), "")
