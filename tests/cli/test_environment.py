"""Every variable that the package looks at is in `helixer-ft --help`."""

import ast
import re
from pathlib import Path

import helixer_ft
from helixer_ft.cli import ENVIRONMENT

PACKAGE = Path(helixer_ft.__file__).parent
_NAME = re.compile(r"[A-Z][A-Z0-9]*(_[A-Z0-9]+)+|TMPDIR")
FOR_OTHERS = {
    *("RUST_BACKTRACE", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"),
    *("XLA_PYTHON_CLIENT_PREALLOCATE", "TF_FORCE_GPU_ALLOW_GROWTH"),
}
"""Set for a program that is started; not looked at."""


def names_beside_environ() -> set[str]:
    """Names in the functions, or at the top of the modules, that use `os.environ` or `getenv`."""
    found = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            parts = node.body if isinstance(node, ast.ClassDef) else [node]
            for part in parts:
                text = ast.unparse(part)
                if "environ" not in text and "getenv" not in text:
                    continue
                found |= {
                    one.value
                    for one in ast.walk(part)
                    if isinstance(one, ast.Constant)
                    and isinstance(one.value, str)
                    and _NAME.fullmatch(one.value)
                }
    return found - FOR_OTHERS


def test_every_variable_is_documented():
    documented = {name for names in ENVIRONMENT for name in names.split(", ")}
    used = names_beside_environ()
    assert used >= {"KERAS_BACKEND", "XDG_DATA_HOME", "TMPDIR", "SLURM_MEM_PER_CPU", "XLA_FLAGS"}
    assert used - documented == set()
    # rich and JAX look at these
    assert documented - used == {"NO_COLOR", "JAX_COMPILATION_CACHE_DIR"}
