from __future__ import annotations

from typing import Any

import msgspec
import pytest

from streamgauge.records import Ended, SpoolRecord, Started
from streamgauge.spool.encode import encode, encode_mended
from streamgauge.spool.frame import HEADER, MAX_RECORD_BYTES, split
from tests.spool.made import ended, started


def decoded(framed: bytes | None) -> Any:
    assert framed is not None
    (payload,), _, _ = split(framed)
    return msgspec.msgpack.Decoder(SpoolRecord).decode(payload)


@pytest.mark.parametrize("record", [started("a"), ended("a")])
def test_a_record_comes_back_as_it_was(record: SpoolRecord) -> None:
    assert decoded(encode(record)) == record


def test_text_that_is_no_unicode_cannot_be_written_as_it_is_but_mended() -> None:
    record = ended("a", requested_model="caf\udce9", output_tokens=7)
    with pytest.raises(UnicodeEncodeError):
        encode(record)
    mended = decoded(encode_mended(record))
    assert isinstance(mended, Ended)
    assert (mended.measurement.requested_model, mended.measurement.output_tokens) == ("caf?", 7)


def test_a_number_beyond_64_bits_becomes_unknown() -> None:
    record = started("a", max_tokens=1 << 70)
    with pytest.raises(OverflowError):
        encode(record)
    mended = decoded(encode_mended(record))
    assert isinstance(mended, Started)
    assert (mended.exchange_id, mended.max_tokens) == ("a", None)


def test_a_record_that_is_too_long_is_cut_where_it_is_text() -> None:
    record = started("a", requested_model="m" * MAX_RECORD_BYTES)
    with pytest.raises(ValueError, match="too long"):
        encode(record)
    framed = encode_mended(record)
    assert framed is not None
    assert len(framed) < MAX_RECORD_BYTES + HEADER.size


def test_what_cannot_be_mended_yields_nothing() -> None:
    assert encode_mended(ended("a", error_type=object())) is None


def test_a_beginning_written_by_an_older_version_is_read_with_what_it_lacks_as_unknown() -> None:
    whole = msgspec.msgpack.decode(msgspec.msgpack.encode(started("a", sdk_invocation_id="5c3b")))
    older = whole[: 1 + Started.__struct_fields__.index("in_flight") + 1]
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(older), type=SpoolRecord) == started("a")
