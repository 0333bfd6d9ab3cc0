"""The class of an exchange: what the operator says first, then what the call says of itself, and no guess beyond that."""

from __future__ import annotations

from timeit import timeit
from typing import Any

import pytest

from streamgauge.records import Measurement
from streamgauge.routing import shipped_table
from streamgauge.workload import ASYNC_OPERATIONS, REMEMBERED, WorkloadRule, Workloads, WorkloadSettings


def exchange(**facts: Any) -> Measurement:
    return Measurement(exchange_id="e", started_at="t", proxy_id="p", outcome="completed", **facts)


def classified(*rules: WorkloadRule, **facts: Any) -> tuple[str, str | None]:
    return Workloads(WorkloadSettings(rules)).classify(exchange(**facts))


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({}, ("unclassified", None)),
        ({"streaming": False, "operation": "Converse"}, ("unclassified", None)),
        ({"streaming": True}, ("interactive", "streaming")),
        ({"streaming": True, "service_tier": "flex"}, ("batch", "service_tier")),
        ({"service_tier": "priority"}, ("unclassified", None)),
        ({"operation": "InvokeEndpointAsync"}, ("batch", "async")),
        ({"operation": "GetAsyncInvoke"}, ("unclassified", None)),
    ],
)
def test_without_rules_only_what_the_call_says_of_itself_counts(facts: dict[str, Any], expected: tuple[str, str | None]) -> None:
    assert classified(**facts) == expected


def test_every_call_that_hands_work_in_is_known_as_one() -> None:
    routes = shipped_table().routes
    assert {route.name for route in routes if "Async" in route.name and route.method == "POST"} == ASYNC_OPERATIONS


@pytest.mark.parametrize(
    "rule",
    [
        WorkloadRule("realtime", tenant="AKIA*"),
        WorkloadRule("realtime", app="voice-?"),
        WorkloadRule("realtime", route="bedrock-runtime/us-*/*nova*"),
        WorkloadRule("realtime", model="amazon.nova-[a-m]*"),
        WorkloadRule("realtime", operation="Converse*"),
        WorkloadRule("realtime", app="voice-1", operation="ConverseStream"),
        WorkloadRule("realtime"),
    ],
)
def test_a_rule_may_ask_for_each_fact(rule: WorkloadRule) -> None:
    facts = {"tenant": "AKIAX", "app": "voice-1", "service": "bedrock-runtime", "region": "us-east-1"}
    facts |= {"requested_model": "amazon.nova-lite-v1:0", "operation": "ConverseStream"}
    assert classified(rule, **facts, streaming=True) == ("realtime", "rule:1")


@pytest.mark.parametrize(
    "rule",
    [
        WorkloadRule("batch", app="Voice-1"),
        WorkloadRule("batch", app="voice"),
        WorkloadRule("batch", app="voice-1", tenant="B"),
        WorkloadRule("batch", model=""),
    ],
    ids=["case", "whole name", "all patterns", "empty matches only absent"],
)
def test_a_rule_that_does_not_match_leaves_the_call_to_itself(rule: WorkloadRule) -> None:
    assert classified(rule, app="voice-1", tenant="A", requested_model="m", streaming=True) == ("interactive", "streaming")


def test_the_first_rule_that_matches_decides() -> None:
    rules = (WorkloadRule("unclassified", app="probe"), WorkloadRule("batch", app="p*"), WorkloadRule("realtime"))
    assert [classified(*rules, app=app) for app in ("probe", "papers", None)] == [
        ("unclassified", "rule:1"),
        ("batch", "rule:2"),
        ("realtime", "rule:3"),
    ]


def test_a_sagemaker_route_ends_with_its_endpoint() -> None:
    rule = WorkloadRule("batch", route="sagemaker-runtime/eu-west-1/nightly")
    assert classified(rule, service="sagemaker-runtime", region="eu-west-1", endpoint_name="nightly") == ("batch", "rule:1")


def test_what_callers_name_themselves_cannot_fill_the_memory() -> None:
    workloads = Workloads(WorkloadSettings((WorkloadRule("batch", app="x"),)))
    for number in range(REMEMBERED + 10):
        workloads.classify(exchange(app=str(number)))
    assert len(workloads._known) <= REMEMBERED
    assert workloads.classify(exchange(app="x")) == ("batch", "rule:1")


@pytest.mark.parametrize("rules", [0, 50])
def test_an_answer_takes_well_under_a_microsecond(rules: int) -> None:
    workloads = Workloads(WorkloadSettings(tuple(WorkloadRule("batch", app=f"app-{n}-*") for n in range(rules))))
    m = exchange(app="chat", service="bedrock-runtime", region="us-east-1", requested_model="m", operation="ConverseStream", streaming=True)
    assert min(timeit(lambda: workloads.classify(m), number=2_000) / 2_000 for _ in range(20)) < 1e-6
