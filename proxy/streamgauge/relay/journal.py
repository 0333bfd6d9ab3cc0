"""What the spool is told of an exchange, and when: that it began, its first output, its end. Nothing here waits or raises."""

from __future__ import annotations

import asyncio
import time
from time import perf_counter_ns
from typing import TYPE_CHECKING

from streamgauge.records import Ended, FirstOutput, Measurement, Started
from streamgauge.relay import identity
from streamgauge.relay.refusal import PROXY_ERROR

if TYPE_CHECKING:
    from streamgauge.measure.outcome import Verdict
    from streamgauge.relay.estimates import Estimates
    from streamgauge.relay.exchange import Exchange
    from streamgauge.spool import SpoolWriter

YOUNG_SECONDS = 0.02
"""An exchange that ends sooner needs no record of its beginning: that one serves the crash of a worker, which takes the newest records
anyway, those of one batch of the spool's writer (as long as this)."""

SETTLING_SECONDS = 0.02
"""How often it is looked whether rows still wait for an estimate, when the worker ends."""

SETTLED_SECONDS = 0.5
"""How long a worker that ends waits for them: a count takes milliseconds, and who waits for the worker kills it after a while."""

DRAIN_NOTICED_NS = 1_000_000
"""Below a millisecond the wait for the last byte is the event loop's own turn, not a slow application."""


class Journal:
    """One per worker. Call it from the event loop."""

    def __init__(self, spool: SpoolWriter, proxy_id: str, site: str | None, loop: asyncio.AbstractEventLoop, estimates: Estimates) -> None:
        self._spool = spool
        self._estimates = estimates
        self._proxy_id = proxy_id
        self._site = site
        self._loop = loop
        self._young: list[Exchange] = []

    def seen(self) -> None:
        """One more exchange; it will be described or counted, whatever happens."""
        self._spool.seen()

    def began(self, exchange: Exchange) -> None:
        """What was asked is known and is about to be sent upstream."""
        if not self._young:
            self._loop.call_later(YOUNG_SECONDS, self._grown)
        self._young.append(exchange)

    def _grown(self) -> None:
        young, self._young = self._young, []
        for exchange in young:
            if not exchange.on_record:
                self._put_on_record(exchange)

    def _put_on_record(self, exchange: Exchange) -> None:
        exchange.on_record = True
        self._spool.append(_started(exchange.measurement))

    def first_output(self, exchange: Exchange) -> None:
        """The first generated output of a stream came."""
        if not exchange.on_record:
            self._put_on_record(exchange)
        points = exchange.observation.points
        assert points.first_output is not None
        assert points.issued is not None
        ttft, upstream_ttft = (points.first_output - points.head) / 1e9, (points.first_output - points.issued) / 1e9
        self._spool.append(FirstOutput(exchange_id=exchange.measurement.exchange_id, ttft=ttft, upstream_ttft=upstream_ttft))

    def ended(self, exchange: Exchange, finished: int, wait_ns: int) -> None:
        """The one measurement. ``finished``: last byte handed over, or the abort; ``wait_ns``: how long the application was waited for before."""
        on_record, exchange.on_record = exchange.on_record, True
        verdict = exchange.verdict or PROXY_ERROR
        tail_wait_ns = wait_ns if wait_ns > DRAIN_NOTICED_NS else 0
        kept, exchange.kept = exchange.kept, None
        if kept is not None:
            self._estimates.release(kept)
        try:
            m = exchange.observation.close(exchange.measurement, verdict, finished, tail_wait_ns=tail_wait_ns)
            if kept is None:
                self._row(m)
            elif self._estimates.complete(m, kept, exchange.observation, self._row) and not on_record:
                self._spool.append(_started(m))  # its row is seconds away: a crash shall not take it
        except Exception:  # measuring never hurts traffic; what is lost is counted
            self._spool.unmeasured("measuring_failed", exchange.measurement.exchange_id)

    def _row(self, m: Measurement) -> None:
        self._spool.append(Ended(m))

    async def settled(self) -> None:
        """Return when every row is on its way: what still waits for an estimate after ``SETTLED_SECONDS`` gets one from sizes. Nothing ends
        any more after this.
        """
        deadline = self._loop.time() + SETTLED_SECONDS
        while self._estimates.waiting and self._loop.time() < deadline:
            await asyncio.sleep(SETTLING_SECONDS)
        self._estimates.close()

    def refused(self, at: int, verdict: Verdict, status: int | None) -> None:
        """A request that never became an exchange: it could not be read, or asked for a way that is not open; its bytes came at ``at``."""
        self._spool.seen()
        now = perf_counter_ns()
        wall_ns = time.time_ns() - (now - at)
        outcome, side, error_type = verdict
        m = Measurement(
            exchange_id=identity.exchange_id(wall_ns),
            started_at=identity.timestamp(wall_ns),
            proxy_id=self._proxy_id,
            site=self._site,
            http_status=status,
            outcome=outcome,
            side=side,
            error_type=error_type,
            e2e=(now - at) / 1e9,
        )
        self._spool.append(Ended(m))


def _started(m: Measurement) -> Started:
    return Started(
        exchange_id=m.exchange_id,
        started_at=m.started_at,
        proxy_id=m.proxy_id,
        service=m.service,
        operation=m.operation,
        region=m.region,
        upstream_host=m.upstream_host,
        requested_model=m.requested_model,
        endpoint_name=m.endpoint_name,
        streaming=m.streaming,
        max_tokens=m.max_tokens,
        tenant=m.tenant,
        team=m.team,
        app=m.app,
        tenant_source=m.tenant_source,
        tenant_trust=m.tenant_trust,
        workload_class=m.workload_class,
        workload_source=m.workload_source,
        request_bytes=m.request_bytes,
        in_flight=m.in_flight,
        site=m.site,
        trace_id=m.trace_id,
        sdk_invocation_id=m.sdk_invocation_id,
        sdk_attempt=m.sdk_attempt,
        cost_centre=m.cost_centre,
        tenant_conflict=m.tenant_conflict,
    )
