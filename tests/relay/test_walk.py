"""Byte identity in both directions, through a real worker, on both upstream paths."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from hypothesis import Phase, example, given, settings

from tests.relay.messages import TARGETS, Pairs, Request, Response, chunks_of, cuts, lines, requests, responses, sliced
from tests.relay.wire import Caller, RawUpstream, Relay, until


class Line:
    """One way through: a worker on the fast or the slow path, its upstream, and an application's lasting connection."""

    def __init__(self, relay: Relay, upstream: RawUpstream, *, fast: bool) -> None:
        self.relay, self.upstream, self.fast = relay, upstream, fast
        self.caller = relay.call()

    def again(self) -> None:
        """The application's connection is spent."""
        self.caller.close()
        self.caller = self.relay.call()

    def asks(self, request: Request, slices: tuple[int, ...] = ()) -> None:
        """The application sends, and the very same bytes arrive."""
        self.caller.send(*sliced(request.sent(self.relay.host), slices))
        assert self.upstream.received() == request.arrives(self.upstream.host)

    def gets(self, response: Response, caller: Caller | None = None) -> None:
        """The very bytes of the response come back."""
        caller = caller or self.caller
        if self.fast:
            assert caller.read(len(response.interim + response.raw)) == response.interim + response.raw
        elif response.framing == "chunked":
            assert caller.read_head() == response.head
            assert caller.read_chunked() == response.body
        else:
            assert caller.read(len(response.raw)) == response.raw

    def passes(self, request: Request, response: Response, slices: tuple[int, ...] = ()) -> None:
        """The whole exchange."""
        ending = ("close",) if response.framing == "close" else ()
        self.upstream.will(*sliced(response.interim + response.raw, slices), *ending)
        try:
            self.asks(request, slices)
            self.gets(response)
            if response.framing == "close" or request.is_last:
                assert self.caller.read_to_end() == (b"", False)
                self.again()
        except BaseException:
            self.again()
            self.upstream.forget()
            raise


@pytest.fixture(scope="module", params=["fast", "slow"])
def line(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Line]:
    upstream = RawUpstream()
    directory = tmp_path_factory.mktemp(request.param)
    fast = request.param == "fast"
    with Relay(directory, f"http://127.0.0.1:{upstream.port}", fast_path=fast, body_timeout=5.0) as relay:
        made = Line(relay, upstream, fast=fast)
        yield made
        made.caller.close()
        upstream.close()
        assert relay.stop() == 0
        # Whatever the tests did: each exchange has its one measurement, and the log has nothing to say.
        assert len(relay.measured()) == relay.seen() > 0
        assert relay.log.read_text() == ""


ASK = Request(b"POST", TARGETS[0], ((b"Content-Type", b"application/json"),), b"{}")
ANSWER = Response(b"HTTP/1.1 200 OK", ((b"content-type", b"application/json"),), "length", b'{"a": 1}')


EXAMPLES = max(50, settings().max_examples // 10)
"""An example is a whole exchange of several processes; acceptance looks harder."""


# No shrinking: a failing example costs a deadline each time.
@settings(max_examples=EXAMPLES, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(request=requests, response=responses, slices=cuts)
@example(ASK, ANSWER, ())
def test_any_exchange_passes_byte_for_byte(line: Line, request: Request, response: Response, slices: tuple[int, ...]) -> None:
    line.passes(request, response, slices)


@pytest.mark.parametrize("target", TARGETS)
def test_a_raw_target_arrives_as_it_was_sent(line: Line, target: bytes) -> None:
    line.passes(Request(b"POST", target, (), b"{}"), ANSWER)


@pytest.mark.parametrize("header", [b"x-amzn-bedrock-request-metadata", b"X-Long"])
def test_a_header_of_8500_bytes_passes_in_both_directions(line: Line, header: bytes) -> None:
    long = ((header, b"v" * 8_500), (b"x-other", b"w" * 8_500))
    line.passes(Request(b"POST", TARGETS[0], long, b"{}"), Response(b"HTTP/1.1 200 OK", long, "length", b"{}"))


def test_many_headers_pass_in_both_directions(line: Line) -> None:
    many = tuple((b"X-%d" % number, b"%d" % number) for number in range(120))
    line.passes(Request(b"POST", TARGETS[0], many, b"{}"), Response(b"HTTP/1.1 200 OK", many, "length", b"{}"))


def test_bodies_of_25_megabytes_pass_in_both_directions(line: Line) -> None:
    body = bytes(range(256)) * 100_000
    line.passes(Request(b"POST", TARGETS[0], (), body), Response(b"HTTP/1.1 200 OK", (), "length", body))
    line.passes(
        Request(b"POST", TARGETS[0], (), body, chunks=(1 << 20,) * 20), Response(b"HTTP/1.1 200 OK", (), "chunked", body, (99_999,) * 9)
    )


@pytest.mark.parametrize("chunks", [None, (), (1, 1), (2,)])
def test_a_request_without_a_body_passes_with_its_framing(line: Line, chunks: tuple[int, ...] | None) -> None:
    for method in (b"GET", b"POST"):
        line.passes(Request(method, TARGETS[0], (), b"" if chunks in (None, ()) else b"abc", chunks), ANSWER)


@pytest.mark.parametrize("framing", ["length", "chunked", "none"])
def test_an_answer_to_head_is_its_head(line: Line, framing: str) -> None:
    answer = Response(b"HTTP/1.1 200 OK", ((b"x-a", b"1"),), framing, b"hello")
    for _ in range(2):
        line.upstream.will(answer.head)
        line.asks(Request(b"HEAD", TARGETS[0], ()))
        assert line.caller.read(len(answer.head)) == answer.head
    line.passes(ASK, ANSWER)


@pytest.mark.parametrize("start", [b"HTTP/1.1 204 No Content", b"HTTP/1.1 304 Not Modified"])
def test_an_answer_that_has_no_body_is_its_head(line: Line, start: bytes) -> None:
    for more in ((), ((b"content-length", b"0"),)):
        line.passes(ASK, Response(start, ((b"ETag", b'"x"'), *more), "none"))
    line.passes(ASK, ANSWER)


def test_many_exchanges_pass_over_one_connection_on_each_side(line: Line) -> None:
    line.passes(ASK, ANSWER)
    before = len(line.upstream.connections)
    for _ in range(50):
        line.passes(ASK, ANSWER)
        line.passes(ASK, Response(b"HTTP/1.1 200 OK", (), "chunked", b"x" * 10))
    assert len(line.upstream.connections) == before


def test_requests_that_come_at_once_are_answered_in_order(line: Line) -> None:
    asked = [Request(b"POST", b"/number/%d" % number, (), b"%d" % number) for number in range(30)]
    answers = [Response(b"HTTP/1.1 200 OK", (), "length", b"answer %d" % number) for number in range(30)]
    for answer in answers:
        line.upstream.will(answer.raw)
    line.caller.send(b"".join(request.sent(line.relay.host) for request in asked))
    assert [line.upstream.received() for _ in asked] == [request.arrives(line.upstream.host) for request in asked]
    for answer in answers:
        line.gets(answer)


@pytest.mark.parametrize("framing", ["length", "chunked", "close"])
@pytest.mark.parametrize("headers", [(), ((b"Connection", b"keep-alive"),)])
def test_a_caller_of_http_1_0_gets_the_bare_body_and_the_end_of_the_connection(line: Line, framing: str, headers: Pairs) -> None:
    answer = Response(b"HTTP/1.1 200 OK", ((b"x-a", b"1"),), framing, b"hello", (1, 2), b"", b"x-sum: 1\r\n")
    request = Request(b"POST", TARGETS[0], headers, b"{}", version=b"HTTP/1.0")
    line.upstream.will(answer.raw, *(("close",) if framing == "close" else ()))
    line.asks(request)
    framed = ((b"content-length", b"5"),) if framing == "length" else ()
    expected = answer.start + b"\r\n" + lines((*answer.headers, *framed)) + b"\r\nhello"
    if framing == "length" and headers:
        assert line.caller.read(len(expected)) == expected
    else:
        assert line.caller.read_to_end() == (expected, False)
    line.again()


def test_a_caller_of_http_1_0_gets_no_interim_responses(line: Line) -> None:
    line.upstream.will(b"HTTP/1.1 103 Early Hints\r\n\r\n" + ANSWER.raw)
    line.asks(Request(b"POST", TARGETS[0], (), b"{}", version=b"HTTP/1.0"))
    assert line.caller.read_to_end() == (ANSWER.raw, False)
    line.again()


def test_a_caller_that_waits_for_100_gets_it_from_us_and_only_once(line: Line) -> None:
    request = Request(b"POST", TARGETS[0], ((b"Expect", b"100-continue"),), b"x" * 1_000)
    head, body = request.sent(line.relay.host)[:-1_000], request.body
    line.upstream.will(b"HTTP/1.1 100 Continue\r\n\r\n" + ANSWER.raw)
    line.caller.send(head)
    assert line.caller.read_head() == b"HTTP/1.1 100 Continue\r\n\r\n"
    line.caller.send(body)
    assert line.upstream.received() == request.arrives(line.upstream.host)
    line.gets(ANSWER)


def test_a_caller_that_expects_100_and_does_not_wait_is_served(line: Line) -> None:
    line.upstream.will(ANSWER.raw)
    line.asks(Request(b"POST", TARGETS[0], ((b"Expect", b"100-continue"),), b"x" * 1_000))
    line.gets(ANSWER)


def test_a_response_head_leaves_before_the_body_comes(line: Line) -> None:
    go_on = threading.Event()
    answer = Response(b"HTTP/1.1 200 OK", ((b"Content-Type", b"text/event-stream"),), "chunked", b"data: 1\n\n")
    line.upstream.will(answer.head, go_on, answer.raw[len(answer.head) :])
    line.asks(ASK)
    assert line.caller.read_head() == answer.head
    go_on.set()
    assert line.caller.read_chunked() == answer.body


def test_a_chunk_leaves_before_the_next_one_comes(line: Line) -> None:
    steps = [threading.Event() for _ in range(3)]
    answer = Response(b"HTTP/1.1 200 OK", (), "chunked")
    line.upstream.will(answer.head, steps[0], b"1\r\na\r\n", steps[1], b"1\r\nb\r\n", steps[2], b"0\r\n\r\n")
    line.asks(ASK)
    assert line.caller.read_head() == answer.head
    for step, expected in zip(steps, (b"1\r\na\r\n", b"1\r\nb\r\n", b"0\r\n\r\n"), strict=True):
        step.set()
        assert line.caller.read(len(expected)) == expected


def test_the_upstreams_own_connection_headers_do_not_reach_the_application(line: Line) -> None:
    hop = ((b"X-A", b"1"), (b"Connection", b"close, x-hop"), (b"X-Hop", b"2"), (b"Keep-Alive", b"timeout=5"))
    sent = Response(b"HTTP/1.1 200 OK", hop, "length", b"hello")
    line.upstream.will(sent.raw, "close")
    line.asks(ASK)
    line.gets(Response(b"HTTP/1.1 200 OK", hop[:1], "length", b"hello"))
    line.passes(ASK, ANSWER)


def test_the_applications_own_connection_headers_do_not_reach_the_upstream(line: Line) -> None:
    hop = ((b"Connection", b"close, X-Hop"), (b"x-hop", b"1"), (b"Proxy-Authorization", b"Basic eA=="), (b"Keep-Alive", b"a=b"))
    line.upstream.will(ANSWER.raw)
    line.caller.send(Request(b"POST", TARGETS[0], hop, b"{}").sent(line.relay.host))
    assert line.upstream.received() == Request(b"POST", TARGETS[0], (), b"{}").arrives(line.upstream.host)
    assert line.caller.read_to_end() == (ANSWER.raw, False)
    line.again()


def test_an_offer_of_http_2_is_not_passed_on_and_nothing_else_comes_of_it(line: Line) -> None:
    offer = ((b"Connection", b"Upgrade, HTTP2-Settings"), (b"Upgrade", b"h2c"), (b"HTTP2-Settings", b"AAQAAP__"), (b"X-A", b"1"))
    for _ in range(2):
        line.upstream.will(ANSWER.raw)
        line.caller.send(Request(b"POST", TARGETS[0], offer, b"{}").sent(line.relay.host))
        assert line.upstream.received() == Request(b"POST", TARGETS[0], offer[3:], b"{}").arrives(line.upstream.host)
        line.gets(ANSWER)


def test_an_offer_of_websocket_is_not_passed_on_and_ends_the_connection(line: Line) -> None:
    offer = ((b"Connection", b"Upgrade"), (b"Upgrade", b"websocket"), (b"X-A", b"1"))
    line.upstream.will(ANSWER.raw)
    line.caller.send(Request(b"GET", TARGETS[0], offer).sent(line.relay.host))
    assert line.upstream.received() == Request(b"GET", TARGETS[0], offer[2:]).arrives(line.upstream.host)
    assert line.caller.read_to_end() == (ANSWER.raw, False)
    line.again()


def test_an_offer_that_comes_while_the_request_before_is_served_is_served_next(line: Line) -> None:
    offer = ((b"Connection", b"Upgrade"), (b"Upgrade", b"websocket"), (b"X-A", b"1"))
    for _ in range(2):
        line.upstream.will(ANSWER.raw)
    asked = ASK.sent(line.relay.host) + Request(b"GET", TARGETS[0], offer).sent(line.relay.host)
    line.caller.send(asked)
    assert line.upstream.received() == ASK.arrives(line.upstream.host)
    assert line.upstream.received() == Request(b"GET", TARGETS[0], offer[2:]).arrives(line.upstream.host)
    assert line.caller.read_to_end() == (ANSWER.raw * 2, False)
    line.again()


def test_a_forward_proxys_absolute_target_becomes_the_path_and_keeps_its_host(line: Line) -> None:
    host = b"bedrock-runtime.us-east-1.amazonaws.com"
    line.upstream.will(ANSWER.raw)
    request = Request(b"POST", b"http://" + host + TARGETS[1] + b"?a=%20", (), b"{}", place=1)
    line.caller.send(request.sent(host))
    assert line.upstream.received() == Request(b"POST", TARGETS[1] + b"?a=%20", (), b"{}", place=1).arrives(host)
    line.gets(ANSWER)


def test_what_is_measured_of_an_exchange_agrees_with_its_bytes(line: Line) -> None:
    before = line.relay.seen()
    answer = Response(b"HTTP/1.1 200 OK", ((b"x-amzn-RequestId", b"r-1"),), "chunked", b"z" * 5_000, (1_000,))
    line.passes(Request(b"POST", TARGETS[1], (), b"y" * 3_000), answer)
    m = line.relay.last(before + 1)
    assert (m.outcome, m.http_status, m.upstream_request_id) == ("completed", 200, "r-1")
    assert (m.request_bytes, m.response_bytes, m.signing) == (3_000, 5_000, "passthrough")
    assert m.requested_model is not None
    assert m.requested_model.startswith("arn:aws:bedrock:us-east-1:123456789012:inference-profile/")


@pytest.mark.parametrize(
    ("content_type", "body"),
    [(b"application/json", b"{}"), (b"application/vnd.amazon.eventstream", b"garbage" * 9), (b"text/event-stream", b": ping\n\n")],
)
def test_the_time_between_an_answers_head_and_its_body_is_not_the_proxys(line: Line, content_type: bytes, body: bytes) -> None:
    before, go_on = line.relay.seen(), threading.Event()
    answer = Response(b"HTTP/1.1 200 OK", ((b"Content-Type", content_type),), "length", body)
    line.upstream.will(answer.head, go_on, body)
    line.asks(ASK)
    line.caller.read_head()
    assert not go_on.wait(0.5)  # the provider's time
    go_on.set()
    assert line.caller.read(len(body)) == body
    m = line.relay.last(before + 1)
    assert m.overhead_first_chunk is not None
    assert m.overhead_first_chunk < 0.25
    assert m.proxy_overhead is not None
    assert m.proxy_overhead < 0.25


def test_chunked_framing_survives_any_slicing_of_a_stream(line: Line) -> None:
    raw = chunks_of(b"data: {}\n\n" * 20, (3, 5, 7, 11), b";x=y")
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    line.upstream.will(*(bytes([byte]) for byte in head + raw))
    line.asks(ASK)
    if line.fast:
        assert line.caller.read(len(head + raw)) == head + raw
    else:
        assert line.caller.read_head() == head
        assert line.caller.read_chunked() == b"data: {}\n\n" * 20
    until(line.upstream.requests.empty, "no further request")
