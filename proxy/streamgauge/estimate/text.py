"""The text of a request or an answer that a model's tokens are made of, out of JSON of any provider's shape.

Knows: which members hold prompts, tools and generated text, and which hold ids, images and numbers.
Must not know: tokens, and which provider it is: the formats' members do not collide.
Made for the process that counts tokens; the relay never looks at text.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from streamgauge.errors import Undecodable
from streamgauge.framing.eventstream import EventStreamDecoder


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


_PROMPTS = _names(
    "messages system prompt inputs input inputText input_text instructions tools toolConfig query documents texts message chat_history "
    "preamble text outputConfig response_format"
)
"""Members of a request in which a model is told something; what else is there steers it (sampling, guardrails, metadata)."""

_ANSWERS = _names(
    "choices content output outputs results generations completions generation completion outputText text generated_text message delta "
    "tool_calls tool_call_delta"
)
"""Members of an answer, or of one event of a stream, in which generated text stands. Cohere's ``prompt`` and ``chat_history`` repeat the question."""

_NO_TEXT = _names(
    "id role type object model status format detail bytes data url uri image_url video_url audio_url file_id file_data filename media_type "
    "mediaType signature redactedContent encrypted_content toolUseId tool_use_id tool_call_id call_id item_id event_type index finish_reason stop_reason finishReason "
    "completionReason stop_sequence"
)
"""Members whose string is no text that a model reads or writes, or none whose tokens follow from its length (images)."""

_NO_TREE = _names("tokens top_tokens prefill logprobs usage annotations citations cache_control cachePoint trace metrics finishReason")
"""Members below which nothing counts."""

_AS_JSON = _names("input arguments args parameters inputSchema input_schema schema")
"""Members whose object is text to a model as it stands: a tool's argument, a tool's schema."""


def prompt_text(body: bytes) -> list[str]:
    """The texts in a request's body; empty for what is no JSON."""
    document = _json(body)
    if isinstance(document, dict):
        return list(_texts([value for name, value in document.items() if name in _PROMPTS]))
    return []


def answer_text(body: bytes, *, event_stream: bool = False) -> list[str]:
    """The generated texts in an answer's body: one JSON document, lines of JSON, or server-sent events; ``event_stream``: those in the
    payloads of AWS's frames. A stream's deltas make one text. What is half or no JSON is left out.
    """
    if event_stream:
        body = _payloads(body)
    whole = _json(body)
    if whole is not None:
        return list(_generated(whole))
    deltas = (text for line in body.splitlines() for text in _generated(_json(line.removeprefix(b"data:"))))
    joined = "".join(deltas)  # a delta may end within a word, of which tokens know nothing
    return [joined] if joined else []


def _payloads(body: bytes) -> bytes:
    try:
        return b"".join(payload for _, payload in EventStreamDecoder().feed(body))
    except Undecodable:
        return b""


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):  # UnicodeDecodeError is a ValueError
        return None


def _generated(document: Any) -> Iterator[str]:
    if isinstance(document, list):  # TGI's whole answer
        for entry in document:
            yield from _generated(entry)
    elif isinstance(document, dict):
        token = document.get("token")
        if isinstance(token, dict):  # TGI and LMI repeat the whole in the last line
            text = token.get("text")
            if isinstance(text, str) and text and not token.get("special"):
                yield text
        else:
            yield from _texts([value for name, value in document.items() if name in _ANSWERS])


def _texts(values: list[Any]) -> Iterator[str]:
    """All texts below ``values``, by a stack: JSON may nest deeper than calls may."""
    stack = values[::-1]
    while stack:
        value = stack.pop()
        if isinstance(value, str):
            if value:
                yield value
        elif isinstance(value, list):
            stack.extend(reversed(value))
        elif isinstance(value, dict):
            stack.extend(_members(value))


def _members(document: dict[str, Any]) -> Iterator[Any]:
    for name, value in reversed(document.items()):
        if name in _NO_TREE or (name in _NO_TEXT and isinstance(value, str)):
            continue
        if name in _AS_JSON and isinstance(value, dict):
            yield json.dumps(value, ensure_ascii=False)
        else:
            yield value
