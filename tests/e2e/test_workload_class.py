"""Every row says what its call was for, and what decided that."""

from __future__ import annotations

import http.client
from pathlib import Path

import pytest

from streamgauge.__main__ import run
from streamgauge.testing import Script, ScriptedUpstream
from streamgauge.workload import WorkloadRule
from tests.e2e.product import Product


def test_rows_have_the_class_of_the_first_rule_or_of_the_call_itself(tmp_path: Path) -> None:
    rules = (WorkloadRule("realtime", model="speech-*"),)
    with ScriptedUpstream(Script(output_tokens=3)) as upstream, Product(tmp_path, upstream.url, workload__rules=rules) as product:
        connection = http.client.HTTPConnection(product.supervisor.addresses[0], timeout=30)
        for path, body in [
            ("/model/speech-1/converse", b"{}"),
            ("/model/m/converse", b"{}"),
            ("/model/m/converse-stream", b"{}"),
            ("/model/m/converse-stream", b'{"serviceTier":{"type":"flex"}}'),
            ("/endpoints/e/async-invocations", b""),
        ]:
            connection.request("POST", path, body, {"Content-Type": "application/json"})
            connection.getresponse().read()
        connection.close()
        rows = product.wait_rows(5)
    assert [(row.workload_class, row.workload_source) for row in rows] == [
        ("realtime", "rule:1"),
        ("unclassified", None),
        ("interactive", "streaming"),
        ("batch", "service_tier"),
        ("batch", "async"),
    ]


def test_latency_can_be_reported_by_class(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with ScriptedUpstream(Script(output_tokens=3)) as upstream, Product(tmp_path, upstream.url) as product:
        connection = http.client.HTTPConnection(product.supervisor.addresses[0], timeout=30)
        connection.request("POST", "/model/m/converse-stream", b"{}", {"Content-Type": "application/json"})
        connection.getresponse().read()
        connection.close()
        product.wait_rows(1)
        assert run(["report", "latency", "--by", "workload_class", "--ledger", str(product.supervisor.ledger)]) == 0
    assert "interactive" in capsys.readouterr().out
