"""Request and response heads as bytes: what is forwarded, and the few changes a proxy may make.

Names, order, case and values stay. Left out are only headers that concern one connection (RFC 9110 section 7.6.1) and
credentials meant for us (``Proxy-Authorization``).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from streamgauge.framing.http1 import ResponseHead

Headers = Sequence[tuple[bytes, bytes]]

_OURS = frozenset({"keep-alive", "proxy-authorization", "proxy-connection", "upgrade"})
"""Between the application and us. ``Connection`` is looked at apart, ``Transfer-Encoding`` and ``TE`` keep their meaning on the other leg."""

_NEVER_NAMED = frozenset(
    {"host", "content-length", "transfer-encoding", "authorization", "content-type", "expect", "trailer", "te"}
    | {"content-encoding", "content-language", "content-location", "content-range", "content-md5", "content-digest", "etag", "range"}
)
_NEVER_NAMED_PREFIXES = ("accept", "x-amz")  # what AWS reads, and may have signed
"""A ``Connection`` header that names one of these is not obeyed: removing them would change the message, not the connection."""


_NONE: frozenset[str] = frozenset()
_KEEP_ALIVE = frozenset({"keep-alive"})

_LOWERED: dict[bytes, str] = {}
_LOWERED_KEPT = 1_024
"""Header names seen, in lower case. Applications send a few dozen; a hostile one can fill this once."""


def connection_options(value: str | None) -> frozenset[str]:
    """The options of a ``Connection`` header, in lower case."""
    if value is None:
        return _NONE
    if value == "keep-alive":
        return _KEEP_ALIVE
    return frozenset(option.strip().lower() for option in value.split(",")) - {""}


def _hop(options: frozenset[str]) -> frozenset[str]:
    """Of what ``Connection`` names that which is left out with it."""
    return frozenset(option for option in options if option not in _NEVER_NAMED and not option.startswith(_NEVER_NAMED_PREFIXES))


def read_headers(raw: Headers) -> dict[str, str]:
    """A request's headers by lower-case name; repeated ones are joined by a comma, as RFC 9110 section 5.3 reads them."""
    headers: dict[str, str] = {}
    for name, value in raw:
        lowered = _LOWERED.get(name) or _lower(name)
        text = value.decode("latin-1")
        headers[lowered] = f"{headers[lowered]},{text}" if lowered in headers else text
    return headers


def _lower(name: bytes) -> str:
    lowered = name.lower().decode("latin-1")
    if len(_LOWERED) < _LOWERED_KEPT and len(name) <= 64:
        _LOWERED[name] = lowered
    return lowered


def forwarded(raw: Headers, headers: dict[str, str], host: bytes) -> list[tuple[bytes, bytes]]:
    """A request's headers as the upstream gets them; ``host`` replaces the value of ``Host`` in its place, or comes first if there is none.

    ``headers`` are the same ones by lower-case name, as ``read_headers`` gives them.
    """
    drop = _OURS
    options = connection_options(headers.get("connection"))
    if options - _KEEP_ALIVE:
        drop = _OURS | _hop(options) | {"connection"}
    untouched = drop.isdisjoint(headers)
    out: list[tuple[bytes, bytes]] = []
    host_seen = False
    for pair in raw:
        lowered = _LOWERED.get(pair[0]) or _lower(pair[0])
        if lowered == "host":
            host_seen = True
            out.append(pair if pair[1] == host else (pair[0], host))
        elif untouched or lowered not in drop:
            out.append(pair)
    if not host_seen:
        out.insert(0, (b"Host", host))
    return out


def request_head(method: bytes, origin_path: bytes, headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """The bytes of a request head."""
    lines = [b"%b: %b\r\n" % pair for pair in headers]
    return b"%b %b HTTP/1.1\r\n%b\r\n" % (method, origin_path, b"".join(lines))


def response_head(head: ResponseHead, *, chunked_for_1_0: bool) -> bytes:
    """A response head as the application gets it: the very bytes, unless something in it concerns only our connection to the upstream.

    ``chunked_for_1_0``: the application speaks HTTP/1.0 and cannot read chunks; it gets the bare body, ended by the connection's close.
    """
    connection = head.by_name.get("connection")
    only_keeps = connection is None or connection.lower() == "keep-alive"
    if only_keeps and not chunked_for_1_0 and "keep-alive" not in head.by_name:
        return head.raw
    drop = {"keep-alive"} if only_keeps and not chunked_for_1_0 else {"connection", "keep-alive", "proxy-connection"}
    drop |= _hop(connection_options(connection) - _KEEP_ALIVE)
    if chunked_for_1_0:
        drop |= {"transfer-encoding", "trailer"}
    lines = head.raw[:-4].split(b"\r\n")
    kept = [lines[0], *(line for line in lines[1:] if line.partition(b":")[0].lower().decode("latin-1") not in drop)]
    return b"\r\n".join(kept) + b"\r\n\r\n"


def keeps_alive(head: ResponseHead) -> bool:
    """Whether the upstream will take another request on this connection."""
    return head.http_1_1 and "close" not in connection_options(head.by_name.get("connection"))
