"""Writes event-stream frames, also ones that no encoder would write."""

from __future__ import annotations

import struct
import zlib


def header(name: str, kind: int, value: bytes) -> bytes:
    """One event-stream header; ``value`` as it stands on the wire behind the type byte."""
    return bytes([len(name.encode())]) + name.encode() + bytes([kind]) + value


def text_header(name: str, value: str) -> bytes:
    """A header of type string."""
    return header(name, 7, struct.pack(">H", len(value.encode())) + value.encode())


def raw_frame(headers: bytes, payload: bytes) -> bytes:
    """A frame with both checksums right."""
    prelude = struct.pack(">II", 16 + len(headers) + len(payload), len(headers))
    prelude += struct.pack(">I", zlib.crc32(prelude))
    message = prelude + headers + payload
    return message + struct.pack(">I", zlib.crc32(message))


def frame(headers: dict[str, str], payload: bytes) -> bytes:
    """A frame whose headers are all strings."""
    return raw_frame(b"".join(text_header(name, value) for name, value in headers.items()), payload)


def event(name: str, payload: bytes, content_type: str = "application/json") -> bytes:
    """An ordinary event, its headers in the order real ones have."""
    return frame({":event-type": name, ":content-type": content_type, ":message-type": "event"}, payload)
