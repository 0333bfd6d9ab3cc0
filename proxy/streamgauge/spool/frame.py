"""Records in a segment: length, CRC-32, payload. Pure: bytes in, bytes out.

Two things may follow the last whole record: a record that is still being written or was torn by a kill (its length says more than is there),
or damage (a length that cannot be, a CRC that does not match), for instance zeros after a power loss.
"""

from __future__ import annotations

import struct
import zlib

HEADER = struct.Struct("<II")
MAX_RECORD_BYTES = 64 << 10
"""A record is a few hundred bytes; the longest thing in it is a header value, and servers stop at 8 to 16 KiB of those."""


def frame(payload: bytes) -> bytes:
    """``payload`` (1 to ``MAX_RECORD_BYTES`` bytes) with its header."""
    return HEADER.pack(len(payload), zlib.crc32(payload)) + payload


def split(data: bytes) -> tuple[list[memoryview], int, bool]:
    """The payloads of the whole records at the start of ``data``, the bytes they take, and whether damage (not a torn end) follows."""
    payloads: list[memoryview] = []
    view = memoryview(data)
    at, end = 0, len(data)
    unpack, crc32 = HEADER.unpack_from, zlib.crc32
    while end - at >= HEADER.size:
        length, crc = unpack(data, at)
        if not 0 < length <= MAX_RECORD_BYTES:
            return payloads, at, True
        stop = at + HEADER.size + length
        if stop > end:
            break
        payload = view[at + HEADER.size : stop]
        if crc32(payload) != crc:
            return payloads, at, True
        payloads.append(payload)
        at = stop
    return payloads, at, False


def resynchronise(data: bytes, start: int) -> int | None:
    """Where the next whole record begins in ``data`` after ``start``; ``None`` if there is none. A wrong guess has odds of one in four billion."""
    view = memoryview(data)
    for at in range(start + 1, len(data) - HEADER.size):
        length, crc = HEADER.unpack_from(data, at)
        stop = at + HEADER.size + length
        if 0 < length <= MAX_RECORD_BYTES and stop <= len(data) and zlib.crc32(view[at + HEADER.size : stop]) == crc:
            return at
    return None
