"""Folders in which commands run, and what a refused command must leave them as."""

import resource
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from click.testing import Result


@contextmanager
def no_file_above(size: int) -> Iterator[None]:
    """A disk that is full, for files above a size in bytes: writing more fails with EFBIG.

    What runs here should have run before, so that no compiled function is left half in the cache
    that tests share.
    """
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


class CommandFolder(ABC):
    """A folder with sound files, and the command that uses them."""

    folder: Path

    @abstractmethod
    def run(self, *options: Any) -> Result:
        """The command on these files; a later option overrides an earlier one."""

    def content(self) -> dict[str, bytes | None]:
        """Every file and folder, with the files' bytes."""
        return {
            str(path.relative_to(self.folder)): path.read_bytes() if path.is_file() else None
            for path in self.folder.rglob("*")
        }

    def refused(self, *options: Any, parts: list[str], status: int = 2, **how: Any) -> str:
        """Run; check status, message, and that nothing in the folder changed."""
        before = self.content()
        result = self.run(*options, **how)
        text = result.stderr
        assert result.exit_code == status, result.output
        assert isinstance(result.exception, SystemExit)
        assert "Traceback" not in text
        assert "fault of helixer-ft" not in text
        assert result.stdout == ""
        assert [line[:7] for line in text.splitlines()].count("Error: ") == 1
        for part in parts:
            assert part in text
        assert self.content() == before
        return text
