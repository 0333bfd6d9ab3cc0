from __future__ import annotations

from datetime import UTC, datetime

import pytest

from streamgauge.pricing.mistakes import Mistake
from streamgauge.pricing.rate import Rate, instant, is_commercial, read_rate

LEAST = {"model": "amazon.nova-lite-v1:0", "region": "us-east-1", "kind": "input", "usd": "0.06"}


def _read(**cells: str) -> tuple[Rate, list[str]]:
    mistakes: list[Mistake] = []
    rate = read_rate("mine.csv", 7, LEAST | cells, mistakes)
    return rate, [str(mistake) for mistake in mistakes]


def test_four_cells_are_enough_and_the_others_have_defaults() -> None:
    rate, mistakes = _read()
    assert mistakes == []
    assert (rate.endpoint, rate.scope, rate.tier, rate.context_gt, rate.unit, rate.per) == (
        "any",
        "regional",
        "standard",
        0,
        "token",
        1_000_000,
    )
    assert (rate.start, rate.end, rate.confidence) == (None, None, "manual")
    assert rate.pico == 60_000


def test_units_that_are_no_tokens_are_priced_by_the_piece() -> None:
    assert _read(kind="output_image", unit="image", usd="0.04")[0].pico == 40_000_000_000


@pytest.mark.parametrize(
    ("cells", "pico"),
    [
        ({"usd": "0.06"}, 60_000),
        ({"usd": "6e-08", "per": "1"}, 60_000),
        ({"usd": "0.00006", "unit": "1K tokens"}, 60_000),
        ({"usd": "0.06", "unit": "1M tokens"}, 60_000),
        ({"usd": "0.06", "unit": "tokens"}, 60_000),
        ({"usd": "0.06", "scope": "in-region"}, 60_000),
    ],
)
def test_other_ways_to_write_a_price_mean_the_same(cells: dict[str, str], pico: int) -> None:
    rate, mistakes = _read(**cells)
    assert mistakes == []
    assert rate.pico == pico
    assert (rate.unit, rate.scope) == ("token", "regional")


def test_kinds_of_batch_are_kinds_of_the_batch_tier() -> None:
    rate, mistakes = _read(kind="batch_input")
    assert (rate.kind, rate.tier, mistakes) == ("input", "batch", [])


def test_a_region_cell_may_hold_several() -> None:
    assert _read(region="us-east-1  us-west-2 us-east-1")[0].regions == ("us-east-1", "us-west-2")


def test_a_source_in_parts_is_one_text() -> None:
    assert (
        _read(**{"source.offer": "AmazonBedrock", "source.sku": "ABC", "source.rate_code": ""})[0].source == "offer=AmazonBedrock; sku=ABC"
    )


@pytest.mark.parametrize(
    ("cells", "told"),
    [
        ({"usd": ""}, "usd: is missing"),
        ({"usd": "-1"}, "usd: '-1' is no price"),
        ({"usd": "3,30"}, "usd: '3,30' is no price"),
        ({"usd": "1e-16"}, "is no price"),
        ({"usd": "1e99"}, "is no price"),
        ({"unit": "1K tokens", "per": "1000000"}, "per: the unit says 1K already"),
        ({"model": ""}, "model: is missing"),
        ({"model": "us.amazon.nova-lite-v1:0"}, "write 'amazon.nova-lite-v1:0' and the scope"),
        ({"model": "arn:aws:bedrock:us-east-1:1:imported-model/x"}, "is not a model's plain id"),
        ({"region": ""}, "region: is missing"),
        ({"region": "Virginia"}, "region: 'Virginia' is no region"),
        ({"region": "* us-east-1"}, "is every commercial region already"),
        ({"scope": "world"}, "scope: 'world' is none of regional, geo, global"),
        ({"tier": "gold"}, "tier: 'gold' is none of standard, batch"),
        ({"endpoint": "edge"}, "endpoint: 'edge' is none of any, runtime, mantle"),
        ({"context_gt": "200k"}, "context_gt: '200k' is no whole number"),
        ({"per": "0"}, "per: '0' is no whole number from 1 up"),
        ({"kind": "Input Tokens"}, "kind: 'Input Tokens' is no kind"),
        ({"kind": "batch_input", "tier": "flex"}, "write kind 'input' and tier 'batch'"),
        ({"effective_from": "tomorrow"}, "effective_from: 'tomorrow' is no date"),
        ({"effective_from": "2026-02-30"}, "effective_from: '2026-02-30' is no date"),
        ({"effective_from": "2026-05-01", "effective_to": "2026-05-01"}, "effective_to: 2026-05-01 is not after effective_from 2026-05-01"),
        ({"confidence": "sure"}, "confidence: 'sure' is none of api, page, manual, derived"),
        ({"prise": "1"}, "prise: is no column"),
        ({"source": "x" * 600}, "source: longer than 512 characters"),
    ],
)
def test_a_mistake_is_told_with_file_line_and_column(cells: dict[str, str], told: str) -> None:
    mistakes = _read(**cells)[1]
    assert any(told in mistake and mistake.startswith("mine.csv:7: ") for mistake in mistakes), mistakes


def test_bounds_are_instants_however_they_are_written() -> None:
    assert (
        instant("2026-01-01T00:00:00Z") == instant("2026-01-01T00:00:00.000Z") == instant("2026-01-01") == instant("2026-01-01T01:00+01:00")
    )
    assert instant("2026-01-01") == datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("region", ["us-gov-west-1", "cn-north-1", "us-iso-east-1", "us-isob-east-1", "eusc-de-east-1", "moon", ""])
def test_other_partitions_are_no_commercial_regions(region: str) -> None:
    assert not is_commercial(region)


@pytest.mark.parametrize("region", ["us-east-1", "ap-southeast-7", "mx-central-1", "il-central-1"])
def test_commercial_regions_are_told_by_their_form(region: str) -> None:
    assert is_commercial(region)
