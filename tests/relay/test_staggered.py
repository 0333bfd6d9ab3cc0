"""The first of several addresses that answers."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable

import pytest

from streamgauge.relay.staggered import first_of
from tests.relay.loopback import on_uvloop


class Made:
    """A connection, and whether it was closed."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.closed = False

    def close(self) -> None:
        self.closed = True


class Net:
    """Addresses by what becomes of an attempt: a connection, an error, or nothing until it is let go."""

    def __init__(self, **behaviour: Exception | None) -> None:
        self._behaviour = behaviour
        self.tried: list[str] = []
        self.failed: list[str] = []
        self.made: list[Made] = []

    async def connect(self, address: str) -> Made:
        self.tried.append(address)
        outcome = self._behaviour[address]
        if address.startswith("silent"):
            await asyncio.Event().wait()
        if outcome is not None:
            raise outcome
        self.made.append(Made(address))
        return self.made[-1]

    async def first(self, *addresses: str) -> Made:
        return await first_of(addresses, self.connect, self.failed.append, delay=0.001)


def run(does: Callable[[], Awaitable[None]]) -> None:
    async def main() -> None:
        await does()

    on_uvloop(main)


def test_the_first_address_is_enough_where_it_answers() -> None:
    async def main() -> None:
        net = Net(a=None, b=None)
        assert (await net.first("a", "b")).address == "a"
        assert (net.tried, net.failed) == (["a"], [])

    run(main)


def test_a_silent_address_costs_its_delay_and_is_told_of() -> None:
    async def main() -> None:
        net = Net(silent=None, b=None)
        assert (await net.first("silent", "b")).address == "b"
        assert (net.tried, net.failed) == (["silent", "b"], ["silent"])

    run(main)


def test_a_refusal_moves_on_at_once_and_the_last_one_is_raised() -> None:
    async def main() -> None:
        net = Net(a=ConnectionRefusedError("a"), b=ConnectionResetError("b"))
        with pytest.raises(ConnectionResetError):
            await net.first("a", "b")
        assert (net.tried, net.failed) == (["a", "b"], ["a", "b"])

    run(main)


def test_a_certificate_that_is_not_trusted_is_no_reason_to_try_another_address() -> None:
    async def main() -> None:
        net = Net(a=ssl.SSLCertVerificationError("a"), b=None)
        with pytest.raises(ssl.SSLError):
            await net.first("a", "b")
        assert net.tried == ["a"]

    run(main)


def test_no_address_is_an_error() -> None:
    async def main() -> None:
        with pytest.raises(OSError, match="no address"):
            await Net().first()

    run(main)
