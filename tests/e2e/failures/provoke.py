"""What is done while a call is under way."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.e2e.failures.callers import Left, Under, saw
from tests.e2e.failures.table import WHOLE
from tests.e2e.product import Product

Happening = Callable[[Product, str, str, dict[str, Any]], str]
"""(the product, the SDK, the base URL, what the upstream is asked for) to what was seen."""


def pause(seconds: float) -> None:
    """What an application does meanwhile."""
    threading.Event().wait(seconds)


def gives_up(product: Product, sdk: str, base: str, knobs: dict[str, Any]) -> str:
    """Its SDK has a timeout, and the answer has not begun by then."""
    return saw(sdk, base, knobs, patience=0.2)


def leaves_within(product: Product, sdk: str, base: str, knobs: dict[str, Any]) -> str:
    """The application stops reading at the first piece and closes."""

    def leave() -> None:
        raise Left

    return saw(sdk, base, knobs, leave)


def reads_slowly(product: Product, sdk: str, base: str, knobs: dict[str, Any]) -> str:
    """It takes the first piece and thinks for a while."""
    return saw(sdk, base, knobs, lambda: pause(0.3))


def _killed(name: str) -> Happening:
    def happening(product: Product, sdk: str, base: str, knobs: dict[str, Any]) -> str:
        call = Under(sdk, base, knobs)
        assert call.begun.wait(10)
        pause(0.1)  # longer than the spool's batch, so that what is known of the call by now is on disk
        os.kill(next(pid for child, pid in product.supervisor.pids().items() if child.startswith(name)), signal.SIGKILL)
        return call.result()

    return happening


@contextlib.contextmanager
def locked(ledger: Path) -> Iterator[None]:
    """Another program holds the ledger for itself."""
    with contextlib.closing(sqlite3.connect(ledger, isolation_level=None, timeout=10)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


def ledger_locked(product: Product, sdk: str, base: str, knobs: dict[str, Any]) -> str:
    """It stays locked for the whole call."""
    with locked(product.supervisor.ledger):
        return saw(sdk, base, knobs)


def sends_slowly(product: Product, sdk: str, base: str, knobs: dict[str, Any]) -> str:
    """Byte by byte, with a pause in the middle; no SDK can be asked to."""
    host, port = base.removeprefix("http://").split(":")
    body = b'{"messages": []}'
    raw = b"POST /model/m/converse HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    with socket.create_connection((host, int(port)), timeout=10) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for at in range(len(raw)):
            sock.sendall(raw[at : at + 1])
            if at == len(raw) // 2:
                pause(0.2)
        answer = b"".join(iter(lambda: sock.recv(65_536), b""))
    return WHOLE if answer.startswith(b"HTTP/1.1 200") and answer.endswith(b"}") else answer[:40].decode()


HAPPENINGS: dict[str, Happening] = {
    "gives up": gives_up,
    "leaves within": leaves_within,
    "reads slowly": reads_slowly,
    "sends slowly": sends_slowly,
    "recorder killed": _killed("recorder"),
    "worker killed": _killed("worker"),
    "ledger locked": ledger_locked,
}
