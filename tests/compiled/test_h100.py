"""The programs that an H100 would run, as XLA compiles them without one.

Needs the extra `aot` (jax-cuda12-plugin and jax-cuda12-pjrt of JAX's version). All programs are
compiled in one process of its own: which devices JAX has is fixed when it starts.
"""

import importlib.util
import json
import os
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest

from helixer_ft.settings import PRECISIONS
from tests.compiled.hlo import custom_calls, kernels, loop_types

ROOT = Path(__file__).parents[2]
PROGRAMS = ("gradients", "apply", "score", "forward")
STEPS, LSTMS = 2376, 3
CONVOLUTIONS = {
    "__cudnn$convBackwardFilter",
    "__cudnn$convBackwardInput",
    "__cudnn$convBiasActivationForward",
    "__cudnn$convForward",
}
PRODUCTS = {"__cublas$gemm", "__cublas$lt$matmul"}
GIB = 2**30


def run(*options: str) -> list[dict]:
    """What benchmarks/compiled.py says, one record per program."""
    if importlib.util.find_spec("jax_cuda12_plugin") is None:
        pytest.skip("jax-cuda12-plugin is not installed: pip install '.[aot]'")
    try:
        versions = {version(name) for name in ("jax", "jax-cuda12-plugin", "jax-cuda12-pjrt")}
    except PackageNotFoundError as error:
        pytest.skip(f"{error.name} is not installed: pip install '.[aot]'")
    if len(versions) > 1:
        pytest.skip(f"JAX and its CUDA plugin differ: {', '.join(sorted(versions))}")
    done = subprocess.run(
        [sys.executable, ROOT / "benchmarks" / "compiled.py", "--json", *options],
        env={name: value for name, value in os.environ.items() if name != "XLA_FLAGS"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture(scope="module")
def compiled() -> dict[tuple[str, str, int], dict]:
    """(program, precision, GPUs) -> figures, at full size, 8 windows at once."""
    return {(r["program"], r["precision"], r["devices"]): r for r in run()}


@pytest.mark.slow
def test_all_programs_compile_in_every_precision(compiled):
    assert set(compiled) == {
        (program, precision, devices)
        for program in PROGRAMS
        for precision in PRECISIONS
        for devices in (1, 4)
    }


@pytest.mark.slow
def test_kernels_of_a_training_step(compiled):
    """Starting them is what a step takes its time for."""
    for (program, precision, devices), figures in compiled.items():
        if program == "gradients":
            step = figures["kernels"] + compiled["apply", precision, devices]["kernels"]
            assert STEPS * LSTMS * 7 < step < 56_000
        elif program != "apply":
            assert figures["kernels"] < 25_000


@pytest.mark.slow
def test_memory_stays_within_bounds(compiled):
    """Each GPU's plan; four have a quarter of the batch each, beside the weights."""
    for (program, precision, devices), figures in compiled.items():
        bound = {"gradients": 1.1, "apply": 0.01, "score": 0.25, "forward": 0.25}[program] * GIB
        if devices == 4 and program != "apply":
            bound /= 3
        assert figures["temporaries"] < bound, (program, precision, devices)
        assert figures["arguments"] < 40 * 2**20
        assert figures["results"] < 30 * 2**20


@pytest.mark.slow
def test_nothing_but_convolutions_and_products_is_called(compiled):
    """No callback into Python, and not cuDNN's recurrence."""
    for figures in compiled.values():
        assert set(figures["custom_calls"]) <= CONVOLUTIONS | PRODUCTS
        assert not any("callback" in call for call in figures["asked_calls"])
    found = compiled["gradients", "float32", 1]["custom_calls"]
    assert sum(count for call, count in found.items() if call in CONVOLUTIONS) == 11


@pytest.mark.slow
def test_state_is_float32_in_every_precision(compiled):
    for (program, *_), figures in compiled.items():
        expected = {"gradients": 2 * LSTMS, "apply": 0}.get(program, LSTMS)
        assert len(figures["loops"]) == expected
        for types in figures["loops"]:
            assert set(types) == {"f32", "s32"}


@pytest.mark.slow
def test_nothing_is_summed_up_in_16_bits(compiled):
    """Sums over positions exceed what float16 holds, and bfloat16 has too few digits for them."""
    used = set()
    for (_, precision, _), figures in compiled.items():
        assert not set(figures["sums"]) & {"f16", "bf16"}
        used |= {(precision, kind) for kind in figures["products"]}
    assert {("mixed_float16", "f16"), ("mixed_bfloat16", "bf16"), ("float32", "f32")} <= used


HLO = """\
HloModule jit_example

%body.1 (carried: (s32[], f32[8,4], bf16[3])) -> (s32[], f32[8,4], bf16[3]) {
  %carried = (s32[], f32[8,4]{1,0}, bf16[3]{0}) parameter(0)
  %n = s32[] get-tuple-element(%carried), index=0
  %fusion.1 = f32[8,4]{1,0} fusion(%n), kind=kLoop, calls=%fused
  %next = s32[] fusion(%n), kind=kLoop, calls=%fused.1
  ROOT %tuple.1 = (s32[], f32[8,4]{1,0}, bf16[3]{0}) tuple(%next, %fusion.1)
}

%called (p: f32[8,4]) -> f32[8,4] {
  %p = f32[8,4]{1,0} parameter(0)
  ROOT %copy.1 = f32[8,4]{1,0} copy(%p)
}

ENTRY %main.9 (x: f32[8,4]) -> f32[8,4] {
  %x = f32[8,4]{1,0} parameter(0)
  %tuple.2 = (s32[], f32[8,4]{1,0}, bf16[3]{0}) tuple(%x, %x)
  %while.1 = (s32[], f32[8,4]{1,0}, bf16[3]{0}) while(%tuple.2), condition=%c, body=%body.1, \
backend_config={"known_trip_count":{"n":"50"}}
  %call.1 = f32[8,4]{1,0} call(%x), to_apply=%called
  %sum = f32[8,4]{1,0} all-reduce-start(%x), to_apply=%add
  %summed = f32[8,4]{1,0} all-reduce-done(%sum)
  ROOT %conv = f32[8,4]{1,0} custom-call(%x), custom_call_target="__cudnn$convForward"
}
"""


def test_what_is_counted():
    """Two kernels in each of 50 turns, one in a called part, an exchange and a convolution."""
    assert kernels(HLO) == 2 * 50 + 1 + 1 + 1
    assert loop_types(HLO) == [{"bf16": 1, "f32": 1, "s32": 1}]
    assert custom_calls(HLO) == {"__cudnn$convForward": 1}
