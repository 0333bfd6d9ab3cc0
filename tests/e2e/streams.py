"""Clients in a process of their own: ``python -m tests.e2e.streams COUNT fast|slow HOST:PORT SCRIPT`` opens COUNT streams, one every 10 ms,
and reads them to the end. SCRIPT is JSON with the knobs of the scripted upstream.

A slow one reads 2 KiB every 50 ms through a receive buffer of 4 KiB. Prints JSON: a list of [request id, seconds from request to first
output, complete], as this client saw it.
"""

from __future__ import annotations

import asyncio
import gc
import json
import re
import socket
import sys
import time

SLOW_BYTES, SLOW_SECONDS = 2_048, 0.05
APART_SECONDS = 0.01
"""Fifty streams that begin in the same instant queue in client and upstream, which are Python too; users do not come in step."""

_REQUEST_ID = re.compile(rb"x-amzn-requestid: *([^\r]+)\r", re.IGNORECASE)


def request(script: str) -> bytes:
    """A ConverseStream request that asks the scripted upstream for this answer."""
    body = json.dumps({"messages": [{"role": "user", "content": [{"text": f"@@{script}@@"}]}]}).encode()
    head = f"POST /model/m/converse-stream HTTP/1.1\r\nHost: proxy\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


async def read_one(address: tuple[str, int], number: int, asked: bytes, *, slow: bool) -> tuple[str, float, bool]:
    """One exchange."""
    await asyncio.sleep(number * APART_SECONDS)
    sock = socket.socket()
    if slow:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    sock.setblocking(False)
    await asyncio.get_running_loop().sock_connect(sock, address)
    reader, writer = await asyncio.open_connection(sock=sock, limit=SLOW_BYTES if slow else 65_536)
    began, first, seen = time.perf_counter(), 0.0, bytearray()
    writer.write(asked)
    while not seen.endswith(b"\r\n0\r\n\r\n"):
        part = await reader.read(SLOW_BYTES)
        arrived = time.perf_counter()
        if not part:
            break
        seen += part
        if not first and b"contentBlockDelta" in seen:
            first = arrived - began
        if slow:
            await asyncio.sleep(SLOW_SECONDS)
    writer.close()
    found = _REQUEST_ID.search(seen)
    return (found[1].decode() if found else "", first, seen.endswith(b"\r\n0\r\n\r\n"))


async def main(count: int, address: str, script: str, *, slow: bool) -> None:
    """All streams, overlapping."""
    host, _, port = address.rpartition(":")
    asked = request(script)
    answers = await asyncio.gather(*(read_one((host, int(port)), number, asked, slow=slow) for number in range(count)))
    print(json.dumps(answers))


if __name__ == "__main__":
    gc.disable()  # seconds of life; a collection in the middle would be a client's delay
    asyncio.run(main(int(sys.argv[1]), sys.argv[3], sys.argv[4], slow=sys.argv[2] == "slow"))
