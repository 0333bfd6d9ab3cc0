"""JSON that is an error and not an answer, whoever wrote it: AWS, its front, OpenAI-like or Anthropic-like servers.

Knows: where each puts its code. Must not know: statuses; the same bodies come under 200 too.
"""

from __future__ import annotations

import msgspec

from streamgauge.dialects.base import NOT_JSON
from streamgauge.dialects.meaning.counts import error_code
from streamgauge.records import Fault


class _Inner(msgspec.Struct):
    code: str | int | None = None
    type: str | None = None


class _Error(msgspec.Struct):
    """``Output`` is the envelope in which Bedrock's front answers unknown operations; older vLLM says ``"object": "error"``."""

    type_: str | None = msgspec.field(name="__type", default=None)
    type: str | None = None
    object: str | None = None
    code: str | int | None = None
    error: _Inner | str | None = None
    message: str | None = None
    Message: str | None = None
    Output: _Error | None = None

    def words(self) -> tuple[str, ...]:
        """What may be the code, the best first. A number repeats the status; the word beside it says more."""
        if self.Output is not None:
            return self.Output.words()
        inner = self.error if isinstance(self.error, _Inner) else _Inner()
        own = self.type if self.object == "error" else None
        words = (bare_name(self.type_), self.code, inner.code, inner.type, own)
        return tuple(word for word in words if isinstance(word, str))

    def is_one(self) -> bool:
        """Whether this is an error: it says so, or has nothing but a message."""
        if self.Output is not None:
            return self.Output.type_ is not None
        named = self.type_ is not None or self.error is not None or "error" in (self.type, self.object)
        return named or (self.message or self.Message) is not None


_error = msgspec.json.Decoder(_Error)


def bare_name(name: str | None) -> str | None:
    """``ns#Code:http://...`` is ``Code``."""
    return name.partition(":")[0].rpartition("#")[2] if name else None


def error_words(body: bytes) -> tuple[str, ...]:
    """Candidates for the code of a body that is known to be an error's, the best first; none where it tells none."""
    try:
        return _error.decode(body).words()
    except NOT_JSON:
        return ()


def body_fault(body: bytes) -> Fault | None:
    """The error that an answer is in which nothing else was understood; ``None`` where it is none."""
    try:
        error = _error.decode(body)
    except NOT_JSON:
        return None
    return Fault(error_code(*error.words())) if error.is_one() else None
