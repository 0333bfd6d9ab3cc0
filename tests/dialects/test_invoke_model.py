from __future__ import annotations

from typing import Any

import pytest

from streamgauge.dialects.invoke_model import InvokeModel, InvokeModelStream
from streamgauge.records import REASONING, TOOL, VISIBLE, Fault, Finished, Served, Usage, UsageReported
from tests.dialects import shapes, shapes_families
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
    assert said_of(text) == [*VISIBLE, Finished("guardrail_intervened")]


def test_writer_s_bare_string_behind_the_end_says_nothing() -> None:
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


@pytest.mark.parametrize("name", shapes_families.ANSWERS)
def test_an_answer_of_every_family_tells_its_own_counts_and_its_reason(name: str) -> None:
    answer, usage, reason = shapes_families.ANSWERS[name]
    said = trace(InvokeModel(), [shapes.dumps(answer)])
    assert said == [*([UsageReported(usage)] if usage is not None else []), Finished(reason)]
    assert count_outputs(said) == {}


@pytest.mark.parametrize("name", shapes_families.VECTORS)
def test_embeddings_and_rerankings_tell_at_most_their_input(name: str) -> None:
    answer, usage = shapes_families.VECTORS[name]
    assert trace(InvokeModel(), [shapes.dumps(answer)]) == ([UsageReported(usage)] if usage is not None else [])


@pytest.mark.parametrize("answer", [{"results": [0.5]}, [1, 2], {"images": ["YQ=="], "error": None}, {"stop_reason": 7}, "text"])
def test_an_answer_of_no_family_says_nothing(answer: Any) -> None:
    assert trace(InvokeModel(), [shapes.dumps(answer)]) == []


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ({"images": None, "error": "This request has been blocked by our content filters."}, "_OTHER"),
        ({"error": {"type": "BadRequestError", "code": 400}}, "BadRequestError"),
        ({"type": "error", "error": {"type": "overloaded_error"}}, "overloaded_error"),
        ({"Output": {"__type": "com.amazon.coral.service#UnknownOperationException"}, "Version": "1.0"}, "UnknownOperationException"),
        ({"message": "made up"}, "_OTHER"),
    ],
)
def test_an_error_under_status_200_is_a_fault(answer: Any, code: str) -> None:
    assert trace(InvokeModel(), [shapes.dumps(answer)]) == [Fault(code)]


BLOCKED = {"amazon-bedrock-guardrailAction": "INTERVENED", "amazon-bedrock-trace": {"guardrail": {}}}


@pytest.mark.parametrize(
    "answer",
    [
        shapes.CLAUDE_BODY,
        {"output": {}, "stopReason": "end_turn", "usage": {"inputTokens": 4}},
        {"generation": "made up", "prompt_token_count": 4, "stop_reason": "stop"},
        {"inputTextTokenCount": 4, "results": [{"outputText": "made up", "tokenCount": 28.0, "completionReason": "CONTENT_FILTERED"}]},
        {},
    ],
)
def test_a_guardrail_s_intervention_is_the_reason_in_every_family(answer: Any) -> None:
    said = trace(InvokeModel(), [shapes.dumps(answer | BLOCKED)])
    assert said[-1] == Finished("guardrail_intervened")
    assert final_usage(said) == final_usage(trace(InvokeModel(), [shapes.dumps(answer)]))
    assert trace(InvokeModel(), [shapes.dumps(answer | {"amazon-bedrock-guardrailAction": "NONE"})])[-1:] != [said[-1]]


@pytest.mark.parametrize("at", range(4))
def test_a_guardrail_s_intervention_is_a_stream_s_reason_wherever_it_shows(at: int) -> None:
    values: list[dict[str, Any]] = [
        {"generation": "a", "stop_reason": None},
        {"generation": "b", "stop_reason": None},
        {"generation": "", "stop_reason": "stop"},
        METERED,
    ]
    values[at] = values[at] | BLOCKED
    reasons = [item for item in said_of(*values) if isinstance(item, Finished)]
    assert reasons[-1] == Finished("guardrail_intervened")


def test_a_text_that_quotes_the_guardrail_is_text() -> None:
    quoted = '"amazon-bedrock-guardrailAction":"INTERVENED"'
    assert said_of({"generation": quoted}, {"stop_reason": "stop"}) == [*VISIBLE, Finished("stop")]
    assert trace(InvokeModel(), [shapes.dumps({"generation": quoted, "stop_reason": "stop"})]) == [Finished("stop")]


def test_an_error_among_the_chunks_is_a_fault_and_no_cut_besides() -> None:
    said = said_of({"choices": [{"text": "a"}]}, {"error": {"type": "InternalServerError", "code": 500}})
    assert said == [*VISIBLE, Fault("InternalServerError")]


@pytest.mark.parametrize("done", [b'"[DONE]"', b"[DONE]"])
def test_a_bare_done_is_an_end_where_no_reason_was_given(done: bytes) -> None:
    text = shapes.chunk({"choices": [{"text": "a"}]})
    assert trace(InvokeModelStream(), [text, shapes.chunk_bytes(done)]) == [*VISIBLE, Finished(None)]
    assert trace(InvokeModelStream(), [text]) == [*VISIBLE, CUT]


def test_counts_of_a_family_that_differ_from_bedrock_s_are_both_told() -> None:
    said = trace(InvokeModelStream(), shapes_families.llama().chunks)
    told = [item for item in said if isinstance(item, UsageReported)]
    assert told == [UsageReported(Usage(1104)), UsageReported(shapes_families.OWN), shapes.SECOND_USAGE]


def test_of_a_cut_stream_the_inputs_count_is_known_and_half_a_count_of_the_output_is_not_told_as_the_whole() -> None:
    assert final_usage(trace(InvokeModelStream(), shapes_families.llama().chunks[:-1])) == Usage(1104)


def test_an_answer_that_is_no_json_makes_no_sense() -> None:
    assert trace(InvokeModel(), [b"<html>"]) == ["json"]


def test_vectors_larger_than_what_is_held_lose_nothing_where_the_head_has_the_counts() -> None:
    told = UsageReported(Usage(400), preferred=False)
    assert trace(InvokeModel((told,)), [b"[" + b"0.1," * 5_000] * 100) == [told]
    assert trace(InvokeModel(), [b"[" + b"0.1," * 5_000] * 100) == ["body_too_large"]
    assert trace(InvokeModel((told,)), [b"<html>"]) == [told, "json"]
