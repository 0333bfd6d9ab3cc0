"""What the scripted upstream says in each protocol is what the product understands; the two were written apart."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pytest

from streamgauge.dialects import open_dialect
from streamgauge.records import Fault, Finished, Operation, Output, Served, Usage, UsageReported
from streamgauge.testing import Script
from streamgauge.testing.answers import Answer, answer
from tests.testing.asked import asked

SCRIPT = Script(
    text="Two metres more than yesterday.",
    input_tokens=100,
    output_tokens=9,
    cache_read_tokens=40,
    cache_write_tokens=10,
    pings=True,
    empty_delta=True,
)
_ASKS = {"messages": [], "stream": True, "stream_options": {"include_usage": True}}
_LMI: dict[str, Any] = {"inputs": "hello"}


@dataclass(frozen=True)
class Case:
    """A protocol: where it is asked, with what body, how the product reads it, and which counts it can say."""

    target: str
    dialect: str
    body: dict[str, Any]
    says: tuple[str, ...] = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens")
    reasoning: bool = True
    tool: bool = True


_OPENAI = ("input_tokens", "output_tokens", "cache_read_tokens")
_BOTH = ("input_tokens", "output_tokens")
STREAMS = {
    "converse": Case("/model/m/converse-stream", "converse_stream", {}),
    "claude": Case("/model/anthropic.claude/invoke-with-response-stream", "invoke_stream", {}),
    "nova": Case("/model/amazon.nova/invoke-with-response-stream", "invoke_stream", {}),
    "openai": Case("/openai/v1/chat/completions", "openai_chat", _ASKS, _OPENAI),
    "anthropic": Case("/anthropic/v1/messages", "anthropic", {"stream": True}),
    "vllm": Case("/endpoints/e/invocations-response-stream", "sagemaker_stream", _ASKS, _OPENAI),
    "responses": Case("/openai/v1/responses", "openai_responses", {"input": "hello", "stream": True}),
    "lmi": Case("/endpoints/e/invocations-response-stream", "sagemaker_stream", _LMI, ("output_tokens",), reasoning=False, tool=False),
}
_MODELS = {
    "llama": ("us.meta.llama3-3-70b-instruct-v1%3A0", _BOTH),
    "titan": ("amazon.titan-text-express-v1", _BOTH),
    "claude completion": ("anthropic.claude-v2%3A1", ()),
    "mistral": ("mistral.mistral-large-2402-v1%3A0", ()),
    "cohere": ("cohere.command-text-v14", ()),
    "cohere chat": ("cohere.command-r-plus-v1%3A0", ()),
    "deepseek": ("us.deepseek.r1-v1%3A0", ()),
    "jamba": ("ai21.jamba-1-5-large-v1%3A0", _OPENAI),
    "gpt-oss": ("openai.gpt-oss-120b-1%3A0", _OPENAI),
    "qwen": ("qwen.qwen3-32b-v1%3A0", _OPENAI),
    "writer": ("us.writer.palmyra-x5-v1%3A0", ()),
}
STREAMS |= {
    name: Case(f"/model/{model}/invoke-with-response-stream", "invoke_stream", {}, says, *(says == _OPENAI,) * 2)
    for name, (model, says) in _MODELS.items()
}
WHOLES = {
    **{name: Case(f"/model/{model}/invoke", "invoke", {}, says) for name, (model, says) in _MODELS.items()},
    "j2": Case("/model/ai21.j2-ultra-v1/invoke", "invoke", {}, _BOTH),
    "titan embedding": Case("/model/amazon.titan-embed-text-v2%3A0/invoke", "invoke", {}, ("input_tokens",)),
    "responses": Case("/v1/responses", "openai_responses", {"input": "hello"}),
    "converse": Case("/model/m/converse", "converse", {}),
    "claude": Case("/model/anthropic.claude/invoke", "invoke", {}),
    "nova": Case("/model/amazon.nova/invoke", "invoke", {}),
    "openai": Case("/v1/chat/completions", "openai_chat", {"messages": []}, _OPENAI),
    "anthropic": Case("/v1/messages", "anthropic", {}),
    "vllm": Case("/endpoints/e/invocations", "sagemaker", {"messages": []}, _OPENAI),
    "lmi": Case("/endpoints/e/invocations", "sagemaker", _LMI, ("output_tokens",)),
}


def _answer(case: Case, script: Script) -> Answer:
    found = answer(asked(case.target, case.body), script)
    assert found is not None
    return found


def _events(case: Case, script: Script, bodies: list[bytes]) -> list[Any]:
    headers = {name.lower(): value for name, value in _answer(case, script).headers}
    dialect = open_dialect(Operation("s", "o", case.dialect), 200, headers["content-type"], headers)
    return [event for body in bodies for event in dialect.feed(body)] + list(dialect.close())


def _preferred(events: list[Any]) -> dict[str, int | None]:
    counts: dict[str, int | None] = {}
    for event in events:
        if isinstance(event, UsageReported) and event.preferred:
            counts |= {name: value for name in Usage.__struct_fields__ if (value := getattr(event.usage, name)) is not None}
    return counts


@pytest.mark.parametrize("name", STREAMS)
def test_each_output_frame_is_one_output_to_the_product_and_nothing_else_is(name: str) -> None:
    case = STREAMS[name]
    frames = _answer(case, SCRIPT).frames
    headers = {key.lower(): value for key, value in _answer(case, SCRIPT).headers}
    dialect = open_dialect(Operation("s", "o", case.dialect), 200, headers["content-type"], headers)
    seen = [any(isinstance(event, Output) for event in dialect.feed(frame.data)) for frame in frames]
    assert seen == [frame.is_output for frame in frames]


@pytest.mark.parametrize("name", STREAMS)
def test_a_streams_counts_and_end_come_through(name: str) -> None:
    case = STREAMS[name]
    events = _events(case, SCRIPT, [frame.data for frame in _answer(case, SCRIPT).frames])
    counts = _preferred(events)
    assert {said: counts.get(said) for said in case.says} == {said: getattr(SCRIPT.usage(), said) for said in case.says}
    assert any(isinstance(event, Finished) for event in events)
    assert not any(isinstance(event, Fault) for event in events)


@pytest.mark.parametrize("name", WHOLES)
def test_a_whole_bodys_counts_come_through(name: str) -> None:
    case = WHOLES[name]
    counts = _preferred(_events(case, SCRIPT, [frame.data for frame in _answer(case, SCRIPT).frames]))
    assert {said: counts.get(said) for said in case.says} == {said: getattr(SCRIPT.usage(), said) for said in case.says}


@pytest.mark.parametrize("name", [name for name, case in STREAMS.items() if case.reasoning])
def test_reasoning_comes_before_the_visible_text(name: str) -> None:
    script = replace(SCRIPT, reasoning="let me see")
    events = _events(STREAMS[name], script, [frame.data for frame in _answer(STREAMS[name], script).frames])
    channels = [event.channel for event in events if isinstance(event, Output)]
    assert channels == ["reasoning"] * 3 + ["visible"] * 5


@pytest.mark.parametrize("name", [name for name, case in STREAMS.items() if case.tool])
def test_a_tool_calls_name_and_argument_are_output(name: str) -> None:
    script = replace(SCRIPT, text="", tool=("get_level", '{"place": "bridge"}'))
    events = _events(STREAMS[name], script, [frame.data for frame in _answer(STREAMS[name], script).frames])
    assert {event.channel for event in events if isinstance(event, Output)} == {"tool"}


@pytest.mark.parametrize("name", STREAMS)
@pytest.mark.parametrize("fault", ["exception", "error_frame", "error_line"])
def test_in_stream_faults_are_faults_to_the_product(name: str, fault: str) -> None:
    made = _answer(STREAMS[name], SCRIPT)
    if fault not in made.faults:
        return
    events = _events(STREAMS[name], SCRIPT, [*(frame.data for frame in made.frames[:4]), made.faults[fault]])
    assert any(isinstance(event, Fault) for event in events)


@pytest.mark.parametrize("shift", [1, 7, 1000])
@pytest.mark.parametrize("container", ["vllm", "lmi", "tgi", "outputs"])
def test_sagemaker_parts_may_ignore_inner_borders(container: Any, shift: int) -> None:
    case, script = STREAMS["vllm"], replace(SCRIPT, part_shift=shift, container=container)
    events = _events(case, script, [frame.data for frame in _answer(case, script).frames])
    assert _preferred(events).get("output_tokens") == (9 if container != "outputs" else None)
    assert sum(isinstance(event, Output) for event in events) == 5


def test_a_second_source_can_disagree() -> None:
    case, script = STREAMS["claude"], replace(SCRIPT, second_output_tokens=7)
    events = _events(case, script, [frame.data for frame in _answer(case, script).frames])
    second = [event.usage.output_tokens for event in events if isinstance(event, UsageReported) and not event.preferred]
    assert second == [7]
    assert _preferred(events)["output_tokens"] == 9


@pytest.mark.parametrize("name", STREAMS)
def test_without_usage_no_count_is_said(name: str) -> None:
    case, script = STREAMS[name], replace(SCRIPT, usage_reported=False)
    events = _events(case, script, [frame.data for frame in _answer(case, script).frames])
    assert _preferred(events) == {}


def test_an_openai_stream_says_counts_only_when_asked() -> None:
    case = replace(STREAMS["openai"], body={"messages": [], "stream": True})
    events = _events(case, SCRIPT, [frame.data for frame in _answer(case, SCRIPT).frames])
    assert _preferred(events) == {}


def test_the_container_can_be_chosen_by_the_script() -> None:
    assert b"generated_text" in _answer(WHOLES["vllm"], Script(container="lmi")).frames[0].data
    assert b"choices" in _answer(WHOLES["lmi"], Script(container="vllm")).frames[0].data


def test_tgi_tells_both_counts_and_its_special_token_is_no_output() -> None:
    case, script = STREAMS["vllm"], replace(SCRIPT, container="tgi")
    frames = _answer(case, script).frames
    events = _events(case, script, [frame.data for frame in frames])
    assert _preferred(events) == {"input_tokens": 100, "output_tokens": 9}
    assert sum(isinstance(event, Output) for event in events) == sum(frame.is_output for frame in frames) == 5
    assert _preferred(_events(WHOLES["vllm"], script, [frame.data for frame in _answer(WHOLES["vllm"], script).frames])) == _preferred(
        events
    )


@pytest.mark.parametrize("name", [*_MODELS, "claude", "nova"])
def test_a_guardrails_intervention_is_understood_in_every_family(name: str) -> None:
    script = replace(SCRIPT, guardrail_intervened=True)
    for case in (STREAMS[name], WHOLES[name]):
        events = _events(case, script, [frame.data for frame in _answer(case, script).frames])
        assert Finished("guardrail_intervened") in events


@pytest.mark.parametrize("model", ["cohere.embed-english-v3", "amazon.nova-2-multimodal-embeddings-v1%3A0", "cohere.rerank-v3-5%3A0"])
def test_vectors_and_rankings_say_nothing_in_their_bodies(model: str) -> None:
    case = Case(f"/model/{model}/invoke", "invoke", {})
    events = _events(case, SCRIPT, [frame.data for frame in _answer(case, SCRIPT).frames])
    assert all(isinstance(event, UsageReported | Served) for event in events)
    stated = [event.usage for event in events if isinstance(event, UsageReported)]
    assert [usage.output_tokens for usage in stated] == ([None] if "rerank" not in model else [])


def test_equal_scripts_give_equal_bytes() -> None:
    assert [_answer(case, SCRIPT) for case in STREAMS.values()] == [_answer(case, SCRIPT) for case in STREAMS.values()]
