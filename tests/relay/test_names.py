"""Names: one question at a time, answers remembered, and old answers better than none."""

from __future__ import annotations

import asyncio
import socket
from time import perf_counter_ns
from typing import Any

import pytest

from streamgauge.relay import names as module
from streamgauge.relay.names import Names
from tests.relay.loopback import on_uvloop

S = 1_000_000_000
NAME = ("h.example", 443)


class Resolver:
    """The part of an event loop that resolves names: answers when it is let, with what it is told."""

    def __init__(self) -> None:
        self.asked = 0
        self.address = "192.0.2.1"
        self.failing = False
        self.answers = asyncio.Event()
        self.answers.set()
        self.create_task = asyncio.get_running_loop().create_task

    async def getaddrinfo(self, host: str, port: int, **_: Any) -> list[Any]:
        self.asked += 1
        await self.answers.wait()
        if self.failing:
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (self.address, port))] * 2


def names(age: float = 30.0) -> tuple[Names, Resolver]:
    resolver = Resolver()
    return Names(resolver, age), resolver  # type: ignore[arg-type]


def test_an_answer_is_remembered_for_a_while() -> None:
    async def main() -> None:
        made, resolver = names()
        assert await made.addresses(*NAME) == await made.addresses(*NAME) == ["192.0.2.1"]
        assert resolver.asked == 1
        made._known[NAME].asked_at -= 31 * S
        resolver.address = "192.0.2.2"
        assert await made.addresses(*NAME) == ["192.0.2.2"]

    on_uvloop(main)


def test_many_who_want_to_know_ask_once_and_one_who_leaves_takes_it_from_nobody() -> None:
    async def main() -> None:
        made, resolver = names()
        resolver.answers.clear()
        asking = [asyncio.get_running_loop().create_task(made.addresses(*NAME)) for _ in range(50)]
        await asyncio.sleep(0)
        asking.pop(0).cancel()
        resolver.answers.set()
        assert await asyncio.gather(*asking) == [["192.0.2.1"]] * 49
        assert resolver.asked == 1

    on_uvloop(main)


@pytest.mark.parametrize("how", ["fails", "is silent"])
def test_old_addresses_serve_where_the_resolver_does_not(how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE", 0.01)

    async def main() -> None:
        made, resolver = names()
        await made.addresses(*NAME)
        resolver.failing = how == "fails"
        if how == "is silent":
            resolver.answers.clear()
        made._known[NAME].asked_at -= 31 * S
        assert await made.addresses(*NAME) == ["192.0.2.1"]
        assert resolver.asked == 2
        made.close()

    on_uvloop(main)


def test_addresses_of_yesterday_serve_nobody() -> None:
    async def main() -> None:
        made, resolver = names()
        await made.addresses(*NAME)
        resolver.failing = True
        made._known[NAME].asked_at = perf_counter_ns() - module.STALE_NS - S
        with pytest.raises(socket.gaierror):
            await made.addresses(*NAME)

    on_uvloop(main)


def test_a_failed_address_comes_last_and_doubted_ones_are_asked_for_again() -> None:
    async def main() -> None:
        made, resolver = names()
        await made.addresses(*NAME)
        made._known[NAME].addresses[:] = ["a", "b", "c"]
        made.failed(*NAME, "a")
        made.failed(*NAME, "unknown")
        made.failed("other", 1, "a")
        made.doubt("other", 1)
        assert await made.addresses(*NAME) == ["b", "c", "a"]
        made.doubt(*NAME)
        assert await made.addresses(*NAME) == ["192.0.2.1"]
        assert resolver.asked == 2

    on_uvloop(main)


def test_remembered_names_have_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "NAMES_KEPT", 2)

    async def main() -> None:
        made, _ = names()
        for number in range(5):
            await made.addresses("h.example", number)
            assert len(made._known) <= 2

    on_uvloop(main)
