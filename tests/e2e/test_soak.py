"""Minutes of mixed traffic leave nothing behind: no memory, no descriptor, no exchange without a row."""

from __future__ import annotations

import http.client
import threading
import time
from pathlib import Path

import pytest

from streamgauge.testing import Script, ScriptedUpstream
from tests.e2e.product import Product

CALLERS = 6
"""Enough that exchanges overlap; few enough that callers and upstream, which share this process, keep up."""

WARM_SHARE = 0.3
"""Pools, caches and the allocator's arenas fill in this part of the time; what grows after it would grow for ever."""

GROWTH_KIB = 8 * 1024
"""One KiB kept for each exchange would be more than this within the minutes; an arena or a cache that still fills is less."""

GROWTH_DESCRIPTORS = 2 * CALLERS
"""A descriptor for each open exchange and its connection may come and go between two looks."""

SCRIPT = Script(output_tokens=20, ttft=0.005, gap=0.001, input_tokens=31)


class Callers:
    """Threads that make calls of three kinds until told to stop: read to the end, unary, and left in the middle."""

    def __init__(self, address: str, seconds: float) -> None:
        self._address = address
        self._until = time.monotonic() + seconds
        self._sent = [0] * CALLERS
        self.wrong: list[str] = []
        self._threads = [threading.Thread(target=self._calls, args=(number,)) for number in range(CALLERS)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def join(self) -> None:
        for thread in self._threads:
            thread.join()

    @property
    def sent(self) -> int:
        """Calls made."""
        return sum(self._sent)

    def _calls(self, number: int) -> None:
        connection = http.client.HTTPConnection(self._address, timeout=30)
        while time.monotonic() < self._until:
            count = self._sent[number]
            stream, leave = count % 3 != 0, count % 10 == 7
            connection.request(
                "POST", "/model/m/converse-stream" if stream else "/model/m/converse", b"{}", {"Content-Type": "application/json"}
            )
            self._sent[number] += 1
            response = connection.getresponse()
            if response.status != 200:
                self.wrong.append(f"status {response.status}")
            if leave:
                response.read1(64)
                response.close()
                connection.close()
            else:
                response.read()
        connection.close()


def _kib(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return int(status.partition("VmRSS:")[2].split()[0])


def _descriptors(pid: int) -> int:
    return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())


@pytest.mark.parametrize(
    "seconds", [pytest.param(5, id="seconds"), pytest.param(300, id="minutes", marks=[pytest.mark.long, pytest.mark.timeout(600)])]
)
def test_mixed_traffic_leaves_nothing_behind(seconds: float, tmp_path: Path) -> None:
    with ScriptedUpstream(SCRIPT) as upstream, Product(tmp_path, upstream.url, relay__signing="passthrough") as product:
        callers = Callers(product.url.removeprefix("http://"), seconds)
        callers.start()
        time.sleep(seconds * WARM_SHARE)
        pids = product.supervisor.pids()
        before = {name: (_kib(pid), _descriptors(pid)) for name, pid in pids.items()}
        callers.join()
        assert product.supervisor.pids() == pids
        after = {name: (_kib(pid), _descriptors(pid)) for name, pid in pids.items()}
        product.stop()
        rows = product.rows()
    growth = {name: (after[name][0] - before[name][0], after[name][1] - before[name][1]) for name in pids}
    print(f"{callers.sent} exchanges in {seconds} s; growth after warm-up, KiB and descriptors: {growth}")
    assert callers.wrong == []
    assert len(rows) == callers.sent
    assert {row.outcome for row in rows} <= {"completed", "client_cancelled"}
    assert {name: grown for name, grown in growth.items() if grown[0] > GROWTH_KIB or grown[1] > GROWTH_DESCRIPTORS} == {}
