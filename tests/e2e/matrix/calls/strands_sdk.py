"""strands-agents: an agent with a Bedrock model, which is boto3 underneath."""

from __future__ import annotations

from typing import Any

from strands import Agent
from strands.models import BedrockModel

from tests.e2e.matrix.calls.shapes import MODEL, converse_text, converse_usage


def agent(streaming: bool, prompt: str, seen: list[Any]) -> Any:
    """One question to an agent without tools."""

    def see(**told: Any) -> None:
        if "event" in told:
            seen.append(told["event"])

    model = BedrockModel(model_id=MODEL, streaming=streaming)
    try:
        Agent(model=model, callback_handler=see, retry_strategy=None)(prompt)
    finally:
        model.client.close()
    return converse_text(seen), converse_usage(seen)


CALLS = {"Agent": agent}
