from __future__ import annotations

from typing import get_args

import pytest

from streamgauge.pricing.billing import NEVER_SENT, verdict
from streamgauge.pricing.facts import Facts
from streamgauge.records import Outcome

BROUGHT = {"input_tokens": 100, "output_tokens": 5}


def _verdict(**facts: object) -> str:
    return verdict(Facts(**({"usage_source": "unknown"} | facts)))  # type: ignore[arg-type]


@pytest.mark.parametrize("outcome", ["shed", "rejected"])
def test_what_the_proxy_refused_is_not_billed(outcome: str) -> None:
    assert _verdict(outcome=outcome) == "not_billed"


@pytest.mark.parametrize("error_type", sorted(NEVER_SENT))
def test_what_never_reached_the_provider_is_not_billed(error_type: str) -> None:
    for outcome in ("upstream_error", "timeout", "proxy_error"):
        assert _verdict(outcome=outcome, error_type=error_type) == "not_billed"


@pytest.mark.parametrize(
    ("outcome", "status"),
    [("client_error", 400), ("client_error", 403), ("throttled", 429), ("upstream_error", 500), ("upstream_error", 503)],
)
def test_an_error_before_the_model_ran_is_not_billed(outcome: str, status: int) -> None:
    assert _verdict(outcome=outcome, http_status=status) == "not_billed"
    assert _verdict(outcome=outcome, http_status=status, usage_source="estimated", input_tokens=100) == "not_billed"


@pytest.mark.parametrize(("outcome", "status"), [("timeout", 408), ("upstream_error", 424), ("upstream_error", 504), ("timeout", None)])
def test_an_error_under_which_the_model_may_have_run_is_an_estimate(outcome: str, status: int | None) -> None:
    assert _verdict(outcome=outcome, http_status=status) == "cut_off"


def test_a_stream_that_only_says_that_it_was_throttled_is_not_billed() -> None:
    throttled = {"outcome": "stream_error", "http_status": 200, "error_type": "ThrottlingException", "usage_source": "estimated"}
    assert _verdict(**throttled, input_tokens=100) == "not_billed"
    assert _verdict(**throttled, **BROUGHT) == "cut_off"


def test_an_error_that_states_its_use_is_not_free() -> None:
    assert _verdict(outcome="upstream_error", http_status=500, usage_source="reported", **BROUGHT) == "cut_off"


@pytest.mark.parametrize("outcome", ["stream_error", "client_cancelled", "timeout", "lost"])
def test_what_was_cut_off_under_way_is_an_estimate(outcome: str) -> None:
    assert _verdict(outcome=outcome, http_status=200, usage_source="estimated", **BROUGHT) == "cut_off"


def test_a_cancelled_call_that_was_read_to_its_end_is_billed() -> None:
    assert _verdict(outcome="client_cancelled", http_status=200, usage_source="reported", **BROUGHT) == "billed"


def test_a_cancelled_call_whose_output_nobody_stated_was_cut_off() -> None:
    assert _verdict(outcome="client_cancelled", http_status=200, usage_source="reported", input_tokens=100) == "cut_off"


def test_counting_tokens_is_free() -> None:
    assert _verdict(operation="CountTokens", input_tokens=100, usage_source="reported") == "not_billed"


def test_input_that_a_guardrail_blocked_did_not_reach_the_model_and_output_did_come_from_it() -> None:
    blocked = {"finish_reason": "guardrail_intervened", "usage_source": "reported"}
    assert _verdict(**blocked, input_tokens=0, output_tokens=0) == "not_billed"
    assert _verdict(**blocked, **BROUGHT) == "billed"


@pytest.mark.parametrize("outcome", get_args(Outcome))
def test_every_outcome_has_a_verdict(outcome: str) -> None:
    assert _verdict(outcome=outcome, http_status=200) in ("billed", "cut_off", "not_billed")
