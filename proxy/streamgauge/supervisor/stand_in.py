"""Answers on the admin address while no recorder lives to do so: a probe that hangs would have the whole proxy replaced.

Knows: the admin socket and the workers' heartbeats. Must not know: what a recorder could tell.
"""

from __future__ import annotations

import socket
from http import HTTPStatus

import msgspec

from streamgauge.heartbeat import Health

ANSWERS_PER_LOOK = 4
"""How many are answered in one look, so that the supervisor's other work waits no longer than a fraction of a second."""

REQUEST_SECONDS = 0.05
"""What a caller has to say what it wants; its connection was complete before we looked."""


def answer(listener: socket.socket, health: Health, why: str) -> None:
    """Answer who waits at ``listener`` now. ``why``: a sentence that says why there is no recorder. Never raises for a caller's sake."""
    listener.setblocking(False)
    for _ in range(ANSWERS_PER_LOOK):
        try:
            caller, _ = listener.accept()
        except OSError:  # nobody any more
            return
        with caller:
            try:
                caller.settimeout(REQUEST_SECONDS)
                caller.sendall(_answer(caller.recv(4096), health, why))
            except OSError:
                continue


def _answer(request: bytes, health: Health, why: str) -> bytes:
    path = request.partition(b"\r\n")[0].split(b" ")[1:2]
    status, said = HTTPStatus.SERVICE_UNAVAILABLE, {"error": why}
    if path == [b"/livez"]:
        status, said = HTTPStatus.OK, {"status": "alive"}
    elif path == [b"/readyz"]:
        status = HTTPStatus.OK if health.ready else HTTPStatus.SERVICE_UNAVAILABLE
        body = {"status": "degraded" if health.ready else "not ready", "reasons": [*health.reasons, why]}
        return _response(status, msgspec.json.encode(body))
    return _response(status, msgspec.json.encode(said))


def _response(status: HTTPStatus, body: bytes) -> bytes:
    head = f"HTTP/1.1 {status.value} {status.phrase}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    return head.encode() + body
