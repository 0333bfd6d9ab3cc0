"""What a request's body and head say about itself, for all formats at once.

The formats' fields do not collide, so one shape reads them all: Converse, Anthropic, OpenAI, and the families of InvokeModel
and SageMaker containers. Prompts are stepped over, never decoded.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TypeVar

import msgspec

from streamgauge.dialects.base import NOT_JSON
from streamgauge.dialects.meaning.counts import MAX_COUNT, plain_word
from streamgauge.records import Operation, RequestFacts

T = TypeVar("T")

MAX_REQUEST = 1024 * 1024
"""Stepping over 1 MiB takes about a millisecond, in which the relay forwards nothing else. Of larger bodies only the head is read."""

MAX_TEXT = 2048
"""AWS's limit for a model id, the longest text that is kept of a request."""


MAX_METADATA = 16_384
"""Bytes of request metadata that are kept until the caller is known: AWS takes 16 short pairs."""

_IDENTIFIER = re.compile(r"[A-Za-z0-9_.:/-]{1,2048}")
"""A guardrail's id or ARN."""


class _Budget(msgspec.Struct):
    budget_tokens: int | None = None


class _Extra(msgspec.Struct):
    thinking: _Budget | None = None
    reasoning_config: _Budget | None = None


class _Sampling(msgspec.Struct):
    """``inferenceConfig`` (Converse, Nova), ``textGenerationConfig`` (Titan) or ``parameters`` (LMI, TGI)."""

    maxTokens: int | None = None
    max_new_tokens: int | None = None
    maxTokenCount: int | None = None
    temperature: float | None = None

    def max_tokens(self) -> int | None:
        return _first(self.maxTokens, self.max_new_tokens, self.maxTokenCount)


_NO_SAMPLING = _Sampling()


class _Tools(msgspec.Struct):
    tools: list[msgspec.Raw] | None = None


class _Guardrail(msgspec.Struct):
    guardrailIdentifier: str | None = None


class _Tier(msgspec.Struct):
    type: str | None = None


class _Performance(msgspec.Struct):
    latency: str | None = None


class _StreamOptions(msgspec.Struct):
    include_usage: bool | None = None


class _RankingModel(msgspec.Struct):
    modelArn: str | None = None


class _Ranking(msgspec.Struct):
    modelConfiguration: _RankingModel | None = None


class _RankingConfig(msgspec.Struct):
    """Rerank of bedrock-agent-runtime names its model here."""

    bedrockRerankingConfiguration: _Ranking | None = None

    def model(self) -> str | None:
        ranking = self.bedrockRerankingConfiguration
        return ranking.modelConfiguration.modelArn if ranking is not None and ranking.modelConfiguration is not None else None


_NOTHING = msgspec.Raw()


class _Request(msgspec.Struct):
    """``modelId`` is StartAsyncInvoke's; elsewhere on Bedrock the path has it."""

    model: str | None = None
    modelId: str | None = None
    rerankingConfiguration: _RankingConfig | None = None
    stream: bool | None = None
    stream_options: _StreamOptions | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    max_output_tokens: int | None = None
    max_tokens_to_sample: int | None = None
    max_gen_len: int | None = None
    maxTokens: int | None = None
    temperature: float | None = None
    thinking: _Budget | None = None
    tools: list[msgspec.Raw] | None = None
    service_tier: str | None = None
    inferenceConfig: _Sampling | None = None
    textGenerationConfig: _Sampling | None = None
    parameters: _Sampling | None = None
    additionalModelRequestFields: _Extra | None = None
    toolConfig: _Tools | None = None
    guardrailConfig: _Guardrail | None = None
    serviceTier: _Tier | None = None
    performanceConfig: _Performance | None = None
    requestMetadata: msgspec.Raw = _NOTHING

    def sampling(self) -> _Sampling:
        return self.inferenceConfig or self.textGenerationConfig or self.parameters or _NO_SAMPLING

    def most_tokens(self) -> int | None:
        stated = (
            self.max_completion_tokens,
            self.max_output_tokens,
            self.max_tokens,
            self.max_tokens_to_sample,
            self.max_gen_len,
            self.maxTokens,
        )
        return _count(_first(*stated, self.sampling().max_tokens()))

    def budget(self) -> int | None:
        extra = self.additionalModelRequestFields
        stated = self.thinking or (extra.thinking or extra.reasoning_config if extra is not None else None)
        return _count(stated.budget_tokens) if stated is not None else None

    def named_model(self) -> str | None:
        ranking = self.rerankingConfiguration
        return _text(_first(self.model, self.modelId, ranking.model() if ranking is not None else None))

    def metadata(self) -> bytes | None:
        if self.requestMetadata is _NOTHING:
            return None
        raw = bytes(self.requestMetadata)
        return raw if len(raw) <= MAX_METADATA else None

    def tool_count(self) -> int | None:
        tools = self.tools if self.toolConfig is None else self.toolConfig.tools
        return len(tools) if tools is not None else None


_request = msgspec.json.Decoder(_Request)
_UNREAD = _Request()


def read_request(operation: Operation, body: bytes, headers: Mapping[str, str]) -> RequestFacts:
    """Read what a request says about itself; never raises. Path and head go before the body.

    ``headers`` are the request's, with lower-case names. A body that is compressed, above 1 MiB, or of an unexpected shape is not read.
    """
    request = _decoded(body) if headers.get("content-encoding", "identity") == "identity" else _UNREAD
    guardrail = headers.get("x-amzn-bedrock-guardrailidentifier")
    tier = headers.get("x-amzn-bedrock-service-tier")
    latency = headers.get("x-amzn-bedrock-performanceconfig-latency")
    if guardrail is None and request.guardrailConfig is not None:
        guardrail = request.guardrailConfig.guardrailIdentifier
    if tier is None:
        tier = request.serviceTier.type if request.serviceTier is not None else request.service_tier
    if latency is None and request.performanceConfig is not None:
        latency = request.performanceConfig.latency
    return RequestFacts(
        model=operation.model or request.named_model(),
        streaming=operation.streaming if operation.streaming is not None else bool(request.stream) if request is not _UNREAD else None,
        max_tokens=request.most_tokens(),
        temperature=_first(request.temperature, request.sampling().temperature),
        reasoning_budget=request.budget(),
        tools=request.tool_count(),
        guardrail=guardrail if guardrail and _IDENTIFIER.fullmatch(guardrail) else None,
        service_tier=plain_word(tier),
        latency_mode=plain_word(latency),
        stream_usage=request.stream_options is not None and bool(request.stream_options.include_usage),
        metadata=request.metadata(),
    )


def _decoded(body: bytes) -> _Request:
    if not body or len(body) > MAX_REQUEST:
        return _UNREAD
    try:
        return _request.decode(body)
    except NOT_JSON:
        return _UNREAD


def _first(*values: T | None) -> T | None:
    for value in values:
        if value is not None:
            return value
    return None


def _count(value: int | None) -> int | None:
    return value if value is not None and 0 <= value <= MAX_COUNT else None


def _text(value: str | None) -> str | None:
    return value if value and len(value) <= MAX_TEXT and value.isprintable() else None
