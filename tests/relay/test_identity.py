"""Ids, timestamps, and what a request's head says about its caller."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamgauge.relay.identity import application, attempt, exchange_id, invocation_id, name, timestamp, trace_id

NOW = 1_764_000_000_123_456_789
moment = st.integers(0, 4_102_444_800_000_000_000)


@given(moment)
def test_an_exchange_id_is_a_uuid_of_version_7_for_its_moment(now_ns: int) -> None:
    text = exchange_id(now_ns)
    made = uuid.UUID(text)
    assert str(made) == text
    assert (made.version, made.variant) == (7, uuid.RFC_4122)
    assert made.int >> 80 == now_ns // 1_000_000


def test_exchange_ids_are_unique_and_sort_by_time() -> None:
    ids = [exchange_id(NOW + millisecond * 1_000_000) for millisecond in range(1_000)]
    assert ids == sorted(ids)
    assert len({exchange_id(NOW) for _ in range(10_000)}) == 10_000


@given(st.lists(moment, max_size=4))
def test_a_timestamp_is_rfc_3339_in_utc_with_microseconds(moments: list[int]) -> None:
    for now_ns in moments:
        seconds, rest = divmod(now_ns, 1_000_000_000)
        expected = datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest // 1000)
        assert timestamp(now_ns) == expected.isoformat(timespec="microseconds").replace("+00:00", "Z")


def test_timestamps_of_one_second_share_its_text_and_differ_behind_it() -> None:
    assert [timestamp(NOW), timestamp(NOW + 1_000), timestamp(NOW)] == [
        "2025-11-24T16:00:00.123456Z",
        "2025-11-24T16:00:00.123457Z",
        "2025-11-24T16:00:00.123456Z",
    ]


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"amz-sdk-request": "attempt=1"}, 1),
        ({"amz-sdk-request": "ttl=20260101T000000Z; attempt=3; max=5"}, 3),
        ({"amz-sdk-request": "attempt=two"}, None),
        ({"amz-sdk-request": ""}, None),
        ({"x-stainless-retry-count": "0"}, 1),
        ({"x-stainless-retry-count": "2"}, 3),
        ({"x-stainless-retry-count": "-1"}, None),
        ({"x-stainless-retry-count": "9999"}, None),
        ({"x-stainless-retry-count": "\u00b2"}, None),
        ({}, None),
    ],
)
def test_the_attempt_of_an_sdk_counts_from_1(headers: dict[str, str], expected: int | None) -> None:
    assert attempt(headers) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("8c1f4c5e-6b44-4ec4-9f19-0d4a3a2f2f10", "8c1f4c5e-6b44-4ec4-9f19-0d4a3a2f2f10"),
        ("", None),
        ("a" * 64, "a" * 64),
        ("a" * 65, None),
        ("tell me a secret", None),
        ("a\n", None),
        (None, None),
    ],
)
def test_an_invocation_id_is_an_id_or_nothing(value: str | None, expected: str | None) -> None:
    assert invocation_id({} if value is None else {"amz-sdk-invocation-id": value}) == expected


TRACE = "0af7651916cd43dd8448eb211c80319c"


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}, TRACE),
        ({"traceparent": f"01-{TRACE}-b7ad6b7169203331-01-what-comes-later"}, TRACE),
        ({"traceparent": f"00-{TRACE.upper()}-b7ad6b7169203331-01"}, None),
        ({"traceparent": f"00-{TRACE}"}, None),
        ({"x-amzn-trace-id": "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1"}, "5759e988bd862e3fe1be46a994272793"),
        ({"x-amzn-trace-id": "Self=1-2-3; Root=1-5759e988-bd862e3fe1be46a994272793"}, "5759e988bd862e3fe1be46a994272793"),
        ({"x-amzn-trace-id": "Root=2-5759e988-bd862e3fe1be46a994272793"}, None),
        ({"x-amzn-trace-id": "xRoot=1-5759e988-bd862e3fe1be46a994272793"}, None),
        ({"traceparent": "?", "x-amzn-trace-id": "Root=1-5759e988-bd862e3fe1be46a994272793"}, "5759e988bd862e3fe1be46a994272793"),
        ({"traceparent": f"00-{TRACE}-b7ad6b7169203331-01", "x-amzn-trace-id": "Root=1-5759e988-bd862e3fe1be46a994272793"}, TRACE),
        ({}, None),
    ],
)
def test_the_callers_trace_is_found_in_either_form(headers: dict[str, str], expected: str | None) -> None:
    assert trace_id(headers) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("Boto3/1.44 md/Botocore#1.44 app/checkout", "checkout"),
        ("app/checkout Boto3/1.44", "checkout"),
        ("Boto3/1.44 app/a!b#c md/x", "a!b#c"),
        ("Boto3/1.44 myapp/checkout", None),
        ("Boto3/1.44 app/", None),
        ("Boto3/1.44 app/" + "a" * 51, None),
        ("Boto3/1.44 app/ä", None),
        ("x" * 3_000 + " app/late", None),
        ("curl/8", None),
        (None, None),
    ],
)
def test_the_applications_id_is_found_in_its_user_agent(value: str | None, expected: str | None) -> None:
    assert application({} if value is None else {"user-agent": value}) == expected


@pytest.mark.parametrize("read", [attempt, invocation_id, trace_id, application])
@given(
    headers=st.dictionaries(
        st.sampled_from(
            ["amz-sdk-request", "x-stainless-retry-count", "amz-sdk-invocation-id", "traceparent", "x-amzn-trace-id", "user-agent"]
        ),
        st.text(st.characters(max_codepoint=255)),
    )
)
def test_no_header_makes_it_fail(read: object, headers: dict[str, str]) -> None:
    assert callable(read)
    read(headers)


@pytest.mark.parametrize("value", ["blue", "variant-1", "models/en_US/model.tar.gz", "8c1f4c5e-6b44-4ec4-9f19-0d4a3a2f2f10", "a" * 256])
def test_a_name_is_kept(value: str) -> None:
    assert name(value) == value


@pytest.mark.parametrize("value", [None, "", "a prompt that nobody must read", "a" * 257, "a\nb", "\xe4", '"x"', "-x"])
def test_what_reads_like_text_or_is_too_long_is_no_name(value: str | None) -> None:
    assert name(value) is None
