"""The whole product as a test uses it: supervisor, recorder and worker as real processes, with a ledger of their own."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from streamgauge.app import Supervisor
from streamgauge.config import load
from streamgauge.records import Measurement
from tests.recorder.driving import ledger_rows

T = TypeVar("T")

SERVICES = ("bedrock-runtime", "sagemaker-runtime", "bedrock-mantle")


class Product:
    """Runs while the block does. ``upstream`` answers for every service; ``settings`` are dotted keys of the configuration."""

    def __init__(self, directory: Path, upstream: str, **settings: Any) -> None:
        defaults: dict[str, Any] = {
            "listen": ("127.0.0.1:0",),
            "admin": "127.0.0.1:0",
            "ledger": str(directory / "ledger.db"),
            "targets.upstreams": dict.fromkeys(SERVICES, upstream),
            "targets.default_region": "us-east-1",
            "log_level": "WARNING",
            "drain_seconds": 5.0,
        }
        overrides = {key.replace("__", "."): value for key, value in settings.items()}
        self.supervisor = Supervisor(load(None, defaults | overrides))
        self._stopped = False

    def __enter__(self) -> Self:
        self.supervisor.open()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """Base URL for applications."""
        return f"http://{self.supervisor.addresses[0]}"

    @property
    def admin(self) -> str:
        """Base URL of the admin interface."""
        return f"http://{self.supervisor.admin_address}"

    def stop(self) -> None:
        """End everything in order; the ledger is complete then."""
        if not self._stopped:
            self._stopped = True
            self.supervisor.stop()

    def rows(self) -> list[Measurement]:
        """The ledger's rows, oldest first."""
        return ledger_rows(self.supervisor.ledger)

    def wait_rows(self, count: int, timeout: float = 10.0) -> list[Measurement]:
        """Wait until the ledger has so many rows."""
        return wait_for(lambda: rows if len(rows := self.rows()) >= count else None, f"{count} rows", timeout)


def wait_for(found: Callable[[], T | None], what: str, timeout: float = 10.0) -> T:
    """Ask until something is found. Raises ``TimeoutError`` naming what was waited for."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        value = found()
        if value is not None:
            return value
        time.sleep(0.02)
    raise TimeoutError(f"no {what} within {timeout} s")
