"""Every recorded stream through the whole product, on both paths: equal bytes, equal counts, however it is cut."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from streamgauge.records import Measurement
from streamgauge.testing import ScriptedUpstream
from streamgauge.testing.received import Received
from streamgauge.testing.server import Reply
from streamgauge.testing.wire import Wire
from tests.e2e.product import Product

RECORDED = Path(__file__).parents[1] / "data" / "recorded"
MANIFEST: list[dict[str, Any]] = json.loads((RECORDED / "manifest.json").read_text())
BODIES = {entry["name"]: (RECORDED / f"{entry['name']}.eventstream.bin").read_bytes() for entry in MANIFEST}
HEAD = (("Content-Type", "application/vnd.amazon.eventstream"),)
STRIDE = 149
"""Of all positions so many apart are tried in the suite, and every one in acceptance. A prime, so that no pattern of the frames repeats."""

recorded = pytest.mark.parametrize("entry", MANIFEST, ids=lambda entry: entry["name"])


def served(_: Received) -> Reply:
    """The stream named by ``x-stream``, cut as ``x-cut`` says: nowhere, everywhere, into two at a position, or off there."""

    async def reply(received: Received, wire: Wire) -> None:
        body = BODIES[received.header("x-stream") or ""]
        how, _, at = (received.header("x-cut") or "").partition(" ")
        pieces = [body]
        if how == "bytes":
            pieces = [body[n : n + 1] for n in range(len(body))]
        elif at:
            pieces = [body[: int(at)], body[int(at) :]]
        await wire.head(200, HEAD)
        for piece in pieces[:1] if how == "off" else pieces:
            await wire.body(piece)
        if how == "off":
            wire.fin()
        else:
            await wire.end()

    return reply


@pytest.fixture(scope="module", params=[True, False], ids=["fast path", "slow path"])
def product(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    directory = tmp_path_factory.mktemp("recorded")
    with ScriptedUpstream(served) as upstream, Product(directory, upstream.url, relay__fast_path=request.param) as running:
        yield running


class Caller:
    """One kept-alive connection to the proxy."""

    def __init__(self, product: Product, entry: dict[str, Any]) -> None:
        self._entry = entry
        self._request = (RECORDED / f"{entry['name']}.request.json").read_bytes()
        self._connection = http.client.HTTPConnection(product.url.removeprefix("http://"), timeout=20)

    def _ask(self, cut: str) -> http.client.HTTPResponse:
        """The response, of which the head is there."""
        headers = {"x-stream": self._entry["name"], "x-cut": cut, "Content-Type": "application/json"}
        self._connection.request("POST", self._entry["uri_path"], self._request, headers)
        return self._connection.getresponse()

    def whole(self, cut: str) -> bytes:
        """All bytes of a stream that comes to its end."""
        return self._ask(cut).read()

    def broken(self, at: int) -> bytes:
        """What arrives of a stream that the upstream ends there; raises ``AssertionError`` if it seems to have ended well."""
        got = b""
        try:
            with self._ask(f"off {at}") as response:
                while part := response.read1():
                    got += part
        except (ConnectionError, http.client.HTTPException):
            return got
        finally:
            self.close()
        raise AssertionError("a stream that broke off ended as if it were whole")

    def close(self) -> None:
        """Close the connection; the next question opens another."""
        self._connection.close()


def rows_after(product: Product, before: int, count: int) -> list[Measurement]:
    return product.wait_rows(before + count, timeout=60)[before:]


def check_whole(entry: dict[str, Any], product: Product, cuts: list[str]) -> None:
    before = len(product.rows())
    with contextlib.closing(Caller(product, entry)) as caller:
        for cut in cuts:
            body = caller.whole(cut)
            assert (len(body), hashlib.sha256(body).hexdigest()) == (entry["bytes"], entry["sha256"]), cut
    rows = rows_after(product, before, len(cuts))
    assert len(rows) == len(cuts)
    usage = entry["usage"]["inputTokens"], entry["usage"]["outputTokens"]
    assert {(row.outcome, row.input_tokens, row.output_tokens) for row in rows} == {("completed", *usage)}
    assert {row.provider_latency for row in rows} == {entry["latencyMs"] / 1000}
    assert {row.response_bytes for row in rows} == {entry["bytes"]}


def check_broken(entry: dict[str, Any], product: Product, positions: range) -> None:
    before, caller = len(product.rows()), Caller(product, entry)
    for at in positions:
        assert BODIES[entry["name"]].startswith(caller.broken(at))
    rows = rows_after(product, before, len(positions))
    assert {(row.outcome, row.side) for row in rows} == {("stream_error", "upstream")}
    # Without the last frame nobody has stated a count; what came can be estimated.
    assert {(row.usage_source, row.output_estimate) for row in rows} <= {("unknown", None), ("estimated", "characters")}
    assert all((row.output_tokens is None) == (row.usage_source == "unknown") for row in rows)
    longest = max(rows, key=lambda row: row.response_bytes or 0)
    assert longest.output_tokens == pytest.approx(entry["usage"]["outputTokens"], rel=0.5, abs=8)


@recorded
def test_a_recorded_stream_arrives_as_it_was_whole_byte_by_byte_and_cut_in_two(entry: dict[str, Any], product: Product) -> None:
    check_whole(entry, product, ["none", "bytes", *(f"at {n}" for n in range(1, entry["bytes"], STRIDE))])


@recorded
def test_a_recorded_stream_that_breaks_off_is_broken_for_the_application_too(entry: dict[str, Any], product: Product) -> None:
    check_broken(entry, product, range(1, entry["bytes"], STRIDE))


@pytest.mark.long
@pytest.mark.timeout(600)
@recorded
def test_a_recorded_stream_arrives_as_it_was_cut_at_every_position(entry: dict[str, Any], product: Product) -> None:
    check_whole(entry, product, [f"at {n}" for n in range(1, entry["bytes"])])
    check_broken(entry, product, range(1, entry["bytes"]))
