"""What computes, as the options of a command ask for."""

from typing import Any

import click
from click.core import ParameterSource

from helixer_ft.runtime.backend import Backend, select_backend


def backend_for(options: dict[str, Any], *, several_processes: bool = False) -> Backend:
    """Choose the backend and tell Keras, before anything imports it."""
    backend = select_backend(
        options["backend"],
        options["gpu_id"],
        deterministic=options["deterministic"],
        several_processes=several_processes,
    )
    source = click.get_current_context().get_parameter_source("backend")
    if options["backend"] != "auto" and source is ParameterSource.DEFAULT_MAP:
        return Backend(backend.name, "--config")
    return backend
