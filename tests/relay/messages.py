"""Requests and responses in exact bytes, and hypothesis strategies for any of them."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from hypothesis import strategies as st

from streamgauge.relay.request_body import FOLLOWED_BYTES

Pairs = tuple[tuple[bytes, bytes], ...]


def lines(pairs: Pairs) -> bytes:
    return b"".join(b"%b: %b\r\n" % pair for pair in pairs)


def chunks_of(body: bytes, sizes: tuple[int, ...], extension: bytes = b"", trailers: bytes = b"") -> bytes:
    """``body`` in chunks of these sizes, the last one takes what is left."""
    parts, at = [], 0
    for size in (*sizes, len(body)):
        data = body[at : at + size]
        if data:
            parts.append(b"%x%b\r\n%b\r\n" % (len(data), extension, data))
        at += size
    return b"".join(parts) + b"0\r\n" + trailers + b"\r\n"


@dataclass(frozen=True)
class Request:
    """``chunks``: sizes of chunks, or ``None`` for a content length. ``place``: where among the headers Host stands."""

    method: bytes
    target: bytes
    headers: Pairs
    body: bytes = b""
    chunks: tuple[int, ...] | None = None
    place: int = 0
    version: bytes = b"HTTP/1.1"
    extension: bytes = b""
    trailers: bytes = b""

    def _head(self, host: bytes, version: bytes) -> bytes:
        framing: Pairs = ()
        if self.chunks is not None:
            framing = ((b"Transfer-Encoding", b"chunked"),)
        elif self.body or self.method in (b"POST", b"PUT"):
            framing = ((b"Content-Length", b"%d" % len(self.body)),)
        headers = [*self.headers, *framing]
        headers.insert(min(self.place, len(headers)), (b"Host", host))
        return b"%b %b %b\r\n%b\r\n" % (self.method, self.target, version, lines(tuple(headers)))

    @property
    def _framed(self) -> bytes:
        return self.body if self.chunks is None else chunks_of(self.body, self.chunks, self.extension, self.trailers)

    @property
    def _too_long_to_follow(self) -> bool:
        return self.chunks is not None and len(self._framed) > FOLLOWED_BYTES

    @property
    def is_last(self) -> bool:
        """The connection serves no other request behind it."""
        return self._too_long_to_follow or (self.chunks is not None and self.trailers != b"")

    def sent(self, host: bytes) -> bytes:
        """The bytes an application sends to ``host``."""
        return self._head(host, self.version) + self._framed

    def arrives(self, host: bytes) -> bytes:
        """The bytes that arrive at the upstream ``host``."""
        return self._head(host, b"HTTP/1.1") + (chunks_of(self.body, ()) if self._too_long_to_follow else self._framed)


@dataclass(frozen=True)
class Response:
    """``framing``: ``length``, ``chunked``, ``close`` or ``none`` (a response that has no body)."""

    start: bytes
    headers: Pairs
    framing: str
    body: bytes = b""
    chunks: tuple[int, ...] = ()
    extension: bytes = b""
    trailers: bytes = b""
    interim: bytes = b""

    @property
    def head(self) -> bytes:
        """Up to the empty line."""
        framing: Pairs = ()
        if self.framing == "length":
            framing = ((b"content-length", b"%d" % len(self.body)),)
        elif self.framing == "chunked":
            framing = ((b"Transfer-Encoding", b"chunked"),)
        return self.start + b"\r\n" + lines((*self.headers, *framing)) + b"\r\n"

    @property
    def raw(self) -> bytes:
        """All bytes after the interim responses."""
        if self.framing == "chunked":
            return self.head + chunks_of(self.body, self.chunks, self.extension, self.trailers)
        return self.head + (b"" if self.framing == "none" else self.body)


def sliced(raw: bytes, cuts: tuple[int, ...]) -> list[bytes]:
    """``raw`` cut at the given per-mille of its length."""
    edges = [0, *sorted(len(raw) * cut // 1000 for cut in cuts), len(raw)]
    return [raw[start:end] for start, end in itertools.pairwise(edges) if start < end]


TOKEN = "!#$%&'*+-.^_`|~0123456789abcXYZ"
own_name = st.text(st.sampled_from(TOKEN), min_size=1, max_size=12).map(lambda text: b"X-" + text.encode())
text_byte = st.sampled_from([*range(0x20, 0x7F), 0x09, *range(0x80, 0x100)])
value = st.lists(text_byte, max_size=30).map(lambda codes: bytes(codes).strip(b" \t"))

REQUEST_HEADERS: list[tuple[bytes, bytes]] = [
    (b"content-type", b"application/json"),
    (b"CONTENT-TYPE", b"text/plain; charset=x"),
    (b"Accept", b"application/vnd.amazon.eventstream"),
    (b"accept-ENCODING", b"identity"),
    (b"User-Agent", b"Boto3/1.44 app/shop"),
    (b"User-Agent", b"\xff\xfe"),
    (
        b"Authorization",
        b"AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260101/us-east-1/bedrock/aws4_request, SignedHeaders=host, Signature=ab",
    ),
    (b"authorization", b"Bearer bedrock-api-key-abc"),
    (b"Authorization", b"Basic eA=="),
    (b"X-Amzn-Trace-Id", b"Root=1-5759e988-bd862e3fe1be46a994272793"),
    (b"traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
    (b"amz-sdk-request", b"attempt=2; max=3"),
    (b"Amz-Sdk-Invocation-Id", b"8c1f4c5e-6b44-4ec4-9f19-0d4a3a2f2f10"),
    (b"Cookie", b'a=1; b="2"'),
    (b"Forwarded", b"for=1.2.3.4"),
    (b"X-Forwarded-For", b"1.2.3.4"),
    (b"TE", b"trailers"),
    (b"Connection", b"keep-alive"),
]
RESPONSE_HEADERS: list[tuple[bytes, bytes]] = [
    (b"Date", b"Mon, 24 Nov 2025 05:00:00 GMT"),
    (b"Server", b"x"),
    (b"Via", b"1.1 x"),
    (b"Content-Type", b"application/vnd.amazon.eventstream"),
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"CONTENT-TYPE", b"application/json"),
    (b"Content-Encoding", b"gzip"),
    (b"x-amzn-RequestId", b"8c1f4c5e-6b44-4ec4-9f19-0d4a3a2f2f10"),
    (b"x-amzn-bedrock-input-token-count", b"12"),
    (b"x-amzn-bedrock-output-token-count", b"-1e9"),
    (b"Set-Cookie", b"a=1"),
    (b"set-cookie", b"b=2"),
    (b"Connection", b"keep-alive"),
    (b"Trailer", b"x-sum"),
]


def headers(known: list[tuple[bytes, bytes]]) -> st.SearchStrategy[Pairs]:
    """Any headers, in any order; of the well-known ones each at most once."""
    chosen = st.lists(st.sampled_from(known), max_size=6, unique_by=lambda pair: pair[0].lower())
    own = st.lists(st.tuples(own_name, value), max_size=5)
    return st.tuples(chosen, own).flatmap(lambda both: st.permutations([*both[0], *both[1]])).map(tuple)


MODEL = b"arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Ainference-profile%2Fus.anthropic.claude-sonnet-4-5-20250929-v1%3A0"
TARGETS = [
    b"/model/" + MODEL + b"/converse-stream",
    b"/model/" + MODEL.replace(b"%3A", b":") + b"/invoke",
    b"/model/" + MODEL.replace(b"%3A", b"%3a").replace(b"%2F", b"/") + b"/converse",
    b"/model/anthropic.claude-3-haiku-20240307-v1:0/invoke-with-response-stream",
    b"/model/%61mazon.nova-lite-v1%3A0/invoke",
    b"/endpoints/my-endpoint/invocations-response-stream",
    b"/openai/v1/chat/completions",
    b"/anthropic/v1/messages?beta=true",
    b"/",
    b"//model//x/../y/./invoke",
    b"/a?b=c&b=%20&c",
    b"/a?",
    b"/%E4%00%zz;a=b,c@!$'()*+~[]|\"<>\\^`{}",
]
target = st.one_of(
    st.sampled_from(TARGETS),
    st.lists(st.sampled_from([b"%3A", b"%2F", b":", b"/", b"a", b"%", b"?", b"&", b"=", b"+", b'"', b"|"]), max_size=12).map(
        lambda parts: b"/" + b"".join(parts)
    ),
)
json_body = st.sampled_from(
    [b"{}", b'{"stream": true, "max_tokens": 5}', b'{"messages": [{"role": "user"', b"[]", b"null", b'{"a": 1e999}']
)
large_body = st.tuples(st.binary(min_size=1, max_size=50), st.integers(60_000, 70_000)).map(lambda drawn: (drawn[0] * drawn[1])[: drawn[1]])
body = st.one_of(st.binary(max_size=300), large_body, json_body)
sizes = st.lists(st.integers(1, 40_000), max_size=5).map(tuple)
cuts = st.lists(st.integers(1, 999), max_size=8).map(tuple)

requests = st.builds(
    Request,
    method=st.sampled_from([b"POST", b"POST", b"POST", b"PUT", b"GET", b"DELETE", b"OPTIONS", b"PATCH"]),
    target=target,
    headers=headers(REQUEST_HEADERS),
    body=body,
    chunks=st.none() | sizes,
    place=st.integers(0, 12),
    extension=st.sampled_from([b"", b"", b";a=b", b';q="x"']),
    trailers=st.sampled_from([b"", b"", b"x-sum: 1\r\n", b"X-A:\r\nx-b: \xff\r\n"]),
)
stream_body = st.sampled_from(
    [
        b'data: {"choices":[{"delta":{"content":"hi"}}]}\n\ndata: [DONE]\n\n',
        b'event: message_start\ndata: {"type":"message_start","message":{"usage":{"input_tokens":3}}}\n\n',
        b"data: {broken\n\n",
        bytes(range(256)) * 40,
    ]
)
responses = st.builds(
    Response,
    start=st.sampled_from(
        [
            b"HTTP/1.1 200 OK",
            b"HTTP/1.1 200 ",
            b"HTTP/1.1 299 Fine \xc3\xa4",
            b"HTTP/1.1 400 Bad Request",
            b"HTTP/1.1 503 Slow Down",
            b"HTTP/1.1 302 Found",
        ]
    ),
    headers=headers(RESPONSE_HEADERS),
    framing=st.sampled_from(["length", "chunked", "chunked", "chunked", "close"]),
    body=body | stream_body,
    chunks=sizes,
    extension=st.sampled_from([b"", b"", b";a=b", b' ;q="x"']),
    trailers=st.sampled_from([b"", b"", b"x-sum: 1\r\n", b"X-A:\r\nx-b: \xff\r\n"]),
    interim=st.sampled_from([b"", b"", b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"]),
)
