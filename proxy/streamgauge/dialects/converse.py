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
from streamgauge.framing.eventstream import EventStreamDecoder, Frame
from streamgauge.records import Finished

_delta = msgspec.json.Decoder(DeltaEvent)
_start = msgspec.json.Decoder(StartEvent)
_stop = msgspec.json.Decoder(StopEvent)
_account = msgspec.json.Decoder(Account)


class ConverseStream(StreamDialect[Frame]):
    """The events of one ConverseStream response."""

    __slots__ = ()

    def __init__(self, opening: Events = NOTHING) -> None:
        super().__init__(EventStreamDecoder(), opening)

    def _read(self, frame: Frame) -> Events:
        (kind, name, _), payload = frame
        if kind != "event":
            return NOTHING if kind is None else self._fault(exception_name(name))
        if name == "contentBlockDelta":
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
        return (*account_events(account), Finished(account.stopReason))
