"""Keeping what native libraries say of themselves while they load out of the user's sight.

CUDA's stubs, absl and oneDNN write lines to the file descriptor of standard error before any
setting of theirs can silence them. Whatever else is written there meanwhile is passed on.
"""

import contextlib
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from typing import IO

_CHATTER = re.compile(
    rb"WARNING: All log messages before absl::InitializeLog|"
    rb"[IWE]0000 .*\b(cudart_stub|port|cuda_platform|cuda_dnn|cuda_blas|cuda_fft|"
    rb"computation_placer|cpu_feature_guard|gpu_device|cuda_executor)\.cc:\d+\]|"
    rb"\d{4}-\d\d-\d\d [\d:.]+: [IWE] .*\b(cudart_stub|port|cpu_feature_guard)\.cc:\d+\]|"
    rb"To enable the following instructions: "
)


@contextlib.contextmanager
def quiet_libraries() -> Iterator[None]:
    """Within the block, libraries that load keep their start-up lines to themselves."""
    try:
        kept, before = tempfile.TemporaryFile(), os.dup(2)  # noqa: SIM115
    except OSError:  # no standard error, or nowhere to keep what comes
        yield
        return
    sys.stderr.flush()
    os.dup2(kept.fileno(), 2)
    try:
        yield
    finally:
        sys.stderr.flush()
        os.dup2(before, 2)
        os.close(before)
        with kept:
            _pass_on(kept)


def _pass_on(kept: IO[bytes]) -> None:
    kept.seek(0)
    for line in kept:
        if not _CHATTER.match(line):
            with contextlib.suppress(OSError):
                os.write(2, line)
