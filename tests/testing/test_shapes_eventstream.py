from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from botocore.eventstream import ChecksumMismatch, EventStreamBuffer

from streamgauge.testing import shapes_eventstream as eventstream

RECORDED = sorted((Path(__file__).parents[1] / "data" / "recorded").glob("*.eventstream.bin"))


def _read(data: bytes) -> list[Any]:
    buffer = EventStreamBuffer()
    buffer.add_data(data)
    return list(buffer)


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.name)
def test_recorded_frames_are_made_again_byte_by_byte(path: Path) -> None:
    data = path.read_bytes()
    made = b"".join(eventstream.event(frame.headers[":event-type"], frame.payload) for frame in _read(data))
    assert made == data


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.name)
def test_padding_has_the_recorded_alphabet_and_the_keys_the_recorded_order(path: Path) -> None:
    for frame in _read(path.read_bytes()):
        members = json.loads(frame.payload)
        ours = json.loads(eventstream.padded({name: value for name, value in members.items() if name != "p"}))
        assert list(ours) == list(members)
        assert members["p"].startswith(ours["p"]) or ours["p"].startswith(members["p"])


def test_exceptions_and_errors_have_their_own_headers() -> None:
    exception, error = _read(eventstream.exception("throttlingException", {"message": "m"}) + eventstream.error("Code", "text"))
    assert exception.headers == {
        ":message-type": "exception",
        ":exception-type": "throttlingException",
        ":content-type": "application/json",
    }
    assert error.headers == {":message-type": "error", ":error-code": "Code", ":error-message": "text"}
    assert error.payload == b""


def test_a_damaged_checksum_is_noticed_by_botocore() -> None:
    with pytest.raises(ChecksumMismatch):
        _read(eventstream.damaged_crc(eventstream.event("x", b"{}")))


def test_a_damaged_prelude_claims_a_huge_frame() -> None:
    damaged = eventstream.damaged_prelude(eventstream.event("x", b"{}"))
    assert int.from_bytes(damaged[:4], "big") > 1 << 30
