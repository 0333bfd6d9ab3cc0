"""Real hops around a real proxy: what each does to the pace is recognised, and on which side of the proxy it is."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from streamgauge.cli.admin_client import AdminClient
from streamgauge.doctor.finding import Finding
from streamgauge.doctor.pacing import Pattern
from streamgauge.doctor.streams import FIXES, Rows, look_at_streams, nothing_to_hear
from streamgauge.testing import Script, ScriptedUpstream
from streamgauge.testing.profiles import plain
from tests.debian import need
from tests.doctor.hops import Hop, Manner, Nginx
from tests.e2e.product import Product

CALLS = ((0.01, 60), (0.01, 60), (0.01, 60), (0.02, 40))
"""Shorter than the doctor's own: three bunches of a cork fit in."""


@pytest.fixture(scope="module")
def upstream() -> Iterator[ScriptedUpstream]:
    with ScriptedUpstream(plain) as running:
        yield running


def heard(url: str, rows: Rows | None = None) -> Finding:
    (found,) = look_at_streams(url, rows=rows, calls=CALLS)
    return found


def rows_of(product: Product) -> Rows:
    client = AdminClient(product.supervisor.admin_address)
    return lambda: client.newest(100)


def test_a_straight_chain_with_a_proxy_in_it_is_fine(upstream: ScriptedUpstream, tmp_path: Path) -> None:
    with Hop((upstream.host, upstream.port)) as far, Product(tmp_path, far.url) as product:
        found = heard(product.url, rows_of(product))
    assert (found.verdict, found.fix) == ("ok", None)
    assert "pieces came by themselves" in found.text


@pytest.mark.parametrize(("manner", "pattern", "mark"), [("cork", "cork", "every 200 ms"), ("nagle", "nagle", "Nagle's algorithm")])
def test_a_hop_in_front_of_the_proxy_is_told_from_one_behind_it(
    upstream: ScriptedUpstream, tmp_path: Path, manner: Manner, pattern: Pattern, mark: str
) -> None:
    with Product(tmp_path, upstream.url) as product, Hop(("127.0.0.1", int(product.url.rpartition(":")[2])), manner) as near:
        found = heard(near.url, rows_of(product))
    assert (found.verdict, found.fix) == ("finding", FIXES[pattern])
    assert mark in found.text
    assert "between here and the proxy" in found.text


@pytest.mark.parametrize(("manner", "pattern"), [("cork", "cork"), ("nagle", "nagle")])
def test_a_hop_behind_the_proxy_is_told_from_one_in_front_of_it(
    upstream: ScriptedUpstream, tmp_path: Path, manner: Manner, pattern: Pattern
) -> None:
    with Hop((upstream.host, upstream.port), manner) as far, Product(tmp_path, far.url) as product:
        found = heard(product.url, rows_of(product))
    assert (found.verdict, found.fix) == ("finding", FIXES[pattern])
    assert "between the proxy and the upstream" in found.text


@pytest.mark.parametrize("buffering", [True, False], ids=["as it comes", "buffering off"])
def test_nginx_as_it_comes_is_told_from_one_that_streams(upstream: ScriptedUpstream, tmp_path: Path, buffering: bool) -> None:
    need("nginx", "nginx-light")
    with Nginx(tmp_path, upstream.port, buffering=buffering) as nginx:
        found = heard(nginx.url)
    assert found.fix == (FIXES["buffered"] if buffering else None)


def test_a_chain_without_a_proxy_says_so(upstream: ScriptedUpstream, tmp_path: Path) -> None:
    with Hop((upstream.host, upstream.port), "cork") as hop:
        with closing(socket.create_server(("127.0.0.1", 0))) as free:
            nobody = f"127.0.0.1:{free.getsockname()[1]}"
        found = heard(hop.url, lambda: AdminClient(nobody).newest(1))
    assert "measure again with --url of each hop in turn, or name the proxy's --admin" in found.text


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        (Script(status=403), "answers 403 to a request without a signature"),
        (Script(output_tokens=2), "sent 2 pieces instead of 60"),
        (Script(fault="cut_reset"), "gave no whole answer"),
        (Script(fault="garbage"), "answers what is no event stream"),
    ],
)
def test_a_chain_that_ends_elsewhere_is_said_to(script: Script, expected: str) -> None:
    with ScriptedUpstream(script) as other:
        found = heard(other.url)
    assert found.verdict == "finding"
    assert expected in found.text


def test_a_chain_that_nobody_answers_is_said_to_be_broken() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    found = heard(url)
    assert "gave no whole answer (Connection refused)" in found.text


def test_without_a_chain_the_way_to_measure_one_is_named() -> None:
    assert "--url" in (nothing_to_hear().fix or "")
