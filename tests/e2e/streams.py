"""Clients in a process of their own: ``python -m tests.e2e.streams COUNT fast|slow HOST:PORT...`` opens COUNT streams to each address,
one every 10 ms, and reads them to the end.

A slow one reads 2 KiB every 50 ms through a receive buffer of 4 KiB. Prints JSON: for each address a list of
[request id, seconds from request to first output, complete], as this client saw it.
"""

from __future__ import annotations

import asyncio
import json
import re
import socket
import sys
import time

REQUEST = b"POST /model/m/converse-stream HTTP/1.1\r\nHost: proxy\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
SLOW_BYTES, SLOW_SECONDS = 2_048, 0.05
APART_SECONDS = 0.01
"""Fifty streams that begin in the same instant queue in client and upstream, which are Python too; users do not come in step."""

_REQUEST_ID = re.compile(rb"x-amzn-requestid: *([^\r]+)\r", re.IGNORECASE)


async def read_one(host: str, port: int, number: int, *, slow: bool) -> tuple[str, float, bool]:
    """One exchange."""
    await asyncio.sleep(number * APART_SECONDS)
    sock = socket.socket()
    if slow:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    sock.setblocking(False)
    await asyncio.get_running_loop().sock_connect(sock, (host, port))
    reader, writer = await asyncio.open_connection(sock=sock, limit=SLOW_BYTES if slow else 65_536)
    began, first, seen = time.perf_counter(), 0.0, b""
    writer.write(REQUEST)
    while not seen.endswith(b"\r\n0\r\n\r\n"):
        part = await reader.read(SLOW_BYTES)
        if not part:
            break
        seen += part
        if not first and b"contentBlockDelta" in seen:
            first = time.perf_counter() - began
        if slow:
            await asyncio.sleep(SLOW_SECONDS)
    writer.close()
    found = _REQUEST_ID.search(seen)
    return (found[1].decode() if found else "", first, seen.endswith(b"\r\n0\r\n\r\n"))


async def main(count: int, addresses: list[str], *, slow: bool) -> None:
    """All streams, overlapping."""
    groups = [address.split(":") for address in addresses]
    answers = await asyncio.gather(*(read_one(host, int(port), n, slow=slow) for host, port in groups for n in range(count)))
    print(json.dumps({address: answers[i * count : (i + 1) * count] for i, address in enumerate(addresses)}))


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), sys.argv[3:], slow=sys.argv[2] == "slow"))
