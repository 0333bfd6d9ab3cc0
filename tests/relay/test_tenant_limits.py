"""A tenant has so many requests under way and so many a minute, and one tenant's are nobody else's."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamgauge.relay.refusal import TenantLimit
from streamgauge.relay.tenant_limits import TenantLimits
from streamgauge.tenancy.issued import TenantEntry

SECOND = 1_000_000_000


def test_who_is_not_limited_is_not_counted() -> None:
    limits = TenantLimits()
    assert not limits.begin(TenantEntry("a"), 0)
    assert limits._counts == {}


def test_a_place_is_free_again_when_a_request_is_over() -> None:
    limits, entry = TenantLimits(), TenantEntry("a", max_in_flight=2)
    assert limits.begin(entry, 0)
    assert limits.begin(entry, 0)
    with pytest.raises(TenantLimit, match="2 requests of tenant a are under way already") as caught:
        limits.begin(entry, 0)
    assert caught.value.retry_after == 1.0
    limits.end("a")
    assert limits.begin(entry, 0)
    assert limits.begin(TenantEntry("b", max_in_flight=1), 0)
    limits.end("nobody")


def test_a_minutes_worth_may_come_at_once_and_then_evenly() -> None:
    limits, entry = TenantLimits(), TenantEntry("a", max_per_minute=3)
    for _ in range(3):
        limits.begin(entry, 0)
    with pytest.raises(TenantLimit, match="has used its 3 requests a minute") as caught:
        limits.begin(entry, 0)
    assert caught.value.retry_after == pytest.approx(20.0)
    with pytest.raises(TenantLimit) as caught:
        limits.begin(entry, 5 * SECOND)
    assert caught.value.retry_after == pytest.approx(15.0)
    limits.begin(entry, 20 * SECOND)


def test_a_refusal_takes_no_place() -> None:
    limits, entry = TenantLimits(), TenantEntry("a", max_in_flight=5, max_per_minute=1)
    limits.begin(entry, 0)
    for _ in range(10):
        with pytest.raises(TenantLimit, match="a minute"):
            limits.begin(entry, 0)
    limits.end("a")
    assert limits._counts["a"].under_way == 0


@given(st.lists(st.integers(0, 3 * SECOND), max_size=200))
def test_no_minute_lets_more_than_two_minutes_worth_through(pauses: list[int]) -> None:
    limits, entry, at, taken = TenantLimits(), TenantEntry("a", max_per_minute=10), 0, []
    for pause in pauses:
        at += pause
        try:
            limits.begin(entry, at)
            taken.append(at)
        except TenantLimit:
            pass
    assert all(sum(1 for other in taken if at <= other < at + 60 * SECOND) <= 20 for at in taken)
