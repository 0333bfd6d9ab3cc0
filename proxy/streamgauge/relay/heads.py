"""Request and response heads as bytes: what is forwarded, and the few changes a proxy may make.

Names, order, case and values stay. Left out are only headers that concern one connection (RFC 9110 section 7.6.1) and
credentials meant for us (``Proxy-Authorization``).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from streamgauge.framing.http1 import ResponseHead

Headers = Sequence[tuple[bytes, bytes]]

_OURS = frozenset({b"keep-alive", b"proxy-authorization", b"proxy-connection", b"upgrade"})
"""Between the application and us. ``Connection`` is looked at apart, ``Transfer-Encoding`` and ``TE`` keep their meaning on the other leg."""

_NEVER_NAMED = frozenset({b"host", b"content-length", b"transfer-encoding", b"authorization", b"content-type", b"expect", b"trailer", b"te"})
"""A ``Connection`` header that names one of these is not obeyed: removing them would change the message, not the connection."""


def connection_options(headers: Headers) -> frozenset[bytes]:
    """The options of all ``Connection`` headers, in lower case."""
    values = [value for name, value in headers if len(name) == 10 and name.lower() == b"connection"]
    if not values:
        return frozenset()
    return frozenset(option.strip().lower() for value in values for option in value.split(b",")) - {b""}


def forwarded(headers: Headers, host: bytes) -> list[tuple[bytes, bytes]]:
    """A request's headers as the upstream gets them; ``host`` replaces the value of ``Host`` in its place, or comes first if there is none."""
    options = connection_options(headers)
    drop = (_OURS | options) - _NEVER_NAMED if options - {b"keep-alive"} else _OURS
    keep_connection = options == {b"keep-alive"}
    out: list[tuple[bytes, bytes]] = []
    host_seen = False
    for pair in headers:
        lowered = pair[0].lower()
        if lowered == b"host":
            host_seen = True
            out.append(pair if pair[1] == host else (pair[0], host))
        elif lowered == b"connection":
            if keep_connection:
                out.append(pair)
        elif lowered not in drop:
            out.append(pair)
    if not host_seen:
        out.insert(0, (b"Host", host))
    return out


def request_head(method: bytes, origin_path: bytes, headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """The bytes of a request head."""
    lines = [b"%b %b HTTP/1.1" % (method, origin_path)]
    lines += [b"%b: %b" % pair for pair in headers]
    return b"\r\n".join(lines) + b"\r\n\r\n"


def response_head(head: ResponseHead, *, chunked_for_1_0: bool) -> bytes:
    """A response head as the application gets it: the very bytes, unless something in it concerns only our connection to the upstream.

    ``chunked_for_1_0``: the application speaks HTTP/1.0 and cannot read chunks; it gets the bare body, ended by the connection's close.
    """
    options = connection_options(head.headers)
    if not chunked_for_1_0 and options <= {b"keep-alive"}:
        return head.raw
    drop = ({b"connection", b"keep-alive", b"proxy-connection"} | options) - _NEVER_NAMED
    if chunked_for_1_0:
        drop |= {b"transfer-encoding", b"trailer"}
    lines = head.raw[:-4].split(b"\r\n")
    kept = [lines[0], *(line for line in lines[1:] if line.partition(b":")[0].lower() not in drop)]
    return b"\r\n".join(kept) + b"\r\n\r\n"


def keeps_alive(head: ResponseHead) -> bool:
    """Whether the upstream will take another request on this connection."""
    return head.http_1_1 and b"close" not in connection_options(head.headers)
