"""aiobotocore: boto3's calls on an event loop."""

from __future__ import annotations

import asyncio
from typing import Any

from aiobotocore.session import get_session

from tests.e2e.matrix.calls.shapes import MODEL, asked, converse_text, converse_usage, counted

SESSION = get_session()


async def _converse(streaming: bool, prompt: str, seen: list[Any]) -> Any:
    async with SESSION.create_client("bedrock-runtime") as bedrock:
        if not streaming:
            reply = await bedrock.converse(modelId=MODEL, messages=asked(prompt))
            seen.append({name: value for name, value in reply.items() if name != "ResponseMetadata"})
            return reply["output"]["message"]["content"][0]["text"], counted(reply["usage"])
        async for event in (await bedrock.converse_stream(modelId=MODEL, messages=asked(prompt)))["stream"]:
            seen.append(event)  # noqa: PERF401 - what came before an error is kept
    return converse_text(seen), converse_usage(seen)


def converse(streaming: bool, prompt: str, seen: list[Any]) -> Any:
    """Converse and ConverseStream."""
    return asyncio.run(_converse(streaming, prompt, seen))


CALLS = {"Converse": converse}
