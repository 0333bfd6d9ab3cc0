"""Applications in a process of their own: ``python -m tests.e2e.matrix.calls`` reads a job a line and answers each with a line of JSON.

A job is ``{"caller": ..., "environ": {...}, "calls": [{"streaming": ..., "prompt": ...}, ...]}``; the environment is the whole of what an
application is told about addresses and credentials. Runs under whichever interpreter has the caller's SDK, which need not have ours.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from typing import Any

MODULES = {
    "boto3": "aws",
    "aiobotocore": "aws_async",
    "anthropic": "anthropic_sdk",
    "openai": "openai_sdk",
    "litellm": "litellm_sdk",
    "langchain-aws": "langchain_sdk",
    "strands-agents": "strands_sdk",
}
"""The module beside this one with the calls of an SDK; it is imported when first asked for."""


def done(caller: str, call: dict[str, Any]) -> dict[str, Any]:
    """What came of a call: everything the application saw up to its end, and the error that ended it, if one did."""
    sdk, _, name = caller.partition(" ")
    make = importlib.import_module(f"tests.e2e.matrix.calls.{MODULES[sdk]}").CALLS[name]
    seen: list[Any] = []
    try:
        text, usage = make(call["streaming"], call["prompt"], seen)
    except Exception as error:  # whatever class it is, the comparison wants its name
        return {"seen": seen, "error": told(error)}
    return {"seen": seen, "text": text, "usage": usage, "error": None}


def told(error: BaseException) -> dict[str, Any]:
    """An error as an application tells errors apart: class, code and status."""
    response: Any = getattr(error, "response", None)
    code = response.get("Error", {}).get("Code") if isinstance(response, dict) else getattr(error, "code", None)
    return {"type": type(error).__name__, "code": code, "status": getattr(error, "status_code", None), "text": str(error)[:300]}


def plain(value: Any) -> Any:
    """JSON for what SDKs answer with."""
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def main() -> None:
    """Until the input ends."""
    answers, sys.stdout = sys.stdout, sys.stderr  # some SDKs print
    for line in sys.stdin:
        job = json.loads(line)
        before = dict(os.environ)
        os.environ.update(job["environ"])
        answer = [done(job["caller"], call) for call in job["calls"]]
        os.environ.clear()
        os.environ.update(before)
        print(json.dumps(answer, default=plain), file=answers, flush=True)


if __name__ == "__main__":
    main()
