"""Who leaves while nobody reads is noticed, and only he."""

from __future__ import annotations

import asyncio
import socket
import struct

import pytest

from streamgauge.relay.departures import Departures
from tests.relay.loopback import on_uvloop, until


def pair() -> tuple[socket.socket, socket.socket]:
    """(the application's end, ours)."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        theirs = socket.create_connection(listener.getsockname())
        ours, _ = listener.accept()
    return theirs, ours


@pytest.mark.parametrize("how", ["end", "reset", "half"])
def test_an_end_behind_bytes_that_nobody_reads_is_told_once(how: str) -> None:
    async def main() -> None:
        departures, told = Departures(asyncio.get_running_loop()), list[str]()
        (theirs, ours), (others, stays) = pair(), pair()
        departures.watch(ours.fileno(), lambda: told.append("ours"))
        departures.watch(stays.fileno(), lambda: told.append("stays"))
        theirs.sendall(b"x" * 1_000)
        others.sendall(b"x" * 1_000)
        await asyncio.sleep(0)
        assert told == []
        if how == "reset":
            theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        if how == "half":
            theirs.shutdown(socket.SHUT_WR)
        else:
            theirs.close()
        await until(lambda: told == ["ours"], "the end to be told")
        departures.close()
        for sock in (theirs, ours, others, stays):
            sock.close()
        assert told == ["ours"]

    on_uvloop(main)


def test_who_is_read_again_is_not_told_of() -> None:
    async def main() -> None:
        departures, told = Departures(asyncio.get_running_loop()), list[str]()
        (theirs, ours), (others, marks) = pair(), pair()
        departures.watch(ours.fileno(), lambda: told.append("first"))
        departures.watch(ours.fileno(), lambda: told.append("second"))
        departures.forget(ours.fileno())
        departures.forget(ours.fileno())
        theirs.close()
        departures.watch(marks.fileno(), lambda: told.append("later"))
        others.close()
        await until(lambda: told, "the other's end to be told")
        assert told == ["later"]
        departures.close()
        departures.close()
        ours.close()
        marks.close()

    on_uvloop(main)
