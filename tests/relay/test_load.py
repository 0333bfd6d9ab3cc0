"""What is under way: counted per route, and looked at once a second."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from streamgauge.measure.observation import STALL_NS
from streamgauge.records import VISIBLE, Operation, Stalled
from streamgauge.relay import load as module
from streamgauge.relay.exchange import Exchange
from streamgauge.relay.load import COLD_NS, Load
from streamgauge.spool import SpoolSettings, SpoolWriter
from tests.measure.scripted import Scripted
from tests.relay.loopback import CHAT, Application, Side, exchange, on_uvloop
from tests.spool.made import read_all, spools, started

S = 1_000_000_000
OTHER = Operation("bedrock-runtime", "Converse", "converse", streaming=False, model="another")


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[SpoolWriter]:
    made = SpoolWriter(tmp_path, SpoolSettings(), "w0")
    yield made
    made.close()


def stalled(directory: Path, writer: SpoolWriter) -> list[Stalled]:
    """The silences told of so far."""
    writer.close()
    return [record for spool in spools(directory) for record in read_all(spool) if isinstance(record, Stalled)]


def underway(load: Load, writer: SpoolWriter) -> tuple[Exchange, Application, Side]:
    """An exchange that was sent upstream at 0."""
    made, application = exchange()
    side = Side()
    made.upstream = side
    load.begin(made, 0)
    writer.append(started(made.measurement.exchange_id))
    return made, application, side


def test_an_exchange_knows_how_many_others_were_under_way_on_its_route() -> None:
    async def main() -> None:
        load = Load()
        first, second, other, fourth = (exchange(operation=kind)[0] for kind in (CHAT, CHAT, OTHER, CHAT))
        for made in (first, second, other):
            load.begin(made, 0)
        assert [made.measurement.in_flight for made in (first, second, other)] == [0, 1, 0]
        load.end(first, 1)
        load.end(first, 1)
        load.begin(fourth, 2)
        assert fourth.measurement.in_flight == 1
        for made in (second, other, fourth):
            load.end(made, 3)
        assert (load.open, load._in_flight) == (set(), {})

    on_uvloop(main)


def test_a_route_is_cold_after_five_minutes_without_use() -> None:
    async def main() -> None:
        load = Load()
        cold = []
        for begun, ended in [(0, 10 * S), (11 * S, 20 * S), (20 * S + COLD_NS - 1, 400 * S), (400 * S + COLD_NS, 800 * S)]:
            made = exchange()[0]
            load.begin(made, begun)
            load.end(made, ended)
            cold.append(made.measurement.cold)
        assert cold == [True, False, False, True]

    on_uvloop(main)


def test_what_never_began_can_end() -> None:
    async def main() -> None:
        load = Load()
        load.end(exchange()[0], 5)
        assert load._last_used == {}

    on_uvloop(main)


def test_routes_that_callers_invent_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ROUTES_KEPT", 10)

    async def main() -> None:
        load = Load()
        for number in range(50):
            made = exchange()[0]
            made.measurement.requested_model = f"model-{number}"
            load.begin(made, number)
            load.end(made, number)
            assert len(load._last_used) <= 11

    on_uvloop(main)


def test_an_upstream_that_is_silent_for_too_long_is_a_timeout(writer: SpoolWriter) -> None:
    async def main() -> None:
        load = Load()
        made, application, side = underway(load, writer)
        load.watch(60 * S, 60.0, 30.0, writer)
        verdicts = [made.verdict]
        load.watch(60 * S + 1, 60.0, 30.0, writer)
        verdicts.append(made.verdict)
        assert verdicts == [None, ("timeout", "upstream", "first_byte_timeout")]
        assert (side.told, made.done.done(), application.aborted) == (["abort"], True, False)

    on_uvloop(main)


def test_an_upstream_that_stops_within_its_answer_is_another_timeout(writer: SpoolWriter) -> None:
    async def main() -> None:
        load = Load()
        made, _, _ = underway(load, writer)
        made.replied = True
        load.watch(30 * S, 60.0, 30.0, writer)
        verdicts = [made.verdict]
        load.watch(30 * S + 1, 60.0, 30.0, writer)
        assert [*verdicts, made.verdict] == [None, ("timeout", "upstream", "read_timeout")]

    on_uvloop(main)


def test_an_exchange_that_waits_for_a_connection_is_left_to_the_connect_timeout(writer: SpoolWriter) -> None:
    async def main() -> None:
        load = Load()
        made = exchange()[0]
        load.begin(made, 0)
        load.watch(1_000 * S, 60.0, 60.0, writer)
        assert made.verdict is None

    on_uvloop(main)


def test_a_stream_that_falls_silent_is_told_once_per_silence(tmp_path: Path, writer: SpoolWriter) -> None:
    async def main() -> str:
        load = Load()
        made, _, _ = underway(load, writer)
        made.observation.answered(Scripted([VISIBLE, VISIBLE]), 0)
        load.watch(5 * S, 60.0, 60.0, writer)
        made.observation.feed(b"x", 10 * S, 0)
        for at in (10 * S, 10 * S + STALL_NS, 12 * S, 13 * S):
            load.watch(at, 60.0, 60.0, writer)
        made.observation.feed(b"x", 14 * S, 0)
        load.watch(17 * S, 60.0, 60.0, writer)
        load.end(made, 18 * S)
        load.watch(20 * S, 60.0, 60.0, writer)
        return made.measurement.exchange_id

    name = on_uvloop(main)
    assert stalled(tmp_path, writer) == [Stalled(exchange_id=name, silence=2.0), Stalled(exchange_id=name, silence=3.0)]


def test_a_reader_that_holds_us_makes_neither_a_silence_nor_a_timeout_of_the_upstream(tmp_path: Path, writer: SpoolWriter) -> None:
    async def main() -> None:
        load = Load()
        made, application, side = underway(load, writer)
        made.observation.answered(Scripted([VISIBLE]), 0)
        made.observation.feed(b"x", S, 0)
        made.pause(50 * S)
        load.watch(110 * S, 60.0, 60.0, writer)
        assert (made.verdict, application.aborted) == (None, False)
        made.resume(110 * S)
        load.watch(110 * S + STALL_NS, 60.0, 60.0, writer)
        load.watch(170 * S, 60.0, 60.0, writer)
        assert (made.verdict, side.told) == (None, ["pause", "resume"])

    on_uvloop(main)
    assert [record.silence for record in stalled(tmp_path, writer)] == [60.0]


def test_a_reader_that_takes_nothing_for_too_long_is_broken_off(writer: SpoolWriter) -> None:
    async def main() -> None:
        load = Load()
        made, application, _ = underway(load, writer)
        made.pause(50 * S)
        load.watch(110 * S + 1, 60.0, 60.0, writer)
        assert application.aborted
        # The transport's end comes back as the application's going away.
        made.downstream_lost(111 * S)
        assert made.verdict == ("client_cancelled", "downstream", None)

    on_uvloop(main)
