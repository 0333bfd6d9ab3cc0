from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamgauge.pricing.costing import cost_of
from streamgauge.pricing.quote import BadLine, answer, read_question
from tests.pricing.books import book

LEAST = '{"model": "a.one", "usage": {"input_tokens": 1}}'


def test_a_question_needs_a_model_and_its_use_only() -> None:
    facts, at, own = read_question(LEAST)
    assert (facts.requested_model, facts.input_tokens, facts.output_tokens, facts.outcome, facts.usage_source) == (
        "a.one",
        1,
        0,
        "completed",
        "reported",
    )
    assert (at, own) == (None, None)


def test_fields_that_are_null_are_not_said() -> None:
    facts, at, _ = read_question('{"model": "a", "region": null, "scope": null, "tier": null, "at": null, "usage": {"input_tokens": 1}}')
    assert (facts.region, facts.scope, facts.service_tier, at) == (None, None, None, None)


def test_a_count_that_is_null_is_unknown_and_one_that_is_absent_is_none() -> None:
    facts, _, _ = read_question('{"model": "a", "usage": {"input_tokens": 5, "output_tokens": null, "reasoning_tokens": 3}}')
    assert (facts.output_tokens, facts.cache_read_tokens, facts.units) == (None, None, {})


def test_other_units_have_the_names_of_the_books_kinds() -> None:
    facts, _, _ = read_question('{"model": "a", "usage": {"query": 2, "guardrail:topicPolicyUnits": 4, "image": null}}')
    assert (facts.input_tokens, facts.units) == (None, {"query": 2, "guardrail:topicPolicyUnits": 4})


def test_the_endpoint_and_the_own_id_are_kept() -> None:
    facts, _, own = read_question('{"model": "a", "endpoint": "mantle", "id": 17, "usage": {"input_tokens": 1}}')
    assert (facts.service, own) == ("bedrock-mantle", 17)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("{", "is no JSON"),
        ("[]", "is no JSON object"),
        ("17", "is no JSON object"),
        ("[" * 100_000, "is n"),
        ('{"usage": {}}', "model is missing"),
        ('{"model": 5, "usage": {}}', "model is no text"),
        ('{"model": "", "usage": {}}', "model is no text"),
        ('{"model": "a"}', "usage is missing"),
        ('{"model": "a", "usage": [1]}', "usage is no table of counts"),
        ('{"model": "a", "usage": {"input_tokens": -1}}', "input_tokens is no whole number from 0 up"),
        ('{"model": "a", "usage": {"input_tokens": 1.5}}', "input_tokens is no whole number from 0 up"),
        ('{"model": "a", "usage": {"input_tokens": "1"}}', "input_tokens is no whole number from 0 up"),
        ('{"model": "a", "usage": {"input_tokens": true}}', "input_tokens is no whole number from 0 up"),
        ('{"model": "a", "usage": {"input_tokens": 1e400}}', "input_tokens is no whole number from 0 up"),
        ('{"model": "a", "usage": {"input_tokens": NaN}}', "NaN is no number"),
        ('{"model": "a", "usage": {"input_tokens": 10000000000000000}}', "input_tokens is no whole number from 0 up"),
        ('{"model": "a", "usage": {"inputTokens": -1}}', "inputTokens is no whole number from 0 up"),
        ('{"model": "a", "usage": {"prompt_tokens": 1}}', "usage has 'prompt_tokens'; tokens are input_tokens, output_tokens"),
        ('{"model": "a", "usage": {"input_tokens": 1, "input_tokens": 2}}', "has 'input_tokens' twice"),
        ('{"model": "a", "tire": "flex", "usage": {}}', "has a field 'tire' that means nothing here"),
        ('{"model": "a", "scope": "world", "usage": {}}', "scope 'world' is none of regional, geo, global"),
        ('{"model": "a", "at": "yesterday", "usage": {}}', "at 'yesterday' is no date"),
        ('{"model": "a", "at": 5, "usage": {}}', "at is no text"),
        ('{"model": "a", "outcome": "fine", "usage": {}}', "outcome 'fine' is none of completed"),
        (" " * 2_000_000, "longer than"),
    ],
)
def test_a_line_that_asks_nothing_is_told_why(line: str, told: str) -> None:
    with pytest.raises(BadLine) as caught:
        read_question(line)
    assert told in str(caught.value)
    assert len(str(caught.value)) < 500


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=5), lambda inner: st.lists(inner, max_size=3)))
def test_no_json_does_worse_than_a_bad_line(value: object) -> None:
    for line in (
        json.dumps(value),
        json.dumps({"model": "a", "usage": value}),
        json.dumps({"model": "a", "usage": {"input_tokens": value}}),
    ):
        try:
            read_question(line)
        except BadLine:
            continue


def test_an_answer_says_what_it_costs_by_which_price_from_where() -> None:
    facts, _, _ = read_question('{"model": "a.one", "region": "us-east-1", "usage": {"input_tokens": 1000}}')
    told = answer(cost_of(facts, book("a.one,us-east-1,,,,input,3.30,2026-01-01"), datetime(2026, 11, 25, tzinfo=UTC)))
    assert (told["cost_usd"], told["cost_status"], told["reasons"], told["why"]) == ("0.0033", "final", [], None)
    (component,) = told["components"]
    assert {name: component[name] for name in ("kind", "quantity", "usd", "per", "cost_usd", "effective_from", "line")} == {
        "kind": "input",
        "quantity": 1000,
        "usd": "3.3",
        "per": 1_000_000,
        "cost_usd": "0.0033",
        "effective_from": "2026-01-01",
        "line": 2,
    }
    assert told["matched"]["rule"] == "exact"
    assert told["matched"]["context_gt"] == 0


def test_an_answer_without_a_price_says_what_is_missing() -> None:
    facts, _, _ = read_question('{"model": "a.one", "region": "us-east-1", "usage": {"input_tokens": 1, "output_tokens": 1}}')
    told = answer(cost_of(facts, book("a.one,us-east-1,,,,input,3.30"), datetime(2026, 11, 25, tzinfo=UTC)))
    assert (told["cost_usd"], told["cost_status"]) == (None, "unpriced")
    assert told["why"] == "a.one in us-east-1, tier standard, scope regional has no price for output"
