from __future__ import annotations

from datetime import UTC, datetime, timedelta

from streamgauge.recorder.live import Live, open_exchange, spread
from streamgauge.records import Stalled
from streamgauge.sinks.ledger import InFlight
from tests.spool.made import AT, ended, started, status

NOW = datetime(2026, 11, 24, 5, 0, 2, 123456, tzinfo=UTC)


def test_only_the_last_measurements_are_kept() -> None:
    live = Live(keep=2)
    live.feed("w", [ended("a"), ended("b"), ended("c")])
    assert [row.exchange_id for row in live.recent] == ["b", "c"]


def test_a_silence_is_forgotten_when_its_exchange_ends_or_its_worker_is_gone() -> None:
    live = Live()
    live.feed("w", [Stalled(exchange_id=i, silence=4.0) for i in "abc"])
    live.feed("w", [ended("a")])
    assert live.silences == {"b": 4.0, "c": 4.0}
    live.feed("w", [status()])
    live.gone("w", ["c"])
    assert live.silences == {"c": 4.0}
    assert live.statuses == {}


def test_an_open_exchange_has_an_age_and_says_who_and_what() -> None:
    shown = open_exchange(InFlight("w", started("a", team="search"), 0.4, 0.3), 1.5, NOW)
    assert datetime.fromisoformat(AT) + timedelta(seconds=shown["age"]) == NOW
    assert (shown["exchange_id"], shown["worker_id"], shown["team"], shown["ttft"], shown["silence"]) == ("a", "w", "search", 0.4, 1.5)


def test_percentiles_are_of_what_is_known_and_come_with_their_count() -> None:
    assert spread([]) == {"count": 0, "p50": None, "p95": None}
    assert spread([None, 7.0]) == {"count": 1, "p50": 7.0, "p95": 7.0}
    assert spread([float(value) for value in range(100, 0, -1)]) == {"count": 100, "p50": 50.0, "p95": 95.0}
