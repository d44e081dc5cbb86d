"""How the processes of a run find one another, through JAX."""

import threading

from helixer_ft.errors import HelixerFtError, Interrupted, first_line
from helixer_ft.progress import Progress
from helixer_ft.runtime.launch import Launch
from helixer_ft.runtime.native import leave_signals_to_python

HEARTBEAT_SECONDS = 30
"""Silence after which a process is considered lost."""
STARTING_SECONDS = 300
"""How long the processes of a run wait for one another at the start."""
POLL_SECONDS = 1.0
"""How often what may have happened elsewhere is looked for."""
_LONG_POLLS = 5
"""After so many, a process says that it waits for the others."""


def find_one_another(launch: Launch, progress: Progress) -> None:
    """Connect, in a thread of its own: JAX waits without looking for signals.

    Raises
    ------
    HelixerFtError
        The others were not there in time.
    Interrupted
        `progress` said so.
    """
    import jax

    failures: list[Exception] = []
    leave_signals_to_python()

    def connect() -> None:
        try:
            jax.distributed.initialize(
                launch.coordinator,
                launch.count,
                launch.index,
                cluster_detection_method="deactivate",
                initialization_timeout=STARTING_SECONDS,
                heartbeat_timeout_seconds=HEARTBEAT_SECONDS,
            )
        except Exception as error:
            failures.append(error)

    thread = threading.Thread(target=connect, name="connecting", daemon=True)
    thread.start()
    waited = 0
    while thread.is_alive():
        thread.join(POLL_SECONDS)
        waited += 1
        if waited == _LONG_POLLS:
            progress.notice(
                f"{launch.name}: waiting for the others at {launch.coordinator}, for "
                f"{STARTING_SECONDS} s at most"
            )
        if progress.interrupted():
            raise Interrupted(
                "the processes of this run had not found one another, and nothing was done."
            )
    if failures:
        raise not_found(launch, first_line(failures[0])) from failures[0]


def not_found(launch: Launch, reason: str) -> HelixerFtError:
    """The error of a process that does not find the others."""
    return HelixerFtError(
        f"the {launch.count} processes of this run did not find one another at "
        f"{launch.coordinator} ({reason}). Check that all are started, that the machines reach one "
        "another, and that the port is free (another one: --coordinator HOST:PORT)."
    )
