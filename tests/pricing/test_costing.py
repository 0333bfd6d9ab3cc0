from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from streamgauge.pricing.costing import Cost, cost_of
from streamgauge.pricing.facts import Facts
from streamgauge.pricing.quote import read_question
from streamgauge.pricing.shipped import shipped_book
from streamgauge.records import Measurement
from tests.pricing.worked import Case, cases, worked_out

AT = datetime(2026, 11, 25, tzinfo=UTC)
SONNET = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
CASES = cases()


def _call(**facts: object) -> Facts:
    usual: dict[str, object] = {"requested_model": SONNET, "region": "us-east-1", "input_tokens": 1000, "output_tokens": 100}
    return Facts(**(usual | facts))  # type: ignore[arg-type]


def _cost(**facts: object) -> Cost:
    return cost_of(_call(**facts), shipped_book(), AT)


def test_there_are_at_least_sixty_worked_cases_with_dollars() -> None:
    assert sum(case.usd is not None for case in CASES) >= 60
    assert len({case.case for case in CASES}) == len(CASES)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.case)
def test_a_call_costs_what_was_worked_out_by_hand(case: Case) -> None:
    facts, at, _ = read_question(json.dumps(case.question))
    assert at is not None
    cost = cost_of(facts, shipped_book(), at)
    assert (cost.total_usd, cost.status) == (case.usd, case.status), cost.why
    if case.usd is not None:
        assert worked_out(case) == Decimal(case.usd)
    if case.reason is not None:
        assert case.reason in cost.reasons


@pytest.mark.parametrize("case", [case for case in CASES if case.usd is not None], ids=lambda case: case.case)
def test_a_cost_is_the_sum_of_its_components(case: Case) -> None:
    facts, at, _ = read_question(json.dumps(case.question))
    assert at is not None
    cost = cost_of(facts, shipped_book(), at)
    assert cost.total_pico == sum(component.pico or 0 for component in cost.components) == cost.list_pico


def test_a_measurement_costs_what_facts_of_it_cost() -> None:
    measured = Measurement(
        exchange_id="x",
        started_at="2026-11-25T00:00:00.000000Z",
        proxy_id="p",
        service="bedrock-runtime",
        requested_model=SONNET,
        region="us-east-1",
        outcome="completed",
        usage_source="reported",
        input_tokens=1000,
        output_tokens=100,
    )
    assert cost_of(measured, shipped_book(), AT).total_usd == _cost().total_usd == "0.00495"


def test_two_statements_that_differ_make_the_cost_an_assumption() -> None:
    cost = _cost(usage_conflict={"input_tokens": 1200})
    assert (cost.status, cost.reasons, cost.total_usd) == ("assumed", ("usage_conflict",), "0.00495")


def test_a_difference_in_what_has_no_price_of_its_own_changes_nothing() -> None:
    assert _cost(usage_conflict={"reasoning_tokens": 7}).status == "final"


def test_estimated_counts_make_an_estimate() -> None:
    cost = _cost(usage_source="estimated")
    assert (cost.status, cost.reasons) == ("estimated", ("usage_estimated",))


def test_a_prefix_decides_against_a_scope_that_says_otherwise() -> None:
    cost = _cost(scope="global")
    assert (cost.total_usd, cost.status, cost.reasons) == ("0.00495", "assumed", ("scope_conflict",))


def test_what_the_answer_calls_the_default_tier_is_the_standard_one() -> None:
    assert {_cost(service_tier=tier).total_usd for tier in (None, "default", "auto", "standard", "DEFAULT")} == {"0.00495"}


def test_two_surcharges_at_once_that_nobody_sells_have_no_price() -> None:
    cost = _cost(service_tier="priority", latency_mode="optimized")
    assert (cost.status, cost.total_pico) == ("unpriced", None)


def test_every_attempt_that_ran_is_billed() -> None:
    broken, retried = _cost(outcome="stream_error", output_tokens=20, usage_source="estimated"), _cost()
    assert (broken.status, retried.status) == ("estimated", "final")
    assert (broken.total_pico or 0) + (retried.total_pico or 0) == (1000 * 3_300_000 + 20 * 16_500_000) + (
        1000 * 3_300_000 + 100 * 16_500_000
    )


def test_a_sagemaker_endpoint_is_not_billed_by_the_token() -> None:
    cost = _cost(service="sagemaker-runtime", requested_model=None)
    assert (cost.status, cost.total_pico) == ("allocated", None)


def test_a_name_the_operator_gave_to_a_profile_has_its_price() -> None:
    arn = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc123"
    book = shipped_book().under(f'aliases: {{"{arn}": {SONNET}}}', "ours.yaml")
    cost = cost_of(_call(requested_model=arn), book, AT)
    assert (cost.total_usd, cost.status) == ("0.00495", "final")
    assert cost.matched is not None
    assert cost.matched.scope == "geo"


def test_a_resolved_model_stands_above_the_one_asked_for() -> None:
    assert _cost(requested_model="arn:aws:bedrock:us-east-1:1:prompt-router/x", model=SONNET).total_usd == "0.00495"


def test_the_scope_of_a_resolved_model_is_that_of_the_name_asked_for() -> None:
    cost = _cost(requested_model="global.anthropic.claude-sonnet-4-5-20250929-v1:0", model="anthropic.claude-sonnet-4-5-20250929-v1:0")
    assert cost.total_pico == 1000 * 3_000_000 + 100 * 15_000_000


@pytest.mark.parametrize(
    ("name", "region"),
    [
        ("amazon.nova-2-lite-v1:0", "us-east-1"),
        ("apac.amazon.nova-2-lite-v1:0", "ap-southeast-2"),
        ("ca.anthropic.claude-haiku-4-5-20251001-v1:0", "ca-central-1"),
        ("openai.gpt-oss-120b", "us-east-1"),
        ("cohere.embed-v4:0", "us-east-1"),
        ("cohere.embed-multilingual-v3", "us-east-1"),
        ("ai21.jamba-1-5-large-v1:0", "us-east-1"),
        ("amazon.titan-embed-image-v1", "us-east-1"),
        ("zai.glm-5", "us-east-1"),
        ("moonshotai.kimi-k2.5", "us-east-1"),
        ("minimax.minimax-m2", "us-east-1"),
        ("deepseek.v3.2", "us-east-1"),
        ("deepseek.v3-v1:0", "us-west-2"),
        ("qwen.qwen3-235b-a22b-2507-v1:0", "us-west-2"),
        ("xai.grok-4.3", "us-east-1"),
        ("arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-pro-v1:0", "us-east-1"),
    ],
)
def test_names_on_which_other_tables_stumble_have_a_price(name: str, region: str) -> None:
    cost = _cost(requested_model=name, region=region, output_tokens=0)
    assert cost.status == "final", cost.why
    assert cost.total_pico


def test_mantle_in_europe_is_not_charged_at_american_prices() -> None:
    cost = _cost(requested_model="openai.gpt-oss-120b", service="bedrock-mantle", region="eu-west-1")
    assert (cost.status, cost.reasons) == ("unpriced", ("region",))


@pytest.mark.parametrize("tier", ["batch", "flex", "priority", "ultrafast", "latency_optimized", "gold"])
def test_a_tier_is_never_charged_at_the_standard_price_in_silence(tier: str) -> None:
    standard = _cost(requested_model="deepseek.r1-v1:0")
    assert standard.status == "final"
    assert _cost(requested_model="deepseek.r1-v1:0", service_tier=tier).status == "unpriced"


def test_an_exchange_that_names_no_model_has_no_price() -> None:
    assert _cost(requested_model=None).reasons == ("no_model",)


def test_what_lacks_a_price_is_told_with_the_key_it_was_looked_for() -> None:
    cost = _cost(requested_model="us.meta.llama3-3-70b-instruct-v1:0", cache_read_tokens=10)
    assert cost.why == "meta.llama3-3-70b-instruct-v1:0 in us-east-1, tier standard, scope geo has no price for cache_read"
    assert [component.kind for component in cost.components if component.pico is None] == ["cache_read"]


def test_two_million_small_calls_add_up_to_the_last_digit() -> None:
    one = _cost(requested_model="amazon.nova-micro-v1:0", input_tokens=7, cache_read_tokens=3, output_tokens=2)
    assert (one.total_pico or 0) * 2_000_000 == 892_500_000_000  # 2,000,000 * $0.00000044625 = $0.8925


def test_an_hour_of_cache_without_the_whole_is_the_whole() -> None:
    assert _cost(cache_write_1h_tokens=100).total_pico == 900 * 3_300_000 + 100 * 6_600_000 + 100 * 16_500_000
