from __future__ import annotations

from typing import Any

import pytest

from streamgauge.reports.sentence import sentence
from tests.reports.ledgers import measured
from tests.reports.test_attribution import NOTHING_UPSTREAM

NO_TOKENS: dict[str, Any] = {"ttft": None, "upstream_ttft": None, "time_to_last_token": None, "output_tokens": None}


def test_a_slow_start_is_said_first() -> None:
    told = sentence(measured(ttft=3.301, upstream_ttft=3.2, time_to_last_token=3.8))
    assert told == "79 % of 4.00 s was the provider before its first token, 16 % the provider generating 101 tokens."


def test_a_long_answer_is_said_with_its_tokens() -> None:
    assert sentence(measured()).startswith(
        "71 % of 4.00 s was the provider generating 101 tokens, 24 % the provider before its first token"
    )


def test_stalls_are_told_with_whose_they_were() -> None:
    assert sentence(measured(stall_count=1, stall_time=1.3, stall_side="upstream")).endswith(
        "; 1 stall inside took 1.30 s (the provider's)."
    )
    two = sentence(measured(stall_count=2, stall_time=2.0, stall_side="downstream"))
    assert two.endswith("; 2 stalls inside took 2.00 s (the longest was the application's).")


def test_a_slow_reader_is_told() -> None:
    assert sentence(measured(e2e=10.0)).startswith("60 % of 10.0 s was the application reading slowly, 28 % the provider generating")


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        (
            {"outcome": "throttled", "error_type": "ThrottlingException", "http_status": 429, **NO_TOKENS},
            "It ended as throttled (ThrottlingException): 95.0 % of 4.00 s was the provider until it had answered HTTP 429.",
        ),
        (
            {"outcome": "timeout", "http_status": None, "ttfb": None, "e2e": 60.1, "upstream_e2e": 59.9, **NO_TOKENS},
            "It ended as timeout: 99.6 % of 1 min 00 s was waiting for an answer that did not come.",
        ),
        (
            {"outcome": "client_cancelled", "upstream_e2e": 3.9, **NO_TOKENS},
            "It ended as client_cancelled: 96.2 % of 4.00 s was the provider without a first token yet.",
        ),
        ({"streaming": False, **NO_TOKENS}, "95.0 % of 4.00 s was the provider, which answered in one piece."),
        (
            {"outcome": "shed", "upload": 0.0, **NO_TOKENS, **NOTHING_UPSTREAM},
            "It ended as shed: 100 % of 4.00 s was the proxy, which answered by itself.",
        ),
        ({"outcome": "lost", "e2e": None}, "It ended as lost; how long it took is not known."),
        ({"outcome": "rejected", "e2e": 0.0, **NOTHING_UPSTREAM}, "It ended as rejected after 0 s."),
    ],
)
def test_every_ending_gets_its_sentence(fields: dict[str, Any], told: str) -> None:
    assert sentence(measured(**fields)) == told


def test_it_is_one_sentence() -> None:
    told = sentence(measured(stall_count=1, stall_time=1.3, stall_side="proxy"))
    assert told.count(". ") == 0
    assert told.endswith(".")
