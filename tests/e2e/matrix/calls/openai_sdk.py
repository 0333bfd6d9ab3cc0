"""The openai SDK: chat completions and Responses with a key, and its own client for Bedrock."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import openai

from tests.e2e.matrix.calls.shapes import openai_usage


class ErrorEvent(Exception):
    """The stream had an event of type ``error``, which the SDK hands on as any other."""


MODEL = "openai.gpt-oss-120b-1:0"


def _chat(make: Callable[[], Any]) -> Callable[[bool, str, list[Any]], Any]:
    def call(streaming: bool, prompt: str, seen: list[Any]) -> Any:
        said: Any = {"model": MODEL, "messages": [{"role": "user", "content": prompt}]}
        with make() as client:
            if not streaming:
                reply = client.chat.completions.create(**said)
                seen.append(reply.model_dump())
                return reply.choices[0].message.content, openai_usage(seen[0]["usage"])
            chunks = client.chat.completions.create(**said, stream=True, stream_options={"include_usage": True})
            seen.extend(chunk.model_dump() for chunk in chunks)
        text = "".join(choice["delta"]["content"] or "" for chunk in seen for choice in chunk["choices"])
        return text, openai_usage(seen[-1]["usage"])

    return call


def responses(streaming: bool, prompt: str, seen: list[Any]) -> Any:
    """Responses, whole and streamed."""
    with _plain() as client:
        if not streaming:
            reply = client.responses.create(model=MODEL, input=prompt)
            seen.append(reply.model_dump())
        else:
            for event in client.responses.create(model=MODEL, input=prompt, stream=True):
                seen.append(event.model_dump())
                if event.type == "error":
                    raise ErrorEvent(event.code)
                reply = getattr(event, "response", None)
    usage = reply.usage
    return reply.output_text, [usage.input_tokens - usage.input_tokens_details.cached_tokens, usage.output_tokens]


def _plain() -> Any:
    return openai.OpenAI(max_retries=0)


CALLS = {"chat": _chat(_plain), "Responses": responses, "BedrockOpenAI": _chat(lambda: openai.BedrockOpenAI(max_retries=0))}
