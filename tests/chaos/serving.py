"""``streamgauge serve`` as a process of its own, with its children in reach of signals."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from streamgauge.records import Measurement
from streamgauge.spool.counters import Counters, read_counters
from streamgauge.spool.layout import COUNTERS_NAME
from tests.recorder.driving import ledger_rows

T = TypeVar("T")

MODULES = {"worker": b"streamgauge.relay.worker", "recorder": b"streamgauge.recorder.process"}
SERVICES = ("bedrock-runtime", "sagemaker-runtime", "bedrock-mantle")
_BANNER = re.compile(r"streamgauge listens on http://(\S+)   admin http://(\S+) ")


def wait_for(found: Callable[[], T | None], what: str, seconds: float = 30.0) -> T:
    """Ask until something is found; fail naming ``what`` was waited for. A busy machine starts a process in seconds."""
    deadline = time.monotonic() + seconds
    while (value := found()) is None:
        assert time.monotonic() < deadline, f"no {what} within {seconds} s"
        time.sleep(0.005)
    return value


def until(condition: Callable[[], object], what: str, seconds: float = 30.0) -> None:
    """Wait for ``condition``; fail naming ``what`` did not come."""
    wait_for(lambda: True if condition() else None, what, seconds)


def refused(address: str) -> bool:
    """Whether nobody listens there."""
    host, _, port = address.partition(":")
    try:
        socket.create_connection((host, int(port)), timeout=30).close()
    except ConnectionRefusedError:
        return True
    return False


class Serving:
    """One proxy that runs while the block does; ``settings`` are keys of the settings file, ``within`` is a command that runs another."""

    def __init__(self, directory: Path, upstream: str, within: Sequence[str] = (), **settings: Any) -> None:
        self._within = within
        self.ledger = directory / "ledger.db"
        self.log = directory / "serve.log"
        given = {
            "listen": ["127.0.0.1:0"],
            "admin": "127.0.0.1:0",
            "ledger": str(self.ledger),
            "targets": {"upstreams": dict.fromkeys(SERVICES, upstream), "default_region": "us-east-1"},
            "relay": {"signing": "passthrough"},
            "drain_seconds": 5.0,
            "log_level": "WARNING",
        }
        self._file = directory / "settings.yaml"
        self._settings = given | settings
        self.write()
        self._pages: dict[str, int] = {}

    def __enter__(self) -> Self:
        environ = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy") and not name.startswith("AWS_")}
        command = [*self._within, sys.executable, "-m", "streamgauge", "serve", "--config", str(self._file)]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, env=environ)
        assert self.process.stdout is not None
        found = _BANNER.match(self.process.stdout.readline().decode())
        assert found, self.log.read_text(encoding="utf-8")
        self.address, self.admin = found[1], found[2]
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        left = [self.process.pid, *self.pids("worker"), *self.pids("recorder")] if self.process.poll() is None else []
        for pid in left:
            self.send(signal.SIGKILL, pid)
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()
        for descriptor in self._pages.values():
            os.close(descriptor)

    def write(self, **settings: Any) -> None:
        """Write the settings file, with some changed."""
        self._file.write_text(json.dumps(self._settings | settings), encoding="utf-8")

    def pids(self, role: str) -> list[int]:
        """Living children of a role, ``worker`` or ``recorder``."""
        return [pid for pid in _children(self.process.pid) if MODULES[role] in _command(pid)]

    def pid(self, role: str, *, not_one_of: tuple[int, ...] = ()) -> int:
        """Wait for a child of a role."""
        return wait_for(lambda: next((pid for pid in self.pids(role) if pid not in not_one_of), None), f"new {role}")

    def send(self, sig: signal.Signals, *pids: int) -> None:
        """Signal processes; those that have gone are gone."""
        for pid in pids:
            try:
                os.kill(pid, sig)
            except ProcessLookupError:
                continue

    def kill(self, *pids: int) -> float:
        """Kill -9; the moment just before, on the monotonic clock."""
        self.look_at_counters()
        at = time.monotonic()
        self.send(signal.SIGKILL, *pids)
        self.look_at_counters()
        return at

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        self.look_at_counters()
        self.process.terminate()
        return self.process.wait(60)

    def look_at_counters(self) -> None:
        """Keep each worker's page of counters: it stays readable for us when the recorder has deleted it."""
        for page in Path(f"{self.ledger}.spool").glob(f"[!.]*/{COUNTERS_NAME}"):
            if page.parent.name not in self._pages:
                try:
                    self._pages[page.parent.name] = os.open(page, os.O_RDONLY)
                except FileNotFoundError:
                    continue  # deleted this moment

    def seen(self) -> int:
        """Exchanges that the workers say they saw, by their own pages."""
        return sum(counters.seen for counters in self._counted())

    def unmeasured(self) -> Counter[str]:
        """Exchanges that the workers counted instead of describing them, by reason, by their own pages."""
        return sum((Counter(counters.unmeasured) for counters in self._counted()), Counter())

    def _counted(self) -> list[Counters]:
        self.look_at_counters()
        pages = [read_counters(Path(f"/proc/self/fd/{descriptor}")) for descriptor in self._pages.values()]
        return [counters for counters in pages if counters is not None]

    def rows(self) -> list[Measurement]:
        """The ledger's rows, oldest first; none as long as no recorder has made it."""
        return ledger_rows(self.ledger)


def _children(parent: int) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                stat = (entry / "stat").read_bytes()
            except OSError:
                continue  # gone meanwhile
            state, ppid = stat.rpartition(b") ")[2].split()[:2]
            if int(ppid) == parent and state != b"Z":
                found.append(int(entry.name))
    return sorted(found)


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""
