from __future__ import annotations

import threading
from collections import Counter
from itertools import pairwise

import pytest

from streamgauge.testing import Script, ScriptedUpstream
from streamgauge.testing.trace import sample
from streamgauge.testing.traffic import OPERATIONS, TENANTS, CallResult, TrafficSettings, drive, prompt, run, schedule, summary

QUICK = Script(output_tokens=5, ttft=0.01, gap=0.002)
CREDENTIALS = {tenant.access_key: tenant.secret_key for tenant in TENANTS}


def test_equal_seeds_give_equal_schedules() -> None:
    assert schedule(sample(), TrafficSettings(seed=5)) == schedule(sample(), TrafficSettings(seed=5))
    assert schedule(sample(), TrafficSettings(seed=5)) != schedule(sample(), TrafficSettings(seed=6))


def test_a_schedule_keeps_the_traces_order_and_fits_its_time_and_sizes() -> None:
    settings = TrafficSettings(calls=900, seconds=10, max_input=500, max_output=50)
    calls = schedule(sample(), settings)
    assert len(calls) == 900
    assert all(before.at <= after.at for before, after in pairwise(calls))
    assert calls[-1].at <= 10
    assert max(call.input_tokens for call in calls) == 500
    assert max(call.output_tokens for call in calls) == 50


def test_every_operation_model_and_tenant_takes_part() -> None:
    calls = schedule(sample(), TrafficSettings(calls=100))
    assert {call.operation for call in calls} == set(OPERATIONS)
    assert {call.model for call in calls} == set(TrafficSettings().models)
    assert {call.tenant for call in calls} == set(TENANTS)


def test_a_mix_of_ones_own_leaves_the_rest_out() -> None:
    calls = schedule(sample(), TrafficSettings(mix={"converse": 1.0}))
    assert {call.operation for call in calls} == {"converse"}


@pytest.mark.parametrize("tokens", [1, 22, 23, 4000])
def test_a_prompt_has_four_characters_a_token(tokens: int) -> None:
    assert len(prompt(tokens)) == 4 * tokens


def test_real_calls_are_made_signed_by_their_tenants_and_come_back_whole() -> None:
    seen: list[CallResult] = []
    with ScriptedUpstream(QUICK, credentials=CREDENTIALS) as upstream:
        results = run(upstream.url, TrafficSettings(calls=24, seconds=1.0, threads=8, read_timeout=10), seen.append)
        logs = {log.request_id: log for log in upstream.wait(24)}
    assert summary(results) == Counter(ok=24)
    assert sorted(seen, key=id) == sorted(results, key=id)
    assert all(result.output_tokens == 5 and result.request_id in logs for result in results)
    assert all(result.ok and (result.ttft is None) == (result.call.operation == "converse") for result in results)


def test_a_failed_call_is_a_result_with_the_sdks_code() -> None:
    with ScriptedUpstream(Script(status=400)) as upstream:
        results = drive(upstream.url, calls=3, seconds=0.5, threads=3, seed=1)
    assert summary(results) == Counter(ValidationException=3)
    assert not any(result.ok for result in results)


def test_what_cannot_begin_in_time_is_left_out() -> None:
    with ScriptedUpstream(Script(output_tokens=2, ttft=0.4)) as upstream:
        results = run(upstream.url, TrafficSettings(calls=30, seconds=0.5, threads=1, read_timeout=10))
    assert 1 <= len(results) < 5


def test_it_can_be_stopped() -> None:
    stop = threading.Event()
    stop.set()
    with ScriptedUpstream(QUICK) as upstream:
        assert run(upstream.url, TrafficSettings(calls=30, seconds=5), stop=stop) == []
