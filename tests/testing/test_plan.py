from __future__ import annotations

import gzip
import json
import zlib
from itertools import pairwise
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamgauge.testing import Script
from streamgauge.testing.answers import answer
from streamgauge.testing.plan import Plan, borders, plan
from streamgauge.testing.script import Fault
from tests.testing.asked import CONVERSE_STREAM, asked

CONVERSE = CONVERSE_STREAM.removesuffix("-stream")
SENTENCE = "one two three four five six"


def _plan(target: str = CONVERSE_STREAM, **knobs: Any) -> Plan:
    script = Script(text=SENTENCE, **knobs)
    return plan(answer(asked(target), script), script)


def _body(course: Plan) -> bytes:
    return b"".join(write.data for write in course.writes)


def _kinds(course: Plan) -> list[str]:
    return [kind for write in course.writes for kind in write.kinds]


def test_head_first_frame_and_first_output_have_moments_of_their_own() -> None:
    course = _plan(head_after=0.2, start_after=0.4, ttft=0.6, gap=0.1, end_after=0.3)
    assert course.head_due == 0.2
    due = {kind: write.due for write in reversed(course.writes) for kind in write.kinds}
    assert (due["start"], due["output"]) == (0.4, 0.6)
    assert due["end"] == due["metadata"] == pytest.approx(0.6 + 5 * 0.1 + 0.3)


def test_a_whole_body_takes_as_long_as_its_stream() -> None:
    (write,) = _plan(CONVERSE, ttft=0.5, gap=0.1).writes
    assert write.due == pytest.approx(1.0)
    assert _plan(CONVERSE, ttft=0.5, gap=0.1).head_due == write.due
    assert _plan(CONVERSE, head_after=0.1).head_due == 0.1


@given(st.integers(1, 4), st.integers(1, 5))
def test_cutting_and_grouping_change_no_byte_and_no_order(group: int, split: int) -> None:
    plainly, cut = _plan(), _plan(frames_per_write=group, split=split)
    assert _body(cut) == _body(plainly)
    assert _kinds(cut) == _kinds(plainly)


def test_grouped_frames_leave_when_the_last_of_them_is_due() -> None:
    course = _plan(ttft=0.0, gap=0.1, frames_per_write=3)
    outputs = [write for write in course.writes if "output" in write.kinds]
    assert [(len(write.kinds), round(write.due, 3)) for write in outputs][:2] == [(3, 0.2), (3, 0.5)]


def test_a_split_frame_is_complete_with_its_last_piece() -> None:
    course = _plan(split=3, split_gap=0.01, ttft=0.1)
    first = next(at for at, write in enumerate(course.writes) if "output" in write.kinds)
    assert [write.kinds for write in course.writes[first - 2 : first]] == [(), ()]
    assert course.writes[first].due == pytest.approx(0.12)


@given(st.integers(0, 200), st.integers(1, 20))
def test_borders_cover_everything_without_an_empty_piece(length: int, pieces: int) -> None:
    made = borders(length, pieces)
    assert made[0][0] == 0
    assert made[-1][1] == length
    assert all(end == start for (_, end), (start, _) in pairwise(made))
    assert length == 0 or all(end > start for start, end in made)


@pytest.mark.parametrize(
    ("fault", "ending", "outputs"),
    [
        ("cut_fin", "fin", 2),
        ("cut_reset", "reset", 2),
        ("cut_clean", "clean", 2),
        ("early_fin", "fin", 2),
        ("early_reset", "reset", 2),
        ("early_end", "clean", 2),
        ("hang", "hang", 2),
        ("exception", "clean", 2),
        ("error_frame", "clean", 2),
        ("bad_crc", "clean", 5),
        ("bad_prelude", "clean", 5),
        ("garbage", "clean", 6),
    ],
)
def test_a_fault_strikes_after_its_outputs_and_ends_the_connection_its_way(fault: Fault, ending: str, outputs: int) -> None:
    course = _plan(fault=fault, fault_after=2)
    assert course.ending == ending
    assert _kinds(course).count("output") == outputs
    assert _kinds(course)[:3] == ["start", "output", "output"]


def test_a_cut_stops_inside_a_frame_and_an_early_end_on_a_border() -> None:
    whole, cut, early = _body(_plan()), _body(_plan(fault="cut_fin")), _body(_plan(fault="early_end"))
    assert whole.startswith(cut)
    assert cut.startswith(early)
    assert len(cut) > len(early)


@pytest.mark.parametrize(("fault", "ending"), [("no_answer", "hang"), ("close_before_head", "fin"), ("reset_before_head", "reset")])
def test_faults_before_the_head_send_nothing(fault: Fault, ending: str) -> None:
    course = _plan(fault=fault)
    assert (course.head_due, course.writes, course.ending) == (None, (), ending)


def test_a_broken_whole_body_announces_the_length_it_never_reaches() -> None:
    course = _plan(CONVERSE, fault="cut_clean")
    assert course.length == len(_body(_plan(CONVERSE)))
    assert 0 < len(_body(course)) < (course.length or 0)
    assert course.ending == "fin"


def test_a_fault_that_the_protocol_does_not_have_is_named_with_those_it_has() -> None:
    with pytest.raises(ValueError, match=r"ConverseStream has no fault 'error_line'; it has .*'exception'"):
        _plan(fault="error_line")


@pytest.mark.parametrize("fault", get_args(Fault))
def test_every_fault_has_a_meaning_in_some_protocol(fault: Fault) -> None:
    target = "/endpoints/e/invocations-response-stream"
    script = Script(text=SENTENCE, fault=fault)
    plan(answer(asked(target, {"inputs": "x"}), script), script)


@pytest.mark.parametrize("target", [CONVERSE, CONVERSE_STREAM])
def test_gzip_can_be_unpacked_as_it_comes(target: str) -> None:
    course = _plan(target, gzip=True)
    assert ("Content-Encoding", "gzip") in course.headers
    assert gzip.decompress(_body(course)) == _body(_plan(target))
    unpacker = zlib.decompressobj(wbits=31)
    assert unpacker.decompress(course.writes[0].data)


@pytest.mark.parametrize(
    ("status", "code"), [(400, "ValidationException"), (429, "ThrottlingException"), (503, "ServiceUnavailableException")]
)
def test_a_refusal_has_the_protocols_own_shape(status: int, code: str) -> None:
    course = _plan(status=status, error_message="not now")
    assert course.status == status
    assert dict(course.headers)["x-amzn-ErrorType"].split(":")[0] == code
    assert json.loads(_body(course)) == {"message": "not now"}


def test_a_path_nobody_knows_is_refused_as_the_service_does() -> None:
    script = Script()
    course = plan(answer(asked("/nothing/here"), script), script)
    assert course.status == 404
    assert b"UnknownOperationException" in _body(course)
