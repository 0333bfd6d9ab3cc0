"""The model families on InvokeModel besides Claude's Messages and Nova: whole bodies and chunks, embeddings and rerank.

Knows: which model ids belong to which family, where each puts text, the reason to stop and its own counts.
Must not know: Bedrock's envelope and headers, HTTP, sockets, clocks.
Shapes as in the Bedrock user guide, "Inference request parameters and response fields"; Command R's stream as in Cohere's own API.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from streamgauge.testing import shapes_openai as openai
from streamgauge.testing.script import Script
from streamgauge.testing.shapes_claude import Event

Members = dict[str, object]


@dataclass(frozen=True)
class Family:
    """How a family answers. ``says_done``: a bare string ``[DONE]`` is its last chunk. Embeddings and rerankings have no stream."""

    whole: Callable[[Script], Members]
    events: Callable[[Script], Iterator[Event]] | None = None
    says_done: bool = False


def family_of(model: str | None) -> Family | None:
    """The family of a model id; ``None`` for Claude, Nova and what is not known."""
    return next((family for part, family in _BY_MODEL.items() if part in (model or "")), None)


def _texts(script: Script, members: Callable[[str], Members]) -> Iterator[Event]:
    if script.empty_delta:
        yield Event(members(""), "empty")
    for piece in script.words():
        yield Event(members(piece), "output" if piece else "empty")


def _text(script: Script) -> str:
    return "".join(script.words())


def _counted(script: Script, **counts: object) -> Members:
    return dict(counts) if script.usage_reported else {}


def _llama(script: Script) -> Iterator[Event]:
    usage = script.usage()
    said = 0
    for at, event in enumerate(_texts(script, lambda piece: {"generation": piece, "stop_reason": None})):
        said += event.kind == "output"
        counts = _counted(script, prompt_token_count=None if at else usage.input_tokens, generation_token_count=said)
        yield Event({**event.members, **counts}, event.kind)
    counts = _counted(script, prompt_token_count=None, generation_token_count=usage.output_tokens)
    yield Event({"generation": "", **counts, "stop_reason": _short(script)}, "end")


def _llama_whole(script: Script) -> Members:
    usage = script.usage()
    counts = _counted(script, prompt_token_count=usage.input_tokens, generation_token_count=usage.output_tokens)
    return {"generation": _text(script), **counts, "stop_reason": _short(script)}


def _titan(script: Script) -> Iterator[Event]:
    usage = script.usage()
    for at, event in enumerate(_texts(script, lambda piece: {"outputText": piece, "index": 0, "completionReason": None})):
        counts = _counted(script, inputTextTokenCount=usage.input_tokens) if at == 0 else {}
        yield Event({**event.members, **counts}, event.kind)
    counts = _counted(script, totalOutputTextTokenCount=usage.output_tokens)
    yield Event({"outputText": "", "index": 0, **counts, "completionReason": "FINISH"}, "end")


def _titan_whole(script: Script) -> Members:
    usage = script.usage()
    result = {**_counted(script, tokenCount=usage.output_tokens), "outputText": _text(script), "completionReason": "FINISH"}
    return {**_counted(script, inputTextTokenCount=usage.input_tokens), "results": [result]}


def _claude_completion(script: Script) -> Iterator[Event]:
    yield from _texts(script, lambda piece: {"type": "completion", "completion": piece, "stop_reason": None, "stop": None})
    yield Event({"type": "completion", "completion": "", "stop_reason": "stop_sequence", "stop": "\n\nHuman:"}, "end")


def _claude_completion_whole(script: Script) -> Members:
    return {"type": "completion", "completion": _text(script), "stop_reason": "stop_sequence", "stop": "\n\nHuman:"}


def _mistral(script: Script) -> Iterator[Event]:
    yield from _texts(script, lambda piece: {"outputs": [{"text": piece, "stop_reason": None}]})
    yield Event({"outputs": [{"text": "", "stop_reason": _short(script)}]}, "end")


def _mistral_whole(script: Script) -> Members:
    return {"outputs": [{"text": _text(script), "stop_reason": _short(script)}]}


def _cohere(script: Script) -> Iterator[Event]:
    yield from _texts(script, lambda piece: {"text": piece, "is_finished": False})
    yield Event({"is_finished": True, "finish_reason": "COMPLETE"}, "end")


def _cohere_whole(script: Script) -> Members:
    return {"generations": [{"finish_reason": "COMPLETE", "id": "g", "text": _text(script)}], "id": "g", "prompt": "scripted"}


def _cohere_chat(script: Script) -> Iterator[Event]:
    yield Event({"is_finished": False, "event_type": "stream-start", "generation_id": "g"}, "start")
    yield from _texts(script, lambda piece: {"is_finished": False, "event_type": "text-generation", "text": piece})
    response = _cohere_chat_whole(script)
    yield Event({"is_finished": True, "event_type": "stream-end", "finish_reason": "COMPLETE", "response": response}, "end")


def _cohere_chat_whole(script: Script) -> Members:
    return {"response_id": "r", "text": _text(script), "generation_id": "g", "chat_history": [], "finish_reason": "COMPLETE"}


def _choices(script: Script, reason: str) -> Iterator[Event]:
    """DeepSeek and Writer: text in choices; they name the reason to stop differently."""
    yield from _texts(script, lambda piece: {"choices": [{"text": piece, "index": 0, reason: None}]})
    yield Event({"choices": [{"text": "", "index": 0, reason: _short(script)}]}, "end")


def _choices_whole(script: Script, reason: str) -> Members:
    return {"choices": [{"text": _text(script), reason: _short(script)}]}


def _jurassic_whole(script: Script) -> Members:
    usage = script.usage()
    asked: Members = {"tokens": [{}] * (usage.input_tokens or 0)} if script.usage_reported else {}
    said: Members = {"tokens": [{}] * (usage.output_tokens or 0)} if script.usage_reported else {}
    completion = {"data": {"text": _text(script), **said}, "finishReason": {"reason": "endoftext"}}
    return {"id": 1, "prompt": {"text": "scripted", **asked}, "completions": [completion]}


def _openai_like(script: Script) -> Iterator[Event]:
    """Chat completion chunks; the counts come with the reason to stop, for there is no ``[DONE]`` behind which to look."""
    yield from openai.chunks(script)
    counts = {"usage": openai.usage_members(script.usage())} if script.usage_reported else {}
    yield Event({**openai.last_chunk(script), **counts}, "end")


def _embedding(script: Script) -> Members:
    return {"embedding": [0.25, -0.5], **_counted(script, inputTextTokenCount=script.usage().input_tokens)}


def _cohere_embedding(_: Script) -> Members:
    return {"embeddings": [[0.25, -0.5]], "id": "e", "response_type": "embeddings_floats", "texts": ["scripted"]}


def _nova_embedding(_: Script) -> Members:
    return {"embeddings": [{"embeddingType": "TEXT", "embedding": [0.25, -0.5]}]}


def rerank_whole(_: Script) -> Members:
    """A reranking, on InvokeModel and on bedrock-agent-runtime alike but for the members' spelling."""
    return {"results": [{"index": 0, "relevance_score": 0.75}]}


def _short(script: Script) -> str:
    return "length" if script.stop_reason == "max_tokens" else "stop"


_OPENAI_LIKE = Family(openai.whole_members, _openai_like)
_COHERE_EMBEDDING = Family(_cohere_embedding)

_BY_MODEL: Mapping[str, Family] = {
    "embed-text": Family(_embedding),
    "embed-image": Family(_embedding),
    "cohere.embed": _COHERE_EMBEDDING,
    "nova-2-multimodal-embeddings": Family(_nova_embedding),
    "rerank": Family(rerank_whole),
    "meta.llama": Family(_llama_whole, _llama),
    "amazon.titan": Family(_titan_whole, _titan),
    "anthropic.claude-v2": Family(_claude_completion_whole, _claude_completion),
    "mistral.": Family(_mistral_whole, _mistral),
    "cohere.command-r": Family(_cohere_chat_whole, _cohere_chat),
    "cohere.command": Family(_cohere_whole, _cohere),
    "ai21.j2": Family(_jurassic_whole),
    "deepseek.": Family(lambda script: _choices_whole(script, "stop_reason"), lambda script: _choices(script, "stop_reason")),
    "writer.": Family(
        lambda script: _choices_whole(script, "finish_reason"), lambda script: _choices(script, "finish_reason"), says_done=True
    ),
    "ai21.jamba": _OPENAI_LIKE,
    "openai.gpt-oss": _OPENAI_LIKE,
    "qwen.": _OPENAI_LIKE,
    "imported-model": _OPENAI_LIKE,
}
"""By a part of the model id; the first that is found counts."""
