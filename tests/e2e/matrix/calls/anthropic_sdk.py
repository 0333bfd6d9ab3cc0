"""The anthropic SDK: its two clients for Bedrock, and the plain one against the same routes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anthropic

from tests.e2e.matrix.calls.shapes import MODEL


def _call(make: Callable[[], Any]) -> Callable[[bool, str, list[Any]], Any]:
    def call(streaming: bool, prompt: str, seen: list[Any]) -> Any:
        said: Any = {"model": MODEL, "max_tokens": 64, "messages": [{"role": "user", "content": prompt}]}
        with make() as client:
            if not streaming:
                reply = client.messages.create(**said)
                seen.append(reply.model_dump())
            else:
                with client.messages.stream(**said) as stream:
                    seen.extend(event.model_dump() for event in stream)
                    reply = stream.get_final_message()
        return reply.content[0].text, [reply.usage.input_tokens, reply.usage.output_tokens]

    return call


CALLS = {
    "AnthropicBedrock": _call(lambda: anthropic.AnthropicBedrock(max_retries=0)),
    "AnthropicBedrockMantle": _call(lambda: anthropic.AnthropicBedrockMantle(max_retries=0)),
    "Anthropic": _call(lambda: anthropic.Anthropic(max_retries=0)),
}
