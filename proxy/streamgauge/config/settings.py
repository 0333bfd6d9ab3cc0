"""All settings of one proxy as one value, and what may be said of them in general."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from streamgauge.relay.connect import ConnectSettings
from streamgauge.relay.settings import RelaySettings
from streamgauge.relay.tls import TlsSettings
from streamgauge.sinks.postgres_access import SharedLedgerSettings
from streamgauge.spool import SpoolSettings
from streamgauge.targets import TargetSettings
from streamgauge.tenancy.tenant_settings import TenantSettings
from streamgauge.workload import WorkloadSettings

LogLevel = Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]

MAY_BE_ZERO = frozenset({"drain_seconds", "ledger_days", "shared_ledger.days", "relay.upstream_idle_connections", "relay.dns_age"})
"""Numbers whose zero means something: end at once, keep no idle connection, ask for a name's addresses each time."""


@dataclass(frozen=True)
class Config:
    """All settings of one proxy.

    ``listen``, ``listen_tls`` (with the certificate of ``tls``) and ``admin`` are ``host:port`` (port 0 = any free one). ``ledger`` and ``spool_dir`` default to the user's state directory.
    ``workers``: processes; ``auto`` is one for each whole core that may be used (affinity, CPU quota), at most 32.
    ``allow_unauthenticated``: re-signing on an address that others can reach spends the proxy's role for whoever comes; that must be written out.
    """

    listen: tuple[str, ...] = ("127.0.0.1:8787",)
    listen_tls: tuple[str, ...] = ()
    tls: TlsSettings = field(default_factory=TlsSettings)
    connect: ConnectSettings = field(default_factory=ConnectSettings)
    admin: str = "127.0.0.1:8788"
    admin_token: str | None = None
    ledger: str | None = None
    ledger_days: float = 90.0
    shared_ledger: SharedLedgerSettings = field(default_factory=SharedLedgerSettings)
    spool_dir: str | None = None
    workers: int | Literal["auto"] = 1
    drain_seconds: float = 30.0
    allow_unauthenticated: bool = False
    log_level: LogLevel = "INFO"
    targets: TargetSettings = field(default_factory=TargetSettings)
    relay: RelaySettings = field(default_factory=RelaySettings)
    spool: SpoolSettings = field(default_factory=SpoolSettings)
    workload: WorkloadSettings = field(default_factory=WorkloadSettings)
    tenants: TenantSettings = field(default_factory=TenantSettings)
