"""Listening sockets: an address that is no address is named, a port is ours alone, and only our own workers share it."""

from __future__ import annotations

from contextlib import closing

import pytest

from streamgauge.errors import CouldNotRun
from streamgauge.supervisor.listening import bind, shown, split


@pytest.mark.parametrize(("address", "parts"), [("127.0.0.1:80", ("127.0.0.1", 80)), ("[::1]:0", ("::1", 0)), (":8787", ("", 8787))])
def test_an_address_is_split_into_host_and_port(address: str, parts: tuple[str, int]) -> None:
    assert split(address) == parts


@pytest.mark.parametrize("address", ["localhost", "localhost:http", "localhost:65536", "localhost:-1"])
def test_what_is_no_address_is_named(address: str) -> None:
    with pytest.raises(CouldNotRun, match=f"'{address}' is not host:port"):
        split(address)


def test_a_port_is_shared_only_by_who_says_so() -> None:
    with closing(bind("127.0.0.1:0")) as first:
        with pytest.raises(CouldNotRun, match=f"cannot listen on {shown(first)}"):
            bind(shown(first))
        with closing(bind(shown(first), shared=True)) as second:
            assert shown(second) == shown(first)
