"""Event-stream messages (``application/vnd.amazon.eventstream``) as AWS services write them.

Knows: the byte layout and the order of the headers as recorded from the real service.
Must not know: what any event means, sockets, clocks.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Sequence

CONTENT_TYPE = "application/vnd.amazon.eventstream"

_STRING = 7
_ALPHABET = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"


def message(headers: Sequence[tuple[str, str]], payload: bytes) -> bytes:
    """One message with string headers, both checksums right."""
    block = b"".join(_header(name, value) for name, value in headers)
    prelude = struct.pack(">II", len(block) + len(payload) + 16, len(block))
    body = prelude + struct.pack(">I", zlib.crc32(prelude)) + block + payload
    return body + struct.pack(">I", zlib.crc32(body))


def event(name: str, payload: bytes, content_type: str = "application/json") -> bytes:
    """A normal event."""
    return message(((":event-type", name), (":content-type", content_type), (":message-type", "event")), payload)


def exception(name: str, members: dict[str, object]) -> bytes:
    """A modelled exception inside the stream, e.g. ``modelStreamErrorException``."""
    headers = ((":message-type", "exception"), (":exception-type", name), (":content-type", "application/json"))
    return message(headers, json.dumps(members, separators=(",", ":")).encode())


def error(code: str, text: str) -> bytes:
    """An unmodelled error: everything in the headers, no payload."""
    return message(((":message-type", "error"), (":error-code", code), (":error-message", text)), b"")


def padded(members: dict[str, object]) -> bytes:
    """Bedrock's JSON: keys sorted, with the padding member ``p`` whose length says nothing (here: chosen by the content, so equal scripts give equal bytes)."""
    bare = json.dumps(members, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    length = 1 + zlib.crc32(bare.encode()) % len(_ALPHABET)
    whole = {**members, "p": _ALPHABET[:length]}
    return json.dumps(whole, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def damaged_crc(data: bytes) -> bytes:
    """The message with its last checksum byte flipped."""
    return data[:-1] + bytes((data[-1] ^ 0xFF,))


def damaged_prelude(data: bytes) -> bytes:
    """The message claiming a length of almost 2 GB: a decoder that trusts it waits for ever."""
    return b"\x7f" + data[1:]


def _header(name: str, value: str) -> bytes:
    raw = value.encode()
    return bytes((len(name),)) + name.encode() + struct.pack(">BH", _STRING, len(raw)) + raw
