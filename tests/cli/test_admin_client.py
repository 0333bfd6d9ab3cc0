"""Questions to the admin interface: an answer, or one sentence that names the address."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import pytest

from streamgauge.cli.admin_client import AdminClient
from streamgauge.errors import CouldNotRun

ANSWERS = {
    "/readyz": (200, b'{"status":"ready"}'),
    "/api/v1/summary": (200, b'{"seen":3}'),
    "/api/v1/exchanges?limit=2": (400, b'{"error":"no ledger"}'),
}


class _Admin(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        status, body = ANSWERS[self.path]
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def address() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), _Admin) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def nobody() -> str:
    """An address where nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{free.getsockname()[1]}"


def test_an_answer_is_plain_data(address: str) -> None:
    assert AdminClient(address).summary() == {"seen": 3}


def test_a_proxy_is_ready_when_it_says_so_and_not_before_it_is_there(address: str, nobody: str) -> None:
    assert AdminClient(address).ready()
    assert not AdminClient(nobody).ready()


def test_a_refusal_names_address_status_and_path(address: str) -> None:
    with pytest.raises(CouldNotRun, match=rf"{address} answered 400 to /api/v1/exchanges\?limit=2"):
        AdminClient(address).newest(2)


def test_a_proxy_that_is_not_there_is_named(nobody: str) -> None:
    with pytest.raises(CouldNotRun, match=f"{nobody} does not answer"):
        AdminClient(nobody).summary()
