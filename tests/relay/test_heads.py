"""What of a head is passed on: everything, in its order and spelling, less what concerns one connection."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamgauge.framing.http1 import ResponseHead, parse_head
from streamgauge.relay import heads
from streamgauge.relay.heads import connection_options, forwarded, keeps_alive, read_headers, request_head, response_head

Pairs = list[tuple[bytes, bytes]]


def passed(pairs: Pairs, host: bytes = b"upstream") -> Pairs:
    return forwarded(pairs, read_headers(pairs), host)


def head(*lines: bytes, start: bytes = b"HTTP/1.1 200 OK") -> ResponseHead:
    return parse_head(b"\r\n".join([start, *lines]) + b"\r\n\r\n")


name = st.text(st.sampled_from("abcXYZ019-_.!#"), min_size=1, max_size=12).map(str.encode)
value = st.binary(max_size=20).filter(lambda raw: not set(raw) & set(b"\r\n\x00"))
ours = {b"host", b"connection", b"keep-alive", b"proxy-authorization", b"proxy-connection", b"upgrade"}


@given(st.lists(st.tuples(name, value), max_size=12))
def test_headers_that_are_nobodys_business_stay_as_they_are(pairs: Pairs) -> None:
    others = [pair for pair in pairs if pair[0].lower() not in ours]
    assert passed([(b"Host", b"upstream"), *others]) == [(b"Host", b"upstream"), *others]


def test_the_hosts_value_is_replaced_in_its_place_and_in_its_spelling() -> None:
    assert passed([(b"a", b"1"), (b"hOsT", b"127.0.0.1:8787"), (b"b", b"2")]) == [(b"a", b"1"), (b"hOsT", b"upstream"), (b"b", b"2")]


def test_a_request_without_host_gets_one_first() -> None:
    assert passed([(b"a", b"1")]) == [(b"Host", b"upstream"), (b"a", b"1")]


def test_what_concerns_the_applications_connection_only_goes_no_further() -> None:
    pairs = [
        (b"host", b"upstream"),
        (b"Keep-Alive", b"timeout=5"),
        (b"Proxy-Authorization", b"Basic c2VjcmV0"),
        (b"Proxy-Connection", b"keep-alive"),
        (b"Upgrade", b"h2c"),
        (b"TE", b"trailers"),
        (b"Transfer-Encoding", b"chunked"),
        (b"Connection", b"keep-alive"),
    ]
    kept = [b"host", b"TE", b"Transfer-Encoding", b"Connection"]
    assert [name for name, _ in passed(pairs)] == kept


@pytest.mark.parametrize("connection", [b"close", b"Close", b"close, x-hop", b" X-Hop ,, close"])
def test_a_connection_header_that_says_more_than_keep_alive_ends_here_with_what_it_names(connection: bytes) -> None:
    pairs = [(b"host", b"upstream"), (b"Connection", connection), (b"X-Hop", b"1"), (b"x-other", b"2")]
    named = b"hop" in connection.lower()
    assert passed(pairs) == [(b"host", b"upstream"), *([] if named else [(b"X-Hop", b"1")]), (b"x-other", b"2")]


@pytest.mark.parametrize(
    "named", [b"host", b"content-length", b"Transfer-Encoding", b"authorization", b"content-type", b"expect", b"trailer", b"te"]
)
def test_a_connection_header_cannot_take_away_what_makes_the_message(named: bytes) -> None:
    pairs = [(b"host", b"upstream"), (b"connection", named), (named, b"v" if named != b"host" else b"upstream")]
    assert (named, pairs[2][1]) in passed(pairs)


def test_repeated_headers_are_read_as_one_and_passed_on_as_sent() -> None:
    pairs = [(b"host", b"upstream"), (b"Accept", b"a"), (b"accept", b"b"), (b"X-Bytes", b"\xff")]
    assert read_headers(pairs) == {"host": "upstream", "accept": "a,b", "x-bytes": "\xff"}
    assert passed(pairs) == pairs


def test_remembered_names_have_an_end() -> None:
    read_headers([(b"x-%d" % number, b"") for number in range(3 * heads._LOWERED_KEPT)])
    read_headers([(b"x" * 65, b"")])
    assert len(heads._LOWERED) <= heads._LOWERED_KEPT
    assert b"x" * 65 not in heads._LOWERED
    assert read_headers([(b"X-New-%d" % heads._LOWERED_KEPT, b"1")]) == {f"x-new-{heads._LOWERED_KEPT}": "1"}


def test_a_request_head_is_its_lines() -> None:
    raw = request_head(b"POST", b"/model/a%3Ab/c?d=\xff", [(b"Host", b"h"), (b"X-Empty", b""), (b"x", b"\xe4 ")])
    assert raw == b"POST /model/a%3Ab/c?d=\xff HTTP/1.1\r\nHost: h\r\nX-Empty: \r\nx: \xe4 \r\n\r\n"


@pytest.mark.parametrize("lines", [(), (b"Server:x",), (b"Connection: keep-alive",), (b"connection: Keep-Alive",)])
def test_a_response_head_is_passed_on_byte_for_byte(lines: tuple[bytes, ...]) -> None:
    sent = head(*lines, b"x-odd:\t spaces \t", b"X-ODD:")
    assert response_head(sent, chunked_for_1_0=False) == sent.raw


def test_what_concerns_our_connection_to_the_upstream_is_not_told_to_the_application() -> None:
    sent = head(b"A: 1", b"Connection: close, X-Hop, content-length", b"x-hop: 2", b"Keep-Alive: timeout=5", b"Content-Length: 0", b"B:2")
    assert response_head(sent, chunked_for_1_0=False) == head(b"A: 1", b"Content-Length: 0", b"B:2").raw


@pytest.mark.parametrize("lines", [(), (b"Connection: keep-alive",)])
def test_how_long_the_upstream_keeps_our_connection_is_nothing_to_the_application(lines: tuple[bytes, ...]) -> None:
    sent = head(b"A: 1", *lines, b"Keep-Alive: timeout=5", b"B:2")
    assert response_head(sent, chunked_for_1_0=False) == head(b"A: 1", *lines, b"B:2").raw


@pytest.mark.parametrize("name", [b"Content-Encoding", b"ETag", b"content-range", b"X-Amzn-RequestId", b"Accept-Ranges"])
def test_an_upstreams_connection_header_cannot_take_away_what_makes_the_answer(name: bytes) -> None:
    sent = head(b"Connection: x-hop, " + name, name + b": 1", b"x-hop: 2")
    assert response_head(sent, chunked_for_1_0=False) == head(name + b": 1").raw


def test_an_http_1_0_caller_is_not_told_of_chunks_he_will_not_see() -> None:
    sent = head(b"A: 1", b"Transfer-Encoding: chunked", b"Trailer: x-sum", b"Connection: keep-alive")
    assert response_head(sent, chunked_for_1_0=True) == head(b"A: 1").raw


def test_the_options_of_connection_are_read_without_case_or_spaces() -> None:
    assert connection_options(None) == frozenset()
    assert connection_options("keep-alive") == {"keep-alive"}
    assert connection_options(" Close,, X-A ") == {"close", "x-a"}


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (head(), True),
        (head(b"Connection: keep-alive"), True),
        (head(b"Connection: Close"), False),
        (head(b"connection: x-hop, close"), False),
        (head(start=b"HTTP/1.0 200 OK"), False),
        (head(b"Connection: keep-alive", start=b"HTTP/1.0 200 OK"), False),
    ],
)
def test_a_connection_is_used_again_only_where_the_upstream_agrees(sent: ResponseHead, expected: bool) -> None:
    assert keeps_alive(sent) is expected
