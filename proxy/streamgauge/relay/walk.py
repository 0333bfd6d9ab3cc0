"""The walk of one request through the relay, readable top to bottom.

1 route, identify   2 admission, the request's facts   3 sign if the mode asks for it, send upstream
4 forward status and headers                  5 per chunk: forward, then observe   6 exactly one measurement, whatever happened

Steps 4 and 5 run in callbacks (``exchange.py``, ``upstream.py``); here they are the one line that awaits ``done``.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
import time
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any

from aiohttp.http_parser import RawRequestMessage
from aiohttp.streams import StreamReader

from streamgauge.authorization import Authorization, read_authorization
from streamgauge.dialects import read_request
from streamgauge.errors import StreamgaugeError, TargetNotAllowed, UpstreamUnreachable
from streamgauge.measure.observation import Observation
from streamgauge.measure.timing import Points
from streamgauge.records import Measurement, Operation, RequestFacts
from streamgauge.relay import identity, local_reply
from streamgauge.relay.afterwards import Afterwards
from streamgauge.relay.callers import Caller, callers
from streamgauge.relay.clients import clients
from streamgauge.relay.connect import NESTED
from streamgauge.relay.estimates import Estimates
from streamgauge.relay.exchange import Exchange
from streamgauge.relay.heads import forwarded, read_headers, request_head
from streamgauge.relay.journal import Journal
from streamgauge.relay.refusal import BREAKS, PROXY_ERROR, BadBody, refusal, reply_reason
from streamgauge.relay.request_body import RequestBodies, at_hand, chunked
from streamgauge.relay.request_signer import RequestSigner
from streamgauge.relay.settings import RelaySettings
from streamgauge.relay.staggered import discard
from streamgauge.targets import Target
from streamgauge.tenancy.tenant_settings import TenantSettings
from streamgauge.workload import Workloads, WorkloadSettings

if TYPE_CHECKING:
    from streamgauge.relay.connect import Tunnels
    from streamgauge.relay.downstream import Downstream
    from streamgauge.relay.load import Load
    from streamgauge.relay.pool import Key, Pool
    from streamgauge.relay.slow import SlowPath
    from streamgauge.relay.upstream import UpstreamConnection
    from streamgauge.routing import Routes
    from streamgauge.spool import SpoolWriter
    from streamgauge.targets import Targets

_log = logging.getLogger("streamgauge.relay")


class RequestWalk:
    """Everything one worker needs to serve requests; ``walk`` serves one."""

    def __init__(
        self,
        settings: RelaySettings,
        routes: Routes,
        targets: Targets,
        signer: RequestSigner,
        pool: Pool,
        slow: SlowPath,
        spool: SpoolWriter,
        load: Load,
        proxy_id: str,
        workload: WorkloadSettings,
        tunnels: Tunnels,
        tenants: TenantSettings,
    ) -> None:
        self.settings = settings
        self._routes = routes
        self._targets = targets
        self._signer = signer
        self._pool = pool
        self._slow = slow
        self._estimates = Estimates(settings.estimates, asyncio.get_running_loop())
        self._journal = Journal(spool, proxy_id, settings.site, asyncio.get_running_loop(), self._estimates)
        self._load = load
        self._bodies = RequestBodies(settings)
        self._workloads = Workloads(workload)
        self._tunnels = tunnels
        self.clients = clients(settings.limits, asyncio.get_running_loop())
        self.callers = callers(tenants, asyncio.get_running_loop())
        self._proxy_id = proxy_id
        self._loop = asyncio.get_running_loop()
        self._afterwards = Afterwards(self._loop, settings) if settings.on_client_disconnect == "drain" else None
        self._draining = False
        self.under_way = 0

    @property
    def draining(self) -> bool:
        """Connections end behind their next answer."""
        return self._draining

    @draining.setter
    def draining(self, value: bool) -> None:
        self._draining = value
        if value and self._afterwards is not None:
            self._afterwards.stop()

    async def walk(self, connection: Downstream, message: RawRequestMessage, body: StreamReader, head_at: int) -> bool:
        """Serve one request; whether the connection may serve another. Every request ends in one measurement or is counted."""
        self._journal.seen()
        self.under_way += 1
        # 1 route and identify; the wall clock is read once, all durations come from the monotonic one
        wall_ns = time.time_ns() - (perf_counter_ns() - head_at)
        path, caller = message.path, None
        if self.callers is not None:
            path, caller = self.callers.enter(path)
        operation = self._routes.match(message.method, path)
        headers = read_headers(message.raw_headers)
        authorization = read_authorization(headers.get("authorization"))
        exchange = self._open(connection, message, operation, headers, authorization, wall_ns, head_at)
        connection.exchange = exchange
        try:
            if self.clients is not None:  # who has enough under way already is not listened to
                self.clients.begin(connection)
            await self._serve(connection, exchange, message, body, headers, authorization, path, caller)
        except StreamgaugeError as error:
            self._refuse(connection, exchange, error)
        except Exception as error:  # the last line of defence: a mistake of ours still gets a reply and a measurement
            self._failed(connection, exchange, error)
        finally:
            # 6 always, also when the task is cancelled
            connection.exchange = None
            if exchange.upstream is not None:  # the task was cancelled under way, or failed
                exchange.upstream.abort()
                exchange.upstream = None
            if exchange.hold is not None:
                exchange.hold.release()
            if caller is not None:
                caller.end(exchange.measurement)
            try:
                finished = exchange.observation.points.finished
                if finished is not None:
                    self._end(exchange, finished, 0)
                else:
                    await self._drain(connection, exchange)
            finally:
                self.under_way -= 1
                if self.clients is not None:
                    self.clients.end(connection)
        return exchange.keep_alive and not message.should_close and not self._draining

    def _open(
        self,
        connection: Downstream,
        message: RawRequestMessage,
        operation: Operation,
        headers: dict[str, str],
        authorization: Authorization | None,
        wall_ns: int,
        head_at: int,
    ) -> Exchange:
        key_id = authorization.access_key_id if authorization is not None else None
        measurement = Measurement(
            exchange_id=identity.exchange_id(wall_ns),
            started_at=identity.timestamp(wall_ns),
            proxy_id=self._proxy_id,
            site=self.settings.site,
            trace_id=identity.trace_id(headers),
            sdk_invocation_id=identity.invocation_id(headers),
            sdk_attempt=identity.attempt(headers),
            tenant=key_id,
            tenant_source="access_key_id" if key_id is not None else None,
            tenant_trust="declared" if key_id is not None else "none",
            app=identity.application(headers),
            service=operation.service,
            operation=operation.name,
            requested_model=operation.model,
            endpoint_name=operation.endpoint_name,
            target_model=identity.name(headers.get("x-amzn-sagemaker-target-model")),
            inference_component=identity.name(headers.get("x-amzn-sagemaker-inference-component")),
            variant=identity.name(headers.get("x-amzn-sagemaker-target-variant")),
            outcome="proxy_error",
        )
        assert connection.transport is not None
        observation = Observation(Points(head=head_at), streaming=operation.streaming)
        done = self._loop.create_future()
        http_1_0 = message.version < (1, 1)
        made = Exchange(done, connection.transport, operation, observation, measurement, self._journal.first_output, http_1_0=http_1_0)
        made.afterwards = self._afterwards
        return made

    async def _serve(
        self,
        connection: Downstream,
        exchange: Exchange,
        message: RawRequestMessage,
        body: StreamReader,
        headers: dict[str, str],
        authorization: Authorization | None,
        path: str,
        caller: Caller | None,
    ) -> None:
        # 2 admission: who is nobody that was issued a credential is not listened to
        if caller is not None:
            await caller.admit(exchange.measurement, headers, authorization)
        target = self._targets.resolve(connection.origin + path, headers.get("host"), authorization, exchange.operation)
        points = exchange.observation.points
        _check_coding(message, headers)
        content = at_hand(body)
        if content is not None:
            points.body = perf_counter_ns()
        else:
            content = await self._bodies.read(connection, exchange, body, headers)
        facts = self._describe(exchange, target, headers, content)
        if caller is not None:
            await caller.identify(exchange.measurement, message, content, facts)
        exchange.measurement.workload_class, exchange.measurement.workload_source = self._workloads.classify(exchange.measurement)
        self._load.begin(exchange, points.head)
        self._journal.began(exchange)
        # 3 sign and send
        raw_headers = forwarded(message.raw_headers, headers, target.host_header)
        exchange.measurement.signing = "passthrough"
        if caller is not None:
            raw_headers = await caller.sent_on(exchange, self._signer, message.method, target, raw_headers, content)
        elif self._signer.resigns(authorization, target, headers):
            exchange.resigned = True
            exchange.measurement.signing = "resigned"
            raw_headers = await self._signer.sign(message.method, target, raw_headers, content)
        if exchange.verdict is not None:  # the application went away while we signed
            return
        if message.chunked:
            content, exchange.keep_alive = chunked(content, connection.chunks_of(body))
        points.issued = perf_counter_ns()
        if self.settings.fast_path:
            key = (target.scheme, target.host, target.port)
            upstream = self._pool.take(key, points.issued)
            exchange.measurement.connection_reused = upstream is not None
            if upstream is not None:
                points.connected = points.issued
            else:
                upstream = await self._connect(exchange, key)
                if upstream is None:  # the application went away meanwhile
                    return
                points.connected = perf_counter_ns()
            self._send(upstream, exchange, message, target, raw_headers, content)
            del content  # a stream may last for minutes, and a body have megabytes
        else:
            await self._slow.send(exchange, message.method, target, raw_headers, content)
        # 4 and 5 happen in the callbacks of both sides
        await exchange.done
        self._reply_to_break(connection, exchange, target)

    async def _connect(self, exchange: Exchange, key: Key) -> UpstreamConnection | None:
        """A new connection, or ``None`` as soon as the application has gone away."""
        for _ in range(2):
            connecting = self._loop.create_task(self._pool.connect(key))
            either: tuple[asyncio.Future[Any], ...] = (connecting, exchange.done)
            try:
                await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
                if exchange.verdict is not None:
                    return None
                upstream = connecting.result()
            finally:
                if exchange.verdict is not None or not connecting.done():
                    connecting.add_done_callback(discard)
                    connecting.cancel()
            # Nothing of the request has left yet, so another connection is no second attempt at it.
            if not upstream.ending:
                return upstream
        raise UpstreamUnreachable(f"{key[1]}:{key[2]} ends new connections before it was asked anything")

    def _describe(self, exchange: Exchange, target: Target, headers: dict[str, str], content: bytes) -> RequestFacts:
        facts = read_request(exchange.operation, content, headers)
        m = exchange.measurement
        m.service = target.service
        m.region = target.region
        m.upstream_host = target.host
        m.requested_model = facts.model
        m.max_tokens = facts.max_tokens
        m.temperature = facts.temperature
        m.reasoning_budget = facts.reasoning_budget
        m.tools = facts.tools
        m.guardrail = facts.guardrail
        m.service_tier = facts.service_tier
        m.latency_mode = facts.latency_mode
        m.request_bytes = len(content)
        m.streaming = exchange.observation.streaming = facts.streaming
        exchange.kept = self._estimates.hold(exchange.operation, facts, content)
        return facts

    def _send(
        self,
        upstream: UpstreamConnection,
        exchange: Exchange,
        message: RawRequestMessage,
        target: Target,
        headers: list[tuple[bytes, bytes]],
        content: bytes,
    ) -> None:
        head = request_head(message.method.encode("latin-1"), target.origin_path, headers)
        upstream.send(exchange, head, content, expects_body=message.method != "HEAD")
        exchange.observation.points.sent = perf_counter_ns()

    def _refuse(self, connection: Downstream, exchange: Exchange, error: StreamgaugeError) -> None:
        """What stands in the way of a request, as a verdict and, if somebody is there to read it, a local reply."""
        if exchange.verdict is not None:
            return
        reason, verdict = refusal(error)
        exchange.verdict = verdict
        exchange.keep_alive = False
        if reason is None:
            return
        self._reply(connection, exchange, reason, str(error), getattr(error, "retry_after", None))

    def _failed(self, connection: Downstream, exchange: Exchange, error: Exception) -> None:
        """A mistake in the proxy. Its text may hold content; only its kind is logged."""
        _log.error("an exchange was ended by %s in the proxy itself; please report it", type(error).__name__)
        exchange.verdict = exchange.verdict or PROXY_ERROR
        exchange.keep_alive = False
        self._reply(connection, exchange, "proxy_error", "a mistake in the proxy itself ended this call; its log says more")

    def _reply_to_break(self, connection: Downstream, exchange: Exchange, target: Target) -> None:
        error_type = exchange.upstream_error
        if error_type is None or exchange.replied:
            return
        self._reply(connection, exchange, reply_reason(error_type), f"{target.host} {BREAKS[error_type]}")

    def _reply(self, connection: Downstream, exchange: Exchange, reason: str, text: str, retry_after: float | None = None) -> None:
        if connection.transport is None or exchange.replied:
            return
        status, raw = local_reply.build(reason, text, exchange.operation, retry_after)
        exchange.measurement.http_status = status
        exchange.replied = True
        exchange.keep_alive = False  # as the reply says
        connection.transport.write(raw)

    async def _drain(self, connection: Downstream, exchange: Exchange) -> None:
        """Wait until the application has its last byte, then write the one measurement."""
        drain_from = perf_counter_ns()
        try:
            await connection.drained(self.settings.read_timeout)
        except TimeoutError:
            exchange.keep_alive = False
            connection.reset()
        finally:
            if exchange.unframed and exchange.upstream_error is not None:
                connection.reset()
            at = perf_counter_ns()
            self._end(exchange, at, at - drain_from)

    async def settled(self) -> None:
        """Return when the rows of all that has ended are on their way."""
        await self._journal.settled()

    def _end(self, exchange: Exchange, finished: int, wait_ns: int) -> None:
        self._load.end(exchange, finished)
        self._journal.ended(exchange, finished, wait_ns)

    async def connect(self, connection: Downstream, message: RawRequestMessage, at: int) -> ssl.SSLContext | None:
        """A CONNECT: what to present inside it, or ``None`` after a refusal. Of itself it is no exchange; what comes inside it is."""
        try:
            if connection.origin:
                raise TargetNotAllowed(NESTED)
            if self.clients is not None:
                self.clients.begin(connection)
            return await self._tunnels.context(message.path)
        except StreamgaugeError as error:
            reason, verdict = refusal(error)
            text = str(error)
            if verdict == PROXY_ERROR:  # it names files of this machine
                _log.error("%s", text)
                text = "the proxy has no certificate for this tunnel; its log says why"
            status, raw = local_reply.build_for_connect(reason or "proxy_error", text, MALFORMED)
            if connection.transport is not None:
                connection.transport.write(raw)
            self._journal.refused(at, verdict, status)
            return None
        finally:
            if self.clients is not None:
                self.clients.end(connection)

    def malformed(self, connection: Downstream, at: int, *, http2: bool) -> None:
        """A request that is no HTTP/1.1 request: 400, or HTTP/2's own refusal; nothing sent upstream, one rejected exchange."""
        status: int | None
        if http2:
            status, raw = None, local_reply.http2_refusal()
        else:
            status, raw = local_reply.build("bad_request", "the request is not valid HTTP/1.1", MALFORMED)
        if connection.transport is not None:
            connection.transport.write(raw)
        self._journal.refused(at, ("rejected", "downstream", "http2" if http2 else "bad_request"), status)


def _check_coding(message: RawRequestMessage, headers: dict[str, str]) -> None:
    if message.chunked and headers.get("transfer-encoding", "").lower() != "chunked":
        raise BadBody("the request's transfer coding is not just chunked: send the body in chunks, or with its content-length")


MALFORMED = Operation("unknown", "opaque", "opaque", streaming=False)
