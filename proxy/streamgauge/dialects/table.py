"""Which dialect reads which answer: a table over operation, status and content type.

The only module that knows all dialects; they do not know each other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache, partial

from streamgauge.dialects.anthropic import Anthropic, AnthropicStream
from streamgauge.dialects.base import Dialect, Events
from streamgauge.dialects.compressed import Compressed
from streamgauge.dialects.converse import Converse, ConverseStream
from streamgauge.dialects.failed import Failed
from streamgauge.dialects.invoke_model import InvokeModel, InvokeModelStream
from streamgauge.dialects.keeping import Keeping
from streamgauge.dialects.meaning.counts import head_facts
from streamgauge.dialects.opaque import Opaque
from streamgauge.dialects.openai_chat import OpenAiChat, OpenAiChatStream
from streamgauge.dialects.openai_responses import OpenAiResponses, OpenAiResponsesStream
from streamgauge.dialects.sagemaker import SageMaker, SageMakerLines, SageMakerStream
from streamgauge.framing.coding import content_decoder, is_plain
from streamgauge.records import Operation

EVENT_STREAM = "application/vnd.amazon.eventstream"
JSON = "application/json"
SSE = "text/event-stream"
JSON_LINES = ("application/jsonlines", "application/x-ndjson", "application/x-jsonlines")

_READERS: dict[tuple[str, str], Callable[[Events], Dialect]] = {
    ("anthropic", JSON): Anthropic,
    ("anthropic", SSE): AnthropicStream,
    ("converse", JSON): Converse,
    ("converse_stream", EVENT_STREAM): ConverseStream,
    ("converse_stream", JSON): Converse,
    ("invoke", JSON): InvokeModel,
    ("invoke_stream", EVENT_STREAM): InvokeModelStream,
    ("invoke_stream", JSON): InvokeModel,
    ("openai_chat", JSON): OpenAiChat,
    ("openai_chat", SSE): OpenAiChatStream,
    ("openai_responses", JSON): OpenAiResponses,
    ("openai_responses", SSE): OpenAiResponsesStream,
    ("sagemaker", JSON): SageMaker,
    **{("sagemaker", kind): SageMakerLines for kind in (SSE, *JSON_LINES)},
    ("sagemaker_stream", EVENT_STREAM): SageMakerStream,
    ("sagemaker_stream", JSON): SageMaker,
}


def open_dialect(operation: Operation, status: int, content_type: str | None, headers: Mapping[str, str], keep: int = 0) -> Dialect:
    """Choose who reads this answer's body. Never fails: what nobody understands is opaque.

    ``headers`` are the response's, with lower-case names. ``keep``: bytes of a stream to keep, for who knows that it will tell no counts.
    """
    opening = head_facts(headers)
    if status >= 400 or "x-amzn-errortype" in headers:  # an error is one under status 200 too
        return Failed(status, headers, opening)
    media_type = _media_type(content_type)
    reader = _READERS.get((operation.dialect, media_type))
    if reader is SageMakerStream:
        reader = partial(SageMakerStream, inner_type=_media_type(headers.get("x-amzn-sagemaker-content-type")))
    if reader is None:
        return Opaque(opening)
    dialect = reader(opening)
    if keep:
        dialect = Keeping(dialect, keep)
    coding = headers.get("content-encoding")
    if coding is None or is_plain(coding):
        return dialect
    decoder = content_decoder(coding)
    return Compressed(dialect, decoder) if decoder is not None else Opaque(opening, refused="content_encoding")


@lru_cache(maxsize=256)  # each provider spells its few in one way; strangers' cannot fill more than this
def _media_type(value: str | None) -> str:
    return (value or "").partition(";")[0].strip().lower()
