from __future__ import annotations

from typing import Any

import pytest

from streamgauge.dialects.meaning.container_lines import FAILED_GENERATION
from streamgauge.dialects.sagemaker import SageMaker, SageMakerLines, SageMakerStream
from streamgauge.records import TOOL, VISIBLE, Fault, Finished, Output, Served, Usage, UsageReported
from tests.dialects import shapes
from tests.dialects.watch import Said, trace
from tests.framing import encode

CUT = Fault("stream_truncated")


def lines(*values: Any) -> bytes:
    return b"".join(shapes.dumps(value) + b"\n" for value in values)


def said_of(*payloads: bytes) -> Said:
    return trace(SageMakerStream(), [shapes.part(payload) for payload in payloads])


@pytest.mark.parametrize("make", [shapes.sagemaker_vllm, shapes.sagemaker_lmi, shapes.sagemaker_tgi, shapes.sagemaker_outputs])
@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 1000])
def test_lines_split_across_parts_in_any_way_say_the_same(make: Any, size: int) -> None:
    stream = make()
    inner = b"".join(payload for chunk in stream.chunks for payload in [chunk_payload(chunk)])
    assert trace(SageMakerStream(), shapes.repartition(inner, size)) == trace(SageMakerStream(), stream.chunks)


def chunk_payload(chunk: bytes) -> bytes:
    headers = int.from_bytes(chunk[4:8], "big")
    return chunk[12 + headers : -4]


def test_a_failed_generation_of_lmi_is_a_fault_under_status_200() -> None:
    token = {"token": {"id": 1, "text": " a", "log_prob": -0.1}}
    failed = {
        "token": {"id": -1, "text": "", "log_prob": 0},
        "details": {"finish_reason": "error", "generated_tokens": None, "inputs": None},
    }
    assert said_of(lines(token, failed)) == [*VISIBLE, Fault(FAILED_GENERATION)]


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ({"error": {"type": "BadRequestError", "code": 400}}, "BadRequestError"),
        ({"error": "text for people", "error_type": "overloaded"}, "overloaded"),
        ({"error": "text for people"}, "_OTHER"),
        ({"object": "error", "type": "NotFoundError", "code": 404}, "NotFoundError"),
    ],
)
@pytest.mark.parametrize("prefix", [b"", b"data: ", b"data:"])
def test_an_error_line_is_a_fault_with_its_code(line: object, code: str, prefix: bytes) -> None:
    assert said_of(prefix + lines(line)) == [Fault(code)]


@pytest.mark.parametrize("name", ["ModelStreamError", "InternalStreamFailure"])
def test_an_exception_frame_is_a_fault(name: str) -> None:
    assert trace(SageMakerStream(), [shapes.exception(name)]) == [Fault(name)]


def test_chat_completion_lines_without_done_end_with_their_reason() -> None:
    chunks = shapes.completion_chunks(1)
    said = said_of(lines(*chunks))
    assert said[-1] == Finished("tool_calls")
    assert said_of(lines(*chunks[:-2]))[-1] == CUT


def test_done_without_its_line_end_is_the_end_and_told_once() -> None:
    inner = shapes.openai_sse(1).body
    assert said_of(inner.rstrip()) == said_of(inner)
    assert said_of(inner, b"data: [DONE]\n") == said_of(inner)


def test_a_last_line_without_its_end_is_read_at_the_close() -> None:
    details = {"token": {"text": ""}, "generated_text": "a", "details": {"finish_reason": "length", "generated_tokens": 3}}
    assert said_of(lines(details).rstrip()) == [UsageReported(Usage(output_tokens=3)), Finished("length")]


def test_half_a_last_line_is_a_cut() -> None:
    assert said_of(lines({"outputs": [" a"]}), b'{"outputs": [" b')[-1] == CUT


def test_a_last_token_without_details_is_the_end() -> None:
    assert said_of(lines({"token": {"text": " a"}, "generated_text": " a"})) == [*VISIBLE, Finished(None)]


def test_input_counts_of_tgi_are_read_under_both_names() -> None:
    for name in ("prompt_tokens", "input_length"):
        last = {"token": {"text": "a"}, "generated_text": "a", "details": {"finish_reason": "length", "generated_tokens": 3, name: 5}}
        assert UsageReported(Usage(5, 3)) in said_of(lines(last))


def test_outputs_have_no_end_marker_and_empty_ones_are_no_output() -> None:
    assert said_of(lines({"outputs": [" a"]}, {"outputs": [""]}, {"outputs": []})) == [*VISIBLE]


@pytest.mark.parametrize(
    "payload", [b'{"score":0.5}\n', b"[0.1, 0.2]\n", b"plain\n", b": ping\n\n", b'{"outputs":[{"a":1}]}\n', b"data:\n\n"]
)
def test_what_is_not_known_says_nothing_and_is_no_fault(payload: bytes) -> None:
    assert said_of(payload) == []


def test_a_stream_without_a_single_frame_is_a_cut() -> None:
    assert said_of() == [CUT]


def test_plain_text_is_output_by_the_part() -> None:
    dialect = SageMakerStream(inner_type="application/x-text")
    assert trace(dialect, [shapes.part(b"{ a"), shapes.part(b""), shapes.part(b" b")]) == [*VISIBLE, *VISIBLE]


def test_a_line_that_is_no_json_makes_no_sense_behind_what_was_said_before() -> None:
    token = lines({"token": {"text": " a"}})
    assert said_of(token + b"{oops\n", token) == [*VISIBLE, "json"]
    assert said_of(b"{oops\n", token) == ["json"]


def test_frames_that_are_no_parts_say_nothing() -> None:
    assert trace(SageMakerStream(), [encode.event("initial-response", b"{}"), encode.frame({}, b"")]) == []


def test_a_tool_call_inside_is_tool_output() -> None:
    call = {"choices": [{"delta": {"tool_calls": [{"function": {"name": "find"}}]}, "finish_reason": "tool_calls"}]}
    assert said_of(lines(call)) == [*TOOL, Finished("tool_calls")]


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (shapes.OPENAI_BODY, [UsageReported(Usage(1104, 30, 1000, reasoning_tokens=12)), Served("gpt-made-up"), Finished("stop")]),
        (
            {"generated_text": "a", "details": {"finish_reason": "length", "generated_tokens": 3}},
            [UsageReported(Usage(None, 3)), Finished("length")],
        ),
        (
            [{"generated_text": "a", "details": {"finish_reason": "length", "generated_tokens": 3}}],
            [UsageReported(Usage(None, 3)), Finished("length")],
        ),
        ([{"generated_text": "a"}], []),
        ([{"details": {"generated_tokens": 3}}, {"details": {"generated_tokens": 4}}], []),
        ({"predictions": [[0.1]]}, []),
        ([[0.1]], []),
        ({"details": {"finish_reason": "error"}}, [Fault(FAILED_GENERATION)]),
        ({"error": {"type": "BadRequestError"}}, [Fault("BadRequestError")]),
    ],
)
def test_an_answer_tells_what_is_known_of_it(answer: Any, expected: Said) -> None:
    assert trace(SageMaker(), [shapes.dumps(answer)]) == expected


@pytest.mark.parametrize("done", [b"[DONE]", b'"[DONE]"', b"data: [DONE]", b'data: "[DONE]"'])
def test_a_done_is_the_end_with_and_without_its_prefix(done: bytes) -> None:
    chunk = lines({"choices": [{"delta": {"content": "a"}}]})
    assert said_of(chunk, done + b"\n") == [*VISIBLE, Finished(None)]


@pytest.mark.parametrize("make", [shapes.sagemaker_vllm, shapes.sagemaker_lmi, shapes.sagemaker_tgi])
def test_a_stream_that_was_collected_into_one_body_tells_all_but_its_moments(make: Any) -> None:
    stream = make()
    body = b"".join(map(chunk_payload, stream.chunks))
    said = trace(SageMakerLines(), [body[:50], body[50:]])
    assert said == [item for item in trace(stream.open(), stream.chunks) if not isinstance(item, Output)]


def test_an_error_line_in_a_collected_stream_is_a_fault() -> None:
    assert trace(SageMakerLines(), [lines({"token": {"text": "a"}}, {"error": "made up", "error_type": "overloaded"})]) == [
        Fault("overloaded")
    ]


def test_the_tokens_of_the_input_are_its_count_where_tgi_lists_them() -> None:
    details = {"finish_reason": "length", "generated_tokens": 3, "prefill": [{"id": 1, "text": "a"}, {"id": 2, "text": "b"}]}
    assert trace(SageMaker(), [shapes.dumps([{"generated_text": "a", "details": details}])])[0] == UsageReported(Usage(2, 3))


def test_embeddings_of_an_openai_like_container_tell_their_input() -> None:
    answer = {"object": "list", "data": [{"embedding": [0.1]}], "model": "made-up", "usage": {"prompt_tokens": 4, "total_tokens": 4}}
    assert trace(SageMaker(), [shapes.dumps(answer)]) == [UsageReported(Usage(4)), Served("made-up")]
