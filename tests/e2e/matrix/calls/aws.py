"""boto3, as an application calls it: addresses, keys and retries are the environment's business."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from typing import Any

import boto3

from tests.e2e.matrix.calls.shapes import (
    ENDPOINT,
    MODEL,
    asked,
    claude_body,
    claude_text,
    claude_usage,
    converse_text,
    converse_usage,
    counted,
    openai_usage,
)


@contextlib.contextmanager
def client(service: str) -> Iterator[Any]:
    """One client, closed at the end."""
    with contextlib.closing(boto3.client(service)) as made:
        yield made


def converse(streaming: bool, prompt: str, seen: list[Any]) -> Any:
    """Converse and ConverseStream."""
    with client("bedrock-runtime") as bedrock:
        if not streaming:
            reply = bedrock.converse(modelId=MODEL, messages=asked(prompt))
            seen.append({name: value for name, value in reply.items() if name != "ResponseMetadata"})
            return reply["output"]["message"]["content"][0]["text"], counted(reply["usage"])
        seen.extend(bedrock.converse_stream(modelId=MODEL, messages=asked(prompt))["stream"])
    return converse_text(seen), converse_usage(seen)


def invoke(streaming: bool, prompt: str, seen: list[Any]) -> Any:
    """InvokeModel and InvokeModelWithResponseStream, with a Claude model."""
    with client("bedrock-runtime") as bedrock:
        if not streaming:
            reply = bedrock.invoke_model(modelId=MODEL, body=claude_body(prompt))
            seen.append(json.loads(reply["body"].read()))
            usage = seen[0]["usage"]
            return seen[0]["content"][0]["text"], [usage["input_tokens"], usage["output_tokens"]]
        reply = bedrock.invoke_model_with_response_stream(modelId=MODEL, body=claude_body(prompt))
        seen.extend(json.loads(event["chunk"]["bytes"]) for event in reply["body"])
    return claude_text(seen), claude_usage(seen)


def invoke_endpoint(streaming: bool, prompt: str, seen: list[Any]) -> Any:
    """InvokeEndpoint and InvokeEndpointWithResponseStream, with an OpenAI-like container."""
    said = {"messages": [{"role": "user", "content": prompt}], "stream": streaming}
    if streaming:
        said["stream_options"] = {"include_usage": True}
    body = json.dumps(said)
    with client("sagemaker-runtime") as sagemaker:
        if not streaming:
            reply = sagemaker.invoke_endpoint(EndpointName=ENDPOINT, Body=body, ContentType="application/json")
            seen.append(json.loads(reply["Body"].read()))
            return seen[0]["choices"][0]["message"]["content"], openai_usage(seen[0]["usage"])
        reply = sagemaker.invoke_endpoint_with_response_stream(EndpointName=ENDPOINT, Body=body, ContentType="application/json")
        seen.extend(event["PayloadPart"]["Bytes"].decode() for event in reply["Body"])
    lines = [line.removeprefix("data: ") for line in "".join(seen).splitlines() if line.startswith("data: {")]
    chunks = [json.loads(line) for line in lines]
    text = "".join(choice["delta"].get("content") or "" for chunk in chunks for choice in chunk["choices"])
    return text, openai_usage(next(chunk["usage"] for chunk in chunks if chunk.get("usage")))


CALLS = {"Converse": converse, "InvokeModel": invoke, "InvokeEndpoint": invoke_endpoint}
