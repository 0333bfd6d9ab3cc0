"""What applications ask, and where in the answers they find text and counts; of no SDK, so that every interpreter has it."""

from __future__ import annotations

import json
from typing import Any

MODEL = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
ENDPOINT = "llama"


def asked(prompt: str) -> Any:
    """The prompt as Converse's messages."""
    return [{"role": "user", "content": [{"text": prompt}]}]


def claude_body(prompt: str) -> str:
    """The prompt as a Claude body of InvokeModel."""
    return json.dumps(
        {
            "anthropic_version": "bedrock-2023-05-31",
            "max_tokens": 64,
            "messages": [{"role": "user", "content": [{"type": "text", "text": prompt}]}],
        }
    )


def counted(usage: dict[str, Any]) -> list[int]:
    """Converse's usage as [input without cache, output]."""
    return [usage["inputTokens"], usage["outputTokens"]]


def converse_text(seen: list[Any]) -> str:
    """The text in the events of ConverseStream."""
    return "".join(event["contentBlockDelta"]["delta"].get("text", "") for event in seen if "contentBlockDelta" in event)


def converse_usage(seen: list[Any]) -> list[int]:
    """The usage in the events of ConverseStream."""
    return counted(next(event["metadata"]["usage"] for event in seen if "metadata" in event))


def claude_usage(seen: list[Any]) -> list[int]:
    """The usage in the events of a Claude stream."""
    (started,) = (event["message"]["usage"]["input_tokens"] for event in seen if event["type"] == "message_start")
    (ended,) = (event["usage"]["output_tokens"] for event in seen if event["type"] == "message_delta")
    return [started, ended]


def claude_text(seen: list[Any]) -> str:
    """The text in the events of a Claude stream."""
    return "".join(event["delta"]["text"] for event in seen if event["type"] == "content_block_delta")


def openai_usage(usage: dict[str, Any]) -> list[int]:
    """The usage of a chat completion as [input without cache, output]."""
    cached = (usage.get("prompt_tokens_details") or {}).get("cached_tokens") or 0
    return [usage["prompt_tokens"] - cached, usage["completion_tokens"]]
