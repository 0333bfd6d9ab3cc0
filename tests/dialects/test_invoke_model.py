from __future__ import annotations

from typing import Any

import pytest

from streamgauge.dialects.invoke_model import InvokeModel, InvokeModelStream
from streamgauge.records import REASONING, TOOL, VISIBLE, Fault, Finished, Served, Usage, UsageReported
from tests.dialects import shapes
from tests.dialects.watch import Said, count_outputs, final_usage, trace
from tests.framing import encode

CUT = Fault("stream_truncated")
METERED = {"amazon-bedrock-invocationMetrics": shapes.METRICS}
SERVED = Served(provider_latency=1.2, provider_ttft=0.34)


def said_of(*values: Any) -> Said:
    return trace(InvokeModelStream(), [shapes.chunk(value) for value in values])


@pytest.mark.parametrize("make", [shapes.invoke_claude, shapes.invoke_nova, shapes.invoke_llama])
def test_bedrock_s_own_metrics_are_the_second_source_and_tell_its_clock(make: Any) -> None:
    stream = make()
    said = trace(stream.open(), stream.chunks)
    assert said[-2:] == [shapes.SECOND_USAGE, SERVED]


def test_a_modeltimeout_exception_is_a_fault() -> None:
    assert trace(InvokeModelStream(), [shapes.exception("modelTimeoutException")]) == [Fault("ModelTimeoutException")]


def test_an_error_event_of_claude_is_a_fault_and_no_cut_besides() -> None:
    assert said_of({"type": "error", "error": {"type": "overloaded_error"}}) == [Fault("overloaded_error")]


@pytest.mark.parametrize(
    ("family", "text", "end"),
    [
        ("llama", {"generation": "a", "stop_reason": None}, {"generation": "", "stop_reason": "stop"}),
        ("titan", {"outputText": "a", "completionReason": None}, {"outputText": "", "completionReason": "stop"}),
        ("claude before messages", {"completion": "a", "stop_reason": None}, {"completion": "", "stop_reason": "stop"}),
        ("mistral", {"outputs": [{"text": "a", "stop_reason": None}]}, {"outputs": [{"text": "", "stop_reason": "stop"}]}),
        ("cohere", {"is_finished": False, "text": "a"}, {"is_finished": True, "finish_reason": "stop"}),
        ("deepseek", {"choices": [{"text": "a"}]}, {"choices": [{"text": "", "stop_reason": "stop"}]}),
        ("gpt-oss", {"choices": [{"delta": {"content": "a"}}]}, {"choices": [{"delta": {}, "finish_reason": "stop"}]}),
    ],
)
def test_generated_text_of_other_families_is_seen(family: str, text: dict[str, Any], end: dict[str, Any]) -> None:
    assert said_of(text, text, end | METERED) == [*VISIBLE, *VISIBLE, Finished("stop"), shapes.SECOND_USAGE, SERVED]
    assert said_of(text, text) == [*VISIBLE, *VISIBLE, CUT]


@pytest.mark.parametrize(
    ("first", "said"),
    [
        ({"messageStart": {"role": "assistant"}}, []),
        ({"contentBlockStart": {"start": {"toolUse": {"name": "find"}}, "contentBlockIndex": 0}}, [*TOOL]),
        ({"contentBlockDelta": {"delta": {"reasoningContent": {"reasoningText": {"text": "a"}}}}}, [*REASONING]),
        ({"contentBlockStop": {"contentBlockIndex": 0}}, []),
    ],
)
def test_nova_is_known_by_whichever_of_its_events_comes_first(first: dict[str, Any], said: Said) -> None:
    text = {"contentBlockDelta": {"delta": {"text": "a"}, "contentBlockIndex": 1}}
    assert said_of(first, text, {"messageStop": {"stopReason": "end_turn"}}) == [*said, *VISIBLE, Finished("end_turn")]
    assert said_of({"messageStop": {"stopReason": "guardrail_intervened"}}) == [Finished("guardrail_intervened")]


def test_a_blocked_input_of_titan_ends_without_metrics() -> None:
    text = {"outputText": "made up", "completionReason": "CONTENT_FILTERED", "amazon-bedrock-guardrailAction": "INTERVENED"}
    assert said_of(text) == [*VISIBLE, Finished("CONTENT_FILTERED")]


def test_writer_s_bare_string_at_the_end_says_nothing() -> None:
    assert said_of({"choices": [{"text": "a", "finish_reason": "stop"}]}, "[DONE]") == [*VISIBLE, Finished("stop")]


def test_a_stream_of_nothing_known_is_no_fault_and_its_metrics_count() -> None:
    assert said_of({"frames": 3}, {"frames": 4}) == []
    assert said_of({"frames": 3}, METERED) == [shapes.SECOND_USAGE, SERVED]


def test_text_that_speaks_of_the_metrics_is_text() -> None:
    assert said_of({"generation": "amazon-bedrock-invocationMetrics"}, {"stop_reason": "stop"}) == [*VISIBLE, Finished("stop")]


def test_a_chunk_that_is_no_json_makes_no_sense() -> None:
    assert trace(InvokeModelStream(), [shapes.chunk_bytes(b"{")]) == ["json"]
    assert trace(InvokeModelStream(), [encode.event("chunk", b'{"bytes":"%%"}')]) == ["json"]


def test_events_that_are_no_chunks_say_nothing() -> None:
    assert trace(InvokeModelStream(), [encode.event("initial-response", b""), encode.frame({}, b"")]) == [CUT]


def test_usage_of_an_openai_like_family_is_the_model_s_own() -> None:
    end = {"choices": [{"delta": {}, "finish_reason": "stop"}], "usage": {"prompt_tokens": 4, "completion_tokens": 30}}
    assert final_usage(said_of({"choices": [{"delta": {"content": "a"}}]}, end | METERED)) == Usage(4, 30)


def test_a_claude_answer_tells_usage_model_and_reason() -> None:
    said = trace(InvokeModel(), [shapes.dumps(shapes.CLAUDE_BODY)])
    assert said == [UsageReported(Usage(4, 30)), Served("claude-made-up", "standard"), Finished("end_turn")]


def test_a_nova_answer_tells_usage_and_reason() -> None:
    usage = {"inputTokens": 4, "outputTokens": 30, "cacheReadInputTokenCount": 1000, "cacheWriteInputTokenCount": 100}
    said = trace(InvokeModel(), [shapes.dumps({"output": {}, "stopReason": "end_turn", "usage": usage})])
    assert said == [UsageReported(Usage(1104, 30, 1000, 100)), Finished("end_turn")]


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({"generation": "a", "prompt_token_count": 4, "stop_reason": "stop"}, [Finished("stop")]),
        ({"embedding": [0.1, 0.2]}, []),
        ({"results": [{"tokenCount": 28.0}]}, []),
        ([1, 2], []),
        ({"choices": [], "usage": {"prompt_tokens": 4, "completion_tokens": 30}}, [UsageReported(Usage(4, 30))]),
    ],
)
def test_an_answer_of_another_family_tells_what_is_known_of_it(answer: Any, expected: Said) -> None:
    said = trace(InvokeModel(), [shapes.dumps(answer)])
    assert said == expected
    assert count_outputs(said) == {}


def test_an_answer_that_is_no_json_makes_no_sense() -> None:
    assert trace(InvokeModel(), [b"<html>"]) == ["json"]
