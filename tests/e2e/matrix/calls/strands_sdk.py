"""strands-agents: an agent with a Bedrock model, which is boto3 underneath."""

from __future__ import annotations

import os
from functools import lru_cache
from typing import Any

from strands import Agent
from strands.models import BedrockModel

from tests.e2e.matrix.calls.shapes import MODEL, converse_text, converse_usage


@lru_cache(maxsize=2)
def _model(environ: frozenset[tuple[str, str]], streaming: bool) -> Any:
    """One for all calls that are told the same: making it takes longer than they do."""
    return BedrockModel(model_id=MODEL, streaming=streaming)


def agent(streaming: bool, prompt: str, seen: list[Any]) -> Any:
    """One question to an agent without tools."""

    def see(**told: Any) -> None:
        if "event" in told:
            seen.append(told["event"])

    model = _model(frozenset(os.environ.items()), streaming)
    Agent(model=model, callback_handler=see, retry_strategy=None)(prompt)
    return converse_text(seen), converse_usage(seen)


CALLS = {"Agent": agent}
