"""What the spool is told of an exchange, and when."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from time import perf_counter_ns
from typing import Any

import msgspec
import pytest

from streamgauge.dialects import open_dialect
from streamgauge.records import Ended, FirstOutput, Measurement, RequestFacts, SpoolRecord, Started
from streamgauge.relay.estimates import Estimates
from streamgauge.relay.exchange import Exchange
from streamgauge.relay.journal import DRAIN_NOTICED_NS, Journal, _started
from streamgauge.spool import SpoolSettings, SpoolWriter
from streamgauge.tokens.settings import EstimateSettings
from tests.relay.loopback import exchange, on_uvloop, until, within
from tests.spool.made import read_all, spools


class Book:
    """A journal and the spool it writes to."""

    def __init__(self, directory: Path) -> None:
        self.spool = SpoolWriter(directory, SpoolSettings(), "w0")
        loop = asyncio.get_running_loop()
        self.estimates = Estimates(EstimateSettings(answer_seconds=60.0), loop)
        self.journal = Journal(self.spool, "p", None, loop, self.estimates)
        self._directory = directory

    def records(self) -> list[SpoolRecord]:
        assert self.spool.close()
        return [record for spool in spools(self._directory) for record in read_all(spool)]


def begun(book: Book) -> Exchange:
    made, _ = exchange()
    made.observation.points.issued = made.observation.points.head + 1_000_000
    book.journal.seen()
    book.journal.began(made)
    return made


def end(book: Book, made: Exchange, wait_ns: int = 0) -> None:
    made.verdict = ("completed", None, None)
    book.journal.ended(made, perf_counter_ns(), wait_ns)


def written(directory: Path, does: Callable[[Book], Awaitable[None]]) -> list[SpoolRecord]:
    """The records that came of what was done."""

    async def main() -> list[SpoolRecord]:
        book = Book(directory)
        await does(book)
        return book.records()

    return on_uvloop(main)


def test_an_exchange_that_lasts_is_told_of_when_it_began_and_when_it_ended(tmp_path: Path) -> None:
    async def lasting(book: Book) -> None:
        made = begun(book)
        await until(lambda: made.on_record, "the record of the beginning")
        end(book, made)

    assert [type(record) for record in written(tmp_path, lasting)] == [Started, Ended]


def test_a_beginning_tells_all_that_it_can_of_what_is_known_by_then() -> None:
    told: dict[str, Any] = {name: name for name in Started.__struct_fields__}
    assert msgspec.structs.asdict(_started(Measurement(**told, outcome="completed"))) == told


def test_an_exchange_that_is_over_at_once_has_one_record(tmp_path: Path) -> None:
    async def short(book: Book) -> None:
        end(book, begun(book))
        later = begun(book)  # begins in the same moment and lasts
        await until(lambda: later.on_record, "the record of the later one's beginning")

    found = written(tmp_path, short)
    assert [type(record) for record in found] == [Ended, Started]
    assert isinstance(found[0], Ended)
    assert isinstance(found[1], Started)


def test_a_beginning_comes_before_the_first_output_however_soon_that_is(tmp_path: Path) -> None:
    async def quick(book: Book) -> None:
        made = begun(book)
        points = made.observation.points
        points.first_output = points.head + 3_000_000
        book.journal.first_output(made)
        end(book, made)

    started, first, ended = written(tmp_path, quick)
    assert isinstance(started, Started)
    assert isinstance(first, FirstOutput)
    assert isinstance(ended, Ended)
    assert started.exchange_id == first.exchange_id == ended.measurement.exchange_id
    assert (first.ttft, first.upstream_ttft) == pytest.approx((0.003, 0.002))


def test_a_wait_below_a_millisecond_is_nobodys_slowness(tmp_path: Path) -> None:
    async def two(book: Book) -> None:
        end(book, begun(book), DRAIN_NOTICED_NS)
        end(book, begun(book), 5 * DRAIN_NOTICED_NS)

    waits = [record.measurement.downstream_wait for record in written(tmp_path, two) if isinstance(record, Ended)]
    assert waits == [0.0, pytest.approx(0.005)]


def test_an_exchange_that_cannot_be_measured_is_counted(tmp_path: Path) -> None:
    async def broken(book: Book) -> None:
        made = begun(book)
        made.observation.points.first_output = "no number"  # type: ignore[assignment]
        made.observation.streaming = True
        end(book, made)
        assert book.spool._unmeasured != [0] * len(book.spool._unmeasured)

    assert written(tmp_path, broken) == []


def test_what_could_not_be_read_is_one_rejected_exchange(tmp_path: Path) -> None:
    async def unreadable(book: Book) -> None:
        book.journal.refused(perf_counter_ns() - 2_000_000, ("rejected", "downstream", "bad_request"), 400)

    before = perf_counter_ns()
    (record,) = written(tmp_path, unreadable)
    assert isinstance(record, Ended)
    m: Measurement = record.measurement
    assert (m.outcome, m.side, m.error_type, m.http_status, m.proxy_id) == ("rejected", "downstream", "bad_request", 400, "p")
    assert m.e2e is not None
    assert 0.002 <= m.e2e <= 0.002 + (perf_counter_ns() - before) / 1e9


def unreported(book: Book) -> Exchange:
    """An exchange that streamed text and no counts."""
    made = begun(book)
    made.kept = book.estimates.hold(made.operation, RequestFacts(streaming=True), b'{"messages":[{"content":"How high is the river?"}]}')
    assert made.kept is not None
    made.observation.points.sent = 3
    made.observation.answered(open_dialect(made.operation, 200, "text/event-stream", {}, made.kept.stream_bytes), 4)
    made.observation.feed(b'data: {"choices":[{"delta":{"content":"Two metres"}}]}\n\n', 5, 0)
    return made


def test_an_exchange_whose_row_waits_for_an_estimate_is_on_record_meanwhile(tmp_path: Path) -> None:
    async def waiting(book: Book) -> None:
        end(book, unreported(book))
        await book.journal.settled()

    started, ended = written(tmp_path, waiting)
    assert isinstance(started, Started)
    assert isinstance(ended, Ended)
    m = ended.measurement
    assert (m.usage_source, m.input_estimate, m.output_estimate) == ("estimated", "tokenizer", "tokenizer")


def test_settling_without_anything_that_waits_takes_no_time(tmp_path: Path) -> None:
    async def idle(book: Book) -> None:
        made = unreported(book)
        made.observation.feed(b'data: {"choices":[],"usage":{"prompt_tokens":5,"completion_tokens":2}}\n\n', 6, 0)
        end(book, made)
        await within(1, book.journal.settled())

    (record,) = written(tmp_path, idle)
    assert isinstance(record, Ended)
    assert (record.measurement.usage_source, record.measurement.output_tokens) == ("reported", 2)
