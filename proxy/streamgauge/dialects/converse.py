"""Converse and ConverseStream of Amazon Bedrock.

A stream is complete once ``messageStop`` was seen and the bytes end at a frame border. ``metadata`` comes after it and
carries the usage: a stream without it is complete, its usage unknown.
"""

from __future__ import annotations

import msgspec

from streamgauge.dialects.base import NOTHING, Events, StreamDialect, WholeBody, decoded
from streamgauge.dialects.meaning.converse_events import (
    Account,
    DeltaEvent,
    StartEvent,
    StopEvent,
    account_events,
    delta_output,
    start_output,
)
from streamgauge.dialects.meaning.counts import exception_name
from streamgauge.dialects.meaning.error_body import body_fault
from streamgauge.errors import Undecodable
from streamgauge.framing.eventstream import EventStreamDecoder, Frame
from streamgauge.records import VISIBLE, Finished

_delta = msgspec.json.Decoder(DeltaEvent)
_start = msgspec.json.Decoder(StartEvent)
_stop = msgspec.json.Decoder(StopEvent)
_account = msgspec.json.Decoder(Account)


TEXT_DELTA = b'{"contentBlockIndex":0,"delta":{"text":"'
"""How Bedrock writes a text delta (keys sorted). What begins like this and does not end the text at once needs no JSON parser."""

_TEXT_AT = len(TEXT_DELTA)
_NO_TEXT = (b'"', b"")


class ConverseStream(StreamDialect[Frame]):
    """The events of one ConverseStream response."""

    __slots__ = ("_frames",)

    def __init__(self, opening: Events = NOTHING) -> None:
        self._frames = EventStreamDecoder()
        super().__init__(self._frames, opening)

    def feed(self, body: bytes) -> Events:
        """See ``Dialect.feed``. A read that is one whole frame, as nearly all are, takes the short way."""
        frame = None if self._opening or self._broken is not None else self._frames.whole(body)
        if frame is None:
            return super().feed(body)
        self.frames += 1
        try:
            return self._read(frame)
        except Undecodable as error:
            self._broken = error
            raise

    def _read(self, frame: Frame) -> Events:
        (kind, name, _), payload = frame
        if kind != "event":
            return NOTHING if kind is None else self._fault(exception_name(name))
        if name == "contentBlockDelta":
            if payload.startswith(TEXT_DELTA) and payload[_TEXT_AT : _TEXT_AT + 1] not in _NO_TEXT:
                return VISIBLE
            return delta_output(decoded(_delta, payload))
        if name == "contentBlockStart":
            return start_output(decoded(_start, payload))
        if name == "messageStop":
            self._over = True
            return (Finished(decoded(_stop, payload).stopReason),)
        if name == "metadata":
            return account_events(decoded(_account, payload))
        return NOTHING


class Converse(WholeBody):
    """One Converse answer."""

    __slots__ = ()

    def _read(self, body: bytes) -> Events:
        account = decoded(_account, body)
        if account.stopReason is None and account.usage is None and (fault := body_fault(body)) is not None:
            return (fault,)
        return (*account_events(account), Finished(account.stopReason))
