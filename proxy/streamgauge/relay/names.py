"""The addresses of upstream hosts: asked for once at a time, remembered, and used for longer where nobody can be asked."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from dataclasses import dataclass
from time import perf_counter_ns

NAMES_KEPT = 1_024
"""Remembered names; the allow-list bounds what can be asked for, this bounds what a bad list can cost."""

PATIENCE = 1.0
"""Seconds to wait for an answer about a name whose last addresses are known. A resolver answers in milliseconds or is in trouble."""

STALE_NS = 3_600 * 1_000_000_000
"""Addresses that were good an hour ago are better than none while the resolver fails; much older ones may be somebody else's by now."""


@dataclass
class _Known:
    asked_at: int
    addresses: list[str]
    doubted: bool = False


class Names:
    """One per pool. Call from its event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop, age: float) -> None:
        self._loop = loop
        self._age_ns = int(age * 1e9)
        self._known: dict[tuple[str, int], _Known] = {}
        self._lookups: dict[tuple[str, int], asyncio.Task[list[str]]] = {}

    async def addresses(self, host: str, port: int) -> list[str]:
        """The addresses of a name, the most promising first. Raises ``OSError`` or ``UnicodeError`` where none are known."""
        known = self._known.get((host, port))
        now = perf_counter_ns()
        if known is not None and not known.doubted and now - known.asked_at < self._age_ns:
            return known.addresses
        if known is not None and now - known.asked_at > STALE_NS:
            known = None
        lookup = self._lookup(host, port)
        # Never cancelled by one who waits for it: it is everybody's.
        await asyncio.wait([lookup], timeout=None if known is None else PATIENCE)
        if known is not None and (not lookup.done() or lookup.cancelled() or lookup.exception() is not None):
            return known.addresses
        return lookup.result()

    def _lookup(self, host: str, port: int) -> asyncio.Task[list[str]]:
        lookup = self._lookups.get((host, port))
        if lookup is None:
            lookup = self._lookups[host, port] = self._loop.create_task(self._ask(host, port))
            lookup.add_done_callback(_heard)
        return lookup

    async def _ask(self, host: str, port: int) -> list[str]:
        try:
            found = await self._loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        finally:
            del self._lookups[host, port]
        addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
        if len(self._known) >= NAMES_KEPT:
            self._known.clear()
        self._known[host, port] = _Known(perf_counter_ns(), addresses)
        return addresses

    def failed(self, host: str, port: int, address: str) -> None:
        """A connection to this address failed or was slower than one to another: it is tried last from now on."""
        known = self._known.get((host, port))
        if known is not None:
            with contextlib.suppress(ValueError):
                known.addresses.remove(address)
                known.addresses.append(address)

    def doubt(self, host: str, port: int) -> None:
        """None of the addresses worked: ask again before the next connection."""
        known = self._known.get((host, port))
        if known is not None:
            known.doubted = True

    def close(self) -> None:
        """Wait for no answer any more."""
        for lookup in list(self._lookups.values()):
            lookup.cancel()


def _heard(lookup: asyncio.Task[list[str]]) -> None:
    """Nobody may be left who wants to know how it failed, and the loop would complain."""
    if not lookup.cancelled():
        lookup.exception()
