"""Converse and ConverseStream of Amazon Bedrock.

A stream is complete once ``messageStop`` was seen and the bytes end at a frame border. ``metadata`` comes after it and
carries the usage: a stream without it is complete, its usage unknown.
"""

from __future__ import annotations

import re

import msgspec

from streamgauge.dialects.base import NOTHING, Events, StreamDialect, WholeBody, decoded
from streamgauge.dialects.meaning.converse_events import (
    Account,
    DeltaEvent,
    StartEvent,
    StopEvent,
    account_events,
    delta_output,
    delta_size,
    start_output,
    start_size,
)
from streamgauge.dialects.meaning.counts import exception_name, text_size
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
_BACKSLASH = 0x5C


class ConverseStream(StreamDialect[Frame]):
    """The events of one ConverseStream response."""

    __slots__ = ("_frames", "_written")

    def __init__(self, opening: Events = NOTHING) -> None:
        self._frames = EventStreamDecoder()
        self._written = 0
        super().__init__(self._frames, opening)

    @property
    def written(self) -> int:
        """See ``Dialect``."""
        return self._written

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
            if payload.startswith(TEXT_DELTA):
                end = payload.find(b'"', _TEXT_AT)
                if end > _TEXT_AT:
                    if payload[end - 1] == _BACKSLASH:
                        end = _end_of_text(payload)
                    self._written += end - _TEXT_AT
                    return VISIBLE
            said = decoded(_delta, payload)
            delta = said.delta
            if delta is not None and delta.text:
                self._written += text_size(delta.text)
                return VISIBLE
            self._written += delta_size(said)
            return delta_output(said)
        if name == "contentBlockStart":
            start = decoded(_start, payload)
            self._written += start_size(start)
            return start_output(start)
        if name == "messageStop":
            self._over = True
            return (Finished(decoded(_stop, payload).stopReason),)
        if name == "metadata":
            return account_events(decoded(_account, payload))
        return NOTHING


_TEXT = re.compile(rb'(?:[^"\\]|\\.)*')


def _end_of_text(payload: bytes) -> int:
    """Where the text of a text delta ends that has quotation marks of its own."""
    found = _TEXT.match(payload, _TEXT_AT)
    return found.end() if found is not None else len(payload)


class Converse(WholeBody):
    """One Converse answer."""

    __slots__ = ()

    def _read(self, body: bytes) -> Events:
        account = decoded(_account, body)
        if account.stopReason is None and account.usage is None and (fault := body_fault(body)) is not None:
            return (fault,)
        return (*account_events(account), Finished(account.stopReason))
