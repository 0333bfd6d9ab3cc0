"""Asks for streams of a known pace through a chain of hops that ends at the scripted upstream, and says which side of the proxy destroys it."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from streamgauge.addresses import Upstream, parse_upstream
from streamgauge.dialects import open_dialect
from streamgauge.doctor.finding import Finding, finding, note, ok
from streamgauge.doctor.pacing import ALONE_SHARE, NAGLE_SECONDS, Pace, Pattern, read_pace, settle
from streamgauge.errors import CouldNotRun, Undecodable
from streamgauge.records import Operation

CALLS = ((0.01, 100), (0.01, 100), (0.01, 100), (0.02, 60))
"""(seconds between pieces, pieces) of each call, all on one connection: Nagle's stall comes only on one that has been used.

A second per call is five times the cork's 200 ms; four gaps fit into the 40 ms of a delayed acknowledgement. The last is slower, which tells a cork
from a buffer.
"""

TIMEOUT_SECONDS = 15.0
ROW_SECONDS = 5.0
"""How long the proxy's own row is waited for; it is in the ledger within a second."""

LOOK_SECONDS = 0.1
"""How often it is asked for meanwhile."""

PATH = "/model/streamgauge.doctor/converse-stream"
OPERATION = Operation("bedrock-runtime", "ConverseStream", "converse_stream", streaming=True, model="streamgauge.doctor")

Calls = Sequence[tuple[float, int]]
Rows = Callable[[], list[dict[str, Any]]]
"""The newest rows of the proxy that is in the chain. Raises ``CouldNotRun`` where there is no such proxy."""

FIXES: dict[Pattern, str] = {
    "nagle": "set TCP_NODELAY on that hop, towards both sides (HAProxy: option http-no-delay; nginx: tcp_nodelay on; Node.js: setNoDelay())",
    "cork": "switch the cork off on that hop (HAProxy: option http-no-delay; nginx: tcp_nopush off)",
    "buffered": "switch buffering off on that hop (nginx: proxy_buffering off; its ingress: nginx.ingress.kubernetes.io/proxy-buffering: "
    '"off"; Apache: flushpackets=on; and no compression there)',
    "uneven": "look at that hop's buffers and at the load of the machines on the way; then measure again",
}
SEEN: dict[Pattern, str] = {
    "nagle": "pieces wait for 40 ms, the mark of Nagle's algorithm meeting delayed acknowledgements",
    "cork": "pieces come together every 200 ms, the mark of a corked connection",
    "buffered": "pieces come together by size, however fast they are sent: the mark of a hop that waits for a full buffer or for the end",
    "uneven": "pieces come in bunches",
}


@dataclass(frozen=True, slots=True)
class Heard:
    """One call as we saw it. ``call_id`` finds it in the proxy's ledger."""

    call_id: str
    gap: float
    pace: Pace


class _Unusable(Exception):
    """The chain gave no stream to look at; the arguments are what was seen and the fix."""


def look_at_streams(url: str, ca_file: str | None = None, rows: Rows | None = None, calls: Calls = CALLS) -> Iterator[Finding]:
    """Measure the chain behind ``url``. Takes about four seconds."""
    upstream = parse_upstream(url, "--url")
    try:
        heard = _listen(upstream, ca_file, calls)
    except _Unusable as unusable:
        yield finding("streams", f"{url} {unusable.args[0]}", unusable.args[1])
        return
    pattern, count = settle([(each.gap, each.pace) for each in heard])
    if pattern == "smooth":
        pieces, bunches = sum(each.pace.pieces for each in heard), sum(each.pace.bunches for each in heard)
        yield ok("streams", f"{url}: {bunches} of {pieces} pieces came by themselves, as they were sent")
        return
    example = min((each.pace for each in heard[:-1]), key=lambda pace: pace.bunches)
    every = f" every {1000 * example.period:.0f} ms" if example.period is not None and pattern != "nagle" else ""
    seen = f"{url}: {SEEN[pattern]}; {example.pieces} pieces came in {example.bunches} bunches{every}, in {count} of {len(heard)} calls"
    yield finding("streams", f"{seen}; {_side(heard, pattern, rows)}", FIXES[pattern])


def _listen(upstream: Upstream, ca_file: str | None, calls: Calls) -> list[Heard]:
    connection = _connection(upstream, ca_file)
    try:
        return [_call(connection, upstream, gap, pieces) for gap, pieces in calls]
    except (OSError, http.client.HTTPException) as error:
        kind = getattr(error, "strerror", None) or type(error).__name__
        raise _Unusable(f"gave no whole answer ({kind})", "look whether every hop of the chain runs and leads to the next") from None
    finally:
        connection.close()


def _connection(upstream: Upstream, ca_file: str | None) -> http.client.HTTPConnection:
    if upstream.scheme == "http":
        return http.client.HTTPConnection(upstream.host, upstream.port, timeout=TIMEOUT_SECONDS)
    context = ssl.create_default_context(cafile=ca_file)
    return http.client.HTTPSConnection(upstream.host, upstream.port, timeout=TIMEOUT_SECONDS, context=context)


def _call(connection: http.client.HTTPConnection, upstream: Upstream, gap: float, pieces: int) -> Heard:
    call_id = str(uuid.uuid4())
    directive = json.dumps({"output_tokens": pieces, "gap": gap, "ttft": gap})
    body = json.dumps({"messages": [{"role": "user", "content": [{"text": f"@@{directive}@@"}]}]})
    headers = {"Content-Type": "application/json", "amz-sdk-invocation-id": call_id, "Accept-Encoding": "identity"}
    connection.request("POST", upstream.path + PATH, body, headers)
    if connection.sock is not None:
        connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    response = connection.getresponse()
    arrivals = [time.perf_counter()]  # the head, a gap before the first piece
    content_type = response.headers.get("content-type")
    dialect = open_dialect(OPERATION, response.status, content_type, {name.lower(): value for name, value in response.headers.items()})
    try:
        while part := response.read1(65_536):
            at = time.perf_counter()
            arrivals += [at] * sum(1 for event in dialect.feed(part) if type(event).__name__ == "Output")
    except Undecodable as error:
        raise _Unusable(f"answers what is no event stream ({error.reason})", _NOT_SCRIPTED) from None
    if response.status != 200 or len(arrivals) != pieces + 1:
        seen = (
            f"answers {response.status} to a request without a signature"
            if response.status != 200
            else f"sent {len(arrivals) - 1} pieces instead of {pieces}"
        )
        raise _Unusable(seen, _NOT_SCRIPTED)
    return Heard(call_id, gap, read_pace(arrivals, gap))


def _side(heard: Sequence[Heard], pattern: Pattern, rows: Rows | None) -> str:
    """Which side of the proxy it is, by what the proxy itself read of the same calls."""
    whole = "between here and the scripted upstream"
    if rows is None:
        return f"it is somewhere {whole}: measure again with --url of each hop in turn"
    try:
        found = _rows_of({each.call_id for each in heard}, rows)
    except CouldNotRun:
        return f"it is somewhere {whole}: measure again with --url of each hop in turn, or name the proxy's --admin"
    if not found:
        return f"it is somewhere {whole}, and no streamgauge in the chain has these calls: measure again with --url of each hop in turn"
    if sum(_was_smooth(found[each.call_id], each, pattern) for each in heard if each.call_id in found) > len(found) / 2:
        return "the proxy read them one by one, so it is a hop between here and the proxy"
    return "the proxy itself read them in bunches, so it is a hop between the proxy and the upstream"


def _was_smooth(row: dict[str, Any], heard: Heard, pattern: Pattern) -> bool:
    """Whether the proxy read this call as it was sent: one by one, or for Nagle's single stall, the first piece when it was due."""
    if pattern == "nagle" and (row.get("upstream_ttft") or 0.0) - heard.gap > NAGLE_SECONDS[0] / 2:
        return False
    return (row.get("chunks") or 0) >= ALONE_SHARE * heard.pace.pieces


def _rows_of(wanted: set[str], rows: Rows) -> dict[str, dict[str, Any]]:
    """The proxy's row of each of these calls, by its id, as far as they come in time."""
    deadline = time.monotonic() + ROW_SECONDS
    while True:
        found = {str(row["sdk_invocation_id"]): row for row in rows() if row.get("sdk_invocation_id") in wanted}
        if len(found) == len(wanted) or time.monotonic() > deadline:
            return found
        time.sleep(LOOK_SECONDS)


_NOT_SCRIPTED = "the chain must end at the scripted upstream, which knows the pace: python -m streamgauge.testing --port 9000, and the last hop leads there"


def nothing_to_hear() -> Finding:
    """What to say where no chain is named."""
    return note("streams", "no chain of hops was measured", "streamgauge doctor --url URL, with python -m streamgauge.testing at its end")
