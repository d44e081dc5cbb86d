"""Time of the recurrence on the device at hand, in each of its forms.

    python benchmarks/recurrence.py
    python benchmarks/recurrence.py --forms one_loop,cudnn --batch-size 8,32,128

prints a table: states alone, and states with all gradients, of one bidirectional LSTM of the size
that Helixer's networks have. The forms are those of helixer_ft/network/lstm_jax; cuDNN's runs on
NVIDIA GPUs alone.
"""

import argparse
import importlib
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import jax
import numpy as np

FORMS = ("two_loops", "one_loop", "cudnn")


def main() -> None:
    """Measure in turns, and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--forms", help="Some of two_loops, one_loop, cudnn.")
    parser.add_argument("--batch-size", default="8", help="Windows at once, one number or several.")
    parser.add_argument("--steps", type=int, default=2376)
    parser.add_argument("--width", type=int, default=256, help="Of the input; the first LSTM: 864.")
    parser.add_argument("--units", type=int, default=128)
    parser.add_argument("--repeats", type=int, default=5)
    args = parser.parse_args()
    on_gpu = jax.default_backend() == "gpu"
    forms = args.forms.split(",") if args.forms else FORMS[: 3 if on_gpu else 2]
    print(f"{jax.devices()[0].device_kind}, JAX {jax.__version__}, median of {args.repeats}\n")
    print("| form | windows | states | states and gradients |\n|---|--:|--:|--:|")
    for batch_size in map(int, args.batch_size.split(",")):
        arguments = _arguments(batch_size, args.steps, args.width, args.units)
        programs = {(form, kind): _program(form, kind) for form in forms for kind in (0, 1)}
        times = _in_turns(programs, arguments, args.repeats)
        for form in forms:
            states, gradients = (f"{1000 * times[form, kind]:,.1f} ms" for kind in (0, 1))
            print(f"| {form} | {batch_size} | {states} | {gradients} |")


def _arguments(batch_size: int, steps: int, width: int, units: int) -> tuple[Any, ...]:
    generator = np.random.default_rng(0)

    def random(*shape: int) -> Any:
        return jax.numpy.asarray(generator.normal(0, 0.1, shape), "float32")

    weights = [
        (random(width, 4 * units), random(units, 4 * units), random(4 * units)) for _ in range(2)
    ]
    return random(batch_size, steps, width), *weights


def _program(form: str, gradients: int) -> Callable[..., Any]:
    states = importlib.import_module(f"helixer_ft.network.lstm_jax.{form}").bidirectional_lstm
    if not gradients:
        return jax.jit(states)
    return jax.jit(jax.grad(lambda *given: (states(*given) ** 2).sum(), (0, 1, 2)))


def _in_turns(
    programs: dict[tuple[str, int], Callable[..., Any]], arguments: tuple[Any, ...], repeats: int
) -> dict[tuple[str, int], float]:
    """Median seconds of each: one run of every program after the other, so that what else the
    machine does meets them all.
    """
    times: dict[tuple[str, int], list[float]] = {key: [] for key in programs}
    for repeat in range(-1, repeats):  # the first one compiles
        for key, program in programs.items():
            start = time.perf_counter()
            jax.block_until_ready(program(*arguments))
            if repeat >= 0:
                times[key].append(time.perf_counter() - start)
    return {key: median(values) for key, values in times.items()}


if __name__ == "__main__":
    main()
