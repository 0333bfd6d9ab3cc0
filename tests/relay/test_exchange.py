"""One exchange under way: what each side's events do to the other side and to the verdict."""

from __future__ import annotations

from functools import partial

import pytest

from streamgauge.dialects.openai_chat import OpenAiChatStream
from streamgauge.errors import Undecodable
from streamgauge.framing.http1 import ResponseHead, parse_head
from streamgauge.records import VISIBLE, Fault, Measurement, Operation
from streamgauge.relay.exchange import Exchange
from tests.measure.scripted import Scripted
from tests.relay.loopback import Application, Side, exchange, on_uvloop

STREAM = b"content-type: text/event-stream"
UNARY = Operation("bedrock-runtime", "Converse", "converse", streaming=False)
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
EARLY = b"HTTP/1.1 103 Early Hints\r\nlink: a\r\n\r\n"


def head(*lines: bytes, status: bytes = b"200 OK") -> ResponseHead:
    return parse_head(b"\r\n".join([b"HTTP/1.1 " + status, *lines]) + b"\r\n\r\n")


def begun(*lines: bytes, status: bytes = b"200 OK", streaming: bool | None = True) -> tuple[Exchange, Application, Side]:
    """An exchange whose response head came at 10."""
    made, application = exchange(streaming=streaming)
    side = Side()
    made.upstream = side
    application.write(made.begin(head(*lines, status=status), ends_with_connection=False, at=10))
    return made, application, side


def closed(made: Exchange) -> Measurement:
    assert made.verdict is not None
    return made.observation.close(made.measurement, made.verdict, 100)


def test_a_head_is_written_down_and_passed_on() -> None:
    async def main() -> None:
        made, application, _ = begun(STREAM, b"x-amzn-RequestId: abc", b"x-amzn-invoked-production-variant: blue")
        m = made.measurement
        assert (made.status, made.replied, made.keep_alive) == (200, True, True)
        assert (m.http_status, m.upstream_request_id, m.variant) == (200, "abc", "blue")
        assert application.received == head(STREAM, b"x-amzn-RequestId: abc", b"x-amzn-invoked-production-variant: blue").raw
        assert made.observation.points.response == 10

    on_uvloop(main)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ((b"x-request-id: b", b"request-id: c", b"x-amzn-requestid: a"), "a"),
        ((b"request-id: c", b"x-request-id: b"), "b"),
        ((b"request-id: c",), "c"),
        ((b"request-id: " + 300 * b"c",), None),
        ((b"x-amzn-requestid:",), None),
        ((), None),
    ],
)
def test_the_providers_request_id_is_found_under_each_of_its_names(names: tuple[bytes, ...], expected: str | None) -> None:
    async def main() -> None:
        assert begun(*names)[0].measurement.upstream_request_id == expected

    on_uvloop(main)


@pytest.mark.parametrize(
    ("asked", "lines", "status", "streaming"),
    [
        (True, (STREAM,), b"200 OK", True),
        (True, (b"content-type: application/json",), b"200 OK", False),
        (True, (), b"200 OK", True),
        (None, (STREAM,), b"200 OK", True),
        (None, (b"content-type: application/vnd.amazon.eventstream",), b"200 OK", False),
        (None, (), b"200 OK", False),
        (False, (STREAM,), b"200 OK", False),
    ],
)
def test_the_answer_decides_whether_it_is_a_stream(asked: bool | None, lines: tuple[bytes, ...], status: bytes, streaming: bool) -> None:
    async def main() -> None:
        assert begun(*lines, status=status, streaming=asked)[0].observation.streaming is streaming

    on_uvloop(main)


@pytest.mark.parametrize("asked", [True, False, None])
@pytest.mark.parametrize(("status", "named"), [(b"429 Too Many Requests", False), (b"503 Slow Down", False), (b"200 OK", True)])
def test_an_error_says_nothing_about_whether_a_stream_was_asked_for(asked: bool | None, status: bytes, named: bool) -> None:
    async def main() -> None:
        names = [b"x-amzn-errortype: ThrottlingException"] if named else []
        made, _, _ = begun(b"content-type: application/json", *names, status=status, streaming=asked)
        assert made.observation.feed(b'{"message": "slow"}', 11, 0) is False
        made.complete(20)
        m = closed(made)
        assert (m.streaming, m.ttft, m.upstream_ttft, m.ttfc, m.time_to_last_token, m.tpot) == (asked, None, None, None, None, None)

    on_uvloop(main)


def test_an_error_that_breaks_off_is_no_error_within_a_stream() -> None:
    async def main() -> None:
        made, _, _ = begun(b"content-type: application/json", b"content-length: 9", status=b"503 Slow Down")
        made.upstream_broke("upstream_reset", 20)
        assert made.verdict == ("upstream_error", "upstream", "upstream_reset")

    on_uvloop(main)


def test_a_connection_whose_answer_ends_with_it_is_not_kept() -> None:
    async def main() -> None:
        until_close, _ = exchange()
        until_close.begin(head(), ends_with_connection=True, at=1)
        old, _ = exchange(http_1_0=True)
        unchunked = old.begin(head(b"transfer-encoding: chunked"), ends_with_connection=False, at=1)
        old_with_length, _ = exchange(http_1_0=True)
        old_with_length.begin(head(b"content-length: 1"), ends_with_connection=False, at=1)
        assert [until_close.keep_alive, old.keep_alive, old_with_length.keep_alive] == [False, False, True]
        assert [until_close.unframed, old.unframed, old_with_length.unframed] == [True, True, False]
        assert unchunked == b"HTTP/1.1 200 OK\r\n\r\n"

    on_uvloop(main)


def test_interim_heads_are_passed_on_except_a_100_that_was_given_already() -> None:
    async def main() -> None:
        plain, application = exchange()
        plain.interims((CONTINUE, EARLY))
        continued, second = exchange()
        continued.continued = True
        continued.interims((CONTINUE, EARLY))
        old, third = exchange(http_1_0=True)
        old.interims((CONTINUE, EARLY))
        assert [application.received, second.received, third.received] == [CONTINUE + EARLY, EARLY, b""]

    on_uvloop(main)


def test_a_whole_answer_is_judged_by_status_and_fault() -> None:
    async def main() -> None:
        fine, _, _ = begun(STREAM)
        fine.observation.answered(Scripted(), 10)
        fine.complete(20)
        faulty, _, _ = begun(STREAM)
        faulty.observation.answered(Scripted(at_close=(Fault("stream_truncated"),)), 10)
        faulty.complete(20)
        refused, _, _ = begun(status=b"403 Forbidden")
        refused.resigned = True
        refused.complete(20)
        assert [made.done.done() for made in (fine, faulty, refused)] == [True, True, True]
        assert [fine.verdict, faulty.verdict] == [("completed", None, None), ("stream_error", "upstream", "stream_truncated")]
        assert refused.verdict is not None
        assert refused.verdict[:2] == ("client_error", "proxy")
        assert fine.upstream is None

    on_uvloop(main)


def test_the_end_is_stamped_at_once_where_the_kernel_has_taken_all() -> None:
    async def main() -> None:
        taken, _, _ = begun()
        taken.complete(20)
        waiting, application, _ = begun()
        application.unsent = 1
        waiting.complete(20)
        assert taken.observation.points.finished is not None
        assert waiting.observation.points.finished is None
        assert waiting.observation.points.last_byte == 20

    on_uvloop(main)


def test_an_upstream_that_breaks_before_its_answer_leaves_the_application_for_a_reply() -> None:
    async def main() -> None:
        made, application = exchange()
        side = Side()
        made.upstream = side
        made.upstream_broke("upstream_reset", 20)
        assert (made.verdict, made.upstream_error) == (("upstream_error", "upstream", "upstream_reset"), "upstream_reset")
        assert (side.told, application.received, made.replied, made.done.done()) == (["abort"], b"", False, True)

    on_uvloop(main)


def test_an_upstream_that_breaks_within_its_answer_ends_the_applications_connection() -> None:
    async def main() -> None:
        made, _, side = begun(STREAM)
        made.upstream_broke("upstream_reset", 20)
        assert made.verdict == ("stream_error", "upstream", "upstream_reset")
        assert (side.told, made.keep_alive) == (["abort"], False)
        unary, _, _ = begun(b"content-type: application/json")
        unary.upstream_broke("read_timeout", 20)
        assert (unary.verdict, unary.keep_alive) == (("timeout", "upstream", "read_timeout"), False)

    on_uvloop(main)


def test_an_application_that_goes_away_ends_the_upstream_at_once() -> None:
    async def main() -> None:
        made, _, side = begun(STREAM)
        made.observation.answered(Scripted([VISIBLE]), 10)
        made.observation.feed(b"x", 11, 0)
        made.downstream_lost(20)
        assert (side.told, made.keep_alive, made.done.done()) == (["abort"], False, True)
        m = closed(made)
        assert (m.outcome, m.side, m.error_type, m.upstream_e2e) == ("client_cancelled", "downstream", None, (20 - 2) / 1e9)

    on_uvloop(main)


def test_who_goes_away_because_the_provider_reported_an_error_is_not_the_reason() -> None:
    async def main() -> None:
        made, _, side = begun(STREAM)
        made.observation.answered(Scripted([VISIBLE, (Fault("modelStreamErrorException"),)]), 10)
        made.observation.feed(b"x", 11, 0)
        made.observation.feed(b"y", 12, 0)
        made.downstream_lost(20)
        assert (side.told, made.keep_alive) == (["abort"], False)
        assert made.verdict == ("stream_error", "upstream", "modelStreamErrorException")

    on_uvloop(main)


@pytest.mark.parametrize(
    ("status", "outcome", "error_type"),
    [
        (b"429 Too Many Requests", "throttled", "ThrottlingException"),
        (b"500 Internal Server Error", "upstream_error", "InternalServerException"),
        (b"200 OK", "upstream_error", "InternalServerException"),
    ],
)
def test_who_goes_away_at_an_errors_head_does_not_take_the_blame(status: bytes, outcome: str, error_type: str) -> None:
    async def main() -> None:
        made, _, _ = begun(b"content-type: application/json", b"x-amzn-errortype: " + error_type.encode(), status=status)
        made.observation.feed(b'{"mess', 11, 0)
        made.downstream_lost(20)
        assert (closed(made).outcome, closed(made).side, closed(made).error_type) == (outcome, "upstream", error_type)

    on_uvloop(main)


def test_who_goes_away_at_bytes_that_were_changed_on_the_way_does_not_take_the_blame() -> None:
    async def main() -> None:
        made, _, _ = begun(STREAM)
        made.observation.answered(Scripted([VISIBLE, Undecodable("message_crc")]), 10)
        made.observation.feed(b"x", 11, 0)
        made.observation.feed(b"y", 12, 0)
        made.downstream_lost(20)
        assert made.verdict == ("stream_error", "upstream", "message_crc")

    on_uvloop(main)


def test_who_goes_away_at_the_streams_own_end_had_the_whole_answer() -> None:
    async def main() -> None:
        for last, outcome in ((b"data: [DONE]\n\n", "completed"), (b"data: [DONE]\n", "client_cancelled")):
            made, _, side = begun(STREAM)
            made.observation.answered(OpenAiChatStream(), 10)
            piece = b'data: {"choices":[{"delta":{"content":"a"}}]}\n\n'
            made.observation.feed(piece, 11, 0)
            made.observation.feed(last, 12, 0)
            made.downstream_lost(20)
            assert (side.told, made.keep_alive, made.done.done()) == (["abort"], False, True)
            assert closed(made).outcome == outcome

    on_uvloop(main)


def test_the_first_verdict_stands() -> None:
    async def main() -> None:
        for first in ("complete", "upstream_broke", "downstream_lost"):
            made, _, side = begun(STREAM)
            ends = {
                "complete": partial(made.complete, 20),
                "upstream_broke": partial(made.upstream_broke, "upstream_reset", 21),
                "downstream_lost": partial(made.downstream_lost, 22),
            }
            ends[first]()
            verdict, told = made.verdict, list(side.told)
            for end in ends.values():
                end()
            assert (made.verdict, side.told) == (verdict, told)

    on_uvloop(main)


def test_an_end_before_any_head_is_no_answer() -> None:
    async def main() -> None:
        made, _ = exchange()
        made.complete(20)
        assert (made.verdict, made.done.done()) == (None, False)

    on_uvloop(main)


def test_a_break_without_a_connection_is_a_break_all_the_same() -> None:
    async def main() -> None:
        made, _ = exchange()
        made.pause(1)
        made.resume(2)
        made.upstream_broke("upstream_reset", 3)
        gone, _ = exchange()
        gone.downstream_lost(3)
        assert [made.verdict, gone.verdict] == [
            ("upstream_error", "upstream", "upstream_reset"),
            ("client_cancelled", "downstream", None),
        ]

    on_uvloop(main)


def test_a_pause_reaches_the_upstream_and_counts_as_the_readers() -> None:
    async def main() -> None:
        made, _, side = begun(STREAM)
        made.pause(1_000_000_000)
        made.resume(3_000_000_000)
        assert side.told == ["pause", "resume"]
        assert made.last_read_at == 3_000_000_000
        made.complete(4_000_000_000)
        m = made.observation.close(made.measurement, ("completed", None, None), 4_000_000_000)
        assert m.downstream_wait == 2.0

    on_uvloop(main)


def test_a_cancelled_walk_is_not_woken() -> None:
    async def main() -> None:
        made, _, _ = begun()
        made.done.cancel()
        made.complete(20)
        assert made.verdict == ("completed", None, None)

    on_uvloop(main)
