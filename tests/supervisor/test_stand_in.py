"""While no recorder lives, whoever asks the admin address gets an answer at once."""

from __future__ import annotations

import http.client
import json
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from streamgauge.heartbeat import Health
from streamgauge.supervisor.stand_in import ANSWERS_PER_LOOK, answer

WHY = "the recorder ended with exit code 4"


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as made:
        yield made


def ask(listener: socket.socket, path: str, health: Health) -> tuple[int, Any]:
    found: list[tuple[int, Any]] = []

    def caller() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", listener.getsockname()[1], timeout=10)
        connection.request("GET", path)
        response = connection.getresponse()
        found.append((response.status, json.load(response)))
        connection.close()

    thread = threading.Thread(target=caller)
    thread.start()
    while thread.is_alive():
        answer(listener, health, WHY)
        thread.join(0.01)
    return found[0]


@pytest.mark.parametrize(
    ("path", "health", "expected"),
    [
        ("/livez", Health(False, []), (200, {"status": "alive"})),
        ("/readyz", Health(True, []), (200, {"status": "degraded", "reasons": [WHY]})),
        ("/readyz", Health(False, ["no role"]), (503, {"status": "not ready", "reasons": ["no role", WHY]})),
        ("/api/v1/summary", Health(True, []), (503, {"error": WHY})),
        ("/metrics", Health(True, []), (503, {"error": WHY})),
    ],
)
def test_who_asks_learns_whether_traffic_can_be_served_and_why_nothing_else_can_be_told(
    listener: socket.socket, path: str, health: Health, expected: tuple[int, Any]
) -> None:
    assert ask(listener, path, health) == expected


def test_who_says_nothing_or_nonsense_or_leaves_holds_nobody_up(listener: socket.socket) -> None:
    callers = [socket.create_connection(listener.getsockname()) for _ in range(ANSWERS_PER_LOOK + 1)]
    callers[1].sendall(b"\x16\x03\x01\x02\x00\x01")
    callers[2].close()
    for _ in range(2):
        answer(listener, Health(True, []), WHY)
    assert callers[1].recv(100).startswith(b"HTTP/1.1 503")
    assert callers[0].recv(100) == b""
    for caller in callers:
        caller.close()
    assert ask(listener, "/livez", Health(True, [])) == (200, {"status": "alive"})
