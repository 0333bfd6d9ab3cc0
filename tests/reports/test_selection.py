from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from streamgauge.errors import UsageError
from streamgauge.reports.selection import Condition, condition, dimensions, duration, moment, read

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "ago"),
    [("30m", timedelta(minutes=30)), ("24h", timedelta(days=1)), ("7d", timedelta(days=7)), ("1.5h", timedelta(minutes=90))],
)
def test_a_span_counts_back_from_now(text: str, ago: timedelta) -> None:
    assert moment("--since", text, NOW) == NOW - ago


@pytest.mark.parametrize("text", ["2026-11-25T08:00:00Z", "2026-11-25T08:00:00", "2026-11-25T10:00:00+02:00"])
def test_a_time_without_a_zone_is_utc_and_every_zone_is_understood(text: str) -> None:
    assert moment("--since", text, NOW) == datetime(2026, 11, 25, 8, 0, tzinfo=UTC)
    assert moment("--since", "2026-11-25", NOW) == datetime(2026, 11, 25, tzinfo=timezone.utc)  # noqa: UP017 - the other spelling


@pytest.mark.parametrize("text", ["yesterday", "24", "24x", "", "2026-13-01", "99999999999d"])
def test_what_is_no_time_is_refused_with_examples(text: str) -> None:
    with pytest.raises(UsageError, match=r"--since .* is not a time: write 30m, 24h"):
        moment("--since", text, NOW)


def test_a_period_that_holds_nothing_is_refused() -> None:
    with pytest.raises(UsageError, match="--since 1h is not before --until 2h"):
        read(since="1h", until="2h", by=None, where=None, now=NOW)


def test_dimensions_keep_their_order_and_appear_once() -> None:
    assert dimensions("team, model,team,") == ("team", "model")
    assert dimensions(None) == ()


def test_a_misspelt_dimension_is_answered_with_the_nearest_one() -> None:
    with pytest.raises(UsageError, match=r"--by regio: no such dimension; did you mean region\?"):
        dimensions("team,regio")
    with pytest.raises(UsageError, match="there are team, tenant"):
        dimensions("qqqqqqq")


def test_a_misspelt_column_is_answered_with_the_nearest_one() -> None:
    with pytest.raises(UsageError, match=r"no column upsteam_ttft; did you mean upstream_ttft\?"):
        condition("upsteam_ttft>1")


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("team=search", Condition("team", "=", "search")),
        ("outcome!=completed", Condition("outcome", "!=", "completed")),
        ("ttft>=1.5s", Condition("ttft", ">=", 1.5)),
        ("tpot<20ms", Condition("tpot", "<", 0.02)),
        ("input_tokens>1_000", Condition("input_tokens", ">", 1000)),
        ("streaming=true", Condition("streaming", "=", True)),
        ("connection_reused=no", Condition("connection_reused", "=", False)),
        ("error_type=", Condition("error_type", "=", None)),
        ("error_type!=", Condition("error_type", "!=", None)),
        ("prompt_band=1k-4k", Condition("prompt_band", "=", "1k-4k")),
        ("requested_model=a=b", Condition("requested_model", "=", "a=b")),
    ],
)
def test_a_condition_reads_its_value_as_the_column_is_typed(text: str, meant: Condition) -> None:
    assert condition(text) == meant


@pytest.mark.parametrize("text", ["team", "=x", "ttft>", "ttft=soon", "input_tokens=few", "streaming=perhaps", "usage_conflict=x"])
def test_a_condition_that_cannot_work_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--where"):
        condition(text)


def test_durations_have_units() -> None:
    assert duration("--objective", "200ms") == pytest.approx(0.2)
    assert duration("--objective", "1.5") == 1.5
    assert duration("--objective", "2m") == 120
    with pytest.raises(UsageError, match=r"write 1\.5s or 200ms"):
        duration("--objective", "fast")


def test_a_selection_knows_what_the_user_named() -> None:
    chosen = read(since=None, until=None, by="outcome", where=["team=search"], now=NOW)
    assert chosen.names("outcome")
    assert chosen.names("team")
    assert not chosen.names("model")
