"""LiteLLM in a process of its own: ``python -m tests.e2e.litellm_calls BEDROCK-URL OPENAI-URL SAGEMAKER-URL ...`` makes every call against
each three base URLs and prints a JSON list of what came, without the ids and times that LiteLLM makes up. ``-`` leaves a URL to the environment.

In a process of its own because LiteLLM changes the environment, starts threads and leaves sockets open.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import litellm

CLAUDE = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
MESSAGES = [{"role": "user", "content": "How high is the river?"}]
MADE_UP = ("id", "created", "_response_ms")


def calls(bedrock: str, chat: str, sagemaker: str) -> list[dict[str, Any]]:
    """The arguments of each call: every model whole and streamed. SageMaker's URL is not taken from the environment: then it is left out."""
    runtime = {} if bedrock == "-" else {"aws_bedrock_runtime_endpoint": bedrock}
    openai = {"api_key": "bedrock-long-term-key"} | ({} if chat == "-" else {"api_base": chat})
    pairs: list[tuple[dict[str, Any], dict[str, Any]]] = [
        ({"model": f"bedrock/converse/{CLAUDE}", **runtime}, {}),
        ({"model": f"bedrock/invoke/{CLAUDE}", **runtime}, {}),
        ({"model": "openai/gpt-made-up", **openai}, {}),
    ]
    if sagemaker != "-":
        # LiteLLM takes this URL as it is, so that the caller says which of the two operations is meant.
        url = f"{sagemaker}/endpoints/llama/invocations"
        pairs.append(({"model": "sagemaker_chat/llama", "sagemaker_base_url": url}, {"sagemaker_base_url": f"{url}-response-stream"}))
    streamed = {"stream": True, "stream_options": {"include_usage": True}}
    return [call for whole, differs in pairs for call in (whole, whole | differs | streamed)]


def result(call: dict[str, Any]) -> Any:
    """What one call gives: the answer, or the list of chunks."""
    answer = litellm.completion(messages=MESSAGES, max_tokens=64, num_retries=0, **call)
    return [_told(chunk) for chunk in answer] if call.get("stream") else _told(answer)


def _told(answer: Any) -> dict[str, Any]:
    return {name: value for name, value in answer.model_dump().items() if name not in MADE_UP}


def main() -> None:
    """All calls, one target after the other."""
    litellm.suppress_debug_info = True
    urls = sys.argv[1:]
    targets = [urls[at : at + 3] for at in range(0, len(urls), 3)]
    print(json.dumps([[result(call) for call in calls(*target)] for target in targets], default=str))


if __name__ == "__main__":
    main()
