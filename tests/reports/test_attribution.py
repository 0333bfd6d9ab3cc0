from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamgauge.reports.attribution import PHASES, SPENDERS, phases, sent_at, spent, spent_until_first_token
from tests.reports.ledgers import measured

NOTHING_UPSTREAM: dict[str, Any] = {
    "connect": None,
    "ttfb": None,
    "ttft": None,
    "upstream_ttft": None,
    "time_to_last_token": None,
    "upstream_e2e": None,
}


def lengths(**fields: Any) -> dict[str, float]:
    return {phase.name: round(phase.length, 6) for phase in phases(measured(**fields))}


def test_a_stream_is_cut_at_every_measured_point() -> None:
    assert lengths() == {
        "upload": 0.1,
        "request": 0.001,
        "connect": 0.05,
        "first_byte": 0.35,
        "first_token": 0.6,
        "generation": 2.8,
        "tail": 0.05,
        "handover": 0.049,
    }


def test_phases_follow_one_another_from_zero_to_the_end() -> None:
    found = phases(measured())
    assert found[0].start == 0
    assert found[-1].end == 4.0
    assert all(a.end == b.start for a, b in itertools.pairwise(found))


def test_an_answer_in_one_piece_has_a_body_instead_of_tokens() -> None:
    whole = lengths(streaming=False, ttft=None, upstream_ttft=None, time_to_last_token=None)
    assert list(whole) == ["upload", "request", "connect", "first_byte", "body", "handover"]
    assert whole["body"] == pytest.approx(3.45)


def test_an_error_instead_of_a_stream_has_no_token_to_wait_for() -> None:
    refused = lengths(outcome="throttled", http_status=429, streaming=True, ttft=None, upstream_ttft=None, time_to_last_token=None)
    assert "first_token" not in refused
    assert refused["body"] == pytest.approx(3.45)


def test_a_wait_without_an_answer_is_named_so() -> None:
    silent = lengths(
        outcome="timeout", ttfb=None, ttft=None, upstream_ttft=None, time_to_last_token=None, upstream_e2e=3.9, e2e=4.001, overhead_tail=0.0
    )
    assert list(silent) == ["upload", "request", "connect", "no_answer"]


def test_a_stream_that_broke_before_its_first_token_ends_in_that_phase() -> None:
    broken = lengths(outcome="stream_error", ttft=None, upstream_ttft=None, time_to_last_token=None, overhead_tail=0.049)
    assert list(broken) == ["upload", "request", "connect", "first_byte", "first_token", "handover"]


def test_a_reply_of_our_own_is_the_proxy_s() -> None:
    shed = measured(outcome="shed", side="proxy", e2e=0.102, **NOTHING_UPSTREAM)
    assert [phase.name for phase in phases(shed)] == ["upload", "local"]
    assert spent(shed)["proxy"] == pytest.approx(0.002)


def test_a_lost_exchange_has_no_phases() -> None:
    assert phases(measured(outcome="lost", e2e=None)) == []


def test_the_moment_of_sending_is_taken_from_both_first_token_figures_where_they_exist() -> None:
    assert sent_at(measured()) == pytest.approx(0.101)
    assert sent_at(measured(ttft=None, upstream_ttft=None)) == pytest.approx(0.101)
    assert sent_at(measured(ttft=None, overhead_request=None, e2e=None)) == pytest.approx(0.1)


def test_the_moment_of_sending_leaves_room_for_what_came_after() -> None:
    late = measured(ttft=None, upstream_ttft=None, overhead_request=0.5, upstream_e2e=3.8, overhead_tail=0.0, e2e=4.0)
    assert sent_at(late) == pytest.approx(0.2)


def test_what_the_reader_and_the_proxy_delay_is_not_charged_to_the_provider() -> None:
    found = spent(measured(gap_reader=0.8, gap_proxy=0.1, overhead_tail=0.009))
    assert found["provider_generation"] == pytest.approx(2.8 - 0.9 + 0.05)
    assert found["reader"] == pytest.approx(0.8 + 0.04)
    assert found["proxy"] == pytest.approx(0.001 + 0.1 + 0.009)
    assert found["provider_first"] == pytest.approx(0.95)


def test_a_slow_reader_of_an_answer_in_one_piece_is_charged_once() -> None:
    found = spent(measured(streaming=False, ttft=None, upstream_ttft=None, time_to_last_token=None, downstream_wait=1.045))
    assert found["reader"] == pytest.approx(1.045)


def test_without_a_tail_figure_the_reader_gets_at_most_what_was_waited_for_it() -> None:
    assert spent(measured(overhead_tail=None, downstream_wait=0.02))["reader"] == pytest.approx(0.02)


def test_the_time_to_the_first_token_adds_up_to_ttft() -> None:
    m = measured()
    assert m.ttft is not None
    assert sum(spent_until_first_token(phases(m)).values()) == pytest.approx(m.ttft)


seconds = st.none() | st.floats(0, 100)


@given(
    st.fixed_dictionaries(
        dict.fromkeys(("upload", "connect", "ttfb", "ttft", "upstream_ttft", "time_to_last_token", "upstream_e2e"), seconds)
        | dict.fromkeys(("downstream_wait", "gap_proxy", "gap_reader", "overhead_request", "overhead_tail"), seconds)
        | {"e2e": st.floats(0.001, 200), "streaming": st.sampled_from([True, False, None])}
    )
)
def test_whatever_was_measured_the_sums_are_the_whole_and_nobody_spent_less_than_nothing(fields: dict[str, Any]) -> None:
    m = measured(**fields)
    found = spent(m)
    assert set(found) == set(SPENDERS)
    assert sum(found.values()) == pytest.approx(fields["e2e"])
    assert min(found.values()) > -1e-9
    assert {phase.name for phase in phases(m)} <= set(PHASES)
