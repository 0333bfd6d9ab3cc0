"""langchain-aws: ChatBedrockConverse, which is boto3 underneath."""

from __future__ import annotations

import os
from functools import lru_cache
from typing import Any

from langchain_aws import ChatBedrockConverse

from tests.e2e.matrix.calls.shapes import MODEL


@lru_cache(maxsize=1)
def _model(environ: frozenset[tuple[str, str]]) -> Any:
    """One for all calls that are told the same: making it takes longer than they do."""
    return ChatBedrockConverse(model=MODEL)


def converse(streaming: bool, prompt: str, seen: list[Any]) -> Any:
    """``invoke`` and ``stream``."""
    model = _model(frozenset(os.environ.items()))
    if not streaming:
        whole = model.invoke(prompt)
        seen.append(_told(whole))
    else:
        whole = None
        for chunk in model.stream(prompt):
            seen.append(_told(chunk))
            whole = chunk if whole is None else whole + chunk
    usage = whole.usage_metadata
    cached = usage["input_token_details"]["cache_read"]
    return whole.text, [usage["input_tokens"] - cached, usage["output_tokens"]]


def _told(message: Any) -> Any:
    """A message without the id that langchain makes up, and without the HTTP headers of the answer."""
    told = message.model_dump(exclude={"id"})
    told["response_metadata"].pop("ResponseMetadata", None)
    return told


CALLS = {"ChatBedrockConverse": converse}
