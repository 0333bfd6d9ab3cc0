"""A port that is taken names who has it, and our own proxy is no stranger."""

from __future__ import annotations

import os
import socket
from contextlib import closing
from pathlib import Path

from streamgauge.doctor.ports import holder, look_at_ports
from tests.chaos.serving import Serving


def test_a_free_port_is_fine_and_any_port_needs_no_look() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    (found,) = look_at_ports([("listen", address), ("admin", "127.0.0.1:0")])
    assert (found.verdict, found.text) == ("ok", f"listen {address} is free")


def test_a_port_that_is_taken_names_the_process() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        (found,) = look_at_ports([("listen", f"127.0.0.1:{port}")])
        name = Path("/proc/self/comm").read_text(encoding="utf-8").strip()
        assert holder(port) == (os.getpid(), name)
    assert found.verdict == "finding"
    assert f"taken by {name} (process {os.getpid()})" in found.text


def test_an_address_that_is_not_ours_is_named() -> None:
    (found,) = look_at_ports([("admin", "192.0.2.1:8788")])
    assert found.verdict == "finding"
    assert "(Cannot assign requested address)" in found.text


def test_our_own_running_proxy_is_no_finding(tmp_path: Path) -> None:
    with Serving(tmp_path, "http://127.0.0.1:1") as serving:
        (found,) = look_at_ports([("listen", serving.address)])
    assert found.verdict == "ok"
    assert "held by streamgauge itself" in found.text
