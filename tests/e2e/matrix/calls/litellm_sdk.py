"""LiteLLM's ways to Bedrock and SageMaker."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import litellm

from tests.e2e.matrix.calls.shapes import ENDPOINT, MODEL, openai_usage

litellm.suppress_debug_info = True

CLIENTS: Any = litellm.in_memory_llm_clients_cache
"""LiteLLM keeps its HTTP clients, and they keep the proxy they were made with."""

MADE_UP = ("id", "created", "_response_ms")
"""What LiteLLM invents for each answer."""


def _call(model: str, more: Callable[[bool], dict[str, Any]] = lambda streaming: {}) -> Callable[[bool, str, list[Any]], Any]:
    def call(streaming: bool, prompt: str, seen: list[Any]) -> Any:
        said: Any = {
            "model": model,
            "messages": [{"role": "user", "content": prompt}],
            "max_tokens": 64,
            "num_retries": 0,
            "max_retries": 0,
        }
        said |= more(streaming)
        CLIENTS.flush_cache()
        if not streaming:
            seen.append(_told(litellm.completion(**said)))
            return seen[0]["choices"][0]["message"]["content"], openai_usage(seen[0]["usage"])
        seen.extend(map(_told, litellm.completion(**said, stream=True, stream_options={"include_usage": True})))
        text = "".join(choice["delta"].get("content") or "" for chunk in seen for choice in chunk["choices"])
        return text, openai_usage(next(chunk["usage"] for chunk in seen if chunk.get("usage")))

    return call


def _told(answer: Any) -> dict[str, Any]:
    return {name: value for name, value in answer.model_dump().items() if name not in MADE_UP}


def _sagemaker(streaming: bool) -> dict[str, Any]:
    """LiteLLM takes this URL as it is, so that the caller says which of the two operations is meant."""
    path = f"/endpoints/{ENDPOINT}/invocations{'-response-stream' if streaming else ''}"
    return {"sagemaker_base_url": os.environ["SAGEMAKER_BASE_URL"] + path}


CALLS = {
    "bedrock/converse": _call(f"bedrock/converse/{MODEL}"),
    "bedrock/invoke": _call(f"bedrock/invoke/{MODEL}"),
    "openai": _call("openai/gpt-oss"),
    "sagemaker_chat": _call(f"sagemaker_chat/{ENDPOINT}", _sagemaker),
}
