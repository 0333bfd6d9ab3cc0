from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

from streamgauge.pricing.other_tables import disagreements, from_genai_prices, from_litellm
from tests.pricing.books import book

AT = datetime(2026, 11, 25, tzinfo=UTC)
SONNET = "anthropic.claude-sonnet-4-5-20250929-v1:0"


def _row(**costs: str) -> dict[str, object]:
    return {
        "litellm_provider": "bedrock_converse",
        "mode": "chat",
        "max_tokens": 8192,
        **{name: Decimal(cost) for name, cost in costs.items()},
    }


def test_names_of_litellms_fields_are_kinds_tiers_and_bands() -> None:
    row = _row(
        input_cost_per_token="3.3e-06",
        output_cost_per_token_batches="8.25e-06",
        cache_creation_input_token_cost_above_1hr_above_200k_tokens="1.32e-05",
        cache_read_input_token_cost_flex="1e-07",
    )
    said = {(one.tier, one.kind, one.above): one.usd for one in from_litellm({f"us.{SONNET}": row})}
    assert said == {
        ("standard", "input", 0): "3.3",
        ("batch", "output", 0): "8.25",
        ("standard", "cache_write_1h", 200_000): "13.2",
        ("flex", "cache_read", 0): "0.1",
    }


def test_a_name_tells_region_and_scope() -> None:
    names = ["amazon.x", "eu.amazon.x", "global.amazon.y", "bedrock/eu-west-2/amazon.x"]
    data = {name: _row(input_cost_per_token="1e-06") for name in names}
    assert [(one.model, one.region, one.scope) for one in from_litellm(data)] == [
        ("amazon.x", "us-east-1", "regional"),
        ("amazon.x", "eu-central-1", "geo"),
        ("amazon.y", "us-east-1", "global"),
        ("amazon.x", "eu-west-2", "regional"),
    ]


def test_a_default_row_that_states_the_global_price_is_not_held_against_the_regional_one() -> None:
    data = {name: _row(input_cost_per_token="3e-06") for name in (SONNET, f"global.{SONNET}")}
    assert [one.scope for one in from_litellm(data)] == ["global"]


def test_rows_of_other_providers_and_places_are_left_alone() -> None:
    other = {**_row(input_cost_per_token="1e-06"), "litellm_provider": "openai"}
    ours = _row(input_cost_per_token="1e-06")
    assert (
        list(from_litellm({"gpt": other, "bedrock/1-month-commitment/x": ours, "bedrock_mantle/openai.x": ours, "sample_spec": "?"})) == []
    )


def test_genai_prices_says_its_scope_in_the_name() -> None:
    models = [("global.a.one", {"input_mtok": Decimal("1.50"), "requests_kcount": Decimal(1)}), ("a.two", {"output_mtok": Decimal(10)})]
    assert [(one.model, one.scope, one.kind, one.usd) for one in from_genai_prices(models)] == [
        ("a.one", "global", "input", "1.5"),
        ("a.two", "regional", "output", "10"),
    ]


def test_a_disagreement_is_told_and_what_the_book_lacks_is_none() -> None:
    ours = book("a.one,us-east-1,,,,input,2", "a.one,us-east-1,,,,cache_write_5m,3", "a.one,us-east-1,,,,output,5")
    row = _row(
        input_cost_per_token="1e-06",
        cache_creation_input_token_cost="4e-06",
        output_cost_per_token="5e-06",
        output_cost_per_token_flex="1e-06",
    )
    found, compared = disagreements(ours, from_litellm({"a.one": row, "a.none": row}), AT)
    assert [(one.said.kind, one.said.usd, one.ours) for one in found] == [("input", "1", "2"), ("cache_write", "4", "3")]
    assert compared == 3
