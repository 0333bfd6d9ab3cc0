"""Answers with an HTTP error status: which error it was, in one short code.

The code is the provider's own name for the error, looked for in ``x-amzn-errortype``, then in the body's error shapes
(AWS ``__type``/``code``, OpenAI and Anthropic ``error``); without one it is the status.
"""

from __future__ import annotations

from collections.abc import Mapping

from streamgauge.dialects.base import NOTHING, Events, Unread
from streamgauge.dialects.meaning.counts import OTHER, error_code
from streamgauge.dialects.meaning.error_body import bare_name, error_words
from streamgauge.errors import Undecodable
from streamgauge.framing.coding import content_decoder, is_plain
from streamgauge.records import Fault

MAX_ERROR_BODY = 64 * 1024
"""Error bodies are some hundred bytes. Of a longer one nothing is read; the status still tells."""


class Failed(Unread):
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
        code = error_code(bare_name(self._header))
        if code == OTHER:
            code = error_code(*error_words(self._body()), self._status)
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
