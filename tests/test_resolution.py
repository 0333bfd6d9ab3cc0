"""Names are looked up within bounded time, and none of them leads a request back to us."""

from __future__ import annotations

import socket
import threading
import time
from pathlib import Path

import pytest

from streamgauge.addresses import Listeners
from streamgauge.app import Supervisor
from streamgauge.config import load
from streamgauge.errors import UsageError
from streamgauge.resolution import RESOLVE_SECONDS, addresses_of, is_own, leads_to, refuse_loops, resolve, variables_naming_us

BOOK = {"gauge.internal": ["127.0.0.1"], "both.internal": ["192.0.2.1", "::1"], "far.internal": ["192.0.2.1"], "10.0.0.7": ["10.0.0.7"]}
"""Names that no resolver of a machine knows; 192.0.2.1 is nobody's (RFC 5737)."""


def lookup(host: str) -> list[str]:
    if host not in BOOK and host != "localhost" and not host[0].isdigit() and ":" not in host:
        raise socket.gaierror(-2, "Name or service not known")
    return BOOK.get(host, ["127.0.0.1"] if host == "localhost" else [host])


def test_the_machines_own_answer_knows_its_loopback_name_and_an_address_stands_for_itself() -> None:
    assert "127.0.0.1" in addresses_of("localhost")
    assert addresses_of("192.0.2.1") == ["192.0.2.1"]


def test_names_that_are_unknown_or_impossible_are_left_out_and_the_others_are_there() -> None:
    impossible = "a" * 64 + ".internal"
    assert resolve(["gauge.internal", "unknown.internal", "", "far.internal"], lookup) == {
        "gauge.internal": ("127.0.0.1",),
        "far.internal": ("192.0.2.1",),
    }
    assert resolve([impossible]) == {}


def test_a_resolver_that_hangs_costs_the_stated_time_and_not_the_other_names() -> None:
    hang = threading.Event()

    def slow(host: str) -> list[str]:
        if host.startswith("slow"):
            hang.wait(20)
        return lookup(host)

    begun = time.monotonic()
    assert resolve(["slow1.internal", "slow2.internal", "far.internal"], slow, seconds=0.2) == {"far.internal": ("192.0.2.1",)}
    assert time.monotonic() - begun < 5
    hang.set()
    assert RESOLVE_SECONDS <= 2.0


@pytest.mark.parametrize(
    ("address", "own"), [("127.0.0.1", True), ("127.0.0.5", True), ("192.0.2.1", False), ("2001:db8::1", False), ("x", False)]
)
def test_an_address_is_ours_if_it_can_be_bound(address: str, own: bool) -> None:
    assert is_own(address) is own


@pytest.mark.parametrize(
    ("listener", "url"),
    [
        (("127.0.0.1", 8787), "http://localhost:8787"),
        (("127.0.0.1", 8787), "http://gauge.internal:8787"),
        (("127.0.0.1", 8787), "http://Gauge.Internal.:8787/base"),
        (("0.0.0.0", 8787), "http://gauge.internal:8787"),
        (("", 8787), "http://gauge.internal:8787"),
        (("::", 8787), "http://both.internal:8787"),
        (("::1", 8787), "http://both.internal:8787"),
        (("gauge.internal", 8787), "http://127.0.0.1:8787"),
        (("0.0.0.0", 443), "https://gauge.internal"),
    ],
)
def test_an_upstream_whose_name_leads_to_our_own_listener_is_refused_with_the_way_out(listener: tuple[str, int], url: str) -> None:
    with pytest.raises(UsageError, match=r"^targets\.upstreams\.bedrock-runtime: .* own listener .*; name the provider's address instead"):
        refuse_loops([listener], {"targets.upstreams.bedrock-runtime": url}, lookup=lookup)


def test_an_own_address_is_a_loop_only_where_we_listen_on_all_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamgauge.resolution.is_own", lambda address: address == "10.0.0.7")
    upstreams = {"bedrock-runtime": "http://10.0.0.7:8787"}
    refuse_loops([("127.0.0.1", 8787)], upstreams, lookup=lookup)
    for listener in ("0.0.0.0", "::"):
        with pytest.raises(UsageError, match="own listener"):
            refuse_loops([(listener, 8787)], upstreams, lookup=lookup)


def test_a_loop_is_told_by_the_key_that_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamgauge.resolution.is_own", lambda address: address == "::ffff:10.0.0.7")
    for key in ("relay.egress_proxy", "targets.by_listener.127.0.0.2"):
        with pytest.raises(UsageError, match=f"^{key}: .*own listener"):
            refuse_loops([("0.0.0.0", 8787)], {key: "http://[::ffff:10.0.0.7]:8787"}, lookup=lookup)


def test_proxy_variables_are_ours_by_every_name_of_this_machine_and_others_are_not_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamgauge.resolution.is_own", lambda address: address in ("10.0.0.7", "127.0.0.1"))
    asked: list[str] = []

    def asking(host: str) -> list[str]:
        asked.append(host)
        return lookup(host)

    environ = {
        "HTTPS_PROXY": "http://10.0.0.7:8787",
        "http_proxy": "http://gauge.internal:8787",
        "all_proxy": "http://far.internal:8787",
        "HTTP_PROXY": "http://unknown.internal:3128",
    }
    assert variables_naming_us(environ, [("0.0.0.0", 8787)], asking) == ["HTTPS_PROXY", "http_proxy"]
    assert sorted(asked) == ["10.0.0.7", "far.internal", "gauge.internal"]


@pytest.mark.parametrize("entry", ["gauge.internal:8787", "http://gauge.internal:8787"])
def test_a_further_host_that_is_our_own_listener_is_refused_by_its_key(entry: str) -> None:
    with pytest.raises(UsageError, match=r"^targets\.extra_hosts: "):
        refuse_loops([("127.0.0.1", 8787)], {}, ["far.internal", entry], lookup)


def test_other_machines_other_ports_unknown_names_and_names_to_be_filled_in_are_no_loop() -> None:
    upstreams = {
        "a": "http://far.internal:8787",
        "b": "http://gauge.internal:9000",
        "c": "http://unknown.internal:8787",
        "d": "https://bedrock.{region}.internal:8787",
    }
    refuse_loops([("0.0.0.0", 8787), ("127.0.0.1", 8788)], upstreams, ["gauge.internal"], lookup)


@pytest.mark.parametrize("url", ["http://localhost:{port}", "http://gauge.internal:{port}"])
def test_a_proxy_does_not_start_in_front_of_itself(url: str, tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = {
        "listen": (f"127.0.0.1:{port}",),
        "admin": "127.0.0.1:0",
        "ledger": str(tmp_path / "ledger.db"),
        "targets.upstreams": {"bedrock-runtime": url.format(port=port)},
    }
    with pytest.raises(UsageError, match="own listener"):
        Supervisor(load(None, settings), lookup=lookup).open()
    assert list(tmp_path.iterdir()) == []


def test_a_name_leads_to_us_where_one_of_its_addresses_is_this_machines_and_the_port_is_ours() -> None:
    everywhere, loopback = Listeners(["0.0.0.0:8787"]), Listeners(["127.0.0.1:8787"])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))  # sends nothing
        here = probe.getsockname()[0]
    assert leads_to(everywhere, ["192.0.2.1", here], 8787)
    assert leads_to(loopback, ["192.0.2.1", "127.0.0.1"], 8787)
    assert not leads_to(everywhere, [here], 8786)
    assert not leads_to(everywhere, ["192.0.2.1"], 8787)
    assert not leads_to(Listeners(), [here], 8787)
