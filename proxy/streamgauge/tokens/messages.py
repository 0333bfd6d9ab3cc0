"""What goes through the two pipes of the counting process: a job each way in, its counts back, as msgpack behind a length.

Knows: the records and their frame. Must not know: processes, encodings.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, TypeVar

import msgspec

T = TypeVar("T")

_LENGTH = 4
MAX_MESSAGE = 4 << 20
"""A job holds a prompt and an answer of a megabyte each at most; more is a mistake of ours, and reading on would make no sense."""


class Job(msgspec.Struct, array_like=True):
    """Bodies whose text is to be counted: a request's, an answer's, or both. ``event_stream``: the answer is in AWS's frames."""

    number: int
    prompt: bytes | None = None
    answer: bytes | None = None
    event_stream: bool = False


class Counted(msgspec.Struct, array_like=True):
    """Tokens of the shipped encoding; ``None`` where there was no text. ``answer_bytes``: UTF-8 of the answer's text that was found.

    ``failed``: the library could not make sense of it.
    """

    number: int
    prompt: int | None = None
    answer: int | None = None
    answer_bytes: int = 0
    failed: bool = False


_encoder = msgspec.msgpack.Encoder()


def packed(message: Job | Counted) -> bytearray:
    """One message in its frame; its bodies are copied once."""
    frame = bytearray(_LENGTH)
    _encoder.encode_into(message, frame, _LENGTH)
    frame[:_LENGTH] = (len(frame) - _LENGTH).to_bytes(_LENGTH, "big")
    return frame


class Messages(Generic[T]):
    """Messages out of bytes in any slicing; holds at most one of ``MAX_MESSAGE``."""

    def __init__(self, kind: type[T]) -> None:
        self._held = bytearray()
        self._decoder = msgspec.msgpack.Decoder(kind)

    def feed(self, data: bytes) -> Iterator[T]:
        """The messages that these bytes complete. Raises ``ValueError`` for bytes that are none."""
        self._held += data
        while len(self._held) >= _LENGTH:
            end = _LENGTH + int.from_bytes(self._held[:_LENGTH], "big")
            if end > _LENGTH + MAX_MESSAGE:
                raise ValueError("a message that is longer than any can be")
            if len(self._held) < end:
                return
            body = bytes(self._held[_LENGTH:end])
            del self._held[:end]
            yield self._decoder.decode(body)  # its errors are ValueErrors
