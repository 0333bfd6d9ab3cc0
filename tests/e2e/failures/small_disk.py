"""The product with its spool on a disk that can be filled."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.chaos.serving import Serving

SIZE = "1m"


def _within(directory: Path) -> list[str]:
    mount = f"mount -t tmpfs -o size={SIZE} tmpfs {directory} && exec "
    return ["unshare", "-rm", "sh", "-c", mount + '"$@"', "sh"]


def can_be_had(directory: Path) -> bool:
    """Whether a small disk can be mounted here without being root."""
    return shutil.which("unshare") is not None and subprocess.run([*_within(directory), "true"], capture_output=True).returncode == 0


class SmallDisk(Serving):
    """A proxy whose spool lies on a small disk of its own."""

    def __init__(self, directory: Path, upstream: str) -> None:
        self._spool = directory / "spool"
        self._spool.mkdir()
        super().__init__(directory, upstream, _within(self._spool), spool_dir=str(self._spool))

    @contextlib.contextmanager
    def full(self) -> Iterator[None]:
        """The disk takes not one byte more while the block runs."""
        self.pid("worker")
        # It is mounted for that process and its children alone; their view of it is the way there.
        ballast = Path(f"/proc/{self.process.pid}/root") / self._spool.relative_to("/") / "ballast"
        with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while file.write(b"x" * 4_096):
                pass
        try:
            yield
        finally:
            ballast.unlink()
