"""What the text of a compiled program says: kernels, custom calls, loops."""

import re

FREE = {"bitcast", "constant", "get-tuple-element", "parameter", "partition-id", "tuple"}
"""Instructions that start nothing on the device."""
_HEAD = re.compile(r"^(ENTRY )?%?([\w.\-]+) \(.*\{$")
_OPERATION = re.compile(r" = .*? ([a-z][\w\-]*)\(")


def kernels(text: str) -> int:
    """Kernels, copies and library calls that one run of a program starts."""
    computations = _computations(text)
    return _kernels("ENTRY", computations)


def custom_calls(text: str) -> dict[str, int]:
    """Target -> how often it is in the program; of HLO or StableHLO."""
    found = re.findall(r'custom_call_target="([^"]+)"', text)
    found += re.findall(r"stablehlo\.custom_call @([\w.$]+)", text)
    return {target: found.count(target) for target in sorted(set(found))}


def loop_types(text: str) -> list[dict[str, int]]:
    """Of each loop: element type -> how many of the values that it carries have it."""
    loops = []
    for line in text.splitlines():
        carried = re.search(r" = \((.*)\) while\(", line)
        if carried:
            types = re.findall(r"\b([a-z]\w*)\[", carried.group(1))
            loops.append({name: types.count(name) for name in sorted(set(types))})
    return loops


def sum_types(stablehlo: str) -> list[str]:
    """Element types of the sums over whole dimensions that XLA is asked for."""
    found = re.findall(r"applies stablehlo\.add across .*-> tensor<([^>]*)>", stablehlo)
    return sorted({shape.split("x")[-1] for shape in found})


def product_types(stablehlo: str) -> list[str]:
    """Element types of the convolutions and matrix products that XLA is asked for."""
    names = r"stablehlo\.(?:convolution|dot_general)\b"
    found = re.findall(rf"{names}.*-> tensor<([^>]*)>", stablehlo)
    return sorted({shape.split("x")[-1] for shape in found})


def _computations(text: str) -> dict[str, list[str]]:
    """Name -> instructions; the program itself is ENTRY."""
    computations: dict[str, list[str]] = {}
    current: list[str] | None = None
    for line in text.splitlines():
        head = _HEAD.match(line)
        if head:
            current = computations["ENTRY" if head.group(1) else head.group(2)] = []
        elif line.startswith("}"):
            current = None
        elif current is not None:
            current.append(line)
    return computations


def _kernels(name: str, computations: dict[str, list[str]]) -> int:
    total = 0
    for line in computations[name]:
        found = _OPERATION.search(line)
        operation = found.group(1) if found else "constant"
        if operation in FREE or operation.endswith("-done"):
            continue
        if operation == "while":
            turns = re.search(r'"known_trip_count":\{"n":"(\d+)"', line)
            assert turns, f"a loop of unknown length: {line}"
            total += int(turns.group(1)) * _kernels(_called("body", line), computations)
        elif operation == "call":
            total += _kernels(_called("to_apply", line), computations)
        elif operation == "async-start":
            total += _kernels(_called("calls", line), computations)
        else:
            total += 1
    return total


def _called(attribute: str, line: str) -> str:
    found = re.search(rf"\b{attribute}=%?([\w.\-]+)", line)
    assert found, line
    return found.group(1)
