"""One streamed call by each SDK as people use it, without retries, and in one line what the application saw of it."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import anthropic
import boto3
import openai
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.e2e.conftest import KEY, SECRET
from tests.e2e.failures.table import GONE, WHOLE

MODEL = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
CHAT: Any = [{"role": "user", "content": "How high is the river?"}]
PATIENCE = 30.0
"""Seconds an SDK waits, if nothing else is said: longer than anything here takes."""

AtFirst = Callable[[], object]
"""Called when the first piece of the answer has come."""


def nothing() -> None:
    """What most applications do then."""


class Left(Exception):
    """The application goes away by itself."""


def read(parts: Iterable[Any], at_first: AtFirst) -> str:
    """Read an answer; ``whole`` in the end."""
    for number, _ in enumerate(parts):
        if number == 0:
            at_first()
    return WHOLE


@contextlib.contextmanager
def _aws(service: str, base: str, knobs: dict[str, Any], patience: float) -> Iterator[Any]:
    config = Config(retries={"total_max_attempts": 1}, read_timeout=patience)
    client = boto3.client(
        service, endpoint_url=base, region_name="us-east-1", aws_access_key_id=KEY, aws_secret_access_key=SECRET, config=config
    )
    header = json.dumps(knobs)
    client.meta.events.register("before-sign.*.*", lambda request, **_: request.headers.add_header("x-script", header))
    try:
        yield client
    finally:
        client.close()


def converse(base: str, knobs: dict[str, Any], at_first: AtFirst, patience: float) -> str:
    """boto3, ConverseStream."""
    with _aws("bedrock-runtime", base, knobs, patience) as client:
        messages = [{"role": "user", "content": [{"text": "How high is the river?"}]}]
        stream = client.converse_stream(modelId=MODEL, messages=messages)["stream"]
        with contextlib.closing(stream):
            return read(stream, at_first)


def endpoint(base: str, knobs: dict[str, Any], at_first: AtFirst, patience: float) -> str:
    """boto3, a SageMaker endpoint with an LMI container; its error line is data to the SDK."""
    with _aws("sagemaker-runtime", base, knobs, patience) as client:
        body = json.dumps({"inputs": "How high is the river?", "parameters": {"max_new_tokens": 64}, "stream": True})
        stream = client.invoke_endpoint_with_response_stream(EndpointName="llama", Body=body, ContentType="application/json")["Body"]
        with contextlib.closing(stream):
            return read(stream, at_first)


def claude(base: str, knobs: dict[str, Any], at_first: AtFirst, patience: float) -> str:
    """anthropic, by InvokeModelWithResponseStream."""
    options: dict[str, Any] = {"aws_access_key": KEY, "aws_secret_key": SECRET, "aws_region": "us-east-1", "max_retries": 0}
    headers = {"x-script": json.dumps(knobs)}
    with (
        anthropic.AnthropicBedrock(base_url=base, default_headers=headers, timeout=patience, **options) as client,
        client.messages.create(model=MODEL, max_tokens=64, messages=CHAT, stream=True) as stream,
    ):
        return read(stream, at_first)


def messages(base: str, knobs: dict[str, Any], at_first: AtFirst, patience: float) -> str:
    """anthropic, by the Messages API and its server-sent events."""
    headers = {"x-script": json.dumps(knobs)}
    with (
        anthropic.Anthropic(
            base_url=f"{base}/anthropic", api_key="placeholder", max_retries=0, default_headers=headers, timeout=patience
        ) as client,
        client.messages.create(model=MODEL, max_tokens=64, messages=CHAT, stream=True) as stream,
    ):
        return read(stream, at_first)


def chat(base: str, knobs: dict[str, Any], at_first: AtFirst, patience: float) -> str:
    """openai, chat completions."""
    headers = {"x-script": json.dumps(knobs)}
    with (
        openai.OpenAI(base_url=f"{base}/v1", api_key="placeholder", max_retries=0, default_headers=headers, timeout=patience) as client,
        client.chat.completions.create(model="m", messages=CHAT, stream=True, stream_options={"include_usage": True}) as stream,
    ):
        return read(stream, at_first)


CALLS: dict[str, Callable[[str, dict[str, Any], AtFirst, float], str]] = {
    "boto3": converse,
    "boto3 SageMaker": endpoint,
    "anthropic": claude,
    "anthropic Messages": messages,
    "openai": chat,
}


def saw(sdk: str, base: str, knobs: dict[str, Any], at_first: AtFirst = nothing, patience: float = PATIENCE) -> str:
    """What an application sees of one streamed call: the whole answer, or the error that its SDK raises."""
    try:
        return CALLS[sdk](base, knobs, at_first, patience)
    except Left:
        return GONE
    except ClientError as error:  # EventStreamError is one
        return f"{type(error).__name__} ({error.response['Error']['Code']})"
    except (anthropic.APIStatusError, openai.APIStatusError) as error:
        return f"{type(error).__name__} ({error.status_code})"
    except Exception as error:
        return type(error).__name__


class Under:
    """A call under way in a thread of its own. ``begun`` when the first piece of its answer has come."""

    def __init__(self, sdk: str, base: str, knobs: dict[str, Any]) -> None:
        self.begun = threading.Event()
        self._seen: list[str] = []
        self._thread = threading.Thread(target=lambda: self._seen.append(saw(sdk, base, knobs, self.begun.set)), daemon=True)
        self._thread.start()

    def result(self) -> str:
        """What was seen, once it is over."""
        self._thread.join(PATIENCE)
        return self._seen[0] if self._seen else "no end"
