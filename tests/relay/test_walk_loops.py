"""A request never comes back to the proxy that relays it, whatever name leads there."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.relay.scene import reply
from tests.relay.wire import Relay


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "0.0.0.0"])
@pytest.mark.parametrize("form", ["absolute", "host"])
@pytest.mark.parametrize("fast", [True, False])
def test_a_name_that_leads_back_to_us_is_refused_after_one_exchange(tmp_path: Path, name: str, form: str, fast: bool) -> None:
    with Relay(tmp_path, "http://192.0.2.1:9", extra_hosts=(name,), fast_path=fast) as relay:
        host = f"{name}:{relay.port}"
        target = f"http://{host}/x" if form == "absolute" else "/x"
        caller = relay.call()
        caller.send(f"GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        start, headers, message = reply(caller.read_to_end()[0])
        m = relay.last(1)
        assert relay.stop() == 0
        assert relay.seen() == 1
    assert (start, headers[b"x-streamgauge-reply"]) == (b"HTTP/1.1 403 Forbidden", b"target_not_allowed")
    assert message.startswith(f"streamgauge: {host} ")
    assert "this proxy itself" in message
    assert (m.outcome, m.side, m.error_type) == ("rejected", "downstream", "target_not_allowed")
