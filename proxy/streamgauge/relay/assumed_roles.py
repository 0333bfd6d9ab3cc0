"""Roles that are assumed for tenants, so that AWS's own bill shows each tenant's calls although the proxy signs them.

Session name and tags say who it is. The credentials are cached and renewed in a thread before they end; requests wait only for the first ones.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from streamgauge.errors import ProxyCredentials
from streamgauge.relay.credentials import error_kind, own_session
from streamgauge.relay.sigv4 import Credentials
from streamgauge.tenancy.issued import TenantEntry
from streamgauge.tenancy.resolver import Tenant

RENEW_SECONDS = 300.0
"""Before the end, new ones are asked for, while those at hand still sign."""

LAST_SECONDS = 30.0
"""Credentials that end sooner sign nothing any more: the call has to reach AWS first."""

DURATION_SECONDS = 3600
"""The longest that a role which was reached through a role may last."""

FAILED_SECONDS = 5.0
"""For so long nobody asks STS again what it has just refused."""

CALL_SECONDS = 5
THREADS = 2

_NOT_IN_NAME = re.compile(r"[^\w+=,.@-]", re.ASCII)
_log = logging.getLogger("streamgauge.relay.credentials")


class _Role:
    """One session; ``expires`` and ``failed`` in seconds of the wall clock."""

    def __init__(self) -> None:
        self.current: Credentials | None = None
        self.expires = 0.0
        self.failed = 0.0
        self.problem = ""
        self.asking: asyncio.Future[None] | None = None


class AssumedRoles:
    """One per worker. ``make_session`` gives the botocore session whose credentials assume the roles."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        endpoint: str | None = None,
        make_session: Callable[[], Any] = own_session,
        now: Callable[[], float] = lambda: time.time_ns() / 1e9,
    ) -> None:
        self._loop = loop
        self._endpoint = endpoint
        self._make_session = make_session
        self._now = now
        self._session: Any = None
        self._threads: ThreadPoolExecutor | None = None
        self._roles: dict[tuple[Any, ...], _Role] = {}

    async def credentials(self, entry: TenantEntry, tenant: Tenant, region: str | None) -> Credentials:
        """What to sign a tenant's call with. Raises ``ProxyCredentials`` with the sentence for the caller."""
        tags = {**entry.session_tags, **tags_of(tenant)}
        key = (entry.name, entry.role_arn, tuple(tags.items()))
        role = self._roles.get(key)
        if role is None:
            self._forget_others(entry.name, entry.role_arn)
            role = self._roles[key] = _Role()
        left = role.expires - self._now()
        if left > RENEW_SECONDS and role.current is not None:
            return role.current
        asking = self._ask(role, entry, tags, region)
        if left > LAST_SECONDS and role.current is not None:
            return role.current
        if asking is not None:
            await asyncio.shield(asking)
        if role.current is None or role.expires - self._now() <= LAST_SECONDS:
            raise ProxyCredentials(
                f"the role of tenant {entry.name} could not be assumed ({role.problem}): {entry.role_arn} must trust the proxy's own role, sts:TagSession included"
            )
        return role.current

    def close(self) -> None:
        """Ask no more."""
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)

    def _forget_others(self, name: str, arn: str | None) -> None:
        """Sessions of a tenant that has another role now, or whose tags are others."""
        for key in [
            key for key, role in self._roles.items() if (key[0] == name and key[1] != arn) or role.expires < self._now() - DURATION_SECONDS
        ]:
            if self._roles[key].asking is None:
                del self._roles[key]

    def _ask(self, role: _Role, entry: TenantEntry, tags: dict[str, str], region: str | None) -> asyncio.Future[None] | None:
        if role.asking is None and self._now() - role.failed > FAILED_SECONDS:
            role.asking = self._loop.create_task(self._assume(role, entry, tags, region))
        return role.asking

    async def _assume(self, role: _Role, entry: TenantEntry, tags: dict[str, str], region: str | None) -> None:
        if self._threads is None:
            self._threads = ThreadPoolExecutor(THREADS, "assumed-roles")
        try:
            role.current, role.expires = await self._loop.run_in_executor(self._threads, self._call, entry, tags, region)
            role.problem = ""
        except Exception as error:  # botocore raises dozens of kinds; their texts may quote what a service answered
            role.failed, problem = self._now(), error_kind(error)
            if problem != role.problem:
                _log.error("the role %s of tenant %s cannot be assumed: %s", entry.role_arn, entry.name, problem)
            role.problem = problem
        finally:
            role.asking = None

    def _call(self, entry: TenantEntry, tags: dict[str, str], region: str | None) -> tuple[Credentials, float]:
        from botocore.config import Config

        if self._session is None:
            self._session = self._make_session()
        config = Config(connect_timeout=CALL_SECONDS, read_timeout=CALL_SECONDS, retries={"total_max_attempts": 2})
        client = self._session.create_client("sts", region_name=region or "us-east-1", endpoint_url=self._endpoint, config=config)
        found = client.assume_role(
            RoleArn=entry.role_arn,
            RoleSessionName=session_name(entry.name),
            DurationSeconds=DURATION_SECONDS,
            Tags=[{"Key": key, "Value": value} for key, value in tags.items()],
        )["Credentials"]
        return Credentials(found["AccessKeyId"], found["SecretAccessKey"], found["SessionToken"]), found["Expiration"].timestamp()


def tags_of(tenant: Tenant) -> dict[str, str]:
    """The session tags that say who it is."""
    named = {"tenant": tenant.name, "team": tenant.team, "cost-centre": tenant.cost_centre}
    return {key: value for key, value in named.items() if value is not None}


def session_name(tenant: str) -> str:
    """A tenant's name as STS takes it: 2 to 64 characters of a smaller set."""
    return _NOT_IN_NAME.sub("-", tenant)[:64].ljust(2, "-")
