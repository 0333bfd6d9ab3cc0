"""A record as bytes, also where a value in it cannot be written as it is. Pure."""

from __future__ import annotations

from typing import Any

import msgspec

from streamgauge.records import Ended, SpoolRecord
from streamgauge.spool.frame import MAX_RECORD_BYTES, frame

_encode = msgspec.msgpack.Encoder().encode
_MAX_TEXT = 256
"""Characters kept of a text in a record that would be too long as a whole. Ids, names and ARNs are shorter."""


def encode(record: SpoolRecord) -> bytes:
    """``record`` as a framed record. Raises what msgspec raises, and ``ValueError`` when it is too long."""
    payload = _encode(record)
    if len(payload) > MAX_RECORD_BYTES:
        raise ValueError("record too long")
    return frame(payload)


def encode_mended(record: SpoolRecord) -> bytes | None:
    """As ``encode``, with texts cut and made valid Unicode and with numbers beyond 64 bits left out; ``None`` if even that fails."""
    try:
        if isinstance(record, Ended):
            return encode(Ended(_mended(record.measurement)))
        mended: SpoolRecord = _mended(record)
        return encode(mended)
    except Exception:  # whatever it is, the exchange is counted instead
        return None


def _mended(struct: Any) -> Any:
    return type(struct)(**{name: _mended_value(value) for name, value in msgspec.structs.asdict(struct).items()})


def _mended_value(value: Any) -> Any:
    if isinstance(value, str):
        return value[:_MAX_TEXT].encode("utf-8", "replace").decode()
    if isinstance(value, int) and not -(1 << 63) <= value < 1 << 63:
        return None
    return value
