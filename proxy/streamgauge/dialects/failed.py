"""Answers with an HTTP error status: which error it was, in one short code.

The code is the provider's own name for the error, looked for in ``x-amzn-errortype``, then in the body's error shapes
(AWS ``__type``/``code``, OpenAI and Anthropic ``error``); without one it is the status.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from streamgauge.dialects.base import NOT_JSON, NOTHING, Events
from streamgauge.dialects.meaning.counts import OTHER, error_code
from streamgauge.errors import Undecodable
from streamgauge.framing.coding import content_decoder, is_plain
from streamgauge.records import Fault

MAX_ERROR_BODY = 64 * 1024
"""Error bodies are some hundred bytes. Of a longer one nothing is read; the status still tells."""


class _Inner(msgspec.Struct):
    code: str | int | None = None
    type: str | None = None


class _Error(msgspec.Struct):
    """``Output`` is the envelope in which Bedrock's front answers unknown operations."""

    type_: str | None = msgspec.field(name="__type", default=None)
    code: str | int | None = None
    error: _Inner | str | None = None
    Output: _Error | None = None


_error = msgspec.json.Decoder(_Error)


class Failed:
    """One error answer; tells its fault when the body is complete."""

    __slots__ = ("_coding", "_header", "_held", "_opening", "_status", "frames")

    def __init__(self, status: int, headers: Mapping[str, str], opening: Events = NOTHING) -> None:
        self.frames = 0
        self._status = status
        self._opening = opening
        self._header = headers.get("x-amzn-errortype", "")
        self._held: bytearray | None = bytearray()
        self._coding = headers.get("content-encoding")

    def feed(self, body: bytes) -> Events:
        """See ``Dialect.feed``; never raises."""
        if self._held is not None:
            self._held += body
            if len(self._held) > MAX_ERROR_BODY:
                self._held = None
        return NOTHING

    def close(self) -> Events:
        """See ``Dialect.close``; never raises."""
        self.frames = 1
        return (*self._opening, Fault(self._code()))

    def _code(self) -> str:
        code = error_code(_bare(self._header))
        if code == OTHER:
            code = error_code(*_candidates(self._body()), self._status)
        return code

    def _body(self) -> bytes:
        """The plain body as far as it can be had; of a damaged or endless one nothing."""
        held = bytes(self._held or b"")
        if self._coding is None or is_plain(self._coding):
            return held
        decoder = content_decoder(self._coding)
        plain = bytearray()
        try:
            for piece in decoder.feed(held) if decoder is not None else ():
                plain += piece
                if len(plain) > MAX_ERROR_BODY:
                    return b""
        except Undecodable:
            return b""
        return bytes(plain)


def _bare(name: str | None) -> str | None:
    """``ns#Code:http://...`` is ``Code``."""
    return name.partition(":")[0].rpartition("#")[2] if name else None


def _candidates(body: bytes) -> tuple[object, ...]:
    try:
        error = _error.decode(body)
    except NOT_JSON:
        return ()
    if error.Output is not None:
        error = error.Output
    inner = error.error if isinstance(error.error, _Inner) else _Inner()
    # A number among the codes repeats the status; the word beside it says more.
    words = (_bare(error.type_), error.code, inner.code, inner.type)
    return tuple(word for word in words if isinstance(word, str))
