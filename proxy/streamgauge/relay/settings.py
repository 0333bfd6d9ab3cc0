"""Settings of the relay, with the reason of each default."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from streamgauge.relay.clients import LimitSettings
from streamgauge.relay.signing import SigningMode
from streamgauge.tokens.settings import EstimateSettings

OnClientDisconnect = Literal["close", "drain"]
"""What becomes of an answer whose application has gone."""


@dataclass(frozen=True)
class RelaySettings:
    """How the relay treats connections. Seconds and bytes.

    ``signing``: ``auto`` re-signs only what was signed for the proxy's own host; ``passthrough`` never signs; ``resign`` does so for AWS and
    ``targets.upstreams``.
    ``early_credentials``: look for the proxy's own role at start instead of at the first request that needs it (8 MB more memory, and what the role's own source needs).
    ``name_timeout``, ``connect_timeout``, ``tls_timeout``: the upstream's name, a connection to any of its addresses, a TLS session. A minute
    each, as boto3 waits for a connection: an application gives up by its own rules, not by ours.
    ``first_byte_timeout``, ``read_timeout``: how long the upstream may keep silent before its answer and within it. An hour: a model may think
    for minutes, and we never give up before the caller.
    ``max_buffered_bytes``: of all request bodies that one worker holds at a time; bodies up to 256 KiB do not count.
    ``body_timeout``: silence in the middle of a request body, or waiting for room for it;
    also from the first byte of a request's head to its last.
    ``downstream_buffer``: bytes of one answer held for a slow application before reading from the upstream stops. 256 KiB holds a long chat
    answer whole, so that a slow reader does not disturb its timing.
    ``keepalive``: idle application connections. Longer than the 350 s of AWS load balancers, which should close first.
    ``connection_age``: older application connections are ended as soon as they are at rest, a fifth sooner or later, so that load spreads over
    workers anew. Off: the application may be about to send, and has to send again then.
    ``limits``: of connections and requests, for each client and in all.
    ``upstream_idle``: idle upstream connections are closed after this. Below the 60 s at which AWS front ends close theirs, so that a request
    seldom meets a connection that is about to go.
    ``upstream_age``: no new request on older connections, so that a change of address is followed.
    ``dns_age``: how long a name's addresses are used without asking again.
    ``on_client_disconnect``: ``close`` ends the provider's work when the application goes, as it would be without us; ``drain`` reads on for the
    provider's token counts, for at most ``disconnect_drain_seconds`` and ``disconnect_drain_bytes``.
    ``egress_proxy``: URL of the corporate proxy that ``https`` upstreams are reached through by CONNECT, or ``environment`` for ``HTTPS_PROXY``'s;
    hosts in ``NO_PROXY`` are reached without.
    ``estimates``: of token counts that the provider does not state.
    ``fast_path``: false sends everything through ``aiohttp.ClientSession``: slower, for comparison and as a way out.
    """

    signing: SigningMode = "auto"
    early_credentials: bool = False
    max_request_bytes: int = 32 << 20
    max_buffered_bytes: int = 256 << 20
    downstream_buffer: int = 256 << 10
    name_timeout: float = 60.0
    connect_timeout: float = 60.0
    tls_timeout: float = 60.0
    first_byte_timeout: float = 3600.0
    read_timeout: float = 3600.0
    on_client_disconnect: OnClientDisconnect = "close"
    disconnect_drain_seconds: float = 60.0
    disconnect_drain_bytes: int = 8 << 20
    body_timeout: float = 60.0
    keepalive: float = 400.0
    upstream_idle: float = 50.0
    upstream_idle_connections: int = 1024
    upstream_age: float = 300.0
    dns_age: float = 30.0
    ca_file: str | None = None
    egress_proxy: str | None = None
    fast_path: bool = True
    site: str | None = None
    estimates: EstimateSettings = field(default_factory=EstimateSettings)
    connection_age: float | None = None
    limits: LimitSettings = field(default_factory=LimitSettings)
