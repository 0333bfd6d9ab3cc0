"""The addresses the proxy is to listen on: whether they are free, and if not, who has them."""

from __future__ import annotations

import contextlib
import re
import socket
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path

from streamgauge.doctor.finding import Finding, finding, ok

LISTENING = "0A"
"""TCP_LISTEN in /proc/net/tcp."""

_SOCKET = re.compile(r"socket:\[([0-9]+)\]")


def look_at_ports(addresses: Iterable[tuple[str, str]]) -> Iterator[Finding]:
    """(setting, host:port) of each; port 0 is always free."""
    for key, address in addresses:
        host, _, port = address.rpartition(":")
        if port != "0":
            yield _look(key, address, host.strip("[]"), int(port))


def _look(key: str, address: str, host: str, port: int) -> Finding:
    try:
        family, kind, _, _, name = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(name)
    except OSError as error:
        owner = holder(port)
        if owner is not None and "streamgauge" in owner[1]:
            return ok("ports", f"{key} {address} is held by streamgauge itself (process {owner[0]}), which runs")
        who = f"by {owner[1]} (process {owner[0]})" if owner is not None else f"({error.strerror})"
        fix = f"stop that, or choose another address for {key}" if owner is not None else f"choose another address for {key}"
        return finding(
            "ports", f"{key} {address} cannot be listened on: taken {who}" if owner else f"{key} {address} cannot be listened on {who}", fix
        )
    return ok("ports", f"{key} {address} is free")


def holder(port: int) -> tuple[int, str] | None:
    """Process id and name of who listens on ``port``; ``None`` where this system or this user's rights do not tell."""
    inodes = set(_inodes(port))
    for process in Path("/proc").glob("[0-9]*") if inodes else ():
        with contextlib.suppress(OSError):
            for descriptor in (process / "fd").iterdir():
                with contextlib.suppress(OSError):
                    found = _SOCKET.fullmatch(str(descriptor.readlink()))
                    if found is not None and found[1] in inodes:
                        return int(process.name), _name(process)
    return None


def _inodes(port: int) -> Iterator[str]:
    wanted = struct.pack(">H", port).hex().upper()
    for table in ("tcp", "tcp6"):
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/net/{table}").read_text(encoding="ascii").splitlines()[1:]:
                fields = line.split()
                if fields[3] == LISTENING and fields[1].rpartition(":")[2] == wanted:
                    yield fields[9]


def _name(process: Path) -> str:
    """``streamgauge`` for ours, else the program's name; never its arguments, which may hold secrets."""
    arguments = (process / "cmdline").read_bytes().split(b"\0")
    if any(
        argument == b"streamgauge" or argument.startswith(b"streamgauge.") or argument.endswith(b"/streamgauge") for argument in arguments
    ):
        return "streamgauge"
    return (process / "comm").read_text(encoding="utf-8", errors="replace").strip() or "another program"
