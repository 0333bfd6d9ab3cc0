"""Every recorded stream, whole, byte by byte and cut at every position."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from streamgauge.dialects import open_dialect, read_request
from streamgauge.records import Fault, Finished, Served, Usage
from tests.dialects import shapes
from tests.dialects.watch import Said, count_outputs, each_byte, final_usage, trace

RECORDED = Path(__file__).parents[1] / "data" / "recorded"
MANIFEST: list[dict[str, Any]] = json.loads((RECORDED / "manifest.json").read_text())

OUTPUTS = {
    "test_bedrock_native_output_stream.0": {"visible": 5},
    # One contentBlockStart with a tool's name and one delta with its argument.
    "test_bedrock_model_iter_stream.0": {"visible": 19, "tool": 2},
    "test_bedrock_model_iter_stream.1": {"visible": 5},
    "test_bedrock_model_stream.0": {"visible": 29},
    "test_bedrock_model_stream_with_extra_headers.0": {"visible": 8},
    # The twentieth delta is the reasoning's signature.
    "test_bedrock_model_thinking_part_stream.0": {"reasoning": 14, "visible": 5},
}

recorded = pytest.mark.parametrize("entry", MANIFEST, ids=lambda entry: entry["name"])


def body_of(entry: dict[str, Any]) -> bytes:
    return (RECORDED / f"{entry['name']}.eventstream.bin").read_bytes()


def said_of(*pieces: bytes) -> Said:
    return trace(open_dialect(shapes.CONVERSE_STREAM, 200, shapes.EVENT_STREAM, {}), pieces)


@recorded
def test_the_bytes_are_the_recorded_ones(entry: dict[str, Any]) -> None:
    body = body_of(entry)
    assert (len(body), hashlib.sha256(body).hexdigest()) == (entry["bytes"], entry["sha256"])


@recorded
def test_usage_outputs_and_latency_are_what_the_recording_holds(entry: dict[str, Any]) -> None:
    said = said_of(body_of(entry))
    assert final_usage(said) == Usage(entry["usage"]["inputTokens"], entry["usage"]["outputTokens"])
    assert count_outputs(said) == OUTPUTS[entry["name"]]
    assert Served(provider_latency=entry["latencyMs"] / 1000) in said
    assert sum(isinstance(item, Finished) for item in said) == 1


@recorded
def test_every_event_is_a_frame(entry: dict[str, Any]) -> None:
    dialect = open_dialect(shapes.CONVERSE_STREAM, 200, shapes.EVENT_STREAM, {})
    dialect.feed(body_of(entry))
    assert dialect.frames == entry["events"]


@recorded
def test_the_slicing_changes_nothing(entry: dict[str, Any]) -> None:
    body = body_of(entry)
    expected = said_of(body)
    assert said_of(*each_byte(body)) == expected
    for at in range(len(body)):
        assert said_of(body[:at], body[at:]) == expected


def borders_of(body: bytes) -> list[int]:
    """Where the frames end."""
    ends = [0]
    while ends[-1] < len(body):
        ends.append(ends[-1] + int.from_bytes(body[ends[-1] : ends[-1] + 4], "big"))
    return ends


@recorded
def test_a_recording_cut_at_any_position_is_a_fault_unless_it_is_cut_between_frames_behind_its_message_stop(entry: dict[str, Any]) -> None:
    body = body_of(entry)
    complete = {at for at in borders_of(body) if b"messageStop" in body[:at]}
    assert len(complete) == 2
    for at in range(len(body) + 1):
        said = said_of(body[:at])
        assert (said[-1] == Fault("stream_truncated")) is (at not in complete)
        assert (final_usage(said) is None) is (at < len(body))


@recorded
def test_the_request_tells_its_facts(entry: dict[str, Any]) -> None:
    path = RECORDED / f"{entry['name']}.request.json"
    sent = json.loads(path.read_text())
    facts = read_request(shapes.CONVERSE_STREAM, path.read_bytes(), {})
    assert facts.max_tokens == sent.get("inferenceConfig", {}).get("maxTokens")
    assert facts.tools == (len(sent["toolConfig"]["tools"]) if "toolConfig" in sent else None)
    assert facts.reasoning_budget == sent.get("additionalModelRequestFields", {}).get("thinking", {}).get("budget_tokens")
