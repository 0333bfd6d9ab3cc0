"""Questions to the admin interface of a proxy on this machine, from the terminal."""

from __future__ import annotations

import http.client
from typing import Any, TypeVar

import msgspec

from streamgauge.errors import CouldNotRun

T = TypeVar("T")

PATIENCE_SECONDS = 2.0
"""An answer takes milliseconds; a view that is drawn several times a second had better skip one than hang."""


class AdminClient:
    """The admin interface at ``address`` (host:port)."""

    def __init__(self, address: str) -> None:
        self._address = address

    def summary(self) -> dict[str, Any]:
        """Counts, rates, workers and open exchanges. Raises ``CouldNotRun``."""
        return self._get("/api/v1/summary", dict[str, Any])

    def ready(self) -> bool:
        """Whether the proxy can take traffic; false as well while its processes are still starting."""
        try:
            return bool(self._get("/readyz", dict[str, Any]))
        except CouldNotRun:
            return False

    def newest(self, limit: int) -> list[dict[str, Any]]:
        """The exchanges that began last, as the ledger holds them. Raises ``CouldNotRun``; before the first commit there is no ledger."""
        return self._get(f"/api/v1/exchanges?limit={limit}", list[dict[str, Any]])

    def _get(self, path: str, kind: type[T]) -> T:
        connection = http.client.HTTPConnection(self._address, timeout=PATIENCE_SECONDS)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            body = response.read()
        except (OSError, http.client.HTTPException) as error:
            raise CouldNotRun(f"the admin interface at {self._address} does not answer ({type(error).__name__})") from error
        finally:
            connection.close()
        if response.status != 200:
            raise CouldNotRun(f"the admin interface at {self._address} answered {response.status} to {path}")
        return msgspec.json.decode(body, type=kind)
